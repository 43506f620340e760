#include "telemetry.h"

#include "engine.h"
#include "log.h"
#include "server_calls.h"

#define PATH           "/gantry/v1/agent/telemetry"
#define CONTAINERS_MAX 500 /* of one message: some 100 KiB */

static void telemetry_send(struct engine *e);

static void on_timer(uv_timer_t *t)
{
    telemetry_send(t->data);
}

static void add_container(struct arena *a, struct container *c,
                          struct gantry_agent_telemetry_task *ret)
{
    struct gantry_agent_telemetry_container *out = LIST_PUSH(a, &ret->containers);
    out->name = c->name;
    out->health_status = c->health.status;
    out->status_since = SET_TIME(c->health.since_ms);
    c->health_due = false;
    c->health_sending = true;
}

static size_t collect(struct engine *e, struct arena *a,
                      struct gantry_agent_telemetry *ret)
{
    size_t n = 0;
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        struct gantry_agent_telemetry_task *out = NULL;
        for (size_t i = 0; i < t->container_count && n < CONTAINERS_MAX; i++) {
            if (!t->containers[i].health_due)
                continue;
            if (!out) {
                out = LIST_PUSH(a, &ret->tasks);
                out->task_arn = t->arn;
            }
            add_container(a, &t->containers[i], out);
            n++;
        }
    }
    return n;
}

static void settle(struct engine *e, bool taken)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++) {
            struct container *c = &t->containers[i];
            c->health_due = c->health_due || (c->health_sending && !taken);
            c->health_sending = false;
        }
    }
}

static void on_answer(void *ctx, const struct server_answer *answer)
{
    struct engine *e = ctx;
    /* 400 and 404: the same words would never be taken; the stream's next start repeats. */
    bool taken = answer->status == 200 || answer->status == 400 || answer->status == 404;
    e->sending--;
    e->telemetry.busy = false;
    settle(e, taken);
    if (answer->status == 200) {
        backoff_reset(&e->telemetry.backoff);
        telemetry_send(e);
        return;
    }
    log_line(LOG_WARN, "the server did not take telemetry", "error",
             answer->status ? answer->body : answer->err->text, NULL);
    if (!e->stopping)
        uv_timer_start(
            &e->telemetry.timer, on_timer,
            (uint64_t)backoff_next_ms(&e->telemetry.backoff, server_random(e->calls)), 0);
}

static void telemetry_send(struct engine *e)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR body = STR_INIT;
    struct gantry_agent_telemetry news = {.container_instance_arn = e->instance_arn};
    if (e->telemetry.busy || !e->connected || !e->instance_arn || e->stopping ||
        uv_is_active((uv_handle_t *)&e->telemetry.timer) || collect(e, &a, &news) == 0)
        return;
    wire_json_encode(&body, &gantry_agent_telemetry_shape, &news);
    e->telemetry.busy = true;
    e->sending++;
    server_post(e->calls, PATH, "ecs", body.data, body.len, on_answer, e);
}

void telemetry_init(struct engine *e)
{
    e->telemetry.backoff = (struct backoff)BACKOFF_REPORT;
    uv_timer_init(e->loop, &e->telemetry.timer);
    e->telemetry.timer.data = e;
}

void telemetry_health(struct container *c)
{
    c->health_due = true;
    telemetry_send(c->task->engine);
}

void telemetry_all(struct engine *e)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++)
            t->containers[i].health_due = t->containers[i].health.status != 0;
    }
    uv_timer_stop(&e->telemetry.timer);
    backoff_reset(&e->telemetry.backoff);
    telemetry_send(e);
}
