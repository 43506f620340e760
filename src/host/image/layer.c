/* How a tar becomes a tree. Each entry: check its name, find its directory (layer_path.h),
 * clear what is in its way, create it, give it its attributes. Times of directories come
 * last, because every file made in one changes them. */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"
#include "layer_archive.h"
#include "layer_path.h"
#include "layer_stream.h"

#define WHITEOUT        ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
/* Of the mechanism below: a whiteout's metadata of aufs, which means nothing here. */
#define WHITEOUT_META ".wh..wh."
#define IMPLICIT_ROOT "trusted.gantry.implicit"

struct dir_time {
    struct dir_time *next;
    char *path;
    struct timespec mtime;
};

struct unpack {
    int root_fd;
    struct layer_options options;
    struct layer_path paths;
    struct layer_stream *stream;
    struct archive *archive;
    struct arena arena;
    struct dir_time *dirs, **dirs_end;
    struct layer_result result;
    uint64_t logical_bytes; /* with holes */
    bool root_seen;
    struct str path, link;   /* of the entry: checked names */
    struct error read_error; /* of the stream, behind libarchive's back */
};

/* ---- attributes ---- */

static struct timespec mtime_of(struct archive_entry *e)
{
    struct timespec t = {0};
    if (la.archive_entry_mtime_is_set(e)) {
        t.tv_sec = la.archive_entry_mtime(e);
        t.tv_nsec = la.archive_entry_mtime_nsec(e);
    }
    if (t.tv_nsec < 0 || t.tv_nsec > 999999999)
        t.tv_nsec = 0;
    return t;
}

/* Names that must not come from an image: overlayfs would obey them, a label is the host's
 * to give, and ours. */
static bool xattr_refused(const char *name)
{
    return str_starts(name, "trusted.overlay.") || str_starts(name, "user.overlay.") ||
           str_starts(name, "trusted.gantry.") || streq(name, "security.selinux");
}

static int set_xattrs(struct unpack *u, struct archive_entry *e, int dir,
                      const char *name, struct error *err)
{
    const char *key;
    const void *value;
    size_t size;
    AUTO_STR path = STR_INIT;
    if (la.archive_entry_xattr_reset(e) == 0)
        return 0;
    layer_fd_path(dir, name, &path);
    while (la.archive_entry_xattr_next(e, &key, &value, &size) == ARCHIVE_OK) {
        if (!key || xattr_refused(key))
            continue;
        if (lsetxattr(path.data, key, value, size, 0) == 0 || u->options.unprivileged)
            continue;
        /* The file system, or this kind of file, has no such attributes; a program that
         * lacks its capabilities would fail later and elsewhere, though. */
        if ((errno == EOPNOTSUPP || errno == EPERM) && !streq(key, "security.capability"))
            continue;
        return fail_errno(err, errno, "set %.100s of '%.200s'", key, u->path.data);
    }
    return 0;
}

/* Order matters: chown clears setuid bits and capabilities, so they come after it. */
static int set_attributes(struct unpack *u, struct archive_entry *e, int dir,
                          const char *name, struct error *err)
{
    bool link = la.archive_entry_filetype(e) == AE_IFLNK;
    int64_t uid = la.archive_entry_uid(e), gid = la.archive_entry_gid(e);
    mode_t mode = la.archive_entry_perm(e) & 07777;
    if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
        return fail(err, E_INVALID, "'%.200s' has an owner out of range", u->path.data);
    if (u->options.unprivileged)
        mode |= 0700;
    else if (fchownat(dir, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(err, errno, "set owner of '%.200s'", u->path.data);
    /* fchmodat follows links, but what it names was made by us just now and is none. */
    if (!link && fchmodat(dir, name, mode, 0) < 0)
        return fail_errno(err, errno, "set mode of '%.200s'", u->path.data);
    int r = set_xattrs(u, e, dir, name, err);
    if (r < 0)
        return r;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime_of(e)};
    if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(err, errno, "set time of '%.200s'", u->path.data);
    return 0;
}

static void remember_dir(struct unpack *u, struct archive_entry *e)
{
    struct dir_time *d = arena_new(&u->arena, struct dir_time);
    d->path = arena_strndup(&u->arena, u->path.data, u->path.len);
    d->mtime = mtime_of(e);
    *u->dirs_end = d;
    u->dirs_end = &d->next;
}

static int set_dir_times(struct unpack *u, struct error *err)
{
    for (struct dir_time *d = u->dirs; d; d = d->next) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, d->mtime};
        const char *name = ".";
        struct stat st;
        int dir = u->root_fd;
        /* It may have been replaced since. */
        if (*d->path &&
            (layer_path_parent(&u->paths, d->path, false, &dir, &name, NULL) < 0 ||
             fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
            continue;
        if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
            return fail_errno(err, errno, "set time of '%.200s'", d->path);
    }
    return 0;
}

/* ---- what is in the way ---- */

struct way {
    bool is_dir;       /* a directory is there (and stays, when one is wanted) */
    bool was_whiteout; /* of this same layer: it hides what is below */
};

static int clear_way(struct unpack *u, int dir, const char *name, bool want_dir,
                     struct way *ret, struct error *err)
{
    struct stat st;
    *ret = (struct way){0};
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0
                               : fail_errno(err, errno, "stat '%.200s'", u->path.data);
    if (S_ISDIR(st.st_mode) && want_dir) {
        ret->is_dir = true;
        return 0;
    }
    ret->was_whiteout = layer_is_whiteout(dir, name);
    layer_path_forget(&u->paths);
    if (!S_ISDIR(st.st_mode)) {
        if (unlinkat(dir, name, 0) < 0)
            return fail_errno(err, errno, "replace '%.200s'", u->path.data);
        return 0;
    }
    AUTO_STR path = STR_INIT;
    layer_fd_path(dir, name, &path);
    return dir_remove_all(path.data, err);
}

/* ---- kinds of entries ---- */

static int unpack_dir(struct unpack *u, struct archive_entry *e, int dir,
                      const char *name, const struct way *way, struct error *err)
{
    if (!way->is_dir && mkdirat(dir, name, 0700) < 0)
        return fail_errno(err, errno, "make directory '%.200s'", u->path.data);
    if (way->was_whiteout && !u->options.unprivileged) {
        int r = layer_set_opaque(dir, name, err);
        if (r < 0)
            return r;
    }
    remember_dir(u, e);
    return set_attributes(u, e, dir, name, err);
}

static int pwrite_all(int fd, const char *data, size_t len, int64_t offset,
                      struct error *err)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, errno, "write");
        data += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

static int archive_failure(struct unpack *u, struct error *err)
{
    if (u->read_error.code != E_OK) {
        if (err)
            *err = u->read_error;
        return -(int)u->read_error.code;
    }
    const char *text = la.archive_error_string(u->archive);
    return fail(err, E_CORRUPT, "the layer's tar is broken: %.300s", text ? text : "?");
}

static int write_data(struct unpack *u, int fd, int64_t size, struct error *err)
{
    const void *data;
    size_t len;
    la_int64_t offset;
    int64_t end = 0;
    for (;;) {
        int r = la.archive_read_data_block(u->archive, &data, &len, &offset);
        if (r == ARCHIVE_EOF)
            break;
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return archive_failure(u, err);
        if (offset < 0 || offset > size || (int64_t)len > size - offset)
            return fail(err, E_CORRUPT, "'%.200s' has data past its size", u->path.data);
        u->result.file_bytes += len;
        if (pwrite_all(fd, data, len, offset, err) < 0)
            return wrap(err, "'%.200s'", u->path.data);
        end = offset + (int64_t)len;
    }
    /* A hole at the end. */
    if (end < size && ftruncate(fd, size) < 0)
        return fail_errno(err, errno, "extend '%.200s'", u->path.data);
    return 0;
}

static int unpack_file(struct unpack *u, struct archive_entry *e, int dir,
                       const char *name, struct error *err)
{
    int64_t size = la.archive_entry_size(e);
    if (size < 0)
        return fail(err, E_CORRUPT, "'%.200s' has a negative size", u->path.data);
    u->logical_bytes += (uint64_t)size;
    if ((uint64_t)size > u->options.max_bytes || u->logical_bytes > u->options.max_bytes)
        return fail(err, E_LIMIT, "the layer's files have more than %llu bytes",
                    (unsigned long long)u->options.max_bytes);
    AUTO_FD fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "create '%.200s'", u->path.data);
    int r = write_data(u, fd, size, err);
    if (r < 0)
        return r;
    return set_attributes(u, e, dir, name, err);
}

static int unpack_symlink(struct unpack *u, struct archive_entry *e, int dir,
                          const char *name, struct error *err)
{
    const char *target = la.archive_entry_symlink(e);
    if (!target || !*target)
        return fail(err, E_INVALID, "link '%.200s' has no target", u->path.data);
    if (symlinkat(target, dir, name) < 0)
        return fail_errno(err, errno, "make link '%.200s'", u->path.data);
    return set_attributes(u, e, dir, name, err);
}

/* Data behind a hard link (some archivers repeat it) is skipped: the target has it. */
static int unpack_hardlink(struct unpack *u, const char *target, struct error *err)
{
    const char *name, *from_name;
    struct stat from, to;
    struct way way;
    int dir;
    if (layer_name_check(target, &u->link, err) < 0 || u->link.len == 0)
        return fail(err, E_INVALID,
                    "'%.200s' is a hard link out of the layer, to '%.200s'", u->path.data,
                    target);
    int r = layer_path_parent(&u->paths, u->link.data, false, &dir, &from_name, err);
    if (r < 0 || fstatat(dir, from_name, &from, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(err, E_INVALID,
                    "'%.200s' is a hard link to '%.200s', which the layer "
                    "does not hold",
                    u->path.data, target);
    if (S_ISDIR(from.st_mode) || layer_is_whiteout(dir, from_name))
        return fail(err, E_INVALID,
                    "'%.200s' is a hard link to '%.200s', which is no file", u->path.data,
                    target);
    /* Through O_PATH the target stays named while the way is cleared. */
    AUTO_FD source = openat(dir, from_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0)
        return fail_errno(err, errno, "open '%.200s'", target);
    if ((r = layer_path_parent(&u->paths, u->path.data, true, &dir, &name, err)) < 0)
        return r;
    if (fstatat(dir, name, &to, AT_SYMLINK_NOFOLLOW) == 0 && to.st_ino == from.st_ino &&
        to.st_dev == from.st_dev)
        return 0;
    AUTO_FD parent = fcntl(dir, F_DUPFD_CLOEXEC, 3); /* clear_way forgets it */
    if (parent < 0)
        return fail_errno(err, errno, "open the directory of '%.200s'", u->path.data);
    if ((r = clear_way(u, parent, name, false, &way, err)) < 0)
        return r;
    AUTO_STR path = STR_INIT;
    str_addf(&path, "/proc/self/fd/%d", source);
    if (linkat(AT_FDCWD, path.data, parent, name, AT_SYMLINK_FOLLOW) < 0)
        return fail_errno(err, errno, "make hard link '%.200s' to '%.200s'", u->path.data,
                          target);
    return 0;
}

static int unpack_node(struct unpack *u, struct archive_entry *e, int dir,
                       const char *name, struct error *err)
{
    mode_t type = la.archive_entry_filetype(e);
    bool device = type == AE_IFCHR || type == AE_IFBLK;
    if (device && u->options.unprivileged)
        return 0;
    dev_t dev = device ? makedev((unsigned)la.archive_entry_rdevmajor(e),
                                 (unsigned)la.archive_entry_rdevminor(e))
                       : 0;
    if (mknodat(dir, name, type | 0600, dev) < 0)
        return fail_errno(err, errno, "make device or fifo '%.200s'", u->path.data);
    return set_attributes(u, e, dir, name, err);
}

/* `name` begins with ".wh."; dir is where it would be. */
static int unpack_whiteout(struct unpack *u, int dir, const char *name, struct error *err)
{
    if (streq(name, WHITEOUT_OPAQUE))
        return u->options.unprivileged ? 0 : layer_set_opaque(dir, ".", err);
    if (str_starts(name, WHITEOUT_META))
        return 0;
    const char *hidden = name + strlen(WHITEOUT);
    struct stat st;
    if (!*hidden || streq(hidden, ".") || streq(hidden, ".."))
        return fail(err, E_INVALID, "'%.200s' hides nothing that can be named",
                    u->path.data);
    if (fstatat(dir, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        /* A whiteout is about the layers below, wherever it stands in the tar: what this
         * layer itself has stays, and only it is seen. */
        if (S_ISDIR(st.st_mode) && !u->options.unprivileged)
            return layer_set_opaque(dir, hidden, err);
        return 0;
    }
    int r = u->options.unprivileged ? mknodat(dir, hidden, S_IFREG | 0600, 0)
                                    : mknodat(dir, hidden, S_IFCHR, makedev(0, 0));
    return r < 0 ? fail_errno(err, errno, "make whiteout of '%.200s'", hidden) : 0;
}

static int unpack_root(struct unpack *u, struct archive_entry *e, struct error *err)
{
    if (la.archive_entry_filetype(e) != AE_IFDIR)
        return fail(err, E_INVALID, "the root is no directory");
    u->root_seen = true;
    remember_dir(u, e);
    return set_attributes(u, e, u->root_fd, ".", err);
}

static int unpack_kind(struct unpack *u, struct archive_entry *e, int dir,
                       const char *name, const struct way *way, struct error *err)
{
    switch (la.archive_entry_filetype(e)) {
    case AE_IFDIR:
        return unpack_dir(u, e, dir, name, way, err);
    case AE_IFREG:
        return unpack_file(u, e, dir, name, err);
    case AE_IFLNK:
        return unpack_symlink(u, e, dir, name, err);
    case AE_IFCHR:
    case AE_IFBLK:
    case AE_IFIFO:
        return unpack_node(u, e, dir, name, err);
    default:
        return fail(err, E_INVALID, "'%.200s' is of an unknown kind", u->path.data);
    }
}

static int unpack_entry(struct unpack *u, struct archive_entry *e, struct error *err)
{
    const char *path = la.archive_entry_pathname(e), *name;
    struct way way;
    int dir;
    if (!path)
        return fail(err, E_CORRUPT, "an entry has no name");
    int r = layer_name_check(path, &u->path, err);
    if (r < 0)
        return r;
    if (u->path.len == 0)
        return unpack_root(u, e, err);
    if (la.archive_entry_hardlink(
            e)) /* always with the real name: `.wh.` means nothing here */
        return unpack_hardlink(u, la.archive_entry_hardlink(e), err);
    if ((r = layer_path_parent(&u->paths, u->path.data, true, &dir, &name, err)) < 0)
        return r;
    if (str_starts(name, WHITEOUT))
        return unpack_whiteout(u, dir, name, err);
    AUTO_FD parent = fcntl(dir, F_DUPFD_CLOEXEC, 3); /* clear_way may forget it */
    if (parent < 0)
        return fail_errno(err, errno, "open the directory of '%.200s'", u->path.data);
    r = clear_way(u, parent, name, la.archive_entry_filetype(e) == AE_IFDIR, &way, err);
    return r < 0 ? r : unpack_kind(u, e, parent, name, &way, err);
}

/* ---- the whole ---- */

static la_ssize_t feed(struct archive *a, void *ctx, const void **ret)
{
    struct unpack *u = ctx;
    int64_t n = layer_stream_next(u->stream, ret, &u->read_error);
    if (n < 0)
        la.archive_set_error(a, EIO, "%s", u->read_error.text);
    return n < 0 ? ARCHIVE_FATAL : (la_ssize_t)n;
}

static int unpack_all(struct unpack *u, struct error *err)
{
    for (;;) {
        struct archive_entry *e;
        int r = la.archive_read_next_header(u->archive, &e);
        if (r == ARCHIVE_EOF)
            return 0;
        /* A warning is a name that is no text in the C locale; its bytes are kept. */
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return archive_failure(u, err);
        if (++u->result.entries > u->options.max_entries)
            return fail(err, E_LIMIT, "the layer has more than %u entries",
                        u->options.max_entries);
        r = unpack_entry(u, e, err);
        if (r < 0)
            return r;
    }
}

static int open_archive(struct unpack *u, struct error *err)
{
    int r = archive_load(err);
    if (r < 0)
        return r;
    u->archive = la.archive_read_new();
    if (!u->archive)
        return fail(err, E_IO, "libarchive could not start");
    la.archive_read_support_format_tar(u->archive);
    la.archive_read_support_format_empty(u->archive);
    if (la.archive_read_open(u->archive, u, NULL, feed, NULL) != ARCHIVE_OK)
        return archive_failure(u, err);
    return 0;
}

static int mark_root(struct unpack *u, struct error *err)
{
    AUTO_STR path = STR_INIT;
    if (u->root_seen || u->options.unprivileged)
        return 0;
    layer_fd_path(u->root_fd, ".", &path);
    if (fchmod(u->root_fd, 0755) < 0 ||
        lsetxattr(path.data, IMPLICIT_ROOT, "y", 1, 0) < 0)
        return fail_errno(err, errno, "mark the layer's root");
    return 0;
}

static int unpack_run(struct unpack *u, struct error *err)
{
    const struct blob_digest *want = u->options.diff_id;
    int r;
    if ((r = open_archive(u, err)) < 0 || (r = unpack_all(u, err)) < 0 ||
        (r = layer_stream_drain(u->stream, &u->result.diff_id, &u->result.tar_bytes,
                                err)) < 0)
        return r;
    if (want && !blob_digest_equal(want, &u->result.diff_id)) {
        char has[BLOB_DIGEST_SIZE], wants[BLOB_DIGEST_SIZE];
        blob_digest_format(&u->result.diff_id, has);
        blob_digest_format(want, wants);
        return fail(err, E_CORRUPT, "the layer's diff_id is %s, and the image says %s",
                    has, wants);
    }
    if ((r = mark_root(u, err)) < 0)
        return r;
    return set_dir_times(u, err);
}

int layer_unpack(int root_fd, layer_read *read, void *ctx, const struct layer_options *o,
                 struct layer_result *ret, struct error *err)
{
    static const struct layer_options defaults;
    struct unpack u = {.root_fd = root_fd, .options = o ? *o : defaults};
    if (u.options.max_bytes == 0)
        u.options.max_bytes = LAYER_MAX_BYTES;
    if (u.options.max_entries == 0)
        u.options.max_entries = LAYER_MAX_ENTRIES;
    u.dirs_end = &u.dirs;
    enum blob_algorithm algorithm =
        u.options.diff_id ? u.options.diff_id->algorithm : BLOB_SHA256;
    /* The stream has headers beside the files: their room is bounded by the entries. */
    uint64_t max_stream = u.options.max_bytes + (u.options.max_bytes >> 3) + (64u << 20);
    int r = layer_stream_open(read, ctx, algorithm, max_stream, &u.stream, err);
    if (r < 0)
        return r;
    /* libarchive turns names into the locale's characters and normalises them there; in
     * the C locale it gives their bytes. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = c ? uselocale(c) : (locale_t)0;
    layer_path_init(&u.paths, root_fd, u.options.unprivileged);
    r = unpack_run(&u, err);
    if (r == 0 && ret)
        *ret = u.result;
    if (u.archive)
        la.archive_read_free(u.archive);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    layer_stream_close(u.stream);
    layer_path_fini(&u.paths);
    arena_free(&u.arena);
    str_free(&u.path);
    str_free(&u.link);
    return r;
}

static int64_t read_fd(void *ctx, void *buf, size_t cap, struct error *err)
{
    const int *fd = ctx;
    for (;;) {
        ssize_t n = read(*fd, buf, cap);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return fail_errno(err, errno, "read the layer");
    }
}

int layer_unpack_fd(int root_fd, int fd, const struct layer_options *o,
                    struct layer_result *ret, struct error *err)
{
    return layer_unpack(root_fd, read_fd, &fd, o, ret, err);
}

bool layer_root_is_implicit(const char *layer_dir)
{
    char value[4];
    return lgetxattr(layer_dir, IMPLICIT_ROOT, value, sizeof(value)) > 0;
}
