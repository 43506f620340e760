/* item_schema.h: what a table is, as whoever works on its items needs to know: keys, indexes,
 * where the rows lie. Made anew whenever the table changes and never changed itself, so that a
 * call which began with one description ends with it.
 *
 * Owns: an arena of its own; counted references. Threads: any. Fails: never. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "dynamodb_api.h"
#include "gantry_api.h"
#include "key_schema.h"

struct item_index {
    const char *name;
    bool global;
    bool filled; /* every item that belongs there is there */
    uint64_t space;
    struct key_schema key;
    enum dynamodb_projection_type projection;
    struct string_list attributes; /* of INCLUDE */
};

struct item_schema {
    atomic_uint refs;
    struct arena arena;
    const char *name, *arn;
    uint64_t space;
    struct key_schema key;
    struct item_index *indexes;
    size_t index_count;
    /* Time to live: entries of expiry_space are in the order of their end. NULL: off. */
    const char *expiry_attribute;
    uint64_t expiry_space;
    bool expiry_filled;
};

/* One reference is the caller's. */
struct item_schema *item_schema_new(const struct gantry_dynamodb_table_record *rec);
struct item_schema *item_schema_ref(struct item_schema *s);
void item_schema_unref(struct item_schema *s); /* NULL allowed */

/* NULL: the table has none of that name. */
const struct item_index *item_schema_index(const struct item_schema *s, const char *name);

/* Is it an attribute of the key? */
bool key_schema_has(const struct key_schema *key, const char *name);
/* Is it projected into the index: of its key, of the table's, or named? */
bool item_index_has(const struct item_schema *s, const struct item_index *x,
                    const char *name);
