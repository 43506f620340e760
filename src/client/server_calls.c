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
#include "instance_role.h"
#include "list.h"
#include "reply.h"
#include "sigv4.h"
#include "str.h"

struct exchange {
    struct list link; /* server_calls.waiting */
    /* what is asked; signed and written when its turn comes */
    const char *method;
    char *service, *target;           /* NULL: unsigned, none */
    char *header_name, *header_value; /* NULL: none */
    char *key, *secret, *token;       /* of somebody else; NULL: ours */
    struct str body, request;
    bool has_body;
    struct server_url url;
    char *query;
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
    struct instance_role *role; /* NULL: those */
    void (*come)(void *ctx);
    void *come_ctx;
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

static void forget_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void exchange_free(struct exchange *x)
{
    str_free(&x->request);
    str_free(&x->body);
    free(x->service);
    free(x->target);
    free(x->header_name);
    free(x->header_value);
    free(x->key);
    forget_secret(x->secret);
    forget_secret(x->token);
    free(x->query);
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

/* What the server says of a token that it does not take (any more). */
static bool credentials_refused(const struct str *body)
{
    return strstr(str_text(body), "ExpiredToken") ||
           strstr(str_text(body), "UnrecognizedClient") ||
           strstr(str_text(body), "InvalidClientTokenId");
}

static void conn_done(struct conn *c)
{
    struct exchange *x = c->x;
    /* an answer before the request was sent whole: the rest must not follow */
    bool keep = c->reply.keep_alive && !c->is_stream && !c->s->closing && !c->writing;
    struct str body = c->body;
    c->body = (struct str)STR_INIT;
    if (c->s->role && c->reply.status >= 400 && !x->key && credentials_refused(&body))
        instance_role_renew(c->s->role);
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

/* ---- the request ---- */

static void add_headers(struct exchange *x, const struct wire_header *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_addf(&x->request, "%s: %s\r\n", h[i].name, h[i].value);
}

static void add_signature(struct server_calls *s, struct exchange *x,
                          const struct sigv4_credentials *as, struct wire_header *headers,
                          size_t n)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_http_request req = {.method = x->method,
                                    .path = x->url.path,
                                    .query = x->query,
                                    .headers = headers,
                                    .header_count = n,
                                    .body = x->has_body ? str_text(&x->body) : NULL,
                                    .body_len = x->body.len};
    const struct wire_header *sig =
        sigv4_sign(&a, &req, as, s->region, x->service, clock_wall_ms());
    for (; sig->name; sig++)
        str_addf(&x->request, "%s: %s\r\n", sig->name, sig->value);
}

/* Anew for each try: time goes on, and credentials change. `as` NULL: unsigned. */
static void write_request(struct server_calls *s, struct exchange *x,
                          const struct sigv4_credentials *as)
{
    struct wire_header headers[3] = {{"Host", x->url.authority}};
    size_t n = 1;
    if (x->has_body)
        headers[n++] = (struct wire_header){"Content-Type", "application/x-amz-json-1.1"};
    if (x->target)
        headers[n++] = (struct wire_header){"X-Amz-Target", x->target};
    if (x->header_name)
        headers[n++] = (struct wire_header){x->header_name, x->header_value};
    str_clear(&x->request);
    str_addf(&x->request, "%s %s%s%s HTTP/1.1\r\n", x->method, x->url.path,
             x->query ? "?" : "", x->query ? x->query : "");
    add_headers(x, headers, n);
    if (as)
        add_signature(s, x, as, headers, n);
    str_addf(&x->request, "User-Agent: gantry-%s/" GANTRY_VERSION "\r\n", s->name);
    if (x->has_body)
        str_addf(&x->request, "Content-Length: %zu\r\n", x->body.len);
    str_add(&x->request, "\r\n");
    str_addn(&x->request, x->body.data, x->body.len);
}

const struct sigv4_credentials *server_credentials(struct server_calls *s)
{
    return s->role ? instance_role_get(s->role) : &s->credentials;
}

static void fail_unsigned(struct server_calls *s, struct exchange *x)
{
    struct error err = ERROR_INIT;
    fail(&err, E_DENIED, "no credentials: %s", instance_role_complaint(s->role));
    list_remove(&x->link);
    finish(x, 0, NULL, &err);
}

/* 1: it is written. 0: it has to wait for credentials. -1: there are none, it is over. */
static int make_request(struct server_calls *s, struct exchange *x)
{
    struct sigv4_credentials other = {x->key, x->secret, x->token};
    const struct sigv4_credentials *as = x->key ? &other : server_credentials(s);
    if (!x->service) {
        write_request(s, x, NULL);
        return 1;
    }
    if (as) {
        write_request(s, x, as);
        return 1;
    }
    if (instance_role_is_new(s->role))
        return 0;
    fail_unsigned(s, x);
    return -1;
}

/* False: no connection is free. */
static bool give_connection(struct server_calls *s, struct exchange *x)
{
    struct conn *c = x->line ? NULL : find_idle(s);
    if (!c && !x->line && s->call_conns >= CALLS_PARALLEL)
        return false;
    if (!c)
        c = conn_new(s, x->line != NULL);
    list_remove(&x->link);
    c->x = x;
    run(c);
    return true;
}

static void start_waiting(struct server_calls *s)
{
    struct list *it = s->waiting.next;
    while (!s->closing && it != &s->waiting) {
        struct exchange *x = list_entry(it, struct exchange, link);
        it = it->next;
        if (make_request(s, x) > 0 && !give_connection(s, x))
            return;
    }
}

static void on_kick(uv_async_t *a)
{
    start_waiting(a->data);
}

/* ---- what can be asked ---- */

static void enqueue(struct server_calls *s, struct exchange *x)
{
    list_append(&s->waiting, &x->link);
    uv_async_send(&s->kick);
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct exchange *exchange_new(struct server_calls *s, const char *method,
                                     const char *service, server_done *done, void *ctx)
{
    struct exchange *x = xcalloc(1, sizeof(*x));
    list_init(&x->link);
    x->method = method;
    x->service = copy(service);
    x->url = s->url;
    x->done = done;
    x->ctx = ctx;
    x->idle_ms = CALL_TIMEOUT_MS;
    return x;
}

static void set_body(struct exchange *x, const char *body, size_t len)
{
    x->has_body = true;
    str_addn(&x->body, body, len);
}

static void set_signer(struct exchange *x, const struct sigv4_credentials *as)
{
    if (!as)
        return;
    x->key = xstrdup(as->access_key_id);
    x->secret = xstrdup(as->secret);
    x->token = copy(as->session_token);
}

/* One that does not fit is cut, and then there is no such object. */
static void set_path(struct exchange *x, const char *path)
{
    snprintf(x->url.path, sizeof(x->url.path), "%s", path);
}

void server_call_as(struct server_calls *s, const struct sigv4_credentials *as,
                    const char *service, const char *target, const char *body, size_t len,
                    server_done *done, void *ctx)
{
    struct exchange *x = exchange_new(s, "POST", service, done, ctx);
    x->target = copy(target);
    set_body(x, body, len);
    set_signer(x, as);
    enqueue(s, x);
}

void server_call(struct server_calls *s, const char *service, const char *target,
                 const char *body, size_t len, server_done *done, void *ctx)
{
    server_call_as(s, NULL, service, target, body, len, done, ctx);
}

void server_post(struct server_calls *s, const char *path, const char *service,
                 const char *body, size_t len, server_done *done, void *ctx)
{
    struct exchange *x = exchange_new(s, "POST", service, done, ctx);
    set_path(x, path);
    set_body(x, body, len);
    enqueue(s, x);
}

void server_get_as(struct server_calls *s, const struct sigv4_credentials *as,
                   const char *service, const char *path, server_done *done, void *ctx)
{
    struct exchange *x = exchange_new(s, "GET", service, done, ctx);
    set_path(x, path);
    set_signer(x, as);
    enqueue(s, x);
}

void server_get(struct server_calls *s, const char *service, const char *path,
                server_done *done, void *ctx)
{
    server_get_as(s, NULL, service, path, done, ctx);
}

void server_request(struct server_calls *s, const char *method, const char *path,
                    const char *header_name, const char *header_value, server_done *done,
                    void *ctx)
{
    struct exchange *x = exchange_new(s, method, NULL, done, ctx);
    set_path(x, path);
    x->header_name = copy(header_name);
    x->header_value = copy(header_value);
    enqueue(s, x);
}

void server_stream_open(struct server_calls *s, const char *url, int64_t idle_ms,
                        server_line *line, server_done *ended, void *ctx)
{
    struct error err = ERROR_INIT;
    struct exchange *x = exchange_new(s, "GET", "ecs", ended, ctx);
    x->line = line;
    x->idle_ms = idle_ms;
    if (server_url_parse(url, &x->url, &err) < 0) {
        finish(x, 0, NULL, &err);
        return;
    }
    x->query = copy(x->url.query);
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

/* The role has credentials now, or for the first time it turned out that it has none. */
static void on_role(void *ctx, bool have)
{
    struct server_calls *s = ctx;
    start_waiting(s);
    if (have && s->come && !s->closing)
        s->come(s->come_ctx);
}

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
    if (!str_empty(config->role_url))
        r = instance_role_new(loop, config->role_url, on_role, s, &s->role, err);
    if (r < 0) {
        server_calls_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void server_when_credentials(struct server_calls *s, void (*come)(void *ctx), void *ctx)
{
    s->come = come;
    s->come_ctx = ctx;
}

void server_calls_close(struct server_calls *s)
{
    struct error err = ERROR_INIT;
    fail(&err, E_CANCELLED, "the %s ends", s->name);
    s->closing = true;
    instance_role_close(s->role);
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
    instance_role_free(s->role);
    free(s->region);
    free(s->name);
    free(s);
}
