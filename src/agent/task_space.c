#include "task_space.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "fd.h"
#include "ipc_space.h"
#include "str.h"

static pthread_mutex_t network_lock = PTHREAD_MUTEX_INITIALIZER;

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

int task_space_create(struct host *h, const struct gantry_host_task *t, struct error *err)
{
    AUTO_STR dir = STR_INIT;
    task_space_dir(h, t->task_id, &dir);
    if (t->task_definition->ipc_mode == ECS_IPC_MODE_TASK)
        return ipc_space_create(dir.data, shm_bytes(t->task_definition), err);
    return 0;
}

int task_space_network(struct host *h, const char *task_id, struct net_attachment *ret,
                       struct error *err)
{
    pthread_mutex_lock(&network_lock);
    int r = net_attach(h->net, task_id, NET_BRIDGE, NULL, 0, ret, err);
    pthread_mutex_unlock(&network_lock);
    return r;
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
    int r = h->net ? net_detach(h->net, task_id, err) : 0;
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
