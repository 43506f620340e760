/* iam_key.h: access keys: made, changed, and taken away.
 *
 * The secret is sealed in the record; it is opened when the key is used first.
 * Owns: see object.h. Threads: state thread. Fails: never. */
#pragma once

#include "iam_state.h"

void iam_key_tables(struct core *core, struct iam *iam);
/* Saved, Active, with its secret open. `user` NULL: of the account's root. */
struct iam_key *iam_key_new(struct core *core, const char *account,
                            struct iam_user_entity *user);
/* Those of a user, or of root. */
struct list *iam_keys_of(struct core *core, const char *account,
                         struct iam_user_entity *user);
