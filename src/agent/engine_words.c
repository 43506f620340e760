/* engine_words.c: what the server says, and what an earlier agent left. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "engine.h"
#include "fargate_rule.h"
#include "fd.h"
#include "health_probe.h"
#include "http_client.h"
#include "jobs.h"
#include "log.h"
#include "registry_token.h"
#include "str.h"
#include "task_file.h"
#include "task_keys.h"
#include "task_report.h"
#include "task_secrets.h"
#include "telemetry.h"
#include "upkeep.h"

struct task *engine_find(struct engine *e, const char *id)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (streq(t->id, id))
            return t;
    }
    return NULL;
}

static bool wants_stop(const struct gantry_host_task *words)
{
    return streq(words->desired_status, "STOPPED");
}

/* ---- a task that is new here ---- */

static void clamp_need(struct engine *e, struct task *t)
{
    /* The server counted with other numbers: better late and alone than never. */
    if (t->need.cpu_units > e->room.cpu_units)
        t->need.cpu_units = e->room.cpu_units;
    if (t->need.memory_mib > e->room.memory_mib)
        t->need.memory_mib = e->room.memory_mib;
}

static void init_logs(struct engine *e, struct task *t)
{
    for (size_t i = 0; i < t->container_count; i++) {
        struct container *c = &t->containers[i];
        if (log_settings_of(c->def, e->config->log_max_bytes, e->config->log_max_files,
                            &c->log, NULL) < 0)
            continue; /* refused by task_check_supported() */
        if (c->log.none)
            c->log_path = NULL;
    }
}

static void refuse(struct task *t, size_t index, const struct error *why)
{
    struct container *c = &t->containers[index == SIZE_MAX ? 0 : index];
    AUTO_STR reason = STR_INIT;
    reason_write(why->code == E_UNSUPPORTED ? REASON_CONFIG : REASON_CREATE, why,
                 &reason);
    container_set_reason(c, reason.data);
    task_set_reason(t, reason.data);
}

/* A refused task goes straight to its end, which is kept and told as any other's. */
static bool is_acceptable(struct task *t, struct error *err)
{
    size_t index = SIZE_MAX;
    int r = task_file_create(t, err);
    if (r >= 0)
        r = task_order_build(&t->arena, t->host->task_definition, &t->order, err);
    if (r >= 0 && t->engine->config->fargate && !fargate_is(t->host))
        r = fail(err, E_UNSUPPORTED, "the pool runs tasks of launch type FARGATE only");
    if (r >= 0)
        r = task_check_supported(t->host, &index, err);
    if (r < 0)
        refuse(t, index, err);
    return r >= 0;
}

static void take_new(struct engine *e, const struct gantry_host_task *words)
{
    struct error err = ERROR_INIT;
    struct task *t;
    if (task_new(e, words, e->config->data_dir, &t, &err) < 0) {
        log_line(LOG_ERROR, "the server sent what is no task", "error", err.text, NULL);
        return;
    }
    list_append(&e->tasks, &t->link);
    t->sequence = e->next_sequence++;
    t->accepted_at_ms = clock_wall_ms();
    clamp_need(e, t);
    init_logs(e, t);
    log_line(LOG_INFO, "task accepted", "task", t->arn, NULL);
    bool good = is_acceptable(t, &err);
    if (task_role_arn(t->host) && str_empty(t->host->credentials_id))
        log_line(LOG_WARN, "the server has no credentials of the task's role", "task",
                 t->arn, "role", task_role_arn(t->host), NULL);
    if (good && wants_stop(words))
        task_set_reason(t, REASON_BEFORE_PULL);
    engine_changed(e, t, false);
    if (!good || wants_stop(words))
        engine_end_task(e, t);
    else
        engine_advance(e, t);
}

/* ---- from disk ---- */

static int revive(struct engine *e, const char *id, struct task **ret, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct gantry_host_task *words;
    const struct gantry_agent_task_record *rec;
    struct task *t = NULL;
    int r = task_file_read(&a, e->config->data_dir, id, &words, &rec, err);
    if (r >= 0)
        r = task_new(e, words, e->config->data_dir, &t, err);
    if (r >= 0)
        r = task_file_restore(t, rec, err);
    if (r >= 0)
        r = task_order_build(&t->arena, t->host->task_definition, &t->order, err);
    if (r < 0) {
        task_free(t);
        return r;
    }
    clamp_need(e, t);
    init_logs(e, t);
    *ret = t;
    return 0;
}

/* Over, acknowledged, out of memory, but the server asks for it: it is told again. */
static bool revive_stopped(struct engine *e, const char *id)
{
    struct task *t;
    if (revive(e, id, &t, NULL) < 0)
        return false;
    if (t->step != STEP_STOPPED) {
        task_free(t); /* can't be: whatever is not stopped was loaded at the start */
        return false;
    }
    list_append(&e->tasks, &t->link);
    t->forgotten = false;
    engine_changed(e, t, true);
    return true;
}

/* ---- messages ---- */

static void take(struct engine *e, const struct gantry_host_task *words)
{
    if (str_empty(words->task_id))
        return;
    struct task *t = engine_find(e, words->task_id);
    if (t) {
        if (wants_stop(words) && !t->stop_wanted)
            engine_end_task(e, t);
        return; /* a stop is never taken back */
    }
    if (strchr(words->task_id, '/') || words->task_id[0] == '.' ||
        !revive_stopped(e, words->task_id))
        take_new(e, words);
}

void engine_task(struct engine *e, const struct gantry_host_task *task)
{
    if (!e->stopping)
        take(e, task);
}

static void forget(struct engine *e, struct task *t)
{
    t->forgotten = true;
    if (t->step == STEP_STOPPED) {
        engine_changed(e, t, false);
        engine_drop(e, t);
        return;
    }
    if (!t->stop_wanted)
        log_line(LOG_INFO, "the server has no such task; ending it", "task", t->arn,
                 NULL);
    engine_changed(e, t, false);
    engine_end_task(e, t);
}

void engine_forget(struct engine *e, const char *task_arn)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (!streq(t->arn, task_arn))
            continue;
        if (!e->stopping)
            forget(e, t);
        return;
    }
}

static bool is_named(const struct gantry_host_task *tasks, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (streq(tasks[i].task_id, id))
            return true;
    return false;
}

void engine_desired(struct engine *e, const struct gantry_host_task *tasks, size_t n)
{
    if (e->stopping)
        return;
    list_for_each_safe (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (!is_named(tasks, n, t->id))
            forget(e, t);
        else if (t->step != STEP_ACCEPTED && t->step != STEP_STARTING) {
            t->unsent = true; /* the present state again: the server may have lost it */
            t->version++;
        }
    }
    for (size_t i = 0; i < n; i++)
        take(e, &tasks[i]);
    report_all(e);
}

/* ---- the start ---- */

static void on_exit_file(void *arg, const char *id)
{
    struct engine *e = arg;
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (!str_starts(id, t->id))
            continue;
        for (size_t i = 0; i < t->container_count; i++) {
            if (!streq(t->containers[i].id, id))
                continue;
            t->containers[i].settle = t->containers[i].step != CSTEP_STOPPED;
            engine_advance(e, t);
            return;
        }
    }
}

static void settle_all(struct engine *e)
{
    list_for_each_safe (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++)
            t->containers[i].settle = t->containers[i].step != CSTEP_STOPPED;
        engine_advance(e, t);
    }
}

static void on_exits(uv_poll_t *p, int status, int events)
{
    struct engine *e = p->data;
    struct error err = ERROR_INIT;
    int r = exit_watch_read(e->exits, on_exit_file, e, &err);
    if (r == -E_AGAIN)
        settle_all(e);
    else if (r < 0)
        log_line(LOG_ERROR, "watching for ends of containers", "error", err.text, NULL);
}

void engine_init(struct engine *e, uv_loop_t *loop, struct host *host,
                 const struct agent_config *config)
{
    memset(e, 0, sizeof(*e));
    e->loop = loop;
    e->host = host;
    e->config = config;
    list_init(&e->tasks);
    list_init(&e->probes_waiting);
    e->room.cpu_units = config->cpu_units;
    e->room.memory_mib = config->memory_mib - config->reserved_memory_mib;
    uv_timer_init(loop, &e->report_timer);
    uv_timer_init(loop, &e->retry_timer);
    e->report_timer.data = e;
    list_init(&e->tokens);
    upkeep_init(e);
    wanted_images_init(e);
    telemetry_init(e);
}

static int load_one(void *ctx, const char *id, struct error *err)
{
    struct engine *e = ctx;
    struct error why = ERROR_INIT;
    struct task *t;
    if (revive(e, id, &t, &why) < 0) {
        log_line(LOG_WARN, "a task's files can't be read; the server will send it again",
                 "task", id, "error", why.text, NULL);
        return 0;
    }
    if (t->sequence >= e->next_sequence)
        e->next_sequence = t->sequence + 1;
    if (t->step == STEP_STOPPED && (t->forgotten || streq(t->sent, "STOPPED"))) {
        task_free(t);
        return 0;
    }
    struct list *before = e->tasks.next;
    while (before != &e->tasks &&
           list_entry(before, struct task, link)->sequence < t->sequence)
        before = before->next;
    list_append(before, &t->link);
    return 0;
}

static bool container_is_known(void *ctx, const char *id)
{
    struct engine *e = ctx;
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++)
            if (streq(t->containers[i].id, id))
                return true;
    }
    return false;
}

static bool task_is_known(void *ctx, const char *id)
{
    return engine_find(ctx, id) != NULL;
}

static void resume(struct engine *e, struct task *t)
{
    log_line(LOG_INFO, "task found again", "task", t->arn, "step",
             task_step_name(t->step), NULL);
    if (task_step_holds(t->step)) {
        host_room_take(&e->room, &t->need);
        t->has_room = true;
    }
    for (size_t i = 0; i < t->container_count; i++)
        t->containers[i].settle = t->containers[i].found =
            task_step_holds(t->step) && t->containers[i].step != CSTEP_STOPPED;
    if (t->step == STEP_STARTING || (t->step == STEP_RUNNING && task_secrets_needed(t)))
        t->prepared = PART_TODO; /* secrets are in memory only */
    else if (t->step == STEP_RUNNING)
        t->prepared = PART_DONE;
}

int engine_load(struct engine *e, struct error *err)
{
    int r = task_file_each(e->config->data_dir, load_one, e, err);
    if (r >= 0)
        r = exit_watch_open(e->host->runtime, &e->exits, err);
    if (r < 0)
        return r;
    struct error why = ERROR_INIT;
    if (work_sweep(e->host, container_is_known, task_is_known, e, &why) < 0)
        log_line(LOG_ERROR, "removing what belongs to no task", "error", why.text, NULL);
    uv_poll_init(e->loop, &e->exit_poll, exit_watch_fd(e->exits));
    e->exit_poll.data = e;
    uv_poll_start(&e->exit_poll, UV_READABLE, on_exits);
    list_for_each (it, &e->tasks) {
        resume(e, list_entry(it, struct task, link));
    }
    engine_advance_all(e);
    return 0;
}

/* ---- the end ---- */

bool engine_stop(struct engine *e)
{
    e->stopping = true;
    wanted_images_stop(e);
    probes_stop(e);
    list_for_each (it, &e->tasks) {
        http_cancel_now(list_entry(it, struct task, link)->cancel);
    }
    return e->jobs == 0 && e->sending == 0;
}

void engine_fini(struct engine *e)
{
    if (!e->loop)
        return; /* it never began */
    list_for_each_safe (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++)
            fd_close(&t->containers[i].supervisor_fd);
        for (size_t i = 0; i < t->container_count; i++)
            free(t->containers[i].probe);
        task_free(t);
    }
    wanted_images_fini(e);
    exit_watch_free(e->exits);
    e->exits = NULL;
    registry_tokens_fini(e);
}
