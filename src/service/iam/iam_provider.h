/* iam_provider.h: OpenID Connect providers: whose tokens an account believes.
 *
 * Owns: see object.h. Threads: state thread. Fails: never. */
#pragma once

#include "iam_state.h"

void iam_provider_tables(struct core *core, struct iam *iam);
/* Saved. `url` without "https://" and slash at its end is the name; it must be free. */
struct iam_provider *iam_provider_new(struct core *core, const char *account,
                                      const char *url);
bool iam_provider_is_local(const char *name);
const char *iam_provider_prefix(struct arena *a, const char *account);
