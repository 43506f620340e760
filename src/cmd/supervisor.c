#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_joined.h"
#include "clock.h"
#include "fd.h"
#include "log.h"
#include "log_bound.h"
#include "part.h"
#include "signal_action.h"

#define STOP_PATIENCE_NS (20 * INT64_C(1000000000))
#define LOOK_AT_LOG_MS   60000

struct supervisor {
    const struct supervisor_config *config;
    struct part parts[PART_COUNT];
    struct run_record record;
    int signal_fd;
    pid_t prober; /* waits for the agent to be connected; 0: none */
    int prober_fd;
    bool joined, edge_ready; /* what `ready` waits for */
    bool ready, stopping;
    int early_ends;
    int64_t kill_ns; /* while stopping: when patience ends */
    int failure;     /* negative: why we stop */
    struct error *err;
};

/* ---- the record ---- */

static void save_record(struct supervisor *s)
{
    struct error err;
    if (!s->record.url)
        return;
    for (enum part_id p = 0; p < PART_COUNT; p++)
        s->record.parts[p] = s->parts[p].process;
    if (run_record_write(s->config->layout->record_path, &s->record, &err) < 0)
        log_line(LOG_ERROR, "the record of this run can't be written", "error", err.text,
                 NULL);
}

static void fill_record(struct supervisor *s)
{
    const struct options *o = s->config->options;
    const struct layout *l = s->config->layout;
    s->record = (struct run_record){
        .url = "",
        .region = o->region,
        .account_id = o->account_id,
        .data_dir = l->data_dir,
        .run_dir = l->run_dir,
        .run_id = l->run_id,
        .dev = o->dev,
        .hosts_file = o->no_edge ? "" : o->hosts_file,
        .up = process_identify(getpid()),
    };
}

/* ---- stopping ---- */

/* The agents first, the server last: so their last reports still find it. */
static void stop_next(struct supervisor *s)
{
    bool agents = false;
    s->kill_ns = clock_mono_ns() + STOP_PATIENCE_NS;
    for (enum part_id p = PART_AGENT; p < PART_COUNT; p++) {
        if (!part_runs(&s->parts[p]))
            continue;
        agents = true;
        part_signal(&s->parts[p], SIGTERM);
    }
    if (agents)
        return;
    bool edge = part_runs(&s->parts[PART_EDGE]);
    part_signal(&s->parts[edge ? PART_EDGE : PART_SERVER], SIGTERM);
}

static void stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    if (s->prober)
        kill(s->prober, SIGKILL);
    stop_next(s);
}

static void stop_failed(struct supervisor *s, int r)
{
    if (s->failure == 0)
        s->failure = r;
    stop(s);
}

static bool all_ended(const struct supervisor *s)
{
    for (enum part_id p = 0; p < PART_COUNT; p++)
        if (part_runs(&s->parts[p]))
            return false;
    return !s->prober;
}

/* ---- starting ---- */

/* What up was told about the instance is not the pool's: attributes and a subnet of its
 * own; who asks at localhost means the instance. */
static void settle_agent(struct options *o, enum part_id id)
{
    o->share = o->fargate_share;
    if (id == PART_AGENT) {
        o->share = o->fargate_share > 0 ? 100 - o->fargate_share : 0;
        return;
    }
    o->attributes.count = 0;
    o->subnet = NULL;
    o->introspection = "off";
    o->no_task_role = o->no_task_role_host = false;
}

static size_t add_agent_args(const struct supervisor *s, struct options *o,
                             enum part_id id, const char **args, size_t n)
{
    if (o->share > 0)
        args[n++] = arena_printf(&o->arena, "--share=%d", (int)o->share);
    if (id == PART_FARGATE)
        args[n++] = "--fargate";
    if (!o->no_edge)
        args[n++] = arena_printf(&o->arena, "--vpc-dir=%s", s->config->layout->vpc_dir);
    return n;
}

static size_t add_args(const struct supervisor *s, struct options *o, enum part_id id,
                       const char **args, size_t n)
{
    if (id != PART_SERVER)
        args[n++] = arena_printf(&o->arena, "--server=%s", s->record.url);
    return id >= PART_AGENT ? add_agent_args(s, o, id, args, n) : n;
}

static void start_part(struct supervisor *s, struct part *p)
{
    static const struct {
        enum command_bit bit;
        const char *name;
    } commands[] = {{CMD_SERVER, "server"},
                    {CMD_EDGE, "edge"},
                    {CMD_AGENT, "agent"},
                    {CMD_AGENT, "agent"}};
    struct error err = ERROR_INIT;
    struct options *o = s->config->options;
    size_t n = 0, count;
    /* Made anew each time in an arena of its own: restarts must not add up. */
    struct options copy = *o;
    copy.arena = (struct arena)ARENA_INIT;
    if (p->id >= PART_AGENT)
        settle_agent(&copy, p->id);
    const char **forwarded = options_forward(&copy, commands[p->id].bit, 0, &count);
    const char **args = arena_new_array(&copy.arena, const char *, count + 8);
    args[n++] = "gantry";
    args[n++] = commands[p->id].name;
    for (size_t i = 0; i < count; i++)
        args[n++] = forwarded[i];
    n = add_args(s, &copy, p->id, args, n);
    int r = part_start(p, args, n, &err);
    arena_free(&copy.arena);
    if (r < 0) {
        log_line(LOG_ERROR, "a part could not be started", "part", part_name(p->id),
                 "error", err.text, NULL);
        p->restart_ns = clock_mono_ns() + p->backoff_ms * 1000000;
    }
    save_record(s);
}

static void start_prober(struct supervisor *s)
{
    pid_t parent = getpid();
    s->prober = fork();
    if (s->prober == 0) {
        /* A process of its own, as it loads the HTTP client, which the supervisor would
         * keep in memory for ever. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        _exit(agent_joined_wait(s->config->layout, &s->record) == 0 ? 0 : 1);
    }
    if (s->prober < 0) {
        s->prober = 0;
        stop_failed(s, fail_errno(s->err, errno, "fork"));
        return;
    }
    s->prober_fd = pidfd_open(s->prober, 0);
}

/* ---- events ---- */

/* The machine has joined, and its networks are there. */
static void look_ready(struct supervisor *s)
{
    if (s->ready || !s->joined || !s->edge_ready)
        return;
    s->ready = true;
    log_line(LOG_INFO, "ready", "url", s->record.url, NULL);
    s->config->ready(s->config->ctx, s->record.url);
}

static void on_server_ready(struct supervisor *s, const char *url)
{
    struct options *o = s->config->options;
    if (*s->record.url) {
        save_record(s);
        return;
    }
    /* With port 0 the kernel chose one: restarts must have the same. */
    s->record.url = arena_strdup(&o->arena, url);
    o->listen = s->record.url + strlen("http://");
    save_record(s);
    if (!o->no_edge)
        start_part(s, &s->parts[PART_EDGE]);
    start_part(s, &s->parts[PART_AGENT]);
    if (!o->no_fargate)
        start_part(s, &s->parts[PART_FARGATE]);
    start_prober(s);
}

static void on_pipe(struct supervisor *s, struct part *p)
{
    const char *text = NULL;
    enum part_word word = part_read(p, &text);
    if (word == PART_SAID_READY && p->id == PART_SERVER && !s->stopping)
        on_server_ready(s, text);
    if (word == PART_SAID_READY && p->id == PART_EDGE && !s->stopping) {
        s->edge_ready = true;
        look_ready(s);
    }
    if (word != PART_SAID_FAILED)
        return;
    log_line(LOG_ERROR, "a part can't begin", "part", part_name(p->id), "error", text,
             NULL);
    if (!s->ready)
        stop_failed(
            s, fail(s->err, E_EXEC, "the %s did not start: %s", part_name(p->id), text));
}

static void on_part_end(struct supervisor *s, struct part *p)
{
    AUTO_STR how = STR_INIT;
    if (p->pipe >= 0)
        on_pipe(s, p); /* its last words, if they are still unread */
    part_ended(p, &how);
    if (s->stopping) {
        stop_next(s);
        return;
    }
    log_line(LOG_WARN, "a part ended and is started again", "part", part_name(p->id),
             "how", how.data, NULL);
    save_record(s);
    if (p->id == PART_SERVER && !p->said_ready)
        stop_failed(s,
                    fail(s->err, E_EXEC, "the server ended at its start: %s", how.data));
}

static void on_prober_end(struct supervisor *s)
{
    siginfo_t info = {0};
    while (waitid(P_PID, (id_t)s->prober, &info, WEXITED) < 0 && errno == EINTR)
        ;
    s->prober = 0;
    fd_close(&s->prober_fd);
    if (s->stopping)
        return;
    if (info.si_code == CLD_EXITED && info.si_status == 0) {
        s->joined = true;
        look_ready(s);
        return;
    }
    stop_failed(s, fail(s->err, E_TIMEOUT,
                        "the agent of this machine did not connect within %d s; its log "
                        "lines say why%s%s",
                        AGENT_JOINED_SECONDS, s->config->options->detach ? ": " : "",
                        s->config->options->detach ? s->config->layout->log_path : ""));
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    log_line(LOG_INFO, "stopping", NULL);
    if (!s->ready)
        stop_failed(s, fail(s->err, E_CANCELLED, "stopped before it was ready"));
    stop(s);
}

/* ---- the loop ---- */

static int wait_ms(struct supervisor *s)
{
    int64_t now = clock_mono_ns(), until = now + LOOK_AT_LOG_MS * INT64_C(1000000);
    for (enum part_id p = 0; p < PART_COUNT && !s->stopping; p++)
        if (s->parts[p].restart_ns && s->parts[p].restart_ns < until)
            until = s->parts[p].restart_ns;
    if (s->stopping && s->kill_ns < until)
        until = s->kill_ns;
    return until <= now ? 0 : (int)((until - now) / 1000000 + 1);
}

static void on_time(struct supervisor *s)
{
    int64_t now = clock_mono_ns();
    log_bound(s->config->layout->log_path, LOG_BOUND_BYTES);
    for (enum part_id i = 0; i < PART_COUNT; i++) {
        struct part *p = &s->parts[i];
        if (s->stopping && now >= s->kill_ns && part_runs(p)) {
            log_line(LOG_WARN, "a part does not end and is killed", "part", part_name(i),
                     NULL);
            part_signal(p, SIGKILL);
        }
        if (!s->stopping && p->restart_ns && now >= p->restart_ns)
            start_part(s, p);
    }
}

enum {
    SLOT_SIGNAL,
    SLOT_WATCH,
    SLOT_PROBER,
    SLOT_PIDS,
    SLOT_PIPES = SLOT_PIDS + PART_COUNT,
    SLOT_COUNT = SLOT_PIPES + PART_COUNT
};

static void fill_slots(const struct supervisor *s, struct pollfd slots[SLOT_COUNT])
{
    slots[SLOT_SIGNAL] = (struct pollfd){s->signal_fd, POLLIN, 0};
    /* No events asked: only POLLERR, which says that the pipe's reader is gone. */
    slots[SLOT_WATCH] = (struct pollfd){s->ready ? -1 : s->config->watch_fd, 0, 0};
    slots[SLOT_PROBER] = (struct pollfd){s->prober ? s->prober_fd : -1, POLLIN, 0};
    for (int p = 0; p < PART_COUNT; p++) {
        slots[SLOT_PIDS + p] = (struct pollfd){s->parts[p].pidfd, POLLIN, 0};
        slots[SLOT_PIPES + p] = (struct pollfd){s->parts[p].pipe, POLLIN, 0};
    }
}

static void turn(struct supervisor *s)
{
    struct pollfd slots[SLOT_COUNT];
    fill_slots(s, slots);
    int n = poll(slots, SLOT_COUNT, wait_ms(s));
    if (n < 0)
        return;
    for (int p = 0; p < PART_COUNT; p++)
        if (slots[SLOT_PIPES + p].revents)
            on_pipe(s, &s->parts[p]);
    for (int p = 0; p < PART_COUNT; p++)
        if (slots[SLOT_PIDS + p].revents)
            on_part_end(s, &s->parts[p]);
    if (slots[SLOT_PROBER].revents)
        on_prober_end(s);
    if (slots[SLOT_SIGNAL].revents)
        on_signal(s);
    if (slots[SLOT_WATCH].revents)
        stop_failed(s, fail(s->err, E_CANCELLED, "nobody waits for it any more"));
    on_time(s);
}

static int open_signals(int *ret_fd, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal_action(SIGPIPE, SIG_IGN);
    signal_action(SIGHUP, SIG_IGN); /* a terminal that closes is no order to stop */
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return *ret_fd < 0 ? fail_errno(err, errno, "signalfd") : 0;
}

int supervisor_run(const struct supervisor_config *config, struct error *err)
{
    struct supervisor s = {
        .config = config, .signal_fd = -1, .prober_fd = -1, .err = err};
    for (enum part_id p = 0; p < PART_COUNT; p++)
        part_init(&s.parts[p], p);
    int r = open_signals(&s.signal_fd, err);
    if (r < 0)
        return r;
    fill_record(&s);
    s.edge_ready = config->options->no_edge;
    start_part(&s, &s.parts[PART_SERVER]);
    while (!s.stopping || !all_ended(&s))
        turn(&s);
    s.record.up = (struct process_id){0};
    save_record(&s);
    for (enum part_id p = 0; p < PART_COUNT; p++) {
        fd_close(&s.parts[p].pipe);
        str_free(&s.parts[p].said);
    }
    fd_close(&s.signal_fd);
    log_line(LOG_INFO, "stopped", NULL);
    return s.failure;
}
