#include "codec.h"
#include "scalar.h"
#include "slot.h"

static void write_value(struct str *out, const struct wire_member *m,
                        const struct wire_shape *shape, const char *name,
                        const void *value);

/* XML 1.0 has no way to carry most control characters, so they become U+FFFD. */
void xml_add_text(struct str *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '&')
            str_add(out, "&amp;");
        else if (c == '<')
            str_add(out, "&lt;");
        else if (c == '>')
            str_add(out, "&gt;");
        else if (c == '"')
            str_add(out, "&quot;");
        else if (c == '\r')
            str_add(out, "&#13;");
        else if (c < 0x20 && c != '\n' && c != '\t')
            str_add(out, "\xef\xbf\xbd");
        else
            str_addc(out, *p);
    }
}

void xml_open(struct str *out, const char *name, const char *xml_namespace)
{
    str_addc(out, '<');
    str_add(out, name);
    if (xml_namespace) {
        str_add(out, " xmlns=\"");
        xml_add_text(out, xml_namespace);
        str_addc(out, '"');
    }
    str_addc(out, '>');
}

void xml_close(struct str *out, const char *name)
{
    str_add(out, "</");
    str_add(out, name);
    str_addc(out, '>');
}

void xml_add_element(struct str *out, const char *name, const char *text)
{
    if (!text)
        return;
    xml_open(out, name, NULL);
    xml_add_text(out, text);
    xml_close(out, name);
}

static void write_scalar(struct str *out, const struct wire_member *m,
                         const struct wire_shape *shape, const void *value)
{
    if (shape->type == WIRE_STRING || shape->type == WIRE_ENUM) {
        const char *s = shape->type == WIRE_ENUM
                            ? wire_enum_name(shape, *(const int *)value)
                            : *(const char *const *)value;
        xml_add_text(out, s ? s : "");
        return;
    }
    scalar_write(out, shape, scalar_time_format(m, shape, WIRE_TIME_ISO8601), value);
}

static void write_entry(struct str *out, const struct wire_shape *shape, const char *name,
                        const void *entry)
{
    const char *key_name = shape->key_name ? shape->key_name : "key";
    xml_open(out, name, NULL);
    xml_add_element(out, key_name, slot_key(entry));
    write_value(out, NULL, shape->element,
                shape->element_name ? shape->element_name : "value",
                slot_map_value(shape, entry));
    xml_close(out, name);
}

static void write_entries(struct str *out, const struct wire_member *m,
                          const struct wire_shape *shape, const char *name,
                          const struct wire_list *list)
{
    bool map = shape->type == WIRE_MAP;
    bool flat = shape->flattened || (m && m->flags & WIRE_FLATTENED);
    const char *item = flat && map           ? name
                       : map                 ? "entry"
                       : shape->element_name ? shape->element_name
                       : flat                ? name
                                             : "member";
    if (!flat)
        xml_open(out, name, NULL);
    for (size_t i = 0; i < list->n; i++) {
        const void *entry = slot_entry(shape, list, i);
        if (map)
            write_entry(out, shape, item, entry);
        else
            write_value(out, NULL, shape->element, item, entry);
    }
    if (!flat)
        xml_close(out, name);
}

/* Attributes belong into the opening tag, before the other members. */
static void write_struct(struct str *out, const struct wire_shape *shape,
                         const char *name, const void *base)
{
    str_addc(out, '<');
    str_add(out, name);
    if (shape->xml_namespace)
        str_addf(out, " xmlns:xsi=\"%s\"", shape->xml_namespace);
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *value = m->flags & WIRE_XML_ATTRIBUTE ? slot_get(m, base) : NULL;
        if (!value)
            continue;
        str_addf(out, " %s=\"", m->wire_name);
        write_scalar(out, m, m->shape, value);
        str_addc(out, '"');
    }
    str_addc(out, '>');
    xml_write_members(out, shape, base);
    xml_close(out, name);
}

static void write_value(struct str *out, const struct wire_member *m,
                        const struct wire_shape *shape, const char *name,
                        const void *value)
{
    if (shape->type == WIRE_STRUCT) {
        write_struct(out, shape, name, value);
    } else if (shape->type == WIRE_LIST || shape->type == WIRE_MAP) {
        write_entries(out, m, shape, name, value);
    } else {
        xml_open(out, name, NULL);
        write_scalar(out, m, shape, value);
        xml_close(out, name);
    }
}

void xml_write_members(struct str *out, const struct wire_shape *shape, const void *value)
{
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        if (m->location != WIRE_IN_BODY || m->flags & WIRE_XML_ATTRIBUTE)
            continue;
        const void *v = slot_get(m, value);
        if (v)
            write_value(out, m, m->shape, m->wire_name, v);
        else if (m->flags & WIRE_UNBOXED)
            xml_add_element(out, m->wire_name,
                            m->shape->type == WIRE_BOOL ? "false" : "0");
    }
}
