/* key_pair.h: key pairs, by their names. The private half is never kept.
 *
 * Owns: key pairs, in the table. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "ec2_state.h"

struct key_pair {
    struct object o;
    struct gantry_key_pair_record *rec;
};
extern const struct table_type key_pair_table;

/* ->rec->key_pair->public_key is a line for authorized_keys. */
struct key_pair *key_pair_find(struct core *core, const struct ec2_scope *s,
                               const char *name);
