/* The boot and the end of one instance, see instance_machine.h. */
#include "instance_machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "fd.h"
#include "netns.h"
#include "spawn.h"
#include "user_data.h"

#define KILL_MS    10000
#define PIDS_MAX   256
#define READY_MS   1000
#define LOG_MAX    (4 * 1024 * 1024)
#define MOUNTS_MAX (8 * 1024 * 1024)
#define UNMOUNTS   16 /* looks at the mounts, each ending all that it sees */

extern char **environ;

static const char *disk_path(struct arena *a, const struct instance_place *p,
                             const char *name)
{
    return arena_printf(a, "%s/%s%s", p->config->dir, p->id, name);
}

static const char *run_path(struct arena *a, const struct instance_place *p,
                            const char *name)
{
    return arena_printf(a, "%s/%s%s", p->config->run_dir, p->id, name);
}

static const char *group_name(struct arena *a, const struct instance_place *p)
{
    return arena_printf(a, "%s-%s", p->config->run, p->id);
}

static int group_open(struct arena *a, const struct instance_place *p,
                      struct cgroups *ret, struct error *err)
{
    return cgroups_open(CGROUP_ROOT, group_name(a, p), ret, err);
}

/* ---- boot ---- */

int64_t machine_booted(const struct instance_place *p)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR text = STR_INIT;
    int64_t n = 0;
    if (file_read(AT_FDCWD, run_path(&a, p, "/boot"), 64, &text, NULL) < 0 ||
        !str_to_i64(str_text(&text), 1, INT64_MAX, &n))
        return 0;
    return n;
}

static int make_folders(struct arena *a, const struct instance_place *p,
                        struct error *err)
{
    int r = dir_make_all(disk_path(a, p, "/data"), 0711, err);
    return r < 0 ? r : dir_make_all(run_path(a, p, "/run"), 0755, err);
}

static bool mac_read(const char *text, uint8_t ret[6])
{
    unsigned v[6];
    if (!text || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &v[0], &v[1], &v[2], &v[3],
                        &v[4], &v[5]) != 6)
        return false;
    for (int i = 0; i < 6; i++)
        ret[i] = (uint8_t)v[i];
    return true;
}

static int wire(struct arena *a, const struct instance_place *p,
                const struct gantry_edge_instance *w, struct error *err)
{
    struct vpc_wiring v = {
        .interface = {.vpc_id = w->vpc_id, .interface_id = w->network_interface_id},
        .netns_path = run_path(a, p, "/net"),
        .name = "eth0",
        .routes = VPC_DEFAULT_ROUTE,
    };
    if (!mac_read(w->mac_address, v.interface.mac) || !w->private_ip_address ||
        inet_pton(AF_INET, w->private_ip_address, &v.interface.address_be) != 1)
        return fail(err, E_INVALID, "an instance without an address");
    int r = netns_create(v.netns_path, err);
    if (r >= 0)
        r = vpc_attach(&p->config->place, &v, err);
    if (r >= 0)
        r = vpc_interface_ready(&p->config->place, &v.interface, READY_MS, err);
    return r;
}

static int make_group(struct arena *a, const struct instance_place *p,
                      const struct gantry_edge_instance *w, struct error *err)
{
    struct cgroups cg;
    struct cgroup_limits limits = CGROUP_LIMITS_INIT;
    limits.cpu_quota_us = cgroup_cpu_quota_us((int64_t)w->vcpus.v * 1024);
    limits.memory_max_bytes = (int64_t)w->memory_mib.v * 1024 * 1024;
    limits.swap_max_bytes = 0;
    int r = group_open(a, p, &cg, err);
    return r < 0 ? r : cgroup_run_create(&cg, &limits, err);
}

static int note_boot(struct arena *a, const struct instance_place *p, int64_t generation,
                     struct error *err)
{
    const char *text = arena_printf(a, "%lld", (long long)generation);
    return file_replace(run_path(a, p, "/boot"), text, strlen(text), 0600, 0, err);
}

int machine_boot(const struct instance_place *p, const struct gantry_edge_instance *w,
                 struct str *console, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    int r = make_folders(&a, p, err);
    if (r == 0)
        r = wire(&a, p, w, err);
    if (r >= 0)
        r = make_group(&a, p, w, err);
    if (r >= 0)
        r = machine_start_agent(p, w, console, err);
    return r < 0 ? r : note_boot(&a, p, w->generation.v, err);
}

/* ---- its agent ---- */

pid_t machine_agent(const struct instance_place *p)
{
    AUTO_ARENA a = ARENA_INIT;
    struct cgroups cg;
    struct error err;
    pid_t pids[PIDS_MAX] = {0}, first = 0;
    int n = group_open(&a, p, &cg, &err);
    if (n == 0)
        n = cgroup_run_pids(&cg, pids, PIDS_MAX, &err);
    for (int k = 0; k < n; k++) /* programs that it runs came after it */
        if (!first || pids[k] < first)
            first = pids[k];
    return first;
}

static void add_argument(struct arena *a, struct string_list *l, const char *name,
                         const char *value)
{
    if (value)
        *LIST_PUSH(a, l) = arena_printf(a, "--%s=%s", name, value);
}

static void arguments(struct arena *a, const struct instance_place *p,
                      const struct gantry_edge_instance *w, struct user_data *u,
                      struct string_list *l)
{
    int32_t memory = w->memory_mib.v - INSTANCE_SYSTEM_MIB;
    *LIST_PUSH(a, l) = "gantry";
    *LIST_PUSH(a, l) = "agent";
    add_argument(a, l, "data-dir", disk_path(a, p, "/data"));
    add_argument(a, l, "run-dir", run_path(a, p, "/run"));
    add_argument(a, l, "server", p->config->server_url);
    add_argument(a, l, "region", w->region);
    add_argument(a, l, "instance-id", p->id);
    add_argument(a, l, "availability-zone", w->availability_zone);
    add_argument(a, l, "instance-type", w->instance_type);
    add_argument(a, l, "instance-netns", run_path(a, p, "/net"));
    add_argument(a, l, "instance-group", group_name(a, p));
    add_argument(a, l, "instance-vcpus", arena_printf(a, "%d", w->vcpus.v));
    add_argument(a, l, "instance-memory", arena_printf(a, "%d", memory));
    add_argument(a, l, "vpc-dir", p->config->place.dir);
    user_data_arguments(a, u, l);
    *LIST_PUSH(a, l) = NULL;
}

/* None of our keys: the agent has what the instance's role has (imds.h). */
static const char **environment(struct arena *a)
{
    struct string_list all = {0};
    for (char **e = environ; *e; e++)
        if (!str_starts(*e, "AWS_"))
            *LIST_PUSH(a, &all) = *e;
    *LIST_PUSH(a, &all) = NULL;
    return all.v;
}

static void write_console(struct arena *a, const struct instance_place *p,
                          const struct gantry_edge_instance *w, const struct user_data *u,
                          struct str *console)
{
    str_addf(console, "gantry %s: instance %s (%s, %d vCPUs, %d MiB)\n", GANTRY_VERSION,
             p->id, w->instance_type, w->vcpus.v, w->memory_mib.v);
    str_addf(console, "eth0: %s in %s\n", w->private_ip_address, w->subnet_id);
    for (size_t n = 0; n < u->settings.n; n++)
        str_addf(console, "ecs.config: %s=%s\n", u->settings.v[n].key,
                 u->settings.v[n].value);
    for (size_t n = 0; n < u->notes.n; n++)
        str_addf(console, "user data: %s\n", u->notes.v[n]);
    str_add(console, "the ECS agent starts\n");
}

static int open_log(struct arena *a, const struct instance_place *p)
{
    const char *path = disk_path(a, p, "/agent.log");
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > LOG_MAX)
        rename(path, disk_path(a, p, "/agent.log.1"));
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

int machine_start_agent(const struct instance_place *p,
                        const struct gantry_edge_instance *w, struct str *console,
                        struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct user_data u;
    struct string_list arg = {0};
    struct cgroups cg;
    char self[4096];
    pid_t pid = 0;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return fail_errno(err, errno, "read /proc/self/exe");
    self[n] = '\0';
    char *deleted = strstr(self, " (deleted)"); /* a newer one lies there now */
    if (deleted)
        *deleted = '\0';
    user_data_parse(&a, w->user_data, &u);
    arguments(&a, p, w, &u, &arg);
    AUTO_FD log = open_log(&a, p);
    struct spawn s = {
        .path = self,
        .argv = arg.v,
        .envp = environment(&a),
        .cwd = "/",
        .fds = {-1, log, log},
        .cgroup_fd = -1,
        .new_session = true,
    };
    int r = group_open(&a, p, &cg, err);
    if (r == 0)
        r = spawn_start(&s, &pid, NULL, err);
    if (r < 0)
        return r;
    write_console(&a, p, w, &u, console);
    /* It joins the group by itself too; so nothing that ends the group can miss it. */
    struct error ignored;
    cgroup_run_add(&cg, pid, &ignored);
    return 0;
}

/* ---- the end ---- */

/* The mount point of a line of mountinfo, when it lies below dir. */
static char *mount_below(char *line, const char *dir)
{
    size_t n = strlen(dir);
    char *p = line;
    for (int field = 0; field < 4 && p; field++)
        p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL;
    char *end = p ? strchr(p, ' ') : NULL;
    if (!end || strncmp(p, dir, n) != 0 || (p[n] != '/' && p + n != end))
        return NULL;
    *end = '\0';
    return p;
}

/* Newest first: what lies upon another mount goes before it. */
static int unmount_once(struct arena *a, const char *dir, bool *ret_any,
                        struct error *err)
{
    AUTO_STR text = STR_INIT;
    struct string_list found = {0};
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX, &text, err);
    char *save = NULL;
    for (char *line = r < 0 ? NULL : strtok_r(text.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        const char *at = mount_below(line, dir);
        if (at)
            *LIST_PUSH(a, &found) = arena_strdup(a, at);
    }
    for (size_t n = found.n; n-- > 0;)
        *ret_any |= umount2(found.v[n], MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
    return r < 0 ? r : 0;
}

static int unmount_all(struct arena *a, const char *dir, struct error *err)
{
    bool any = true;
    int r = 0;
    for (int n = 0; r == 0 && any && n < UNMOUNTS; n++) {
        any = false;
        r = unmount_once(a, dir, &any, err);
    }
    return r;
}

int machine_power_off(const struct instance_place *p, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct cgroups cg;
    int r = group_open(&a, p, &cg, err);
    if (r == 0)
        r = cgroup_purge(&cg, KILL_MS, err);
    if (r == 0)
        r = unmount_all(&a, run_path(&a, p, ""), err);
    if (r == 0)
        r = unmount_all(&a, disk_path(&a, p, ""), err);
    if (r == 0)
        r = netns_delete(run_path(&a, p, "/net"), err);
    return r < 0 ? r : dir_remove_all(run_path(&a, p, ""), err);
}

int machine_destroy(const struct instance_place *p, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    int r = machine_power_off(p, err);
    return r < 0 ? r : dir_remove_all(disk_path(&a, p, ""), err);
}
