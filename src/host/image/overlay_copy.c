/* The fallback for hosts where overlayfs can't write: a layer directory is laid over a
 * plain one, doing by hand what the kernel would show. Slow, and every container has its
 * own copy (shared blocks where the file system can); for CI inside containers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uthash.h>

#include "arena.h"
#include "fd.h"
#include "layer_path.h"
#include "overlay.h"

/* Files of several names: the first copy is linked again. */
struct linked {
    ino_t ino; /* key */
    char *path;
    UT_hash_handle hh;
};

struct copy {
    struct linked *links;
    struct arena arena;
    struct str path; /* below the root, of what is being copied */
    int target_root;
};

static int copy_xattrs(const char *from, const char *to, struct error *err)
{
    char names[4096], value[65536];
    ssize_t n = llistxattr(from, names, sizeof(names));
    for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
        const char *name = names + i;
        if (str_starts(name, "trusted.overlay.") || str_starts(name, "trusted.gantry."))
            continue;
        ssize_t size = lgetxattr(from, name, value, sizeof(value));
        if (size >= 0 && lsetxattr(to, name, value, (size_t)size, 0) < 0 &&
            errno != EOPNOTSUPP && errno != EPERM)
            return fail_errno(err, errno, "set %s of '%s'", name, to);
    }
    return 0;
}

static int copy_attributes(struct copy *c, int from_dir, int to_dir, const char *name,
                           const struct stat *st, struct error *err)
{
    AUTO_STR from = STR_INIT;
    AUTO_STR to = STR_INIT;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
    layer_fd_path(from_dir, name, &from);
    layer_fd_path(to_dir, name, &to);
    if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0))
        return fail_errno(err, errno, "set owner and mode of '%s'", c->path.data);
    int r = copy_xattrs(from.data, to.data, err);
    if (r < 0)
        return r;
    if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(err, errno, "set time of '%s'", c->path.data);
    return 0;
}

static int copy_range(int from, int to, off_t start, off_t end, struct error *err)
{
    while (start < end) {
        off_t in = start, out = start;
        ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - start), 0);
        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
            char buf[65536];
            size_t want =
                (size_t)(end - start) < sizeof(buf) ? (size_t)(end - start) : sizeof(buf);
            n = pread(from, buf, want, start);
            if (n > 0)
                n = pwrite(to, buf, (size_t)n, start);
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "copy");
        if (n == 0)
            break;
        start += n;
    }
    return 0;
}

/* Shared blocks when the file system can; else only what is no hole. */
static int copy_data(int from, int to, off_t size, struct error *err)
{
    if (size == 0 || ioctl(to, FICLONE, from) == 0)
        return 0;
    for (off_t at = 0; at < size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0)
            break; /* a hole to the end */
        off_t end = lseek(from, data, SEEK_HOLE);
        int r = copy_range(from, to, data, end < 0 ? size : end, err);
        if (r < 0)
            return r;
        at = end < 0 ? size : end;
    }
    return ftruncate(to, size) < 0 ? fail_errno(err, errno, "extend") : 0;
}

static int copy_file(struct copy *c, int from_dir, int to_dir, const char *name,
                     const struct stat *st, struct error *err)
{
    AUTO_FD from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_FD to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (from < 0 || to < 0)
        return fail_errno(err, errno, "copy '%s'", c->path.data);
    if (copy_data(from, to, st->st_size, err) < 0)
        return wrap(err, "'%s'", c->path.data);
    return 0;
}

static int copy_symlink(struct copy *c, int from_dir, int to_dir, const char *name,
                        struct error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);
    if (n < 0)
        return fail_errno(err, errno, "read link '%s'", c->path.data);
    target[n] = '\0';
    if (symlinkat(target, to_dir, name) < 0)
        return fail_errno(err, errno, "make link '%s'", c->path.data);
    return 0;
}

/* 1 when the file has been linked to an earlier copy. */
static int link_again(struct copy *c, int to_dir, const char *name, const struct stat *st,
                      struct error *err)
{
    struct linked *l;
    if (st->st_nlink < 2)
        return 0;
    HASH_FIND(hh, c->links, &st->st_ino, sizeof(st->st_ino), l);
    if (l) {
        if (linkat(c->target_root, l->path, to_dir, name, 0) < 0)
            return fail_errno(err, errno, "link '%s'", c->path.data);
        return 1;
    }
    l = arena_new(&c->arena, struct linked);
    l->ino = st->st_ino;
    l->path = arena_strdup(&c->arena, c->path.data + 1);
    HASH_ADD(hh, c->links, ino, sizeof(l->ino), l);
    return 0;
}

static int copy_other(struct copy *c, int from_dir, int to_dir, const char *name,
                      const struct stat *st, struct error *err)
{
    int r = link_again(c, to_dir, name, st, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (S_ISREG(st->st_mode))
        r = copy_file(c, from_dir, to_dir, name, st, err);
    else if (S_ISLNK(st->st_mode))
        r = copy_symlink(c, from_dir, to_dir, name, err);
    else if (mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0)
        r = fail_errno(err, errno, "make '%s'", c->path.data);
    return r < 0 ? r : copy_attributes(c, from_dir, to_dir, name, st, err);
}

static int remove_in(int dir, const char *name, struct error *err)
{
    AUTO_STR path = STR_INIT;
    layer_fd_path(dir, name, &path);
    return dir_remove_all(path.data, err);
}

static bool is_opaque(int dir, const char *name)
{
    char value = 0;
    AUTO_STR path = STR_INIT;
    layer_fd_path(dir, name, &path);
    return lgetxattr(path.data, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static int copy_tree(struct copy *c, int from_fd, int to_fd, struct error *err);

static int copy_dir(struct copy *c, int from_dir, int to_dir, const char *name,
                    const struct stat *st, struct error *err)
{
    if (is_opaque(from_dir, name)) {
        int r = remove_in(to_dir, name, err);
        if (r < 0)
            return r;
    }
    if (mkdirat(to_dir, name, 0700) < 0 && errno != EEXIST)
        return fail_errno(err, errno, "make directory '%s'", c->path.data);
    int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = from < 0 || to < 0 ? fail_errno(err, errno, "open '%s'", c->path.data)
                               : copy_tree(c, from, to, err);
    fd_close(&from);
    fd_close(&to);
    return r < 0 ? r : copy_attributes(c, from_dir, to_dir, name, st, err);
}

static int copy_one(struct copy *c, int from, int to, const char *name, struct error *err)
{
    struct stat st, old;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(err, errno, "stat '%s'", c->path.data);
    bool there = fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !(S_ISDIR(st.st_mode) && S_ISDIR(old.st_mode))) {
        int r = remove_in(to, name, err);
        if (r < 0)
            return r;
    }
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
        return 0; /* a whiteout has done its work */
    if (S_ISDIR(st.st_mode))
        return copy_dir(c, from, to, name, &st, err);
    return copy_other(c, from, to, name, &st, err);
}

/* Depth is bounded by what the unpacker let in. */
static int copy_tree(struct copy *c, int from_fd, int to_fd, struct error *err)
{
    int dup = fcntl(from_fd, F_DUPFD_CLOEXEC, 3);
    DIR *d = dup < 0 ? NULL : fdopendir(dup);
    if (!d) {
        int e = errno;
        fd_close(&dup);
        return fail_errno(err, e, "read directory '%s'", str_text(&c->path));
    }
    int r = 0;
    size_t len = c->path.len;
    struct dirent *e;
    while (r == 0 && (e = readdir(d))) {
        if (streq(e->d_name, ".") || streq(e->d_name, ".."))
            continue;
        str_addf(&c->path, "/%s", e->d_name);
        r = copy_one(c, from_fd, to_fd, e->d_name, err);
        c->path.len = len;
        c->path.data[len] = '\0';
    }
    closedir(d);
    return r;
}

int overlay_copy_layer(const char *layer, const char *target, struct error *err)
{
    AUTO_FD from = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0)
        return fail_errno(err, errno, "open layer '%s'", layer);
    AUTO_FD to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0)
        return fail_errno(err, errno, "open '%s'", target);
    struct copy c = {.target_root = to};
    str_add(&c.path, "");
    int r = copy_tree(&c, from, to, err);
    HASH_CLEAR(hh, c.links);
    arena_free(&c.arena);
    str_free(&c.path);
    return r < 0 ? wrap(err, "copying layer '%s'", layer) : 0;
}
