/* The supervisor's start.
 *
 * conmon is told two descriptors by environment: it waits on the start pipe until we have
 * put it into the supervisors' group, and writes one JSON line to the sync pipe when the
 * OCI runtime made the container: {"data": pid}, or {"data": -1, "message": text}. It
 * forks into a session of its own and outlives us.
 *
 * Moving a process between cgroups waits for an RCU grace period (about 10 ms) unless
 * another move was just made; so on v1 the move overlaps with conmon's own start, and
 * makes the runtime's moves that follow cheap. On v2 conmon is born in the group. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "crun.h"
#include "fd.h"
#include "spawn.h"

#define ARGS_MAX    48
#define VERDICT_MAX 65536

struct pipes {
    int sync[2], start[2];
};

static void pipes_close(struct pipes *p)
{
    fd_close(&p->sync[0]);
    fd_close(&p->sync[1]);
    fd_close(&p->start[0]);
    fd_close(&p->start[1]);
}

static size_t build_args(const struct crun *c, const struct container_create *cc,
                         struct arena *a, const char *args[ARGS_MAX])
{
    const char *dir = arena_printf(a, "%s/containers/%s", c->run_dir, cc->id);
    size_t n = 0;
#define ADD(x) args[n++] = (x)
    ADD("conmon");
    ADD("--api-version"), ADD("1");
    ADD("-c"), ADD(cc->id);
    ADD("-u"), ADD(cc->id);
    ADD("-n"), ADD(str_empty(cc->name) ? cc->id : cc->name);
    ADD("-r"), ADD(c->program);
    ADD("--runtime-arg"), ADD("--root");
    ADD("--runtime-arg"), ADD(c->state_root);
    ADD("-b"), ADD(dir);
    ADD("-p"), ADD(arena_printf(a, "%s/pid", dir));
    ADD("-P"), ADD(arena_printf(a, "%s/conmon.pid", dir));
    ADD("--exit-dir"), ADD(arena_printf(a, "%s/exits", c->run_dir));
    ADD("--persist-dir"), ADD(dir);
    ADD("--socket-dir-path"), ADD(dir);
    ADD("--full-attach");
    ADD("--no-sync-log");
    ADD("--log-level"), ADD("error");
    ADD("-l");
    ADD(cc->log == LOG_NONE ? "none" : arena_printf(a, "k8s-file:%s", cc->log_path));
    if (cc->log == LOG_FILE && cc->log_max_bytes > 0)
        ADD("--log-size-max"), ADD(arena_printf(a, "%lld", (long long)cc->log_max_bytes));
    if (cc->terminal)
        ADD("-t");
    if (cc->stdin_open)
        ADD("-i");
    args[n] = NULL;
#undef ADD
    return n;
}

/* Nothing of the agent's environment reaches a supervisor: it may hold credentials. */
static void build_env(const struct pipes *p, struct arena *a, const char *env[4])
{
    env[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    env[1] = arena_printf(a, "_OCI_SYNCPIPE=%d", p->sync[1]);
    env[2] = arena_printf(a, "_OCI_STARTPIPE=%d", p->start[0]);
    env[3] = NULL;
}

/* Its own error output goes to a file of the bundle: nobody may be there to read a pipe. */
static int open_messages(const struct crun *c, const char *id)
{
    AUTO_STR path = STR_INIT;
    bundle_path(c, id, "conmon.log", &path);
    return open(path.data, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int launch(struct crun *c, const struct container_create *cc, struct pipes *p,
                  pid_t *ret, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *args[ARGS_MAX], *env[4];
    build_args(c, cc, &a, args);
    build_env(p, &a, env);
    AUTO_FD messages = open_messages(c, cc->id);
    AUTO_STR bundle = STR_INIT; /* it leaves a file "oom" where it stands */
    bundle_path(c, cc->id, NULL, &bundle);
    /* The reading end too: without it a supervisor whose agent died would fail to write its
     * verdict, and end. */
    int keep[3] = {p->sync[1], p->start[0], p->sync[0]};
    struct spawn s = {.path = c->conmon,
                      .argv = args,
                      .envp = env,
                      .cwd = bundle.data,
                      .fds = {-1, -1, messages},
                      .keep = keep,
                      .keep_count = 3,
                      .cgroup_fd = c->supervisor_fd,
                      .new_session = true,
                      .die_with_us = true};
    return spawn_start(&s, ret, NULL, err);
}

/* Reads until a whole line or the end. */
static int read_verdict(int fd, struct str *line, struct error *err)
{
    int64_t end = clock_mono_ns() + CREATE_TIMEOUT_MS * 1000000LL;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = (end - clock_mono_ns()) / 1000000;
        if (left <= 0)
            return fail(err, E_TIMEOUT, "no answer within %d s",
                        CREATE_TIMEOUT_MS / 1000);
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return fail_errno(err, errno, "poll");
        char buf[4096];
        if (!p.revents)
            continue;
        ssize_t n = read(fd, buf, sizeof(buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || line->len > VERDICT_MAX)
            return 0;
        str_addn(line, buf, (size_t)n);
        if (memchr(buf, '\n', (size_t)n))
            return 0;
    }
}

static int judge(struct crun *c, const char *id, const char *verdict, struct error *err)
{
    json_t *o = json_loads(verdict, JSON_DISABLE_EOF_CHECK, NULL);
    json_int_t data = json_integer_value(json_object_get(o, "data"));
    const char *message = json_string_value(json_object_get(o, "message"));
    AUTO_STR text = STR_INIT, path = STR_INIT, own = STR_INIT;
    int r = 0;
    if (data <= 0) {
        if (str_empty(message)) { /* then the supervisor itself had a problem */
            bundle_path(c, id, "conmon.log", &path);
            struct error ignored;
            file_read(AT_FDCWD, path.data, VERDICT_MAX, &own, &ignored);
            message = str_text(&own);
        }
        crun_message(message, &text);
        r = fail(err, E_EXEC, "%s",
                 text.len ? text.data : "conmon ended without an answer");
    }
    json_decref(o);
    return r;
}

int conmon_create(struct crun *c, const struct container_create *cc, struct error *err)
{
    struct pipes p = {{-1, -1}, {-1, -1}};
    if (pipe2(p.sync, O_CLOEXEC) < 0 || pipe2(p.start, O_CLOEXEC) < 0) {
        int e = errno;
        pipes_close(&p);
        return fail_errno(err, e, "pipe");
    }
    pid_t pid = 0;
    int r = launch(c, cc, &p, &pid, err);
    fd_close(&p.sync[1]);
    fd_close(&p.start[0]);
    if (r == 0 && c->supervisor_fd < 0)
        r = cgroup_supervisor_add(&c->cgroups, pid, err);
    AUTO_STR verdict = STR_INIT;
    if (r == 0)
        r = fd_write_all(p.start[1], "go", 2, err);
    if (r == 0)
        r = read_verdict(p.sync[0], &verdict, err);
    if (pid > 0) {
        if (r < 0)
            kill(pid, SIGKILL);
        spawn_reap(pid, NULL); /* the part that forked; it ends at once */
    }
    pipes_close(&p);
    return r < 0 ? r : judge(c, cc->id, str_text(&verdict), err);
}
