#include "jobs.h"

#include <inttypes.h>
#include <stdlib.h>

#include "api_endpoint.h"
#include "clock.h"
#include "firelens.h"
#include "log.h"
#include "metadata.h"
#include "registry_token.h"
#include "str.h"
#include "task_report.h"
#include "task_secrets.h"
#include "task_wiring.h"

#define KILL_DEADLINE_MS 10000
#define DRAIN_MS         2000

struct job {
    uv_work_t req;
    const char *name;
    struct engine *engine;
    struct task *task;
    struct container *container; /* NULL: the task's own */
    void (*work)(struct job *j);
    void (*done)(struct job *j);
    int64_t queued_ns, begun_ns, ended_ns;
    int r;
    enum reason_step step;
    struct error err;

    /* inputs and outputs, as the kind needs */
    char *password;
    const char *user; /* with it; NULL: "AWS" */
    struct image_result image;
    struct net_port *ports;
    struct net_attachment net;
    struct create_times times;
    struct container_state state;
    int supervisor_fd;
    int signo;
    bool found;
};

static void on_worker(uv_work_t *req)
{
    struct job *j = req->data;
    j->begun_ns = clock_mono_ns();
    j->work(j);
    j->ended_ns = clock_mono_ns();
}

static void us_text(char ret[static 24], int64_t ns)
{
    snprintf(ret, 24, "%" PRId64, ns / 1000);
}

static void log_job(const struct job *j)
{
    char queue[24], work[24], age[24], config[24], create[24], start[24];
    bool made = j->times.config_ns > 0;
    if (!log_enabled(LOG_DEBUG))
        return;
    us_text(queue, j->begun_ns - j->queued_ns);
    us_text(work, j->ended_ns - j->begun_ns);
    us_text(age, j->ended_ns - j->task->accepted_ns);
    us_text(config, j->times.config_ns);
    us_text(create, j->times.create_ns);
    us_text(start, j->times.start_ns);
    log_line(LOG_DEBUG, "step", "task", j->task->id, "container",
             j->container ? j->container->name : NULL, "step", j->name, "wait_us", queue,
             "work_us", work, "since_accept_us", age, "config_us", made ? config : NULL,
             "create_us", made ? create : NULL, "start_us", made ? start : NULL, "error",
             j->r < 0 ? j->err.text : NULL, NULL);
}

static void on_loop(uv_work_t *req, int status)
{
    struct job *j = req->data;
    struct engine *e = j->engine;
    struct task *t = j->task;
    log_job(j);
    j->done(j);
    t->jobs--; /* only now: so long the task can't be freed */
    e->jobs--;
    free(j->password);
    free(j->ports);
    free(j);
    if (!engine_release(e, t))
        engine_advance(e, t);
}

static struct job *job_new(const char *name, struct task *t, struct container *c,
                           void (*work)(struct job *), void (*done)(struct job *))
{
    struct job *j = xcalloc(1, sizeof(*j));
    *j = (struct job){.name = name,
                      .engine = t->engine,
                      .task = t,
                      .container = c,
                      .work = work,
                      .done = done,
                      .supervisor_fd = -1};
    return j;
}

static void job_run(struct job *j)
{
    j->req.data = j;
    j->queued_ns = clock_mono_ns();
    j->task->jobs++;
    j->engine->jobs++;
    uv_queue_work(j->engine->loop, &j->req, on_worker, on_loop);
}

/* ---- the task's group ---- */

static void prepare_work(struct job *j)
{
    j->r = work_task(j->engine->host, j->task, &j->err);
}

static void prepared(struct task *t, int r, enum reason_step step,
                     const struct error *err)
{
    t->prepared = PART_DONE;
    for (size_t i = 0; i < t->container_count && r < 0; i++)
        if (t->containers[i].step == CSTEP_NONE)
            engine_container_failed(&t->containers[i], step, err);
}

static void secrets_done(struct task *t, int r, const struct error *err)
{
    prepared(t, r, REASON_RESOURCE, err);
    engine_advance(t->engine, t);
}

static void prepare_done(struct job *j)
{
    struct task *t = j->task;
    if (j->r >= 0 && task_secrets_needed(t))
        task_secrets_fetch(t, secrets_done);
    else
        prepared(t, j->r, REASON_CREATE, &j->err);
}

void job_prepare(struct task *t)
{
    t->prepared = PART_BUSY;
    job_run(job_new("group", t, NULL, prepare_work, prepare_done));
}

/* ---- image ---- */

static void image_work(struct job *j)
{
    struct registry_auth auth = {.username = j->user ? j->user : "AWS",
                                 .password = j->password};
    j->r = work_image(j->engine->host, j->container, j->password ? &auth : NULL,
                      &j->image, &j->step, &j->err);
}

static void note_image(struct container *c, struct image_result *got)
{
    struct arena *a = &c->task->arena;
    c->image = got->image;
    memcpy(c->rootfs, got->rootfs, sizeof(c->rootfs));
    c->image_digest = arena_strdup(a, got->image->digest);
    c->manifest_digest = arena_strdup(a, got->image->manifest_digest);
    c->stop_signal = arena_strdup(a, got->image->config.stop_signal);
}

static void image_done(struct job *j)
{
    struct container *c = j->container;
    c->image_part = PART_DONE;
    if (c->started_at_ms == 0)
        c->task->pull_stopped_at_ms = clock_wall_ms();
    if (j->r >= 0)
        note_image(c, &j->image);
    else if (j->r == -E_CANCELLED && c->task->step == STEP_STOPPING)
        container_set_reason(c, REASON_BEFORE_PULL);
    else
        engine_container_failed(c, j->step, &j->err);
    j->engine->image_jobs--;
    if (j->engine->image_waits) {
        j->engine->image_waits = false;
        engine_advance_all(j->engine);
    }
}

void job_image(struct container *c)
{
    struct task *t = c->task;
    struct job *j = job_new("image", t, c, image_work, image_done);
    const char *password = c->registry_password
                               ? c->registry_password
                               : registry_token_for(t->engine, t, c->def->image);
    j->user = c->registry_user;
    j->password = password ? xstrdup(password) : NULL;
    wanted_images_yield(t->engine, c->reference);
    c->image_part = PART_BUSY;
    c->pull_began_ns = clock_mono_ns();
    t->engine->image_jobs++;
    if (!t->pull_started_at_ms)
        t->pull_started_at_ms = clock_wall_ms();
    job_run(j);
}

/* ---- network ---- */

static void network_work(struct job *j)
{
    j->r =
        work_network(j->engine->host, j->container, j->ports, &j->net, &j->step, &j->err);
}

static void network_done(struct job *j)
{
    struct container *c = j->container;
    c->net_part = PART_DONE;
    if (j->r < 0) {
        engine_container_failed(c, j->step, &j->err);
        return;
    }
    c->net = j->net;
    for (size_t i = 0; i < c->port_count; i++)
        c->ports[i] = j->ports[i];
    c->ports_known = true;
}

void job_network(struct container *c)
{
    struct job *j = job_new("network", c->task, c, network_work, network_done);
    j->ports = xcalloc(c->port_count + 1, sizeof(*j->ports));
    for (size_t i = 0; i < c->port_count; i++)
        j->ports[i] = c->ports[i];
    c->net_part = PART_BUSY;
    job_run(j);
}

/* The VPC may come a moment later than the task: edge and agent hear of it apart. */
#define INTERFACE_LIMIT_NS INT64_C(60000000000)
#define INTERFACE_RETRY_NS INT64_C(200000000)

static void task_network_work(struct job *j)
{
    j->r = task_wiring_attach(j->engine->host, j->task->host, &j->net, &j->err);
}

static void task_network_done(struct job *j)
{
    struct task *t = j->task;
    int64_t now = clock_mono_ns();
    if (t->net_until_ns == 0)
        t->net_until_ns = j->begun_ns + INTERFACE_LIMIT_NS;
    if (j->r == -E_AGAIN && now < t->net_until_ns) {
        t->net_part = PART_TODO;
        t->net_after_ns = now + INTERFACE_RETRY_NS;
        return;
    }
    t->net_part = PART_DONE;
    if (j->r < 0) {
        engine_network_failed(t, &j->err);
        return;
    }
    t->net = j->net;
    t->wired = true;
    report_task(j->engine, t);
}

void job_task_network(struct task *t)
{
    t->net_part = PART_BUSY;
    if (t->engine->host->net) {
        job_run(job_new("interface", t, NULL, task_network_work, task_network_done));
        return;
    }
    t->net_part = PART_DONE;
    engine_network_failed(t, &t->engine->host->net_error);
}

/* ---- create, start ---- */

/* Whatever happened: what does the runtime say? */
static void adopt(struct job *j)
{
    struct error e = ERROR_INIT;
    int r = runtime_adopt(j->engine->host->runtime, j->container->id, &j->state,
                          &j->supervisor_fd, j->r < 0 ? &e : &j->err);
    if (j->r >= 0)
        j->r = r;
    if (r >= 0 && j->state.status == CONTAINER_RUNNING &&
        j->container->def->firelens_configuration)
        firelens_start(j->engine->host, j->task);
}

static void create_work(struct job *j)
{
    struct container *c = j->container;
    struct create_request q = {
        .c = c,
        .image = c->image,
        .net = &c->net,
        .rootfs = c->rootfs,
        .start = true,
        .metadata_base =
            j->engine->metadata ? metadata_base(j->engine->metadata, c) : NULL};
    AUTO_ARENA a = ARENA_INIT;
    if (j->engine->metadata)
        q.credentials_uri =
            metadata_credentials_uri(j->engine->metadata, c, &a, &q.credentials_full);
    if (j->engine->api)
        q.api_url = api_endpoint_url(j->engine->api, c);
    j->r = work_create(j->engine->host, &q, &j->times, &j->step, &j->err);
    if (j->r >= 0)
        adopt(j);
}

static void start_done(struct job *j)
{
    struct container *c = j->container;
    c->busy = false;
    image_free(c->image); /* large, and not needed any more */
    c->image = NULL;
    if (j->r < 0)
        engine_container_failed(c, j->step, &j->err);
    else
        engine_container_state(c, &j->state, j->supervisor_fd);
}

void job_create(struct container *c)
{
    c->busy = true;
    job_run(job_new("create", c->task, c, create_work, start_done));
}

static void restart_work(struct job *j)
{
    j->r = work_restart(j->engine->host, j->container, &j->step, &j->err);
    if (j->r >= 0)
        adopt(j);
}

void job_restart(struct container *c)
{
    c->busy = true;
    job_run(job_new("restart", c->task, c, restart_work, start_done));
}

static void start_work(struct job *j)
{
    j->step = REASON_START;
    j->r = runtime_start(j->engine->host->runtime, j->container->id, &j->err);
    if (j->r >= 0)
        adopt(j);
}

void job_start(struct container *c)
{
    c->busy = true;
    job_run(job_new("start", c->task, c, start_work, start_done));
}

/* ---- stop ---- */

/* A log router is the last to stop: first it gets what is left. */
static void signal_work(struct job *j)
{
    if (j->container->def->firelens_configuration)
        firelens_drain(j->task->id, DRAIN_MS);
    j->r = runtime_signal(j->engine->host->runtime, j->container->id, j->signo, &j->err);
}

static void stop_done(struct job *j)
{
    struct container *c = j->container;
    c->busy = false;
    if (j->r < 0 && j->r != -E_CONFLICT && j->r != -E_NOTFOUND)
        log_line(LOG_WARN, "stopping a container", "task", c->task->arn, "container",
                 c->name, "error", j->err.text, NULL);
    if (j->r < 0 || j->signo == 0)
        c->settle = true;
}

void job_signal(struct container *c, int signo)
{
    struct job *j = job_new("signal", c->task, c, signal_work, stop_done);
    j->signo = signo;
    c->busy = true;
    job_run(j);
}

static void kill_work(struct job *j)
{
    j->r = runtime_kill(j->engine->host->runtime, j->container->id, KILL_DEADLINE_MS,
                        &j->err);
}

void job_kill(struct container *c)
{
    c->busy = true;
    c->kill_due = false;
    job_run(job_new("kill", c->task, c, kill_work, stop_done));
}

/* ---- settle ---- */

static void settle_work(struct job *j)
{
    if (j->found && j->container->def->health_check)
        runtime_end_probes(j->engine->host->runtime, j->container->id);
    adopt(j);
}

static void settle_done(struct job *j)
{
    struct container *c = j->container;
    c->busy = false;
    if (j->r >= 0) {
        engine_container_state(c, &j->state, j->supervisor_fd);
        return;
    }
    log_line(LOG_ERROR, "can't tell what became of a container", "task", c->task->arn,
             "container", c->name, "error", j->err.text, NULL);
}

void job_settle(struct container *c)
{
    struct job *j = job_new("settle", c->task, c, settle_work, settle_done);
    j->found = c->found;
    c->busy = true;
    c->settle = c->found = false;
    job_run(j);
}

/* ---- clean ---- */

#define CLEAN_TRIES    5
#define CLEAN_RETRY_MS 200

static void clean_work(struct job *j)
{
    j->r = work_clean(j->engine->host, j->task, &j->err);
}

static void clean_done(struct job *j)
{
    struct task *t = j->task;
    t->prepared = PART_TODO;
    if (j->r < 0)
        log_line(LOG_ERROR, "cleaning up", "task", t->arn, "error", j->err.text, NULL);
    if (j->r >= 0 || ++t->clean_tries >= CLEAN_TRIES)
        engine_cleaned(t->engine, t);
    else
        engine_clean_later(t, CLEAN_RETRY_MS << t->clean_tries);
}

void job_clean(struct task *t)
{
    t->prepared = PART_BUSY;
    job_run(job_new("clean", t, NULL, clean_work, clean_done));
}
