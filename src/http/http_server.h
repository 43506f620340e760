/* http_server.h: what the server's own files share. Nobody else includes this; the public
 * face is http.h, the life of a request is told at the top of http.c. */
#pragma once

#include "http_mhd.h"
#include <pthread.h>
#include <stdatomic.h>

#include "http.h"
#include "list.h"
#include "str.h"

/* An upload that nobody wants is read to its end, so that the peer sees our answer and not
 * a reset connection; but no further than this. */
#define HTTP_DISCARD_MAX (256ULL * 1024 * 1024)
/* One that was refused at its headers is only read when it is this small. */
#define HTTP_DISCARD_EARLY (1024 * 1024)
/* Files are sent through buffers of this size, so many at a time. */
#define HTTP_FILE_PIECE   (128 * 1024)
#define HTTP_FILE_BUFFERS 64

enum http_phase {
    HTTP_PHASE_NEW,   /* the request line was read */
    HTTP_PHASE_BEGIN, /* begin() was called; the body's way is not yet chosen or taken */
    HTTP_PHASE_BODY,  /* the body is arriving, or there is none */
    HTTP_PHASE_COMPLETE, /* complete() was called, or is not due any more */
    HTTP_PHASE_QUEUED,   /* libmicrohttpd has the answer */
};

enum http_body_mode {
    HTTP_BODY_UNDECIDED,
    HTTP_BODY_COLLECT,
    HTTP_BODY_SINK,
    HTTP_BODY_DISCARD,
};

struct http_stream {
    struct request *req;
    struct list pieces; /* struct piece, oldest first */
    size_t queued_bytes, limit_bytes;
    bool closing; /* the owner closed it, or the server ends it: finish what is queued */
    bool cut;     /* end it now, unfinished */
    bool ended;   /* the connection let it go */
    bool owner_closed;
    void (*on_closed)(void *ctx);
    void *ctx;
    bool in_callback;
    pthread_t callback_thread;
    pthread_cond_t callback_done;
};

#define NO_SLOT UINT32_MAX

struct watched { /* see http_watch.c */
    uint32_t slot;
    int fd;
    bool body;         /* its body is awaited; else the end of its stream */
    struct list ended; /* in watch->ended: the peer went, and the body did not end yet */
};

struct request {
    struct http_request pub; /* first: the two pointers are the same */
    struct http_server *server;
    struct list node; /* server->requests, under server->lock */
    atomic_uint refs; /* connection, handler, stream, response in flight */

    /* Only the I/O thread that has the connection. */
    enum http_phase phase;
    bool began;
    bool expect_continue;
    uint64_t discarded, max_body;
    struct str collect;
    size_t reserved; /* our part of server->buffered */

    /* Everything below: under `lock`. */
    pthread_mutex_t lock;
    struct MHD_Connection *conn; /* NULL: the connection let go of us */
    bool suspended;
    bool handler_has; /* the handler owes an answer */
    enum http_body_mode mode;
    bool sink_failed;
    http_sink *sink;
    void *sink_ctx;
    bool answered; /* by whomever: handler, limits, stop */
    struct MHD_Response *response;
    int status;
    struct http_stream *stream;
    http_upgraded *on_upgraded; /* http_upgrade.c */
    struct MHD_UpgradeResponseHandle *upgraded;
    struct watched watched; /* written under the watch's lock, too */
};

struct watch;

struct http_server {
    atomic_uint refs; /* the owner, and every request */
    struct MHD_Daemon *daemon;
    struct http_limits limits;
    struct http_handler handler;
    void *ctx;
    char address[128];
    char unix_path[108]; /* "" unless we listen there */
    unsigned port;
    int listen_fd;
    _Atomic uint64_t buffered;
    atomic_uint file_buffers; /* answers that have one */
    atomic_bool stopping;     /* draining: keep-alive ends */
    atomic_bool refusing;     /* drained enough: 503 instead of waiting for the handler */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a request left the list */
    struct list requests;
    size_t request_count;
    struct watch *watch;
};

static inline struct request *request_of(const struct http_request *pub)
{
    return (struct request *)(void *)(uintptr_t)pub;
}

/* http.c */
void request_ref(struct request *r);
void request_unref(struct request *r);
/* The answer is here: hands it to the connection, from any thread. Takes the response.
 * False: the request was answered already (stop, limits) or its peer is gone. */
bool request_answer(struct request *r, int status, struct MHD_Response *response,
                    struct http_stream *stream);
void request_wake(struct request *r);    /* under r->lock: resumes when suspended */
void request_suspend(struct request *r); /* under r->lock, on its I/O thread */

/* http_request.c: filling a request from its connection; all on the I/O thread. */
struct request *request_new(struct http_server *s, const char *uri,
                            struct MHD_Connection *conn);
/* 0, or the status that answers it: 400, 431, 501. */
int request_read_headers(struct request *r, const char *method, const char *version);
/* 0, 413, 503, or -1: the sink refused. */
int request_take_body(struct request *r, const void *data, size_t len);
void request_drop_body(struct request *r); /* what was collected is not wanted any more */
void request_free(struct request *r);

/* http_reply.c */
struct MHD_Response *response_text(int status, const char *text);

/* http_stream.c */
/* A dead peer must not keep a connection for ever: the kernel asks it after 30 s of
 * silence, and gives up when it is silent for 30 s more or takes nothing for 60 s. */
void socket_keepalive(int fd);
void stream_free(struct http_stream *st);
void stream_connection_gone(struct request *r); /* r->lock held; may drop and retake it */
void stream_end(struct request *r);             /* under r->lock: the server stops */

/* http_watch.c: notices that a peer hung up where MHD does not look. Both under r->lock,
 * while r->conn is there; nothing is watched twice, and removing what is not is harmless. */
int watch_start(struct http_server *s, struct error *err);
void watch_stop(struct http_server *s);
void watch_add(struct watch *w, struct request *r);
void watch_remove(struct watch *w, struct request *r);

/* http_listen.c */
int http_listen(struct http_server *s, const char *listen, int *ret_fd,
                struct error *err);
