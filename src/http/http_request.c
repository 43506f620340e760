/* From a connection to a struct request: path, headers, body. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http_server.h"

#define FIRST_BUFFER 4096

/* A proxy's client sends the absolute form (RFC 9112 §3.2.2): only the path matters. */
static const char *origin_form(const char *uri)
{
    if (strncasecmp(uri, "http://", 7) != 0)
        return uri;
    const char *path = uri + 7 + strcspn(uri + 7, "/?");
    return *path ? path : "/";
}

struct request *request_new(struct http_server *s, const char *uri,
                            struct MHD_Connection *conn)
{
    struct request *r = xcalloc(1, sizeof(*r));
    r->server = s;
    r->conn = conn;
    atomic_store_explicit(&r->refs, 1, memory_order_relaxed);
    pthread_mutex_init(&r->lock, NULL);
    list_init(&r->node);
    r->watched.slot = NO_SLOT;
    list_init(&r->watched.ended);
    r->pub.server_ctx = s->ctx;
    uri = origin_form(uri);
    const char *mark = strchr(uri, '?');
    size_t path_len = mark ? (size_t)(mark - uri) : strlen(uri);
    r->pub.path = arena_strndup(&r->pub.arena, uri, path_len);
    r->pub.query = mark ? arena_strdup(&r->pub.arena, mark + 1) : NULL;
    r->pub.method = r->pub.version = r->pub.peer = "";
    return r;
}

void request_drop_body(struct request *r)
{
    atomic_fetch_sub_explicit(&r->server->buffered, r->reserved, memory_order_relaxed);
    r->reserved = 0;
    if (r->collect.data)
        explicit_bzero(r->collect.data, r->collect.cap); /* it may hold a secret */
    str_free(&r->collect);
}

void request_free(struct request *r)
{
    request_drop_body(r);
    stream_free(r->stream);
    arena_free(&r->pub.arena);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- headers ---- */

struct reading {
    struct request *r;
    struct http_header *v;
    size_t n, bytes;
    unsigned lengths, encodings;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct reading *c = cls;
    c->n++;
    c->bytes += strlen(name) + (value ? strlen(value) : 0) + 4;
    return MHD_YES;
}

/* MHD's strings live in the connection's memory, the request may outlive that. */
static enum MHD_Result copy_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct reading *c = cls;
    struct arena *a = &c->r->pub.arena;
    c->v[c->n++] =
        (struct http_header){arena_strdup(a, name), arena_strdup(a, value ?: "")};
    c->lengths += strcasecmp(name, "Content-Length") == 0;
    c->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    return MHD_YES;
}

static const char *peer_text(struct request *r)
{
    const union MHD_ConnectionInfo *info =
        mhd.MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;
    char ip[INET6_ADDRSTRLEN];
    if (sa && sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
        return arena_printf(&r->pub.arena, "%s:%u", ip, ntohs(in->sin_port));
    }
    if (sa && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)sa;
        inet_ntop(AF_INET6, &in->sin6_addr, ip, sizeof(ip));
        return arena_printf(&r->pub.arena, "[%s]:%u", ip, ntohs(in->sin6_port));
    }
    return "unix";
}

/* A length given twice, or a length beside an encoding, is how requests are smuggled past
 * proxies (RFC 9112 §6.3): refused, whatever MHD made of it. */
static int read_length(struct reading *c)
{
    struct http_request *pub = &c->r->pub;
    if (c->lengths + c->encodings > 1)
        return 400;
    if (c->encodings) {
        pub->content_length = -1;
        return strcasecmp(http_header(pub, "Transfer-Encoding"), "chunked") == 0 ? 0
                                                                                 : 501;
    }
    if (c->lengths && !str_to_i64(http_header(pub, "Content-Length"), 0, INT64_MAX,
                                  &pub->content_length))
        return 400;
    return 0;
}

int request_read_headers(struct request *r, const char *method, const char *version)
{
    struct http_request *pub = &r->pub;
    struct reading c = {.r = r};
    mhd.MHD_get_connection_values(r->conn, MHD_HEADER_KIND, count_header, &c);
    pub->method = arena_strdup(&pub->arena, method);
    pub->version = arena_strdup(&pub->arena, version);
    pub->is_head = streq(method, "HEAD");
    pub->peer = peer_text(r);
    c.bytes += strlen(pub->path) + (pub->query ? strlen(pub->query) : 0);
    if (c.n > r->server->limits.header_count ||
        c.bytes > r->server->limits.header_bytes) {
        pub->content_length = INT64_MAX; /* whatever follows, it will not be read */
        return 431;
    }
    c.v = arena_new_array(&pub->arena, struct http_header, c.n + 1);
    c.n = 0;
    mhd.MHD_get_connection_values(r->conn, MHD_HEADER_KIND, copy_header, &c);
    pub->headers = c.v;
    pub->header_count = c.n;
    const char *expect = http_header(pub, "Expect");
    r->expect_continue = expect && strcasecmp(expect, "100-continue") == 0;
    return read_length(&c);
}

const char *http_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    }
    return NULL;
}

/* ---- body ---- */

/* The buffer grows with what came and not with what was announced, so that a thousand
 * peers that announce much and send nothing cost nothing. */
static int collect(struct request *r, const void *data, size_t len)
{
    struct str *c = &r->collect;
    if (c->len + len + 1 > r->reserved) {
        size_t want = r->reserved ? r->reserved * 2 : FIRST_BUFFER;
        while (want < c->len + len + 1)
            want *= 2;
        uint64_t before = atomic_fetch_add(&r->server->buffered, want - r->reserved);
        if (before + want - r->reserved > r->server->limits.buffered_bytes) {
            atomic_fetch_sub(&r->server->buffered, want - r->reserved);
            return 503;
        }
        str_reserve(c, want - c->len);
        r->reserved = want;
    }
    str_addn(c, data, len);
    return 0;
}

int request_take_body(struct request *r, const void *data, size_t len)
{
    if (len > r->max_body - r->pub.body_len)
        return 413;
    r->pub.body_len += len;
    if (r->mode == HTTP_BODY_SINK)
        return r->sink(r->sink_ctx, data, len) < 0 ? -1 : 0;
    return collect(r, data, len);
}
