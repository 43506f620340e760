#include "fleet.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <uthash.h>

#include "ecs.h"
#include "gantry_api.h"

/* A connection lives until its CLOSE message was delivered and its `closed` task, if the
 * peer went first, has run: two references at most. CLOSE is the last message about it,
 * and messages are delivered in order, so no message can meet a freed connection. */
struct connection {
    struct fleet *fleet;
    struct http_request *req;   /* until the stream is open */
    struct http_stream *stream; /* commit thread only */
    struct core_task closed;    /* the peer is gone */
    struct wake ping;
    char *instance_arn;
    bool current; /* in fleet->connections; state thread */
    atomic_int refs;
    UT_hash_handle hh;
};

struct fleet {
    struct core *core;
    struct fleet_config config;
    struct connection *connections; /* by instance_arn */
};

enum message_kind { MESSAGE_OPEN, MESSAGE_LINE, MESSAGE_CLOSE };

struct message {
    struct outbound out;
    struct connection *conn;
    enum message_kind kind;
    struct str line;
};

static void connection_unref(struct connection *conn)
{
    if (atomic_fetch_sub(&conn->refs, 1) != 1)
        return;
    free(conn->instance_arn);
    free(conn);
}

/* ---- the peer went away ---- */

static void drop(struct fleet *f, struct core *core, struct connection *conn);

static void closed_run(struct core *core, struct core_task *task)
{
    struct connection *conn = list_entry(task, struct connection, closed);
    struct error err;
    if (conn->current) {
        /* An instance that is gone meanwhile has no state to note this in. */
        (void)ecs_host_connected(core, conn->instance_arn, false, &err);
        drop(conn->fleet, core, conn);
    }
    connection_unref(conn);
}

static void on_closed(void *ctx)
{
    struct connection *conn = ctx;
    atomic_fetch_add(&conn->refs, 1);
    conn->fleet->config.submit(conn->fleet->config.ctx, &conn->closed);
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
        connection_unref(conn);
    }
    str_free(&m->line);
    free(m);
}

static void send_message(struct core *core, struct connection *conn,
                         enum message_kind kind,
                         const struct gantry_host_message *content)
{
    struct message *m = xcalloc(1, sizeof(*m));
    m->out.deliver = deliver;
    m->conn = conn;
    m->kind = kind;
    if (content) {
        wire_json_encode(&m->line, &gantry_host_message_shape, content);
        str_addc(&m->line, '\n');
    }
    core_send(core, &m->out);
    if (conn->current)
        wake_at(core, &conn->ping, core_now_ms(core) + conn->fleet->config.ping_ms);
}

static void drop(struct fleet *f, struct core *core, struct connection *conn)
{
    HASH_DELETE(hh, f->connections, conn);
    conn->current = false;
    wake_cancel(core, &conn->ping);
    send_message(core, conn, MESSAGE_CLOSE, NULL);
}

static void ping(struct core *core, struct wake *w)
{
    struct connection *conn = list_entry(w, struct connection, ping);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_PING};
    send_message(core, conn, MESSAGE_LINE, &m);
}

static struct connection *find(struct fleet *f, const char *instance_arn)
{
    struct connection *conn;
    HASH_FIND_STR(f->connections, instance_arn, conn);
    return conn;
}

/* ---- what ecs has to say ---- */

static void task_changed(void *ctx, struct core *core, const char *instance_arn,
                         const struct gantry_host_task *task)
{
    struct connection *conn = find(ctx, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_TASK,
        .task = (struct gantry_host_task *)(uintptr_t)task,
    };
    if (conn)
        send_message(core, conn, MESSAGE_LINE, &m);
}

static void task_forgotten(void *ctx, struct core *core, const char *instance_arn,
                           const char *task_arn)
{
    struct connection *conn = find(ctx, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_FORGET,
        .task_arn = task_arn,
    };
    if (conn)
        send_message(core, conn, MESSAGE_LINE, &m);
}

static void images(void *ctx, struct core *core, const char *instance_arn,
                   const struct gantry_host_image_list *images)
{
    struct connection *conn = find(ctx, instance_arn);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_IMAGES,
                                    .images = *images};
    if (conn)
        send_message(core, conn, MESSAGE_LINE, &m);
}

static int session_open(void *ctx, struct core *core, const char *instance_arn,
                        const struct gantry_host_session *session, const char *token,
                        struct error *err)
{
    struct fleet *f = ctx;
    struct connection *conn = find(f, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_EXEC,
        .session = (struct gantry_host_session *)(uintptr_t)session,
    };
    if (!conn || !f->config.session)
        return fail(err, E_NETWORK, "the instance's agent is not connected");
    int r = f->config.session(f->config.ctx, session, token, err);
    if (r == 0)
        send_message(core, conn, MESSAGE_LINE, &m);
    return r;
}

static void agent_update(void *ctx, struct core *core, const char *instance_arn)
{
    struct connection *conn = find(ctx, instance_arn);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_UPDATE};
    if (conn)
        send_message(core, conn, MESSAGE_LINE, &m);
}

static void instance_gone(void *ctx, struct core *core, const char *instance_arn)
{
    struct connection *conn = find(ctx, instance_arn);
    if (conn)
        drop(ctx, core, conn);
}

static const struct ecs_host_ops host_ops = {
    .task_changed = task_changed,
    .task_forgotten = task_forgotten,
    .images = images,
    .session_open = session_open,
    .agent_update = agent_update,
    .instance_gone = instance_gone,
};

/* ---- */

struct fleet *fleet_new(struct core *core, const struct fleet_config *config)
{
    struct fleet *f = xcalloc(1, sizeof(*f));
    f->core = core;
    f->config = *config;
    if (!f->config.ping_ms)
        f->config.ping_ms = 10 * 1000;
    ecs_set_host_ops(core, &host_ops, f);
    return f;
}

void fleet_free(struct fleet *f)
{
    if (!f)
        return;
    ecs_set_host_ops(f->core, NULL, NULL);
    struct connection *conn, *next;
    HASH_ITER (hh, f->connections, conn, next) {
        HASH_DELETE(hh, f->connections, conn);
        wake_cancel(f->core, &conn->ping);
        http_stream_close(conn->stream);
        connection_unref(conn);
    }
    free(f);
}

int fleet_connect(struct fleet *f, struct core *core, struct http_request *req,
                  const char *instance_arn, struct error *err)
{
    int r = ecs_host_connected(core, instance_arn, true, err);
    if (r < 0)
        return r;
    struct connection *old = find(f, instance_arn);
    if (old)
        drop(f, core, old);
    struct connection *conn = xcalloc(1, sizeof(*conn));
    conn->fleet = f;
    conn->req = req;
    conn->closed.run = closed_run;
    conn->instance_arn = xstrdup(instance_arn);
    conn->current = true;
    atomic_init(&conn->refs, 1);
    wake_init(&conn->ping, ping);
    HASH_ADD_KEYPTR(hh, f->connections, conn->instance_arn, strlen(conn->instance_arn),
                    conn);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_DESIRED};
    ecs_host_tasks(core, instance_arn, core_scratch(core), &m.tasks);
    send_message(core, conn, MESSAGE_OPEN, &m);
    return 0;
}

int fleet_telemetry(struct core *core, const struct gantry_agent_telemetry *news,
                    struct error *err)
{
    if (!ecs_host_known(core, news->container_instance_arn))
        return fail(err, E_NOTFOUND, "no such container instance");
    for (size_t i = 0; i < news->tasks.n; i++) {
        const struct gantry_agent_telemetry_task *t = &news->tasks.v[i];
        for (size_t k = 0; k < t->containers.n; k++)
            if (t->containers.v[k].health_status)
                ecs_host_health(core, news->container_instance_arn, t->task_arn,
                                t->containers.v[k].name,
                                t->containers.v[k].health_status);
    }
    return 0;
}

size_t fleet_connections(const struct fleet *f)
{
    return HASH_COUNT(f->connections);
}
