/* JSON straight into structs.
 *
 * The reader asks the descriptors, not the text, what comes next, so a body is read once
 * and no tree is made: that is both faster than a library's tree and stricter, because a
 * wrong type is seen where it stands. Three bounds keep a stranger's body harmless: depth
 * (WIRE_MAX_DEPTH), the caller's limit on length, and report_budget(). */
#include <math.h>
#include <stdlib.h>

#include "json.h"
#include "json_lex.h"
#include "scalar.h"
#include "slot.h"

#define NUMBER_MAX 64 /* characters; more digits than any double or long has */
#define SEEN_WORDS 8  /* 512 members: api/generate.py refuses more */

struct reader {
    struct json_text text;
    struct wire_report *report;
    bool trusted, on_wire;
};

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, enum wire_timestamp_format format,
                      int depth, void *slot);

/* What stands there instead of what belongs there, as AWS's front end words it. */
static int wrong_type(struct reader *r, const struct wire_path *path, const char *wanted)
{
    char c = json_peek(&r->text);
    if (c == '{')
        return report_type(r->report, path,
                           "Start of structure or map found where not expected.");
    if (c == '[')
        return report_type(r->report, path, "Start of list found where not expected.");
    const char *found = c == '"'   ? "STRING_VALUE"
                        : c == 't' ? "TRUE_VALUE"
                        : c == 'f' ? "FALSE_VALUE"
                        : c == 'n' ? "NULL_VALUE"
                                   : "NUMBER_VALUE";
    if (found[1] == 'U' && found[2] == 'M' && c != '-' && !(c >= '0' && c <= '9'))
        return json_bad(&r->text, "value expected");
    return report_type(r->report, path, "%s cannot be converted to %s", found, wanted);
}

static int number_text(struct reader *r, const struct wire_path *path, const char *wanted,
                       char buf[static NUMBER_MAX])
{
    const char *s;
    size_t len;
    char c = json_peek(&r->text);
    if (c != '-' && !(c >= '0' && c <= '9'))
        return wrong_type(r, path, wanted);
    int e = json_number(&r->text, &s, &len);
    if (e < 0)
        return e;
    if (len >= NUMBER_MAX)
        return report_type(r->report, path, "number with too many digits");
    memcpy(buf, s, len);
    buf[len] = '\0';
    return 0;
}

/* 5, and also 5.0 and 5e0, which some clients write for a whole number. */
static int read_integer(struct reader *r, const struct wire_path *path, bool is_long,
                        void *slot)
{
    char buf[NUMBER_MAX];
    const char *wanted = is_long ? "Long" : "Integer";
    int e = number_text(r, path, wanted, buf);
    if (e < 0)
        return e;
    int64_t min = is_long ? INT64_MIN : INT32_MIN, max = is_long ? INT64_MAX : INT32_MAX,
            v;
    if (!str_to_i64(buf, min, max, &v)) {
        double d = strtod(buf, NULL);
        if (!strpbrk(buf, ".eE") || d != floor(d) || fabs(d) > 9007199254740992.0 ||
            d < (double)min || d > (double)max)
            return report_type(r->report, path, "%s cannot be converted to %s", buf,
                               wanted);
        v = (int64_t)d;
    }
    if (is_long)
        *(int64_t *)slot = v;
    else
        *(int32_t *)slot = (int32_t)v;
    return 0;
}

/* Text of a short string value, for the few types that may come as a string. */
static int read_as_text(struct reader *r, const struct wire_path *path,
                        const struct wire_shape *shape, void *slot)
{
    const char *s;
    size_t len;
    int e = json_take_string(&r->text, &s, &len);
    if (e < 0)
        return e;
    return scalar_read(r->report, path, r->text.arena, shape, WIRE_TIME_DEFAULT, s, slot);
}

static int read_double(struct reader *r, const struct wire_path *path, double *slot)
{
    char buf[NUMBER_MAX];
    const char *s;
    size_t len;
    if (json_peek(&r->text) == '"') { /* only for what JSON's numbers can't say */
        int e = json_take_string(&r->text, &s, &len);
        if (e < 0)
            return e;
        *slot = streq(s, "NaN") ? NAN : streq(s, "-Infinity") ? -INFINITY : INFINITY;
        if (!isnan(*slot) && *slot > 0 && !streq(s, "Infinity"))
            return report_type(r->report, path,
                               "STRING_VALUE cannot be converted to Double");
        return 0;
    }
    int e = number_text(r, path, "Double", buf);
    if (e < 0)
        return e;
    *slot = strtod(buf, NULL);
    if (isinf(*slot))
        return report_type(r->report, path, "number out of range");
    return 0;
}

static int read_time(struct reader *r, const struct wire_path *path,
                     const struct wire_shape *shape, enum wire_timestamp_format format,
                     int64_t *slot)
{
    double seconds;
    if (json_peek(&r->text) == '"' && format > WIRE_TIME_UNIX)
        return read_as_text(r, path, shape, slot);
    char buf[NUMBER_MAX];
    int e = number_text(r, path, "Timestamp", buf);
    if (e < 0)
        return e;
    seconds = strtod(buf, NULL);
    if (!scalar_seconds_to_ms(seconds, slot))
        return report_type(r->report, path, "timestamp out of range");
    return 0;
}

static int read_bool(struct reader *r, const struct wire_path *path, bool *slot)
{
    char c = json_peek(&r->text);
    if (c != 't' && c != 'f')
        return wrong_type(r, path, "Boolean");
    *slot = c == 't';
    return json_literal(&r->text, *slot ? "true" : "false");
}

static int read_string(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, void *slot)
{
    const char *s;
    size_t len;
    if (json_peek(&r->text) != '"')
        return wrong_type(r, path, shape->type == WIRE_BLOB ? "Blob" : "String");
    if (shape->type == WIRE_BLOB)
        return read_as_text(r, path, shape, slot);
    if (shape->type == WIRE_STRING)
        return json_take_string(&r->text, (const char **)slot, &len);
    int e = json_take_string(&r->text, &s, &len);
    if (e < 0)
        return e;
    *(int *)slot = wire_enum_value(shape, s);
    if (!*(int *)slot && !r->trusted)
        report_enum(r->report, path, shape, s);
    return 0;
}

static int read_document(struct reader *r, int depth, const char **slot)
{
    json_peek(&r->text);
    const char *start = r->text.p;
    int e = json_skip(&r->text, depth);
    if (e == 0)
        *slot = arena_strndup(r->text.arena, start, (size_t)(r->text.p - start));
    return e;
}

static bool is_null(struct reader *r)
{
    return json_peek(&r->text) == 'n';
}

static int read_list(struct reader *r, const struct wire_path *path,
                     const struct wire_shape *shape, int depth, struct wire_list *list)
{
    struct json_text *t = &r->text;
    if (json_peek(t) != '[')
        return wrong_type(r, path, "List");
    t->p++;
    list->set = true;
    if (json_try(t, ']'))
        return 0;
    enum wire_timestamp_format format =
        scalar_time_format(NULL, shape->element, WIRE_TIME_UNIX);
    do {
        struct wire_path here = {
            .up = path, .index = list->n + 1, .sensitive = path && path->sensitive};
        void *slot = wire_list_push(t->arena, list, shape->entry_size);
        int e = read_value(r, &here, shape->element, format, depth, slot);
        if (e < 0)
            return e;
    } while (json_try(t, ','));
    return json_take(t, ']');
}

static int read_entry(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, int depth, struct wire_list *map)
{
    struct json_text *t = &r->text;
    size_t len;
    const char *key;
    if (json_peek(t) != '"')
        return json_bad(t, "'\"' expected");
    int e = json_take_string(t, &key, &len);
    if (e == 0)
        e = json_take(t, ':');
    if (e < 0)
        return e;
    struct wire_path here = {
        .up = path, .name = key, .element = true, .sensitive = path && path->sensitive};
    if (shape->key->type == WIRE_ENUM && !r->trusted && !wire_enum_value(shape->key, key))
        report_enum(r->report, &here, shape->key, key);
    void *entry = wire_list_push(t->arena, map, shape->entry_size);
    *(const char **)entry = key;
    return read_value(r, &here, shape->element,
                      scalar_time_format(NULL, shape->element, WIRE_TIME_UNIX), depth,
                      slot_map_value(shape, entry));
}

static int read_map(struct reader *r, const struct wire_path *path,
                    const struct wire_shape *shape, int depth, struct wire_list *map)
{
    struct json_text *t = &r->text;
    if (json_peek(t) != '{')
        return wrong_type(r, path, "Map");
    t->p++;
    map->set = true;
    if (json_try(t, '}'))
        return 0;
    do {
        int e = read_entry(r, path, shape, depth, map);
        if (e < 0)
            return e;
    } while (json_try(t, ','));
    int e = json_take(t, '}');
    if (e < 0)
        return e;
    const char *twice = slot_twice(t->arena, shape, map);
    return twice ? report_syntax(r->report, "key '%.100s' appears twice", twice) : 0;
}

static int read_member(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, int depth, uint64_t *seen,
                       uint32_t *hint, void *base)
{
    struct json_text *t = &r->text;
    const char *name;
    size_t len;
    if (json_peek(t) != '"')
        return json_bad(t, "'\"' expected");
    int e = json_name(t, &name, &len);
    if (e == 0)
        e = json_take(t, ':');
    if (e < 0)
        return e;
    const struct wire_member *m = slot_find(shape, name, len, r->on_wire, hint);
    if (!m)
        return json_skip(t, depth);
    size_t at = (size_t)(m - shape->members);
    if (seen[at / 64] >> at % 64 & 1)
        return report_syntax(r->report, "member '%s' appears twice", m->name);
    seen[at / 64] |= (uint64_t)1 << at % 64;
    if (is_null(r) && m->shape->type != WIRE_DOCUMENT)
        return json_literal(t, "null");
    struct wire_path here = {
        .up = path, .name = m->name, .sensitive = m->flags & WIRE_SENSITIVE};
    return read_value(r, &here, m->shape, scalar_time_format(m, m->shape, WIRE_TIME_UNIX),
                      depth, slot_make(t->arena, m, base));
}

static int read_struct(struct reader *r, const struct wire_path *path,
                       const struct wire_shape *shape, int depth, void *base)
{
    struct json_text *t = &r->text;
    uint64_t seen[SEEN_WORDS] = {0};
    uint32_t hint = 0;
    if (json_peek(t) != '{')
        return wrong_type(r, path, "Structure");
    t->p++;
    if (json_try(t, '}'))
        return 0;
    do {
        int e = read_member(r, path, shape, depth, seen, &hint, base);
        if (e < 0)
            return e;
    } while (json_try(t, ','));
    return json_take(t, '}');
}

static int read_value(struct reader *r, const struct wire_path *path,
                      const struct wire_shape *shape, enum wire_timestamp_format format,
                      int depth, void *slot)
{
    struct json_text *t = &r->text;
    if (depth >= WIRE_MAX_DEPTH)
        return json_bad(t, "nested too deeply");
    if (report_budget(r->report) < 0)
        return -E_INVALID;
    switch ((enum wire_type)shape->type) {
    case WIRE_BOOL:
        return read_bool(r, path, slot);
    case WIRE_INT:
    case WIRE_LONG:
        return read_integer(r, path, shape->type == WIRE_LONG, slot);
    case WIRE_DOUBLE:
        return read_double(r, path, slot);
    case WIRE_TIMESTAMP:
        return read_time(r, path, shape, format, slot);
    case WIRE_STRING:
    case WIRE_ENUM:
    case WIRE_BLOB:
        return read_string(r, path, shape, slot);
    case WIRE_DOCUMENT:
        return read_document(r, depth, slot);
    case WIRE_STRUCT:
        return read_struct(r, path, shape, depth + 1, slot);
    case WIRE_LIST:
        return read_list(r, path, shape, depth + 1, slot);
    case WIRE_MAP:
        return read_map(r, path, shape, depth + 1, slot);
    }
    return json_bad(t, "value of no known type");
}

/* Most bodies are ASCII, which eight bytes at a time can tell. */
static bool is_utf8(const char *text, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        if (word & 0x8080808080808080ULL)
            break;
    }
    return utf8_valid(text + i, len - i);
}

static int read_all(struct reader *r, const struct wire_shape *shape, void *root)
{
    struct json_text *t = &r->text;
    if (!is_utf8(t->p, (size_t)(t->end - t->p)))
        return report_syntax(r->report, "the body is not valid UTF-8");
    int e = read_value(r, NULL, shape, WIRE_TIME_UNIX, 0, root);
    if (e < 0)
        return e;
    json_peek(t);
    return t->p == t->end ? 0 : json_bad(t, "text behind the value");
}

static int read_into(struct arena *a, const struct wire_shape *shape, const char *text,
                     size_t len, struct reader r, void *root)
{
    r.text = (struct json_text){
        .start = text, .p = text, .end = text + len, .arena = a, .report = r.report};
    return read_all(&r, shape, root);
}

int json_decode_request(struct arena *a, const struct wire_shape *shape, const char *text,
                        size_t len, void *root, struct wire_report *report)
{
    return read_into(a, shape, text, len,
                     (struct reader){.report = report, .on_wire = true}, root);
}

int wire_json_decode(struct arena *a, const struct wire_shape *shape, const char *text,
                     size_t len, bool trusted, void **ret, struct wire_error *ret_error)
{
    struct wire_error ignored;
    struct wire_report report;
    report_init(&report, ret_error ? ret_error : &ignored, a, len);
    if (trusted)
        report.limit = 0;
    void *root = arena_alloc(a, shape->size);
    int e = read_into(a, shape, text, len,
                      (struct reader){.report = &report, .trusted = trusted}, root);
    if (e == 0 && !trusted) {
        check_value(&report, shape, root);
        e = report_finish(&report);
    }
    report_free(&report);
    if (e == 0)
        *ret = root;
    return e;
}
