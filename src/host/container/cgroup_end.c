/* What is asked of a group at its end and in between: use, OOM, kill, removal. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "cgroup_file.h"
#include "clock.h"
#include "fd.h"

#define PURGE_PASSES 50

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Calls `each` for a group folder and every one below it, deepest first. */
static int walk(const char *dir,
                int (*each)(void *arg, const char *dir, struct error *err), void *arg,
                int depth, struct error *err)
{
    if (depth > 32)
        return fail(err, E_LIMIT, "'%s' is nested too deeply", dir);
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", dir);
    int r = 0;
    struct dirent *e;
    AUTO_STR sub = STR_INIT;
    while (r >= 0 && (e = readdir(d))) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        str_clear(&sub);
        str_addf(&sub, "%s/%s", dir, e->d_name);
        r = walk(sub.data, each, arg, depth + 1, err);
    }
    closedir(d);
    return r < 0 ? r : each(arg, dir, err);
}

/* --- OOM --- */

struct oom_sum {
    const char *file;
    int64_t kills;
};

static int add_oom(void *arg, const char *dir, struct error *err)
{
    struct oom_sum *sum = arg;
    AUTO_STR text = STR_INIT;
    int64_t n = 0;
    int r = cgroup_read(dir, sum->file, &text, err);
    if (r == 0 && cgroup_key(str_text(&text), "oom_kill", &n))
        sum->kills += n;
    return r == -E_NOTFOUND ? 0 : r;
}

int cgroup_oom_killed(const struct cgroups *cg, const char *task, const char *container,
                      bool *ret, struct error *err)
{
    AUTO_STR path = STR_INIT, dir = STR_INIT;
    cgroup_path(cg, task, container, &path);
    bool v2 = cg->version == CGROUP_V2;
    cgroup_dir_path(cg, v2 ? NULL : "memory", path.data, &dir);
    /* v2 counts upwards through the tree; v1 counts in the victim's group alone. */
    struct oom_sum sum = {.file = v2 ? "memory.events" : "memory.oom_control"};
    int r = v2 ? add_oom(&sum, dir.data, err) : walk(dir.data, add_oom, &sum, 0, err);
    if (r < 0)
        return r;
    *ret = sum.kills > 0;
    return 0;
}

/* --- use --- */

static void optional_i64(const char *dir, const char *file, int64_t *ret)
{
    struct error ignored;
    if (cgroup_read_i64(dir, file, ret, &ignored) < 0)
        *ret = 0;
}

static int64_t key_or_zero(const struct str *text, const char *key)
{
    int64_t v = 0;
    cgroup_key(str_text(text), key, &v);
    return v;
}

static int v2_usage(const char *dir, struct cgroup_usage *u, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = cgroup_read(dir, "cpu.stat", &text, err);
    if (r < 0)
        return r;
    u->cpu_ns = key_or_zero(&text, "usage_usec") * 1000;
    u->cpu_user_ns = key_or_zero(&text, "user_usec") * 1000;
    u->cpu_system_ns = key_or_zero(&text, "system_usec") * 1000;
    u->throttled_ns = key_or_zero(&text, "throttled_usec") * 1000;
    struct error ignored;
    optional_i64(dir, "memory.current", &u->memory_bytes);
    if (cgroup_read(dir, "memory.stat", &text, &ignored) == 0)
        u->memory_bytes -= key_or_zero(&text, "inactive_file");
    optional_i64(dir, "memory.max", &u->memory_max_bytes);
    optional_i64(dir, "pids.current", &u->pids);
    return 0;
}

static int v1_usage(const struct cgroups *cg, const char *path, struct cgroup_usage *u,
                    struct error *err)
{
    AUTO_STR dir = STR_INIT, text = STR_INIT;
    struct error ignored;
    cgroup_dir_path(cg, "memory", path, &dir);
    int r = cgroup_read_i64(dir.data, "memory.usage_in_bytes", &u->memory_bytes, err);
    if (r < 0)
        return r;
    if (cgroup_read(dir.data, "memory.stat", &text, &ignored) == 0)
        u->memory_bytes -= key_or_zero(&text, "total_inactive_file");
    optional_i64(dir.data, "memory.limit_in_bytes", &u->memory_max_bytes);
    cgroup_dir_path(cg, "cpuacct", path, &dir);
    optional_i64(dir.data, "cpuacct.usage", &u->cpu_ns);
    optional_i64(dir.data, "cpuacct.usage_user", &u->cpu_user_ns);
    optional_i64(dir.data, "cpuacct.usage_sys", &u->cpu_system_ns);
    cgroup_dir_path(cg, "cpu", path, &dir);
    if (cgroup_read(dir.data, "cpu.stat", &text, &ignored) == 0)
        u->throttled_ns = key_or_zero(&text, "throttled_time");
    cgroup_dir_path(cg, "pids", path, &dir);
    optional_i64(dir.data, "pids.current", &u->pids);
    return 0;
}

int cgroup_usage(const struct cgroups *cg, const char *task, const char *container,
                 struct cgroup_usage *ret, struct error *err)
{
    struct cgroup_usage u = {0};
    AUTO_STR path = STR_INIT, dir = STR_INIT;
    cgroup_path(cg, task, container, &path);
    cgroup_dir_path(cg, NULL, path.data, &dir);
    int r = cg->version == CGROUP_V2 ? v2_usage(dir.data, &u, err)
                                     : v1_usage(cg, path.data, &u, err);
    if (r < 0)
        return r;
    if (u.memory_bytes < 0)
        u.memory_bytes = 0;
    if (u.memory_max_bytes == INT64_MAX)
        u.memory_max_bytes = 0;
    *ret = u;
    return 0;
}

/* --- processes --- */

struct pid_list {
    pid_t *pids;
    int count, max;
};

static int add_pids(void *arg, const char *dir, struct error *err)
{
    struct pid_list *l = arg;
    AUTO_STR text = STR_INIT;
    int r = cgroup_read(dir, "cgroup.procs", &text, err);
    if (r < 0) /* a group that went away meanwhile has none */
        return r == -E_NOTFOUND || (err && err->sys_errno == ENODEV) ? 0 : r;
    char *save = NULL;
    for (char *w = strtok_r(text.data, "\n", &save); w && l->count < l->max;
         w = strtok_r(NULL, "\n", &save))
        l->pids[l->count++] = (pid_t)strtol(w, NULL, 10);
    return 0;
}

/* The hierarchy whose list of processes we trust on v1. */
static const char *v1_process_hierarchy(const struct cgroups *cg)
{
    return cg->controllers & CGROUP_FREEZER ? "freezer" : "memory";
}

static void process_dir(const struct cgroups *cg, const char *path, struct str *ret)
{
    cgroup_dir_path(cg, cg->version == CGROUP_V2 ? NULL : v1_process_hierarchy(cg), path,
                    ret);
}

int cgroup_pids(const struct cgroups *cg, const char *task, const char *container,
                pid_t *ret, int max, struct error *err)
{
    AUTO_STR path = STR_INIT, dir = STR_INIT;
    cgroup_path(cg, task, container, &path);
    process_dir(cg, path.data, &dir);
    struct pid_list l = {.pids = ret, .max = max};
    int r = walk(dir.data, add_pids, &l, 0, err);
    return r < 0 ? r : l.count;
}

/* One sweep; returns how many processes were seen. Zombies stay listed on v1 until their
 * parent reaps them, so callers wait and sweep again. */
static int sweep(const char *dir, struct error *err)
{
    pid_t pids[1024];
    struct pid_list l = {.pids = pids, .max = 1024};
    int r = walk(dir, add_pids, &l, 0, err);
    if (r < 0)
        return r;
    int seen = 0;
    for (int i = 0; i < l.count; i++) {
        if (pids[i] <= 1 || pids[i] == getpid())
            continue;
        seen++;
        kill(pids[i], SIGKILL);
    }
    return seen;
}

static int kill_path(const struct cgroups *cg, const char *path, int deadline_ms,
                     struct error *err)
{
    AUTO_STR dir = STR_INIT;
    process_dir(cg, path, &dir);
    if (access(dir.data, F_OK) < 0)
        return 0;
    int64_t end = clock_mono_ns() + deadline_ms * 1000000LL;
    struct error ignored;
    AUTO_STR killer = STR_INIT;
    str_addf(&killer, "%s/cgroup.kill", dir.data);
    bool kills =
        cg->version == CGROUP_V2 && access(killer.data, F_OK) == 0; /* Linux 5.14 */
    bool freezes = cg->version == CGROUP_V1 && (cg->controllers & CGROUP_FREEZER);
    for (int wait = 1;; wait = wait < 20 ? wait * 2 : 20) {
        int seen;
        if (kills && cgroup_write(dir.data, "cgroup.kill", "1", &ignored) == 0) {
            pid_t pids[16];
            struct pid_list l = {.pids = pids, .max = 16};
            int r = walk(dir.data, add_pids, &l, 0, err);
            seen = r < 0 ? r : l.count;
        } else {
            /* Frozen processes can't fork away from the sweep; they die when thawed. */
            if (freezes)
                cgroup_write(dir.data, "freezer.state", "FROZEN", &ignored);
            seen = sweep(dir.data, err);
            if (freezes)
                cgroup_write(dir.data, "freezer.state", "THAWED", &ignored);
        }
        if (seen <= 0)
            return seen;
        if (clock_mono_ns() >= end)
            return fail(err, E_TIMEOUT, "%d processes in '%s' do not die", seen,
                        dir.data);
        pause_ms(wait);
    }
}

int cgroup_kill(const struct cgroups *cg, const char *task, const char *container,
                int deadline_ms, struct error *err)
{
    AUTO_STR path = STR_INIT;
    cgroup_path(cg, task, container, &path);
    return kill_path(cg, path.data, deadline_ms, err);
}

/* --- removal --- */

static int remove_one(void *arg, const char *dir, struct error *err)
{
    (void)arg;
    for (int pass = 0; pass < PURGE_PASSES; pass++) {
        if (rmdir(dir) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            break;
        pause_ms(pass < 10 ? 1 : 10);
    }
    return fail_errno(err, errno, "remove '%s'", dir);
}

struct removal {
    const char *path;
};

static int remove_in(void *arg, const char *hierarchy, struct error *err)
{
    struct removal *rm = arg;
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s%s", hierarchy, rm->path);
    return walk(dir.data, remove_one, NULL, 0, err);
}

int cgroup_remove(const struct cgroups *cg, const char *task, const char *container,
                  struct error *err)
{
    AUTO_STR path = STR_INIT;
    cgroup_path(cg, task, container, &path);
    struct removal rm = {.path = path.data};
    return cgroup_each_hierarchy(cg, remove_in, &rm, err);
}

static int kill_in(void *arg, const char *hierarchy, struct error *err)
{
    struct removal *rm = arg;
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s%s", hierarchy, rm->path);
    int seen = sweep(dir.data, err);
    return seen < 0 ? seen : 0;
}

int cgroup_run_pids(const struct cgroups *cg, pid_t *ret, int max, struct error *err)
{
    AUTO_STR path = STR_INIT, dir = STR_INIT;
    str_addf(&path, "/gantry-%s/agent", cg->run);
    process_dir(cg, path.data, &dir);
    struct pid_list l = {.pids = ret, .max = max};
    int r = add_pids(&l, dir.data, err);
    return r < 0 ? r : l.count;
}

int cgroup_purge(const struct cgroups *cg, int deadline_ms, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "/gantry-%s", cg->run);
    int r = kill_path(cg, path.data, deadline_ms, err);
    if (r < 0)
        return r;
    struct removal rm = {.path = path.data};
    /* Also processes that are in one of the other hierarchies only. */
    r = cgroup_each_hierarchy(cg, kill_in, &rm, err);
    return r < 0 ? r : cgroup_each_hierarchy(cg, remove_in, &rm, err);
}
