#include "upkeep.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "clock.h"
#include "container_log.h"
#include "fd.h"
#include "log.h"
#include "str.h"
#include "task_file.h"

#define HOUR_MS        (60 * 60 * 1000)
#define LOG_PERIOD_MS  2000
#define MEND_PERIOD_MS 60000

static int64_t setting(int64_t given, int64_t otherwise)
{
    return given > 0 ? given : otherwise;
}

/* ---- logs ---- */

struct rotation {
    const char *id, *path;
    int64_t max_bytes;
    int max_files;
};

struct rotate_job {
    uv_work_t req;
    struct engine *e;
    struct arena arena;
    struct rotation *v;
    size_t n;
};

static void rotate_work(uv_work_t *req)
{
    struct rotate_job *j = req->data;
    for (size_t i = 0; i < j->n; i++) {
        struct error err = ERROR_INIT;
        if (container_log_rotate(j->e->host->runtime, j->v[i].id, j->v[i].path,
                                 j->v[i].max_bytes, j->v[i].max_files, &err) < 0 &&
            err.code != E_NOTFOUND)
            log_line(LOG_WARN, "rotating a log", "path", j->v[i].path, "error", err.text,
                     NULL);
    }
}

static void rotate_done(uv_work_t *req, int status)
{
    struct rotate_job *j = req->data;
    j->e->log_busy = false;
    j->e->jobs--;
    arena_free(&j->arena);
    free(j);
}

static void collect_rotations(struct rotate_job *j)
{
    size_t cap = 0;
    list_for_each (it, &j->e->tasks) {
        cap += list_entry(it, struct task, link)->container_count;
    }
    j->v = arena_new_array(&j->arena, struct rotation, cap + 1);
    list_for_each (it, &j->e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++) {
            const struct container *c = &t->containers[i];
            if (c->step == CSTEP_RUNNING && c->log_path && c->log.max_files > 1 &&
                c->log.max_bytes > 0)
                j->v[j->n++] = (struct rotation){arena_strdup(&j->arena, c->id),
                                                 arena_strdup(&j->arena, c->log_path),
                                                 c->log.max_bytes, c->log.max_files};
        }
    }
}

static void on_log_timer(uv_timer_t *t)
{
    struct engine *e = t->data;
    if (e->log_busy || e->stopping)
        return;
    struct rotate_job *j = xcalloc(1, sizeof(*j));
    j->e = e;
    j->req.data = j;
    collect_rotations(j);
    if (j->n == 0) {
        arena_free(&j->arena);
        free(j);
        return;
    }
    e->log_busy = true;
    e->jobs++;
    uv_queue_work(e->loop, &j->req, rotate_work, rotate_done);
}

/* ---- folders of stopped tasks ---- */

struct simple_job {
    uv_work_t req;
    struct engine *e;
    bool *busy;
    void (*work)(struct engine *e);
};

static void simple_work(uv_work_t *req)
{
    struct simple_job *j = req->data;
    j->work(j->e);
}

static void simple_done(uv_work_t *req, int status)
{
    struct simple_job *j = req->data;
    *j->busy = false;
    j->e->jobs--;
    free(j);
}

static void run_simple(struct engine *e, bool *busy, void (*work)(struct engine *))
{
    if (*busy || e->stopping)
        return;
    struct simple_job *j = xcalloc(1, sizeof(*j));
    *j = (struct simple_job){.e = e, .busy = busy, .work = work};
    j->req.data = j;
    *busy = true;
    e->jobs++;
    uv_queue_work(e->loop, &j->req, simple_work, simple_done);
}

/* Tasks in memory are never touched: they are not acknowledged yet. */
static int expire_one(void *ctx, const char *id, struct error *err)
{
    const struct agent_config *c = ctx;
    AUTO_ARENA a = ARENA_INIT;
    const struct gantry_agent_task_record *rec;
    int64_t keep = setting(c->stopped_task_retention_ms, 3 * HOUR_MS);
    if (c->stopped_task_retention_ms < 0)
        keep = 0;
    if (task_file_read(&a, c->data_dir, id, NULL, &rec, NULL) < 0)
        return 0;
    if (!streq(rec->step, "STOPPED") || clock_wall_ms() < rec->stopped_at.v + keep)
        return 0;
    if (!streq(rec->sent, "STOPPED") && !rec->forgotten.v)
        return 0;
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/tasks/%s", c->data_dir, id);
    return dir_remove_all(path.data, err);
}

static void expire(struct engine *e)
{
    struct error err = ERROR_INIT;
    if (task_file_each(e->config->data_dir, expire_one, (void *)(uintptr_t)e->config,
                       &err) < 0)
        log_line(LOG_WARN, "removing old tasks", "error", err.text, NULL);
}

static void on_clean_timer(uv_timer_t *t)
{
    struct engine *e = t->data;
    run_simple(e, &e->clean_busy, expire);
}

/* ---- images ---- */

struct candidates {
    struct engine *e;
    struct arena arena;
    const char *digests[IMAGES_A_CYCLE];
    size_t n;
    int64_t before_ms;
};

static int pick(void *ctx, const struct image_entry *entry, struct error *err)
{
    struct candidates *c = ctx;
    if (entry->pins == 0 && entry->pulled_at_ms <= c->before_ms &&
        entry->used_at_ms <= c->before_ms && !wanted_images_have(c->e, entry))
        c->digests[c->n++] = arena_strdup(&c->arena, entry->manifest_digest);
    return c->n == IMAGES_A_CYCLE ? -E_LIMIT : 0;
}

static void remove_older(struct engine *e, int64_t age_ms)
{
    struct candidates c = {.e = e, .before_ms = clock_wall_ms() - age_ms};
    struct error err = ERROR_INIT;
    if (e->config->keep_images || !wanted_images_known(e))
        return; /* what services need can't be told from what is old */
    int r = image_list(e->host->images, pick, &c, &err);
    for (size_t i = 0; i < c.n; i++) {
        r = image_remove(e->host->images, c.digests[i], &err);
        if (r >= 0)
            log_line(LOG_INFO, "image removed", "digest", c.digests[i], NULL);
        else if (r != -E_CONFLICT && r != -E_AGAIN)
            log_line(LOG_WARN, "removing an image", "digest", c.digests[i], "error",
                     err.text, NULL);
    }
    arena_free(&c.arena);
}

static void remove_images(struct engine *e)
{
    remove_older(e, setting(e->config->image_minimum_age_ms, HOUR_MS));
}

bool disk_is_full(const char *path)
{
    struct statvfs s;
    if (statvfs(path, &s) < 0 || s.f_blocks == 0)
        return false;
    return (s.f_blocks - s.f_bavail) * 100 / s.f_blocks > DISK_FULL_PERCENT;
}

static void mend(struct engine *e)
{
    struct error err = ERROR_INIT;
    if (e->host->net && net_mend(e->host->net, &err) < 0)
        log_line(LOG_WARN, "mending the network", "error", err.text, NULL);
    if (disk_is_full(e->config->data_dir))
        remove_older(e, 0); /* what is not used now has to go, however young */
    image_store_settle(e->host->images, NULL);
    malloc_trim(0); /* what pulls and bursts of tasks left behind */
}

/* One timer for both: every minute, and the full round when its time has come. */
static void on_image_timer(uv_timer_t *t)
{
    struct engine *e = t->data;
    int64_t period = setting(e->config->image_gc_period_ms, HOUR_MS / 2) * 1000000;
    int64_t now = clock_mono_ns();
    bool round = now - e->image_round_ns >= period;
    if (round && !e->image_busy)
        e->image_round_ns = now;
    run_simple(e, &e->image_busy, round ? remove_images : mend);
}

/* ---- life ---- */

void upkeep_init(struct engine *e)
{
    uv_timer_t *const timers[] = {&e->log_timer, &e->clean_timer, &e->image_timer};
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        uv_timer_init(e->loop, timers[i]);
        timers[i]->data = e;
    }
}

void upkeep_start(struct engine *e)
{
    int64_t keep = setting(e->config->stopped_task_retention_ms, 3 * HOUR_MS) / 10;
    keep = keep < 1000 ? 1000 : keep > 600000 ? 600000 : keep;
    int64_t images = setting(e->config->image_gc_period_ms, HOUR_MS / 2);
    images = images < MEND_PERIOD_MS ? images : MEND_PERIOD_MS;
    e->image_round_ns = clock_mono_ns();
    uv_timer_start(&e->log_timer, on_log_timer, LOG_PERIOD_MS, LOG_PERIOD_MS);
    uv_timer_start(&e->clean_timer, on_clean_timer, (uint64_t)keep, (uint64_t)keep);
    uv_timer_start(&e->image_timer, on_image_timer, (uint64_t)images, (uint64_t)images);
}
