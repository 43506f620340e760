#include "slot.h"

#include <stdlib.h>

const void *slot_get(const struct wire_member *m, const void *base)
{
    const char *p = (const char *)base + m->offset;
    switch ((enum wire_type)m->shape->type) {
    case WIRE_BOOL:
        return ((const struct opt_bool *)p)->set ? &((const struct opt_bool *)p)->v
                                                 : NULL;
    case WIRE_INT:
        return ((const struct opt_int *)p)->set ? &((const struct opt_int *)p)->v : NULL;
    case WIRE_LONG:
        return ((const struct opt_long *)p)->set ? &((const struct opt_long *)p)->v
                                                 : NULL;
    case WIRE_DOUBLE:
        return ((const struct opt_double *)p)->set ? &((const struct opt_double *)p)->v
                                                   : NULL;
    case WIRE_TIMESTAMP:
        return ((const struct opt_time *)p)->set ? &((const struct opt_time *)p)->v
                                                 : NULL;
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        return *(const char *const *)p ? p : NULL;
    case WIRE_ENUM:
        return *(const int *)p ? p : NULL;
    case WIRE_BLOB:
        return ((const struct wire_blob *)p)->data ? p : NULL;
    case WIRE_STRUCT:
        return *(const void *const *)p;
    case WIRE_LIST:
    case WIRE_MAP:
        return ((const struct wire_list *)p)->set ? p : NULL;
    }
    return NULL;
}

void *slot_make(struct arena *a, const struct wire_member *m, void *base)
{
    char *p = (char *)base + m->offset;
    switch ((enum wire_type)m->shape->type) {
    case WIRE_BOOL:
        ((struct opt_bool *)p)->set = true;
        return &((struct opt_bool *)p)->v;
    case WIRE_INT:
        ((struct opt_int *)p)->set = true;
        return &((struct opt_int *)p)->v;
    case WIRE_LONG:
        ((struct opt_long *)p)->set = true;
        return &((struct opt_long *)p)->v;
    case WIRE_DOUBLE:
        ((struct opt_double *)p)->set = true;
        return &((struct opt_double *)p)->v;
    case WIRE_TIMESTAMP:
        ((struct opt_time *)p)->set = true;
        return &((struct opt_time *)p)->v;
    case WIRE_STRUCT:
        if (!*(void **)p)
            *(void **)p = arena_alloc(a, m->shape->size);
        return *(void **)p;
    case WIRE_STRING:
    case WIRE_DOCUMENT:
    case WIRE_ENUM:
    case WIRE_BLOB:
    case WIRE_LIST:
    case WIRE_MAP:
        break;
    }
    return p;
}

const struct wire_member *slot_find(const struct wire_shape *shape, const char *name,
                                    size_t len, bool on_wire, uint32_t *hint)
{
    uint32_t n = shape->member_count;
    for (uint32_t k = 0, i = *hint < n ? *hint : 0; k < n;
         k++, i = i + 1 < n ? i + 1 : 0) {
        const struct wire_member *m = &shape->members[i];
        const char *own = on_wire ? m->wire_name : m->name;
        if (on_wire && m->location != WIRE_IN_BODY)
            continue;
        if (strncmp(own, name, len) == 0 && strlen(own) == len) {
            *hint = i + 1;
            return m;
        }
    }
    return NULL;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *slot_twice(struct arena *a, const struct wire_shape *shape,
                       const struct wire_list *map)
{
    if (map->n < 2)
        return NULL;
    const char **keys = arena_new_array(a, const char *, map->n);
    for (size_t i = 0; i < map->n; i++)
        keys[i] = slot_key(slot_entry(shape, map, i));
    qsort(keys, map->n, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < map->n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return keys[i];
    return NULL;
}
