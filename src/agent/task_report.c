#include "task_report.h"

#include "clock.h"
#include "log.h"
#include "server_calls.h"
#include "str.h"

#define TARGET "AmazonEC2ContainerServiceV20141113.SubmitTaskStateChange"

static const char ATTACHED[] = "ATTACHED", DETACHING[] = "DETACHING";

static bool is_of_attachment(const char *status)
{
    return status == ATTACHED || status == DETACHING;
}

/* RUNNING and STOPPED say it, too; these are for the time before. */
static const char *attachment_due(const struct task *t)
{
    const char *due = t->step == STEP_CLEANING               ? DETACHING
                      : t->step == STEP_STARTING && t->wired ? ATTACHED
                                                             : NULL;
    bool has = t->host->interface && t->host->interface->attachment_arn;
    return has && due && !streq(due, t->attachment_sent) ? due : NULL;
}

static const char *status_due(const struct task *t)
{
    if (!t->unsent)
        return NULL;
    if (t->ever_running && str_empty(t->sent))
        return "RUNNING";
    if (t->step == STEP_STOPPED)
        return "STOPPED";
    return t->ever_running ? "RUNNING" : NULL;
}

const char *report_due(const struct task *t)
{
    if (t->forgotten)
        return NULL;
    const char *status = status_due(t);
    return status ? status : attachment_due(t);
}

static struct opt_time at(int64_t ms)
{
    return ms ? SET_TIME(ms) : (struct opt_time){0};
}

/* `as_running`: the task is over, but the server has not heard that it ran. */
static void put_container(struct arena *a, const struct container *c, const char *status,
                          bool as_running, struct ecs_container_state_change *ret)
{
    bool was_up = container_was_up(c);
    ret->container_name = c->name;
    ret->image_digest = c->image_digest;
    ret->runtime_id = was_up || c->created_at_ms ? c->id : NULL;
    container_bindings(a, c, &ret->network_bindings);
    if (as_running && was_up) {
        ret->status = "RUNNING";
        return;
    }
    ret->status = streq(status, "STOPPED") ? status : container_step_status(c->step);
    ret->reason = c->reason;
    if (c->has_exit_code)
        ret->exit_code = SET_INT(c->exit_code);
}

static void put_attachment(struct arena *a, const struct task *t, const char *status,
                           struct ecs_attachment_state_change_list *ret)
{
    const struct gantry_host_interface *x = t->host->interface;
    if (!x || !x->attachment_arn)
        return;
    struct ecs_attachment_state_change *c = LIST_PUSH(a, ret);
    c->attachment_arn = x->attachment_arn;
    c->status = is_of_attachment(status)   ? status
                : streq(status, "STOPPED") ? "DETACHED"
                                           : ATTACHED;
}

void report_write(const struct task *t, const char *cluster, const char *status,
                  struct str *ret)
{
    AUTO_ARENA a = ARENA_INIT;
    bool only_attachment = is_of_attachment(status);
    bool stopped = streq(status, "STOPPED");
    bool as_running = !stopped && t->step != STEP_RUNNING;
    struct ecs_submit_task_state_change_request req = {
        .cluster = cluster,
        .task = t->arn,
        .status = only_attachment ? NULL : status,
        .reason = stopped ? t->reason : NULL,
        .pull_started_at = at(t->pull_started_at_ms),
        .pull_stopped_at = at(t->pull_stopped_at_ms),
        .execution_stopped_at = at(stopped ? t->execution_stopped_at_ms : 0)};
    put_attachment(&a, t, status, &req.attachments);
    for (size_t i = 0; !only_attachment && i < t->container_count; i++)
        put_container(&a, &t->containers[i], status, as_running,
                      LIST_PUSH(&a, &req.containers));
    wire_json_encode(ret, &ecs_submit_task_state_change_request_shape, &req);
}

/* ---- sending ---- */

static void on_timer(uv_timer_t *timer)
{
    report_all(timer->data);
}

/* The earliest of all that wait. */
static void arm_timer(struct engine *e, int64_t ms)
{
    uint64_t due = (uint64_t)(ms > 0 ? ms : 1);
    if (!uv_is_active((uv_handle_t *)&e->report_timer) ||
        uv_timer_get_due_in(&e->report_timer) > due)
        uv_timer_start(&e->report_timer, on_timer, due, 0);
}

static void acknowledged(struct engine *e, struct task *t)
{
    backoff_reset(&t->send_backoff);
    if (is_of_attachment(t->sending_status)) {
        t->attachment_sent = t->sending_status;
        return;
    }
    t->sent = t->sending_status;
    bool is_last = t->step != STEP_STOPPED || streq(t->sent, "STOPPED");
    if (t->version == t->sending_version && is_last)
        t->unsent = false;
    engine_changed(e, t, false);
    if (t->step == STEP_STOPPED && streq(t->sent, "STOPPED") && !t->unsent)
        engine_drop(e, t);
}

static void refused(struct engine *e, struct task *t, const struct server_answer *answer)
{
    const char *text = answer->status ? answer->body : answer->err->text;
    log_line(LOG_WARN, "the server did not take a report", "task", t->arn, "status",
             t->sending_status, "error", text, NULL);
    int64_t wait = backoff_next_ms(&t->send_backoff, server_random(e->calls));
    t->send_after_ns = clock_mono_ns() + wait * 1000000;
    arm_timer(e, wait);
}

static void on_answer(void *ctx, const struct server_answer *answer)
{
    struct task *t = ctx;
    struct engine *e = t->engine;
    e->sending--;
    if (answer->status == 200)
        acknowledged(e, t);
    else if (server_answer_is_final(answer)) {
        log_line(LOG_ERROR, "the server refuses a report for good", "task", t->arn,
                 "status", t->sending_status, "error", answer->body, NULL);
        acknowledged(e, t);
    } else {
        refused(e, t, answer);
    }
    t->sending = false; /* only now: so long the task can't be freed */
    if (!engine_release(e, t))
        report_task(e, t);
}

void report_task(struct engine *e, struct task *t)
{
    const char *status = report_due(t);
    if (!status || t->sending || t->dropped || !e->cluster_arn || e->stopping)
        return;
    int64_t now = clock_mono_ns();
    if (now < t->send_after_ns) {
        arm_timer(e, (t->send_after_ns - now) / 1000000);
        return;
    }
    AUTO_STR body = STR_INIT;
    report_write(t, e->cluster_arn, status, &body);
    t->sending = true;
    t->sending_status = status;
    t->sending_version = t->version;
    e->sending++;
    server_call(e->calls, "ecs", TARGET, body.data, body.len, on_answer, t);
}

void report_all(struct engine *e)
{
    list_for_each_safe (it, &e->tasks) {
        report_task(e, list_entry(it, struct task, link));
    }
}
