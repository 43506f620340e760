/* object_store.h: where objects are: names in one index (object_index.h), bytes in files or with
 * an upstream (object_bytes.h).
 *
 * It knows buckets by their ids and objects by bucket and key; it does not know who asks.
 *
 * Owns: what it keeps; a writer owns its unfinished bytes. Infos lie in the caller's arena.
 * Threads: workers, which may wait for disk and network; object_writer_add() also on the
 * HTTP server's I/O threads, so it waits no longer than a write to a file does.
 * Fails: E_NOTFOUND no such object, upload or part; E_CONFLICT a condition does not hold (or
 * bucket_close(): not empty); E_INVALID parts that do not fit, err->text begins with S3's
 * code; E_FULL disk; E_IO. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "gantry_api.h"
#include "wire.h"

#define OBJECT_ETAG_SIZE 64 /* "md5-parts", and NUL */
#define OBJECT_ID_SIZE   33

struct object_info {
    const char *key;
    uint64_t size_bytes;
    char etag[OBJECT_ETAG_SIZE]; /* without its quotes */
    int64_t modified_ms;
    struct gantry_s3_object_record *more; /* headers, metadata, tags, checksum, parts */
    const char *place; /* the driver's own: where the bytes are. NULL in what is put */
};

/* What must be so when an object is replaced: asked in the moment in which it is. */
struct object_condition {
    const char *if_match; /* ETag without quotes, or "*"; NULL: nothing */
    bool if_absent;       /* If-None-Match: * */
};

struct object_upload {
    const char *id, *key;
    int64_t started_ms;
    struct gantry_s3_object_record *more; /* as the object will have it */
};

struct object_part {
    int number; /* 1…10,000 */
    uint64_t size_bytes;
    char etag[OBJECT_ETAG_SIZE];
    int64_t modified_ms;
    const char *checksum; /* base64, in the upload's algorithm; NULL: none */
    const char *place;
};

struct object_writer;

/* A listing: keys and common prefixes, in byte order. */
struct object_list {
    const char *prefix;    /* "" for all */
    const char *delimiter; /* NULL: none */
    const char *after;     /* exclusive; "" from the first */
    size_t limit;          /* of keys and common prefixes together */
};
struct object_row {
    const char *common_prefix; /* or: */
    struct object_info info;   /* more: only the checksum's algorithm and type, or NULL */
};
struct object_page {
    struct object_row *v;
    size_t n;
    bool more; /* behind the last row */
};

struct object_store;

struct object_store_ops {
    const char *name;

    /* Everything about one object. */
    int (*find)(struct object_store *s, struct arena *a, const char *bucket,
                const char *key, struct object_info *ret, struct error *err);

    /* The bytes first … first+length-1 of the very object that `info` describes, as a file:
     * *ret_offset is where they begin in it. The caller's fd. -E_NOTFOUND: it was replaced
     * or deleted meanwhile; find again. */
    int (*open)(struct object_store *s, const char *bucket, const struct object_info *info,
                uint64_t first, uint64_t length, int *ret_fd, uint64_t *ret_offset,
                struct error *err);

    /* A place for new bytes. Nothing of it is seen before it is put. */
    int (*writer_new)(struct object_store *s, struct object_writer **ret,
                      struct error *err);

    /* The bytes become the object, at once and durably: after 0 they survive kill -9 and
     * loss of power, before that the old object does. Ends the writer in any case. -E_NOTFOUND:
     * the bucket is closed. -E_CONFLICT: the condition does not hold. */
    int (*put)(struct object_store *s, struct object_writer *w, const char *bucket,
               const struct object_info *info, const struct object_condition *condition,
               struct error *err);

    /* 0 also when it is not there. if_match as above. Durable. */
    int (*remove)(struct object_store *s, const char *bucket, const char *const *keys,
                  size_t count, const char *if_match, struct error *err);

    int (*list)(struct object_store *s, struct arena *a, const char *bucket,
                const struct object_list *list, struct object_page *ret,
                struct error *err);

    int (*set_tags)(struct object_store *s, const char *bucket, const char *key,
                    const struct string_map *tags, struct error *err);

    /* ---- uploads in parts ---- */

    int (*upload_new)(struct object_store *s, struct arena *a, const char *bucket,
                      const char *key, int64_t now_ms,
                      const struct gantry_s3_object_record *more, const char **ret_id,
                      struct error *err);
    int (*upload_find)(struct object_store *s, struct arena *a, const char *bucket,
                       const char *key, const char *id, struct object_upload *ret,
                       struct error *err);
    /* Takes the place of an earlier part of the number. Ends the writer. Durable. */
    int (*part_put)(struct object_store *s, struct object_writer *w, const char *bucket,
                    const char *key, const char *id, const struct object_part *part,
                    struct error *err);
    /* Parts with numbers above `after`, at most `limit`, in order. */
    int (*part_list)(struct object_store *s, struct arena *a, const char *bucket,
                     const char *key, const char *id, int after, size_t limit,
                     struct object_part **ret, size_t *ret_count, struct error *err);
    /* The parts, in this order, become the object `info`; the upload is over. Repeating it
     * after success is -E_NOTFOUND. */
    int (*upload_end)(struct object_store *s, const char *bucket, const char *id,
                      const struct object_part *parts, size_t count,
                      struct object_info *info, const struct object_condition *condition,
                      struct error *err);
    int (*upload_abort)(struct object_store *s, const char *bucket, const char *key,
                        const char *id, struct error *err);
    /* Uploads in order of key and id behind (key_after, id_after). */
    int (*upload_list)(struct object_store *s, struct arena *a, const char *bucket,
                       const char *prefix, const char *key_after, const char *id_after,
                       size_t limit, struct object_upload **ret, size_t *ret_count,
                       struct error *err);

    /* ---- buckets ---- */

    /* From now on nothing can be put into it; -E_CONFLICT: there are objects, and it stays
     * open. */
    int (*bucket_close)(struct object_store *s, const char *id, struct error *err);
    void (*bucket_reopen)(struct object_store *s, const char *id);
    void (*bucket_forget)(struct object_store *s, const char *id);
    /* At the start: all buckets that there are. What belongs to none, and what a crash left
     * behind, goes. */
    int (*begin)(struct object_store *s, const char *const *buckets, size_t count,
                 struct error *err);

    int (*free_bytes)(struct object_store *s, uint64_t *ret, struct error *err);
    void (*close)(struct object_store *s);
};

struct object_store { /* every driver's struct begins like this */
    const struct object_store_ops *ops;
};

/* Another service of S3, where the bytes are. Texts are copied. */
struct object_upstream {
    const char *url; /* http(s)://host[:port]/bucket[/prefix] */
    const char *region, *access_key_id, *secret;
};

/* Everything below `dir`, which is made; with `upstream` the bytes are there. */
int object_store_open(const char *dir, const struct object_upstream *upstream,
                      struct object_store **ret, struct error *err);

/* ---- writers: a file in the making, for all drivers ---- */

struct object_writer {
    int fd;
    uint64_t size_bytes, written_behind;
    char id[OBJECT_ID_SIZE];
    const char *dir; /* where it lies by its id; NULL: it has no name */
};

/* The disk of the store is written, nothing hashed. */
int object_writer_add(struct object_writer *w, const void *data, size_t len,
                      struct error *err);
/* Without putting it. NULL allowed. */
void object_writer_drop(struct object_writer *w);
/* A file in `dir`; without a name when unnamed. */
int object_writer_make(const char *dir, bool unnamed, struct object_writer **ret,
                       struct error *err);
