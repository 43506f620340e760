/* crun refuses a machine that has v1 controllers and, beside them, a cgroup2 mount with
 * controllers. Nothing needs that mount, so we hide it from ourselves alone: a mount
 * namespace of our own, from which it is unmounted.
 *
 * The price of a namespace of our own would be that nobody else sees our mounts, not even
 * the agent's next process. So the folders below which gantry mounts become shared mounts
 * first: mounts below them appear in every copy, in both directions. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cgroup.h"
#include "fd.h"

/* In mountinfo: is `dir` a mount point, and a shared one? */
static int mount_state(const char *dir, bool *ret_mounted, bool *ret_shared,
                       struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &text, err);
    if (r < 0)
        return r;
    *ret_mounted = *ret_shared = false;
    char *save = NULL;
    for (char *line = strtok_r(text.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char point[4096], options[512];
        int at = 0;
        if (sscanf(line, "%*d %*d %*s %*s %4095s %511s %n", point, options, &at) < 2)
            continue;
        if (!streq(point, dir))
            continue;
        *ret_mounted = true;
        *ret_shared = strncmp(line + at, "shared:", 7) == 0;
    }
    return 0;
}

static int make_shared(const char *dir, struct error *err)
{
    bool mounted, shared;
    int r = mount_state(dir, &mounted, &shared, err);
    if (r < 0 || shared)
        return r;
    if (!mounted && mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0)
        return fail_errno(err, errno, "bind '%s' to itself", dir);
    if (mount(NULL, dir, NULL, MS_SHARED, NULL) < 0)
        return fail_errno(err, errno, "make '%s' shared", dir);
    return 0;
}

static int hide(const char *root, const char *unified, struct error *err)
{
    /* Private, so that the unmount stays ours. */
    if (mount(NULL, root, NULL, MS_PRIVATE | MS_REC, NULL) < 0)
        return fail_errno(err, errno, "make '%s' private", root);
    if (umount2(unified, MNT_DETACH) < 0)
        return fail_errno(err, errno, "unmount '%s'", unified);
    return 0;
}

int cgroup_prepare_namespace(const char *root, const char *const shared_dirs[],
                             struct error *err)
{
    struct cgroups cg;
    int r = cgroups_open(root, "probe", &cg, err);
    if (r < 0 || !cg.hybrid)
        return r;
    for (size_t i = 0; shared_dirs && shared_dirs[i]; i++) {
        r = dir_make_all(shared_dirs[i], 0755, err);
        if (r == 0)
            r = make_shared(shared_dirs[i], err);
        if (r < 0)
            return r;
    }
    if (unshare(CLONE_NEWNS) < 0)
        return fail_errno(err, errno, "own mount namespace");
    AUTO_STR unified = STR_INIT;
    str_addf(&unified, "%s/unified", root);
    r = hide(root, unified.data, err);
    return r < 0 ? r : 1;
}

int cgroup_release_namespace(const char *const shared_dirs[], struct error *err)
{
    for (size_t i = 0; shared_dirs && shared_dirs[i]; i++) {
        bool mounted, shared;
        int r = mount_state(shared_dirs[i], &mounted, &shared, err);
        if (r < 0)
            return r;
        if (mounted && umount2(shared_dirs[i], MNT_DETACH) < 0 && errno != EINVAL)
            return fail_errno(err, errno, "unmount '%s'", shared_dirs[i]);
    }
    return 0;
}
