/* item_key.h: keys as bytes whose order is the order in which items are told.
 *
 *   an item       H esc(hash) 0001 [esc(range) 0001]
 *   in an index   H esc(hash) 0001 [esc(range) 0001] <the item's key> <its length, 2 bytes>
 *   by expiry     <seconds, 8 bytes> <the item's key>
 * H is 31 bits made of the hash key, so that partitions lie scattered and a scan can be cut
 * into segments; esc() writes 00 as 00FF, so that 0001 ends a value and what is longer comes
 * later. Numbers are number_key()'s.
 *
 * Owns: nothing; results are appended to the caller's str. Threads: any.
 * Fails: checks with E_INVALID and the text that the service gives its ValidationException. */
#pragma once

#include "attribute.h"
#include "item_schema.h"
#include "item_store.h"
#include "key_condition.h"

/* ---- checks ---- */

/* An item to be put: the table's key is there and of its types, and so is what indexes need,
 * where it is there. Validates all values, too. */
int item_key_check_item(struct arena *a, const struct item_schema *s, attribute_map *item,
                        struct error *err);
/* Only what indexes need. `update`: in the words of UpdateItem. */
int item_key_check_indexes(const struct item_schema *s, const attribute_map *item,
                           bool update, struct error *err);
/* A key: exactly the table's key attributes. */
int item_key_check_key(struct arena *a, const struct key_schema *key, attribute_map *given,
                       struct error *err);
/* A key to go on from: the table's and the index's key attributes (index may be NULL). */
int item_key_check_start(struct arena *a, const struct item_schema *s,
                         const struct item_index *x, attribute_map *given,
                         struct error *err);

/* ---- bytes ---- */

void item_key_add(const struct key_schema *key, const attribute_map *item, struct str *out);
/* False: the item does not belong into the index. */
bool index_key_add(const struct item_schema *s, const struct item_index *x,
                   const attribute_map *item, struct str *out);
/* False: it never expires. */
bool expiry_key_add(const struct item_schema *s, const attribute_map *item, struct str *out);

/* The item's key in a row of an index, or of those that expire. */
struct item_bytes index_key_item(struct item_bytes row);
struct item_bytes expiry_key_item(struct item_bytes row);
/* What is further in the past is a mistake and no time (Developer Guide, Time to Live). */
#define EXPIRY_PAST_SECONDS (5LL * 365 * 24 * 3600)
/* Where what expires in this second begins. */
void expiry_key_bound(int64_t seconds, struct str *out);

struct key_bounds {
    struct str from, to; /* from <= key < to */
};
#define AUTO_BOUNDS __attribute__((cleanup(key_bounds_free))) struct key_bounds
void key_bounds_free(struct key_bounds *b);
/* What a key condition covers, in the table or an index. */
void key_bounds_query(const struct key_range *range, struct key_bounds *ret);
/* A segment of a scan; 0 of 1 is all. */
void key_bounds_scan(uint32_t segment, uint32_t total, struct key_bounds *ret);
/* Goes on behind this row. False: it lies outside. */
bool key_bounds_after(struct key_bounds *b, const struct str *row, bool backward);
