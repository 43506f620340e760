/* projection.h: ProjectionExpression: parts of an item.
 *
 * Owns: nothing; it lies in its scope's arena. Threads: any.
 * Fails: projection_parse() with E_INVALID, see expression.h; asking never fails. */
#pragma once

#include "path.h"
#include "expression.h"

struct projection {
    struct path *paths;
    size_t n;
};

int projection_parse(struct expression_scope *scope, const char *text,
                     const struct projection **ret, struct error *err);
/* Refuses paths into a key attribute, which is a scalar; label: "Key" or "IndexKey". */
int projection_check_key(const struct projection *p, const char *label, const char *key,
                         struct error *err);

/* A new item of what the paths lead to. Of lists only the elements that are named, in the
 * list's order. Values are shared with `item`. */
void projection_apply(struct arena *a, const struct projection *p, const attribute_map *item,
                      attribute_map *ret);
