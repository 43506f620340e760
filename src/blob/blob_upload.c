/* Uploads: files that grow, one holder at a time.
 *
 * The state of an upload is its file: the size is the offset, the hash is that of the bytes.
 * What is kept in memory beside it (hash state, size) only saves reading the file again, and
 * is made again when the process was restarted in between. Idle uploads have no open
 * descriptor, so ten thousand of them cost some hundred bytes each. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "blob_store.h"
#include "fd.h"
#include "str.h"

/* Written back in steps of this size while the upload runs, so that the fsync at its end
 * finds little to do and the page cache does not fill with dirty pages. */
#define WRITE_BEHIND (8 * 1024 * 1024)

struct blob_upload {
    struct list node;
    struct blob_store *store;
    char id[BLOB_UPLOAD_ID_SIZE];
    enum blob_algorithm algorithm;
    /* under store->lock */
    bool held;
    uint64_t size;
    int64_t last_used_ms;
    /* the holder's */
    struct blob_hash *hash; /* NULL: to be made from the file */
    int fd;
    uint64_t written_behind;
};

/* ---- the table ---- */

static struct list *bucket(struct blob_store *s, const char *id)
{
    unsigned h = 5381;
    for (; *id; id++)
        h = h * 33 + (unsigned char)*id;
    return &s->uploads[h % UPLOAD_BUCKETS];
}

static struct blob_upload *find(struct blob_store *s, const char *id)
{
    list_for_each (it, bucket(s, id)) {
        struct blob_upload *u = list_entry(it, struct blob_upload, node);
        if (streq(u->id, id))
            return u;
    }
    return NULL;
}

static struct blob_upload *add(struct blob_store *s, const char *id)
{
    struct blob_upload *u = xcalloc(1, sizeof(*u));
    u->store = s;
    u->fd = -1;
    snprintf(u->id, sizeof(u->id), "%s", id);
    list_append(bucket(s, id), &u->node);
    s->upload_count++;
    return u;
}

static void upload_free(struct blob_upload *u)
{
    fd_close(&u->fd);
    blob_hash_free(u->hash);
    free(u);
}

static void forget(struct blob_upload *u)
{
    struct blob_store *s = u->store;
    pthread_mutex_lock(&s->lock);
    list_remove(&u->node);
    s->upload_count--;
    pthread_mutex_unlock(&s->lock);
    upload_free(u);
}

static int missing(const char *id, struct error *err)
{
    return fail(err, E_NOTFOUND,
                "no upload '%.60s'; it was finished, cancelled or has expired", id);
}

/* ---- life ---- */

int blob_upload_create(struct blob_store *s, enum blob_algorithm algorithm,
                       int64_t now_ms, char ret_id[static BLOB_UPLOAD_ID_SIZE],
                       struct error *err)
{
    char id[BLOB_UPLOAD_ID_SIZE], path[BLOB_PATH_SIZE];
    blob_uuid(id);
    upload_file_path(s, id, path);
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "making '%s'", path);
    pthread_mutex_lock(&s->lock);
    bool room = s->upload_count < BLOB_MAX_UPLOADS;
    if (room) {
        struct blob_upload *u = add(s, id);
        u->algorithm = algorithm;
        u->hash = blob_hash_new(algorithm);
        u->last_used_ms = now_ms;
    }
    pthread_mutex_unlock(&s->lock);
    if (!room) {
        unlink(path);
        return fail(err, E_LIMIT, "%d uploads are open already", BLOB_MAX_UPLOADS);
    }
    memcpy(ret_id, id, sizeof(id));
    return 0;
}

/* Opens the file and makes sure that the hash fits it. */
static int take_up(struct blob_upload *u, struct error *err)
{
    char path[BLOB_PATH_SIZE];
    upload_file_path(u->store, u->id, path);
    u->fd = open(path, O_RDWR | O_CLOEXEC);
    if (u->fd < 0)
        return fail_errno(err, errno, "opening '%s'", path);
    if (u->hash)
        return 0;
    uint64_t size;
    struct blob_hash *h = blob_hash_new(u->algorithm);
    int r = blob_hash_file(u->fd, h, &size, err);
    if (r < 0) {
        blob_hash_free(h);
        fd_close(&u->fd);
        return r;
    }
    u->hash = h;
    pthread_mutex_lock(&u->store->lock);
    u->size = size;
    pthread_mutex_unlock(&u->store->lock);
    return 0;
}

int blob_upload_acquire(struct blob_store *s, const char *id, struct blob_upload **ret,
                        struct error *err)
{
    pthread_mutex_lock(&s->lock);
    struct blob_upload *u = find(s, id);
    bool busy = u && u->held;
    if (u && !busy)
        u->held = true;
    pthread_mutex_unlock(&s->lock);
    if (!u)
        return missing(id, err);
    if (busy)
        return fail(err, E_AGAIN, "the upload '%s' is being written by another request",
                    id);
    int r = take_up(u, err);
    if (r < 0) {
        pthread_mutex_lock(&s->lock);
        u->held = false;
        pthread_mutex_unlock(&s->lock);
        return r == -E_NOTFOUND ? missing(id, err) : r;
    }
    *ret = u;
    return 0;
}

uint64_t blob_upload_size(const struct blob_upload *u)
{
    return u->size; /* only the holder changes it */
}

static int write_at(struct blob_upload *u, const char *data, size_t len,
                    struct error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n =
            u->store->io->pwrite(u->fd, data + done, len - done, (off_t)(u->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = fail_errno(err, errno, "writing the upload '%s'", u->id);
            /* Back to the size that the hash stands for. */
            if (ftruncate(u->fd, (off_t)u->size) < 0) {
                blob_hash_free(u->hash);
                u->hash = NULL;
            }
            return r;
        }
        done += (size_t)n;
    }
    return 0;
}

int blob_upload_append(struct blob_upload *u, uint64_t offset, const void *data,
                       size_t len, struct error *err)
{
    if (offset != u->size)
        return fail(err, E_CONFLICT,
                    "the upload has %llu bytes, the next piece begins at %llu",
                    (unsigned long long)u->size, (unsigned long long)offset);
    if (!u->hash)
        return fail(err, E_IO, "the upload '%s' could not be cut back after an error",
                    u->id);
    int r = write_at(u, data, len, err);
    if (r < 0)
        return r;
    blob_hash_update(u->hash, data, len);
    pthread_mutex_lock(&u->store->lock);
    u->size += len;
    pthread_mutex_unlock(&u->store->lock);
    if (u->size - u->written_behind >= WRITE_BEHIND) {
        sync_file_range(u->fd, (off_t)u->written_behind,
                        (off_t)(u->size - u->written_behind), SYNC_FILE_RANGE_WRITE);
        u->written_behind = u->size;
    }
    return 0;
}

void blob_upload_release(struct blob_upload *u, int64_t now_ms)
{
    if (!u)
        return;
    fd_close(&u->fd);
    pthread_mutex_lock(&u->store->lock);
    u->held = false;
    u->last_used_ms = now_ms;
    pthread_mutex_unlock(&u->store->lock);
}

void blob_upload_cancel(struct blob_upload *u)
{
    char path[BLOB_PATH_SIZE];
    upload_file_path(u->store, u->id, path);
    unlink(path);
    forget(u);
}

/* The digest of what is there, in the algorithm that is asked for. */
static int digest_of(struct blob_upload *u, enum blob_algorithm algorithm,
                     struct blob_digest *ret, struct error *err)
{
    if (u->hash && u->algorithm == algorithm) {
        blob_hash_peek(u->hash, ret);
        return 0;
    }
    struct blob_hash *h = blob_hash_new(algorithm);
    int r = blob_hash_file(u->fd, h, NULL, err);
    blob_hash_peek(h, ret);
    blob_hash_free(h);
    return r;
}

int blob_upload_finish(struct blob_upload *u, const struct blob_digest *expected,
                       struct error *err)
{
    struct blob_digest is;
    char path[BLOB_PATH_SIZE];
    upload_file_path(u->store, u->id, path);
    int r = digest_of(u, expected->algorithm, &is, err);
    if (r == 0 && !blob_digest_equal(&is, expected)) {
        char got[BLOB_DIGEST_SIZE];
        blob_digest_format(&is, got);
        r = fail(err, E_CORRUPT, "the %llu bytes that came have the digest %s",
                 (unsigned long long)u->size, got);
    }
    if (r < 0)
        unlink(path);
    else
        r = blob_settle(u->store, u->fd, path, expected, err);
    forget(u);
    return r;
}

int blob_upload_query(struct blob_store *s, const char *id, uint64_t *ret_size,
                      struct error *err)
{
    pthread_mutex_lock(&s->lock);
    struct blob_upload *u = find(s, id);
    if (u)
        *ret_size = u->size;
    pthread_mutex_unlock(&s->lock);
    return u ? 0 : missing(id, err);
}

int blob_upload_expire(struct blob_store *s, int64_t before_ms)
{
    struct list gone;
    int n = 0;
    list_init(&gone);
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < UPLOAD_BUCKETS; i++) {
        list_for_each_safe (it, &s->uploads[i]) {
            struct blob_upload *u = list_entry(it, struct blob_upload, node);
            if (u->held || u->last_used_ms >= before_ms)
                continue;
            list_remove(&u->node);
            list_append(&gone, &u->node);
            s->upload_count--;
        }
    }
    pthread_mutex_unlock(&s->lock);
    list_for_each_safe (it, &gone) {
        struct blob_upload *u = list_entry(it, struct blob_upload, node);
        char path[BLOB_PATH_SIZE];
        upload_file_path(s, u->id, path);
        unlink(path);
        upload_free(u);
        n++;
    }
    return n;
}

/* ---- after a restart ---- */

static void load_one(struct blob_store *s, const char *name)
{
    char path[BLOB_PATH_SIZE];
    struct stat st;
    upload_file_path(s, name, path);
    if (strlen(name) != BLOB_UPLOAD_ID_SIZE - 1 || s->upload_count >= BLOB_MAX_UPLOADS) {
        unlink(path); /* a blob_put() that was killed */
        return;
    }
    if (stat(path, &st) < 0)
        return;
    struct blob_upload *u = add(s, name);
    u->size = (uint64_t)st.st_size;
    u->last_used_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

int uploads_load(struct blob_store *s, struct error *err)
{
    char path[BLOB_PATH_SIZE];
    snprintf(path, sizeof(path), "%s/uploads", s->dir);
    DIR *dir = opendir(path);
    if (!dir)
        return fail_errno(err, errno, "listing '%s'", path);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] != '.')
            load_one(s, e->d_name);
    }
    closedir(dir);
    return 0;
}

void uploads_free(struct blob_store *s)
{
    for (unsigned i = 0; i < UPLOAD_BUCKETS; i++) {
        list_for_each_safe (it, &s->uploads[i])
            upload_free(list_entry(it, struct blob_upload, node));
    }
}
