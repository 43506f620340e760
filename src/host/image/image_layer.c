/* One layer: at most one thread of one process makes it, all others wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "image_store_impl.h"

struct busy_layer {
    struct list entry;
    const char *diff_id;
};

bool layer_is_here(struct image_store *s, const char *diff_id)
{
    AUTO_STR path = STR_INIT;
    struct stat st;
    store_path(s, "layers", digest_hex(diff_id), &path);
    return stat(path.data, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- taking hold ---- */

static bool is_busy(const struct image_store *s, const char *diff_id)
{
    list_for_each (it, &s->busy)
        if (streq(list_entry(it, struct busy_layer, entry)->diff_id, diff_id))
            return true;
    return false;
}

/* Wakes at once when the layer is done; looks at `cancel` ten times a second. */
static int claim(struct image_store *s, struct busy_layer *b, struct http_cancel *cancel,
                 struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&s->lock);
    while (r == 0 && is_busy(s, b->diff_id)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 100000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
        if (cancel && http_cancelled(cancel))
            r = fail(err, E_CANCELLED, "cancelled");
    }
    if (r == 0)
        list_append(&s->busy, &b->entry);
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void unclaim(struct image_store *s, struct busy_layer *b)
{
    pthread_mutex_lock(&s->lock);
    list_remove(&b->entry);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- making ---- */

struct source {
    int fd;
    struct http_cancel *cancel;
};

static int64_t read_source(void *ctx, void *buf, size_t cap, struct error *err)
{
    struct source *src = ctx;
    if (src->cancel && http_cancelled(src->cancel))
        return fail(err, E_CANCELLED, "cancelled");
    for (;;) {
        ssize_t n = read(src->fd, buf, cap);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return fail_errno(err, errno, "read the layer's blob");
    }
}

static int unpack_into(struct image_store *s, const char *dir,
                       const struct blob_digest *diff_id, const struct blob_digest *blob,
                       struct http_cancel *cancel, struct error *err)
{
    AUTO_FD root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return fail_errno(err, errno, "open '%s'", dir);
    AUTO_FD fd = -1;
    int r = blob_open(s->blobs, blob, &fd, NULL, err);
    if (r < 0)
        return r;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct source src = {fd, cancel};
    struct layer_options o = {.max_bytes = s->config.max_layer_bytes, .diff_id = diff_id};
    return layer_unpack(root, read_source, &src, &o, NULL, err);
}

static int boot_id(struct str *ret, struct error *err)
{
    return file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, ret, err);
}

/* The mark comes before the layer, so that there is no moment without it. */
static int publish(struct image_store *s, const char *temp, const char *diff_id,
                   struct error *err)
{
    AUTO_STR mark = STR_INIT;
    AUTO_STR path = STR_INIT;
    AUTO_STR boot = STR_INIT;
    store_path(s, "unsynced", digest_hex(diff_id), &mark);
    store_path(s, "layers", digest_hex(diff_id), &path);
    int r = boot_id(&boot, err);
    if (r < 0 || (r = file_replace(mark.data, boot.data, boot.len, 0600, 0, err)) < 0)
        return r;
    store_step(s, "layer-marked");
    if (rename(temp, path.data) < 0)
        return fail_errno(err, errno, "publish layer '%s'", path.data);
    store_step(s, "layer-published");
    return 0;
}

static int unpack_and_publish(struct image_store *s, const char *diff_id,
                              const struct content_descriptor *d,
                              struct http_cancel *cancel, struct error *err)
{
    AUTO_STR temp = STR_INIT;
    struct blob_digest want, blob;
    int r;
    if ((r = blob_digest_parse(diff_id, &want, err)) < 0 ||
        (r = blob_digest_parse(d->digest, &blob, err)) < 0 ||
        (r = store_temp(s, &temp, err)) < 0)
        return r;
    r = unpack_into(s, temp.data, &want, &blob, cancel, err);
    store_step(s, "layer-unpacked");
    if (r == 0)
        r = publish(s, temp.data, diff_id, err);
    if (r < 0) {
        dir_remove_all(temp.data, NULL);
        /* A blob that does not unpack will not do so next time: fetch it again then. */
        if (r == -E_CORRUPT)
            blob_delete(s->blobs, &blob, NULL);
        return r;
    }
    if (!s->config.keep_blobs)
        blob_delete(s->blobs, &blob, NULL);
    return 0;
}

static int make(struct image_store *s, struct registry_session *session,
                const char *diff_id, const struct content_descriptor *d,
                struct http_cancel *cancel, registry_progress *progress, void *ctx,
                struct error *err)
{
    AUTO_STR name = STR_INIT;
    AUTO_FD lock = -1;
    str_addf(&name, "layer-%s", digest_hex(diff_id));
    int r = store_lock(s, name.data, LOCK_EX, true, cancel, &lock, err);
    if (r < 0 || layer_is_here(s, diff_id))
        return r;
    r = registry_get_blob(session, d, s->blobs, progress, ctx, err);
    if (r < 0)
        return r;
    store_step(s, "layer-fetched");
    r = unpack_and_publish(s, diff_id, d, cancel, err);
    return r < 0 ? wrap(err, "layer %s", d->digest) : 0;
}

int layer_ensure(struct image_store *s, struct registry_session *session,
                 const char *diff_id, const struct content_descriptor *d,
                 struct http_cancel *cancel, registry_progress *progress, void *ctx,
                 struct error *err)
{
    struct busy_layer busy = {.diff_id = diff_id};
    int r = 0;
    if (!layer_is_here(s, diff_id)) {
        if ((r = claim(s, &busy, cancel, err)) < 0)
            return r;
        if (!layer_is_here(s, diff_id))
            r = make(s, session, diff_id, d, cancel, progress, ctx, err);
        unclaim(s, &busy);
    }
    return r < 0 || !progress ? r : progress(ctx, d->size, d->size, err);
}
