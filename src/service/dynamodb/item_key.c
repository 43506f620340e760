#include "item_key.h"

#include "number.h"

#define HASH_MAX_SIZE  2048
#define RANGE_MAX_SIZE 1024
#define INVALID        "One or more parameter values were invalid: "
#define NOT_VALID      "One or more parameter values are not valid. "

/* ---- checks ---- */

static enum attribute_type wanted(const struct key_attribute *k)
{
    return k->type == DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S   ? ATTRIBUTE_S
           : k->type == DYNAMODB_SCALAR_ATTRIBUTE_TYPE_N ? ATTRIBUTE_N
                                                         : ATTRIBUTE_B;
}

static size_t plain_size(const attribute_value *v)
{
    return v->s ? strlen(v->s) : v->b.data ? v->b.size : 1;
}

static int check_size(const struct key_attribute *k, const attribute_value *v, bool range,
                      struct error *err)
{
    size_t size = plain_size(v);
    if (size == 0)
        return fail(err, E_INVALID,
                    NOT_VALID
                    "The AttributeValue for a key attribute cannot contain an empty "
                    "%s value. Key: %s",
                    v->s ? "string" : "binary", k->name);
    if (!range && size > HASH_MAX_SIZE)
        return fail(err, E_INVALID,
                    INVALID
                    "Size of hashkey has exceeded the maximum size limit of%d bytes",
                    HASH_MAX_SIZE);
    if (range && size > RANGE_MAX_SIZE)
        return fail(err, E_INVALID,
                    INVALID
                    "Aggregated size of all range keys has exceeded the size limit of "
                    "%d bytes",
                    RANGE_MAX_SIZE);
    return 0;
}

static int check_own(const struct key_attribute *k, const attribute_map *item, bool range,
                     struct error *err)
{
    if (!k->name)
        return 0;
    const attribute_value *v = item_get(item, k->name);
    if (!v)
        return fail(err, E_INVALID, INVALID "Missing the key %s in the item", k->name);
    if (attribute_type(v) != wanted(k))
        return fail(err, E_INVALID,
                    INVALID "Type mismatch for key %s expected: %s actual: %s", k->name,
                    attribute_type_name(wanted(k)),
                    attribute_type_name(attribute_type(v)));
    return check_size(k, v, range, err);
}

static int check_index(const struct item_index *x, const struct key_attribute *k,
                       const attribute_map *item, bool update, struct error *err)
{
    const attribute_value *v = k->name ? item_get(item, k->name) : NULL;
    if (!v)
        return 0; /* then it is not in that index */
    if (attribute_type(v) != wanted(k) && update)
        return fail(
            err, E_INVALID,
            "The update expression attempted to update the secondary index key to "
            "unsupported type");
    if (attribute_type(v) != wanted(k))
        return fail(err, E_INVALID,
                    INVALID "Type mismatch for Index Key %s Expected: %s Actual: %s "
                            "IndexName: %s",
                    k->name, attribute_type_name(wanted(k)),
                    attribute_type_name(attribute_type(v)), x->name);
    if (plain_size(v) == 0)
        return fail(err, E_INVALID,
                    NOT_VALID
                    "A value specified for a secondary index key is not supported. "
                    "The AttributeValue for a key attribute cannot contain an empty "
                    "%s value. IndexName: %s, IndexKey: %s",
                    v->s ? "string" : "binary", x->name, k->name);
    return check_size(k, v, k == &x->key.range, err);
}

int item_key_check_indexes(const struct item_schema *s, const attribute_map *item,
                           bool update, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < s->index_count && r == 0; i++) {
        r = check_index(&s->indexes[i], &s->indexes[i].key.hash, item, update, err);
        if (r == 0)
            r = check_index(&s->indexes[i], &s->indexes[i].key.range, item, update, err);
    }
    return r;
}

int item_key_check_item(struct arena *a, const struct item_schema *s, attribute_map *item,
                        struct error *err)
{
    int r = item_validate(a, item, err);
    if (r == 0)
        r = check_own(&s->key.hash, item, false, err);
    if (r == 0)
        r = check_own(&s->key.range, item, true, err);
    if (r == 0)
        r = item_key_check_indexes(s, item, false, err);
    if (r == 0 && item_size(item) > ITEM_SIZE_MAX)
        r = fail(err, E_INVALID, "Item size has exceeded the maximum allowed size");
    return r;
}

static bool fits(const struct key_attribute *k, const attribute_map *given)
{
    const attribute_value *v = k->name ? item_get(given, k->name) : NULL;
    return !k->name || (v && attribute_type(v) == wanted(k));
}

int item_key_check_key(struct arena *a, const struct key_schema *key,
                       attribute_map *given, struct error *err)
{
    int r = item_validate(a, given, err);
    if (r < 0)
        return r;
    if (given->n != 1u + !!key->range.name || !fits(&key->hash, given) ||
        !fits(&key->range, given))
        return fail(err, E_INVALID, "The provided key element does not match the schema");
    r = check_size(&key->hash, item_get(given, key->hash.name), false, err);
    if (r == 0 && key->range.name)
        r = check_size(&key->range, item_get(given, key->range.name), true, err);
    return r;
}

int item_key_check_start(struct arena *a, const struct item_schema *s,
                         const struct item_index *x, attribute_map *given,
                         struct error *err)
{
    const struct key_attribute *all[] = {&s->key.hash, &s->key.range,
                                         x ? &x->key.hash : &s->key.hash,
                                         x ? &x->key.range : &s->key.range};
    int r = item_validate(a, given, err);
    if (r < 0)
        return r;
    size_t names = 0;
    for (size_t i = 0; i < 4; i++) {
        bool again = !all[i]->name;
        for (size_t k = 0; k < i; k++)
            again |= streq(all[k]->name, all[i]->name);
        names += !again;
        if (!fits(all[i], given))
            return fail(
                err, E_INVALID,
                "The provided starting key is invalid: The provided key element does "
                "not match the schema");
    }
    return given->n == names
               ? 0
               : fail(err, E_INVALID, "The provided starting key is invalid");
}

/* ---- bytes ---- */

static void add_escaped(struct str *out, const struct str *raw)
{
    const char *p = raw->data, *end = p + raw->len;
    while (p < end) {
        const char *zero = memchr(p, 0, (size_t)(end - p));
        size_t n = (size_t)((zero ? zero : end) - p);
        str_addn(out, p, n);
        if (zero)
            str_addn(out, "\0\377", 2);
        p += n + (zero != NULL);
    }
}

/* FNV-1a with its bits mixed once more: neighbours shall lie apart. */
static uint32_t scatter(const struct str *raw)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < raw->len; i++)
        h = (h ^ (unsigned char)raw->data[i]) * 16777619u;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return (h ^ h >> 16) >> 1;
}

static void add_u32(struct str *out, uint32_t v)
{
    const unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                (unsigned char)(v >> 8), (unsigned char)v};
    str_addn(out, b, sizeof(b));
}

/* The beginning of a partition. */
static void add_hash(struct str *out, const attribute_value *v)
{
    AUTO_STR raw = STR_INIT;
    attribute_key(v, &raw);
    add_u32(out, scatter(&raw));
    add_escaped(out, &raw);
    str_addn(out, "\0\1", 2);
}

static void add_range(struct str *out, const attribute_value *v, bool whole)
{
    AUTO_STR raw = STR_INIT;
    attribute_key(v, &raw);
    add_escaped(out, &raw);
    if (whole)
        str_addn(out, "\0\1", 2);
}

void item_key_add(const struct key_schema *key, const attribute_map *item,
                  struct str *out)
{
    add_hash(out, item_get(item, key->hash.name));
    if (key->range.name)
        add_range(out, item_get(item, key->range.name), true);
}

bool index_key_add(const struct item_schema *s, const struct item_index *x,
                   const attribute_map *item, struct str *out)
{
    if (!item_get(item, x->key.hash.name) || !fits(&x->key.hash, item) ||
        !fits(&x->key.range, item))
        return false;
    item_key_add(&x->key, item, out);
    size_t before = out->len;
    item_key_add(&s->key, item, out);
    size_t n = out->len - before;
    const unsigned char len[2] = {(unsigned char)(n >> 8), (unsigned char)n};
    str_addn(out, len, sizeof(len));
    return true;
}

struct item_bytes index_key_item(struct item_bytes row)
{
    if (row.size < 2)
        return row;
    size_t n = (size_t)row.data[row.size - 2] << 8 | row.data[row.size - 1];
    if (n + 2 > row.size)
        return (struct item_bytes){row.data, 0};
    return (struct item_bytes){row.data + row.size - 2 - n, n};
}

void expiry_key_bound(int64_t seconds, struct str *out)
{
    add_u32(out, (uint32_t)((uint64_t)seconds >> 32));
    add_u32(out, (uint32_t)seconds);
}

bool expiry_key_add(const struct item_schema *s, const attribute_map *item,
                    struct str *out)
{
    const attribute_value *v =
        s->expiry_attribute ? item_get(item, s->expiry_attribute) : NULL;
    int64_t seconds;
    if (!v || !v->n)
        return false;
    /* "1700000000.5" expires in that second. */
    char whole[24] = "";
    size_t n = strcspn(v->n, ".");
    if (n >= sizeof(whole))
        return false;
    memcpy(whole, v->n, n);
    if (!str_to_i64(whole, 1, INT64_MAX / 2, &seconds))
        return false;
    expiry_key_bound(seconds, out);
    item_key_add(&s->key, item, out);
    return true;
}

struct item_bytes expiry_key_item(struct item_bytes row)
{
    return row.size < 8 ? (struct item_bytes){row.data, 0}
                        : (struct item_bytes){row.data + 8, row.size - 8};
}

/* ---- bounds ---- */

void key_bounds_free(struct key_bounds *b)
{
    str_free(&b->from);
    str_free(&b->to);
}

/* The first bytes behind all that begin with these. */
static void raise(struct str *s)
{
    while (s->len && (unsigned char)s->data[s->len - 1] == 0xff)
        s->len--;
    if (s->len)
        s->data[s->len - 1]++;
}

static void set(struct str *s, const attribute_value *hash, const attribute_value *range,
                bool whole, bool behind)
{
    str_clear(s);
    add_hash(s, hash);
    if (range)
        add_range(s, range, whole);
    if (behind)
        raise(s);
}

void key_bounds_query(const struct key_range *k, struct key_bounds *ret)
{
    const attribute_value *low = NULL, *high = NULL;
    bool behind_low = false, behind_high = true;
    bool whole = k->comparison != KEY_BEGINS_WITH;
    switch (k->comparison) {
    case KEY_ANY:
        break;
    case KEY_EQUAL:
    case KEY_BEGINS_WITH:
        low = high = k->range[0];
        break;
    case KEY_LESS:
        behind_high = false;
        high = k->range[0];
        break;
    case KEY_LESS_EQUAL:
        high = k->range[0];
        break;
    case KEY_GREATER:
        behind_low = true;
        low = k->range[0];
        break;
    case KEY_GREATER_EQUAL:
        low = k->range[0];
        break;
    case KEY_BETWEEN:
        low = k->range[0];
        high = k->range[1];
        break;
    }
    set(&ret->from, k->hash, low, whole, behind_low);
    set(&ret->to, k->hash, high, whole, behind_high);
}

void key_bounds_scan(uint32_t segment, uint32_t total, struct key_bounds *ret)
{
    str_clear(&ret->from);
    str_clear(&ret->to);
    add_u32(&ret->from, (uint32_t)(((uint64_t)segment << 31) / total));
    add_u32(&ret->to, (uint32_t)((((uint64_t)segment + 1) << 31) / total));
}

static int compare(const struct str *a, const struct str *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int r = n ? memcmp(a->data, b->data, n) : 0;
    return r ? r : (a->len > b->len) - (a->len < b->len);
}

bool key_bounds_after(struct key_bounds *b, const struct str *row, bool backward)
{
    if (compare(row, &b->from) < 0 || compare(row, &b->to) >= 0)
        return false;
    struct str *end = backward ? &b->to : &b->from;
    str_clear(end);
    str_addn(end, row->data, row->len);
    if (!backward)
        str_addc(end, '\0'); /* the next possible key */
    return true;
}
