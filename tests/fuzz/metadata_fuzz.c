/* metadata_fuzz.c: what a hostile container sends to its agent: requests in pieces, paths,
 * queries, bodies. The first byte says how large the pieces are. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "container_stats.h"
#include "metadata.h"

static char *copy(const uint8_t *data, size_t size)
{
    char *buf = malloc(size + 1); /* room for one more byte, as is promised */
    if (!buf)
        abort();
    memcpy(buf, data, size);
    return buf;
}

static bool inside(const char *buf, size_t size, const char *p, size_t len)
{
    return p >= buf && p + len <= buf + size;
}

static void use(const char *buf, size_t size, const struct local_request *q)
{
    struct metadata_route route;
    struct protection_wish wish;
    struct error err;
    char value[32];
    assert(inside(buf, size, q->method, strlen(q->method)));
    assert(inside(buf, size, q->path, strlen(q->path)) && q->path[0] == '/');
    assert(!*q->query || inside(buf, size, q->query, strlen(q->query)));
    assert(inside(buf, size, q->body, q->body_len) && q->body_len <= LOCAL_BODY_MAX);
    metadata_route(q->path, &route);
    assert(strlen(route.id) < sizeof(route.id));
    if (local_query_value(q->query, "taskarn", value, sizeof(value)))
        assert(strlen(value) < sizeof(value));
    assert(inside(buf, size, q->headers, q->headers_len));
    if (local_request_header(q, "Host", value, sizeof(value)) >= 0)
        assert(strlen(value) < sizeof(value));
    if (metadata_read_protection(q->body, q->body_len, &wish, &err) < 0)
        assert(err.text[0]);
}

static void parse_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
    struct local_request q, all;
    struct error err;
    char *whole = copy(data, size), *buf = copy(data, size);
    int r = -E_AGAIN;
    size_t len = 0;
    while (r == -E_AGAIN && len < size) {
        len = size - len > piece ? len + piece : size;
        r = local_request_parse(buf, len, &q, &err);
        assert(r != -E_AGAIN || memcmp(buf, data, size) == 0); /* not touched yet */
    }
    if (r >= 0) {
        use(buf, size + 1, &q);
        /* what comes after it, and when, changes nothing */
        assert(local_request_parse(whole, len, &all, &err) >= 0);
        assert(strcmp(all.path, q.path) == 0 && strcmp(all.query, q.query) == 0);
        assert(all.body_len == q.body_len);
    }
    assert(r != -E_AGAIN || size < LOCAL_HEAD_MAX + LOCAL_BODY_MAX);
    free(whole);
    free(buf);
}

static void parse_stats(const char *text)
{
    struct arena a = ARENA_INIT;
    struct container_stats s = {0};
    struct str out = STR_INIT;
    s.memory_count = stats_parse_pairs(text, &a, &s.memory);
    s.io_bytes_count = stats_parse_io_v1(text, &a, &s.io_bytes);
    assert(s.io_bytes_count <= STATS_IO_MAX);
    s = (struct container_stats){0};
    stats_parse_io_v2(text, &a, &s);
    assert(s.io_bytes_count <= STATS_IO_MAX && s.io_operations_count <= STATS_IO_MAX);
    stats_parse_machine_cpu(text, 100);
    metadata_write_stats(&s, &s, "id", "name", &out);
    str_free(&out);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    parse_in_pieces(data + 1, size - 1, data[0] + 1u);
    char *text = copy(data + 1, size - 1);
    text[size - 1] = '\0';
    parse_stats(text);
    free(text);
    return 0;
}
