#include "codec.h"
#include "slot.h"

/* RFC 8949: major types. */
enum {
    CBOR_UINT = 0,
    CBOR_NEGATIVE = 1,
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_ARRAY = 4,
    CBOR_MAP = 5,
    CBOR_TAG = 6,
};

static void add_big_endian(struct str *out, uint64_t v, int bytes)
{
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        str_addc(out, (char)(v >> shift & 0xff));
}

static void add_head(struct str *out, int major, uint64_t n)
{
    int lead = major << 5;
    if (n < 24) {
        str_addc(out, (char)(lead | (int)n));
        return;
    }
    int size = n <= UINT8_MAX ? 0 : n <= UINT16_MAX ? 1 : n <= UINT32_MAX ? 2 : 3;
    str_addc(out, (char)(lead | (24 + size)));
    add_big_endian(out, n, 1 << size);
}

static void add_int(struct str *out, int64_t v)
{
    if (v < 0)
        add_head(out, CBOR_NEGATIVE, (uint64_t)(-(v + 1)));
    else
        add_head(out, CBOR_UINT, (uint64_t)v);
}

static void add_double(struct str *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    str_addc(out, (char)0xfb);
    add_big_endian(out, bits, 8);
}

void cbor_add_text(struct str *out, const char *text)
{
    add_head(out, CBOR_TEXT, strlen(text));
    str_add(out, text);
}

void cbor_add_map(struct str *out, size_t entries)
{
    add_head(out, CBOR_MAP, entries);
}

static bool is_written(const struct wire_member *m, const void *base)
{
    return slot_get(m, base) || m->flags & WIRE_UNBOXED;
}

static void write_struct(struct str *out, const struct wire_shape *shape,
                         const void *base)
{
    size_t n = 0;
    for (uint32_t i = 0; i < shape->member_count; i++)
        n += is_written(&shape->members[i], base);
    cbor_add_map(out, n);
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *value = slot_get(m, base);
        if (!is_written(m, base))
            continue;
        cbor_add_text(out, m->wire_name);
        if (value)
            cbor_write(out, m->shape, value);
        else
            str_addc(out, m->shape->type == WIRE_BOOL ? (char)0xf4 : 0);
    }
}

static void write_entries(struct str *out, const struct wire_shape *shape,
                          const struct wire_list *list)
{
    bool map = shape->type == WIRE_MAP;
    add_head(out, map ? CBOR_MAP : CBOR_ARRAY, list->n);
    for (size_t i = 0; i < list->n; i++) {
        const void *entry = slot_entry(shape, list, i);
        if (map) {
            cbor_add_text(out, slot_key(entry));
            entry = slot_map_value(shape, entry);
        }
        cbor_write(out, shape->element, entry);
    }
}

void cbor_write(struct str *out, const struct wire_shape *shape, const void *value)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_BOOL:
        str_addc(out, *(const bool *)value ? (char)0xf5 : (char)0xf4);
        break;
    case WIRE_INT:
        add_int(out, *(const int32_t *)value);
        break;
    case WIRE_LONG:
        add_int(out, *(const int64_t *)value);
        break;
    case WIRE_DOUBLE:
        add_double(out, *(const double *)value);
        break;
    case WIRE_TIMESTAMP: {
        int64_t ms = *(const int64_t *)value;
        add_head(out, CBOR_TAG, 1);
        if (ms % 1000)
            add_double(out, (double)ms / 1000);
        else
            add_int(out, ms / 1000);
        break;
    }
    case WIRE_ENUM: {
        const char *name = wire_enum_name(shape, *(const int *)value);
        cbor_add_text(out, name ? name : "");
        break;
    }
    case WIRE_STRING:
    case WIRE_DOCUMENT: {
        const char *s = *(const char *const *)value;
        cbor_add_text(out, s ? s : "");
        break;
    }
    case WIRE_BLOB: {
        const struct wire_blob *b = value;
        add_head(out, CBOR_BYTES, b->size);
        str_addn(out, b->data, b->size);
        break;
    }
    case WIRE_STRUCT:
        write_struct(out, shape, value);
        break;
    case WIRE_LIST:
    case WIRE_MAP:
        write_entries(out, shape, value);
        break;
    }
}
