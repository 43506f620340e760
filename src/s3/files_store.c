/* Objects as files, named by ids of their own and never by keys.
 *
 *   <dir>/index.db            what objects are called (object_index.h)
 *   <dir>/incoming/<id>       being written, or just put
 *   <dir>/objects/ab/<id>     at rest
 *
 * A put is: write incoming/<id> · fsync the file and its folder · commit the index · answer ·
 * move the file to objects/ab/<id>. Before the commit a crash leaves the old object, and
 * behind it the new one; in both cases what incoming/ holds is looked through at the next
 * start: what the index names is moved, the rest deleted. So a start costs as much as there
 * were unfinished uploads, and not as much as there are objects.
 *
 * A file that is replaced or deleted goes to the index's trash in the same commit, is unlinked
 * afterwards, and then leaves the trash: that last commit waits for the next change, because an
 * entry that is there once too often costs one failing unlink at the next start.
 *
 * Readers hold descriptors: who reads an object while it is replaced gets the old one to its
 * end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "fd.h"
#include "object_index.h"
#include "object_store.h"

#define EMPTY_AT 256 /* unlinked files that wait to leave the trash */

struct files_store {
    struct object_store base;
    char *dir, *incoming;
    int incoming_fd;
    struct object_index *index;
    pthread_mutex_t lock;
    struct arena unlinked_arena;
    struct string_list unlinked; /* still in the trash */
};

static struct files_store *self(struct object_store *s)
{
    return (struct files_store *)(void *)s;
}

static void place_path(const struct files_store *s, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/objects/%.2s/%s", s->dir, id, id);
}

static void incoming_path(const struct files_store *s, const char *id, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s", s->incoming, id);
}

/* ---- files that are not needed any more ---- */

static void empty_trash(struct files_store *s, const struct string_list *files)
{
    AUTO_STR path = STR_INIT;
    for (size_t i = 0; i < files->n; i++) {
        place_path(s, files->v[i], &path);
        unlink(path.data);
        incoming_path(s, files->v[i], &path);
        unlink(path.data);
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < files->n; i++)
        *LIST_PUSH(&s->unlinked_arena, &s->unlinked) =
            arena_strdup(&s->unlinked_arena, files->v[i]);
    struct string_list out = {0};
    struct arena owned = ARENA_INIT;
    if (s->unlinked.n >= EMPTY_AT) {
        out = s->unlinked;
        owned = s->unlinked_arena;
        s->unlinked = (struct string_list){0};
        s->unlinked_arena = (struct arena)ARENA_INIT;
    }
    pthread_mutex_unlock(&s->lock);
    object_index_emptied(s->index, &out, NULL); /* else they are there once more */
    arena_free(&owned);
}

/* ---- reading ---- */

static int files_find(struct object_store *b, struct arena *a, const char *bucket,
                      const char *key, struct object_info *ret, struct error *err)
{
    return object_index_find(self(b)->index, a, bucket, key, ret, err);
}

static int open_place(struct files_store *s, const char *id, struct error *err)
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

static int files_open(struct object_store *b, const char *bucket,
                      const struct object_info *info, uint64_t first, uint64_t length,
                      int *ret_fd, uint64_t *ret_offset, struct error *err)
{
    int fd = open_place(self(b), info->place, err);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    *ret_offset = first;
    return 0;
}

static int files_list(struct object_store *b, struct arena *a, const char *bucket,
                      const struct object_list *list, struct object_page *ret,
                      struct error *err)
{
    return object_index_list(self(b)->index, a, bucket, list, ret, err);
}

/* ---- writing ---- */

static int files_writer_new(struct object_store *b, struct object_writer **ret,
                            struct error *err)
{
    return object_writer_make(self(b)->incoming, false, ret, err);
}

static int make_durable(struct files_store *s, struct object_writer *w, struct error *err)
{
    if (fsync(w->fd) < 0)
        return fail_errno(err, errno, "writing an object");
    if (fsync(s->incoming_fd) < 0)
        return fail_errno(err, errno, "writing the folder of objects");
    return 0;
}

/* It is named: the file goes where it stays. Where it is, it is found, too. */
static void settle(struct files_store *s, struct object_writer *w)
{
    AUTO_STR from = STR_INIT, to = STR_INIT;
    incoming_path(s, w->id, &from);
    place_path(s, w->id, &to);
    if (rename(from.data, to.data) < 0)
        errno = 0; /* the next start tries again */
    w->dir = NULL;
    object_writer_drop(w);
}

static int files_put(struct object_store *b, struct object_writer *w, const char *bucket,
                     const struct object_info *info,
                     const struct object_condition *condition, struct error *err)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    struct object_info put = *info;
    put.place = w->id;
    int r = make_durable(s, w, err);
    if (r == 0)
        r = object_index_put(s->index, &a, bucket, &put, condition, &trash, err);
    if (r < 0) {
        object_writer_drop(w);
        return r;
    }
    settle(s, w);
    empty_trash(s, &trash);
    return 0;
}

static int files_remove(struct object_store *b, const char *bucket,
                        const char *const *keys, size_t count, const char *if_match,
                        struct error *err)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    int r = object_index_remove(s->index, &a, bucket, keys, count, if_match, &trash, err);
    if (r == 0)
        empty_trash(s, &trash);
    return r;
}

static int files_set_tags(struct object_store *b, const char *bucket, const char *key,
                          const struct string_map *tags, struct error *err)
{
    return object_index_set_tags(self(b)->index, bucket, key, tags, err);
}

/* ---- uploads in parts ---- */

static int files_upload_new(struct object_store *b, struct arena *a, const char *bucket,
                            const char *key, int64_t now_ms,
                            const struct gantry_s3_object_record *more,
                            const char **ret_id, struct error *err)
{
    unsigned char raw[24];
    char *id = arena_alloc(a, 2 * sizeof(raw) + 1);
    RAND_bytes(raw, sizeof(raw));
    hex_encode(raw, sizeof(raw), id);
    *ret_id = id;
    return object_index_upload_new(self(b)->index, bucket, key, id, now_ms, more, err);
}

static int files_upload_find(struct object_store *b, struct arena *a, const char *bucket,
                             const char *key, const char *id, struct object_upload *ret,
                             struct error *err)
{
    return object_index_upload_find(self(b)->index, a, bucket, key, id, ret, err);
}

static int files_part_put(struct object_store *b, struct object_writer *w,
                          const char *bucket, const char *key, const char *id,
                          const struct object_part *part, struct error *err)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    struct object_part put = *part;
    put.place = w->id;
    int r = make_durable(s, w, err);
    if (r == 0)
        r = object_index_part_put(s->index, &a, bucket, key, id, &put, &trash, err);
    if (r < 0) {
        object_writer_drop(w);
        return r;
    }
    settle(s, w);
    empty_trash(s, &trash);
    return 0;
}

static int files_part_list(struct object_store *b, struct arena *a, const char *bucket,
                           const char *key, const char *id, int after, size_t limit,
                           struct object_part **ret, size_t *ret_count, struct error *err)
{
    return object_index_part_list(self(b)->index, a, id, after, limit, ret, ret_count,
                                  err);
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

static int join(struct files_store *s, struct object_writer *w,
                const struct object_part *parts, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_FD fd = open_place(s, parts[i].place, err);
        int r = fd < 0 ? -E_NOTFOUND : append_file(w, fd, parts[i].size_bytes, err);
        if (r < 0)
            return r;
    }
    return make_durable(s, w, err);
}

static int files_upload_end(struct object_store *b, const char *bucket, const char *id,
                            const struct object_part *parts, size_t count,
                            struct object_info *info,
                            const struct object_condition *condition, struct error *err)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    struct object_writer *w = NULL;
    struct object_info put = *info;
    int r = files_writer_new(b, &w, err);
    if (r < 0)
        return r;
    put.place = w->id;
    r = join(s, w, parts, count, err);
    if (r == 0)
        r = object_index_upload_end(s->index, &a, bucket, id, &put, condition, &trash,
                                    err);
    if (r < 0) {
        object_writer_drop(w);
        return r;
    }
    settle(s, w);
    empty_trash(s, &trash);
    return 0;
}

static int files_upload_abort(struct object_store *b, const char *bucket, const char *key,
                              const char *id, struct error *err)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    int r = object_index_upload_abort(s->index, &a, bucket, key, id, &trash, err);
    if (r == 0)
        empty_trash(s, &trash);
    return r;
}

static int files_upload_list(struct object_store *b, struct arena *a, const char *bucket,
                             const char *prefix, const char *key_after,
                             const char *id_after, size_t limit,
                             struct object_upload **ret, size_t *ret_count,
                             struct error *err)
{
    return object_index_upload_list(self(b)->index, a, bucket, prefix, key_after,
                                    id_after, limit, ret, ret_count, err);
}

/* ---- buckets ---- */

static int files_bucket_close(struct object_store *b, const char *id, struct error *err)
{
    return object_index_bucket_close(self(b)->index, id, err);
}

static void files_bucket_reopen(struct object_store *b, const char *id)
{
    object_index_bucket_reopen(self(b)->index, id, NULL);
}

static void files_bucket_forget(struct object_store *b, const char *id)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    if (object_index_bucket_forget(s->index, &a, id, &trash, NULL) == 0)
        empty_trash(s, &trash);
}

/* ---- the start ---- */

static void sweep_one(struct files_store *s, const char *id)
{
    AUTO_STR from = STR_INIT, to = STR_INIT;
    incoming_path(s, id, &from);
    place_path(s, id, &to);
    if (strlen(id) != OBJECT_ID_SIZE - 1 || !object_index_names(s->index, id) ||
        rename(from.data, to.data) < 0)
        unlink(from.data);
}

static int sweep_incoming(struct files_store *s, struct error *err)
{
    DIR *dir = opendir(s->incoming);
    if (!dir)
        return fail_errno(err, errno, "listing '%s'", s->incoming);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            sweep_one(s, e->d_name);
    closedir(dir);
    return 0;
}

static bool is_among(const char *const *v, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (streq(v[i], text))
            return true;
    return false;
}

static int files_begin(struct object_store *b, const char *const *buckets, size_t count,
                       struct error *err)
{
    struct files_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list known = {0}, trash = {0};
    int r = object_index_buckets(s->index, &a, &known, err);
    for (size_t i = 0; r == 0 && i < known.n; i++)
        if (is_among(buckets, count, known.v[i]))
            r = object_index_bucket_reopen(s->index, known.v[i], err);
        else
            r = object_index_bucket_forget(s->index, &a, known.v[i], &trash, err);
    trash = (struct string_list){0};
    if (r == 0)
        r = object_index_trash(s->index, &a, &trash, err);
    if (r == 0)
        empty_trash(s, &trash);
    return r < 0 ? r : sweep_incoming(s, err);
}

static int files_free_bytes(struct object_store *b, uint64_t *ret, struct error *err)
{
    struct statvfs v;
    if (statvfs(self(b)->dir, &v) < 0)
        return fail_errno(err, errno, "asking for free space at '%s'", self(b)->dir);
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

static void files_close(struct object_store *b)
{
    struct files_store *s = self(b);
    if (s->index)
        object_index_emptied(s->index, &s->unlinked, NULL);
    object_index_close(s->index);
    arena_free(&s->unlinked_arena);
    pthread_mutex_destroy(&s->lock);
    fd_close(&s->incoming_fd);
    free(s->incoming);
    free(s->dir);
    free(s);
}

static const struct object_store_ops files_ops = {
    .name = "files",
    .find = files_find,
    .open = files_open,
    .writer_new = files_writer_new,
    .put = files_put,
    .remove = files_remove,
    .list = files_list,
    .set_tags = files_set_tags,
    .upload_new = files_upload_new,
    .upload_find = files_upload_find,
    .part_put = files_part_put,
    .part_list = files_part_list,
    .upload_end = files_upload_end,
    .upload_abort = files_upload_abort,
    .upload_list = files_upload_list,
    .bucket_close = files_bucket_close,
    .bucket_reopen = files_bucket_reopen,
    .bucket_forget = files_bucket_forget,
    .begin = files_begin,
    .free_bytes = files_free_bytes,
    .close = files_close,
};

/* 256 folders, made once, so that a put never has to make one durable. */
static int make_folders(struct files_store *s, struct error *err)
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

int files_store_open(const char *dir, struct object_store **ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct files_store *s = xcalloc(1, sizeof(*s));
    s->base.ops = &files_ops;
    s->dir = xstrdup(dir);
    s->incoming_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    str_addf(&path, "%s/incoming", dir);
    s->incoming = xstrdup(path.data);
    str_clear(&path);
    str_addf(&path, "%s/index.db", dir);
    int r = make_folders(s, err);
    if (r == 0)
        r = object_index_open(path.data, &s->index, err);
    if (r < 0) {
        files_close(&s->base);
        return r;
    }
    *ret = &s->base;
    return 0;
}
