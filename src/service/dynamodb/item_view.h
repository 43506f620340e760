/* item_view.h: which parts of an item a reader wants: ProjectionExpression, or the older
 * AttributesToGet.
 *
 * Owns: nothing; it lies in the arena that was given. Threads: any.
 * Fails: E_INVALID with the text of a ValidationException. */
#pragma once

#include "item_schema.h"
#include "projection.h"

struct item_view {
    const struct projection *projection; /* NULL: whole items, or: */
    const struct string_list *attributes; /* top-level names; NULL */
};

/* A request that has nothing else with placeholders. */
int item_view_parse(struct arena *a, const struct key_schema *key, const char *projection,
                    const struct string_map *names, const struct string_list *attributes,
                    struct item_view *ret, struct error *err);
/* Within a request that has other expressions. */
int item_view_parse_within(struct expression_scope *scope, const struct key_schema *key,
                           const char *projection, const struct string_list *attributes,
                           struct item_view *ret, struct error *err);
/* *ret shares its values with the item. */
void item_view_apply(struct arena *a, const struct item_view *v, const attribute_map *item,
                     attribute_map *ret);
