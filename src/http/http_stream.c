/* Long answers. A stream is a queue of pieces between any thread that sends and the I/O
 * thread that has the connection. When the queue is empty the reader suspends the
 * connection, and the next send resumes it; both under the request's lock (see http.c). */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_server.h"

#define MAX_PIECE (256 * 1024)

struct piece {
    struct list node;
    size_t len, sent, cap;
    char data[];
};

static void drop_pieces(struct http_stream *st)
{
    list_for_each_safe (it, &st->pieces) {
        list_remove(it);
        free(list_entry(it, struct piece, node));
    }
    st->queued_bytes = 0;
}

void stream_free(struct http_stream *st)
{
    if (!st)
        return;
    drop_pieces(st);
    pthread_cond_destroy(&st->callback_done);
    free(st);
}

/* ---- the I/O thread's side ---- */

static size_t take(struct http_stream *st, char *buf, size_t max)
{
    size_t n = 0;
    while (n < max && !list_empty(&st->pieces)) {
        struct piece *p = list_entry(list_first(&st->pieces), struct piece, node);
        size_t part = p->len - p->sent < max - n ? p->len - p->sent : max - n;
        memcpy(buf + n, p->data + p->sent, part);
        p->sent += part;
        n += part;
        if (p->sent == p->len) {
            list_remove(&p->node);
            free(p);
        }
    }
    st->queued_bytes -= n;
    return n;
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct request *r = cls;
    struct http_stream *st = r->stream;
    ssize_t n = 0;
    pthread_mutex_lock(&r->lock);
    if (st->cut || atomic_load(&r->server->refusing)) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (st->queued_bytes) {
        n = (ssize_t)take(st, buf, max);
    } else if (st->closing) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        request_suspend(r);
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}

void stream_connection_gone(struct request *r)
{
    struct http_stream *st = r->stream;
    st->ended = true;
    drop_pieces(st);
    if (st->owner_closed || !st->on_closed)
        return;
    st->in_callback = true;
    st->callback_thread = pthread_self();
    pthread_mutex_unlock(&r->lock);
    st->on_closed(st->ctx);
    pthread_mutex_lock(&r->lock);
    st->in_callback = false;
    pthread_cond_broadcast(&st->callback_done);
}

void stream_end(struct request *r)
{
    r->stream->closing = true;
    if (atomic_load(&r->server->refusing))
        r->stream->cut = true;
    request_wake(r);
}

/* ---- everybody's side ---- */

void socket_keepalive(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){30}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){10}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){3}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){60000}, sizeof(int));
}

static void unref_request(void *cls)
{
    request_unref(cls);
}

struct http_stream *http_reply_stream(struct http_request *req, int status,
                                      const struct http_header *headers,
                                      void (*on_closed)(void *ctx), void *ctx)
{
    struct request *r = request_of(req);
    struct http_stream *st = xcalloc(1, sizeof(*st));
    st->req = r;
    st->limit_bytes = r->server->limits.stream_queue_bytes;
    st->on_closed = on_closed;
    st->ctx = ctx;
    list_init(&st->pieces);
    pthread_cond_init(&st->callback_done, NULL);
    request_ref(r); /* the owner's, until http_stream_close() */
    request_ref(r); /* the response's */
    struct MHD_Response *m = mhd.MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 65536, stream_read, r, unref_request);
    for (const struct http_header *h = headers; h && h->name; h++)
        mhd.MHD_add_response_header(m, h->name, h->value);
    pthread_mutex_lock(&r->lock);
    if (r->conn && !r->answered) {
        const union MHD_ConnectionInfo *info =
            mhd.MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
        socket_keepalive(info->connect_fd);
    }
    pthread_mutex_unlock(&r->lock);
    if (!request_answer(r, status, m, st)) {
        st->ended = true; /* only the owner's reference is left */
        pthread_mutex_lock(&r->lock);
        r->stream = st;
        pthread_mutex_unlock(&r->lock);
    }
    return st;
}

static void append(struct http_stream *st, const char *data, size_t len)
{
    assert(st->pieces.prev); /* a list is never without ends; the analyser asks */
    struct piece *last =
        list_empty(&st->pieces) ? NULL : list_entry(st->pieces.prev, struct piece, node);
    size_t room = last ? last->cap - last->len : 0;
    size_t part = room < len ? room : len;
    if (part) {
        memcpy(last->data + last->len, data, part);
        last->len += part;
    }
    for (data += part, len -= part; len; data += part, len -= part) {
        part = len < MAX_PIECE ? len : MAX_PIECE;
        size_t cap = part < 1024 ? 1024 : part; /* short lines share a piece */
        struct piece *p = xmalloc(sizeof(*p) + cap);
        p->len = part;
        p->sent = 0;
        p->cap = cap;
        memcpy(p->data, data, part);
        list_append(&st->pieces, &p->node);
    }
}

int http_stream_send(struct http_stream *st, const void *data, size_t len,
                     struct error *err)
{
    struct request *r = st->req;
    int result = 0;
    pthread_mutex_lock(&r->lock);
    if (st->ended || st->cut || st->closing) {
        result = fail(err, E_NETWORK, "the stream to %s has ended", r->pub.peer);
    } else if (len > st->limit_bytes - st->queued_bytes) {
        st->cut = true;
        result = fail(err, E_FULL, "%s reads too slowly: %zu bytes wait for it",
                      r->pub.peer, st->queued_bytes);
    } else if (len) {
        append(st, data, len);
        st->queued_bytes += len;
    }
    if (len)
        request_wake(r);
    pthread_mutex_unlock(&r->lock);
    return result;
}

size_t http_stream_queued(struct http_stream *st)
{
    pthread_mutex_lock(&st->req->lock);
    size_t n = st->queued_bytes;
    pthread_mutex_unlock(&st->req->lock);
    return n;
}

void http_stream_close(struct http_stream *st)
{
    if (!st)
        return;
    struct request *r = st->req;
    pthread_mutex_lock(&r->lock);
    st->owner_closed = true;
    st->closing = true;
    while (st->in_callback && !pthread_equal(st->callback_thread, pthread_self()))
        pthread_cond_wait(&st->callback_done, &r->lock);
    request_wake(r);
    pthread_mutex_unlock(&r->lock);
    request_unref(r);
}
