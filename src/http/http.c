/* The life of a request, and the one place where it changes threads.
 *
 * libmicrohttpd (MHD below) runs a few threads with an epoll loop each. A connection stays
 * with one of them for life. MHD calls back for every request:
 *
 *   on_uri()        the request line was read       → struct request is born
 *   on_access()     1. headers are complete         → begin()
 *                   2. for each piece of the body   → collected, or given to the sink
 *                   3. the body ended               → complete()
 *   on_completed()  answered, broken off or timed out → the connection lets go
 *
 * MHD wants its answer inside on_access(). Ours comes later and from another thread, so the
 * connection is suspended in between: MHD takes its socket out of epoll and does not look
 * at it again until mhd.MHD_resume_connection(), which any thread may call; then MHD calls
 * on_access() with the same step once more. Three facts shape everything here:
 *
 * - Suspending is only allowed on the connection's own thread, inside a callback. An answer
 *   may come from another thread before that: between the handler's hand-over and our
 *   return from on_access(). So the answer is stored in the request under its lock, and
 *   settle(), which runs at the end of each on_access(), decides under the same lock:
 *   answer there → give it to MHD now; not there → suspend. request_answer() on the other
 *   side stores, and resumes only if it finds the request suspended. No third place
 *   suspends or resumes a request (a stream does while it waits for data, under the same
 *   lock, with the same two functions). An answer that is given inside begin() or
 *   complete() costs no suspension at all.
 * - MHD does not watch a suspended socket: a peer that hangs up meanwhile goes unnoticed
 *   until our answer fails to be sent. That is fine for requests, which are short. Streams,
 *   which are suspended for hours, and bodies that hold something until they end, have a
 *   watch of their own (http_watch.c).
 * - Queueing an answer before the body was read makes MHD close the connection, and a peer
 *   that is still sending then sees a reset and never our answer. So an early answer waits
 *   until a small body is read and thrown away; only for peers that asked with Expect:
 *   100-continue, or have much to send, it goes out at once.
 *
 * Who frees. A request is counted: one reference for the connection, given back in
 * on_completed(); one for the handler, given back when it answers or was told aborted();
 * one for a stream, given back by http_stream_close(); one for an answer whose body lies in
 * the request's arena, given back when MHD drops it. Whoever gives back the last one calls
 * released() and frees. A handler that answers after the connection is gone only gives its
 * reference back. The server itself is counted by its requests, so it outlives stop if a
 * handler does.
 *
 * Locks, outermost first: response (MHD's, in body callbacks) → request → MHD's list lock
 * (inside suspend and resume). server->lock and the watch's lock are leaves. No handler
 * function is called under a lock. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_server.h"

#define DEFAULT_CONNECTIONS  8192
#define DEFAULT_IDLE_SECONDS 60
#define DEFAULT_THREADS      2
#define DEFAULT_HEADER_BYTES 65536
#define DEFAULT_HEADER_COUNT 200
#define DEFAULT_BUFFERED     (256ULL * 1024 * 1024)
#define DEFAULT_STREAM_QUEUE (64ULL * 1024 * 1024)
#define THREAD_STACK         (512 * 1024)
#define FDS_FOR_OTHERS       128 /* store, blobs, logs: what the process needs beside us */
#define WATCHED_BODY_BYTES   65536
#define STOP_FLUSH_MS        1000 /* for the last answers to leave */

/* ---- references ---- */

void request_ref(struct request *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

static void server_unref(struct http_server *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

void request_unref(struct request *r)
{
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct http_server *s = r->server;
    if (r->began && s->handler.released)
        s->handler.released(&r->pub);
    request_free(r);
    server_unref(s);
}

static void list_request(struct http_server *s, struct request *r)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&s->lock);
    list_append(&s->requests, &r->node);
    s->request_count++;
    pthread_mutex_unlock(&s->lock);
}

static void unlist_request(struct http_server *s, struct request *r)
{
    pthread_mutex_lock(&s->lock);
    list_remove(&r->node);
    s->request_count--;
    if (atomic_load(&s->stopping))
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the hand-over ---- */

void request_suspend(struct request *r)
{
    r->suspended = true;
    mhd.MHD_suspend_connection(r->conn);
}

void request_wake(struct request *r)
{
    if (!r->suspended || !r->conn)
        return;
    r->suspended = false;
    mhd.MHD_resume_connection(r->conn);
}

bool request_answer(struct request *r, int status, struct MHD_Response *response,
                    struct http_stream *stream)
{
    pthread_mutex_lock(&r->lock);
    bool fits = !r->answered && r->conn;
    if (fits) {
        r->answered = true;
        r->status = status;
        r->response = response;
        r->stream = stream;
        request_wake(r);
    }
    bool had = r->handler_has;
    r->handler_has = false;
    pthread_mutex_unlock(&r->lock);
    if (!fits)
        mhd.MHD_destroy_response(response);
    if (had)
        request_unref(r);
    return fits;
}

/* Has the handler asked for a body and not got it yet? Its choice may be newer than MHD's
 * last look at the connection. Under the lock. */
static bool waits_for_body(const struct request *r)
{
    return r->phase == HTTP_PHASE_BODY ||
           (r->phase == HTTP_PHASE_BEGIN && r->mode != HTTP_BODY_UNDECIDED);
}

/* The server answers for the handler. One that waits for the body learns by aborted(); one
 * that is to choose or to answer still holds the request, and what it does is dropped.
 * I/O thread only. */
static void answer_for_handler(struct request *r, int status, const char *text)
{
    struct MHD_Response *response = response_text(status, text);
    pthread_mutex_lock(&r->lock);
    bool fits = !r->answered;
    bool tell = r->handler_has && waits_for_body(r);
    if (fits) {
        r->answered = true;
        r->status = status;
        r->response = response;
    }
    if (tell)
        r->handler_has = false;
    pthread_mutex_unlock(&r->lock);
    if (!fits)
        mhd.MHD_destroy_response(response);
    if (tell) {
        if (r->server->handler.aborted)
            r->server->handler.aborted(&r->pub);
        request_unref(r);
    }
}

static enum MHD_Result give_to_mhd(struct request *r)
{
    struct MHD_Response *response = r->response;
    r->response = NULL;
    r->phase = HTTP_PHASE_QUEUED;
    if (atomic_load_explicit(&r->server->stopping, memory_order_relaxed))
        mhd.MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    watch_remove(r->server->watch, r);
    if (r->stream)
        watch_add(r->server->watch, r);
    /* Without the lock: MHD goes on at once and calls the stream's reader. */
    struct MHD_Connection *conn = r->conn;
    unsigned status = (unsigned)r->status;
    pthread_mutex_unlock(&r->lock);
    enum MHD_Result ok = mhd.MHD_queue_response(conn, status, response);
    mhd.MHD_destroy_response(response); /* MHD holds its own reference */
    pthread_mutex_lock(&r->lock);
    return ok;
}

/* What becomes of a request whose headers are here? */
static enum MHD_Result settle_begin(struct request *r)
{
    if (r->answered) {
        bool wait = !r->expect_continue && r->pub.content_length <= HTTP_DISCARD_EARLY;
        if (r->pub.content_length != 0 && !wait)
            return give_to_mhd(r);
        r->mode = HTTP_BODY_DISCARD;
        r->phase = HTTP_PHASE_BODY;
        return MHD_YES;
    }
    if (r->mode == HTTP_BODY_UNDECIDED)
        request_suspend(r);
    else
        r->phase = HTTP_PHASE_BODY;
    return MHD_YES;
}

/* A reason of our own to answer now, or 0. Under the lock, because stop wakes what is
 * suspended once it has set `refusing`: nothing may suspend itself after that. */
static int refusal(struct request *r)
{
    bool chosen = r->phase == HTTP_PHASE_BEGIN && r->mode != HTTP_BODY_UNDECIDED;
    if (r->answered)
        return 0;
    if (chosen && r->pub.content_length > 0 &&
        (uint64_t)r->pub.content_length > r->max_body)
        return 413;
    if (!chosen && r->phase != HTTP_PHASE_BODY && atomic_load(&r->server->refusing))
        return 503;
    return 0;
}

/* The end of every on_access(): the only place that decides between going on, answering
 * and waiting for another thread. */
static enum MHD_Result settle(struct request *r)
{
    enum MHD_Result ok = MHD_YES;
    pthread_mutex_lock(&r->lock);
    int status = refusal(r);
    if (status) {
        pthread_mutex_unlock(&r->lock);
        answer_for_handler(r, status,
                           status == 413 ? "the request's body is too long"
                                         : "the server stops");
        pthread_mutex_lock(&r->lock);
    }
    if (r->phase == HTTP_PHASE_BEGIN)
        ok = settle_begin(r);
    else if (r->phase == HTTP_PHASE_COMPLETE && r->answered)
        ok = give_to_mhd(r);
    else if (r->phase == HTTP_PHASE_COMPLETE)
        request_suspend(r);
    pthread_mutex_unlock(&r->lock);
    return ok;
}

/* ---- what MHD tells us ---- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct http_server *s = cls;
    struct request *r = request_new(s, uri, conn);
    list_request(s, r);
    return r;
}

static enum MHD_Result headers_arrived(struct request *r, const char *method,
                                       const char *version)
{
    int status = request_read_headers(r, method, version);
    r->phase = HTTP_PHASE_BEGIN;
    if (status) {
        r->pub.content_length = INT64_MAX; /* whatever follows, it will not be read */
        answer_for_handler(r, status,
                           status == 431 ? "the request's headers are too long"
                           : status == 501
                               ? "only the transfer encoding 'chunked' is known"
                               : "the request's length is contradictory");
        return settle(r);
    }
    r->began = true;
    r->handler_has = true; /* nobody else has the request yet: no lock */
    request_ref(r);
    r->server->handler.begin(&r->pub);
    return settle(r);
}

static enum MHD_Result discard(struct request *r, size_t len)
{
    r->discarded += len;
    return r->discarded <= HTTP_DISCARD_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result body_arrived(struct request *r, const void *data, size_t len)
{
    pthread_mutex_lock(&r->lock);
    if (r->answered)
        r->mode = HTTP_BODY_DISCARD;
    enum http_body_mode mode = r->mode;
    pthread_mutex_unlock(&r->lock);
    if (mode == HTTP_BODY_DISCARD)
        return discard(r, len);
    int status = request_take_body(r, data, len);
    if (status == 0)
        return MHD_YES;
    request_drop_body(r);
    pthread_mutex_lock(&r->lock);
    r->mode = HTTP_BODY_DISCARD;
    r->sink_failed = status < 0;
    pthread_mutex_unlock(&r->lock);
    if (status > 0)
        answer_for_handler(r, status,
                           status == 413 ? "the request's body is too long"
                                         : "too many requests are being received");
    return MHD_YES;
}

static enum MHD_Result body_ended(struct request *r)
{
    pthread_mutex_lock(&r->lock);
    bool due = !r->answered;
    r->phase = HTTP_PHASE_COMPLETE;
    watch_remove(r->server->watch, r);
    pthread_mutex_unlock(&r->lock);
    if (due) {
        r->pub.body = str_text(&r->collect);
        r->server->handler.complete(&r->pub);
    }
    return settle(r);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *conn, const char *url,
                                 const char *method, const char *version,
                                 const char *upload_data, size_t *upload_size,
                                 void **con_cls)
{
    struct request *r = *con_cls;
    if (!r)
        return MHD_NO;
    if (*upload_size) {
        size_t len = *upload_size;
        *upload_size = 0;
        return body_arrived(r, upload_data, len);
    }
    switch (r->phase) {
    case HTTP_PHASE_NEW:
        return headers_arrived(r, method, version);
    case HTTP_PHASE_BODY:
        return body_ended(r);
    default: /* resumed */
        return settle(r);
    }
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct request *r = *con_cls;
    if (!r)
        return;
    *con_cls = NULL;
    pthread_mutex_lock(&r->lock);
    watch_remove(r->server->watch, r);
    if (r->stream)
        stream_connection_gone(r);
    r->conn = NULL;
    struct MHD_Response *unsent = r->response;
    r->response = NULL;
    bool tell = r->handler_has && waits_for_body(r);
    if (tell)
        r->handler_has = false;
    pthread_mutex_unlock(&r->lock);
    if (unsent)
        mhd.MHD_destroy_response(unsent);
    if (tell) {
        if (r->server->handler.aborted)
            r->server->handler.aborted(&r->pub);
        request_unref(r);
    }
    unlist_request(r->server, r);
    request_unref(r);
}

/* ---- the handler's choice ---- */

/* What is held until the body's end: a sink, or much memory. Other bodies come with their
 * headers nearly always, and are not worth a system call. */
static bool needs_watch(const struct request *r)
{
    int64_t length = r->pub.content_length;
    return (r->mode == HTTP_BODY_SINK && length) || length < 0 ||
           length > WATCHED_BODY_BYTES;
}

static void choose(struct request *r, enum http_body_mode mode, uint64_t max_bytes,
                   http_sink *sink, void *ctx)
{
    pthread_mutex_lock(&r->lock);
    bool late = r->answered || !r->conn; /* the server stopped meanwhile */
    if (!late) {
        r->mode = mode;
        r->max_body = max_bytes;
        r->sink = sink;
        r->sink_ctx = ctx;
        if (needs_watch(r))
            watch_add(r->server->watch, r);
        request_wake(r);
    } else {
        r->handler_has = false;
    }
    pthread_mutex_unlock(&r->lock);
    if (late) {
        if (r->server->handler.aborted)
            r->server->handler.aborted(&r->pub);
        request_unref(r);
    }
}

void http_accept_body(struct http_request *req, size_t max_bytes)
{
    choose(request_of(req), HTTP_BODY_COLLECT, max_bytes, NULL, NULL);
}

void http_accept_stream(struct http_request *req, uint64_t max_bytes, http_sink *sink,
                        void *ctx)
{
    choose(request_of(req), HTTP_BODY_SINK, max_bytes ? max_bytes : UINT64_MAX, sink,
           ctx);
}

bool http_sink_failed(const struct http_request *req)
{
    return request_of(req)->sink_failed; /* written by the thread that calls complete() */
}

/* ---- start ---- */

static void fill_limits(struct http_limits *l)
{
    if (!l->connections)
        l->connections = DEFAULT_CONNECTIONS;
    if (!l->idle_seconds)
        l->idle_seconds = DEFAULT_IDLE_SECONDS;
    if (!l->threads)
        l->threads = DEFAULT_THREADS;
    if (!l->header_bytes)
        l->header_bytes = DEFAULT_HEADER_BYTES;
    if (!l->header_count)
        l->header_count = DEFAULT_HEADER_COUNT;
    if (!l->buffered_bytes)
        l->buffered_bytes = DEFAULT_BUFFERED;
    if (!l->stream_queue_bytes)
        l->stream_queue_bytes = DEFAULT_STREAM_QUEUE;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
        files.rlim_cur < (rlim_t)l->connections + FDS_FOR_OTHERS)
        l->connections = files.rlim_cur > 2 * FDS_FOR_OTHERS
                             ? (unsigned)files.rlim_cur - FDS_FOR_OTHERS
                             : (unsigned)files.rlim_cur / 2;
    if (l->connections < l->threads)
        l->connections = l->threads;
}

/* MHD decodes %41 in the path unless told otherwise; SigV4 needs it as it came. */
static size_t keep_escapes(void *cls, struct MHD_Connection *conn, char *s)
{
    return strlen(s);
}

static int start_daemon(struct http_server *s, int fd, struct error *err)
{
    const struct http_limits *l = &s->limits;
    int r = mhd_load(err);
    if (r < 0)
        return r;
    s->daemon = mhd.MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
            MHD_ALLOW_UPGRADE,
        0, NULL, NULL, on_access, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, l->threads, MHD_OPTION_CONNECTION_LIMIT,
        l->connections, MHD_OPTION_CONNECTION_TIMEOUT, l->idle_seconds,
        /* Headers, and pieces of the body or of the answer: only touched pages cost. */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, l->header_bytes * 2,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_URI_LOG_CALLBACK,
        on_uri, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    if (!s->daemon)
        return fail(err, E_IO, "the HTTP threads could not be started on %s", s->address);
    return 0;
}

int http_server_start(const struct http_config *config, struct http_server **ret,
                      struct error *err)
{
    struct http_server *s = xcalloc(1, sizeof(*s));
    s->limits = config->limits;
    s->handler = config->handler;
    s->ctx = config->ctx;
    fill_limits(&s->limits);
    atomic_store(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    list_init(&s->requests);
    int fd = -1, r = http_listen(s, config->listen, &fd, err);
    if (r == 0)
        r = watch_start(s, err);
    if (r == 0)
        r = start_daemon(s, fd, err);
    if (r < 0) {
        watch_stop(s);
        if (fd >= 0)
            close(fd);
        server_unref(s);
        return r;
    }
    s->listen_fd = fd; /* MHD's now */
    *ret = s;
    return 0;
}

unsigned http_server_port(const struct http_server *s)
{
    return s->port;
}

const char *http_server_address(const struct http_server *s)
{
    return s->address;
}

/* ---- stop ---- */

static bool wait_until_empty(struct http_server *s, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&s->lock);
    while (s->request_count && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
        ;
    bool empty = s->request_count == 0;
    pthread_mutex_unlock(&s->lock);
    return empty;
}

/* Calls for each live request, with its lock held. Requests are referenced first, because
 * their lock comes before the list's. */
static void for_each_request(struct http_server *s, void (*visit)(struct request *r))
{
    pthread_mutex_lock(&s->lock);
    size_t n = 0;
    struct request **all = xcalloc(s->request_count, sizeof(struct request *));
    list_for_each (it, &s->requests) {
        all[n] = list_entry(it, struct request, node);
        request_ref(all[n++]);
    }
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&all[i]->lock);
        visit(all[i]);
        pthread_mutex_unlock(&all[i]->lock);
        request_unref(all[i]);
    }
    free(all);
}

static void end_stream(struct request *r)
{
    if (r->stream)
        stream_end(r);
}

void http_server_stop(struct http_server *s, unsigned drain_ms)
{
    if (!s)
        return;
    /* Nobody is let in any more. Not by MHD_quiesce_daemon(): it and MHD's threads both
     * take the socket out of an epoll set, and the second of them ends the process. */
    shutdown(s->listen_fd, SHUT_RDWR);
    atomic_store(&s->stopping, true);
    for_each_request(s, end_stream);
    wait_until_empty(s, drain_ms);
    /* From here on nothing suspends itself (refusal(), stream_read()), and what is
     * suspended is woken: MHD ends the process when it finds a suspended connection. */
    atomic_store(&s->refusing, true);
    for_each_request(s, request_wake);
    for_each_request(s, end_stream);
    wait_until_empty(s, STOP_FLUSH_MS);
    mhd.MHD_stop_daemon(s->daemon);
    watch_stop(s);
    if (s->unix_path[0])
        unlink(s->unix_path);
    server_unref(s);
}
