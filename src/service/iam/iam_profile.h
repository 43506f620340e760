/* iam_profile.h: instance profiles: a name under which an instance gets a role.
 *
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "iam_state.h"

void iam_profile_tables(struct core *core, struct iam *iam);
struct iam_profile *iam_profile_named(const struct core *core, const char *account,
                                      const char *name);
const char *iam_profile_prefix(struct arena *a, const char *account);
/* Saved; the name must be free. */
struct iam_profile *iam_profile_new(struct core *core, const char *account,
                                    const char *path, const char *name);
void iam_profile_role_set(struct core *core, struct iam_profile *p,
                          struct iam_role_entity *role); /* NULL: none any more */
