/* engine.c: one look at a task, and all that follows from it. */
#include "engine.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "fargate_rule.h"
#include "fd.h"
#include "health_probe.h"
#include "http_client.h"
#include "jobs.h"
#include "log.h"
#include "registry_token.h"
#include "restart_rule.h"
#include "str.h"
#include "task_file.h"
#include "task_report.h"
#include "telemetry.h"

#define UNSAVED_PATIENCE_MS 30000
#define UNSAVED_RETRY_MS    500
#define STOP_TIMEOUT_MS     30000
#define KILL_RETRY_MS       5000
#define PULL_TIMEOUT_MS     (2 * 60 * 60 * 1000LL)

#define CLEAN_RETRY_REPEAT_MS 1000

static int64_t stop_timeout_ms(const struct container *c)
{
    const struct agent_config *config = c->task->engine->config;
    int64_t ms = config->stop_timeout_ms > 0 ? config->stop_timeout_ms : STOP_TIMEOUT_MS;
    if (c->def->stop_timeout.set)
        ms = (int64_t)c->def->stop_timeout.v * 1000;
    return fargate_is(c->task->host) && ms > FARGATE_STOP_MAX_MS ? FARGATE_STOP_MAX_MS
                                                                 : ms;
}

static int64_t pull_timeout_ms(const struct task *t)
{
    const struct agent_config *config = t->engine->config;
    return config->pull_timeout_ms > 0 ? config->pull_timeout_ms : PULL_TIMEOUT_MS;
}

void engine_changed(struct engine *e, struct task *t, bool report)
{
    struct error err = ERROR_INIT;
    if (report) {
        t->unsent = true;
        t->version++;
    }
    bool saved = task_file_save(t, &err) >= 0;
    if (!saved)
        log_line(LOG_ERROR, "can't save a task's state", "task", t->arn, "error",
                 err.text, NULL);
    if (saved)
        t->unsaved_since_ns = 0;
    else if (!t->unsaved_since_ns)
        t->unsaved_since_ns = clock_mono_ns();
    if (report)
        report_task(e, t);
}

/* How its containers ended is known from what cleaning removes, until it is saved. A full disk
 * is waited for, but not for long: cleaning makes room. What never ran has nothing to lose. */
static bool may_be_cleaned(struct task *t)
{
    struct error err;
    if (!t->unsaved_since_ns || task_file_save(t, &err) >= 0)
        t->unsaved_since_ns = 0;
    return !t->unsaved_since_ns || !t->execution_stopped_at_ms ||
           clock_mono_ns() - t->unsaved_since_ns > UNSAVED_PATIENCE_MS * INT64_C(1000000);
}

/* ---- moves ---- */

static bool move(struct task *t, enum task_event event)
{
    enum task_step to;
    if (!task_step_after(t->step, event, &to)) {
        log_line(LOG_WARN, "a task's event means nothing now", "task", t->arn, "step",
                 task_step_name(t->step), "event", task_event_name(event), NULL);
        return false;
    }
    log_line(LOG_INFO, "task", "task", t->arn, "step", task_step_name(to), "reason",
             t->reason, NULL);
    t->step = to;
    return true;
}

/* The task is to go, for this reason (NULL: the server said so). */
static void task_end(struct task *t, const char *reason)
{
    if (t->step != STEP_ACCEPTED && t->step != STEP_STARTING && t->step != STEP_RUNNING)
        return;
    if (reason)
        task_set_reason(t, reason);
    t->stop_wanted = true;
    move(t, TASK_END);
    http_cancel_now(t->cancel);
    engine_changed(t->engine, t, false);
}

static void note_steady(struct task *t)
{
    if (t->step != STEP_STARTING)
        return;
    bool ran = true;
    for (size_t i = 0; i < t->container_count; i++) {
        const struct container *c = &t->containers[i];
        if (!container_was_up(c) && !container_is_done(c))
            return;
        ran = ran && (container_was_up(c) || !c->essential);
    }
    if (!ran)
        return;
    t->ever_running = true;
    move(t, TASK_STEADY);
    engine_changed(t->engine, t, true);
}

/* ---- what became of a container ---- */

static void never_ran(struct container *c, const char *reason)
{
    log_line(LOG_WARN, "container failed to start", "task", c->task->arn, "container",
             c->name, "reason", reason, NULL);
    container_set_reason(c, reason);
    c->failed = !container_was_up(c); /* else a restart failed */
    c->step = CSTEP_STOPPED;
    c->finished_at_ms = clock_wall_ms();
    if (c->essential)
        task_end(c->task, reason);
    else
        engine_changed(c->task->engine, c->task, c->task->ever_running);
}

void engine_container_failed(struct container *c, enum reason_step step,
                             const struct error *failure)
{
    AUTO_STR reason = STR_INIT;
    /* Our own end cancelled it: the next agent tries again. */
    if (c->step == CSTEP_STOPPED || c->task->engine->stopping)
        return;
    if (step == REASON_PULL && failure->code == E_CANCELLED && c->task->pull_late)
        reason_timeout("pulled", pull_timeout_ms(c->task), &reason);
    else
        reason_write(step, failure, &reason);
    never_ran(c, reason.data);
}

#define INTERFACE_LATE "Timeout waiting for network interface provisioning to complete."

void engine_network_failed(struct task *t, const struct error *failure)
{
    if (t->engine->stopping)
        return;
    if (failure->code == E_AGAIN)
        task_set_reason(t, INTERFACE_LATE);
    for (size_t i = 0; i < t->container_count; i++)
        if (t->containers[i].step == CSTEP_NONE)
            engine_container_failed(&t->containers[i], REASON_NETWORK, failure);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct container *c = h->data;
    c->timer_open = false;
    c->task->handles--;
    engine_release(c->task->engine, c->task);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct container *c = h->data;
    c->poll_open = false;
    c->task->handles--;
    if (c->supervisor_fd >= 0)
        close(c->supervisor_fd);
    c->supervisor_fd = -1;
    if (!engine_release(c->task->engine, c->task))
        engine_advance(c->task->engine,
                       c->task); /* one that restarts may be watched anew */
}

static void unwatch(struct container *c)
{
    if (c->timer_open && !uv_is_closing((uv_handle_t *)&c->stop_timer))
        uv_close((uv_handle_t *)&c->stop_timer, on_timer_closed);
    if (c->poll_open && !uv_is_closing((uv_handle_t *)&c->supervisor))
        uv_close((uv_handle_t *)&c->supervisor, on_poll_closed);
}

static void on_supervisor(uv_poll_t *p, int status, int events)
{
    struct container *c = p->data;
    uv_poll_stop(p); /* a pidfd stays readable */
    c->settle = true;
    engine_advance(c->task->engine, c->task);
}

static void watch_supervisor(struct container *c, int fd)
{
    if (fd < 0 || c->poll_open) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (uv_poll_init(c->task->engine->loop, &c->supervisor, fd) < 0) {
        close(fd);
        return;
    }
    c->supervisor.data = c;
    c->supervisor_fd = fd;
    c->poll_open = true;
    c->task->handles++;
    uv_poll_start(&c->supervisor, UV_READABLE, on_supervisor);
}

/* An agent that is killed between the start of a container and the note of it leaves none: what
 * ended by itself did begin, and not before it was made. */
static int64_t life_began_ms(const struct container_state *s)
{
    bool began = s->status == CONTAINER_STOPPED && !s->exit.abandoned;
    return s->started_ms || !began ? s->started_ms : s->created_ms;
}

static void container_up(struct container *c, const struct container_state *s)
{
    int64_t began = life_began_ms(s);
    if (c->life_started_ms == 0 || began > c->life_started_ms)
        c->life_started_ms = began ? began : clock_wall_ms();
    if (c->started_at_ms == 0)
        c->started_at_ms = c->life_started_ms;
    if (c->created_at_ms == 0)
        c->created_at_ms = s->created_ms ? s->created_ms : c->started_at_ms;
}

static int exit_code_of(const struct container_exit *x)
{
    return x->oom_killed && x->code == 0 ? 137 : x->code;
}

/* Begins its next life, if its policy says so. What is saved here is all that the next
 * agent needs: the old life's start tells it from the new one. */
static bool container_restarts(struct container *c, const struct container_exit *exit)
{
    struct task *t = c->task;
    int64_t now = clock_wall_ms();
    if (!exit || t->stop_wanted ||
        (t->step != STEP_STARTING && t->step != STEP_RUNNING) ||
        !restart_wanted(c->def->restart_policy, exit_code_of(exit), c->life_started_ms,
                        exit->finished_ms ? exit->finished_ms : now))
        return false;
    c->step = CSTEP_RESTARTING;
    c->restart_count++;
    c->exit_code = exit_code_of(exit);
    log_line(LOG_INFO, "a container is started again", "task", t->arn, "container",
             c->name, NULL);
    if (c->health.status && health_begin(&c->health, now))
        telemetry_health(c);
    note_steady(t);
    engine_changed(t->engine, t, false);
    return true;
}

/* exit NULL: nobody knows how it ended. */
static void container_ended(struct container *c, const struct container_exit *exit)
{
    static const struct container_exit unknown;
    const struct container_exit *x = exit ? exit : &unknown;
    struct task *t = c->task;
    probe_end(c);
    unwatch(c);
    if (container_restarts(c, exit))
        return;
    c->step = CSTEP_STOPPED;
    c->has_exit_code = exit != NULL;
    c->exit_code = exit_code_of(x);
    c->finished_at_ms = x->finished_ms ? x->finished_ms : clock_wall_ms();
    if (x->oom_killed)
        container_set_reason(c, REASON_OOM);
    else if (x->abandoned)
        container_set_reason(c, REASON_ABANDONED);
    note_steady(t);
    if (c->essential && !t->execution_stopped_at_ms)
        t->execution_stopped_at_ms = c->finished_at_ms;
    if (c->essential)
        task_end(t, REASON_ESSENTIAL);
    engine_changed(t->engine, t, t->step == STEP_RUNNING); /* else STOPPED follows */
}

static void container_vanished(struct container *c)
{
    if (c->step == CSTEP_CREATED) { /* its first instruction never ran: make it again */
        c->step = c->restart_count ? CSTEP_RESTARTING : CSTEP_NONE;
        return;
    }
    if (c->step != CSTEP_RUNNING)
        return;
    container_set_reason(c, REASON_VANISHED);
    container_ended(c, NULL);
}

void engine_container_state(struct container *c, const struct container_state *s,
                            int supervisor_fd)
{
    struct task *t = c->task;
    if (c->step == CSTEP_STOPPED && s->status != CONTAINER_RUNNING) {
        watch_supervisor(c, supervisor_fd);
        return;
    }
    watch_supervisor(c, supervisor_fd);
    switch (s->status) {
    case CONTAINER_NONE:
        container_vanished(c);
        break;
    case CONTAINER_CREATED:
        c->step = CSTEP_CREATED;
        break;
    case CONTAINER_RUNNING:
        container_up(c, s);
        probe_begin(c);
        if (c->step == CSTEP_RUNNING)
            break;
        c->step = CSTEP_RUNNING;
        note_steady(t);
        if (t->step != STEP_RUNNING || t->container_count > 1 || c->restart_count)
            engine_changed(t->engine, t, t->ever_running && !c->restart_count);
        break;
    case CONTAINER_STOPPED:
        if (c->step == CSTEP_RESTARTING && life_began_ms(s) <= c->life_started_ms)
            break; /* the life before: the restart takes it away */
        container_up(c, s);
        container_ended(c, &s->exit);
        break;
    }
}

/* ---- upwards ---- */

static void save_before_create(struct container *c)
{
    engine_changed(c->task->engine, c->task, false);
    job_create(c);
}

static void refuse_dependency(struct container *c, size_t on, enum order_answer answer)
{
    struct task *t = c->task;
    const struct container *other = &t->containers[on];
    AUTO_STR reason = STR_INIT;
    str_addf(&reason, "TaskDependencyError: container '%s' can't start: '%s' ", c->name,
             other->name);
    if (answer == ORDER_LATE)
        str_addf(&reason,
                 "did not reach the awaited condition within its startTimeout of "
                 "%d s",
                 other->def->start_timeout.v);
    else
        str_add(&reason,
                other->failed ? "failed to start" : "ended otherwise than awaited");
    container_set_reason(c, reason.data);
    c->failed = true;
    c->step = CSTEP_STOPPED;
    task_end(t, reason.data);
}

/* Pulls may take hours: some workers are always left for everything else. */
static bool may_pull(struct engine *e, const struct container *c)
{
    unsigned most = e->config->workers > 4 ? e->config->workers - 3 : 1;
    if (e->image_jobs >= most) {
        e->image_waits = true;
        return false;
    }
    /* first the password, or the disk that the root is written to */
    if (c->def->repository_credentials || c->task->host->ephemeral_storage_gib.v > 0)
        if (c->task->prepared != PART_DONE)
            return false;
    if (c->def->repository_credentials)
        return true;
    return !registry_token_awaited(e, c->task, c->def->image);
}

static void bring_network(struct container *c)
{
    struct task *t = c->task;
    if (!task_shares_network(t->host)) {
        if (c->net_part == PART_TODO)
            job_network(c);
        return;
    }
    if (t->net_part == PART_TODO && clock_mono_ns() >= t->net_after_ns)
        job_task_network(t);
    if (t->net_part != PART_DONE)
        return;
    c->net = t->net;
    c->net_part = PART_DONE;
}

static void bring_up(struct container *c, const struct order_view *views)
{
    struct task *t = c->task;
    size_t on = 0;
    bring_network(c);
    if (c->image_part == PART_TODO && may_pull(t->engine, c))
        job_image(c);
    enum order_answer answer = task_order_may_start(&t->order, c->index, views, &on);
    if (answer == ORDER_NEVER || answer == ORDER_LATE)
        refuse_dependency(c, on, answer);
    else if (answer == ORDER_GO && t->prepared == PART_DONE &&
             c->image_part == PART_DONE && c->net_part == PART_DONE)
        save_before_create(c);
}

static void look_up(struct container *c, const struct order_view *views)
{
    size_t on = 0;
    if (c->busy)
        return;
    if (c->settle) {
        job_settle(c);
        return;
    }
    if (c->step == CSTEP_NONE)
        bring_up(c, views);
    else if (c->step == CSTEP_CREATED &&
             task_order_may_start(&c->task->order, c->index, views, &on) == ORDER_GO)
        job_start(c);
    else if (c->step == CSTEP_RESTARTING && !c->poll_open &&
             c->task->prepared == PART_DONE)
        job_restart(c);
}

/* ---- the end of waiting: for a dependency, for an image ---- */

static void on_look(uv_timer_t *timer)
{
    struct task *t = timer->data;
    engine_advance(t->engine, t);
}

static void on_look_closed(uv_handle_t *h)
{
    struct task *t = h->data;
    t->look_open = false;
    t->handles--;
    engine_release(t->engine, t);
}

static void sooner(int64_t *soonest, int64_t left)
{
    if (left > 0 && (*soonest < 0 || left < *soonest))
        *soonest = left;
}

/* A pull that takes too long ends, and the other pulls of the task with it. */
static void limit_pulls(struct task *t, int64_t *soonest)
{
    for (size_t i = 0; i < t->container_count && !t->pull_late; i++) {
        const struct container *c = &t->containers[i];
        if (c->image_part != PART_BUSY)
            continue;
        int64_t left =
            pull_timeout_ms(t) - (clock_mono_ns() - c->pull_began_ns) / 1000000;
        sooner(soonest, left);
        if (left > 0)
            continue;
        t->pull_late = true;
        http_cancel_now(t->cancel);
    }
}

static void look_again_in_time(struct task *t)
{
    int64_t soonest = -1;
    limit_pulls(t, &soonest);
    if (t->net_part == PART_TODO && t->net_after_ns)
        sooner(&soonest, (t->net_after_ns - clock_mono_ns()) / 1000000 + 1);
    for (size_t i = 0; i < t->order.edge_count; i++) {
        const struct order_edge *e = &t->order.edges[i];
        int64_t left = container_start_left_ms(&t->containers[e->on]);
        if (t->containers[e->who].step == CSTEP_NONE)
            sooner(&soonest, left);
    }
    if (soonest < 0)
        return;
    if (!t->look_open) {
        uv_timer_init(t->engine->loop, &t->look_timer);
        t->look_timer.data = t;
        t->look_open = true;
        t->handles++;
    }
    if (!uv_is_closing((uv_handle_t *)&t->look_timer))
        uv_timer_start(&t->look_timer, on_look, (uint64_t)soonest + 1, 0);
}

static void advance_up(struct task *t)
{
    AUTO_ARENA a = ARENA_INIT;
    struct order_view *views = task_views(t, &a);
    enum task_step step = t->step;
    if (t->prepared == PART_TODO)
        job_prepare(t);
    for (size_t i = 0; i < t->container_count && t->step == step; i++)
        look_up(&t->containers[i], views);
    if (t->step == step) {
        note_steady(t);
        look_again_in_time(t);
    }
}

/* ---- downwards ---- */

static void on_stop_timer(uv_timer_t *timer)
{
    struct container *c = timer->data;
    c->kill_due = true;
    engine_advance(c->task->engine, c->task);
}

static void arm_stop_timer(struct container *c, int64_t ms)
{
    if (!c->timer_open) {
        uv_timer_init(c->task->engine->loop, &c->stop_timer);
        c->stop_timer.data = c;
        c->timer_open = true;
        c->task->handles++;
    }
    if (!uv_is_closing((uv_handle_t *)&c->stop_timer))
        uv_timer_start(&c->stop_timer, on_stop_timer, (uint64_t)ms, 0);
}

static void bring_down(struct container *c, const struct order_view *views)
{
    if (c->kill_due) {
        arm_stop_timer(c, KILL_RETRY_MS);
        job_kill(c);
    } else if (!c->stop_sent && task_order_may_stop(&c->task->order, c->index, views)) {
        c->stop_sent = true;
        probe_end(c);
        arm_stop_timer(c, stop_timeout_ms(c));
        job_signal(c, stop_signal_number(c->stop_signal));
    }
}

static void look_down(struct container *c, const struct order_view *views)
{
    if (c->busy)
        return;
    if (c->settle)
        job_settle(c);
    else if (c->step == CSTEP_RUNNING)
        bring_down(c, views);
    else if (c->step != CSTEP_STOPPED && c->image_part != PART_BUSY &&
             c->net_part != PART_BUSY) {
        c->has_exit_code = c->step == CSTEP_RESTARTING; /* of its last life */
        c->step = CSTEP_STOPPED; /* or it never ran; cleaning removes what there is */
    }
}

static void close_handles(struct task *t)
{
    for (size_t i = 0; i < t->container_count; i++) {
        unwatch(&t->containers[i]);
        probe_close(&t->containers[i]);
    }
    if (t->look_open && !uv_is_closing((uv_handle_t *)&t->look_timer))
        uv_close((uv_handle_t *)&t->look_timer, on_look_closed);
}

static void clean_when_down(struct task *t)
{
    for (size_t i = 0; i < t->container_count; i++)
        if (t->containers[i].step != CSTEP_STOPPED || t->containers[i].busy)
            return;
    if (t->jobs > 0)
        return;
    for (size_t i = 0; i < t->container_count; i++) {
        image_free(t->containers[i].image);
        t->containers[i].image = NULL;
    }
    close_handles(t);
    move(t, TASK_DOWN);
    t->prepared = PART_TODO;
    engine_changed(t->engine, t, false);
    report_task(t->engine, t);
    job_clean(t);
}

static void advance_down(struct task *t)
{
    AUTO_ARENA a = ARENA_INIT;
    /* a container that never ran makes room for those below it in the same look */
    for (size_t i = t->container_count; i-- > 0;)
        look_down(&t->containers[i], task_views(t, &a));
    clean_when_down(t);
}

/* Ticks as long as a task waits to be cleaned up again. */
static void on_retry(uv_timer_t *timer)
{
    struct engine *e = timer->data;
    bool waits = false;
    engine_advance_all(e);
    list_for_each (it, &e->tasks) {
        waits = waits || list_entry(it, struct task, link)->step == STEP_CLEANING;
    }
    if (!waits)
        uv_timer_stop(timer);
}

void engine_clean_later(struct task *t, int64_t ms)
{
    uv_timer_t *timer = &t->engine->retry_timer;
    t->clean_after_ns = clock_mono_ns() + (ms - 1) * 1000000;
    timer->data = t->engine;
    if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > (uint64_t)ms)
        uv_timer_start(timer, on_retry, (uint64_t)ms, CLEAN_RETRY_REPEAT_MS);
}

void engine_cleaned(struct engine *e, struct task *t)
{
    if (t->has_room)
        host_room_give_back(&e->room, &t->need);
    t->has_room = false;
    if (!move(t, TASK_CLEAN))
        return;
    t->stopped_at_ms = clock_wall_ms();
    engine_changed(e, t, true);
    if (t->forgotten)
        engine_drop(e, t);
    engine_advance_all(e);
}

/* ---- room ---- */

static void give_room(struct engine *e)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (t->step != STEP_ACCEPTED)
            continue;
        if (!host_room_fits(&e->room, &t->need))
            return; /* in order: a large task is not starved by small ones */
        host_room_take(&e->room, &t->need);
        t->has_room = true;
        move(t, TASK_ROOM);
        engine_changed(e, t, false);
        advance_up(t);
    }
}

void engine_advance(struct engine *e, struct task *t)
{
    if (e->stopping || t->dropped)
        return;
    switch (t->step) {
    case STEP_ACCEPTED:
        give_room(e);
        break;
    case STEP_STARTING:
    case STEP_RUNNING:
        advance_up(t);
        if (t->step == STEP_STOPPING)
            advance_down(t);
        break;
    case STEP_STOPPING:
        advance_down(t);
        break;
    case STEP_CLEANING:
        if (t->prepared != PART_TODO || t->jobs != 0 ||
            clock_mono_ns() < t->clean_after_ns)
            break;
        if (may_be_cleaned(t))
            job_clean(t);
        else
            engine_clean_later(t, UNSAVED_RETRY_MS);
        break;
    default:
        break;
    }
}

void engine_advance_all(struct engine *e)
{
    list_for_each_safe (it, &e->tasks) {
        engine_advance(e, list_entry(it, struct task, link));
    }
}

void engine_end_task(struct engine *e, struct task *t)
{
    task_end(t, NULL);
    engine_advance(e, t);
}

/* ---- leaving memory ---- */

bool engine_release(struct engine *e, struct task *t)
{
    if (!t->dropped || t->jobs > 0 || t->handles > 0 || t->sending)
        return false;
    task_free(t);
    return true;
}

void engine_drop(struct engine *e, struct task *t)
{
    if (t->dropped || t->step != STEP_STOPPED)
        return;
    t->dropped = true;
    close_handles(t);
    list_remove(&t->link);
    if (e->config->stopped_task_retention_ms < 0) {
        struct error err = ERROR_INIT;
        if (dir_remove_all(t->dir, &err) < 0)
            log_line(LOG_WARN, "removing a task's folder", "task", t->arn, "error",
                     err.text, NULL);
    }
    engine_release(e, t);
}
