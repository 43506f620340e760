/* CBOR (RFC 8949) as Smithy's RPC v2 uses it, straight into structs: maps with text keys,
 * definite and indefinite lengths, floats of all three sizes, tag 1 on timestamps. Bounded
 * like JSON: depth, the length of the body, report_budget(). */
#include <math.h>

#include "codec.h"
#include "scalar.h"
#include "slot.h"

enum {
    UINT = 0,
    NEGATIVE = 1,
    BYTES = 2,
    TEXT = 3,
    ARRAY = 4,
    MAP = 5,
    TAG = 6,
    SIMPLE = 7,
};
enum {
    FALSE_ITEM = 20,
    TRUE_ITEM = 21,
    NULL_ITEM = 22,
    UNDEFINED_ITEM = 23,
    HALF = 25,
    SINGLE = 26,
    DOUBLE = 27,
    INDEFINITE = 31,
};

struct item {
    int major, info; /* info: the low five bits */
    uint64_t n;      /* argument; undefined when indefinite */
};

struct reader {
    struct wire_report *report;
    struct arena *arena;
    const uint8_t *start, *p, *end;
};

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, int depth, struct item head,
                      void *slot);
static int skip(struct reader *r, struct item head, int depth);

static int bad(struct reader *r, const char *what)
{
    report_syntax(r->report, "%s at byte %zu", what, (size_t)(r->p - r->start));
    return -E_INVALID;
}

static int read_head(struct reader *r, struct item *ret)
{
    if (r->p == r->end)
        return bad(r, "the body ends too early");
    *ret = (struct item){.major = *r->p >> 5, .info = *r->p & 31};
    r->p++;
    if (ret->info < 24) {
        ret->n = (uint64_t)ret->info;
        return 0;
    }
    if (ret->info == INDEFINITE)
        return ret->major == UINT || ret->major == NEGATIVE || ret->major == TAG
                   ? bad(r, "bad length")
                   : 0;
    if (ret->info > DOUBLE)
        return bad(r, "reserved length");
    int bytes = 1 << (ret->info - 24);
    if (r->end - r->p < bytes)
        return bad(r, "the body ends too early");
    while (bytes--)
        ret->n = ret->n << 8 | *r->p++;
    return 0;
}

static bool is_break(const struct reader *r)
{
    return r->p < r->end && *r->p == 0xff;
}

/* Is there another entry? Counts down, or takes the break of an indefinite one. */
static bool more(struct reader *r, struct item *head)
{
    if (head->info == INDEFINITE) {
        if (!is_break(r))
            return true;
        r->p++;
        return false;
    }
    return head->n-- > 0;
}

static bool is_null(struct item head)
{
    return head.major == SIMPLE &&
           (head.info == NULL_ITEM || head.info == UNDEFINED_ITEM);
}

/* Bytes or text, in one piece or in chunks, as NUL-terminated memory in the arena. */
static int read_bytes(struct reader *r, struct item head, char **ret, size_t *ret_len)
{
    if (head.info != INDEFINITE) {
        if (head.n > (uint64_t)(r->end - r->p))
            return bad(r, "the body ends too early");
        *ret = arena_strndup(r->arena, "", 0);
        if (head.n) {
            *ret = arena_alloc(r->arena, head.n + 1);
            memcpy(*ret, r->p, head.n);
        }
        *ret_len = head.n;
        r->p += head.n;
        return 0;
    }
    AUTO_STR all = STR_INIT;
    struct item chunk;
    while (more(r, &head)) {
        int e = read_head(r, &chunk);
        if (e < 0)
            return e;
        if (chunk.major != head.major || chunk.info == INDEFINITE ||
            chunk.n > (uint64_t)(r->end - r->p))
            return bad(r, "bad chunk");
        str_addn(&all, r->p, chunk.n);
        r->p += chunk.n;
    }
    *ret = arena_alloc(r->arena, all.len + 1);
    memcpy(*ret, str_text(&all), all.len);
    *ret_len = all.len;
    return 0;
}

static int read_text(struct reader *r, struct item head, char **ret)
{
    size_t len;
    int e = read_bytes(r, head, ret, &len);
    if (e < 0)
        return e;
    if (memchr(*ret, '\0', len))
        return bad(r, "NUL character in a text");
    return utf8_valid(*ret, len) ? 0 : bad(r, "text that is not valid UTF-8");
}

static double half(uint64_t h)
{
    int exponent = (int)(h >> 10 & 31);
    double mantissa = (double)(h & 1023), v;
    if (exponent == 31)
        v = mantissa > 0 ? NAN : INFINITY;
    else
        v = exponent ? ldexp(mantissa + 1024, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -v : v;
}

static bool as_double(struct item head, double *ret)
{
    if (head.major == UINT) {
        *ret = (double)head.n;
    } else if (head.major == NEGATIVE) {
        *ret = -1.0 - (double)head.n;
    } else if (head.major == SIMPLE && head.info == HALF) {
        *ret = half(head.n);
    } else if (head.major == SIMPLE && head.info == SINGLE) {
        uint32_t bits = (uint32_t)head.n;
        float f;
        memcpy(&f, &bits, sizeof(f));
        *ret = (double)f;
    } else if (head.major == SIMPLE && head.info == DOUBLE) {
        memcpy(ret, &head.n, sizeof(*ret));
    } else {
        return false;
    }
    return true;
}

static bool as_int(struct item head, int64_t min, int64_t max, int64_t *ret)
{
    if (head.major > NEGATIVE || head.n > INT64_MAX)
        return false;
    *ret = head.major == UINT ? (int64_t)head.n : -1 - (int64_t)head.n;
    return *ret >= min && *ret <= max;
}

static int wrong_type(struct reader *r, const struct wire_path *path, struct item head)
{
    static const char *const names[] = {
        "unsigned number", "negative number", "byte string", "text", "list", "map", "tag",
        "simple value"};
    return report_type(r->report, path, "unexpected %s", names[head.major]);
}

static int read_time(struct reader *r, const struct wire_path *path, struct item head,
                     int64_t *slot)
{
    double seconds;
    if (head.major == TAG) {
        if (head.n != 1)
            return report_type(r->report, path, "unexpected tag");
        int e = read_head(r, &head);
        if (e < 0)
            return e;
    }
    if (!as_double(head, &seconds))
        return wrong_type(r, path, head);
    return scalar_seconds_to_ms(seconds, slot)
               ? 0
               : report_type(r->report, path, "timestamp out of range");
}

static int read_scalar(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, struct item head, void *slot)
{
    int64_t v = 0;
    bool ok = false;
    switch (shape->type) {
    case WIRE_BOOL:
        ok = head.major == SIMPLE && (head.info == TRUE_ITEM || head.info == FALSE_ITEM);
        *(bool *)slot = head.info == TRUE_ITEM;
        break;
    case WIRE_INT:
        ok = as_int(head, INT32_MIN, INT32_MAX, &v);
        *(int32_t *)slot = (int32_t)v;
        break;
    case WIRE_LONG:
        ok = as_int(head, INT64_MIN, INT64_MAX, &v);
        *(int64_t *)slot = v;
        break;
    case WIRE_DOUBLE:
        ok = as_double(head, slot);
        break;
    default:
        break;
    }
    return ok ? 0 : wrong_type(r, path, head);
}

static int read_string(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, struct item head, void *slot)
{
    char *s;
    if (shape->type == WIRE_BLOB) {
        struct wire_blob *b = slot;
        if (head.major != BYTES)
            return wrong_type(r, path, head);
        int e = read_bytes(r, head, &s, &b->size);
        b->data = e < 0 ? NULL : (const uint8_t *)s;
        return e;
    }
    if (head.major != TEXT)
        return wrong_type(r, path, head);
    int e = read_text(r, head, &s);
    if (e < 0)
        return e;
    return scalar_read(r->report, path, r->arena, shape, WIRE_TIME_UNIX, s, slot);
}

static int read_list(struct reader *r, const struct wire_path *path,
                     const struct wire_shape *shape, int depth, struct item head,
                     struct wire_list *list)
{
    if (head.major != ARRAY)
        return wrong_type(r, path, head);
    list->set = true;
    while (more(r, &head)) {
        struct wire_path here = {
            .up = path, .index = list->n + 1, .sensitive = path && path->sensitive};
        struct item item;
        int e = read_head(r, &item);
        if (e < 0)
            return e;
        void *slot = wire_list_push(r->arena, list, shape->entry_size);
        e = read_value(r, &here, shape->element, depth, item, slot);
        if (e < 0)
            return e;
    }
    return 0;
}

/* A key and the head of its value. */
static int read_key(struct reader *r, char **ret_key, struct item *ret_value)
{
    struct item head;
    int e = read_head(r, &head);
    if (e < 0)
        return e;
    if (head.major != TEXT)
        return bad(r, "a key that is not text");
    e = read_text(r, head, ret_key);
    return e < 0 ? e : read_head(r, ret_value);
}

static int read_map(struct reader *r, const struct wire_path *path,
                    const struct wire_shape *shape, int depth, struct item head,
                    struct wire_list *map)
{
    if (head.major != MAP)
        return wrong_type(r, path, head);
    map->set = true;
    while (more(r, &head)) {
        char *key = NULL;
        struct item item = {0};
        int e = read_key(r, &key, &item);
        if (e < 0)
            return e;
        struct wire_path here = {.up = path,
                                 .name = key,
                                 .element = true,
                                 .sensitive = path && path->sensitive};
        if (shape->key->type == WIRE_ENUM && !wire_enum_value(shape->key, key))
            report_enum(r->report, &here, shape->key, key);
        void *entry = wire_list_push(r->arena, map, shape->entry_size);
        *(const char **)entry = key;
        e = read_value(r, &here, shape->element, depth, item,
                       slot_map_value(shape, entry));
        if (e < 0)
            return e;
    }
    const char *twice = slot_twice(r->arena, shape, map);
    return twice ? report_syntax(r->report, "key '%.100s' appears twice", twice) : 0;
}

static int read_struct(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, int depth, struct item head,
                       void *base)
{
    uint32_t hint = 0;
    uint64_t seen[8] = {0}; /* 512 members: api/generate.py refuses more */
    if (head.major != MAP)
        return wrong_type(r, path, head);
    while (more(r, &head)) {
        char *key = NULL;
        struct item item = {0};
        int e = read_key(r, &key, &item);
        if (e < 0)
            return e;
        const struct wire_member *m = slot_find(shape, key, strlen(key), true, &hint);
        size_t at = m ? (size_t)(m - shape->members) : 0;
        if (m && seen[at / 64] >> at % 64 & 1)
            return report_syntax(r->report, "member '%s' appears twice", m->name);
        if (m)
            seen[at / 64] |= (uint64_t)1 << at % 64;
        struct wire_path here = {.up = path,
                                 .name = m ? m->name : key,
                                 .sensitive = m && m->flags & WIRE_SENSITIVE};
        if (!m || is_null(item))
            e = skip(r, item, depth);
        else
            e = read_value(r, &here, m->shape, depth, item, slot_make(r->arena, m, base));
        if (e < 0)
            return e;
    }
    return 0;
}

static int skip(struct reader *r, struct item head, int depth)
{
    struct item item;
    if (depth >= WIRE_MAX_DEPTH)
        return bad(r, "nested too deeply");
    if (head.major == BYTES || head.major == TEXT) {
        char *s;
        size_t len;
        return report_budget(r->report) < 0 ? -E_INVALID : read_bytes(r, head, &s, &len);
    }
    if (head.major == SIMPLE && head.info == INDEFINITE)
        return bad(r, "unexpected break");
    if (head.major < ARRAY || head.major == SIMPLE)
        return 0;
    if (head.major == TAG)
        head.n = 1;
    while (more(r, &head))
        for (int i = head.major == MAP ? 2 : 1; i > 0; i--) {
            int e = read_head(r, &item);
            if (e == 0)
                e = skip(r, item, depth + 1);
            if (e < 0)
                return e;
        }
    return 0;
}

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, int depth, struct item head,
                      void *slot)
{
    if (depth >= WIRE_MAX_DEPTH)
        return bad(r, "nested too deeply");
    if (report_budget(r->report) < 0)
        return -E_INVALID;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRUCT:
        return read_struct(r, path, shape, depth + 1, head, slot);
    case WIRE_LIST:
        return read_list(r, path, shape, depth + 1, head, slot);
    case WIRE_MAP:
        return read_map(r, path, shape, depth + 1, head, slot);
    case WIRE_TIMESTAMP:
        return read_time(r, path, head, slot);
    case WIRE_STRING:
    case WIRE_DOCUMENT:
    case WIRE_ENUM:
    case WIRE_BLOB:
        return read_string(r, path, shape, head, slot);
    case WIRE_BOOL:
    case WIRE_INT:
    case WIRE_LONG:
    case WIRE_DOUBLE:
        break;
    }
    return read_scalar(r, path, shape, head, slot);
}

int cbor_read(struct wire_report *r, struct arena *a, const void *data, size_t len,
              const struct wire_shape *shape, void *root)
{
    struct reader reader = {.report = r,
                            .arena = a,
                            .start = data,
                            .p = data,
                            .end = (const uint8_t *)data + len};
    struct item head;
    int e = read_head(&reader, &head);
    if (e == 0)
        e = read_value(&reader, NULL, shape, 0, head, root);
    if (e == 0 && reader.p != reader.end)
        e = bad(&reader, "data behind the value");
    return e;
}
