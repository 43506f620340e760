/* Query and EC2 query: `ContainerOverrides.member.1.Name=web` into structs.
 *
 * The pairs are sorted, so that everything below a prefix is one run of neighbours; a
 * member is present when a key equals its name or lies below it. The two protocols differ
 * in names (EC2 has its own, capitalised) and in that EC2's lists have no `.member`. */
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"
#include "scalar.h"
#include "slot.h"

#define KEY_MAX 1024 /* longer keys name nothing that a model has */

struct reader {
    struct wire_report *report;
    struct arena *arena;
    const struct form *form;
    bool ec2;
    char key[KEY_MAX]; /* the key or prefix at hand */
};

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_member *m, const struct wire_shape *shape,
                      size_t len, int depth, void *slot);

char *percent_decode(struct arena *a, const char *text, size_t len, bool plus_is_blank)
{
    char *out = arena_alloc(a, len + 1), *p = out;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            char digits[3] = {0};
            if (len - i < 3)
                return NULL;
            memcpy(digits, text + i + 1, 2);
            if (!hex_decode(digits, &c, 1))
                return NULL;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0')
            return NULL;
        *p++ = c;
    }
    *p = '\0';
    return utf8_valid(out, (size_t)(p - out)) ? out : NULL;
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct form_pair *)a)->key, ((const struct form_pair *)b)->key);
}

int form_parse(struct wire_report *r, struct arena *a, const char *text, size_t len,
               struct form *ret)
{
    struct wire_list list = {0};
    for (size_t i = 0; i < len;) {
        const char *p = text + i, *end = memchr(p, '&', len - i);
        size_t n = end ? (size_t)(end - p) : len - i;
        const char *equals = memchr(p, '=', n);
        size_t key_len = equals ? (size_t)(equals - p) : n;
        i += n + 1;
        if (n == 0)
            continue;
        struct form_pair *pair = wire_list_push(a, &list, sizeof(*pair));
        pair->key = percent_decode(a, p, key_len, true);
        pair->value = equals ? percent_decode(a, equals + 1, n - key_len - 1, true) : "";
        if (!pair->key || !pair->value)
            return report_syntax(r, "the form is not valid percent-encoded UTF-8");
    }
    *ret = (struct form){list.v, list.n};
    if (list.n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_pairs);
    for (size_t i = 1; i < list.n; i++)
        if (strcmp(ret->v[i - 1].key, ret->v[i].key) == 0)
            return report_syntax(r, "parameter '%.100s' appears twice", ret->v[i].key);
    return 0;
}

/* The first pair whose key is not before `key`. */
static size_t lower_bound(const struct form *form, const char *key)
{
    size_t from = 0, to = form->n;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (strcmp(form->v[mid].key, key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

const char *form_get(const struct form *form, const char *key)
{
    size_t i = lower_bound(form, key);
    return i < form->n && strcmp(form->v[i].key, key) == 0 ? form->v[i].value : NULL;
}

/* Puts "text" behind r->key[len]; the new length, or 0 when it does not fit. */
static size_t key_put(struct reader *r, size_t len, const char *text)
{
    int n = snprintf(r->key + len, KEY_MAX - len, "%s%s", len ? "." : "", text);
    return n < 0 || (size_t)n >= KEY_MAX - len ? 0 : len + (size_t)n;
}

/* The run of keys below r->key[0..len]. */
static size_t below(struct reader *r, size_t len, size_t *ret_from)
{
    r->key[len] = '.';
    r->key[len + 1] = '\0';
    size_t from = lower_bound(r->form, r->key), to = from;
    while (to < r->form->n && strncmp(r->form->v[to].key, r->key, len + 1) == 0)
        to++;
    r->key[len] = '\0';
    *ret_from = from;
    return to - from;
}

static bool present(struct reader *r, size_t len)
{
    if (form_get(r->form, r->key))
        return true;
    r->key[len] = '.';
    r->key[len + 1] = '\0';
    size_t i = lower_bound(r->form, r->key);
    bool yes = i < r->form->n && strncmp(r->form->v[i].key, r->key, len + 1) == 0;
    r->key[len] = '\0';
    return yes;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The different numbers behind r->key[0..len], ascending: X.1, X.2, X.10. */
static struct int_list indices(struct reader *r, size_t len)
{
    struct int_list out = {0};
    size_t from, n = below(r, len, &from);
    long last = -1;
    for (size_t i = from; i < from + n; i++) {
        const char *at = r->form->v[i].key + len + 1;
        char *end;
        if (*at < '1' || *at > '9') /* "01" would be a second name for 1 */
            continue;
        long k = strtol(at, &end, 10);
        if ((*end && *end != '.') || k == last || k > INT32_MAX)
            continue;
        *LIST_PUSH(r->arena, &out) = (int)k;
        last = k;
    }
    if (out.n > 1)
        qsort(out.v, out.n, sizeof(*out.v), compare_ints);
    return out;
}

/* Where a list's or map's items are counted: below the member's own name, or below a
 * wrapper. The length of the prefix in r->key, 0 when it is too long. */
static size_t items_prefix(struct reader *r, const struct wire_member *m,
                           const struct wire_shape *shape, size_t len)
{
    bool map = shape->type == WIRE_MAP;
    bool flat = r->ec2 || shape->flattened || (m && m->flags & WIRE_FLATTENED);
    if (!flat)
        return key_put(r, len, map ? "entry" : shape->element_name ?: "member");
    if (map || r->ec2 || !shape->element_name)
        return len;
    /* A flattened list with a name for its items takes that name instead of its own. */
    char *dot = memrchr(r->key, '.', len);
    size_t up = dot ? (size_t)(dot - r->key) : 0;
    return key_put(r, up, shape->element_name);
}

static int read_list(struct reader *r, const struct wire_path *path,
                     const struct wire_member *m, const struct wire_shape *shape,
                     size_t len, int depth, struct wire_list *list)
{
    list->set = true;
    size_t prefix = items_prefix(r, m, shape, len);
    if (!prefix)
        return 0;
    struct int_list at = indices(r, prefix);
    for (size_t i = 0; i < at.n; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", at.v[i]);
        size_t here = key_put(r, prefix, number);
        if (!here)
            continue;
        struct wire_path p = {
            .up = path, .index = i + 1, .sensitive = path && path->sensitive};
        void *slot = wire_list_push(r->arena, list, shape->entry_size);
        int e = read_value(r, &p, NULL, shape->element, here, depth, slot);
        if (e < 0)
            return e;
        r->key[prefix] = '\0';
    }
    return 0;
}

static int read_entry(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, size_t len, int depth,
                      struct wire_list *map)
{
    size_t at = key_put(r, len, shape->key_name ?: "key");
    const char *key = at ? form_get(r->form, r->key) : NULL;
    r->key[len] = '\0';
    if (!key)
        return report_type(r->report, path, "map entry without a key");
    struct wire_path p = {
        .up = path, .name = key, .element = true, .sensitive = path && path->sensitive};
    if (shape->key->type == WIRE_ENUM && !wire_enum_value(shape->key, key))
        report_enum(r->report, &p, shape->key, key);
    void *entry = wire_list_push(r->arena, map, shape->entry_size);
    *(const char **)entry = arena_strdup(r->arena, key);
    at = key_put(r, len, shape->element_name ?: "value");
    if (!at || !present(r, at))
        return report_type(r->report, &p, "map entry without a value");
    return read_value(r, &p, NULL, shape->element, at, depth,
                      slot_map_value(shape, entry));
}

static int read_map(struct reader *r, const struct wire_path *path,
                    const struct wire_member *m, const struct wire_shape *shape,
                    size_t len, int depth, struct wire_list *map)
{
    map->set = true;
    size_t prefix = items_prefix(r, m, shape, len);
    if (!prefix)
        return 0;
    struct int_list at = indices(r, prefix);
    for (size_t i = 0; i < at.n; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", at.v[i]);
        size_t here = key_put(r, prefix, number);
        if (!here)
            continue;
        int e = read_entry(r, path, shape, here, depth, map);
        if (e < 0)
            return e;
        r->key[prefix] = '\0';
    }
    const char *twice = slot_twice(r->arena, shape, map);
    return twice ? report_syntax(r->report, "key '%.100s' appears twice", twice) : 0;
}

/* The longest that a list's own key can be: its items may bear another name. */
static bool list_present(struct reader *r, const struct wire_member *m, size_t len)
{
    char kept[KEY_MAX];
    memcpy(kept, r->key, len + 1);
    size_t prefix = items_prefix(r, m, m->shape, len);
    bool yes = prefix && present(r, prefix);
    memcpy(r->key, kept, len + 1);
    return yes;
}

static int read_struct(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, size_t len, int depth, void *base)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        size_t here = key_put(r, len, r->ec2 ? m->ec2_name : m->wire_name);
        bool yes = here && (present(r, here) ||
                            (m->shape->type == WIRE_LIST && list_present(r, m, here)));
        if (yes) {
            struct wire_path p = {
                .up = path, .name = m->name, .sensitive = m->flags & WIRE_SENSITIVE};
            int e =
                read_value(r, &p, m, m->shape, here, depth, slot_make(r->arena, m, base));
            if (e < 0)
                return e;
        }
        r->key[len] = '\0';
    }
    return 0;
}

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_member *m, const struct wire_shape *shape,
                      size_t len, int depth, void *slot)
{
    if (depth >= WIRE_MAX_DEPTH)
        return report_syntax(r->report, "nested too deeply");
    if (report_budget(r->report) < 0)
        return -E_INVALID;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRUCT:
        return read_struct(r, path, shape, len, depth + 1, slot);
    case WIRE_LIST:
        return read_list(r, path, m, shape, len, depth + 1, slot);
    case WIRE_MAP:
        return read_map(r, path, m, shape, len, depth + 1, slot);
    default:
        break;
    }
    const char *text = form_get(r->form, r->key);
    if (!text)
        return report_type(r->report, path, "a structure where a plain value belongs");
    return scalar_read(r->report, path, r->arena, shape, WIRE_TIME_ISO8601, text, slot);
}

int form_read(struct wire_report *r, struct arena *a, const struct form *form, bool ec2,
              const struct wire_shape *shape, void *root)
{
    struct reader reader = {.report = r, .arena = a, .form = form, .ec2 = ec2};
    return read_struct(&reader, NULL, shape, 0, 0, root);
}
