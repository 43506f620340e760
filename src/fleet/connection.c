#include "connection.h"

#include <stdlib.h>

#include "str.h"

enum message_kind { MESSAGE_OPEN, MESSAGE_LINE, MESSAGE_CLOSE };

struct message {
    struct outbound out;
    struct connection *conn;
    enum message_kind kind;
    struct str line;
};

static void unref(struct connection *conn)
{
    if (atomic_fetch_sub(&conn->refs, 1) == 1)
        conn->ops->release(conn);
}

/* ---- the peer went away ---- */

static void closed_run(struct core *core, struct core_task *task)
{
    struct connection *conn = list_entry(task, struct connection, closed);
    if (conn->current)
        conn->ops->lost(core, conn);
    unref(conn);
}

static void on_closed(void *ctx)
{
    struct connection *conn = ctx;
    atomic_fetch_add(&conn->refs, 1);
    conn->ops->submit(conn->ops->ctx, &conn->closed);
}

/* ---- messages ---- */

static void deliver(struct outbound *out)
{
    struct message *m = list_entry(out, struct message, out);
    struct connection *conn = m->conn;
    static const struct http_header headers[] = {
        {"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-store"}, {0}};
    if (m->kind == MESSAGE_OPEN) {
        conn->stream = http_reply_stream(conn->req, 200, headers, on_closed, conn);
        conn->req = NULL;
    }
    /* A line that can't be queued cuts the stream, and on_closed() follows. */
    if (m->line.len > 0)
        (void)http_stream_send(conn->stream, m->line.data, m->line.len, NULL);
    if (m->kind == MESSAGE_CLOSE) {
        http_stream_close(conn->stream);
        unref(conn);
    }
    str_free(&m->line);
    free(m);
}

static void say(struct core *core, struct connection *conn, enum message_kind kind,
                struct str *line)
{
    struct message *m = xcalloc(1, sizeof(*m));
    m->out.deliver = deliver;
    m->conn = conn;
    m->kind = kind;
    if (line) {
        m->line = *line;
        *line = (struct str)STR_INIT;
    }
    core_send(core, &m->out);
    if (conn->current)
        wake_at(core, &conn->ping, core_now_ms(core) + conn->ops->ping_ms);
}

static void ping(struct core *core, struct wake *w)
{
    struct connection *conn = list_entry(w, struct connection, ping);
    struct str line = STR_INIT;
    str_add(&line, conn->ops->ping);
    say(core, conn, MESSAGE_LINE, &line);
}

void connection_open(struct core *core, struct connection *conn,
                     const struct connection_ops *ops, struct http_request *req,
                     struct str *line)
{
    conn->ops = ops;
    conn->req = req;
    conn->closed.run = closed_run;
    conn->current = true;
    atomic_init(&conn->refs, 1);
    wake_init(&conn->ping, ping);
    say(core, conn, MESSAGE_OPEN, line);
}

void connection_send(struct core *core, struct connection *conn, struct str *line)
{
    say(core, conn, MESSAGE_LINE, line);
}

void connection_drop(struct core *core, struct connection *conn)
{
    conn->current = false;
    wake_cancel(core, &conn->ping);
    say(core, conn, MESSAGE_CLOSE, NULL);
}

void connection_end(struct core *core, struct connection *conn)
{
    wake_cancel(core, &conn->ping);
    http_stream_close(conn->stream);
    unref(conn);
}
