#include "json.h"

#include <math.h>

#include "base64.h"
#include "scalar.h"
#include "slot.h"

struct writer {
    struct str *out;
    bool reply;
    bool redacted; /* what the model calls sensitive is left out */
    enum wire_timestamp_format times;
};

static void write_value(struct writer *w, const struct wire_shape *shape,
                        enum wire_timestamp_format format, const void *value);

void json_add_string(struct str *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    str_addc(out, '"');
    for (const char *p = text; *p;) {
        size_t plain = 0;
        while ((unsigned char)p[plain] >= 0x20 && p[plain] != '"' && p[plain] != '\\')
            plain++;
        str_addn(out, p, plain);
        p += plain;
        if (!*p)
            break;
        char escape[7] = {'\\', *p};
        if (*p == '\n' || *p == '\t' || *p == '\r')
            escape[1] = *p == '\n' ? 'n' : *p == '\t' ? 't' : 'r';
        else if ((unsigned char)*p < 0x20)
            memcpy(escape + 1, (char[]){'u', '0', '0', hex[*p >> 4], hex[*p & 15]}, 5);
        str_add(out, escape);
        p++;
    }
    str_addc(out, '"');
}

static void add_name(struct writer *w, const char *name, bool *first)
{
    if (!*first)
        str_addc(w->out, ',');
    *first = false;
    json_add_string(w->out, name);
    str_addc(w->out, ':');
}

static void write_struct(struct writer *w, const struct wire_shape *shape,
                         const void *base)
{
    bool first = true;
    str_addc(w->out, '{');
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *value = slot_get(m, base);
        if (w->reply && m->location != WIRE_IN_BODY)
            continue;
        if (value && w->redacted && m->flags & WIRE_SENSITIVE) {
            add_name(w, m->name, &first);
            json_add_string(w->out, WIRE_REDACTED);
        } else if (value) {
            add_name(w, w->reply ? m->wire_name : m->name, &first);
            write_value(w, m->shape, scalar_time_format(m, m->shape, w->times), value);
        } else if (w->reply && m->flags & WIRE_UNBOXED) {
            add_name(w, m->wire_name, &first);
            str_add(w->out, m->shape->type == WIRE_BOOL ? "false" : "0");
        }
    }
    str_addc(w->out, '}');
}

static void write_entries(struct writer *w, const struct wire_shape *shape,
                          const struct wire_list *list)
{
    bool map = shape->type == WIRE_MAP, first = true;
    enum wire_timestamp_format format =
        scalar_time_format(NULL, shape->element, w->times);
    str_addc(w->out, map ? '{' : '[');
    for (size_t i = 0; i < list->n; i++) {
        const void *entry = slot_entry(shape, list, i);
        if (map)
            add_name(w, slot_key(entry), &first);
        else if (i)
            str_addc(w->out, ',');
        write_value(w, shape->element, format,
                    map ? slot_map_value(shape, entry) : entry);
    }
    str_addc(w->out, map ? '}' : ']');
}

static void write_value(struct writer *w, const struct wire_shape *shape,
                        enum wire_timestamp_format format, const void *value)
{
    bool quoted = false;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRUCT:
        write_struct(w, shape, value);
        return;
    case WIRE_LIST:
    case WIRE_MAP:
        write_entries(w, shape, value);
        return;
    case WIRE_STRING: {
        const char *s = *(const char *const *)value;
        json_add_string(w->out, s ? s : "");
        return;
    }
    case WIRE_DOCUMENT: {
        const char *s = *(const char *const *)value;
        str_add(w->out, s ? s : "null");
        return;
    }
    case WIRE_ENUM:
    case WIRE_BLOB:
        quoted = true;
        break;
    case WIRE_TIMESTAMP:
        quoted = format > WIRE_TIME_UNIX;
        break;
    case WIRE_DOUBLE:
        quoted = !isfinite(*(const double *)value);
        break;
    case WIRE_BOOL:
    case WIRE_INT:
    case WIRE_LONG:
        break;
    }
    if (quoted)
        str_addc(w->out, '"');
    scalar_write(w->out, shape, format, value);
    if (quoted)
        str_addc(w->out, '"');
}

void wire_json_encode(struct str *out, const struct wire_shape *shape, const void *value)
{
    struct writer w = {.out = out, .times = WIRE_TIME_UNIX};
    if (value)
        write_value(&w, shape, WIRE_TIME_UNIX, value);
    else
        str_add(out, "{}");
}

void wire_json_encode_iso(struct str *out, const struct wire_shape *shape,
                          const void *value)
{
    struct writer w = {.out = out, .times = WIRE_TIME_ISO8601};
    write_value(&w, shape, WIRE_TIME_ISO8601, value);
}

void wire_json_encode_redacted(struct str *out, const struct wire_shape *shape,
                               const void *value)
{
    struct writer w = {.out = out, .redacted = true, .times = WIRE_TIME_ISO8601};
    write_value(&w, shape, WIRE_TIME_ISO8601, value);
}

void json_encode_reply(struct str *out, const struct wire_shape *shape, const void *value)
{
    struct writer w = {.out = out, .reply = true, .times = WIRE_TIME_UNIX};
    if (value)
        write_value(&w, shape, WIRE_TIME_UNIX, value);
    else
        str_add(out, "{}");
}
