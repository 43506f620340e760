/* fixture.h: a server on a free port whose handler does what the path says, a worker thread
 * that answers for it, and clients: curl for manners, bare sockets for bad ones. */
#pragma once

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "http.h"
#include "str.h"

#define MAX_HELD 4096

struct fixture {
    struct http_server *server;
    atomic_int begun, completed, aborted, released, closed;
    atomic_llong sunk;
    /* the worker: runs jobs, so that answers come from another thread */
    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_request *jobs[MAX_HELD];
    unsigned head, tail;
    bool stop;
    struct http_request *held[MAX_HELD]; /* /hang */
    unsigned held_count;
    struct http_stream *stream; /* /open */
};

static void job_push(struct fixture *f, struct http_request *req)
{
    pthread_mutex_lock(&f->lock);
    f->jobs[f->tail++ % MAX_HELD] = req;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Waits until the condition, which others change with a broadcast or an atomic, holds. */
#define WAIT_FOR(cond)                                                                   \
    do {                                                                                 \
        int64_t until_ = clock_mono_ns() + 10000000000LL;                                \
        while (!(cond) && clock_mono_ns() < until_)                                      \
            poll(NULL, 0, 1);                                                            \
        assert_true(cond);                                                               \
    } while (0)

static int count_sink(void *ctx, const void *data, size_t len)
{
    struct fixture *f = ctx;
    const char *p = data;
    atomic_fetch_add(&f->sunk, (long long)len);
    return memchr(p, '!', len) ? -1 : 0;
}

static void note_closed(void *ctx)
{
    atomic_fetch_add(&((struct fixture *)ctx)->closed, 1);
}

static void send_lines(struct http_request *req)
{
    struct fixture *f = req->server_ctx;
    struct http_stream *st = http_reply_stream(
        req, 200, (struct http_header[]){{"Content-Type", "text/plain"}, {0}},
        note_closed, f);
    char line[64];
    for (int i = 0; i < 10000; i++) {
        int n = snprintf(line, sizeof(line), "line %d\n", i);
        if (http_stream_send(st, line, (size_t)n, NULL) < 0)
            break;
    }
    http_stream_close(st);
}

static void send_file(struct http_request *req)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    http_reply_file(req, 206, NULL, fd, 1, 40000);
}

static void reply_echo(struct http_request *req)
{
    http_reply(req, 200, (struct http_header[]){{"X-Echo", "yes"}, {0}}, req->body,
               req->body_len, HTTP_ARENA);
}

static void reply_describe(struct http_request *req)
{
    AUTO_STR s = STR_INIT;
    str_addf(&s, "%s|%s|%s|%lld|", req->method, req->path, req->query ? req->query : "-",
             (long long)req->content_length);
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_starts(req->headers[i].name, "X-"))
            str_addf(&s, "%s=%s;", req->headers[i].name, req->headers[i].value);
    }
    size_t len = s.len;
    http_reply(req, 200, NULL, str_take(&s), len, HTTP_TAKE);
}

static void open_stream(struct http_request *req)
{
    struct fixture *f = req->server_ctx;
    struct http_stream *st = http_reply_stream(req, 200, NULL, note_closed, f);
    pthread_mutex_lock(&f->lock);
    f->stream = st;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline struct http_stream *opened(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    struct http_stream *st = f->stream;
    pthread_mutex_unlock(&f->lock);
    return st;
}

static void hold(struct http_request *req)
{
    struct fixture *f = req->server_ctx;
    pthread_mutex_lock(&f->lock);
    f->held[f->held_count++] = req;
    pthread_mutex_unlock(&f->lock);
}

static inline unsigned held(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned n = f->held_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* What the path asks for; on the I/O thread or, below /later, on the worker. */
static void act(struct http_request *req, const char *what)
{
    if (http_sink_failed(req))
        http_reply_text(req, 507, "sink failed");
    else if (streq(what, "/echo"))
        reply_echo(req);
    else if (streq(what, "/file"))
        send_file(req);
    else if (streq(what, "/lines"))
        send_lines(req);
    else if (streq(what, "/open"))
        open_stream(req);
    else if (streq(what, "/hang"))
        hold(req);
    else if (str_starts(what, "/describe"))
        reply_describe(req);
    else if (streq(what, "/moved") || streq(what, "/loop"))
        http_reply(req, 307,
                   (struct http_header[]){
                       {"Location", streq(what, "/loop") ? "/loop" : "/echo?moved"}, {0}},
                   "moved", 5, HTTP_COPY);
    else if (streq(what, "/range"))
        http_reply_text(req, 200, http_header(req, "Range"));
    else if (streq(what, "/size"))
        http_reply_head(req, 200, (struct http_header[]){{"X-Kind", "layer"}, {0}},
                        123456789);
    else if (streq(what, "/sink"))
        http_reply_text(req, 201, "sunk");
    else
        http_reply_text(req, 200, "hello");
}

static void on_begin(struct http_request *req)
{
    struct fixture *f = req->server_ctx;
    atomic_fetch_add(&f->begun, 1);
    if (str_starts(req->path, "/deny"))
        http_reply_text(req, 403, "denied");
    else if (str_starts(req->path, "/defer"))
        job_push(f, req);
    else if (str_ends(req->path, "/sink"))
        http_accept_stream(req, 0, count_sink, f);
    else
        http_accept_body(req, 1 << 20);
}

static void on_complete(struct http_request *req)
{
    struct fixture *f = req->server_ctx;
    atomic_fetch_add(&f->completed, 1);
    if (str_starts(req->path, "/later/"))
        job_push(f, req);
    else
        act(req, str_starts(req->path, "/defer/") ? req->path + 6 : req->path);
}

static void on_aborted(struct http_request *req)
{
    atomic_fetch_add(&((struct fixture *)req->server_ctx)->aborted, 1);
}

static void on_released(struct http_request *req)
{
    atomic_fetch_add(&((struct fixture *)req->server_ctx)->released, 1);
}

static void run_job(struct fixture *f, struct http_request *req)
{
    if (streq(req->path, "/defer/deny"))
        http_reply_text(req, 403, "denied later");
    else if (streq(req->path, "/defer/hold"))
        hold(req);
    else if (streq(req->path, "/defer/sink"))
        http_accept_stream(req, 0, count_sink, f);
    else if (str_starts(req->path, "/defer/"))
        http_accept_body(req, 1 << 20);
    else
        act(req, req->path + 6);
}

static void *work(void *arg)
{
    struct fixture *f = arg;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (f->head == f->tail && !f->stop)
            pthread_cond_wait(&f->changed, &f->lock);
        if (f->head == f->tail)
            break;
        struct http_request *req = f->jobs[f->head++ % MAX_HELD];
        pthread_mutex_unlock(&f->lock);
        run_job(f, req);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static struct fixture *fixture_new(const char *listen, struct http_limits limits)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct error err = ERROR_INIT;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    pthread_create(&f->worker, NULL, work, f);
    struct http_config config = {
        .listen = listen,
        .limits = limits,
        .handler = {on_begin, on_complete, on_aborted, on_released},
        .ctx = f,
    };
    if (http_server_start(&config, &f->server, &err) < 0)
        fprintf(stderr, "%s\n", err.text);
    assert_non_null(f->server);
    return f;
}

static void fixture_free(struct fixture *f)
{
    http_server_stop(f->server, 2000);
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->worker, NULL);
    assert_int_equal(atomic_load(&f->begun), atomic_load(&f->released));
    free(f);
}

/* ---- clients ---- */

static inline size_t collect_body(char *data, size_t size, size_t n, void *ctx)
{
    str_addn(ctx, data, size * n);
    return size * n;
}

static inline CURL *easy_new(struct fixture *f, const char *path, struct str *body)
{
    CURL *c = curl_easy_init();
    char url[256];
    snprintf(url, sizeof(url), "http://%s%s", http_server_address(f->server), path);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    return c;
}

static inline long easy_go(CURL *c)
{
    long status = -1;
    CURLcode rc = curl_easy_perform(c);
    if (rc != CURLE_OK)
        return -(long)rc;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static inline long get(struct fixture *f, const char *path, struct str *body)
{
    CURL *c = easy_new(f, path, body);
    long status = easy_go(c);
    curl_easy_cleanup(c);
    return status;
}

static inline long post(struct fixture *f, const char *path, const void *data, size_t len,
                        bool chunked, struct str *body)
{
    CURL *c = easy_new(f, path, body);
    struct curl_slist *h = NULL;
    if (chunked)
        h = curl_slist_append(h, "Transfer-Encoding: chunked");
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, data);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
    long status = easy_go(c);
    curl_slist_free_all(h);
    curl_easy_cleanup(c);
    return status;
}

static inline int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_server_port(f->server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static inline void say(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads until `until` is in what came, the peer closes, or 10 s passed. */
static inline char *hear(int fd, const char *until)
{
    struct str s = STR_INIT;
    char buf[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    str_add(&s, "");
    while (!(until && strstr(str_text(&s), until)) && poll(&p, 1, 10000) == 1) {
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        if (n <= 0)
            break;
        str_addn(&s, buf, (size_t)n);
    }
    return s.data ? str_take(&s) : xstrdup("");
}
