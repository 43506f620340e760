#include "slot.h"

#include <string.h>

/* Texts found so far. */
struct picked {
    struct arena *arena;
    struct string_list list;
};

static void pick_text(struct picked *p, const char *text)
{
    *LIST_PUSH(p->arena, &p->list) = text;
}

static const char *text_of(struct arena *a, const struct wire_shape *shape,
                           const void *value)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        return *(const char *const *)value;
    case WIRE_ENUM:
        return wire_enum_name(shape, *(const int *)value);
    case WIRE_BOOL:
        return *(const bool *)value ? "true" : "false";
    case WIRE_INT:
        return arena_printf(a, "%d", *(const int32_t *)value);
    case WIRE_LONG:
        return arena_printf(a, "%lld", (long long)*(const int64_t *)value);
    default:
        return NULL;
    }
}

static void pick(struct picked *p, const struct wire_shape *shape, const void *value,
                 const char *path);

static void pick_member(struct picked *p, const struct wire_shape *shape,
                        const void *value, const char *path)
{
    size_t len = strcspn(path, ".");
    uint32_t hint = 0;
    const struct wire_member *m = slot_find(shape, path, len, false, &hint);
    const void *inner = m ? slot_get(m, value) : NULL;
    if (inner)
        pick(p, m->shape, inner, path[len] ? path + len + 1 : "");
}

static void pick_list(struct picked *p, const struct wire_shape *shape,
                      const struct wire_list *list, const char *path)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t before = p->list.n;
        pick(p, shape->element, slot_entry(shape, list, i), path);
        if (p->list.n == before)
            pick_text(p, ""); /* so that two paths into one list stay in step */
    }
}

static void pick_map(struct picked *p, const struct wire_shape *shape,
                     const struct wire_list *map, const char *path)
{
    bool keys = streq(path, "key");
    for (size_t i = 0; i < map->n; i++) {
        const void *entry = slot_entry(shape, map, i);
        if (keys)
            pick_text(p, slot_key(entry));
        else
            pick(p, shape->element, slot_map_value(shape, entry),
                 streq(path, "value") ? "" : path);
    }
}

static void pick(struct picked *p, const struct wire_shape *shape, const void *value,
                 const char *path)
{
    if (shape->type == WIRE_LIST) {
        pick_list(p, shape, value, path);
    } else if (shape->type == WIRE_MAP) {
        pick_map(p, shape, value, path);
    } else if (shape->type == WIRE_STRUCT) {
        if (*path)
            pick_member(p, shape, value, path);
    } else if (!*path) {
        const char *text = text_of(p->arena, shape, value);
        if (text)
            pick_text(p, text);
    }
}

size_t wire_pick(struct arena *a, const struct wire_shape *shape, const void *value,
                 const char *path, const char *const **ret)
{
    struct picked p = {.arena = a};
    if (shape && value)
        pick(&p, shape, value, path);
    *ret = (const char *const *)p.list.v;
    return p.list.n;
}
