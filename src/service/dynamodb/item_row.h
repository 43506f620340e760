/* item_row.h: items as they are stored: JSON, as the API has it, behind their key; and their
 * rows in the table's indexes, which change with them in one transaction.
 *
 * A row of an index is a key alone. What the index projects is cut out of the item when it is
 * read: so an index never differs from its table, and a write that changes no key of an index
 * does not touch it.
 *
 * Owns: results lie in the caller's arena. Threads: that of the transaction.
 * Fails: as the item store; E_NOTFOUND. */
#pragma once

#include "attribute.h"
#include "item_schema.h"
#include "item_store.h"

int item_row_read(struct item_tx *tx, const struct item_schema *s, struct item_bytes key,
                  struct arena *a, attribute_map *ret, struct error *err);
int item_row_decode(struct arena *a, struct item_bytes value, attribute_map *ret,
                    struct error *err);

/* What a write was worth, in write units. */
struct write_cost {
    double table;
    double *indexes; /* as in the schema; NULL: not asked for */
};

/* Puts `new` in the place of `old`, which is what is stored there; either may be NULL. */
int item_row_write(struct item_tx *tx, const struct item_schema *s, struct item_bytes key,
                   const attribute_map *old, const attribute_map *new,
                   struct write_cost *cost, struct error *err);
/* Takes an item that is there into an index that is being filled, or among those that expire
 * (x NULL). */
int item_row_enter(struct item_tx *tx, const struct item_schema *s,
                   const struct item_index *x, const attribute_map *item,
                   struct error *err);

/* The part of an item that an index projects; values are shared. */
void item_row_project(struct arena *a, const struct item_schema *s,
                      const struct item_index *x, const attribute_map *item,
                      attribute_map *ret);
size_t item_row_projected_size(const struct item_schema *s, const struct item_index *x,
                               const attribute_map *item);
