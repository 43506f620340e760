/* The store of objects: their names in the index, their bytes where the driver has them.
 *
 * A put is: the driver keeps the bytes · the index names them · answer · the driver settles
 * them. Bytes whose object is replaced or deleted go to the index's trash in the same commit, are
 * dropped afterwards, and then leave the trash: that last commit waits for the next change,
 * because an entry that is there once too often costs one failing drop at the next start. */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/rand.h>

#include "object_bytes.h"

#define EMPTY_AT 256 /* places that were dropped and wait to leave the trash */

struct indexed_store {
    struct object_store base;
    struct object_bytes *bytes;
    struct object_index *index;
    pthread_mutex_t lock;
    struct arena unlinked_arena;
    struct string_list unlinked; /* still in the trash */
};

static struct indexed_store *self(struct object_store *s)
{
    return (struct indexed_store *)(void *)s;
}

/* ---- files that are not needed any more ---- */

static void empty_trash(struct indexed_store *s, const struct string_list *places)
{
    AUTO_ARENA a = ARENA_INIT;
    struct string_list dropped = {0};
    for (size_t i = 0; i < places->n; i++)
        if (s->bytes->ops->drop(s->bytes, places->v[i], NULL) == 0)
            *LIST_PUSH(&a, &dropped) = places->v[i]; /* else the next start tries again */
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < dropped.n; i++)
        *LIST_PUSH(&s->unlinked_arena, &s->unlinked) =
            arena_strdup(&s->unlinked_arena, dropped.v[i]);
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

static int indexed_find(struct object_store *b, struct arena *a, const char *bucket,
                        const char *key, struct object_info *ret, struct error *err)
{
    return object_index_find(self(b)->index, a, bucket, key, ret, err);
}

static int indexed_open(struct object_store *b, const char *bucket,
                        const struct object_info *info, uint64_t first, uint64_t length,
                        int *ret_fd, uint64_t *ret_offset, struct error *err)
{
    struct object_bytes *bytes = self(b)->bytes;
    return bytes->ops->open(bytes, info->place, first, length, ret_fd, ret_offset, err);
}

static int indexed_list(struct object_store *b, struct arena *a, const char *bucket,
                        const struct object_list *list, struct object_page *ret,
                        struct error *err)
{
    return object_index_list(self(b)->index, a, bucket, list, ret, err);
}

/* ---- writing ---- */

static int indexed_writer_new(struct object_store *b, struct object_writer **ret,
                              struct error *err)
{
    struct object_bytes *bytes = self(b)->bytes;
    return bytes->ops->writer_new(bytes, ret, err);
}

/* `r`: what became of the name. Ends the writer, if there is one. */
static int settle(struct indexed_store *s, struct object_writer *w, int r,
                  const struct string_list *trash)
{
    if (w && r == 0)
        s->bytes->ops->settle(s->bytes, w);
    else if (w)
        s->bytes->ops->discard(s->bytes, w);
    if (r == 0)
        empty_trash(s, trash);
    return r;
}

static int keep(struct indexed_store *s, struct object_writer *w, struct error *err)
{
    return w ? s->bytes->ops->keep(s->bytes, w, err) : 0;
}

static int indexed_put(struct object_store *b, struct object_writer *w,
                       const char *bucket, const struct object_info *info,
                       const struct object_condition *condition, struct error *err)
{
    struct indexed_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    struct object_info put = *info;
    put.place = w->id;
    int r = keep(s, w, err);
    if (r == 0)
        r = object_index_put(s->index, &a, bucket, &put, condition, &trash, err);
    return settle(s, w, r, &trash);
}

static int indexed_remove(struct object_store *b, const char *bucket,
                          const char *const *keys, size_t count, const char *if_match,
                          struct error *err)
{
    struct indexed_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    int r = object_index_remove(s->index, &a, bucket, keys, count, if_match, &trash, err);
    if (r == 0)
        empty_trash(s, &trash);
    return r;
}

static int indexed_set_tags(struct object_store *b, const char *bucket, const char *key,
                            const struct string_map *tags, struct error *err)
{
    return object_index_set_tags(self(b)->index, bucket, key, tags, err);
}

/* ---- uploads in parts ---- */

static int indexed_upload_new(struct object_store *b, struct arena *a, const char *bucket,
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

static int indexed_upload_find(struct object_store *b, struct arena *a,
                               const char *bucket, const char *key, const char *id,
                               struct object_upload *ret, struct error *err)
{
    return object_index_upload_find(self(b)->index, a, bucket, key, id, ret, err);
}

static int indexed_part_put(struct object_store *b, struct object_writer *w,
                            const char *bucket, const char *key, const char *id,
                            const struct object_part *part, struct error *err)
{
    struct indexed_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    struct object_part put = *part;
    put.place = w->id;
    int r = keep(s, w, err);
    if (r == 0)
        r = object_index_part_put(s->index, &a, bucket, key, id, &put, &trash, err);
    return settle(s, w, r, &trash);
}

static int indexed_part_list(struct object_store *b, struct arena *a, const char *bucket,
                             const char *key, const char *id, int after, size_t limit,
                             struct object_part **ret, size_t *ret_count,
                             struct error *err)
{
    return object_index_part_list(self(b)->index, a, id, after, limit, ret, ret_count,
                                  err);
}

static int indexed_upload_end(struct object_store *b, const char *bucket, const char *id,
                              const struct object_part *parts, size_t count,
                              struct object_info *info,
                              const struct object_condition *condition, struct error *err)
{
    struct indexed_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    struct object_writer *w = NULL;
    struct object_info put = *info;
    int r = s->bytes->ops->join(s->bytes, &a, parts, count, &put.place, &w, err);
    if (r < 0)
        return r;
    r = keep(s, w, err);
    if (r == 0)
        r = object_index_upload_end(s->index, &a, bucket, id, &put, condition, &trash,
                                    err);
    return settle(s, w, r, &trash);
}

static int indexed_upload_abort(struct object_store *b, const char *bucket,
                                const char *key, const char *id, struct error *err)
{
    struct indexed_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    int r = object_index_upload_abort(s->index, &a, bucket, key, id, &trash, err);
    if (r == 0)
        empty_trash(s, &trash);
    return r;
}

static int indexed_upload_list(struct object_store *b, struct arena *a,
                               const char *bucket, const char *prefix,
                               const char *key_after, const char *id_after, size_t limit,
                               struct object_upload **ret, size_t *ret_count,
                               struct error *err)
{
    return object_index_upload_list(self(b)->index, a, bucket, prefix, key_after,
                                    id_after, limit, ret, ret_count, err);
}

/* ---- buckets ---- */

static int indexed_bucket_close(struct object_store *b, const char *id, struct error *err)
{
    return object_index_bucket_close(self(b)->index, id, err);
}

static void indexed_bucket_reopen(struct object_store *b, const char *id)
{
    object_index_bucket_reopen(self(b)->index, id, NULL);
}

static void indexed_bucket_forget(struct object_store *b, const char *id)
{
    struct indexed_store *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    struct string_list trash = {0};
    if (object_index_bucket_forget(s->index, &a, id, &trash, NULL) == 0)
        empty_trash(s, &trash);
}

/* ---- the start ---- */

static bool is_among(const char *const *v, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (streq(v[i], text))
            return true;
    return false;
}

static int indexed_begin(struct object_store *b, const char *const *buckets, size_t count,
                         struct error *err)
{
    struct indexed_store *s = self(b);
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
    return r < 0 ? r : s->bytes->ops->sweep(s->bytes, s->index, err);
}

static int indexed_free_bytes(struct object_store *b, uint64_t *ret, struct error *err)
{
    struct object_bytes *bytes = self(b)->bytes;
    return bytes->ops->free_bytes(bytes, ret, err);
}

static void indexed_close(struct object_store *b)
{
    struct indexed_store *s = self(b);
    if (s->index)
        object_index_emptied(s->index, &s->unlinked, NULL);
    object_index_close(s->index);
    if (s->bytes)
        s->bytes->ops->close(s->bytes);
    arena_free(&s->unlinked_arena);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const struct object_store_ops indexed_ops = {
    .name = "index",
    .find = indexed_find,
    .open = indexed_open,
    .writer_new = indexed_writer_new,
    .put = indexed_put,
    .remove = indexed_remove,
    .list = indexed_list,
    .set_tags = indexed_set_tags,
    .upload_new = indexed_upload_new,
    .upload_find = indexed_upload_find,
    .part_put = indexed_part_put,
    .part_list = indexed_part_list,
    .upload_end = indexed_upload_end,
    .upload_abort = indexed_upload_abort,
    .upload_list = indexed_upload_list,
    .bucket_close = indexed_bucket_close,
    .bucket_reopen = indexed_bucket_reopen,
    .bucket_forget = indexed_bucket_forget,
    .begin = indexed_begin,
    .free_bytes = indexed_free_bytes,
    .close = indexed_close,
};

int object_store_open(const char *dir, const struct object_upstream *upstream,
                      struct object_store **ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct indexed_store *s = xcalloc(1, sizeof(*s));
    s->base.ops = &indexed_ops;
    pthread_mutex_init(&s->lock, NULL);
    int r = upstream ? upstream_bytes_open(dir, upstream, &s->bytes, err)
                     : file_bytes_open(dir, &s->bytes, err);
    str_addf(&path, "%s/index.db", dir);
    if (r == 0)
        r = object_index_open(path.data, &s->index, err);
    if (r < 0) {
        indexed_close(&s->base);
        return r;
    }
    *ret = &s->base;
    return 0;
}
