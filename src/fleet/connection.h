/* connection.h: one stream of JSON lines down to an agent or edge.
 *
 * Lines leave, like replies, only when the state behind them is durable, in the order in
 * which they were said. A PING is said when nothing else was for a while. A stream that is
 * cut is no loss: the next one begins with everything again.
 *
 * The owner embeds it and is told by `lost` (state thread) when the peer went first; it then
 * drops it, as it does with one that it no longer wants. `release` frees it, on any thread,
 * when the last message about it was delivered.
 *
 * Owns: the request until the stream is open, the stream. Threads: state thread; delivery on
 * the commit thread. Fails: never. */
#pragma once

#include <stdatomic.h>

#include "core.h"
#include "http.h"
#include "str.h"
#include "wake.h"

struct connection;

struct connection_ops {
    void (*submit)(void *ctx, struct core_task *task); /* any thread may call it */
    void *ctx;
    int64_t ping_ms;
    const char *ping; /* the line */
    void (*lost)(struct core *core, struct connection *conn);
    void (*release)(struct connection *conn);
};

/* Lives until its CLOSE message was delivered and its `closed` task, if the peer went first,
 * has run: two references at most. CLOSE is the last message about it, and messages are
 * delivered in order, so no message can meet a freed connection. */
struct connection {
    const struct connection_ops *ops;
    struct http_request *req;   /* until the stream is open */
    struct http_stream *stream; /* commit thread only */
    struct core_task closed;    /* the peer is gone */
    struct wake ping;
    bool current; /* not dropped; state thread */
    atomic_int refs;
};

/* Zeroed memory. `line` is the first one, with its newline; taken. */
void connection_open(struct core *core, struct connection *conn,
                     const struct connection_ops *ops, struct http_request *req,
                     struct str *line);
void connection_send(struct core *core, struct connection *conn, struct str *line);
/* No line after this. */
void connection_drop(struct core *core, struct connection *conn);
/* When nothing runs any more: closed and released at once. */
void connection_end(struct core *core, struct connection *conn);
