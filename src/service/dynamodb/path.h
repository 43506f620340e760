/* path.h: document paths: `a.b[3].c` within an item.
 *
 * Owns: nothing; paths lie in the arena of the expression that they are from. Threads: any.
 * Fails: never; a path that leads nowhere gives NULL. */
#pragma once

#include "attribute.h"

#define PATH_DEPTH_MAX 32

struct path_step {
    const char *name; /* NULL: an index */
    uint32_t index;
};

struct path {
    const struct path_step *steps; /* the first is always a name */
    size_t n;
};

/* Where the path leads in the item; NULL: nowhere. */
attribute_value *path_get(const struct path *p, const attribute_map *item);
/* The same for the first n steps, n > 0. */
attribute_value *path_get_part(const struct path *p, size_t n, const attribute_map *item);

enum path_relation {
    PATH_APART,
    PATH_OVERLAP,  /* one is the beginning of the other, or they are the same */
    PATH_CONFLICT, /* one takes for a list what the other takes for a map */
};
enum path_relation path_relation(const struct path *a, const struct path *b);
bool path_equal(const struct path *a, const struct path *b);

void path_describe(const struct path *p, struct str *out); /* "[a, [3], b]" */
