/* object_index.h: what objects are called: one SQLite database for all buckets.
 *
 * Why SQLite and not the core's tables: there may be millions of objects, each with a name of
 * up to 1 KiB, and the core keeps all that it knows in memory. Why not names as file names with
 * extended attributes: keys are any bytes, longer than a file's name, and a listing needs them in
 * byte order. Why one database and not one a bucket: thousands of buckets would need thousands
 * of open files, logs and caches or a cache of them, and one log lets the fsync of one commit
 * carry what others wrote. Keys are blobs, so they compare as bytes.
 *
 * One connection writes, under a lock; readers have connections of their own and never wait
 * for a writer (WAL). synchronous=FULL: a commit is on the disk when it returns.
 *
 * Owns: its connections. Threads: any. Fails: as object_store.h. */
#pragma once

#include "object_store.h"

struct object_index;

int object_index_open(const char *path, struct object_index **ret, struct error *err);
void object_index_close(struct object_index *x); /* NULL allowed */

int object_index_find(struct object_index *x, struct arena *a, const char *bucket,
                      const char *key, struct object_info *ret, struct error *err);
/* `ret_trash` (in the arena): files that nothing names any more; they are also in the trash
 * until object_index_emptied(). */
int object_index_put(struct object_index *x, struct arena *a, const char *bucket,
                     const struct object_info *info,
                     const struct object_condition *condition, struct string_list *ret_trash,
                     struct error *err);
int object_index_remove(struct object_index *x, struct arena *a, const char *bucket,
                        const char *const *keys, size_t count, const char *if_match,
                        struct string_list *ret_trash, struct error *err);
int object_index_list(struct object_index *x, struct arena *a, const char *bucket,
                      const struct object_list *list, struct object_page *ret,
                      struct error *err);
int object_index_set_tags(struct object_index *x, const char *bucket, const char *key,
                          const struct string_map *tags, struct error *err);

int object_index_upload_new(struct object_index *x, const char *bucket, const char *key,
                            const char *id, int64_t now_ms,
                            const struct gantry_s3_object_record *more, struct error *err);
int object_index_upload_find(struct object_index *x, struct arena *a, const char *bucket,
                             const char *key, const char *id, struct object_upload *ret,
                             struct error *err);
int object_index_part_put(struct object_index *x, struct arena *a, const char *bucket,
                          const char *key, const char *id, const struct object_part *part,
                          struct string_list *ret_trash, struct error *err);
int object_index_part_list(struct object_index *x, struct arena *a, const char *id,
                           int after, size_t limit, struct object_part **ret,
                           size_t *ret_count, struct error *err);
/* Puts `info` and ends the upload in one step. */
int object_index_upload_end(struct object_index *x, struct arena *a, const char *bucket,
                            const char *id, const struct object_info *info,
                            const struct object_condition *condition,
                            struct string_list *ret_trash, struct error *err);
int object_index_upload_abort(struct object_index *x, struct arena *a, const char *bucket,
                              const char *key, const char *id,
                              struct string_list *ret_trash, struct error *err);
int object_index_upload_list(struct object_index *x, struct arena *a, const char *bucket,
                             const char *prefix, const char *key_after,
                             const char *id_after, size_t limit,
                             struct object_upload **ret, size_t *ret_count,
                             struct error *err);

int object_index_bucket_close(struct object_index *x, const char *bucket,
                              struct error *err);
int object_index_bucket_reopen(struct object_index *x, const char *bucket,
                               struct error *err);
/* Forgets all of it; its files go to the trash. */
int object_index_bucket_forget(struct object_index *x, struct arena *a, const char *bucket,
                               struct string_list *ret_trash, struct error *err);
/* Ids of all buckets that anything is known of. */
int object_index_buckets(struct object_index *x, struct arena *a, struct string_list *ret,
                         struct error *err);

int object_index_trash(struct object_index *x, struct arena *a, struct string_list *ret,
                       struct error *err);
/* These files are gone. */
int object_index_emptied(struct object_index *x, const struct string_list *files,
                         struct error *err);
/* Does an object or part have its bytes in this file? */
bool object_index_names(struct object_index *x, const char *file);
