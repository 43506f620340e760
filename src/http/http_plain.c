/* A small HTTP/1.1 client (RFC 9112). An agent that talks to its server all day needs no
 * libcurl for that, which would be most of its memory. Whatever is not simple goes there. */
#include "http_plain.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http_cancel.h"
#include "http_plain_conn.h"

/* ---- sending ---- */

static int send_all(struct plain *p, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(p->c->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            int r = plain_wait(p, POLLOUT, request_idle_ms(p->t->req));
            if (r < 0)
                return r;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return plain_broken(p, strerror(errno));
        p->t->last_byte_ns = clock_mono_ns();
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_pieces(struct plain *p)
{
    const struct http_client_request *req = p->t->req;
    bool chunked = req->read_len < 0;
    char *buf = xmalloc(SEND_BUFFER + 32);
    int r = 0;
    int64_t n = 1;
    while (r == 0 && n > 0) {
        n = req->read(req->read_ctx, buf + 16, SEND_BUFFER, p->t->err);
        if (n < 0) {
            r = (int)n;
        } else if (!chunked) {
            r = send_all(p, buf + 16, (size_t)n);
        } else { /* "SIZE CRLF data CRLF" in one piece; size 0 ends the body */
            char size[16];
            int digits = snprintf(size, sizeof(size), "%llx\r\n", (unsigned long long)n);
            memcpy(buf + 16 - digits, size, (size_t)digits);
            memcpy(buf + 16 + n, "\r\n", 2);
            r = send_all(p, buf + 16 - digits, (size_t)n + (size_t)digits + 2);
        }
    }
    free(buf);
    return r;
}

static bool has_body(const struct http_client_request *req)
{
    const char *m = request_method(req);
    return req->body || streq(m, "POST") || streq(m, "PUT") || streq(m, "PATCH");
}

static int build_head(struct plain *p, const struct plain_pool *pool, const struct url *u,
                      struct str *out)
{
    const struct http_client_request *req = p->t->req;
    size_t path = strcspn(u->path, "#");
    bool named = false;
    str_addf(out, "%s %s%.*s HTTP/1.1\r\n", request_method(req),
             u->path[0] == '/' ? "" : "/", (int)path, u->path);
    for (const struct http_header *h = req->headers; h && h->name; h++) {
        if (strpbrk(h->name, "\r\n: ") || strpbrk(h->value, "\r\n"))
            return fail(p->t->err, E_INVALID, "the header %s holds a line's end",
                        h->name);
        named |= strcasecmp(h->name, "Host") == 0;
        str_addf(out, "%s: %s\r\n", h->name, h->value);
    }
    if (!named && streq(u->port, "80"))
        str_addf(out, "Host: %s\r\n", u->host);
    else if (!named)
        str_addf(out, "Host: %s:%s\r\n", u->host, u->port);
    str_addf(out, "User-Agent: %s\r\nAccept: */*\r\n", pool->user_agent);
    if (req->ranged && req->range_to >= 0)
        str_addf(out, "Range: bytes=%lld-%lld\r\n", (long long)req->range_from,
                 (long long)req->range_to);
    else if (req->ranged)
        str_addf(out, "Range: bytes=%lld-\r\n", (long long)req->range_from);
    if (req->read && req->read_len < 0)
        str_add(out, "Transfer-Encoding: chunked\r\n");
    else if (req->read)
        str_addf(out, "Content-Length: %lld\r\n", (long long)req->read_len);
    else if (has_body(req))
        str_addf(out, "Content-Length: %zu\r\n", req->body_len);
    str_add(out, "\r\n");
    return 0;
}

static int send_request(struct plain *p, const struct plain_pool *pool,
                        const struct url *u)
{
    const struct http_client_request *req = p->t->req;
    AUTO_STR head = STR_INIT;
    int r = build_head(p, pool, u, &head);
    if (r < 0)
        return r;
    bool small = !req->read && req->body_len <= SEND_BUFFER;
    if (small)
        str_addn(&head, req->body, req->body_len);
    r = send_all(p, head.data, head.len);
    if (r == 0 && req->read)
        r = send_pieces(p);
    else if (r == 0 && !small)
        r = send_all(p, req->body, req->body_len);
    return r;
}

/* ---- receiving ---- */

/* More bytes into the buffer: their number, 0 when the peer ended. */
static int fill(struct plain *p)
{
    struct plain_conn *c = p->c;
    if (c->start == c->end)
        c->start = c->end = 0;
    if (c->start) {
        memmove(c->buf, c->buf + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    for (;;) {
        ssize_t n = recv(c->fd, c->buf + c->end, BUFFER - c->end, 0);
        if (n >= 0) {
            c->end += (size_t)n;
            p->answered |= n > 0;
            p->t->last_byte_ns = clock_mono_ns();
            return (int)n;
        }
        if (errno != EAGAIN && errno != EINTR)
            return plain_broken(p, strerror(errno));
        int r = plain_wait(p, POLLIN, request_idle_ms(p->t->req));
        if (r < 0)
            return r;
    }
}

/* The next line without its end, in the buffer; it counts as read. */
static int next_line(struct plain *p, const char **ret, size_t *ret_len)
{
    struct plain_conn *c = p->c;
    char *newline;
    while (!(newline = memchr(c->buf + c->start, '\n', c->end - c->start))) {
        if (c->end - c->start == BUFFER)
            return fail(p->t->err, E_LIMIT,
                        "%s %s: a line of the answer's head is too long",
                        request_method(p->t->req), p->t->req->url);
        int r = fill(p);
        if (r <= 0)
            return r < 0 ? r
                         : plain_broken(p, "the connection ended before the answer did");
    }
    *ret = c->buf + c->start;
    *ret_len = (size_t)(newline - *ret);
    c->start += *ret_len + 1;
    if (*ret_len && (*ret)[*ret_len - 1] == '\r')
        (*ret_len)--;
    return 0;
}

static int bad_answer(struct plain *p)
{
    return fail(p->t->err, E_PROTOCOL,
                "%s %s: what answers there does not speak HTTP/1.1",
                request_method(p->t->req), p->t->req->url);
}

static int read_head(struct plain *p)
{
    const char *line = "";
    size_t len = 0;
    do {
        int r = next_line(p, &line, &len);
        if (r < 0)
            return r;
        if (len < 12 || strncmp(line, "HTTP/1.", 7) != 0)
            return bad_answer(p);
        p->keep = line[7] == '1';
        for (bool more = true; more;) {
            r = answer_line(p->t, line, len);
            more = len > 0;
            if (r == 0 && more)
                r = next_line(p, &line, &len);
            if (r < 0)
                return r;
        }
    } while (p->t->resp->status / 100 == 1);
    return p->t->resp->status >= 200 ? 0 : bad_answer(p);
}

/* `left` bytes; with UINT64_MAX to the peer's end, which is no error then. */
static int read_bytes(struct plain *p, uint64_t left)
{
    bool to_end = left == UINT64_MAX;
    while (left) {
        struct plain_conn *c = p->c;
        if (c->start == c->end) {
            int r = fill(p);
            if (r == 0 && to_end)
                return 0;
            if (r <= 0)
                return r < 0 ? r
                             : plain_broken(p,
                                            "the connection ended before the answer did");
        }
        size_t n = c->end - c->start;
        if (n > left)
            n = (size_t)left;
        c->start += n;
        if (!to_end)
            left -= n;
        int r = answer_body(p->t, c->buf + c->start - n, n);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_chunks(struct plain *p)
{
    const char *line = "";
    size_t len = 0;
    for (;;) {
        char *end;
        int r = next_line(p, &line, &len);
        if (r < 0)
            return r;
        if (!len || !strchr("0123456789abcdefABCDEF", line[0]))
            return bad_answer(p);
        errno = 0;
        uint64_t size = strtoull(line, &end, 16);
        if (errno || size > INT64_MAX || !strchr("\r\n; \t", *end))
            return bad_answer(p);
        r = size ? read_bytes(p, size) : 0;
        /* After data comes an empty line; after the last chunk trailers, then one. */
        do {
            if (r == 0)
                r = next_line(p, &line, &len);
        } while (r == 0 && len && !size);
        if (r < 0 || len)
            return r < 0 ? r : bad_answer(p);
        if (!size)
            return 0;
    }
}

static int read_body(struct plain *p)
{
    const struct http_client_response *resp = p->t->resp;
    const char *connection = http_client_header(resp, "Connection");
    const char *encoding = http_client_header(resp, "Transfer-Encoding");
    const char *length = http_client_header(resp, "Content-Length");
    int64_t n;
    if (connection && strcasecmp(connection, "close") == 0)
        p->keep = false;
    if (streq(request_method(p->t->req), "HEAD") || resp->status == 204 ||
        resp->status == 304)
        return 0;
    if (encoding)
        return strcasecmp(encoding, "chunked") == 0 ? read_chunks(p) : bad_answer(p);
    if (length)
        return str_to_i64(length, 0, INT64_MAX, &n) ? read_bytes(p, (uint64_t)n)
                                                    : bad_answer(p);
    p->keep = false;
    return read_bytes(p, UINT64_MAX);
}

/* ---- one request ---- */

static void wake(void *ctx)
{
    eventfd_write(((struct plain_conn *)ctx)->wake, 1);
}

static int exchange(struct plain *p, const struct plain_pool *pool, const struct url *u)
{
    int r = 0;
    if (p->c->fd < 0)
        r = plain_connect(p, pool, u);
    if (r < 0)
        return r;
    r = send_request(p, pool, u);
    /* A peer that refuses may answer before it has read all, and close. */
    if (r == -E_NETWORK) {
        struct error first = *p->t->err;
        r = read_head(p);
        if (r == -E_NETWORK)
            *p->t->err = first;
    } else if (r == 0) {
        r = read_head(p);
    }
    return r < 0 ? r : read_body(p);
}

int plain_do(struct plain_pool *pool, struct answer *t)
{
    struct url u;
    char peer[300];
    int r;
    if (!plain_url_parse(t->req->url, &u))
        return fail(t->err, E_INVALID, "'%s' is no address for HTTP", t->req->url);
    snprintf(peer, sizeof(peer), "%s:%s", u.host, u.port);
    for (bool again = true; again;) {
        struct plain_conn *c = plain_pool_take(pool, peer);
        struct plain p = {.t = t, .c = c ? c : plain_conn_new(peer)};
        struct cancel_call call = {.wake = wake, .ctx = p.c};
        t->last_byte_ns = clock_mono_ns();
        if (t->req->timeout_ms)
            p.deadline_ns = t->last_byte_ns + (int64_t)t->req->timeout_ms * 1000000;
        http_cancel_enter(t->req->cancel, &call);
        r = exchange(&p, pool, &u);
        http_cancel_leave(t->req->cancel, &call);
        /* Closed by the peer just as we used it again: nothing was lost but time. */
        again = r == -E_NETWORK && p.c->reused && !p.answered && !t->req->read;
        if (r == 0 && p.keep)
            plain_pool_give(pool, p.c);
        else
            plain_conn_free(p.c);
    }
    t->resp->final_url = arena_strdup(&t->resp->arena, t->req->url);
    return r;
}
