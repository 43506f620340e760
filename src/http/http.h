/* http.h: the HTTP/1.1 server: requests in, answers from any thread, long streams out.
 *
 * A few I/O threads (libmicrohttpd, epoll) parse requests and call the handler:
 *
 *   begin(req)      the headers are here. Choose, now or later and from any thread, one
 * of http_accept_body()    collect the body in memory, then complete()
 *                     http_accept_stream()  give each piece to a sink, then complete()
 *                     http_reply…()         answer at once
 *                   Until then the client's body waits in its socket (100 Continue is
 * sent after the choice), so that an upload is refused before it is sent. complete(req)
 * the body ended (or there was none). Answer, now or later, from any thread. aborted(req)
 * instead of complete(): the peer vanished or broke the protocol in mid-body, or the
 * server stops. Nothing can be answered any more. released(req)   the last word on every
 * request that saw begin(): free what req->ctx holds. Comes after the answer went out or
 * could not go out.
 *
 * The promise of the handler: exactly one http_reply…() for every request, except after
 * aborted(). The promise of the server: the request stays valid until the handler replied
 * (or was told aborted()), whatever happens to the connection and even during stop.
 *
 * Owns: the request and its arena. What a handler puts there lives until released().
 * Threads: begin, complete and sinks run on I/O threads, one at a time for each request;
 * they may block for the length of a disk write, not longer. aborted() too, except that a
 * choice which comes after the server stopped is answered with it on the spot. released()
 * runs where the last reference went. All functions on requests and streams: any thread.
 * Fails: only http_server_start() and http_stream_send() can. An answer to a peer that is
 * gone is dropped silently. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

struct http_server;
struct http_stream;

struct http_header {
    const char *name, *value;
};

struct http_request {
    struct arena arena;                /* for the handler: until released() */
    const char *method;                /* "GET", as sent */
    const char *path;                  /* raw, undecoded, up to '?' */
    const char *query;                 /* raw, after '?'; NULL when there was none */
    const char *version;               /* "HTTP/1.1" */
    const char *peer;                  /* "127.0.0.1:40123", "[::1]:40123", "unix" */
    const struct http_header *headers; /* in the order of arrival, repeats kept */
    size_t header_count;
    int64_t content_length; /* -1: chunked; 0: no body */
    const void *body;       /* after http_accept_body(), in complete(); NUL-terminated */
    size_t body_len;        /* bytes of the body so far, whoever takes them */
    bool is_head;           /* replies carry their length but no body */
    void *server_ctx;       /* http_config.ctx */
    void *ctx;              /* the handler's own */
};

/* First value of the header, any case of name; NULL when absent. */
const char *http_header(const struct http_request *req, const char *name);

/* Takes a piece of the body. A negative return ends the upload: the rest of the body is
 * thrown away and complete() is called with http_sink_failed() true. */
typedef int http_sink(void *ctx, const void *data, size_t len);

struct http_handler {
    void (*begin)(struct http_request *req);
    void (*complete)(struct http_request *req);
    void (*aborted)(struct http_request *req);  /* may be NULL */
    void (*released)(struct http_request *req); /* may be NULL */
};

/* 0 takes the default. */
struct http_limits {
    unsigned connections;  /* 8192; more wait in the listen backlog */
    unsigned idle_seconds; /* 60: keep-alive, and any transfer that stands still */
    unsigned threads;      /* 2 */
    size_t header_bytes;   /* 65536 for request line and headers: 431 above */
    unsigned header_count; /* 200: 431 above */
    uint64_t
        buffered_bytes; /* 256 MiB of collected bodies in the whole server: 503 above */
    size_t stream_queue_bytes; /* 64 MiB waiting in one stream: E_FULL above */
};

struct http_config {
    const char
        *listen; /* "127.0.0.1:4566", "[::1]:0", "0.0.0.0:80", "unix:/run/x.sock" */
    struct http_limits limits;
    struct http_handler handler;
    void *ctx;
};

/* Listens and starts the threads. Port 0 takes a free one. E_INVALID: listen can't be
 * read; E_CONFLICT: somebody else has the address; E_DENIED: the port needs privileges.
 */
int http_server_start(const struct http_config *config, struct http_server **ret,
                      struct error *err);
unsigned http_server_port(const struct http_server *s);       /* 0 for unix */
const char *http_server_address(const struct http_server *s); /* "127.0.0.1:40123" */

/* Takes no new connections, waits up to drain_ms for requests that the handler has, then
 * answers 503 for it, ends the streams (on_closed is called), joins the threads. Handlers
 * that still hold a request may reply to it after this returned. NULL allowed. */
void http_server_stop(struct http_server *s, unsigned drain_ms);

/* ---- choosing what happens to the body: once, in or after begin() ---- */

/* Collects up to max_bytes; 413 is answered above, without complete() but with aborted().
 */
void http_accept_body(struct http_request *req, size_t max_bytes);
/* Hands each piece to the sink on the I/O thread: memory stays bounded, and a sink that
 * is slow slows the peer. 413 and aborted() above max_bytes (0: no limit). */
void http_accept_stream(struct http_request *req, uint64_t max_bytes, http_sink *sink,
                        void *ctx);
bool http_sink_failed(const struct http_request *req);

/* ---- answering: once. `headers` ends with a {NULL} name, or is NULL; it is copied.
 *      Content-Length, Date, Connection and Transfer-Encoding are added by the server.
 * ---- */

enum http_memory {
    HTTP_COPY,  /* the body is copied now */
    HTTP_TAKE,  /* malloc'ed; the server frees it */
    HTTP_ARENA, /* lies in req->arena, or is constant for ever: used in place */
};

void http_reply(struct http_request *req, int status, const struct http_header *headers,
                const void *body, size_t len, enum http_memory memory);
/* Status and text/plain. */
void http_reply_text(struct http_request *req, int status, const char *text);
/* The bytes offset … offset+length-1 of the file. Takes the fd. */
void http_reply_file(struct http_request *req, int status,
                     const struct http_header *headers, int fd, uint64_t offset,
                     uint64_t length);
/* For HEAD: the Content-Length that GET would have, without the bytes at hand. */
void http_reply_head(struct http_request *req, int status,
                     const struct http_header *headers, uint64_t content_length);

/* ---- an answer that goes on for hours ---- */

/* Sends status and headers at once and keeps the connection open (chunked). The stream
 * belongs to the caller until http_stream_close(). on_closed(ctx) is called at most once,
 * on a thread of the server, when the stream ended otherwise: peer gone, queue full,
 * server stopped. It never runs after http_stream_close() returned (which waits for it,
 * unless it is called from inside). May be NULL. */
struct http_stream *http_reply_stream(struct http_request *req, int status,
                                      const struct http_header *headers,
                                      void (*on_closed)(void *ctx), void *ctx);

/* Queues a copy; keeps order. -E_FULL: the peer reads too slowly, the stream is cut and
 * on_closed follows; -E_NETWORK: it has ended already. */
int http_stream_send(struct http_stream *st, const void *data, size_t len,
                     struct error *err);
size_t http_stream_queued(struct http_stream *st); /* bytes not yet given to the kernel */

/* Sends what is queued, ends the answer, and gives the stream back. NULL allowed. */
void http_stream_close(struct http_stream *st);

/* ---- a connection that goes on as something else ---- */

/* Answers 101; then `taker` has the socket (non-blocking), on an I/O thread, with bytes
 * that the peer sent early (valid during the call). The request stays valid until
 * http_upgrade_end(), which closes the connection; from any thread, once, and before
 * http_server_stop(). Never called when the peer went meanwhile: released() tells.
 * `headers` as above, without Upgrade and Connection. */
typedef void http_upgraded(struct http_request *req, int fd, const void *early,
                           size_t early_len);
void http_reply_upgrade(struct http_request *req, const char *protocol,
                        const struct http_header *headers, http_upgraded *taker);
void http_upgrade_end(struct http_request *req);
