#include "attribute.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "number.h"

#define PARAMETER "One or more parameter values were invalid: "

static const char *const type_names[] = {
    [ATTRIBUTE_S] = "S",       [ATTRIBUTE_N] = "N",   [ATTRIBUTE_B] = "B",
    [ATTRIBUTE_SS] = "SS",     [ATTRIBUTE_NS] = "NS", [ATTRIBUTE_BS] = "BS",
    [ATTRIBUTE_M] = "M",       [ATTRIBUTE_L] = "L",   [ATTRIBUTE_NULL] = "NULL",
    [ATTRIBUTE_BOOL] = "BOOL",
};
_Static_assert(sizeof(type_names) / sizeof(*type_names) == ATTRIBUTE_TYPE_COUNT, "names");

const char *attribute_type_name(enum attribute_type type)
{
    return type_names[type];
}

enum attribute_type attribute_type_find(const char *name)
{
    for (enum attribute_type t = ATTRIBUTE_S; t < ATTRIBUTE_TYPE_COUNT; t++)
        if (streq(type_names[t], name))
            return t;
    return ATTRIBUTE_ABSENT;
}

static bool has(const attribute_value *v, enum attribute_type type)
{
    switch (type) {
    case ATTRIBUTE_S:
        return v->s != NULL;
    case ATTRIBUTE_N:
        return v->n != NULL;
    case ATTRIBUTE_B:
        return v->b.data != NULL;
    case ATTRIBUTE_SS:
        return v->ss.set;
    case ATTRIBUTE_NS:
        return v->ns.set;
    case ATTRIBUTE_BS:
        return v->bs.set;
    case ATTRIBUTE_M:
        return v->m.set;
    case ATTRIBUTE_L:
        return v->l.set;
    case ATTRIBUTE_NULL:
        return v->null.set;
    case ATTRIBUTE_BOOL:
        return v->bool_.set;
    default:
        return false;
    }
}

enum attribute_type attribute_type(const attribute_value *v)
{
    for (enum attribute_type t = ATTRIBUTE_S; t < ATTRIBUTE_TYPE_COUNT; t++)
        if (has(v, t))
            return t;
    return ATTRIBUTE_ABSENT;
}

/* ---- sets ---- */

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int bytes_order(const struct wire_blob *a, const struct wire_blob *b)
{
    size_t n = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->data, b->data, n);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int blob_order(const void *a, const void *b)
{
    return bytes_order(a, b);
}

/* A sorted copy of the list, which the caller frees. Numbers are in canonical form, so that
 * their texts tell them apart. */
static void *sorted(const void *v, size_t n, size_t size,
                    int (*order)(const void *, const void *))
{
    void *copy = xmalloc(n * size + 1);
    if (n > 0)
        memcpy(copy, v, n * size);
    if (n > 1)
        qsort(copy, n, size, order);
    return copy;
}

static bool has_doubles(const void *v, size_t n, size_t size,
                        int (*order)(const void *, const void *))
{
    char *copy = sorted(v, n, size, order);
    bool found = false;
    for (size_t i = 1; i < n && !found; i++)
        found = order(copy + (i - 1) * size, copy + i * size) == 0;
    free(copy);
    return found;
}

static bool same_members(const struct wire_list *a, const struct wire_list *b,
                         size_t size, int (*order)(const void *, const void *))
{
    if (a->n != b->n)
        return false;
    char *x = sorted(a->v, a->n, size, order), *y = sorted(b->v, b->n, size, order);
    bool same = true;
    for (size_t i = 0; i < a->n && same; i++)
        same = order(x + i * size, y + i * size) == 0;
    free(x);
    free(y);
    return same;
}

bool attribute_is_set(enum attribute_type type)
{
    return type == ATTRIBUTE_SS || type == ATTRIBUTE_NS || type == ATTRIBUTE_BS;
}

/* A set's members, whatever they are. */
struct members {
    struct wire_list *list;
    size_t size;
    int (*order)(const void *, const void *);
};

static struct members members_of(attribute_value *v, enum attribute_type type)
{
    void *list = type == ATTRIBUTE_SS   ? (void *)&v->ss
                 : type == ATTRIBUTE_NS ? (void *)&v->ns
                                        : (void *)&v->bs;
    bool blobs = type == ATTRIBUTE_BS;
    return (struct members){list, blobs ? sizeof(struct wire_blob) : sizeof(char *),
                            blobs ? blob_order : text_order};
}

/* Adds those of `from` that `but` has not. */
static void add_other(struct arena *a, struct members to, struct members from,
                      struct members but)
{
    char *known = sorted(but.list->v, but.list->n, but.size, but.order);
    for (size_t i = 0; i < from.list->n; i++) {
        const char *one = (const char *)from.list->v + i * from.size;
        if (!bsearch(one, known, but.list->n, but.size, but.order))
            memcpy(wire_list_push(a, to.list, to.size), one, to.size);
    }
    free(known);
}

static void add_all(struct arena *a, struct members to, struct members from)
{
    for (size_t i = 0; i < from.list->n; i++)
        memcpy(wire_list_push(a, to.list, to.size),
               (const char *)from.list->v + i * from.size, to.size);
}

void attribute_set_add(struct arena *a, const attribute_value *set,
                       const attribute_value *more, attribute_value *ret)
{
    enum attribute_type type = attribute_type(set);
    attribute_value first = *set, second = *more;
    *ret = (attribute_value){0};
    add_all(a, members_of(ret, type), members_of(&first, type));
    add_other(a, members_of(ret, type), members_of(&second, type),
              members_of(&first, type));
}

void attribute_set_remove(struct arena *a, const attribute_value *set,
                          const attribute_value *less, attribute_value *ret)
{
    enum attribute_type type = attribute_type(set);
    attribute_value first = *set, second = *less;
    *ret = (attribute_value){0};
    add_other(a, members_of(ret, type), members_of(&first, type),
              members_of(&second, type));
}

/* ---- what is valid ---- */

static void add_texts(struct str *out, const struct string_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        str_addf(out, "%s%s", i ? ", " : "", l->v[i]);
}

static void add_blobs(struct str *out, const struct blob_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        str_add(out, i ? ", " : "");
        base64_add(out, l->v[i].data, l->v[i].size);
    }
}

static int number_canonical(struct arena *a, const char **text, struct error *err)
{
    struct decimal n;
    int r = number_parse(*text, &n, err);
    if (r == 0)
        *text = number_text(a, &n);
    return r;
}

static int strings_validate(const struct string_list *l, struct error *err)
{
    if (l->n == 0)
        return fail(err, E_INVALID, PARAMETER "An string set  may not be empty");
    if (!has_doubles(l->v, l->n, sizeof(*l->v), text_order))
        return 0;
    AUTO_STR list = STR_INIT;
    add_texts(&list, l);
    return fail(err, E_INVALID, PARAMETER "Input collection [%s] contains duplicates.",
                str_text(&list));
}

static int numbers_validate(struct arena *a, struct string_list *l, struct error *err)
{
    if (l->n == 0)
        return fail(err, E_INVALID, PARAMETER "An number set  may not be empty");
    for (size_t i = 0; i < l->n; i++) {
        int r = number_canonical(a, &l->v[i], err);
        if (r < 0)
            return r;
    }
    if (has_doubles(l->v, l->n, sizeof(*l->v), text_order))
        return fail(err, E_INVALID, "Input collection contains duplicates");
    return 0;
}

static int blobs_validate(const struct blob_list *l, struct error *err)
{
    if (l->n == 0)
        return fail(err, E_INVALID, PARAMETER "Binary sets should not be empty");
    if (!has_doubles(l->v, l->n, sizeof(*l->v), blob_order))
        return 0;
    AUTO_STR list = STR_INIT;
    add_blobs(&list, l);
    return fail(err, E_INVALID,
                PARAMETER "Input collection [%s]of type BS contains duplicates.",
                str_text(&list));
}

static int validate(struct arena *a, attribute_value *v, int depth, struct error *err);

static int map_validate(struct arena *a, attribute_map *m, int depth, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < m->n && r == 0; i++)
        r = validate(a, &m->v[i].value, depth, err);
    return r;
}

static int list_validate(struct arena *a, struct dynamodb_attribute_value_list *l,
                         int depth, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < l->n && r == 0; i++)
        r = validate(a, &l->v[i], depth, err);
    return r;
}

static int member_validate(struct arena *a, attribute_value *v, enum attribute_type type,
                           int depth, struct error *err)
{
    if ((type == ATTRIBUTE_M || type == ATTRIBUTE_L) && depth >= ATTRIBUTE_DEPTH_MAX)
        return fail(
            err, E_INVALID,
            "Nesting Levels have exceeded supported limits: Attributes in the item "
            "have nested levels beyond supported limit");
    switch (type) {
    case ATTRIBUTE_N:
        return number_canonical(a, &v->n, err);
    case ATTRIBUTE_SS:
        return strings_validate(&v->ss, err);
    case ATTRIBUTE_NS:
        return numbers_validate(a, &v->ns, err);
    case ATTRIBUTE_BS:
        return blobs_validate(&v->bs, err);
    case ATTRIBUTE_M:
        return map_validate(a, &v->m, depth + 1, err);
    case ATTRIBUTE_L:
        return list_validate(a, &v->l, depth + 1, err);
    case ATTRIBUTE_NULL:
        if (!v->null.v)
            return fail(err, E_INVALID,
                        PARAMETER
                        "Null attribute value types must have the value of true");
        return 0;
    default:
        return 0;
    }
}

static int validate(struct arena *a, attribute_value *v, int depth, struct error *err)
{
    int count = 0;
    for (enum attribute_type t = ATTRIBUTE_S; t < ATTRIBUTE_TYPE_COUNT; t++) {
        if (!has(v, t))
            continue;
        int r = member_validate(a, v, t, depth, err);
        if (r < 0)
            return r;
        count++;
    }
    if (count == 0)
        return fail(err, E_INVALID,
                    "Supplied AttributeValue is empty, must contain exactly one of the "
                    "supported datatypes");
    if (count > 1)
        return fail(
            err, E_INVALID,
            "Supplied AttributeValue has more than one datatypes set, must contain "
            "exactly one of the supported datatypes");
    return 0;
}

int attribute_validate(struct arena *a, attribute_value *v, struct error *err)
{
    return validate(a, v, 0, err);
}

int item_validate(struct arena *a, attribute_map *item, struct error *err)
{
    return map_validate(a, item, 0, err);
}

/* ---- what is equal, what comes first ---- */

static int entry_order(const void *a, const void *b)
{
    const struct dynamodb_attribute_value_map_entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* The map's entries by name; the caller frees the array. */
static const struct dynamodb_attribute_value_map_entry **by_name(const attribute_map *m)
{
    const struct dynamodb_attribute_value_map_entry **v =
        xmalloc((m->n + 1) * sizeof(*v));
    for (size_t i = 0; i < m->n; i++)
        v[i] = &m->v[i];
    qsort(v, m->n, sizeof(*v), entry_order);
    return v;
}

static bool map_equal(const attribute_map *a, const attribute_map *b)
{
    if (a->n != b->n)
        return false;
    const struct dynamodb_attribute_value_map_entry **x = by_name(a), **y = by_name(b);
    bool same = true;
    for (size_t i = 0; i < a->n && same; i++)
        same = streq(x[i]->key, y[i]->key) && attribute_equal(&x[i]->value, &y[i]->value);
    free(x);
    free(y);
    return same;
}

static bool list_equal(const struct dynamodb_attribute_value_list *a,
                       const struct dynamodb_attribute_value_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!attribute_equal(&a->v[i], &b->v[i]))
            return false;
    return true;
}

static const struct wire_list *as_list(const void *list)
{
    return list;
}

bool attribute_equal(const attribute_value *a, const attribute_value *b)
{
    enum attribute_type type = attribute_type(a);
    int order;
    if (type != attribute_type(b))
        return false;
    switch (type) {
    case ATTRIBUTE_SS:
        return same_members(as_list(&a->ss), as_list(&b->ss), sizeof(char *), text_order);
    case ATTRIBUTE_NS:
        return same_members(as_list(&a->ns), as_list(&b->ns), sizeof(char *), text_order);
    case ATTRIBUTE_BS:
        return same_members(as_list(&a->bs), as_list(&b->bs), sizeof(struct wire_blob),
                            blob_order);
    case ATTRIBUTE_M:
        return map_equal(&a->m, &b->m);
    case ATTRIBUTE_L:
        return list_equal(&a->l, &b->l);
    case ATTRIBUTE_NULL:
        return true;
    case ATTRIBUTE_BOOL:
        return a->bool_.v == b->bool_.v;
    default:
        return attribute_order(a, b, &order) && order == 0;
    }
}

bool attribute_order(const attribute_value *a, const attribute_value *b, int *ret)
{
    enum attribute_type type = attribute_type(a);
    if (type != attribute_type(b))
        return false;
    switch (type) {
    case ATTRIBUTE_S:
        *ret = strcmp(a->s, b->s);
        return true;
    case ATTRIBUTE_N:
        return decimal_compare(a->n, b->n, ret);
    case ATTRIBUTE_B:
        *ret = bytes_order(&a->b, &b->b);
        return true;
    default:
        return false;
    }
}

void attribute_key(const attribute_value *v, struct str *out)
{
    struct decimal n;
    if (v->s)
        str_add(out, v->s);
    else if (v->n && number_parse(v->n, &n, NULL) == 0)
        number_key(&n, out);
    else if (v->b.data)
        str_addn(out, v->b.data, v->b.size);
}

/* ---- how large ---- */

int attribute_depth(const attribute_value *v)
{
    int deepest = 0;
    for (size_t i = 0; i < v->m.n; i++) {
        int depth = attribute_depth(&v->m.v[i].value);
        deepest = depth > deepest ? depth : deepest;
    }
    for (size_t i = 0; i < v->l.n; i++) {
        int depth = attribute_depth(&v->l.v[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (v->m.set || v->l.set);
}

/* "Approximately": a byte for two digits, and one (Item sizes and formats). */
static size_t number_size(const char *text)
{
    struct decimal n;
    if (decimal_parse(text, &n) < 0)
        return 1;
    return (n.n + 1) / 2 + 1;
}

static size_t set_size(const attribute_value *v)
{
    size_t size = 0;
    for (size_t i = 0; i < v->ss.n; i++)
        size += strlen(v->ss.v[i]);
    for (size_t i = 0; i < v->ns.n; i++)
        size += number_size(v->ns.v[i]);
    for (size_t i = 0; i < v->bs.n; i++)
        size += v->bs.v[i].size;
    return size;
}

static size_t list_size(const struct dynamodb_attribute_value_list *l)
{
    size_t size = 3 + l->n;
    for (size_t i = 0; i < l->n; i++)
        size += attribute_size(&l->v[i]);
    return size;
}

size_t attribute_size(const attribute_value *v)
{
    switch (attribute_type(v)) {
    case ATTRIBUTE_S:
        return strlen(v->s);
    case ATTRIBUTE_N:
        return number_size(v->n);
    case ATTRIBUTE_B:
        return v->b.size;
    case ATTRIBUTE_M:
        return 3 + v->m.n + item_size(&v->m);
    case ATTRIBUTE_L:
        return list_size(&v->l);
    case ATTRIBUTE_NULL:
    case ATTRIBUTE_BOOL:
        return 1;
    default:
        return set_size(v);
    }
}

size_t item_size(const attribute_map *item)
{
    size_t size = 0;
    for (size_t i = 0; i < item->n; i++)
        size += strlen(item->v[i].key) + attribute_size(&item->v[i].value);
    return size;
}

/* ---- items ---- */

attribute_value *item_get(const attribute_map *item, const char *name)
{
    for (size_t i = 0; i < item->n; i++)
        if (streq(item->v[i].key, name))
            return &item->v[i].value;
    return NULL;
}

void item_set(struct arena *a, attribute_map *item, const char *name,
              const attribute_value *v)
{
    attribute_value *old = item_get(item, name);
    if (old) {
        *old = *v;
        return;
    }
    struct dynamodb_attribute_value_map_entry *e = LIST_PUSH(a, item);
    e->key = name;
    e->value = *v;
}

bool item_remove(attribute_map *item, const char *name)
{
    for (size_t i = 0; i < item->n; i++) {
        if (!streq(item->v[i].key, name))
            continue;
        memmove(&item->v[i], &item->v[i + 1], (item->n - i - 1) * sizeof(*item->v));
        item->n--;
        return true;
    }
    return false;
}

static void describe_map(const attribute_map *m, struct str *out)
{
    str_addc(out, '{');
    for (size_t i = 0; i < m->n; i++) {
        str_addf(out, "%s%s=", i ? ", " : "", m->v[i].key);
        attribute_describe(&m->v[i].value, out);
    }
    str_addc(out, '}');
}

static void describe_list(const struct dynamodb_attribute_value_list *l, struct str *out)
{
    str_addc(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        str_add(out, i ? ", " : "");
        attribute_describe(&l->v[i], out);
    }
    str_addc(out, ']');
}

static void describe_inner(const attribute_value *v, enum attribute_type type,
                           struct str *out)
{
    if (type == ATTRIBUTE_S || type == ATTRIBUTE_N) {
        str_add(out, v->s ? v->s : v->n);
    } else if (type == ATTRIBUTE_B) {
        base64_add(out, v->b.data, v->b.size);
    } else if (type == ATTRIBUTE_M) {
        describe_map(&v->m, out);
    } else if (type == ATTRIBUTE_L) {
        describe_list(&v->l, out);
    } else if (type == ATTRIBUTE_NULL || type == ATTRIBUTE_BOOL) {
        str_add(out, v->null.v || v->bool_.v ? "true" : "false");
    } else {
        str_addc(out, '[');
        add_texts(out, type == ATTRIBUTE_SS ? &v->ss : &v->ns);
        add_blobs(out, &v->bs);
        str_addc(out, ']');
    }
}

void attribute_describe(const attribute_value *v, struct str *out)
{
    enum attribute_type type = attribute_type(v);
    str_addf(out, "{%s:", type_names[type]);
    describe_inner(v, type, out);
    str_addc(out, '}');
}
