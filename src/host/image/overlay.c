/* Which way a mount is made is decided by trying: the new interface's "lowerdir+" (Linux
 * 6.8), else mount(2) with descriptors as names. A file system below that overlayfs can't
 * write to shows as EINVAL from both, and then overlay_is_supported() knows the reason. */
#include "overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "layer.h"
#include "str.h"

#define COPIED "copied" /* a file beside merged: the copy is whole */

/* ---- names ---- */

static int check_id(const char *id, struct error *err)
{
    size_t n = strlen(id);
    size_t ok =
        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                   "_.-");
    if (n == 0 || n > OVERLAY_MAX_ID || ok != n || strchr("._-", id[0]))
        return fail(err, E_INVALID, "'%.200s' is no overlay id", id);
    return 0;
}

static int path_of(const char *dir, const char *id, const char *leaf,
                   char ret[static OVERLAY_PATH_SIZE], struct error *err)
{
    int n =
        snprintf(ret, OVERLAY_PATH_SIZE, "%s/%s%s%s", dir, id, *leaf ? "/" : "", leaf);
    if (n < 0 || n >= OVERLAY_PATH_SIZE)
        return fail(err, E_LIMIT, "the path of overlay '%s' is too long", id);
    return 0;
}

static bool is_mounted(const char *path)
{
    struct statx sx;
    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &sx) == 0 &&
           (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* ---- the layers: open, without repetitions ---- */

struct lower {
    const char *path;
    int fd; /* O_PATH */
    ino_t ino;
    dev_t dev;
};

struct stack {
    struct lower layer[OVERLAY_MAX_LAYERS]; /* bottom first */
    size_t count;
};

static void stack_close(struct stack *s)
{
    for (size_t i = 0; i < s->count; i++)
        fd_close(&s->layer[i].fd);
    s->count = 0;
}
#define AUTO_STACK __attribute__((cleanup(stack_close))) struct stack

static bool stack_has(const struct stack *s, const struct stat *st)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->layer[i].ino == st->st_ino && s->layer[i].dev == st->st_dev)
            return true;
    return false;
}

static void stack_reverse(struct stack *s)
{
    for (size_t i = 0, j = s->count; i + 1 < j; i++) {
        struct lower swap = s->layer[--j];
        s->layer[j] = s->layer[i];
        s->layer[i] = swap;
    }
}

/* A layer that comes twice counts where it is uppermost: there it says again all that it
 * said below, and overlayfs refuses to have a directory twice. */
static int stack_open(struct stack *s, const struct overlay_config *c, struct error *err)
{
    for (size_t i = c->layer_count; i-- > 0;) {
        struct stat st;
        AUTO_FD fd = open(c->layers[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
            return fail_errno(err, errno, "open layer '%s'", c->layers[i]);
        if (stack_has(s, &st))
            continue;
        if (s->count == OVERLAY_MAX_LAYERS)
            return fail(err, E_LIMIT, "more than %d layers", OVERLAY_MAX_LAYERS);
        s->layer[s->count].path = c->layers[i];
        s->layer[s->count].ino = st.st_ino;
        s->layer[s->count].dev = st.st_dev;
        s->layer[s->count++].fd = fd_take(&fd);
    }
    stack_reverse(s);
    return 0;
}

/* ---- the two ways to mount ---- */

static int try_new_way(const struct overlay_config *c, const struct stack *s,
                       const char *upper, const char *work, int merged_fd)
{
    AUTO_FD fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return -errno;
    for (size_t i = s->count; i-- > 0;) {
        char path[64];
        const char *name = s->layer[i].path;
        /* A string option has 255 bytes at most. */
        if (strlen(name) > 255) {
            snprintf(path, sizeof(path), "/proc/self/fd/%d", s->layer[i].fd);
            name = path;
        }
        if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", name, 0) < 0)
            return -errno;
    }
    if (upper && (fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) < 0 ||
                  fsconfig(fs, FSCONFIG_SET_STRING, "workdir", work, 0) < 0))
        return -errno;
    if (c->volatile_upper && upper &&
        fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
        return -errno;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    AUTO_FD mnt = fsmount(fs, FSMOUNT_CLOEXEC, c->read_only ? MOUNT_ATTR_RDONLY : 0);
    if (mnt < 0)
        return -errno;
    if (move_mount(mnt, "", merged_fd, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return -errno;
    return 0;
}

/* Every name is a descriptor, so that one page of options holds a hundred layers and more,
 * and no ':' or ',' of a path has to be quoted. */
static int try_old_way(const struct overlay_config *c, const struct stack *s,
                       const char *upper, const char *work, const char *merged)
{
    AUTO_STR o = STR_INIT;
    AUTO_FD upper_fd = -1;
    AUTO_FD work_fd = -1;
    str_add(&o, "lowerdir=");
    for (size_t i = s->count; i-- > 0;)
        str_addf(&o, "/proc/self/fd/%d%s", s->layer[i].fd, i ? ":" : "");
    if (upper) {
        upper_fd = open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
        work_fd = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (upper_fd < 0 || work_fd < 0)
            return -errno;
        str_addf(&o, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", upper_fd,
                 work_fd);
    }
    if (c->volatile_upper && upper)
        str_add(&o, ",volatile");
    if (o.len >= 4096)
        return -E2BIG;
    if (mount("overlay", merged, "overlay", c->read_only ? MS_RDONLY : 0, o.data) < 0)
        return -errno;
    return 0;
}

static int mount_stack(const struct overlay_config *c, const struct stack *s,
                       const char *upper, const char *work, const char *merged,
                       struct error *err)
{
    AUTO_FD merged_fd = open(merged, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (merged_fd < 0)
        return fail_errno(err, errno, "open '%s'", merged);
    int r = try_new_way(c, s, upper, work, merged_fd);
    if (r == -EINVAL || r == -ENOSYS || r == -EPERM)
        r = try_old_way(c, s, upper, work, merged);
    if (r == -E2BIG)
        return fail(err, E_LIMIT,
                    "%zu layers are too many for this kernel; Linux 6.8 has "
                    "no such limit",
                    s->count);
    return r < 0 ? fail_errno(err, -r, "mount overlay at '%s'", merged) : 0;
}

/* ---- making and removing ---- */

/* The merged root shows the owner and mode of the upper directory, so those are taken from
 * the uppermost layer whose tar had something to say about its root. */
static int root_attributes(const struct stack *s, const char *dir, struct error *err)
{
    struct stat st = {.st_mode = 0755};
    for (size_t i = s->count; i-- > 0;) {
        if (i > 0 && layer_root_is_implicit(s->layer[i].path))
            continue;
        if (fstat(s->layer[i].fd, &st) < 0)
            return fail_errno(err, errno, "stat layer '%s'", s->layer[i].path);
        break;
    }
    if (chown(dir, st.st_uid, st.st_gid) < 0 || chmod(dir, st.st_mode & 07777) < 0)
        return fail_errno(err, errno, "set owner and mode of '%s'", dir);
    return 0;
}

static int make_dir(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) < 0)
        return fail_errno(err, errno, "mkdir '%s'", path);
    return 0;
}

static int copy_all(const struct overlay_config *c, const struct stack *s,
                    const char *merged, struct error *err)
{
    char marker[OVERLAY_PATH_SIZE];
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->count; i++)
        r = overlay_copy_layer(s->layer[i].path, merged, err);
    if (r == 0)
        r = root_attributes(s, merged, err);
    if (r == 0)
        r = path_of(c->dir, c->id, COPIED, marker, err);
    return r < 0 ? r : file_replace(marker, "", 0, 0600, 0, err);
}

static int mount_overlay(const struct overlay_config *c, const struct stack *s,
                         const char *merged, struct error *err)
{
    char upper[OVERLAY_PATH_SIZE], work[OVERLAY_PATH_SIZE];
    int r;
    const char *dir = c->write_dir ? c->write_dir : c->dir;
    if ((r = path_of(dir, c->id, "upper", upper, err)) < 0 ||
        (r = path_of(dir, c->id, "work", work, err)) < 0 ||
        (r = make_dir(upper, 0755, err)) < 0 || (r = make_dir(work, 0700, err)) < 0)
        return r;
    if (c->read_only) {
        /* Without an upper directory overlayfs wants two lower ones at least: the empty
         * directory that upper would be is put on top, which also gives the root's mode. */
        struct stack with = *s;
        if (with.count == OVERLAY_MAX_LAYERS)
            return fail(err, E_LIMIT, "more than %d layers", OVERLAY_MAX_LAYERS - 1);
        AUTO_FD fd = open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
        AUTO_FD below = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || below < 0)
            return fail_errno(err, errno, "open '%s'", upper);
        if ((r = root_attributes(s, upper, err)) < 0)
            return r;
        if (with.count == 0) {
            with.layer[0].path = work;
            with.layer[with.count++].fd = below;
        }
        with.layer[with.count].path = upper;
        with.layer[with.count++].fd = fd;
        return mount_stack(c, &with, NULL, NULL, merged, err);
    }
    if ((r = root_attributes(s, upper, err)) < 0)
        return r;
    return mount_stack(c, s, upper, work, merged, err);
}

/* An overlay needs a layer below: an image without any gets an empty one. */
static int add_empty(const struct overlay_config *c, struct stack *s, char *path,
                     struct error *err)
{
    int r = path_of(c->dir, c->id, "empty", path, err);
    if (r < 0 || s->count > 0 || c->read_only)
        return r;
    if ((r = make_dir(path, 0755, err)) < 0)
        return r;
    s->layer[0].fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->layer[0].fd < 0)
        return fail_errno(err, errno, "open '%s'", path);
    s->layer[0].path = path;
    s->count = 1;
    return 0;
}

static int fill(const struct overlay_config *c, const char *merged, struct error *err)
{
    AUTO_STACK s;
    s.count = 0; /* the rest need not be cleared: it is 16 KiB */
    char empty[OVERLAY_PATH_SIZE];
    int r;
    if ((r = stack_open(&s, c, err)) < 0 || (r = make_dir(merged, 0755, err)) < 0 ||
        (r = add_empty(c, &s, empty, err)) < 0)
        return r;
    if (c->force_copy)
        return copy_all(c, &s, merged, err);
    r = mount_overlay(c, &s, merged, err);
    if (r < 0 && overlay_is_supported(c->dir, NULL) == -E_UNSUPPORTED)
        return copy_all(c, &s, merged, err);
    return r;
}

int overlay_mount(const struct overlay_config *c,
                  char ret_merged[static OVERLAY_PATH_SIZE], struct error *err)
{
    char base[OVERLAY_PATH_SIZE], merged[OVERLAY_PATH_SIZE];
    int r;
    if ((r = check_id(c->id, err)) < 0 ||
        (r = path_of(c->dir, c->id, "", base, err)) < 0 ||
        (r = path_of(c->dir, c->id, "merged", merged, err)) < 0)
        return r;
    if ((r = dir_make_all(c->dir, 0700, err)) < 0)
        return r;
    if (mkdir(base, 0700) < 0)
        return fail_errno(err, errno, "root filesystem '%s'", base);
    if (fill(c, merged, err) < 0) {
        overlay_release(c->dir, c->id, NULL);
        return wrap(err, "root filesystem '%s'", c->id);
    }
    memcpy(ret_merged, merged, OVERLAY_PATH_SIZE);
    return 0;
}

int overlay_release(const char *dir, const char *id, struct error *err)
{
    char base[OVERLAY_PATH_SIZE], merged[OVERLAY_PATH_SIZE];
    int r;
    if ((r = check_id(id, err)) < 0 || (r = path_of(dir, id, "", base, err)) < 0 ||
        (r = path_of(dir, id, "merged", merged, err)) < 0)
        return r;
    /* A mount may lie on a mount; anything that still uses it goes on with what it has. */
    for (int i = 0; i < 16 && is_mounted(merged); i++)
        if (umount2(merged, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            return fail_errno(err, errno, "unmount '%s'", merged);
    return dir_remove_all(base, err);
}

int overlay_find(const char *dir, const char *id,
                 char ret_merged[static OVERLAY_PATH_SIZE], struct error *err)
{
    char merged[OVERLAY_PATH_SIZE], marker[OVERLAY_PATH_SIZE];
    int r;
    if ((r = check_id(id, err)) < 0 ||
        (r = path_of(dir, id, "merged", merged, err)) < 0 ||
        (r = path_of(dir, id, COPIED, marker, err)) < 0)
        return r;
    if (!is_mounted(merged) && access(marker, F_OK) < 0)
        return fail(err, E_NOTFOUND, "overlay '%s' is not mounted", id);
    memcpy(ret_merged, merged, OVERLAY_PATH_SIZE);
    return 0;
}

int overlay_list(const char *dir,
                 int (*visit)(void *ctx, const char *id, bool mounted, struct error *err),
                 void *ctx, struct error *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, errno, "read directory '%s'", dir);
    int r = 0;
    struct dirent *e;
    while (r >= 0 && (e = readdir(d))) {
        char merged[OVERLAY_PATH_SIZE];
        if (check_id(e->d_name, NULL) == 0)
            r = visit(ctx, e->d_name, overlay_find(dir, e->d_name, merged, NULL) == 0,
                      err);
    }
    closedir(d);
    return r < 0 ? r : 0;
}

/* ---- can it work here? ---- */

static const char *unfit_below(const char *dir)
{
    struct statfs fs;
    if (statfs(dir, &fs) < 0)
        return NULL;
    switch ((uint32_t)fs.f_type) {
    case OVERLAYFS_SUPER_MAGIC:
        return "it is itself on an overlay filesystem; use a directory on a disk or a "
               "volume";
    case NFS_SUPER_MAGIC:
    case 0xff534d42u: /* CIFS */
    case 0xfe534d42u: /* SMB2 */
    case FUSE_SUPER_MAGIC:
    case V9FS_MAGIC:
        return "it is on a network or user filesystem, which overlayfs can't write to";
    default:
        return NULL;
    }
}

static bool kernel_has_overlay(void)
{
    AUTO_STR list = STR_INIT;
    AUTO_FD fs = fsopen("overlay", FSOPEN_CLOEXEC); /* loads the module */
    if (fs >= 0)
        return true;
    return file_read(AT_FDCWD, "/proc/filesystems", 1 << 20, &list, NULL) == 0 &&
           strstr(str_text(&list), "\toverlay\n");
}

int overlay_is_supported(const char *dir, struct error *err)
{
    const char *why = unfit_below(dir);
    if (why)
        return fail(err, E_UNSUPPORTED, "'%s' can't hold overlay mounts: %s", dir, why);
    if (!kernel_has_overlay())
        return fail(err, E_UNSUPPORTED, "the kernel has no overlay filesystem");
    return 0;
}
