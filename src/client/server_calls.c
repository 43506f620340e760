/* server_calls.c: connections of the loop.
 *
 * A connection (struct conn) serves one exchange at a time: connect if need be, write the
 * request, read the answer. A call's connection is kept for the next one; if a kept one
 * turns out to be dead before a byte of the answer came, the call is sent once more on a
 * new one. What is asked of the server can be repeated. */
#include "server_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "list.h"
#include "reply.h"
#include "sigv4.h"
#include "str.h"

struct exchange {
    struct list link; /* server_calls.waiting */
    struct str request;
    struct server_url url;
    server_done *done;
    server_line *line; /* the stream's; NULL: a call */
    void *ctx;
    int64_t idle_ms; /* no byte for so long */
    bool repeated;
};

struct conn {
    struct list link; /* server_calls.conns */
    struct server_calls *s;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    struct exchange *x; /* NULL: idle */
    struct reply reply;
    struct str body; /* of the answer; of the stream: the line that is growing */
    unsigned handles;
    bool connected, used, is_stream, closing;
    bool resolving, writing;
    struct error err;
};

struct server_calls {
    uv_loop_t *loop;
    struct server_url url;
    struct sigv4_credentials credentials;
    char *region, *name;
    struct list waiting, conns;
    unsigned call_conns;
    uv_async_t kick;
    uint64_t random_state;
    char buffer[16384];
    bool closing;
};

static void start_waiting(struct server_calls *s);
static void run(struct conn *c);

/* ---- an exchange's end ---- */

static void exchange_free(struct exchange *x)
{
    str_free(&x->request);
    free(x);
}

static void finish(struct exchange *x, int status, const struct str *body,
                   const struct error *err)
{
    struct server_answer answer = {.status = status,
                                   .body = body ? str_text(body) : "",
                                   .body_len = body ? body->len : 0,
                                   .err = err};
    x->done(x->ctx, &answer);
    exchange_free(x);
}

/* ---- a connection's end ---- */

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    if (--c->handles > 0)
        return;
    struct server_calls *s = c->s;
    list_remove(&c->link);
    if (!c->is_stream)
        s->call_conns--;
    str_free(&c->body);
    free(c);
    start_waiting(s);
}

static void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    if (c->resolving) /* its callback closes the rest */
        uv_cancel((uv_req_t *)&c->resolve);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* The server was restarted: what was kept from before is as dead as this one. */
static void close_idle(struct server_calls *s)
{
    list_for_each (it, &s->conns) {
        struct conn *c = list_entry(it, struct conn, link);
        if (!c->x)
            conn_close(c);
    }
}

/* The exchange failed with this connection. */
static void conn_fail(struct conn *c, int code)
{
    struct exchange *x = c->x;
    struct server_calls *s = c->s;
    struct error err = c->err;
    bool stale = c->used && c->reply.status == 0 && code == -E_NETWORK;
    int status = c->reply.status;
    c->x = NULL;
    conn_close(c);
    if (!x)
        return;
    if (stale && !x->repeated && !x->line && !s->closing) {
        x->repeated = true;
        close_idle(s);
        list_append(&s->waiting, &x->link);
        return; /* begun when this connection is gone, see on_closed() */
    }
    finish(x, x->line && status == 200 ? 200 : 0, NULL, &err);
}

static void fail_uv(struct conn *c, int uv, const char *what)
{
    const char *host = c->x ? c->x->url.authority : "the server";
    enum error_code code = uv == UV_ETIMEDOUT ? E_TIMEOUT : E_NETWORK;
    conn_fail(c, fail(&c->err, code, "%s '%s': %s", what, host, uv_strerror(uv)));
}

static void on_timeout(uv_timer_t *t)
{
    struct conn *c = t->data;
    if (!c->x) { /* kept long enough */
        conn_close(c);
        return;
    }
    conn_fail(c, fail(&c->err, E_TIMEOUT, "no answer from '%s' for %lld s",
                      c->x->url.authority, (long long)c->x->idle_ms / 1000));
}

static void arm(struct conn *c, int64_t ms)
{
    uv_timer_start(&c->timer, on_timeout, (uint64_t)ms, 0);
}

/* ---- reading ---- */

static int give_lines(struct conn *c)
{
    size_t from = 0;
    for (char *end; (end = memchr(c->body.data + from, '\n', c->body.len - from));) {
        size_t at = (size_t)(end - c->body.data);
        *end = 0;
        if (at > from)
            c->x->line(c->x->ctx, c->body.data + from, at - from);
        from = at + 1;
        if (!c->x || c->closing)
            return -E_CANCELLED;
    }
    memmove(c->body.data, c->body.data + from, c->body.len - from);
    c->body.len -= from;
    if (c->body.cap > 65536 && c->body.len == 0)
        str_free(&c->body);
    return 0;
}

static int on_body(void *ctx, const char *data, size_t len, struct error *err)
{
    struct conn *c = ctx;
    bool lines = c->x->line && c->reply.status == 200;
    size_t most = lines ? STREAM_LINE_MAX : ANSWER_MAX;
    if (c->body.len + len > most)
        return fail(err, E_LIMIT, "an answer of more than %zu bytes", most);
    str_addn(&c->body, data, len);
    return lines && memchr(data, '\n', len) ? give_lines(c) : 0;
}

static void conn_done(struct conn *c)
{
    struct exchange *x = c->x;
    /* an answer before the request was sent whole: the rest must not follow */
    bool keep = c->reply.keep_alive && !c->is_stream && !c->s->closing && !c->writing;
    struct str body = c->body;
    c->body = (struct str)STR_INIT;
    c->x = NULL;
    c->used = true;
    if (keep) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        arm(c, 20000);
    } else {
        conn_close(c);
    }
    finish(x, c->reply.status, &body, NULL);
    str_free(&body);
    if (keep)
        start_waiting(c->s);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct conn *c = h->data;
    *ret = uv_buf_init(c->s->buffer, sizeof(c->s->buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    size_t used;
    if (n == 0 || c->closing || !c->x)
        return;
    if (n == UV_EOF) {
        int r = reply_end(&c->reply, &c->err);
        if (r > 0)
            conn_done(c);
        else
            conn_fail(c, r);
        return;
    }
    if (n < 0) {
        fail_uv(c, (int)n, "reading from");
        return;
    }
    arm(c, c->x->idle_ms);
    int r = reply_feed(&c->reply, buf->base, (size_t)n, &used, &c->err);
    if (c->closing)
        return;
    if (r < 0)
        conn_fail(c, r);
    else if (r > 0)
        conn_done(c);
}

/* ---- writing ---- */

static void on_written(uv_write_t *w, int status)
{
    struct conn *c = w->data;
    c->writing = false;
    if (status < 0 && !c->closing && c->x)
        fail_uv(c, status, "writing to");
}

static void send_request(struct conn *c)
{
    uv_buf_t buf = uv_buf_init(c->x->request.data, (unsigned)c->x->request.len);
    reply_init(&c->reply, on_body, c);
    str_clear(&c->body);
    arm(c, c->x->idle_ms);
    c->write.data = c;
    c->writing = true;
    int r = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
    if (r == 0)
        r = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (r < 0)
        fail_uv(c, r, "writing to");
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *req, int status)
{
    struct conn *c = req->data;
    if (c->closing)
        return;
    if (status < 0) {
        fail_uv(c, status, "connecting to");
        return;
    }
    c->connected = true;
    uv_tcp_nodelay(&c->tcp, 1);
    send_request(c);
}

static void connect_to(struct conn *c, const struct sockaddr *addr)
{
    c->connect.data = c;
    int r = uv_tcp_connect(&c->connect, &c->tcp, addr, on_connected);
    if (r < 0)
        fail_uv(c, r, "connecting to");
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct conn *c = req->data;
    c->resolving = false;
    if (c->closing)
        on_closed((uv_handle_t *)&c->tcp); /* the request was counted as a handle */
    else if (status < 0) {
        c->handles--;
        fail_uv(c, status, "finding the address of");
    } else {
        c->handles--;
        connect_to(c, res->ai_addr);
    }
    uv_freeaddrinfo(res);
}

static void run(struct conn *c)
{
    struct sockaddr_storage addr;
    const struct server_url *u = &c->x->url;
    if (c->connected) {
        send_request(c);
        return;
    }
    arm(c, c->x->idle_ms);
    int port = u->port_number;
    if (uv_ip4_addr(u->host, port, (struct sockaddr_in *)&addr) == 0 ||
        uv_ip6_addr(u->host, port, (struct sockaddr_in6 *)&addr) == 0) {
        connect_to(c, (struct sockaddr *)&addr);
        return;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    c->resolve.data = c;
    int r =
        uv_getaddrinfo(c->s->loop, &c->resolve, on_resolved, u->host, u->port, &hints);
    if (r < 0) {
        fail_uv(c, r, "finding the address of");
        return;
    }
    c->resolving = true;
    c->handles++;
}

static struct conn *conn_new(struct server_calls *s, bool is_stream)
{
    struct conn *c = xcalloc(1, sizeof(*c));
    c->s = s;
    c->is_stream = is_stream;
    uv_tcp_init(s->loop, &c->tcp);
    uv_timer_init(s->loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->handles = 2;
    list_append(&s->conns, &c->link);
    if (!is_stream)
        s->call_conns++;
    return c;
}

static struct conn *find_idle(struct server_calls *s)
{
    list_for_each (it, &s->conns) {
        struct conn *c = list_entry(it, struct conn, link);
        if (!c->x && !c->closing && !c->writing && !c->is_stream)
            return c;
    }
    return NULL;
}

static void start_waiting(struct server_calls *s)
{
    while (!s->closing && !list_empty(&s->waiting)) {
        struct exchange *x = list_entry(s->waiting.next, struct exchange, link);
        struct conn *c = x->line ? NULL : find_idle(s);
        if (!c && !x->line && s->call_conns >= CALLS_PARALLEL)
            return;
        if (!c)
            c = conn_new(s, x->line != NULL);
        list_remove(&x->link);
        c->x = x;
        run(c);
    }
}

static void on_kick(uv_async_t *a)
{
    start_waiting(a->data);
}

/* ---- requests ---- */

static void write_request(struct server_calls *s, struct exchange *x, const char *method,
                          const char *query, const char *service, const char *target,
                          const char *body, size_t len)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_header headers[3] = {{"Host", x->url.authority},
                                     {"Content-Type", "application/x-amz-json-1.1"},
                                     {"X-Amz-Target", target}};
    struct wire_http_request req = {.method = method,
                                    .path = x->url.path,
                                    .query = query,
                                    .headers = headers,
                                    .header_count = target ? 3
                                                    : body ? 2
                                                           : 1,
                                    .body = body,
                                    .body_len = len};
    const struct wire_header *sig =
        sigv4_sign(&a, &req, &s->credentials, s->region, service, clock_wall_ms());
    str_addf(&x->request, "%s %s%s%s HTTP/1.1\r\n", method, x->url.path, query ? "?" : "",
             query ? query : "");
    for (size_t i = 0; i < req.header_count; i++)
        str_addf(&x->request, "%s: %s\r\n", headers[i].name, headers[i].value);
    for (; sig->name; sig++)
        str_addf(&x->request, "%s: %s\r\n", sig->name, sig->value);
    str_addf(&x->request, "User-Agent: gantry-%s/" GANTRY_VERSION "\r\n", s->name);
    if (body)
        str_addf(&x->request, "Content-Length: %zu\r\n", len);
    str_add(&x->request, "\r\n");
    str_addn(&x->request, body, len);
}

static void enqueue(struct server_calls *s, struct exchange *x)
{
    list_append(&s->waiting, &x->link);
    uv_async_send(&s->kick);
}

void server_call(struct server_calls *s, const char *service, const char *target,
                 const char *body, size_t len, server_done *done, void *ctx)
{
    struct exchange *x = xcalloc(1, sizeof(*x));
    list_init(&x->link);
    x->url = s->url;
    x->done = done;
    x->ctx = ctx;
    x->idle_ms = CALL_TIMEOUT_MS;
    write_request(s, x, "POST", NULL, service, target, body, len);
    enqueue(s, x);
}

void server_post(struct server_calls *s, const char *path, const char *service,
                 const char *body, size_t len, server_done *done, void *ctx)
{
    struct exchange *x = xcalloc(1, sizeof(*x));
    list_init(&x->link);
    x->url = s->url;
    x->done = done;
    x->ctx = ctx;
    x->idle_ms = CALL_TIMEOUT_MS;
    snprintf(x->url.path, sizeof(x->url.path), "%s", path);
    write_request(s, x, "POST", NULL, service, NULL, body, len);
    enqueue(s, x);
}

void server_get(struct server_calls *s, const char *service, const char *path,
                server_done *done, void *ctx)
{
    struct exchange *x = xcalloc(1, sizeof(*x));
    list_init(&x->link);
    x->url = s->url;
    x->done = done;
    x->ctx = ctx;
    x->idle_ms = CALL_TIMEOUT_MS;
    /* one that does not fit is cut, and then there is no such object */
    snprintf(x->url.path, sizeof(x->url.path), "%s", path);
    write_request(s, x, "GET", NULL, service, NULL, NULL, 0);
    enqueue(s, x);
}

void server_stream_open(struct server_calls *s, const char *url, int64_t idle_ms,
                        server_line *line, server_done *ended, void *ctx)
{
    struct exchange *x = xcalloc(1, sizeof(*x));
    struct error err = ERROR_INIT;
    list_init(&x->link);
    x->done = ended;
    x->line = line;
    x->ctx = ctx;
    x->idle_ms = idle_ms;
    if (server_url_parse(url, &x->url, &err) < 0) {
        finish(x, 0, NULL, &err);
        return;
    }
    write_request(s, x, "GET", x->url.query, "ecs", NULL, NULL, 0);
    enqueue(s, x);
}

bool server_answer_is_final(const struct server_answer *answer)
{
    static const char *const later[] = {"Throttl",
                                        "Expired",
                                        "Signature",
                                        "UnrecognizedClient",
                                        "InvalidClientToken",
                                        "AccessDenied",
                                        "RequestTime",
                                        "ServerException"};
    if (answer->status != 400)
        return false;
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (strstr(answer->body, later[i]))
            return false;
    return true;
}

uint32_t server_random(struct server_calls *s)
{
    s->random_state = s->random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(s->random_state >> 33);
}

/* ---- life ---- */

int server_calls_new(uv_loop_t *loop, const struct server_config *config,
                     struct server_calls **ret, struct error *err)
{
    struct server_url url;
    int r = server_url_parse(config->url, &url, err);
    if (r < 0)
        return r;
    struct server_calls *s = xcalloc(1, sizeof(*s));
    s->loop = loop;
    s->url = url;
    s->credentials = (struct sigv4_credentials){
        config->access_key_id, config->secret_access_key, config->session_token};
    s->region = xstrdup(config->region);
    s->name = xstrdup(config->name);
    s->random_state = (uint64_t)clock_mono_ns();
    list_init(&s->waiting);
    list_init(&s->conns);
    uv_async_init(loop, &s->kick, on_kick);
    s->kick.data = s;
    *ret = s;
    return 0;
}

void server_calls_close(struct server_calls *s)
{
    struct error err = ERROR_INIT;
    fail(&err, E_CANCELLED, "the %s ends", s->name);
    s->closing = true;
    while (!list_empty(&s->waiting)) {
        struct exchange *x = list_entry(s->waiting.next, struct exchange, link);
        list_remove(&x->link);
        finish(x, 0, NULL, &err);
    }
    list_for_each_safe (it, &s->conns) {
        struct conn *c = list_entry(it, struct conn, link);
        struct exchange *x = c->x;
        c->x = NULL;
        conn_close(c);
        if (x)
            finish(x, 0, NULL, &err);
    }
    uv_close((uv_handle_t *)&s->kick, NULL);
}

void server_calls_free(struct server_calls *s)
{
    if (!s)
        return;
    free(s->region);
    free(s->name);
    free(s);
}
