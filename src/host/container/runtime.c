/* Containers under crun and conmon: their life, seen from the files that it leaves. */
#include "runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "crun.h"
#include "fd.h"
#include "spawn.h"

static const char *const status_names[] = {"NONE", "CREATED", "RUNNING", "STOPPED"};
_Static_assert(sizeof(status_names) / sizeof(status_names[0]) == CONTAINER_STOPPED + 1,
               "a name for every status");

const char *container_status_name(enum container_status status)
{
    return (unsigned)status <= CONTAINER_STOPPED ? status_names[status] : "UNKNOWN";
}

static bool fd_ready(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int r;
    do
        r = poll(&p, 1, timeout_ms);
    while (r < 0 && errno == EINTR);
    return r > 0;
}

static int64_t file_time_ms(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return 0;
    return st.st_mtim.tv_sec * 1000LL + st.st_mtim.tv_nsec / 1000000;
}

static int check_id(const char *id, struct error *err)
{
    return container_id_valid(id) ? 0
                                  : fail(err, E_INVALID, "'%s' is no container id", id);
}

/* --- state --- */

static int read_exit(struct crun *c, const char *id, struct container_exit *ret,
                     struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    exit_path(c, id, &path);
    int r = file_read(AT_FDCWD, path.data, 64, &text, err);
    if (r < 0)
        return r;
    struct container_names names;
    struct error ignored;
    ret->code = (int)strtol(str_text(&text), NULL, 10) & 0xff;
    ret->finished_ms = file_time_ms(path.data);
    ret->abandoned = bundle_has(c, id, "abandoned");
    ret->oom_killed = bundle_has(c, id, "oom");
    if (!ret->oom_killed && bundle_names(c, id, &names, &ignored) == 0)
        cgroup_oom_killed(&c->cgroups, names.task, names.container, &ret->oom_killed,
                          &ignored);
    return 0;
}

/* Only the OCI runtime knows whether a container began; asked only when the mark of a
 * successful start is missing, which is between create and start. One that it calls stopped
 * counts as running: its exit record is about to come. */
static enum container_status ask_status(struct crun *c, const char *id)
{
    const char *args[] = {"state", id, NULL};
    AUTO_STR out = STR_INIT;
    struct error ignored;
    if (crun_run(c, args, START_TIMEOUT_MS, &out, &ignored) < 0)
        return CONTAINER_RUNNING;
    json_t *o = json_loads(str_text(&out), 0, NULL);
    const char *s = json_string_value(json_object_get(o, "status"));
    enum container_status status =
        streq(s, "created") ? CONTAINER_CREATED : CONTAINER_RUNNING;
    json_decref(o);
    return status;
}

static bool exit_exists(struct crun *c, const char *id)
{
    AUTO_STR path = STR_INIT;
    exit_path(c, id, &path);
    return access(path.data, F_OK) == 0;
}

static int op_state(struct runtime *rt, const char *id, struct container_state *ret,
                    struct error *err)
{
    struct crun *c = crun_of(rt);
    struct container_state st = {0};
    AUTO_STR path = STR_INIT;
    int r = check_id(id, err);
    if (r < 0)
        return r;
    bundle_path(c, id, NULL, &path);
    if (access(path.data, F_OK) < 0) {
        *ret = st;
        return 0;
    }
    bundle_path(c, id, "pid", &path);
    st.created_ms = file_time_ms(path.data);
    bundle_path(c, id, "started", &path);
    st.started_ms = file_time_ms(path.data);
    AUTO_FD first = first_process_open(c, id, &st.pid);
    AUTO_FD supervisor = supervisor_open(c, id, &st.supervisor_pid);
    enum container_status status = CONTAINER_NONE; /* half made */
    if (st.started_ms || (st.created_ms && first < 0))
        status = CONTAINER_RUNNING; /* without a first process: just ending */
    else if (st.created_ms && !exit_exists(c, id))
        status = ask_status(c, id);
    /* Last, so that a container which ends meanwhile is not taken for one that runs. */
    r = read_exit(c, id, &st.exit, err);
    if (r == 0) {
        st.status = CONTAINER_STOPPED;
        st.pid = 0;
    } else if (r != -E_NOTFOUND) {
        return wrap(err, "exit of container '%s'", id);
    } else {
        st.status = status;
    }
    *ret = st;
    return 0;
}

/* --- life --- */

static int write_bundle(struct crun *c, const struct container_create *cc,
                        struct error *err)
{
    AUTO_STR path = STR_INIT, names = STR_INIT;
    bundle_path(c, cc->id, NULL, &path);
    int r = dir_make_all(path.data, 0700, err);
    if (r < 0)
        return r;
    /* Not durable on purpose: after a power loss there is no container to find. */
    str_addf(&names, "%s\n%s\n", cc->task, cc->container);
    bundle_path(c, cc->id, "names", &path);
    r = file_replace(path.data, names.data, names.len, 0600, 0, err);
    if (r < 0)
        return r;
    bundle_path(c, cc->id, "config.json", &path);
    return file_replace(path.data, cc->config_json, cc->config_len, 0600, 0, err);
}

static int op_remove(struct runtime *rt, const char *id, struct error *err);

static int op_create(struct runtime *rt, const struct container_create *cc,
                     struct error *err)
{
    struct crun *c = crun_of(rt);
    struct container_state st;
    int r = op_state(rt, cc->id, &st, err);
    if (r < 0)
        return r;
    if (st.status == CONTAINER_CREATED && st.supervisor_pid)
        return 0;
    if (st.status == CONTAINER_RUNNING || st.status == CONTAINER_STOPPED)
        return fail(err, E_EXISTS, "container '%s' is %s", cc->id,
                    container_status_name(st.status));
    AUTO_STR path = STR_INIT;
    bundle_path(c, cc->id, NULL, &path);
    if (access(path.data, F_OK) == 0)
        r = op_remove(rt, cc->id, err); /* half made by an earlier life */
    exit_path(c, cc->id, &path);
    if (r == 0 && unlink(path.data) < 0 && errno != ENOENT)
        r = fail_errno(err, errno, "remove '%s'", path.data);
    if (r == 0)
        r = write_bundle(c, cc, err);
    if (r < 0)
        return wrap(err, "container '%s'", cc->id);
    r = conmon_create(c, cc, err);
    if (r < 0) {
        struct error ignored;
        op_remove(rt, cc->id, &ignored); /* the first failure is the one to tell */
    }
    return r;
}

static int op_start(struct runtime *rt, const char *id, struct error *err)
{
    struct crun *c = crun_of(rt);
    const char *args[] = {"start", id, NULL};
    int r = check_id(id, err);
    if (r < 0)
        return r;
    if (bundle_has(c, id, "started"))
        return 0;
    r = crun_run(c, args, START_TIMEOUT_MS, NULL, err);
    if (r < 0) {
        struct container_state st;
        struct error ignored;
        if (op_state(rt, id, &st, &ignored) < 0)
            return r;
        if (st.status == CONTAINER_NONE)
            return fail(err, E_NOTFOUND, "container '%s' is not there", id);
        if (st.status == CONTAINER_CREATED)
            return r;
    }
    return bundle_mark(c, id, "started", err);
}

static int op_signal(struct runtime *rt, const char *id, int signo, struct error *err)
{
    int r = check_id(id, err);
    if (r < 0)
        return r;
    AUTO_FD first = first_process_open(crun_of(rt), id, NULL);
    if (first < 0 || fd_ready(first, 0))
        return fail(err, E_CONFLICT, "container '%s' is not running", id);
    if (syscall(SYS_pidfd_send_signal, first, signo, NULL, 0) < 0)
        return errno == ESRCH ? fail(err, E_CONFLICT, "container '%s' is not running", id)
                              : fail_errno(err, errno, "signal container '%s'", id);
    return 0;
}

static int op_kill(struct runtime *rt, const char *id, int deadline_ms, struct error *err)
{
    struct crun *c = crun_of(rt);
    struct container_names names;
    int r = check_id(id, err);
    if (r < 0)
        return r;
    r = bundle_names(c, id, &names, err);
    if (r == -E_NOTFOUND)
        return 0;
    /* The first process by its own handle as well: it may have no cgroup yet. */
    AUTO_FD first = first_process_open(c, id, NULL);
    if (first >= 0)
        syscall(SYS_pidfd_send_signal, first, SIGKILL, NULL, 0);
    return r < 0
               ? r
               : cgroup_kill(&c->cgroups, names.task, names.container, deadline_ms, err);
}

/* The supervisor ends by itself after its container; one that hangs is ended. */
static int end_supervisor(struct crun *c, const char *id, struct error *err)
{
    AUTO_FD fd = supervisor_open(c, id, NULL);
    if (fd < 0 || fd_ready(fd, 2000))
        return 0;
    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    return fd_ready(fd, REMOVE_TIMEOUT_MS)
               ? 0
               : fail(err, E_TIMEOUT, "supervisor of '%s' does not end", id);
}

static int op_remove(struct runtime *rt, const char *id, struct error *err)
{
    struct crun *c = crun_of(rt);
    AUTO_STR path = STR_INIT, state = STR_INIT;
    int r = check_id(id, err);
    if (r < 0)
        return r;
    bundle_path(c, id, NULL, &path);
    if (access(path.data, F_OK) == 0 && !bundle_has(c, id, "started"))
        r = bundle_end_makers(c, id, REMOVE_TIMEOUT_MS, err);
    if (r == 0)
        r = op_kill(rt, id, REMOVE_TIMEOUT_MS, err);
    if (r < 0)
        return r;
    struct container_names names;
    struct error ignored;
    bool named = bundle_names(c, id, &names, &ignored) == 0;
    if (named)
        r = end_supervisor(c, id, err);
    str_addf(&state, "%s/%s", c->state_root, id);
    const char *args[] = {"delete", "--force", id, NULL};
    if (r == 0 && access(state.data, F_OK) == 0 &&
        crun_run(c, args, REMOVE_TIMEOUT_MS, NULL, &ignored) < 0)
        r = dir_remove_all(state.data,
                           err); /* half-written state that it does not read */
    if (r == 0 && named)
        r = cgroup_remove(&c->cgroups, names.task, names.container, err);
    exit_path(c, id, &path);
    if (r == 0)
        unlink(path.data);
    bundle_path(c, id, NULL, &path);
    if (r == 0)
        r = dir_remove_all(path.data, err);
    return r < 0 ? wrap(err, "removing container '%s'", id) : 0;
}

static int op_each(struct runtime *rt, void (*each)(void *arg, const char *id), void *arg,
                   struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/containers", crun_of(rt)->run_dir);
    DIR *d = opendir(path.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", path.data);
    struct dirent *e;
    while ((e = readdir(d)))
        if (container_id_valid(e->d_name))
            each(arg, e->d_name);
    closedir(d);
    return 0;
}

/* --- adoption --- */

/* A container without its supervisor has nobody who reads its output or its end. */
static int abandon(struct crun *c, const char *id, struct error *err)
{
    AUTO_STR path = STR_INIT;
    int r = op_kill(&c->base, id, REMOVE_TIMEOUT_MS, err);
    if (r == 0)
        r = bundle_mark(c, id, "abandoned", err);
    exit_path(c, id, &path);
    return r < 0 ? r : file_replace(path.data, "137", 3, 0600, 0, err);
}

/* A supervisor that is just making its container: its verdict is the pid file or its
 * end. */
static void wait_made(struct crun *c, const char *id, int supervisor)
{
    int64_t end = clock_mono_ns() + CREATE_TIMEOUT_MS * 1000000LL;
    while (!bundle_has(c, id, "pid") && clock_mono_ns() < end &&
           !fd_ready(supervisor, 10))
        ;
}

static int settle(struct crun *c, const char *id, struct container_state *ret,
                  struct error *err)
{
    int r = op_state(&c->base, id, ret, err);
    if (r < 0 || ret->status == CONTAINER_STOPPED)
        return r;
    /* One that never began can be made again; one that may have done something can't. */
    bool begun = bundle_has(c, id, "started") ||
                 (bundle_has(c, id, "pid") && ask_status(c, id) != CONTAINER_CREATED);
    r = begun ? abandon(c, id, err) : op_remove(&c->base, id, err);
    return r < 0 ? r : op_state(&c->base, id, ret, err);
}

/* On v1 the agent may have died between the supervisor's start and its move: then it would
 * end with the group of the agent. The container runs all the same, hence no failure. */
static void regroup(struct crun *c, pid_t supervisor)
{
    struct error ignored;
    if (!cgroup_supervisor_has(&c->cgroups, supervisor))
        cgroup_supervisor_add(&c->cgroups, supervisor, &ignored);
}

static int op_adopt(struct runtime *rt, const char *id, struct container_state *ret,
                    int *ret_pidfd, struct error *err)
{
    struct crun *c = crun_of(rt);
    pid_t pid = 0;
    *ret_pidfd = -1;
    int r = check_id(id, err);
    if (r < 0)
        return r;
    AUTO_FD supervisor = supervisor_open(c, id, &pid);
    if (supervisor >= 0) {
        wait_made(c, id, supervisor);
        regroup(c, pid);
    }
    if (supervisor < 0 || fd_ready(supervisor, 0))
        return settle(c, id, ret, err);
    r = op_state(rt, id, ret, err);
    if (r == 0 && ret->status != CONTAINER_STOPPED)
        *ret_pidfd = fd_take(&supervisor);
    return r;
}

/* --- the backend --- */

static void op_free(struct runtime *rt)
{
    struct crun *c = crun_of(rt);
    fd_close(&c->supervisor_fd);
    free(c->run_dir);
    free(c->program);
    free(c->conmon);
    free(c->state_root);
    free(c);
}

static const struct runtime_ops crun_ops = {
    .name = "crun",
    .create = op_create,
    .start = op_start,
    .signal = op_signal,
    .kill = op_kill,
    .remove = op_remove,
    .state = op_state,
    .each = op_each,
    .adopt = op_adopt,
    .exec = crun_exec,
    .end_probes = crun_end_probes,
    .free = op_free,
};

static int make_dirs(struct crun *c, struct error *err)
{
    static const char *const names[] = {"containers", "exits", "crun"};
    AUTO_STR path = STR_INIT;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        str_clear(&path);
        str_addf(&path, "%s/%s", c->run_dir, names[i]);
        int r = dir_make_all(path.data, 0700, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int open_supervisors(struct crun *c, struct error *err)
{
    int r = cgroup_supervisor_create(&c->cgroups, err);
    if (r < 0 || c->cgroups.version == CGROUP_V1)
        return r;
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/gantry-%s/conmon", c->cgroups.root, c->cgroups.run);
    c->supervisor_fd = open(dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return c->supervisor_fd < 0 ? fail_errno(err, errno, "open '%s'", dir.data) : 0;
}

int runtime_open(const struct runtime_config *config, struct runtime **ret,
                 struct error *err)
{
    struct crun *c = xcalloc(1, sizeof(*c));
    c->base.ops = &crun_ops;
    c->cgroups = config->cgroups;
    c->supervisor_fd = -1;
    c->run_dir = xstrdup(config->run_dir);
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/crun", config->run_dir);
    c->state_root = xstrdup(path.data);
    int r = spawn_find(config->runtime_path ? config->runtime_path : "crun", &path, err);
    if (r == 0) {
        c->program = xstrdup(path.data);
        r = spawn_find(config->conmon_path ? config->conmon_path : "conmon", &path, err);
    }
    if (r == 0) {
        c->conmon = xstrdup(path.data);
        r = make_dirs(c, err);
    }
    if (r == 0)
        r = open_supervisors(c, err);
    if (r < 0) {
        op_free(&c->base);
        return r;
    }
    *ret = &c->base;
    return 0;
}

void runtime_free(struct runtime *rt)
{
    if (rt)
        rt->ops->free(rt);
}

int runtime_create(struct runtime *rt, const struct container_create *c,
                   struct error *err)
{
    return rt->ops->create(rt, c, err);
}

int runtime_start(struct runtime *rt, const char *id, struct error *err)
{
    return rt->ops->start(rt, id, err);
}

int runtime_signal(struct runtime *rt, const char *id, int signo, struct error *err)
{
    return rt->ops->signal(rt, id, signo, err);
}

int runtime_kill(struct runtime *rt, const char *id, int deadline_ms, struct error *err)
{
    return rt->ops->kill(rt, id, deadline_ms, err);
}

int runtime_remove(struct runtime *rt, const char *id, struct error *err)
{
    return rt->ops->remove(rt, id, err);
}

int runtime_state(struct runtime *rt, const char *id, struct container_state *ret,
                  struct error *err)
{
    return rt->ops->state(rt, id, ret, err);
}

int runtime_each(struct runtime *rt, void (*each)(void *arg, const char *id), void *arg,
                 struct error *err)
{
    return rt->ops->each(rt, each, arg, err);
}

int runtime_adopt(struct runtime *rt, const char *id, struct container_state *ret,
                  int *ret_pidfd, struct error *err)
{
    return rt->ops->adopt(rt, id, ret, ret_pidfd, err);
}

void runtime_end_probes(struct runtime *rt, const char *id)
{
    rt->ops->end_probes(rt, id);
}

int runtime_exec(struct runtime *rt, const char *id, const struct exec_request *req,
                 struct exec_process *ret, struct error *err)
{
    return rt->ops->exec(rt, id, req, ret, err);
}
