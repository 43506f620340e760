#include "http_plain_conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "http_cancel.h"

#define MAX_IDLE 8

/* ---- URLs ---- */

bool plain_url_parse(const char *text, struct url *ret)
{
    if (strncasecmp(text, "http://", 7) != 0)
        return false;
    const char *host = text + 7, *end = host + strcspn(host, "/?#"), *colon = NULL;
    const char *close = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    for (const char *p = close ? close : host; p < end; p++) {
        if (*p == ':' && !colon)
            colon = p;
    }
    const char *host_end = colon ? colon : end;
    size_t len = (size_t)(host_end - host),
           port_len = colon ? (size_t)(end - colon - 1) : 0;
    int64_t port;
    if (len == 0 || len >= sizeof(ret->host) || port_len >= sizeof(ret->port) ||
        memchr(host, '@', len) || strpbrk(text, " \r\n"))
        return false;
    snprintf(ret->host, sizeof(ret->host), "%.*s", (int)len, host);
    snprintf(ret->port, sizeof(ret->port), "%.*s", (int)port_len, colon ? colon + 1 : "");
    if (!colon)
        snprintf(ret->port, sizeof(ret->port), "80");
    ret->path = end;
    return str_to_i64(ret->port, 1, 65535, &port);
}

static bool is_loopback(const char *host)
{
    return str_starts(host, "127.") || streq(host, "localhost") || streq(host, "[::1]");
}

bool plain_can(const struct plain_pool *p, const struct http_client_request *req)
{
    struct url u;
    if (req->max_redirects || !plain_url_parse(req->url, &u))
        return false;
    bool proxy = getenv("http_proxy") || getenv("all_proxy") || getenv("ALL_PROXY");
    return p->unix_socket || is_loopback(u.host) || !proxy;
}

/* ---- waiting ---- */

int plain_broken(struct plain *p, const char *what)
{
    return fail(p->t->err, E_NETWORK, "%s %s: %s (%s)", request_method(p->t->req),
                p->t->req->url, what, ADVICE_CONNECT);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Until the socket is ready, at most limit_ms after the last byte. */
int plain_wait(struct plain *p, short events, int64_t limit_ms)
{
    struct http_cancel *x = p->t->req->cancel;
    for (;;) {
        int64_t now = clock_mono_ns();
        int64_t left = limit_ms - (now - p->t->last_byte_ns) / 1000000;
        if (p->deadline_ns)
            left = smaller(left, (p->deadline_ns - now) / 1000000);
        struct pollfd fds[] = {{p->c->fd, events, 0}, {p->c->wake, POLLIN, 0}};
        if (http_cancelled(x))
            return fail(p->t->err, E_CANCELLED, "%s %s was cancelled",
                        request_method(p->t->req), p->t->req->url);
        int n = poll(fds, 2, left < 0 ? 0 : (int)smaller(left + 1, INT32_MAX));
        if (n > 0 && fds[0].revents)
            return 0;
        if (n == 0 && left <= 0)
            return fail(p->t->err, E_TIMEOUT, "%s %s: nothing came for %lld ms (%s)",
                        request_method(p->t->req), p->t->req->url, (long long)limit_ms,
                        ADVICE_TIMEOUT);
    }
}

/* ---- connecting ---- */

struct plain_conn *plain_conn_new(const char *peer)
{
    struct plain_conn *c = xmalloc(sizeof(*c));
    c->fd = -1;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->peer = xstrdup(peer);
    c->reused = false;
    c->start = c->end = 0;
    list_init(&c->node);
    return c;
}

void plain_conn_free(struct plain_conn *c)
{
    if (!c)
        return;
    fd_close(&c->fd);
    fd_close(&c->wake);
    free(c->peer);
    free(c);
}

static int finish_connect(struct plain *p, const struct sockaddr *sa, socklen_t len)
{
    p->c->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->c->fd < 0)
        return plain_broken(p, strerror(errno));
    if (connect(p->c->fd, sa, len) < 0) {
        int sys = errno;
        socklen_t size = sizeof(sys);
        if (sys != EINPROGRESS)
            return plain_broken(p, strerror(sys));
        int r = plain_wait(p, POLLOUT, request_connect_ms(p->t->req));
        if (r < 0)
            return r;
        getsockopt(p->c->fd, SOL_SOCKET, SO_ERROR, &sys, &size);
        if (sys)
            return plain_broken(p, strerror(sys));
    }
    setsockopt(p->c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(p->c->fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    setsockopt(p->c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){30}, sizeof(int));
    setsockopt(p->c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){10}, sizeof(int));
    setsockopt(p->c->fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){3}, sizeof(int));
    return 0;
}

static int connect_unix(struct plain *p, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(un.sun_path))
        return fail(p->t->err, E_INVALID, "'%s' is too long for a socket's path", path);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    return finish_connect(p, (const struct sockaddr *)&un, sizeof(un));
}

static int connect_host(struct plain *p, const struct url *u)
{
    char host[sizeof(u->host)];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *all;
    snprintf(host, sizeof(host), "%s", u->host + (u->host[0] == '['));
    host[strcspn(host, "]")] = '\0';
    if (is_loopback(u->host))
        hints.ai_flags = 0;
    int gai = getaddrinfo(host, u->port, &hints, &all);
    if (gai)
        return fail(p->t->err, E_NETWORK, "%s %s: %s (%s)", request_method(p->t->req),
                    p->t->req->url, gai_strerror(gai), ADVICE_RESOLVE);
    int r = -E_NETWORK;
    for (const struct addrinfo *a = all; a && r == -E_NETWORK; a = a->ai_next) {
        fd_close(&p->c->fd);
        r = finish_connect(p, a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(all);
    return r;
}

int plain_connect(struct plain *p, const struct plain_pool *pool, const struct url *u)
{
    return pool->unix_socket ? connect_unix(p, pool->unix_socket) : connect_host(p, u);
}

/* ---- reuse ---- */

/* One that became readable while idle was closed by the peer, or speaks out of turn. */
static bool is_fresh(const struct plain_conn *c)
{
    struct pollfd p = {c->fd, POLLIN | POLLRDHUP, 0};
    return poll(&p, 1, 0) == 0;
}

struct plain_conn *plain_pool_take(struct plain_pool *pool, const char *peer)
{
    struct plain_conn *found = NULL;
    pthread_mutex_lock(&pool->lock);
    list_for_each_safe (it, &pool->idle) {
        struct plain_conn *c = list_entry(it, struct plain_conn, node);
        if (found || !streq(c->peer, peer))
            continue;
        list_remove(&c->node);
        pool->idle_count--;
        if (is_fresh(c))
            found = c;
        else
            plain_conn_free(c);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void plain_pool_give(struct plain_pool *pool, struct plain_conn *c)
{
    eventfd_t ignored;
    struct plain_conn *old = NULL;
    (void)!eventfd_read(c->wake, &ignored);
    c->reused = true;
    c->start = c->end = 0;
    pthread_mutex_lock(&pool->lock);
    if (pool->idle_count == MAX_IDLE) {
        old = list_entry(pool->idle.prev, struct plain_conn, node);
        list_remove(&old->node);
        pool->idle_count--;
    }
    list_append(pool->idle.next, &c->node);
    pool->idle_count++;
    pthread_mutex_unlock(&pool->lock);
    plain_conn_free(old);
}

void plain_pool_init(struct plain_pool *p, const char *user_agent,
                     const char *unix_socket)
{
    *p = (struct plain_pool){.user_agent = user_agent, .unix_socket = unix_socket};
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->idle);
}

void plain_pool_fini(struct plain_pool *p)
{
    list_for_each_safe (it, &p->idle)
        plain_conn_free(list_entry(it, struct plain_conn, node));
    pthread_mutex_destroy(&p->lock);
}
