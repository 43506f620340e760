#include "fleet.h"

#include <stdlib.h>

#include <uthash.h>

#include "connection.h"
#include "ecs.h"
#include "gantry_api.h"

#define PING "{\"kind\":\"PING\"}\n"

struct agent {
    struct connection conn;
    struct fleet *fleet;
    char *instance_arn;
    UT_hash_handle hh;
};

/* A session that an agent was asked for. Its stream may be one that nobody reads any more, so
 * the agent's next stream asks again. */
struct asked {
    struct list link; /* fleet.asked */
    char *instance_arn, *session_id;
    struct str line;
};

struct fleet {
    struct list asked;
    struct core *core;
    struct fleet_config config;
    struct connection_ops ops;
    struct agent *agents; /* connected, by instance_arn */
};

/* ---- connections ---- */

static void release(struct connection *conn)
{
    struct agent *a = list_entry(conn, struct agent, conn);
    free(a->instance_arn);
    free(a);
}

static void drop(struct core *core, struct agent *a)
{
    HASH_DELETE(hh, a->fleet->agents, a);
    connection_drop(core, &a->conn);
}

static void lost(struct core *core, struct connection *conn)
{
    struct agent *a = list_entry(conn, struct agent, conn);
    struct error err;
    /* An instance that is gone meanwhile has no state to note this in. */
    (void)ecs_host_connected(core, a->instance_arn, false, &err);
    drop(core, a);
}

static void encode(struct str *ret, const struct gantry_host_message *content)
{
    wire_json_encode(ret, &gantry_host_message_shape, content);
    str_addc(ret, '\n');
}

static void send_message(struct core *core, struct agent *a,
                         const struct gantry_host_message *content)
{
    struct str line = STR_INIT;
    encode(&line, content);
    connection_send(core, &a->conn, &line);
}

static struct agent *find(struct fleet *f, const char *instance_arn)
{
    struct agent *a;
    HASH_FIND_STR(f->agents, instance_arn, a);
    return a;
}

/* ---- what ecs has to say ---- */

static void task_changed(void *ctx, struct core *core, const char *instance_arn,
                         const struct gantry_host_task *task,
                         const struct gantry_host_credentials_list *credentials)
{
    struct agent *a = find(ctx, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_TASK,
        .task = (struct gantry_host_task *)(uintptr_t)task,
        .credentials = *credentials,
    };
    if (a)
        send_message(core, a, &m);
}

static void credentials(void *ctx, struct core *core, const char *instance_arn,
                        const struct gantry_host_credentials_list *l)
{
    struct agent *a = find(ctx, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_CREDENTIALS,
        .credentials = *l,
    };
    if (a)
        send_message(core, a, &m);
}

static void task_forgotten(void *ctx, struct core *core, const char *instance_arn,
                           const char *task_arn)
{
    struct agent *a = find(ctx, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_FORGET,
        .task_arn = task_arn,
    };
    if (a)
        send_message(core, a, &m);
}

static void images(void *ctx, struct core *core, const char *instance_arn,
                   const struct gantry_host_image_list *images)
{
    struct agent *a = find(ctx, instance_arn);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_IMAGES,
                                    .images = *images};
    if (a)
        send_message(core, a, &m);
}

/* ---- sessions ---- */

static void asked_free(struct asked *q)
{
    list_remove(&q->link);
    str_free(&q->line);
    free(q->instance_arn);
    free(q->session_id);
    free(q);
}

static void asked_sweep(struct fleet *f)
{
    list_for_each_safe (it, &f->asked) {
        struct asked *q = list_entry(it, struct asked, link);
        if (!f->config.session_waits(f->config.ctx, q->session_id))
            asked_free(q);
    }
}

static void asked_add(struct fleet *f, const char *instance_arn, const char *session_id,
                      const struct gantry_host_message *m)
{
    struct asked *q = xcalloc(1, sizeof(*q));
    asked_sweep(f);
    q->instance_arn = xstrdup(instance_arn);
    q->session_id = xstrdup(session_id);
    encode(&q->line, m);
    list_append(&f->asked, &q->link);
}

static void ask_again(struct core *core, struct agent *a)
{
    asked_sweep(a->fleet);
    list_for_each (it, &a->fleet->asked) {
        const struct asked *q = list_entry(it, struct asked, link);
        struct str line = STR_INIT;
        if (!streq(q->instance_arn, a->instance_arn))
            continue;
        str_addn(&line, q->line.data, q->line.len);
        connection_send(core, &a->conn, &line);
    }
}

static int session_open(void *ctx, struct core *core, const char *instance_arn,
                        const struct gantry_host_session *session, const char *token,
                        struct error *err)
{
    struct fleet *f = ctx;
    struct agent *a = find(f, instance_arn);
    struct gantry_host_message m = {
        .kind = GANTRY_HOST_MESSAGE_KIND_EXEC,
        .session = (struct gantry_host_session *)(uintptr_t)session,
    };
    if (!a || !f->config.session)
        return fail(err, E_NETWORK, "the instance's agent is not connected");
    int r = f->config.session(f->config.ctx, session, token, err);
    if (r < 0)
        return r;
    asked_add(f, instance_arn, session->session_id, &m);
    send_message(core, a, &m);
    return 0;
}

static void agent_update(void *ctx, struct core *core, const char *instance_arn)
{
    struct agent *a = find(ctx, instance_arn);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_UPDATE};
    if (a)
        send_message(core, a, &m);
}

static void instance_gone(void *ctx, struct core *core, const char *instance_arn)
{
    struct agent *a = find(ctx, instance_arn);
    if (a)
        drop(core, a);
}

static const struct ecs_host_ops host_ops = {
    .task_changed = task_changed,
    .credentials = credentials,
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
    list_init(&f->asked);
    f->ops = (struct connection_ops){
        .submit = config->submit,
        .ctx = config->ctx,
        .ping_ms = config->ping_ms ? config->ping_ms : FLEET_PING_MS,
        .ping = PING,
        .lost = lost,
        .release = release,
    };
    ecs_set_host_ops(core, &host_ops, f);
    return f;
}

void fleet_free(struct fleet *f)
{
    if (!f)
        return;
    ecs_set_host_ops(f->core, NULL, NULL);
    struct agent *a, *next;
    HASH_ITER (hh, f->agents, a, next) {
        HASH_DELETE(hh, f->agents, a);
        connection_end(f->core, &a->conn);
    }
    list_for_each_safe (it, &f->asked)
        asked_free(list_entry(it, struct asked, link));
    free(f);
}

int fleet_connect(struct fleet *f, struct core *core, struct http_request *req,
                  const char *instance_arn, struct error *err)
{
    int r = ecs_host_connected(core, instance_arn, true, err);
    if (r < 0)
        return r;
    struct agent *old = find(f, instance_arn);
    if (old)
        drop(core, old);
    struct agent *a = xcalloc(1, sizeof(*a));
    a->fleet = f;
    a->instance_arn = xstrdup(instance_arn);
    HASH_ADD_KEYPTR(hh, f->agents, a->instance_arn, strlen(a->instance_arn), a);
    struct gantry_host_message m = {.kind = GANTRY_HOST_MESSAGE_KIND_DESIRED};
    ecs_host_tasks(core, instance_arn, core_scratch(core), &m.tasks, &m.credentials);
    struct str line = STR_INIT;
    encode(&line, &m);
    connection_open(core, &a->conn, &f->ops, req, &line);
    ask_again(core, a);
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
    return HASH_COUNT(f->agents);
}
