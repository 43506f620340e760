/* slot.h: where a value lies, in the wire library only.
 *
 * A member lies in its struct in "member form" (opt_int, a pointer to a structure, a
 * NULL-able string); a list's element or a map's value in "element form" (int32_t, the
 * structure itself). Every walker works on element form; these two functions lead from a
 * member to it. Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "wire.h"

/* The member's value in element form, NULL when it is absent. */
const void *slot_get(const struct wire_member *m, const void *base);

/* Makes the member present and returns where its value goes. Strings, enums, blobs, lists
 * and maps are present once the caller has filled them. */
void *slot_make(struct arena *a, const struct wire_member *m, void *base);

/* Entry i of a list (the element) or of a map (the entry: its key comes first). */
static inline void *slot_entry(const struct wire_shape *shape, const struct wire_list *l,
                               size_t i)
{
    return (char *)l->v + i * shape->entry_size;
}

static inline const char *slot_key(const void *entry)
{
    return *(const char *const *)entry;
}

static inline void *slot_map_value(const struct wire_shape *shape, const void *entry)
{
    return (char *)entry + shape->entry_value_offset;
}

/* The member of that name (exactly `len` bytes), or NULL. *hint is where to look first and
 * is moved on: bodies mostly come in the model's order. With `on_wire` it is the wire name
 * of a member in the body, as protocols have it, otherwise the model's name. */
const struct wire_member *slot_find(const struct wire_shape *shape, const char *name,
                                    size_t len, bool on_wire, uint32_t *hint);

/* A map's first key that it has twice, or NULL. */
const char *slot_twice(struct arena *a, const struct wire_shape *shape,
                       const struct wire_list *map);
