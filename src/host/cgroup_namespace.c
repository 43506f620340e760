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

#define ENTRIES_MAX 32

/* A folder bound to itself by make_shared(), not somebody's file system mounted there. */
static bool is_own_bind(const char *dir)
{
    AUTO_STR parent = STR_INIT;
    str_addf(&parent, "%s/..", dir);
    struct stat a, b;
    return stat(dir, &a) == 0 && stat(parent.data, &b) == 0 && a.st_dev == b.st_dev;
}

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
            r = make_shared(shared_dirs[i], err);
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
        bool mounted, shared;
        int r = mount_state(shared_dirs[i], &mounted, &shared, err);
        if (r < 0)
            return r;
        if (mounted && is_own_bind(shared_dirs[i]) &&
            umount2(shared_dirs[i], MNT_DETACH) < 0 && errno != EINVAL)
            return fail_errno(err, errno, "unmount '%s'", shared_dirs[i]);
    }
    return 0;
}
