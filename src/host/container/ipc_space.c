#include "ipc_space.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "netns.h"
#include "str.h"
#include "volume_mount.h"

#define SHM_BYTES_DEFAULT (64LL << 20)

struct making {
    const char *path;
    int result;
    struct error *err;
};

/* On a thread of its own: unshare() changes only the one that calls, and it ends here. */
static void *make_and_pin(void *arg)
{
    struct making *m = arg;
    if (unshare(CLONE_NEWIPC) < 0)
        m->result = fail_errno(m->err, errno, "new IPC namespace");
    else if (mount("/proc/thread-self/ns/ipc", m->path, NULL, MS_BIND, NULL) < 0)
        m->result = fail_errno(m->err, errno, "pin '%s'", m->path);
    return NULL;
}

static int pin_namespace(const char *path, struct error *err)
{
    struct making m = {.path = path, .err = err};
    pthread_t thread;
    if (netns_exists(path))
        return 0;
    AUTO_FD file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0)
        return fail_errno(err, errno, "create '%s'", path);
    int e = pthread_create(&thread, NULL, make_and_pin, &m);
    if (e)
        return fail_errno(err, e, "a thread for an IPC namespace");
    pthread_join(thread, NULL);
    return m.result;
}

int ipc_space_create(const char *dir, int64_t shm_bytes, struct error *err)
{
    AUTO_STR ns = STR_INIT, shm = STR_INIT;
    char options[64];
    str_addf(&ns, "%s/" IPC_SPACE_NAMESPACE, dir);
    str_addf(&shm, "%s/" IPC_SPACE_SHM, dir);
    snprintf(options, sizeof(options), "nosuid,nodev,noexec,mode=1777,size=%lld",
             (long long)(shm_bytes > 0 ? shm_bytes : SHM_BYTES_DEFAULT));
    struct volume_mount m = {
        .type = "tmpfs", .device = "shm", .options = options, .target = shm.data};
    int r = dir_make_all(dir, 0711, err);
    if (r >= 0)
        r = pin_namespace(ns.data, err);
    return r < 0 ? r : volume_mount(&m, err);
}

int ipc_space_delete(const char *dir, struct error *err)
{
    AUTO_STR ns = STR_INIT, shm = STR_INIT;
    str_addf(&ns, "%s/" IPC_SPACE_NAMESPACE, dir);
    str_addf(&shm, "%s/" IPC_SPACE_SHM, dir);
    int r = netns_delete(ns.data, err);
    return r < 0 ? r : volume_unmount(shm.data, err);
}
