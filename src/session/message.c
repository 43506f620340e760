#include "message.h"

#include <stdio.h>

#include <openssl/sha.h>

/* Where the fields lie. */
enum {
    AT_TYPE = 4,
    AT_SCHEMA = 36,
    AT_CREATED = 40,
    AT_SEQUENCE = 48,
    AT_FLAGS = 56,
    AT_ID = 64,
    AT_DIGEST = 80,
    AT_PAYLOAD_TYPE = 112,
    AT_PAYLOAD_LEN = 116,
    HEADER_LEN = 116,
    TYPE_LEN = 32,
    SCHEMA = 1,
};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void put(uint8_t *p, unsigned bytes, uint64_t v)
{
    for (unsigned i = bytes; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

/* On the wire the UUID's low half comes first. */
static void swap_id(const uint8_t *from, uint8_t *to)
{
    memcpy(to, from + 8, 8);
    memcpy(to + 8, from, 8);
}

static int read_type(const uint8_t *p, char ret[MESSAGE_TYPE_SIZE], struct error *err)
{
    size_t n = TYPE_LEN;
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == 0))
        n--;
    for (size_t i = 0; i < n; i++)
        if ((p[i] < 'a' || p[i] > 'z') && p[i] != '_')
            return fail(err, E_PROTOCOL, "a session message has a strange type");
    memset(ret, 0, MESSAGE_TYPE_SIZE);
    memcpy(ret, p, n);
    return n ? 0 : fail(err, E_PROTOCOL, "a session message has no type");
}

int message_decode(const void *data, size_t len, struct message *ret, struct error *err)
{
    const uint8_t *p = data;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct message m = {0};
    if (len < MESSAGE_HEADER_SIZE || get(p, 4) != HEADER_LEN)
        return fail(err, E_PROTOCOL, "a session message has no whole header");
    if (get(p + AT_PAYLOAD_LEN, 4) != len - MESSAGE_HEADER_SIZE)
        return fail(err, E_PROTOCOL, "a session message has not the length it says");
    if (get(p + AT_SCHEMA, 4) != SCHEMA)
        return fail(err, E_PROTOCOL, "a session message has another version");
    int r = read_type(p + AT_TYPE, m.type, err);
    if (r < 0)
        return r;
    m.payload = p + MESSAGE_HEADER_SIZE;
    m.payload_len = len - MESSAGE_HEADER_SIZE;
    SHA256(m.payload, m.payload_len, digest);
    if (memcmp(digest, p + AT_DIGEST, sizeof(digest)) != 0)
        return fail(err, E_PROTOCOL, "a session message's digest is wrong");
    m.created_ms = (int64_t)get(p + AT_CREATED, 8);
    m.sequence = (int64_t)get(p + AT_SEQUENCE, 8);
    m.flags = get(p + AT_FLAGS, 8);
    m.payload_type = (uint32_t)get(p + AT_PAYLOAD_TYPE, 4);
    swap_id(p + AT_ID, m.id);
    *ret = m;
    return 0;
}

void message_encode(const struct message *m, struct str *ret)
{
    uint8_t h[MESSAGE_HEADER_SIZE];
    size_t n = strlen(m->type);
    put(h, 4, HEADER_LEN);
    memset(h + AT_TYPE, ' ', TYPE_LEN);
    memcpy(h + AT_TYPE, m->type, n < TYPE_LEN ? n : TYPE_LEN);
    put(h + AT_SCHEMA, 4, SCHEMA);
    put(h + AT_CREATED, 8, (uint64_t)m->created_ms);
    put(h + AT_SEQUENCE, 8, (uint64_t)m->sequence);
    put(h + AT_FLAGS, 8, m->flags);
    swap_id(m->id, h + AT_ID);
    SHA256(m->payload_len ? m->payload : "", m->payload_len, h + AT_DIGEST);
    put(h + AT_PAYLOAD_TYPE, 4, m->payload_type);
    put(h + AT_PAYLOAD_LEN, 4, m->payload_len);
    str_addn(ret, h, sizeof(h));
    if (m->payload_len)
        str_addn(ret, m->payload, m->payload_len);
}

void message_id_text(const uint8_t id[MESSAGE_ID_SIZE], char ret[37])
{
    char hex[33];
    hex_encode(id, MESSAGE_ID_SIZE, hex);
    snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}
