/* local_server.c: listeners and connections.
 *
 * A connection has a socket and a timer; `open_handles` counts what libuv still holds of
 * it, `asked` says that a handler has the exchange. It is freed when both are over. */
#include "local_server.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "arena.h"
#include "list.h"
#include "str.h"

struct conn {
    struct local_exchange x; /* first: an exchange is its connection */
    struct list link;        /* local_server.conns */
    struct local_server *s;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    unsigned open_handles;
    bool asked, closing;
    size_t len;
    struct str answer;
    char buf[LOCAL_HEAD_MAX + LOCAL_BODY_MAX + 1];
};

struct local_server {
    uv_tcp_t tcp;
    local_handler *handler;
    local_admits *admits;
    void *ctx;
    struct list conns;
    unsigned conn_count, most;
    bool waiting; /* a connection is in the kernel's queue, and we have no room */
    bool closing, closed;
};

static void accept_next(struct local_server *s);

static void server_free_when_over(struct local_server *s)
{
    if (s->closed && s->conn_count == 0)
        free(s);
}

/* ---- a connection's end ---- */

static void conn_free_when_over(struct conn *c)
{
    struct local_server *s = c->s;
    if (c->open_handles > 0 || c->asked)
        return;
    list_remove(&c->link);
    s->conn_count--;
    str_free(&c->answer);
    free(c);
    if (s->waiting && !s->closing) {
        s->waiting = false;
        accept_next(s);
    }
    server_free_when_over(s);
}

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    c->open_handles--;
    conn_free_when_over(c);
}

static void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void on_timeout(uv_timer_t *t)
{
    conn_close(t->data);
}

/* ---- the answer ---- */

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Request Entity Too Large";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Internal Server Error";
    }
}

static void on_written(uv_write_t *w, int status)
{
    conn_close(w->data);
}

/* Packets with fewer hops left than there are routers on their way never arrive. */
static void set_hops(struct conn *c, int hops)
{
    uv_os_fd_t fd;
    if (hops > 0 && uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
}

void local_reply(struct local_exchange *x, int status, const char *type, const char *body,
                 size_t len)
{
    local_reply_headers(x, status, type, NULL, body, len);
}

void local_reply_headers(struct local_exchange *x, int status, const char *type,
                         const char *headers, const char *body, size_t len)
{
    struct conn *c = (struct conn *)x;
    bool head = streq(x->request.method, "HEAD");
    c->asked = false;
    if (c->closing) {
        conn_free_when_over(c);
        return;
    }
    str_addf(&c->answer,
             "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
             "Connection: close\r\n\r\n",
             status, status_text(status), type ? type : "application/json", len,
             headers ? headers : "");
    if (!head)
        str_addn(&c->answer, body, len);
    uv_buf_t out = uv_buf_init(c->answer.data, (unsigned)c->answer.len);
    c->write.data = c;
    set_hops(c, x->hops);
    uv_timer_start(&c->timer, on_timeout, LOCAL_TIMEOUT_MS, 0);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &out, 1, on_written) < 0)
        conn_close(c);
}

static void refuse(struct conn *c, int code, const struct error *err)
{
    int status = code == -E_LIMIT ? 413 : 400;
    c->x.request.method = "";
    c->asked = true;
    local_reply(&c->x, status, "text/plain; charset=utf-8", err->text, strlen(err->text));
}

/* ---- the request ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = h->data;
    buf->base = c->buf + c->len;
    buf->len = sizeof(c->buf) - 1 - c->len;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    struct error err = ERROR_INIT;
    if (n < 0) {
        conn_close(c);
        return;
    }
    c->len += (size_t)n;
    int r = local_request_parse(c->buf, c->len, &c->x.request, &err);
    if (r == -E_AGAIN)
        return;
    uv_read_stop(stream);
    uv_timer_stop(&c->timer); /* what takes long now is ours */
    if (r < 0) {
        refuse(c, r, &err);
        return;
    }
    c->asked = true;
    c->s->handler(c->s->ctx, &c->x);
}

static void note_peer(struct conn *c)
{
    struct sockaddr_storage from;
    int len = sizeof(from);
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len) < 0 ||
        from.ss_family != AF_INET)
        return;
    struct sockaddr_in in;
    memcpy(&in, &from, sizeof(in));
    c->x.peer_be = in.sin_addr.s_addr;
}

static unsigned connections_of(const struct local_server *s, uint32_t peer_be)
{
    unsigned n = 0;
    list_for_each (it, &s->conns) {
        const struct conn *c = list_entry(it, struct conn, link);
        n += c->x.peer_be == peer_be && !c->closing;
    }
    return n;
}

static void accept_next(struct local_server *s)
{
    struct conn *c = xcalloc(1, sizeof(*c));
    c->s = s;
    list_init(&c->link);
    list_append(&s->conns, &c->link);
    s->conn_count++;
    uv_tcp_init(s->tcp.loop, &c->tcp);
    uv_timer_init(s->tcp.loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->open_handles = 2;
    uv_timer_start(&c->timer, on_timeout, LOCAL_TIMEOUT_MS, 0);
    if (uv_accept((uv_stream_t *)&s->tcp, (uv_stream_t *)&c->tcp) < 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0) {
        conn_close(c);
        return;
    }
    note_peer(c);
    if (connections_of(s, c->x.peer_be) > LOCAL_PEER_MAX ||
        (s->admits && !s->admits(s->ctx, c->x.peer_be)))
        conn_close(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct local_server *s = listener->data;
    if (status < 0 || s->closing)
        return;
    if (s->conn_count >= s->most)
        s->waiting = true; /* libuv asks no more before this one is accepted */
    else
        accept_next(s);
}

/* ---- life ---- */

int local_server_open(uv_loop_t *loop, const char *address, uint16_t port,
                      local_handler *handler, void *ctx, struct local_server **ret,
                      uint16_t *ret_port, struct error *err)
{
    struct sockaddr_in in;
    struct sockaddr_storage got;
    int len = sizeof(got);
    if (uv_ip4_addr(address, port, &in) < 0)
        return fail(err, E_INVALID, "'%s' is no address", address);
    struct local_server *s = xcalloc(1, sizeof(*s));
    s->handler = handler;
    s->ctx = ctx;
    s->most = LOCAL_CONNECTIONS_MAX;
    list_init(&s->conns);
    uv_tcp_init(loop, &s->tcp);
    s->tcp.data = s;
    int r = uv_tcp_bind(&s->tcp, (const struct sockaddr *)&in, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&s->tcp, 128, on_connection);
    if (r == 0)
        r = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&got, &len);
    if (r < 0) {
        local_server_close(s);
        return fail(err, r == UV_EADDRINUSE ? E_CONFLICT : E_IO, "listening on %s:%u: %s",
                    address, port, uv_strerror(r));
    }
    memcpy(&in, &got, sizeof(in));
    *ret_port = ntohs(in.sin_port);
    *ret = s;
    return 0;
}

void local_server_admit(struct local_server *s, local_admits *admits, unsigned most)
{
    s->admits = admits;
    s->most = most ? most : LOCAL_CONNECTIONS_MAX;
}

static void on_server_closed(uv_handle_t *h)
{
    struct local_server *s = h->data;
    s->closed = true;
    server_free_when_over(s);
}

void local_server_close(struct local_server *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    uv_close((uv_handle_t *)&s->tcp, on_server_closed);
    list_for_each_safe (it, &s->conns) {
        conn_close(list_entry(it, struct conn, link));
    }
}
