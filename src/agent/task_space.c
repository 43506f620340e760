#include "task_space.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "firelens.h"
#include "firelens_config.h"
#include "init_program.h"
#include "ipc_space.h"
#include "oci_spec.h"
#include "runtime.h"
#include "sized_disk.h"
#include "str.h"

static void space_dir(const char *run_dir, const char *task_id, struct str *ret)
{
    str_addf(ret, "%s/spaces/%s", run_dir, task_id);
}

void task_space_dir(const struct host *h, const char *task_id, struct str *ret)
{
    space_dir(h->config->run_dir, task_id, ret);
}

/* The largest that a container asks for: they share one. */
static int64_t shm_bytes(const struct ecs_task_definition *def)
{
    int64_t most = 0;
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const struct ecs_linux_parameters *l =
            def->container_definitions.v[i].linux_parameters;
        if (l && l->shared_memory_size.set && l->shared_memory_size.v > most)
            most = l->shared_memory_size.v;
    }
    return most * 1024 * 1024;
}

/* ---- pid ---- */

#define HOLDER ".pids" /* its group; no container's name has a dot */

static int holder_config(struct host *h, const char *task_id, const char *root,
                         struct str *ret, struct error *err)
{
    static const char *const args[] = {"/dev/init", "--", NULL};
    static const char *const all[] = {"ALL", NULL};
    AUTO_STR init = STR_INIT, group = STR_INIT;
    int r = 0;
    if (h->config->init_path)
        str_add(&init, h->config->init_path);
    else
        r = init_program_install(h->config->data_dir, &init, err);
    if (r < 0)
        return r;
    cgroup_path(&h->cgroups, task_id, HOLDER, &group);
    struct spec_mount mount = {
        .source = init.data, .destination = "/dev/init", .read_only = true};
    struct container_spec spec = CONTAINER_SPEC_INIT;
    spec.rootfs = root;
    spec.rootfs_readonly = true;
    spec.args = args;
    spec.user = "65534:65534";
    spec.hostname = "pid-space";
    spec.no_new_privileges = true;
    spec.no_shm = true;
    spec.cap_drop = all;
    spec.mounts = &mount;
    spec.mount_count = 1;
    spec.cgroups_path = group.data;
    spec.cgroup_version = h->cgroups.version;
    return oci_spec_write(&spec, ret, err);
}

static int hold_pids(struct host *h, const char *task_id, const char *dir,
                     struct error *err)
{
    AUTO_STR root = STR_INIT, config = STR_INIT;
    str_addf(&root, "%s/root", dir);
    int r = dir_make_all(root.data, 0755, err);
    if (r >= 0)
        r = holder_config(h, task_id, root.data, &config, err);
    if (r < 0)
        return r;
    struct container_create cc = {.id = task_id,
                                  .task = task_id,
                                  .container = HOLDER,
                                  .config_json = config.data,
                                  .config_len = config.len,
                                  .log = LOG_NONE};
    r = runtime_create(h->runtime, &cc, err);
    return r < 0 && r != -E_EXISTS ? r : runtime_start(h->runtime, task_id, err);
}

int task_space_pid_path(struct host *h, const char *task_id, struct str *ret,
                        struct error *err)
{
    struct container_state state;
    int r = runtime_state(h->runtime, task_id, &state, err);
    if (r < 0)
        return r;
    if (state.status != CONTAINER_RUNNING || state.pid <= 0)
        return fail(err, E_NOTFOUND, "the task's pid namespace has ended");
    str_addf(ret, "/proc/%d/ns/pid", (int)state.pid);
    return 0;
}

/* ---- disk ---- */

#define GIB (INT64_C(1) << 30)

static void disk_paths(const char *data_dir, const char *task_id, struct str *image,
                       struct str *target)
{
    str_addf(image, "%s/tasks/%s/disk.img", data_dir, task_id);
    str_addf(target, "%s/mounts/%s/.disk", data_dir, task_id);
}

bool task_space_disk(const struct host *h, const struct gantry_host_task *t,
                     struct str *ret)
{
    AUTO_STR image = STR_INIT;
    if (t->ephemeral_storage_gib.v <= 0)
        return false;
    disk_paths(h->config->data_dir, t->task_id, &image, ret);
    return true;
}

static int make_disk(struct host *h, const struct gantry_host_task *t, struct error *err)
{
    AUTO_STR image = STR_INIT, target = STR_INIT;
    if (t->ephemeral_storage_gib.v <= 0)
        return 0;
    disk_paths(h->config->data_dir, t->task_id, &image, &target);
    return sized_disk_create(image.data, target.data, t->ephemeral_storage_gib.v * GIB,
                             err);
}

static int delete_disk(struct host *h, const char *task_id, struct error *err)
{
    AUTO_STR image = STR_INIT, target = STR_INIT;
    disk_paths(h->config->data_dir, task_id, &image, &target);
    return sized_disk_delete(image.data, target.data, err);
}

/* ---- logs ---- */

/* Whoever the router runs as makes its socket there. */
static int make_socket_dir(struct host *h, const char *task_id, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    firelens_socket_dir(h, task_id, &dir);
    int r = dir_make_all(dir.data, 0711, err);
    if (r >= 0 && chmod(dir.data, 0777) < 0)
        r = fail_errno(err, errno, "opening '%s'", dir.data);
    return r;
}

/* ---- all ---- */

int task_space_create(struct host *h, const struct gantry_host_task *t, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    int r = 0;
    task_space_dir(h, t->task_id, &dir);
    if (t->task_definition->ipc_mode == ECS_IPC_MODE_TASK)
        r = ipc_space_create(dir.data, shm_bytes(t->task_definition), err);
    if (r >= 0 && t->task_definition->pid_mode == ECS_PID_MODE_TASK)
        r = hold_pids(h, t->task_id, dir.data, err);
    if (r >= 0 && firelens_router(t->task_definition))
        r = make_socket_dir(h, t->task_id, err);
    return r < 0 ? r : make_disk(h, t, err);
}

static int delete_dir(const char *run_dir, const char *task_id, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    space_dir(run_dir, task_id, &dir);
    if (access(dir.data, F_OK) < 0)
        return 0;
    int r = ipc_space_delete(dir.data, err);
    return r < 0 ? r : dir_remove_all(dir.data, err);
}

int task_space_delete(struct host *h, const char *task_id, struct error *err)
{
    firelens_stop(task_id);
    int r = runtime_remove(h->runtime, task_id, err);
    if (r >= 0)
        r = delete_disk(h, task_id, err);
    return r < 0 ? r : delete_dir(h->config->run_dir, task_id, err);
}

int task_space_sweep(const char *run_dir, bool (*known)(void *ctx, const char *task_id),
                     void *ctx, struct error *err)
{
    AUTO_STR path = STR_INIT;
    space_dir(run_dir, "", &path);
    DIR *d = opendir(path.data);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "open '%s'", path.data);
    int r = 0;
    for (struct dirent *e; r >= 0 && (e = readdir(d));)
        if (e->d_name[0] != '.' && !(known && known(ctx, e->d_name)))
            r = delete_dir(run_dir, e->d_name, err);
    closedir(d);
    return r;
}
