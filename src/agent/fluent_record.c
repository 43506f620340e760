#include "fluent_record.h"

#define SECOND_NS INT64_C(1000000000)

static void put_be(struct str *s, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        str_addc(s, (char)(uint8_t)(v >> (8 * i)));
}

/* MessagePack's str family; bytes are passed on as they are. */
static void put_text(struct str *s, const char *text, size_t len)
{
    if (len < 32) {
        put_be(s, 0xa0 | len, 1);
    } else if (len <= UINT8_MAX) {
        put_be(s, 0xd9, 1);
        put_be(s, len, 1);
    } else if (len <= UINT16_MAX) {
        put_be(s, 0xda, 1);
        put_be(s, len, 2);
    } else {
        put_be(s, 0xdb, 1);
        put_be(s, len, 4);
    }
    str_addn(s, text, len);
}

static void put_pair(struct str *s, const char *name, const char *value, size_t len)
{
    put_text(s, name, strlen(name));
    put_text(s, value, len);
}

/* Ext type 0 of eight bytes: seconds and nanoseconds. */
static void put_time(struct str *s, int64_t time_ns)
{
    put_be(s, 0xd700, 2);
    put_be(s, (uint64_t)(time_ns / SECOND_NS), 4);
    put_be(s, (uint64_t)(time_ns % SECOND_NS), 4);
}

void fluent_record_write(const struct fluent_source *src, const struct log_entry *e,
                         struct str *ret)
{
    const char *stream = e->is_stderr ? "stderr" : "stdout";
    put_be(ret, 0x93, 1); /* an array of three */
    put_text(ret, src->tag, strlen(src->tag));
    put_time(ret, e->time_ns);
    put_be(ret, 0x84, 1); /* a map of four */
    put_pair(ret, "container_id", src->container_id, strlen(src->container_id));
    put_pair(ret, "container_name", src->container_name, strlen(src->container_name));
    put_pair(ret, "source", stream, strlen(stream));
    put_pair(ret, "log", e->text, e->len);
}
