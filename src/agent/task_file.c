#include "task_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fd.h"
#include "str.h"

#define FILE_MAX_BYTES (4u << 20)

int task_file_create(const struct task *t, struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_STR text = STR_INIT;
    str_addf(&path, "%s/logs", t->dir);
    int r = dir_make_all(path.data, 0700, err);
    if (r < 0)
        return r;
    str_clear(&path);
    str_addf(&path, "%s/task.json", t->dir);
    wire_json_encode(&text, &gantry_host_task_shape, t->host);
    return file_replace(path.data, text.data, text.len, 0600, 0, err);
}

static struct opt_time at(int64_t ms)
{
    return ms ? SET_TIME(ms) : (struct opt_time){0};
}

static void put_health(struct arena *a, const struct health *h,
                       struct gantry_agent_container_record *ret)
{
    if (!h->status)
        return;
    struct gantry_agent_health_record *rec =
        arena_new(a, struct gantry_agent_health_record);
    rec->status = h->status;
    rec->status_since = at(h->since_ms);
    rec->failures = SET_INT(h->failures);
    if (h->has_exit_code)
        rec->exit_code = SET_INT(h->exit_code);
    rec->output = h->output;
    ret->health = rec;
}

static void put_container(struct arena *a, const struct container *c,
                          struct gantry_agent_container_record *ret)
{
    ret->name = c->name;
    ret->id = c->id;
    ret->status = container_step_name(c->step);
    ret->reason = c->reason;
    if (c->has_exit_code)
        ret->exit_code = SET_INT(c->exit_code);
    ret->image_digest = c->image_digest;
    ret->manifest_digest = c->manifest_digest;
    ret->stop_signal = c->stop_signal;
    ret->created_at = at(c->created_at_ms);
    ret->started_at = at(c->started_at_ms);
    ret->finished_at = at(c->finished_at_ms);
    ret->endpoint_id = c->endpoint_id;
    ret->last_started_at = at(c->life_started_ms);
    if (c->restart_count)
        ret->restart_count = SET_INT(c->restart_count);
    put_health(a, &c->health, ret);
    container_bindings(a, c, &ret->network_bindings);
}

static void put_task(struct arena *a, const struct task *t,
                     struct gantry_agent_task_record *ret)
{
    ret->sequence = SET_LONG(t->sequence);
    ret->step = task_step_name(t->step);
    ret->desired_status = t->stop_wanted ? "STOPPED" : "RUNNING";
    ret->reason = t->reason;
    ret->sent = t->sent;
    ret->unsent = SET_BOOL(t->unsent);
    ret->ever_running = SET_BOOL(t->ever_running);
    ret->forgotten = SET_BOOL(t->forgotten);
    ret->accepted_at = at(t->accepted_at_ms);
    ret->pull_started_at = at(t->pull_started_at_ms);
    ret->pull_stopped_at = at(t->pull_stopped_at_ms);
    ret->execution_stopped_at = at(t->execution_stopped_at_ms);
    ret->stopped_at = at(t->stopped_at_ms);
    for (size_t i = 0; i < t->container_count; i++)
        put_container(a, &t->containers[i], LIST_PUSH(a, &ret->containers));
}

int task_file_save(const struct task *t, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR path = STR_INIT;
    AUTO_STR text = STR_INIT;
    struct gantry_agent_task_record rec = {0};
    put_task(&a, t, &rec);
    wire_json_encode(&text, &gantry_agent_task_record_shape, &rec);
    str_addf(&path, "%s/state.json", t->dir);
    return file_replace(path.data, text.data, text.len, 0600, 0, err);
}

/* ---- back ---- */

static void take_health(struct health *h, const struct gantry_agent_health_record *rec)
{
    if (!rec || !rec->status || !h->status)
        return;
    h->status = rec->status;
    h->since_ms = rec->status_since.v;
    h->failures = rec->failures.v;
    h->has_exit_code = rec->exit_code.set;
    h->exit_code = rec->exit_code.v;
    free(h->output);
    h->output = rec->output ? xstrdup(rec->output) : NULL;
}

static void take_container(struct container *c,
                           const struct gantry_agent_container_record *rec)
{
    struct arena *a = &c->task->arena;
    container_step_parse(rec->status, &c->step);
    c->reason = arena_strdup(a, rec->reason);
    c->has_exit_code = rec->exit_code.set;
    c->exit_code = rec->exit_code.v;
    c->image_digest = arena_strdup(a, rec->image_digest);
    c->manifest_digest = arena_strdup(a, rec->manifest_digest);
    c->stop_signal = arena_strdup(a, rec->stop_signal);
    c->created_at_ms = rec->created_at.v;
    c->started_at_ms = rec->started_at.v;
    c->finished_at_ms = rec->finished_at.v;
    if (rec->endpoint_id)
        c->endpoint_id = arena_strdup(a, rec->endpoint_id);
    c->life_started_ms =
        rec->last_started_at.set ? rec->last_started_at.v : c->started_at_ms;
    c->restart_count = rec->restart_count.v;
    take_health(&c->health, rec->health);
    c->failed = c->step == CSTEP_STOPPED && c->started_at_ms == 0;
    container_take_bindings(c, &rec->network_bindings);
}

int task_file_restore(struct task *t, const struct gantry_agent_task_record *rec,
                      struct error *err)
{
    if (!task_step_parse(rec->step, &t->step))
        return fail(err, E_CORRUPT, "task %s: no such step: '%s'", t->id,
                    rec->step ? rec->step : "");
    t->sequence = rec->sequence.v;
    t->stop_wanted = streq(rec->desired_status, "STOPPED");
    t->reason = arena_strdup(&t->arena, rec->reason);
    t->sent = rec->sent ? arena_strdup(&t->arena, rec->sent) : "";
    t->unsent = rec->unsent.v;
    t->ever_running = rec->ever_running.v;
    t->forgotten = rec->forgotten.v;
    t->accepted_at_ms = rec->accepted_at.v;
    t->pull_started_at_ms = rec->pull_started_at.v;
    t->pull_stopped_at_ms = rec->pull_stopped_at.v;
    t->execution_stopped_at_ms = rec->execution_stopped_at.v;
    t->stopped_at_ms = rec->stopped_at.v;
    for (size_t i = 0; i < t->container_count; i++)
        for (size_t k = 0; k < rec->containers.n; k++)
            if (streq(t->containers[i].name, rec->containers.v[k].name))
                take_container(&t->containers[i], &rec->containers.v[k]);
    return 0;
}

static int read_json(struct arena *a, const char *data_dir, const char *id,
                     const char *name, const struct wire_shape *shape, const void **ret,
                     struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_STR text = STR_INIT;
    str_addf(&path, "%s/tasks/%s/%s", data_dir, id, name);
    int r = file_read(AT_FDCWD, path.data, FILE_MAX_BYTES, &text, err);
    if (r < 0)
        return r;
    struct wire_error bad;
    void *value;
    if (wire_json_decode(a, shape, str_text(&text), text.len, true, &value, &bad) < 0)
        return fail(err, E_CORRUPT, "%s: %s", path.data, bad.text);
    *ret = value;
    return 0;
}

int task_file_read(struct arena *a, const char *data_dir, const char *id,
                   const struct gantry_host_task **ret_words,
                   const struct gantry_agent_task_record **ret_rec, struct error *err)
{
    const void *words = NULL, *rec = NULL;
    int r = 0;
    if (ret_words)
        r = read_json(a, data_dir, id, "task.json", &gantry_host_task_shape, &words, err);
    if (r >= 0 && ret_rec)
        r = read_json(a, data_dir, id, "state.json", &gantry_agent_task_record_shape,
                      &rec, err);
    if (r < 0)
        return r;
    if (ret_words)
        *ret_words = words;
    if (ret_rec)
        *ret_rec = rec;
    return 0;
}

int task_file_each(const char *data_dir,
                   int (*each)(void *ctx, const char *id, struct error *err), void *ctx,
                   struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/tasks", data_dir);
    DIR *d = opendir(path.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "opening '%s'", path.data);
    int r = 0;
    for (struct dirent *e; r >= 0 && (e = readdir(d));)
        if (e->d_name[0] != '.')
            r = each(ctx, e->d_name, err);
    closedir(d);
    return r < 0 ? r : 0;
}
