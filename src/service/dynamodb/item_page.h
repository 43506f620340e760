/* item_page.h: a page of items in order, of a table or an index: what Query and Scan have in
 * common.
 *
 * A page ends after `limit` items that were looked at, or before the one with which they would
 * be larger than 1 MB; then there is a key to go on from, also when nothing is behind it.
 *
 * Owns: results lie in the arena. Threads: that of the transaction.
 * Fails: E_INVALID with the text of a ValidationException, or as the item store. */
#pragma once

#include "capacity.h"
#include "condition.h"
#include "item_key.h"
#include "item_view.h"

#define PAGE_MAX_SIZE (1024 * 1024)

struct item_page {
    struct arena *arena;
    const struct item_schema *schema;
    const struct item_index *index; /* NULL: the table itself */
    struct key_bounds bounds;       /* item_page_free() */
    bool backward, consistent;
    size_t limit; /* 0: none */
    enum dynamodb_select select;
    const struct condition *filter; /* NULL: none */
    struct item_view view;

    struct dynamodb_attribute_map_list items; /* unless they are only counted */
    size_t count, scanned, size;
    double fetched; /* units spent on the table behind an index */
    bool more;
    attribute_map last;  /* what was looked at last, when there is more */
    struct item_tx *tx;  /* its own */
};

/* What is asked of an index, and which parts of items. Static rules only. */
struct page_asked {
    const char *index, *projection, *filter;
    const struct string_list *attributes;
    enum dynamodb_select select;
    bool consistent;
};
int item_page_plan(struct item_page *p, const struct page_asked *asked, struct error *err);
/* After the view was parsed. */
int item_page_check_view(const struct item_page *p, struct error *err);
const struct key_schema *item_page_key(const struct item_page *p);

/* Goes on behind a key that an earlier page told. */
int item_page_start(struct item_page *p, attribute_map *start, const char *outside,
                    struct error *err);
int item_page_read(struct item_page *p, struct item_tx *tx, struct error *err);
/* The key to go on from. */
void item_page_last(const struct item_page *p, attribute_map *ret);
void item_page_spent(const struct item_page *p, struct spending *ret);
void item_page_free(struct item_page *p);
