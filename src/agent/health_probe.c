#include "health_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "health_rule.h"
#include "log.h"
#include "str.h"
#include "telemetry.h"

/* One process. Freed when both polls are closed. */
struct run {
    uv_work_t req;
    struct probe *probe;
    struct exec_process exec;
    uv_poll_t process, output;
    unsigned open; /* of the two polls */
    int out_fd;
    bool running; /* process and output are polled */
    bool killing; /* on a worker */
    bool stale;   /* the container's life is over */
    bool timed_out;
    int r, code;
    struct error err;
    char text[HEALTH_OUTPUT_MAX];
    size_t len;
};

struct probe {
    struct list link; /* engine.probes_waiting while it waits for its turn */
    struct container *c;
    uv_timer_t timer; /* until the next probe, or the deadline of this one */
    struct run *run;  /* NULL: none */
    bool active;
};

static void probe_due(struct probe *p);

static void on_timer(uv_timer_t *timer);

static void arm(struct probe *p, int64_t ms)
{
    uv_timer_start(&p->timer, on_timer, (uint64_t)(ms > 0 ? ms : 1), 0);
}

static void arm_next(struct probe *p)
{
    struct container *c = p->c;
    struct health_rule rule;
    health_rule_of(c->def->health_check, &rule);
    arm(p, health_wait_ms(&rule, &c->health, c->life_started_ms, clock_wall_ms()));
}

static void next_in_line(struct engine *e)
{
    while (!e->stopping && e->probes < PROBES_PARALLEL &&
           !list_empty(&e->probes_waiting)) {
        struct probe *p = list_entry(e->probes_waiting.next, struct probe, link);
        list_remove(&p->link);
        probe_due(p);
    }
}

/* ---- the outcome ---- */

/* What a probe says may be anything; it is shown as JSON. */
static char *as_text(const char *text, size_t len)
{
    char *out = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] ? text[i] : ' ';
    while (len > 0 && !utf8_valid(out, len))
        len--;
    out[len] = 0;
    return out;
}

static void note(struct run *run)
{
    struct container *c = run->probe->c;
    struct health_rule rule;
    AUTO_STR text = STR_INIT;
    health_rule_of(c->def->health_check, &rule);
    if (run->timed_out) {
        str_addf(&text, "Health check exceeded timeout (%ds)",
                 (int)(rule.timeout_ms / 1000));
        if (run->len)
            str_add(&text, ": ");
    } else if (run->r < 0) {
        str_add(&text, run->err.text);
    }
    str_addn(&text, run->text, run->len);
    free(c->health.output);
    c->health.output = as_text(
        str_text(&text), text.len < HEALTH_OUTPUT_MAX ? text.len : HEALTH_OUTPUT_MAX);
    int code = run->timed_out || run->r < 0 ? -1 : run->code;
    if (!health_note(&rule, &c->health, c->life_started_ms, clock_wall_ms(), code))
        return;
    log_line(LOG_INFO, "health", "task", c->task->arn, "container", c->name, "status",
             wire_enum_name(&ecs_health_status_shape, (int)c->health.status), "output",
             c->health.output, NULL);
    telemetry_health(c);
    engine_changed(c->task->engine, c->task, false);
}

static void run_free(struct run *run)
{
    struct probe *p = run->probe;
    struct task *t = p->c->task;
    struct engine *e = t->engine;
    fd_close(&run->out_fd);
    p->run = NULL;
    free(run);
    t->jobs--;
    e->jobs--;
    e->probes--;
    if (p->active)
        arm_next(p);
    next_in_line(e);
    if (!engine_release(e, t))
        engine_advance(e, t);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct run *run = h->data;
    if (--run->open == 0)
        run_free(run);
}

/* Nothing of it runs any more. */
static void run_done(struct run *run)
{
    uv_timer_stop(&run->probe->timer);
    if (!run->stale && !run->probe->c->task->engine->stopping)
        note(run);
    run->running = false;
    if (run->open == 0) {
        run_free(run);
        return;
    }
    uv_close((uv_handle_t *)&run->process, on_poll_closed);
    uv_close((uv_handle_t *)&run->output, on_poll_closed);
}

/* ---- while it runs ---- */

static bool read_output(struct run *run)
{
    char extra[4096] = {0};
    for (;;) {
        size_t room = sizeof(run->text) - run->len;
        ssize_t n = read(run->out_fd, room ? run->text + run->len : extra,
                         room ? room : sizeof(extra));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (room)
            run->len += (size_t)n;
    }
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    struct run *run = poll->data;
    if (!read_output(run))
        uv_poll_stop(poll);
}

static void on_process(uv_poll_t *poll, int status, int events)
{
    struct run *run = poll->data;
    uv_poll_stop(&run->process); /* before the descriptor is closed */
    uv_poll_stop(&run->output);
    read_output(run);
    run->r = exec_wait(&run->exec, 0, &run->code, &run->err);
    run_done(run);
}

static void kill_work(uv_work_t *req)
{
    struct run *run = req->data;
    struct error ignored;
    exec_wait(&run->exec, 0, &run->code, &ignored);
}

static void killed(uv_work_t *req, int status)
{
    struct run *run = req->data;
    run->killing = false;
    read_output(run);
    run_done(run);
}

static void kill_run(struct run *run)
{
    if (!run->running || run->killing)
        return;
    run->killing = true;
    uv_poll_stop(&run->process);
    uv_poll_stop(&run->output);
    uv_queue_work(run->probe->c->task->engine->loop, &run->req, kill_work, killed);
}

/* ---- its start ---- */

static void start_work(uv_work_t *req)
{
    struct run *run = req->data;
    struct container *c = run->probe->c;
    AUTO_ARENA a = ARENA_INIT;
    int ends[2];
    struct exec_request q = {.args = health_command(&a, c->def->health_check),
                             .probe = true};
    if (!q.args) {
        run->r = fail(&run->err, E_INVALID, "no command");
        return;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        run->r = fail_errno(&run->err, errno, "pipe");
        return;
    }
    run->out_fd = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    q.fds[0] = -1;
    q.fds[1] = q.fds[2] = ends[1];
    run->r =
        runtime_exec(c->task->engine->host->runtime, c->id, &q, &run->exec, &run->err);
    close(ends[1]);
}

static void watch(struct run *run)
{
    struct container *c = run->probe->c;
    uv_loop_t *loop = c->task->engine->loop;
    struct health_rule rule;
    uv_poll_init(loop, &run->process, run->exec.pidfd);
    uv_poll_init(loop, &run->output, run->out_fd);
    run->process.data = run->output.data = run;
    run->open = 2;
    run->running = true;
    uv_poll_start(&run->process, UV_READABLE, on_process);
    uv_poll_start(&run->output, UV_READABLE, on_output);
    health_rule_of(c->def->health_check, &rule);
    arm(run->probe, rule.timeout_ms);
}

static void started(uv_work_t *req, int status)
{
    struct run *run = req->data;
    if (run->r < 0) {
        run_done(run);
        return;
    }
    watch(run);
    if (run->stale || run->probe->c->task->engine->stopping)
        kill_run(run);
}

static void probe_due(struct probe *p)
{
    struct task *t = p->c->task;
    struct engine *e = t->engine;
    if (!p->active || p->run || e->stopping)
        return;
    if (e->probes >= PROBES_PARALLEL) {
        list_append(&e->probes_waiting, &p->link);
        return;
    }
    struct run *run = xcalloc(1, sizeof(*run));
    run->probe = p;
    run->out_fd = -1;
    run->exec.pidfd = -1;
    run->req.data = run;
    p->run = run;
    t->jobs++;
    e->jobs++;
    e->probes++;
    uv_queue_work(e->loop, &run->req, start_work, started);
}

static void on_timer(uv_timer_t *timer)
{
    struct probe *p = timer->data;
    if (!p->run) {
        probe_due(p);
        return;
    }
    p->run->timed_out = true;
    kill_run(p->run);
}

/* ---- its life ---- */

void probe_begin(struct container *c)
{
    if (!c->def->health_check || c->task->engine->stopping)
        return;
    if (!c->probe) {
        c->probe = xcalloc(1, sizeof(*c->probe));
        list_init(&c->probe->link);
        c->probe->c = c;
        uv_timer_init(c->task->engine->loop, &c->probe->timer);
        c->probe->timer.data = c->probe;
        c->task->handles++;
    }
    if (c->probe->active)
        return;
    c->probe->active = true;
    if (!c->probe->run)
        arm_next(c->probe);
}

void probe_end(struct container *c)
{
    struct probe *p = c->probe;
    if (!p || !p->active)
        return;
    p->active = false;
    list_remove(&p->link);
    uv_timer_stop(&p->timer);
    if (p->run) {
        p->run->stale = true;
        kill_run(p->run);
    }
}

static void on_timer_closed(uv_handle_t *h)
{
    struct probe *p = h->data;
    struct task *t = p->c->task;
    p->c->probe = NULL;
    free(p);
    t->handles--;
    engine_release(t->engine, t);
}

void probe_close(struct container *c)
{
    if (!c->probe || uv_is_closing((uv_handle_t *)&c->probe->timer))
        return;
    probe_end(c);
    uv_close((uv_handle_t *)&c->probe->timer, on_timer_closed);
}

void probes_stop(struct engine *e)
{
    list_for_each (it, &e->tasks) {
        struct task *t = list_entry(it, struct task, link);
        for (size_t i = 0; i < t->container_count; i++)
            probe_end(&t->containers[i]);
    }
}
