#include "cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_file.h"
#include "fd.h"

const struct cgroup_dir cgroup_v1_dirs[] = {
    {CGROUP_CPU, "cpu"},         {CGROUP_MEMORY, "memory"},   {CGROUP_PIDS, "pids"},
    {CGROUP_FREEZER, "freezer"}, {CGROUP_CPUACCT, "cpuacct"}, {CGROUP_SYSTEMD, "systemd"},
    {CGROUP_CPUSET, "cpuset"},
};
const unsigned cgroup_v1_dir_count = sizeof(cgroup_v1_dirs) / sizeof(cgroup_v1_dirs[0]);

/* --- files --- */

void cgroup_dir_path(const struct cgroups *cg, const char *hierarchy, const char *path,
                     struct str *ret)
{
    str_clear(ret);
    str_add(ret, cg->root);
    if (hierarchy)
        str_addf(ret, "/%s", hierarchy);
    str_add(ret, path);
}

int cgroup_write(const char *dir, const char *file, const char *value, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/%s", dir, file);
    AUTO_FD fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    size_t len = strlen(value);
    ssize_t n;
    do
        n = write(fd, value, len);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)len)
        return fail_errno(err, n < 0 ? errno : EIO, "write '%s' to '%s'", value,
                          path.data);
    return 0;
}

int cgroup_write_i64(const char *dir, const char *file, int64_t value, struct error *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    return cgroup_write(dir, file, text, err);
}

int cgroup_read(const char *dir, const char *file, struct str *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/%s", dir, file);
    return file_read(AT_FDCWD, path.data, 1024 * 1024, ret, err);
}

int cgroup_read_i64(const char *dir, const char *file, int64_t *ret, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = cgroup_read(dir, file, &text, err);
    if (r < 0)
        return r;
    if (str_starts(str_text(&text), "max")) {
        *ret = INT64_MAX;
        return 0;
    }
    char *end;
    errno = 0;
    long long v = strtoll(str_text(&text), &end, 10);
    if (end == str_text(&text) || (errno && errno != ERANGE))
        return fail(err, E_CORRUPT, "'%s/%s' holds no number", dir, file);
    /* v1 shows "no limit" as the largest multiple of the page size. */
    *ret = v >= INT64_MAX - 65536 ? INT64_MAX : v;
    return 0;
}

bool cgroup_key(const char *text, const char *key, int64_t *ret)
{
    size_t n = strlen(key);
    for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        if (strncmp(p, key, n) == 0 && p[n] == ' ') {
            *ret = strtoll(p + n + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

int cgroup_make_dirs(const char *path, struct error *err)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return fail_errno(err, errno, "mkdir '%s'", path);
    return dir_make_all(path, 0755, err);
}

static bool is_dir(const char *a, const char *b)
{
    AUTO_STR p = STR_INIT;
    str_addf(&p, "%s/%s", a, b);
    struct stat st;
    return stat(p.data, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *a, const char *b)
{
    AUTO_STR p = STR_INIT;
    str_addf(&p, "%s/%s", a, b);
    return access(p.data, F_OK) == 0;
}

int cgroup_each_hierarchy(const struct cgroups *cg,
                          int (*each)(void *arg, const char *dir, struct error *err),
                          void *arg, struct error *err)
{
    if (cg->version == CGROUP_V2)
        return each(arg, cg->root, err);
    DIR *d = opendir(cg->root);
    if (!d)
        return fail_errno(err, errno, "open '%s'", cg->root);
    int r = 0;
    struct dirent *e;
    AUTO_STR dir = STR_INIT;
    while (r == 0 && (e = readdir(d))) {
        /* "cpu" is often a link to "cpu,cpuacct": the folder itself is enough. */
        if (e->d_name[0] == '.' || e->d_type == DT_LNK || !is_dir(cg->root, e->d_name))
            continue;
        str_clear(&dir);
        str_addf(&dir, "%s/%s", cg->root, e->d_name);
        r = each(arg, dir.data, err);
    }
    closedir(d);
    return r;
}

/* --- what is here --- */

static bool run_id_valid(const char *run)
{
    size_t n = strlen(run);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)run[i]) && run[i] != '-')
            return false;
    return n >= 1 && n <= 40;
}

static unsigned v2_controllers(const char *dir, struct error *err)
{
    AUTO_STR text = STR_INIT;
    if (cgroup_read(dir, "cgroup.controllers", &text, err) < 0)
        return 0;
    unsigned found = 0;
    char *save = NULL;
    for (char *w = strtok_r(text.data, " \n", &save); w;
         w = strtok_r(NULL, " \n", &save)) {
        for (unsigned i = 0; i < cgroup_v1_dir_count; i++)
            if (streq(w, cgroup_v1_dirs[i].name))
                found |= cgroup_v1_dirs[i].controller;
    }
    return found;
}

static bool unified_has_controllers(const char *root)
{
    AUTO_STR dir = STR_INIT, text = STR_INIT;
    str_addf(&dir, "%s/unified", root);
    struct error ignored;
    return cgroup_read(dir.data, "cgroup.controllers", &text, &ignored) == 0 &&
           strspn(str_text(&text), " \n") < text.len;
}

int cgroups_open(const char *root, const char *run, struct cgroups *ret,
                 struct error *err)
{
    struct cgroups cg = {0};
    if (!run_id_valid(run) || strlen(root) >= sizeof(cg.root))
        return fail(err, E_INVALID, "'%s' is no run id", run);
    memcpy(cg.root, root, strlen(root) + 1);
    memcpy(cg.run, run, strlen(run) + 1);
    if (is_file(root, "cgroup.controllers")) {
        cg.version = CGROUP_V2;
        cg.controllers = v2_controllers(root, err);
        cg.has_swap = true; /* without swap the file is missing and is passed over */
        *ret = cg;
        return 0;
    }
    cg.version = CGROUP_V1;
    for (unsigned i = 0; i < cgroup_v1_dir_count; i++)
        if (is_dir(root, cgroup_v1_dirs[i].name))
            cg.controllers |= cgroup_v1_dirs[i].controller;
    if (!(cg.controllers & CGROUP_MEMORY) || !(cg.controllers & CGROUP_CPU))
        return fail(err, E_UNSUPPORTED,
                    "'%s' has no cgroup v2, and no v1 hierarchies 'cpu' and 'memory'",
                    root);
    cg.has_swap = is_file(root, "memory/memory.memsw.limit_in_bytes");
    cg.hybrid = unified_has_controllers(root);
    *ret = cg;
    return 0;
}

int cgroups_nest(struct cgroups *cg, const char *parent, struct error *err)
{
    char run[sizeof(cg->run)];
    if (!run_id_valid(parent) || (size_t)snprintf(run, sizeof(run), "%s/gantry-%s",
                                                  parent, cg->run) >= sizeof(run))
        return fail(err, E_INVALID, "'%s' is no run id", parent);
    memcpy(cg->run, run, sizeof(run));
    return 0;
}

/* --- numbers --- */

int64_t cgroup_cpu_quota_us(int64_t cpu_units)
{
    if (cpu_units <= 0)
        return 0;
    int64_t q = cpu_units * CGROUP_CPU_PERIOD_US / 1024;
    return q < 1000 ? 1000 : q; /* the kernel refuses less than a millisecond */
}

int64_t cgroup_cpu_shares(int64_t cpu_units)
{
    return cpu_units < 2 ? 2 : cpu_units > 262144 ? 262144 : cpu_units;
}

int64_t cgroup_cpu_weight(int64_t shares)
{
    return 1 + (cgroup_cpu_shares(shares) - 2) * 9999 / 262142;
}

/* --- groups --- */

void cgroup_path(const struct cgroups *cg, const char *task, const char *container,
                 struct str *ret)
{
    str_clear(ret);
    if (cg->version == CGROUP_V2) {
        str_addf(ret, "/gantry-%s/ecstasks.slice/ecstasks-%s.slice", cg->run, task);
        if (container)
            str_addf(ret, "/%s.scope", container);
        return;
    }
    str_addf(ret, "/gantry-%s/ecs/%s", cg->run, task);
    if (container)
        str_addf(ret, "/%s", container);
}

/* Turns controllers on in every group from the root to `path`, path excluded. Repeated
 * writes are harmless, so no state is kept. */
static int v2_enable(const struct cgroups *cg, const char *path, struct error *err)
{
    AUTO_STR want = STR_INIT, dir = STR_INIT;
    static const unsigned used[] = {CGROUP_CPU, CGROUP_MEMORY, CGROUP_PIDS,
                                    CGROUP_CPUSET};
    for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        if (!(cg->controllers & used[i]))
            continue;
        for (unsigned k = 0; k < cgroup_v1_dir_count; k++)
            if (cgroup_v1_dirs[k].controller == used[i])
                str_addf(&want, "%s+%s", want.len ? " " : "", cgroup_v1_dirs[k].name);
    }
    if (want.len == 0)
        return 0;
    for (const char *p = path; p; p = strchr(p + 1, '/')) {
        str_clear(&dir);
        str_addf(&dir, "%s%.*s", cg->root, (int)(p - path), path);
        int r = cgroup_make_dirs(dir.data, err);
        if (r == 0)
            r = cgroup_write(dir.data, "cgroup.subtree_control", want.data, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Files that a kernel may lack (swap accounting off): absence is no failure. */
static int write_if_there(const char *dir, const char *file, int64_t value,
                          struct error *err)
{
    if (!is_file(dir, file))
        return 0;
    return cgroup_write_i64(dir, file, value, err);
}

static int v2_limit(const char *dir, const struct cgroup_limits *l, struct error *err)
{
    int r = 0;
    if (l->cpu_quota_us > 0) {
        char text[64];
        snprintf(text, sizeof(text), "%lld %d", (long long)l->cpu_quota_us,
                 CGROUP_CPU_PERIOD_US);
        r = cgroup_write(dir, "cpu.max", text, err);
    }
    if (r == 0 && l->cpu_shares > 0)
        r = cgroup_write_i64(dir, "cpu.weight", cgroup_cpu_weight(l->cpu_shares), err);
    if (r == 0 && l->memory_max_bytes > 0)
        r = cgroup_write_i64(dir, "memory.max", l->memory_max_bytes, err);
    if (r == 0 && l->memory_low_bytes > 0)
        r = cgroup_write_i64(dir, "memory.low", l->memory_low_bytes, err);
    if (r == 0 && l->swap_max_bytes >= 0)
        r = write_if_there(dir, "memory.swap.max", l->swap_max_bytes, err);
    if (r == 0 && l->pids_max > 0)
        r = cgroup_write_i64(dir, "pids.max", l->pids_max, err);
    return r;
}

/* memory+swap must never be below memory, so the order depends on which way it goes. */
static int v1_memory(const char *dir, const struct cgroup_limits *l, bool has_swap,
                     struct error *err)
{
    int r = 0;
    int64_t both = l->memory_max_bytes + l->swap_max_bytes;
    bool swap = has_swap && l->swap_max_bytes >= 0 && l->memory_max_bytes > 0;
    if (l->memory_max_bytes > 0) {
        r = cgroup_write_i64(dir, "memory.limit_in_bytes", l->memory_max_bytes, err);
        if (r < 0 && swap) {
            r = cgroup_write_i64(dir, "memory.memsw.limit_in_bytes", both, err);
            if (r == 0)
                r = cgroup_write_i64(dir, "memory.limit_in_bytes", l->memory_max_bytes,
                                     err);
        }
    }
    if (r == 0 && swap)
        r = cgroup_write_i64(dir, "memory.memsw.limit_in_bytes", both, err);
    if (r == 0 && l->memory_low_bytes > 0)
        r = write_if_there(dir, "memory.soft_limit_in_bytes", l->memory_low_bytes, err);
    if (r == 0 && l->swappiness >= 0)
        r = write_if_there(dir, "memory.swappiness", l->swappiness, err);
    return r;
}

static int v1_limit(const struct cgroups *cg, const struct cgroup_dir *h, const char *dir,
                    const struct cgroup_limits *l, struct error *err)
{
    int r = 0;
    switch (h->controller) {
    case CGROUP_CPU:
        if (l->cpu_quota_us > 0) {
            r = cgroup_write_i64(dir, "cpu.cfs_period_us", CGROUP_CPU_PERIOD_US, err);
            if (r == 0)
                r = cgroup_write_i64(dir, "cpu.cfs_quota_us", l->cpu_quota_us, err);
        }
        if (r == 0 && l->cpu_shares > 0)
            r = cgroup_write_i64(dir, "cpu.shares", cgroup_cpu_shares(l->cpu_shares),
                                 err);
        return r;
    case CGROUP_MEMORY:
        return v1_memory(dir, l, cg->has_swap, err);
    case CGROUP_PIDS:
        return l->pids_max > 0 ? cgroup_write_i64(dir, "pids.max", l->pids_max, err) : 0;
    default:
        return 0;
    }
}

static int v1_create(const struct cgroups *cg, const char *path,
                     const struct cgroup_limits *l, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    for (unsigned i = 0; i < cgroup_v1_dir_count; i++) {
        const struct cgroup_dir *h = &cgroup_v1_dirs[i];
        /* A cpuset group needs its cpus copied down; the OCI runtime makes it. */
        if (!(cg->controllers & h->controller) || h->controller == CGROUP_CPUSET)
            continue;
        cgroup_dir_path(cg, h->name, path, &dir);
        int r = cgroup_make_dirs(dir.data, err);
        if (r == 0)
            r = v1_limit(cg, h, dir.data, l, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int group_create(const struct cgroups *cg, const char *path,
                        const struct cgroup_limits *l, struct error *err)
{
    if (cg->version == CGROUP_V1)
        return v1_create(cg, path, l, err);
    int r = v2_enable(cg, path, err);
    if (r < 0)
        return r;
    AUTO_STR dir = STR_INIT;
    cgroup_dir_path(cg, NULL, path, &dir);
    r = cgroup_make_dirs(dir.data, err);
    return r < 0 ? r : v2_limit(dir.data, l, err);
}

int cgroup_task_create(const struct cgroups *cg, const char *task,
                       const struct cgroup_limits *limits, struct error *err)
{
    AUTO_STR path = STR_INIT;
    cgroup_path(cg, task, NULL, &path);
    if (group_create(cg, path.data, limits, err) < 0)
        return wrap(err, "cgroup of task '%s'", task);
    return 0;
}

int cgroup_container_create(const struct cgroups *cg, const char *task,
                            const char *container, const struct cgroup_limits *limits,
                            struct error *err)
{
    AUTO_STR path = STR_INIT;
    cgroup_path(cg, task, container, &path);
    if (group_create(cg, path.data, limits, err) < 0)
        return wrap(err, "cgroup of container '%s'", container);
    return 0;
}

static void supervisor_path(const struct cgroups *cg, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "/gantry-%s/conmon", cg->run);
}

int cgroup_supervisor_create(const struct cgroups *cg, struct error *err)
{
    AUTO_STR path = STR_INIT;
    supervisor_path(cg, &path);
    struct cgroup_limits none = CGROUP_LIMITS_INIT;
    return group_create(cg, path.data, &none, err);
}

static int group_add(const struct cgroups *cg, const char *path, pid_t pid,
                     struct error *err)
{
    AUTO_STR dir = STR_INIT;
    if (cg->version == CGROUP_V2) {
        cgroup_dir_path(cg, NULL, path, &dir);
        return cgroup_write_i64(dir.data, "cgroup.procs", pid, err);
    }
    for (unsigned i = 0; i < cgroup_v1_dir_count; i++) {
        const struct cgroup_dir *h = &cgroup_v1_dirs[i];
        if (!(cg->controllers & h->controller) || h->controller == CGROUP_CPUSET)
            continue;
        cgroup_dir_path(cg, h->name, path, &dir);
        int r = cgroup_write_i64(dir.data, "cgroup.procs", pid, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int cgroup_supervisor_add(const struct cgroups *cg, pid_t pid, struct error *err)
{
    AUTO_STR path = STR_INIT;
    supervisor_path(cg, &path);
    return group_add(cg, path.data, pid, err);
}

/* --- a run as a whole --- */

int cgroup_run_create(const struct cgroups *cg, const struct cgroup_limits *limits,
                      struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct cgroup_limits none = CGROUP_LIMITS_INIT;
    str_addf(&path, "/gantry-%s", cg->run);
    int r = group_create(cg, path.data, limits, err);
    str_add(&path, "/agent");
    return r < 0 ? r : group_create(cg, path.data, &none, err);
}

int cgroup_run_add(const struct cgroups *cg, pid_t pid, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "/gantry-%s/agent", cg->run);
    return group_add(cg, path.data, pid, err);
}

/* Is `name` one of "cpu,cpuacct" or "name=systemd"? */
static bool is_listed(const char *list, size_t len, const char *name)
{
    size_t n = strlen(name);
    if (len == n + 5 && memcmp(list, "name=", 5) == 0)
        return memcmp(list + 5, name, n) == 0;
    for (const char *p = list; p < list + len; p += strcspn(p, ",:") + 1)
        if (strcspn(p, ",:") == n && memcmp(p, name, n) == 0)
            return true;
    return false;
}

/* The line of /proc/<pid>/cgroup for a v1 hierarchy (NULL: of v2) ends with `path`. */
static bool is_member(const char *text, const char *name, const char *path)
{
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, "\n"), tail = strlen(path);
        const char *list = memchr(line, ':', len);
        const char *at =
            list ? memchr(list + 1, ':', len - (size_t)(list + 1 - line)) : NULL;
        if (at &&
            (name ? is_listed(list + 1, (size_t)(at - list - 1), name) : at == list + 1))
            return len >= tail && memcmp(line + len - tail, path, tail) == 0;
        if (!line[len])
            break;
    }
    return false;
}

bool cgroup_supervisor_has(const struct cgroups *cg, pid_t pid)
{
    AUTO_STR path = STR_INIT, proc = STR_INIT, text = STR_INIT;
    const char *last = NULL; /* they are moved in this order */
    for (unsigned i = 0; i < cgroup_v1_dir_count && cg->version == CGROUP_V1; i++)
        if ((cg->controllers & cgroup_v1_dirs[i].controller) &&
            cgroup_v1_dirs[i].controller != CGROUP_CPUSET)
            last = cgroup_v1_dirs[i].name;
    supervisor_path(cg, &path);
    str_addf(&proc, "/proc/%d/cgroup", (int)pid);
    if (file_read(AT_FDCWD, proc.data, 65536, &text, NULL) < 0)
        return false;
    return is_member(str_text(&text), last, path.data);
}

/* Writes our own pid where we are already: the kernel takes its lock and moves nobody. */
static void *warm(void *arg)
{
    char *dir = arg;
    struct error ignored;
    cgroup_write(dir, "cgroup.procs", "0", &ignored);
    free(dir);
    return NULL;
}

/* The group of this process in the hierarchy that /proc/self/cgroup calls `name`. */
static char *own_group(const struct cgroups *cg, const char *name, const char *folder)
{
    AUTO_STR text = STR_INIT, dir = STR_INIT, wanted = STR_INIT;
    struct error ignored;
    if (file_read(AT_FDCWD, "/proc/self/cgroup", 65536, &text, &ignored) < 0)
        return NULL;
    str_addf(&wanted, ":%s:/", name);
    const char *hit = strstr(str_text(&text), wanted.data);
    if (!hit)
        return NULL;
    hit += wanted.len - 1;
    str_add(&dir, cg->root);
    if (folder)
        str_addf(&dir, "/%s", folder);
    str_addn(&dir, hit, strcspn(hit, "\n"));
    return str_take(&dir);
}

void cgroup_warm(const struct cgroups *cg)
{
    char *dir = cg->version == CGROUP_V2 ? own_group(cg, "", NULL)
                                         : own_group(cg, "freezer", "freezer");
    pthread_attr_t attr;
    pthread_t thread;
    if (!dir || pthread_attr_init(&attr) != 0)
        goto out;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    if (pthread_create(&thread, &attr, warm, dir) == 0)
        dir = NULL;
    pthread_attr_destroy(&attr);
out:
    free(dir);
}

int cgroup_each_task(const struct cgroups *cg, void (*each)(void *arg, const char *task),
                     void *arg, struct error *err)
{
    bool v2 = cg->version == CGROUP_V2;
    AUTO_STR path = STR_INIT, dir = STR_INIT;
    str_addf(&path, "/gantry-%s/%s", cg->run, v2 ? "ecstasks.slice" : "ecs");
    cgroup_dir_path(cg, v2 ? NULL : "memory", path.data, &dir);
    DIR *d = opendir(dir.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", dir.data);
    struct dirent *e;
    while ((e = readdir(d))) {
        char name[256];
        snprintf(name, sizeof(name), "%s", e->d_name);
        if (name[0] == '.' || !is_dir(dir.data, name))
            continue;
        const char *task = name;
        if (v2) {
            if (!str_starts(name, "ecstasks-") || !str_ends(name, ".slice"))
                continue;
            name[strlen(name) - strlen(".slice")] = '\0';
            task = name + strlen("ecstasks-");
        }
        each(arg, task);
    }
    closedir(d);
    return 0;
}
