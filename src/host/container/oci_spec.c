#include "oci_spec.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "json_text.h"

#define SHM_BYTES_DEFAULT (64LL << 20)
#define DEVICES_MAX       512 /* of a privileged container */
#define DEFAULT_PATH      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define INIT_IN_CONTAINER "/dev/init"

#define TRY(call)                                                                        \
    do {                                                                                 \
        int try_result = (call);                                                         \
        if (try_result < 0)                                                              \
            return try_result;                                                           \
    } while (0)

/* --- process --- */

static bool env_has(const char *const *env, const char *assignment)
{
    size_t n = strcspn(assignment, "=") + 1;
    for (; env && *env; env++)
        if (strncmp(*env, assignment, n) == 0)
            return true;
    return false;
}

static int add_env_default(struct str *s, const struct container_spec *c,
                           const char *name, const char *value, struct error *err)
{
    AUTO_STR text = STR_INIT;
    str_addf(&text, "%s=%s", name, value);
    return env_has(c->env, text.data) ? 0 : jtext_string(s, NULL, text.data, err);
}

static int add_env(struct str *s, const struct container_spec *c,
                   const struct user_ids *ids, struct error *err)
{
    jtext_open(s, "env", '[');
    if (!env_has(c->env, DEFAULT_PATH))
        jtext_plain(s, NULL, DEFAULT_PATH);
    if (!str_empty(c->hostname))
        TRY(add_env_default(s, c, "HOSTNAME", c->hostname, err));
    if (c->terminal)
        TRY(add_env_default(s, c, "TERM", "xterm", err));
    for (const char *const *e = c->env; e && *e; e++) {
        if (**e == '=' || !strchr(*e, '='))
            return fail(err, E_INVALID, "environment variable '%s' has no name or value",
                        *e);
        TRY(jtext_string(s, NULL, *e, err));
    }
    TRY(add_env_default(s, c, "HOME", ids->home, err));
    jtext_close(s, ']');
    return 0;
}

static int add_args(struct str *s, const struct container_spec *c, struct error *err)
{
    if (!c->args || !c->args[0])
        return fail(err, E_INVALID, "no command specified");
    jtext_open(s, "args", '[');
    if (c->init_process) {
        jtext_plain(s, NULL, INIT_IN_CONTAINER);
        jtext_plain(s, NULL, "--");
    }
    for (const char *const *a = c->args; *a; a++)
        TRY(jtext_string(s, NULL, *a, err));
    jtext_close(s, ']');
    return 0;
}

static void add_user(struct str *s, const struct user_ids *ids)
{
    jtext_open(s, "user", '{');
    jtext_i64(s, "uid", ids->uid);
    jtext_i64(s, "gid", ids->gid);
    jtext_open(s, "additionalGids", '[');
    for (size_t i = 0; i < ids->extra_count; i++)
        jtext_i64(s, NULL, ids->extra[i]);
    jtext_close(s, ']');
    jtext_close(s, '}');
}

static void add_capabilities(struct str *s, uint64_t set)
{
    /* Inheritable and ambient stay empty: a program run by another user than root gets
     * only what its file grants. */
    static const char *const kinds[] = {"bounding", "effective", "permitted"};
    jtext_open(s, "capabilities", '{');
    for (size_t k = 0; k < 3; k++) {
        jtext_open(s, kinds[k], '[');
        for (unsigned i = 0; capability_name(i); i++)
            if (set >> i & 1)
                jtext_plain(s, NULL, capability_name(i));
        jtext_close(s, ']');
    }
    jtext_close(s, '}');
}

static int add_rlimits(struct str *s, const struct container_spec *c, struct error *err)
{
    static const char *const known[] = {
        "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
        "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack",    "as"};
    jtext_open(s, "rlimits", '[');
    for (size_t i = 0; i < c->ulimit_count; i++) {
        const struct spec_ulimit *u = &c->ulimits[i];
        bool found = false;
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            found |= streq(known[k], u->name);
        if (!found)
            return fail(err, E_INVALID, "unknown ulimit '%s'", u->name);
        if (u->hard >= 0 && (u->soft < 0 || u->soft > u->hard))
            return fail(err, E_INVALID, "ulimit '%s': soft limit above hard limit",
                        u->name);
        char type[32] = "RLIMIT_";
        for (size_t k = 0; u->name[k]; k++) {
            type[7 + k] = (char)toupper((unsigned char)u->name[k]);
            type[8 + k] = '\0';
        }
        jtext_open(s, NULL, '{');
        jtext_plain(s, "type", type);
        jtext_key(s, "hard");
        str_addf(s, "%llu",
                 (unsigned long long)(u->hard < 0 ? UINT64_MAX : (uint64_t)u->hard));
        jtext_key(s, "soft");
        str_addf(s, "%llu",
                 (unsigned long long)(u->soft < 0 ? UINT64_MAX : (uint64_t)u->soft));
        jtext_close(s, '}');
    }
    jtext_close(s, ']');
    return 0;
}

static int add_process(struct str *s, const struct container_spec *c, uint64_t caps,
                       struct error *err)
{
    struct user_ids ids;
    TRY(user_lookup(c->rootfs, c->user, &ids, err));
    jtext_open(s, "process", '{');
    jtext_bool(s, "terminal", c->terminal);
    add_user(s, &ids);
    TRY(add_args(s, c, err));
    TRY(add_env(s, c, &ids, err));
    const char *cwd = str_empty(c->cwd) ? "/" : c->cwd;
    if (cwd[0] != '/')
        return fail(err, E_INVALID, "working directory '%s' is not absolute", cwd);
    TRY(jtext_string(s, "cwd", cwd, err));
    add_capabilities(s, caps);
    TRY(add_rlimits(s, c, err));
    jtext_bool(s, "noNewPrivileges", c->no_new_privileges && !c->privileged);
    if (c->oom_score_adj)
        jtext_i64(s, "oomScoreAdj", c->oom_score_adj);
    jtext_close(s, '}');
    return 0;
}

/* --- mounts --- */

/* options: comma-separated. */
static int add_mount(struct str *s, const char *type, const char *source,
                     const char *destination, const char *options, struct error *err)
{
    jtext_open(s, NULL, '{');
    TRY(jtext_string(s, "destination", destination, err));
    jtext_plain(s, "type", type);
    TRY(jtext_string(s, "source", source, err));
    jtext_open(s, "options", '[');
    for (const char *p = options; *p;) {
        size_t n = strcspn(p, ",");
        AUTO_STR one = STR_INIT;
        str_addn(&one, p, n);
        if (n > 0)
            TRY(jtext_string(s, NULL, one.data, err));
        p += n + (p[n] == ',');
    }
    jtext_close(s, ']');
    jtext_close(s, '}');
    return 0;
}

static int add_shm(struct str *s, const struct container_spec *c, struct error *err)
{
    /* With the host's IPC namespace the host's own are meant. */
    if (c->ipc == SPEC_NS_HOST) {
        TRY(add_mount(s, "bind", "/dev/shm", "/dev/shm", "rbind,rprivate", err));
        if (access("/dev/mqueue", F_OK) == 0)
            TRY(add_mount(s, "bind", "/dev/mqueue", "/dev/mqueue", "rbind,rprivate",
                          err));
        return 0;
    }
    char options[96];
    snprintf(options, sizeof(options), "nosuid,noexec,nodev,mode=1777,size=%lld",
             (long long)(c->shm_bytes > 0 ? c->shm_bytes : SHM_BYTES_DEFAULT));
    TRY(add_mount(s, "mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev", err));
    if (c->no_shm)
        return 0;
    if (!str_empty(c->shm_path))
        return add_mount(s, "bind", c->shm_path, "/dev/shm",
                         "bind,rprivate,nosuid,noexec,nodev", err);
    return add_mount(s, "tmpfs", "shm", "/dev/shm", options, err);
}

/* The runtime mounts binds a second time with the flags we name: the source's own would
 * get lost, and a volume mounted nosuid or noexec be neither. */
static void keep_restrictions(const char *source, struct str *options)
{
    static const struct {
        unsigned long flag;
        const char *name;
    } kept[] = {{ST_NOSUID, "nosuid"}, {ST_NODEV, "nodev"}, {ST_NOEXEC, "noexec"}};
    struct statvfs st;
    if (statvfs(source, &st) < 0)
        return;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (st.f_flag & kept[i].flag)
            str_addf(options, ",%s", kept[i].name);
}

static int add_user_mount(struct str *s, const struct spec_mount *m, struct error *err)
{
    if (!m->destination || m->destination[0] != '/')
        return fail(err, E_INVALID, "mount path '%s' is not absolute",
                    m->destination ? m->destination : "");
    AUTO_STR options = STR_INIT;
    if (m->tmpfs) {
        str_addf(&options, "nosuid,nodev,noexec%s", m->read_only ? ",ro" : "");
        if (m->size_bytes > 0)
            str_addf(&options, ",size=%lld", (long long)m->size_bytes);
        if (!str_empty(m->options))
            str_addf(&options, ",%s", m->options);
        return add_mount(s, "tmpfs", "tmpfs", m->destination, options.data, err);
    }
    if (!m->source || m->source[0] != '/')
        return fail(err, E_INVALID, "mount source '%s' is not absolute",
                    m->source ? m->source : "");
    str_addf(&options, "rbind,%s,%s",
             str_empty(m->propagation) ? "rprivate" : m->propagation,
             m->read_only ? "ro" : "rw");
    keep_restrictions(m->source, &options);
    return add_mount(s, "bind", m->source, m->destination, options.data, err);
}

static int add_mounts(struct str *s, const struct container_spec *c, struct error *err)
{
    const char *sys = c->privileged ? "nosuid,noexec,nodev" : "nosuid,noexec,nodev,ro";
    jtext_open(s, "mounts", '[');
    TRY(add_mount(s, "proc", "proc", "/proc", "nosuid,noexec,nodev", err));
    TRY(add_mount(s, "tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k",
                  err));
    TRY(add_mount(s, "devpts", "devpts", "/dev/pts",
                  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5", err));
    TRY(add_mount(s, "sysfs", "sysfs", "/sys", sys, err));
    TRY(add_mount(s, "cgroup", "cgroup", "/sys/fs/cgroup", sys, err));
    TRY(add_shm(s, c, err));
    if (c->init_process) {
        if (str_empty(c->init_path))
            return fail(err, E_NOTFOUND, "no init program for initProcessEnabled");
        TRY(add_mount(s, "bind", c->init_path, INIT_IN_CONTAINER, "bind,ro,rprivate",
                      err));
    }
    for (size_t i = 0; i < c->mount_count; i++)
        TRY(add_user_mount(s, &c->mounts[i], err));
    jtext_close(s, ']');
    return 0;
}

/* --- devices --- */

struct device {
    char type;
    unsigned major, minor;
    unsigned mode;
    uint32_t uid, gid;
};

static int device_stat(const char *path, struct device *ret, struct error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return fail(
            err, E_NOTFOUND,
            "error gathering device information while adding custom device \"%s\": %s",
            path, errno == ENOENT ? "no such file or directory" : "it can't be read");
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
        return fail(err, E_INVALID, "\"%s\" is not a device node", path);
    *ret = (struct device){.type = S_ISCHR(st.st_mode) ? 'c' : 'b',
                           .major = major(st.st_rdev),
                           .minor = minor(st.st_rdev),
                           .mode = st.st_mode & 07777,
                           .uid = st.st_uid,
                           .gid = st.st_gid};
    return 0;
}

static int add_device(struct str *s, const char *path, const struct device *d,
                      struct error *err)
{
    char type[2] = {d->type, '\0'};
    jtext_open(s, NULL, '{');
    TRY(jtext_string(s, "path", path, err));
    jtext_plain(s, "type", type);
    jtext_i64(s, "major", d->major);
    jtext_i64(s, "minor", d->minor);
    jtext_i64(s, "fileMode", d->mode);
    jtext_i64(s, "uid", d->uid);
    jtext_i64(s, "gid", d->gid);
    jtext_close(s, '}');
    return 0;
}

/* All device nodes of the host, for a privileged container. Those that the OCI runtime
 * makes by itself are left out. */
static int add_host_devices(struct str *s, const char *dir, int depth, int *left,
                            struct error *err)
{
    static const char *const made[] = {"null",    "zero", "full",    "random",
                                       "urandom", "tty",  "console", "ptmx",
                                       "pts",     "shm",  "mqueue",  "fd"};
    DIR *d = opendir(dir);
    struct dirent *e;
    int r = 0;
    while (d && r == 0 && (e = readdir(d)) && *left > 0) {
        bool skip = e->d_name[0] == '.';
        for (size_t i = 0; depth == 0 && i < sizeof(made) / sizeof(made[0]); i++)
            skip |= streq(made[i], e->d_name);
        if (skip)
            continue;
        AUTO_STR path = STR_INIT;
        str_addf(&path, "%s/%s", dir, e->d_name);
        struct device dev;
        if (e->d_type == DT_DIR && depth < 4) {
            r = add_host_devices(s, path.data, depth + 1, left, err);
        } else if ((e->d_type == DT_CHR || e->d_type == DT_BLK) &&
                   device_stat(path.data, &dev, NULL) == 0) {
            (*left)--;
            r = add_device(s, path.data, &dev, err);
        }
    }
    if (d)
        closedir(d);
    return r;
}

static int add_devices(struct str *s, const struct container_spec *c, struct error *err)
{
    jtext_open(s, "devices", '[');
    int left = DEVICES_MAX;
    if (c->privileged)
        TRY(add_host_devices(s, "/dev", 0, &left, err));
    for (size_t i = 0; i < c->device_count; i++) {
        const struct spec_device *d = &c->devices[i];
        const char *inside =
            str_empty(d->container_path) ? d->host_path : d->container_path;
        struct device dev;
        TRY(device_stat(d->host_path, &dev, err));
        if (c->privileged && streq(inside, d->host_path))
            continue;
        TRY(add_device(s, inside, &dev, err));
    }
    jtext_close(s, ']');
    return 0;
}

static void add_device_rule(struct str *s, bool allow, char type, int64_t maj,
                            int64_t min, const char *rights)
{
    char t[2] = {type, '\0'};
    jtext_open(s, NULL, '{');
    jtext_bool(s, "allow", allow);
    jtext_plain(s, "type", t);
    if (maj >= 0)
        jtext_i64(s, "major", maj);
    if (min >= 0)
        jtext_i64(s, "minor", min);
    jtext_plain(s, "access", rights);
    jtext_close(s, '}');
}

/* All is denied, then what the container asks for is allowed; null, tty, pts and the other
 * nodes that every container has are the OCI runtime's to allow (runtime-spec, "Default
 * Devices"). */
static int add_device_rules(struct str *s, const struct container_spec *c,
                            struct error *err)
{
    jtext_open(s, "devices", '[');
    add_device_rule(s, c->privileged, 'a', -1, -1, "rwm");
    for (size_t i = 0; !c->privileged && i < c->device_count; i++) {
        const struct spec_device *d = &c->devices[i];
        struct device dev;
        TRY(device_stat(d->host_path, &dev, err));
        bool all = !d->read && !d->write && !d->mknod;
        char rights[4] = "";
        snprintf(rights, sizeof(rights), "%s%s%s", all || d->read ? "r" : "",
                 all || d->write ? "w" : "", all || d->mknod ? "m" : "");
        add_device_rule(s, true, dev.type, dev.major, dev.minor, rights);
    }
    jtext_close(s, ']');
    return 0;
}

/* --- linux --- */

static int add_resources(struct str *s, const struct container_spec *c, struct error *err)
{
    const struct cgroup_limits *l = &c->limits;
    jtext_open(s, "resources", '{');
    TRY(add_device_rules(s, c, err));
    jtext_open(s, "memory", '{');
    if (l->memory_max_bytes > 0)
        jtext_i64(s, "limit", l->memory_max_bytes);
    if (l->memory_low_bytes > 0)
        jtext_i64(s, "reservation", l->memory_low_bytes);
    if (l->swap_max_bytes >= 0 && l->memory_max_bytes > 0)
        jtext_i64(s, "swap", l->memory_max_bytes + l->swap_max_bytes);
    if (l->swappiness >= 0 && c->cgroup_version == CGROUP_V1)
        jtext_i64(s, "swappiness", l->swappiness);
    jtext_close(s, '}');
    jtext_open(s, "cpu", '{');
    if (l->cpu_shares > 0)
        jtext_i64(s, "shares", cgroup_cpu_shares(l->cpu_shares));
    if (l->cpu_quota_us > 0) {
        jtext_i64(s, "quota", l->cpu_quota_us);
        jtext_i64(s, "period", CGROUP_CPU_PERIOD_US);
    }
    jtext_close(s, '}');
    if (l->pids_max > 0) {
        jtext_open(s, "pids", '{');
        jtext_i64(s, "limit", l->pids_max);
        jtext_close(s, '}');
    }
    jtext_close(s, '}');
    return 0;
}

static int add_namespace(struct str *s, const char *type, enum spec_namespace kind,
                         const char *path, struct error *err)
{
    if (kind == SPEC_NS_HOST)
        return 0;
    jtext_open(s, NULL, '{');
    jtext_plain(s, "type", type);
    if (kind == SPEC_NS_PATH) {
        if (str_empty(path))
            return fail(err, E_INVALID, "no path for the %s namespace", type);
        TRY(jtext_string(s, "path", path, err));
    }
    jtext_close(s, '}');
    return 0;
}

static int add_namespaces(struct str *s, const struct container_spec *c,
                          struct error *err)
{
    jtext_open(s, "namespaces", '[');
    TRY(add_namespace(s, "mount", SPEC_NS_NEW, NULL, err));
    /* A name of its own needs a UTS namespace; in host network mode Docker has one too,
     * unless no name was given. */
    bool host_name = c->net == SPEC_NS_HOST && str_empty(c->hostname);
    TRY(add_namespace(s, "uts", host_name ? SPEC_NS_HOST : SPEC_NS_NEW, NULL, err));
    TRY(add_namespace(s, "pid", c->pid, c->pid_path, err));
    TRY(add_namespace(s, "ipc", c->ipc, c->ipc_path, err));
    TRY(add_namespace(s, "network", c->net, c->net_path, err));
    if (c->cgroup_version == CGROUP_V2 && !c->privileged)
        TRY(add_namespace(s, "cgroup", SPEC_NS_NEW, NULL, err));
    jtext_close(s, ']');
    return 0;
}

static bool ipc_sysctl(const char *name)
{
    static const char *const known[] = {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (streq(known[i], name))
            return true;
    return str_starts(name, "fs.mqueue.");
}

static int add_sysctls(struct str *s, const struct container_spec *c, struct error *err)
{
    jtext_open(s, "sysctl", '{');
    for (size_t i = 0; i < c->sysctl_count; i++) {
        const char *name = c->sysctls[i].name;
        if (strstr(name, "..") || strchr(name, '/'))
            return fail(err, E_INVALID, "sysctl '%s' is not a name", name);
        bool ipc = ipc_sysctl(name), net = str_starts(name, "net.");
        if (!ipc && !net)
            return fail(err, E_INVALID, "sysctl '%s' is not separately settable", name);
        if ((ipc && c->ipc == SPEC_NS_HOST) || (net && c->net == SPEC_NS_HOST))
            return fail(err, E_INVALID,
                        "sysctl '%s' can't be set in the host's namespace", name);
        AUTO_STR key = STR_INIT;
        TRY(jtext_string(&key, NULL, name, err));
        jtext_key(s, NULL);
        str_addf(s, "%s:", key.data);
        TRY(jtext_string(s, NULL, c->sysctls[i].value, err));
    }
    jtext_close(s, '}');
    return 0;
}

static void add_hidden_paths(struct str *s)
{
    static const char *const masked[] = {"/proc/asound",
                                         "/proc/acpi",
                                         "/proc/kcore",
                                         "/proc/keys",
                                         "/proc/latency_stats",
                                         "/proc/timer_list",
                                         "/proc/timer_stats",
                                         "/proc/sched_debug",
                                         "/proc/scsi",
                                         "/sys/firmware",
                                         "/sys/devices/virtual/powercap",
                                         NULL};
    static const char *const readonly[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};
    jtext_open(s, "maskedPaths", '[');
    for (const char *const *p = masked; *p; p++)
        jtext_plain(s, NULL, *p);
    jtext_close(s, ']');
    jtext_open(s, "readonlyPaths", '[');
    for (const char *const *p = readonly; *p; p++)
        jtext_plain(s, NULL, *p);
    jtext_close(s, ']');
}

static int add_linux(struct str *s, const struct container_spec *c, uint64_t caps,
                     struct error *err)
{
    jtext_open(s, "linux", '{');
    TRY(add_namespaces(s, c, err));
    TRY(add_resources(s, c, err));
    TRY(add_devices(s, c, err));
    TRY(add_sysctls(s, c, err));
    if (!str_empty(c->cgroups_path))
        TRY(jtext_string(s, "cgroupsPath", c->cgroups_path, err));
    if (!c->privileged) {
        add_hidden_paths(s);
        if (c->seccomp == SPEC_SECCOMP_DEFAULT) {
            jtext_key(s, "seccomp");
            seccomp_profile_write(caps, s);
        }
    }
    jtext_close(s, '}');
    return 0;
}

static int add_annotations(struct str *s, const struct container_spec *c, uint64_t caps,
                           struct error *err)
{
    AUTO_STR filter = STR_INIT;
    jtext_open(s, "annotations", '{');
    if (!c->privileged && c->seccomp == SPEC_SECCOMP_DEFAULT &&
        seccomp_filter_write(caps, &filter))
        jtext_plain(s, "run.oci.seccomp_bpf_data", filter.data);
    for (size_t i = 0; i < c->annotation_count; i++) {
        AUTO_STR key = STR_INIT;
        TRY(jtext_string(&key, NULL, c->annotations[i].name, err));
        jtext_key(s, NULL);
        str_addf(s, "%s:", key.data);
        TRY(jtext_string(s, NULL, c->annotations[i].value, err));
    }
    jtext_close(s, '}');
    return 0;
}

/* What the machine itself does not allow us (a container around gantry, say) can't be
 * given; asking for it would only fail the start. */
static uint64_t within_bounds(uint64_t caps)
{
    for (unsigned i = 0; capability_name(i); i++)
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1)
            caps &= ~(UINT64_C(1) << i);
    return caps;
}

int oci_spec_write(const struct container_spec *c, struct str *ret, struct error *err)
{
    static const char *const everything[] = {"ALL", NULL};
    AUTO_STR s = STR_INIT;
    uint64_t caps;
    if (c->privileged)
        TRY(capability_set(everything, NULL, &caps, err));
    else
        TRY(capability_set(c->cap_add, c->cap_drop, &caps, err));
    caps = within_bounds(caps);
    str_reserve(&s, 16384);
    jtext_open(&s, NULL, '{');
    jtext_plain(&s, "ociVersion", "1.0.2");
    TRY(add_process(&s, c, caps, err));
    jtext_open(&s, "root", '{');
    TRY(jtext_string(&s, "path", c->rootfs, err));
    jtext_bool(&s, "readonly", c->rootfs_readonly);
    jtext_close(&s, '}');
    if (!str_empty(c->hostname))
        TRY(jtext_string(&s, "hostname", c->hostname, err));
    TRY(add_mounts(&s, c, err));
    TRY(add_linux(&s, c, caps, err));
    TRY(add_annotations(&s, c, caps, err));
    jtext_close(&s, '}');
    str_addn(ret, s.data, s.len);
    return 0;
}
