/* What can be done with any described value, whatever its shape: copy, compare, grow. */
#include "slot.h"

static void copy_value(struct arena *a, const struct wire_shape *shape, const void *from,
                       void *to);

static size_t capacity(size_t n)
{
    size_t cap = 1;
    while (cap < n)
        cap *= 2;
    return cap;
}

static void copy_entries(struct arena *a, const struct wire_shape *shape,
                         const void *from, void *to)
{
    const struct wire_list *src = from;
    struct wire_list *dst = to;
    dst->set = src->set;
    dst->n = src->n;
    if (!src->n)
        return;
    dst->v = arena_array(a, capacity(src->n), shape->entry_size);
    for (size_t i = 0; i < src->n; i++) {
        const void *one = slot_entry(shape, src, i);
        void *other = slot_entry(shape, dst, i);
        if (shape->type == WIRE_LIST) {
            copy_value(a, shape->element, one, other);
            continue;
        }
        *(char **)other = arena_strdup(a, slot_key(one));
        copy_value(a, shape->element, slot_map_value(shape, one),
                   slot_map_value(shape, other));
    }
}

static void copy_struct(struct arena *a, const struct wire_shape *shape, const void *from,
                        void *to)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *value = slot_get(m, from);
        if (value)
            copy_value(a, m->shape, value, slot_make(a, m, to));
    }
}

static void copy_value(struct arena *a, const struct wire_shape *shape, const void *from,
                       void *to)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        *(char **)to = arena_strdup(a, *(const char *const *)from);
        break;
    case WIRE_BLOB: {
        const struct wire_blob *b = from;
        *(struct wire_blob *)to =
            (struct wire_blob){b->data ? arena_copy(a, b->data, b->size) : NULL, b->size};
        break;
    }
    case WIRE_STRUCT:
        copy_struct(a, shape, from, to);
        break;
    case WIRE_LIST:
    case WIRE_MAP:
        copy_entries(a, shape, from, to);
        break;
    case WIRE_BOOL:
    case WIRE_INT:
    case WIRE_LONG:
    case WIRE_DOUBLE:
    case WIRE_ENUM:
    case WIRE_TIMESTAMP:
        memcpy(to, from, shape->size);
        break;
    }
}

void wire_copy_into(struct arena *a, const struct wire_shape *shape, const void *value,
                    void *ret)
{
    memset(ret, 0, shape->size);
    if (value)
        copy_value(a, shape, value, ret);
}

void wire_overlay(struct arena *a, const struct wire_shape *shape, const void *over,
                  void *base)
{
    copy_struct(a, shape, over, base);
}

void *wire_copy(struct arena *a, const struct wire_shape *shape, const void *value)
{
    if (!value)
        return NULL;
    void *out = arena_alloc(a, shape->size);
    copy_value(a, shape, value, out);
    return out;
}

static bool equal_entries(const struct wire_shape *shape, const void *a, const void *b)
{
    const struct wire_list *one = a, *other = b;
    if (one->n != other->n)
        return false;
    for (size_t i = 0; i < one->n; i++) {
        const void *x = slot_entry(shape, one, i), *y = slot_entry(shape, other, i);
        if (shape->type == WIRE_MAP) {
            if (!streq(slot_key(x), slot_key(y)))
                return false;
            x = slot_map_value(shape, x);
            y = slot_map_value(shape, y);
        }
        if (!wire_equal(shape->element, x, y))
            return false;
    }
    return true;
}

static bool equal_struct(const struct wire_shape *shape, const void *a, const void *b)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *x = slot_get(m, a), *y = slot_get(m, b);
        if (!x != !y || (x && !wire_equal(m->shape, x, y)))
            return false;
    }
    return true;
}

bool wire_equal(const struct wire_shape *shape, const void *a, const void *b)
{
    if (a == b)
        return true;
    if (!a || !b)
        return false;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        return streq(*(const char *const *)a, *(const char *const *)b);
    case WIRE_BLOB: {
        const struct wire_blob *x = a, *y = b;
        return !x->data == !y->data && x->size == y->size &&
               (!x->data || !y->data || memcmp(x->data, y->data, x->size) == 0);
    }
    case WIRE_STRUCT:
        return equal_struct(shape, a, b);
    case WIRE_LIST:
    case WIRE_MAP:
        return equal_entries(shape, a, b);
    case WIRE_BOOL:
    case WIRE_INT:
    case WIRE_LONG:
    case WIRE_DOUBLE:
    case WIRE_ENUM:
    case WIRE_TIMESTAMP:
        break;
    }
    return memcmp(a, b, shape->size) == 0;
}

const char *wire_enum_name(const struct wire_shape *shape, int value)
{
    if (value <= 0 || (uint32_t)value > shape->enum_count)
        return NULL;
    return shape->enum_names[value];
}

int wire_enum_value(const struct wire_shape *shape, const char *name)
{
    for (uint32_t i = 1; name && i <= shape->enum_count; i++)
        if (strcmp(shape->enum_names[i], name) == 0)
            return (int)i;
    return 0;
}

void *wire_list_push(struct arena *a, struct wire_list *list, size_t size)
{
    size_t n = list->n;
    if ((n & (n - 1)) == 0) { /* 0 or a power of two: full */
        void *v = arena_array(a, n ? 2 * n : 1, size);
        if (n)
            memcpy(v, list->v, n * size);
        list->v = v;
    }
    list->n = n + 1;
    list->set = true;
    return (char *)list->v + n * size;
}
