/* Bytes as files, named by ids of their own and never by keys.
 *
 *   <dir>/incoming/<id>       being written, or just put
 *   <dir>/objects/ab/<id>     at rest
 *
 * A put is: write incoming/<id> · fsync the file and its folder · the index names it · answer ·
 * move the file to objects/ab/<id>. Before the index's commit a crash leaves the old object, and
 * behind it the new one; in both cases what incoming/ holds is looked through at the next
 * start: what the index names is moved, the rest deleted. So a start costs as much as there
 * were unfinished uploads, and not as much as there are objects.
 *
 * Readers hold descriptors: who reads an object while it is replaced gets the old one to its
 * end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fd.h"
#include "object_bytes.h"

struct file_bytes {
    struct object_bytes base;
    char *dir, *incoming;
    int incoming_fd;
};

static struct file_bytes *self(struct object_bytes *b)
{
    return (struct file_bytes *)(void *)b;
}

static void place_path(const struct file_bytes *s, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/objects/%.2s/%s", s->dir, id, id);
}

static void incoming_path(const struct file_bytes *s, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s", s->incoming, id);
}

static int file_drop(struct object_bytes *b, const char *place, struct error *err)
{
    AUTO_STR path = STR_INIT;
    place_path(self(b), place, &path);
    unlink(path.data);
    incoming_path(self(b), place, &path);
    unlink(path.data);
    return 0;
}

/* ---- reading ---- */

static int open_place(const struct file_bytes *s, const char *id, struct error *err)
{
    AUTO_STR path = STR_INIT;
    for (int i = 0; i < 2; i++) { /* it may be moved between the two looks */
        place_path(s, id, &path);
        int fd = open(path.data, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 || errno != ENOENT)
            return fd >= 0 ? fd : fail_errno(err, errno, "opening '%s'", path.data);
        incoming_path(s, id, &path);
        fd = open(path.data, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return fail_errno(err, errno, "opening '%s'", path.data);
}

static int file_open(struct object_bytes *b, const char *place, uint64_t first,
                     uint64_t length, int *ret_fd, uint64_t *ret_offset,
                     struct error *err)
{
    int fd = open_place(self(b), place, err);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    *ret_offset = first;
    return 0;
}

/* ---- writing ---- */

static int file_writer_new(struct object_bytes *b, struct object_writer **ret,
                           struct error *err)
{
    return object_writer_make(self(b)->incoming, false, ret, err);
}

static int file_keep(struct object_bytes *b, const struct object_writer *w,
                     struct error *err)
{
    if (fsync(w->fd) < 0)
        return fail_errno(err, errno, "writing an object");
    if (fsync(self(b)->incoming_fd) < 0)
        return fail_errno(err, errno, "writing the folder of objects");
    return 0;
}

/* The file goes where it stays. Where it is, it is found, too. */
static void file_settle(struct object_bytes *b, struct object_writer *w)
{
    AUTO_STR from = STR_INIT, to = STR_INIT;
    incoming_path(self(b), w->id, &from);
    place_path(self(b), w->id, &to);
    if (rename(from.data, to.data) < 0)
        errno = 0; /* the next start tries again */
    w->dir = NULL;
    object_writer_drop(w);
}

static void file_discard(struct object_bytes *b, struct object_writer *w)
{
    object_writer_drop(w);
}

/* In the kernel: by sharing blocks where the file system can, else by copying. */
static int append_file(struct object_writer *w, int fd, uint64_t size, struct error *err)
{
    while (size) {
        ssize_t n = copy_file_range(fd, NULL, w->fd, NULL, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? fail_errno(err, errno, "joining parts")
                         : fail(err, E_CORRUPT, "a part is shorter than it was");
        size -= (uint64_t)n;
        w->size_bytes += (uint64_t)n;
    }
    return 0;
}

static int append_part(struct file_bytes *s, struct object_writer *w,
                       const struct object_part *part, struct error *err)
{
    AUTO_FD fd = open_place(s, part->place, err);
    return fd < 0 ? -E_NOTFOUND : append_file(w, fd, part->size_bytes, err);
}

static int file_join(struct object_bytes *b, struct arena *a,
                     const struct object_part *parts, size_t count,
                     const char **ret_place, struct object_writer **ret_writer,
                     struct error *err)
{
    struct object_writer *w;
    int r = file_writer_new(b, &w, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = append_part(self(b), w, &parts[i], err);
    if (r < 0) {
        object_writer_drop(w);
        return r;
    }
    *ret_place = w->id;
    *ret_writer = w;
    return 0;
}

/* ---- the start ---- */

static void sweep_one(struct file_bytes *s, struct object_index *index, const char *id)
{
    AUTO_STR from = STR_INIT, to = STR_INIT;
    incoming_path(s, id, &from);
    place_path(s, id, &to);
    if (strlen(id) != OBJECT_ID_SIZE - 1 || !object_index_names(index, id) ||
        rename(from.data, to.data) < 0)
        unlink(from.data);
}

static int file_sweep(struct object_bytes *b, struct object_index *index,
                      struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct string_list left = {0};
    int r = object_writers_left(self(b)->incoming, &a, &left, err);
    for (size_t i = 0; i < left.n; i++)
        sweep_one(self(b), index, left.v[i]);
    return r;
}

static int file_free_bytes(struct object_bytes *b, uint64_t *ret, struct error *err)
{
    struct statvfs v;
    if (statvfs(self(b)->dir, &v) < 0)
        return fail_errno(err, errno, "asking for free space at '%s'", self(b)->dir);
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

static void file_close(struct object_bytes *b)
{
    struct file_bytes *s = self(b);
    fd_close(&s->incoming_fd);
    free(s->incoming);
    free(s->dir);
    free(s);
}

static const struct object_bytes_ops file_ops = {
    .name = "files",
    .writer_new = file_writer_new,
    .keep = file_keep,
    .settle = file_settle,
    .discard = file_discard,
    .open = file_open,
    .join = file_join,
    .drop = file_drop,
    .sweep = file_sweep,
    .free_bytes = file_free_bytes,
    .close = file_close,
};

/* 256 folders, made once, so that a put never has to make one durable. */
static int make_folders(struct file_bytes *s, struct error *err)
{
    AUTO_STR path = STR_INIT;
    int r = dir_make_all(s->incoming, 0700, err);
    for (unsigned i = 0; r == 0 && i < 256; i++) {
        str_clear(&path);
        str_addf(&path, "%s/objects/%02x", s->dir, i);
        r = dir_make_all(path.data, 0700, err);
    }
    if (r < 0)
        return r;
    s->incoming_fd = open(s->incoming, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->incoming_fd < 0 ? fail_errno(err, errno, "opening '%s'", s->incoming) : 0;
}

int file_bytes_open(const char *dir, struct object_bytes **ret, struct error *err)
{
    struct file_bytes *s = xcalloc(1, sizeof(*s));
    AUTO_STR path = STR_INIT;
    s->base.ops = &file_ops;
    s->dir = xstrdup(dir);
    s->incoming_fd = -1;
    str_addf(&path, "%s/incoming", dir);
    s->incoming = xstrdup(path.data);
    int r = make_folders(s, err);
    if (r < 0) {
        file_close(&s->base);
        return r;
    }
    *ret = &s->base;
    return 0;
}
