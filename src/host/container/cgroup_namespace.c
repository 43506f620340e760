/* crun refuses a machine that has v1 controllers and, beside them, a cgroup2 mount with
 * controllers. Nothing needs that mount, so we hide it from ourselves alone: in a mount
 * namespace of our own.
 *
 * The price of a namespace of our own would be that nobody else sees our mounts, not even
 * the agent's next process. So the folders below which gantry mounts become shared mounts
 * first: mounts below them appear in every copy, in both directions. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "fd.h"
#include "shared_mount.h"

#define ENTRIES_MAX 32

/* One entry of the old root, to be found again in the new one. */
struct kept {
    char name[64];
    int tree;        /* a detached copy of its mount */
    char target[64]; /* of a symbolic link, else "" */
};

static int keep_entries(const char *root, struct kept kept[ENTRIES_MAX], size_t *ret,
                        struct error *err)
{
    DIR *d = opendir(root);
    if (!d)
        return fail_errno(err, errno, "open '%s'", root);
    struct dirent *e;
    int r = 0;
    while (r == 0 && (e = readdir(d)) && *ret < ENTRIES_MAX) {
        struct kept *k = &kept[*ret];
        *k = (struct kept){.tree = -1};
        size_t len = strlen(e->d_name);
        if (e->d_name[0] == '.' || streq(e->d_name, "unified") || len >= sizeof(k->name))
            continue;
        memcpy(k->name, e->d_name, len + 1);
        if (e->d_type == DT_LNK) {
            r = readlinkat(dirfd(d), k->name, k->target, sizeof(k->target) - 1) < 0 ? -1
                                                                                    : 0;
        } else if (e->d_type == DT_DIR) {
            k->tree = open_tree(dirfd(d), k->name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
            r = k->tree < 0 ? -1 : 0;
        } else {
            continue;
        }
        if (r < 0)
            r = fail_errno(err, errno, "copy the mount '%s/%s'", root, k->name);
        (*ret)++;
    }
    closedir(d);
    return r;
}

static int place(int root, struct kept *k, struct error *err)
{
    int r;
    if (k->tree < 0) {
        r = symlinkat(k->target, root, k->name);
    } else {
        r = mkdirat(root, k->name, 0755);
        if (r == 0)
            r = move_mount(k->tree, "", root, k->name, MOVE_MOUNT_F_EMPTY_PATH);
    }
    return r < 0 ? fail_errno(err, errno, "place '%s'", k->name) : 0;
}

/* A new root over the old one, with every hierarchy but "unified". (To unmount "unified"
 * alone is not enough: the folder under it is left, and crun fills it with plain files.) */
static int hide(const char *root, struct error *err)
{
    struct kept kept[ENTRIES_MAX];
    size_t count = 0;
    /* Private, so that what follows stays ours. */
    if (mount(NULL, root, NULL, MS_PRIVATE | MS_REC, NULL) < 0)
        return fail_errno(err, errno, "make '%s' private", root);
    int r = keep_entries(root, kept, &count, err);
    if (r == 0 && mount("cgroup-root", root, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                        "mode=755,size=64k") < 0)
        r = fail_errno(err, errno, "mount on '%s'", root);
    AUTO_FD dir = r == 0 ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (r == 0 && dir < 0)
        r = fail_errno(err, errno, "open '%s'", root);
    for (size_t i = 0; i < count; i++) {
        if (r == 0)
            r = place(dir, &kept[i], err);
        fd_close(&kept[i].tree);
    }
    return r;
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
            r = mount_make_shared(shared_dirs[i], err);
        if (r < 0)
            return r;
    }
    if (unshare(CLONE_NEWNS) < 0)
        return fail_errno(err, errno, "own mount namespace");
    r = hide(root, err);
    return r < 0 ? r : 1;
}

int cgroup_release_namespace(const char *const shared_dirs[], struct error *err)
{
    for (size_t i = 0; shared_dirs && shared_dirs[i]; i++) {
        int r = mount_end_shared(shared_dirs[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}
