/* Life of the store, listing and removal. Pulls: image_pull.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "fd.h"
#include "image_store_impl.h"

#define DEFAULT_PARALLEL 3
#define LOCK_POLL_NS     20000000

void store_step(struct image_store *s, const char *name)
{
    if (s->config.step)
        s->config.step(s->config.step_ctx, name);
}

void store_path(const struct image_store *s, const char *folder, const char *leaf,
                struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s%s%s", s->dir, folder, *leaf ? "/" : "", leaf);
}

/* flock has no way to be woken by us, so a wait that can be cancelled looks again and
 * again; only another process lets it come to that for longer than a moment. */
int store_lock(struct image_store *s, const char *name, int operation, bool wait,
               struct http_cancel *cancel, int *ret_fd, struct error *err)
{
    AUTO_STR path = STR_INIT;
    store_path(s, "locks", name, &path);
    AUTO_FD fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "open lock '%s'", path.data);
    while (flock(fd, operation | LOCK_NB) < 0) {
        struct timespec pause = {.tv_nsec = LOCK_POLL_NS};
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno(err, errno, "lock '%s'", path.data);
        if (!wait)
            return fail(err, E_AGAIN, "the image store is in use: %s", name);
        if (cancel && http_cancelled(cancel))
            return fail(err, E_CANCELLED, "cancelled");
        nanosleep(&pause, NULL);
    }
    *ret_fd = fd_take(&fd);
    return 0;
}

int store_temp(struct image_store *s, struct str *ret, struct error *err)
{
    store_path(s, "tmp", "XXXXXX", ret);
    if (!mkdtemp(ret->data))
        return fail_errno(err, errno, "make directory '%s'", ret->data);
    return 0;
}

/* ---- folders ---- */

/* Names of a folder, without "." and "..": removal while reading would skip some. */
static int folder_names(const struct image_store *s, const char *folder, struct arena *a,
                        const char ***ret, size_t *ret_count, struct error *err)
{
    AUTO_STR path = STR_INIT;
    size_t n = 0, cap = 16;
    const char **list = arena_new_array(a, const char *, cap);
    store_path(s, folder, "", &path);
    DIR *d = opendir(path.data);
    if (!d)
        return fail_errno(err, errno, "read directory '%s'", path.data);
    struct dirent *e;
    while ((e = readdir(d))) {
        if (streq(e->d_name, ".") || streq(e->d_name, ".."))
            continue;
        if (n == cap) {
            const char **more = arena_new_array(a, const char *, 2 * cap);
            memcpy(more, list, n * sizeof(*list));
            list = more;
            cap *= 2;
        }
        list[n++] = arena_strdup(a, e->d_name);
    }
    closedir(d);
    *ret = list;
    *ret_count = n;
    return 0;
}

static int empty_folder(const struct image_store *s, const char *folder,
                        struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const char **names;
    size_t n;
    int r = folder_names(s, folder, &a, &names, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        AUTO_STR path = STR_INIT;
        store_path(s, folder, names[i], &path);
        r = dir_remove_all(path.data, err);
    }
    return r;
}

/* In two steps, so that a crash leaves no half of it under its name. */
static int remove_whole(struct image_store *s, const char *folder, const char *leaf,
                        struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_STR temp = STR_INIT;
    store_path(s, folder, leaf, &path);
    int r = store_temp(s, &temp, err);
    if (r < 0)
        return r;
    if (rename(path.data, temp.data) < 0 && errno != ENOENT)
        return fail_errno(err, errno, "remove '%s'", path.data);
    store_step(s, "removed");
    return dir_remove_all(temp.data, err);
}

/* ---- opening ---- */

/* A layer marked in another boot may have lost data when the power went. */
static int drop_unsynced(struct image_store *s, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR boot = STR_INIT;
    AUTO_STR mark = STR_INIT;
    const char **names;
    size_t n;
    int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, err);
    if (r == 0)
        r = folder_names(s, "unsynced", &a, &names, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        AUTO_STR path = STR_INIT;
        store_path(s, "unsynced", names[i], &path);
        if (strchr(names[i], '.') ||
            (file_read(AT_FDCWD, path.data, 64, &mark, NULL) == 0 &&
             streq(str_text(&mark), boot.data)))
            continue;
        r = remove_whole(s, "layers", names[i], err);
        if (r == 0)
            unlink(path.data);
    }
    return r;
}

static int make_folders(const struct image_store *s, struct error *err)
{
    static const char *const folders[] = {"layers", "unsynced", "images", "names",
                                          "pins",   "locks",    "tmp"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
        AUTO_STR path = STR_INIT;
        store_path(s, folders[i], "", &path);
        r = dir_make_all(path.data, 0700, err);
    }
    return r;
}

/* What another process has under way is not ours to clean, then it is left. */
static int clean_up(struct image_store *s, struct error *err)
{
    AUTO_FD lock = -1;
    int r = store_lock(s, "store", LOCK_EX, false, NULL, &lock, err);
    if (r == -E_AGAIN)
        return 0;
    if (r < 0 || (r = drop_unsynced(s, err)) < 0)
        return r;
    return empty_folder(s, "tmp", err);
}

int image_store_open(const struct image_store_config *config, struct image_store **ret,
                     struct error *err)
{
    struct image_store *s = xcalloc(1, sizeof(*s));
    pthread_condattr_t attr;
    char *dir = realpath(config->dir, NULL);
    if (!dir && dir_make_all(config->dir, 0700, NULL) == 0)
        dir = realpath(config->dir, NULL);
    s->config = *config;
    s->dir = s->config.dir = arena_strdup(&s->arena, dir ? dir : config->dir);
    free(dir);
    if (s->config.parallel == 0)
        s->config.parallel = DEFAULT_PARALLEL;
    if (s->config.parallel > IMAGE_STORE_MAX_PARALLEL)
        s->config.parallel = IMAGE_STORE_MAX_PARALLEL;
    list_init(&s->pulls);
    list_init(&s->ended);
    list_init(&s->busy);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    int r;
    if ((r = make_folders(s, err)) < 0 ||
        (r = blob_store_open(s->dir, &s->blobs, err)) < 0 || (r = clean_up(s, err)) < 0) {
        image_store_close(s);
        return wrap(err, "image store '%s'", config->dir);
    }
    *ret = s;
    return 0;
}

void image_store_close(struct image_store *s)
{
    if (!s)
        return;
    /* Pulls that everybody left are ending; they use the store. */
    pthread_mutex_lock(&s->lock);
    while (!list_empty(&s->pulls))
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    pull_reap(s);
    blob_store_close(s->blobs);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    arena_free(&s->arena);
    free(s);
}

int image_store_settle(struct image_store *s, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR path = STR_INIT;
    const char **names;
    size_t n;
    /* Marks that come after this list are for the next time. */
    int r = folder_names(s, "unsynced", &a, &names, &n, err);
    if (r < 0 || n == 0)
        return r;
    store_path(s, "layers", "", &path);
    AUTO_FD fd = open(path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0)
        return fail_errno(err, errno, "sync '%s'", path.data);
    for (size_t i = 0; i < n; i++) {
        store_path(s, "unsynced", names[i], &path);
        /* Marked, and not yet published: its data may be older than its name. */
        AUTO_STR layer = STR_INIT;
        store_path(s, "layers", names[i], &layer);
        if (access(layer.data, F_OK) == 0)
            unlink(path.data);
    }
    return 0;
}

/* ---- listing ---- */

struct listed {
    char *digest; /* key: of the manifest */
    const char **references;
    size_t reference_count;
    uint64_t size_bytes;
    int64_t pulled_at_ms, used_at_ms;
    UT_hash_handle hh;
};

struct listing {
    struct image_store *store;
    struct arena arena;
    struct listed *images;
};

static int64_t stat_ms(const struct timespec *t)
{
    return t->tv_sec * 1000ll + t->tv_nsec / 1000000;
}

static struct listed *list_one(struct listing *l, const char *digest)
{
    AUTO_STR path = STR_INIT;
    struct listed *e = arena_new(&l->arena, struct listed);
    struct stat st;
    e->digest = arena_strdup(&l->arena, digest);
    e->references = arena_new_array(&l->arena, const char *, 1);
    store_path(l->store, "images", digest_hex(digest), &path);
    if (stat(path.data, &st) == 0)
        e->used_at_ms = stat_ms(&st.st_mtim);
    str_add(&path, "/manifest");
    if (stat(path.data, &st) == 0)
        e->pulled_at_ms = stat_ms(&st.st_mtim);
    HASH_ADD_KEYPTR(hh, l->images, e->digest, strlen(e->digest), e);
    return e;
}

static int add_name(void *ctx, const struct image_name *n, struct error *err)
{
    struct listing *l = ctx;
    struct listed *e;
    HASH_FIND_STR(l->images, n->manifest_digest, e);
    if (!e)
        return 0;
    const char **more = arena_new_array(&l->arena, const char *, e->reference_count + 2);
    memcpy(more, e->references, e->reference_count * sizeof(*more));
    more[e->reference_count++] = n->reference;
    e->references = more;
    return 0;
}

static int by_use(const struct listed *a, const struct listed *b)
{
    return a->used_at_ms < b->used_at_ms ? -1 : a->used_at_ms > b->used_at_ms;
}

static const char *digest_of_hex(struct arena *a, const char *hex)
{
    return arena_printf(a, "%s:%s", strlen(hex) == 128 ? "sha512" : "sha256", hex);
}

static int make_listing(struct listing *l, struct error *err)
{
    const char **names;
    size_t n;
    int r = folder_names(l->store, "images", &l->arena, &names, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        list_one(l, digest_of_hex(&l->arena, names[i]));
    if (r == 0)
        r = name_each(l->store, &l->arena, add_name, l, err);
    HASH_SORT(l->images, by_use);
    return r;
}

static void free_listing(struct listing *l)
{
    HASH_CLEAR(hh, l->images);
    arena_free(&l->arena);
}

static uint64_t size_of(struct image_store *s, const char *digest)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR manifest = STR_INIT;
    AUTO_STR config = STR_INIT;
    struct manifest m;
    uint64_t size = 0;
    if (image_read(s, digest, &manifest, &config, NULL) == 0 &&
        manifest_parse(&a, NULL, manifest.data, manifest.len, &m, NULL) == 0)
        for (size_t i = 0; i < m.layer_count; i++)
            size += m.layers[i].size;
    return size;
}

int image_list(struct image_store *s,
               int (*visit)(void *ctx, const struct image_entry *e, struct error *err),
               void *ctx, struct error *err)
{
    struct listing l = {.store = s};
    int r = make_listing(&l, err);
    struct listed *e, *next;
    HASH_ITER (hh, l.images, e, next) {
        if (r < 0)
            break;
        struct image_entry entry = {
            .manifest_digest = e->digest,
            .references = e->references,
            .size_bytes = size_of(s, e->digest),
            .pulled_at_ms = e->pulled_at_ms,
            .used_at_ms = e->used_at_ms,
            .pins = pin_count(s, e->digest),
        };
        r = visit(ctx, &entry, err);
    }
    free_listing(&l);
    return r < 0 ? r : 0;
}

/* ---- removing; the store's lock is held exclusively ---- */

struct keep {
    char *hex;
    UT_hash_handle hh;
};

/* The layers that some image has: by the hexadecimal part of their diff_id. */
static int layers_in_use(struct listing *l, struct keep **ret, struct error *err)
{
    struct listed *e, *next;
    HASH_ITER (hh, l->images, e, next) {
        AUTO_STR manifest = STR_INIT;
        AUTO_STR config = STR_INIT;
        struct image_config c;
        if (image_read(l->store, e->digest, &manifest, &config, NULL) < 0)
            continue; /* not whole: it counts as not there */
        int r = image_config_parse(&l->arena, config.data, config.len, &c, err);
        if (r < 0)
            return r;
        for (size_t i = 0; i < c.diff_id_count; i++) {
            const char *hex = digest_hex(c.diff_ids[i]);
            struct keep *k;
            HASH_FIND_STR(*ret, hex, k);
            if (k)
                continue;
            k = arena_new(&l->arena, struct keep);
            k->hex = arena_strdup(&l->arena, hex);
            HASH_ADD_KEYPTR(hh, *ret, k->hex, strlen(k->hex), k);
        }
    }
    return 0;
}

static int remove_layer(struct image_store *s, const char *hex, struct error *err)
{
    AUTO_STR mark = STR_INIT;
    int r = remove_whole(s, "layers", hex, err);
    if (r == 0) {
        store_path(s, "unsynced", hex, &mark);
        unlink(mark.data);
    }
    return r;
}

/* Layers without an image whose change is older than before_ms. */
static int remove_orphans(struct image_store *s, int64_t before_ms, struct error *err)
{
    struct listing l = {.store = s};
    struct keep *used = NULL, *k;
    const char **names;
    size_t n = 0;
    int r;
    if ((r = make_listing(&l, err)) == 0 && (r = layers_in_use(&l, &used, err)) == 0)
        r = folder_names(s, "layers", &l.arena, &names, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        AUTO_STR path = STR_INIT;
        struct stat st;
        HASH_FIND_STR(used, names[i], k);
        store_path(s, "layers", names[i], &path);
        if (!k && lstat(path.data, &st) == 0 && stat_ms(&st.st_ctim) < before_ms)
            r = remove_layer(s, names[i], err);
    }
    HASH_CLEAR(hh, used);
    free_listing(&l);
    return r;
}

struct forget {
    struct image_store *store;
    const char *digest;
};

static int forget_name(void *ctx, const struct image_name *n, struct error *err)
{
    const struct forget *f = ctx;
    return streq(n->manifest_digest, f->digest) ? name_remove(f->store, n->reference, err)
                                                : 0;
}

int image_remove(struct image_store *s, const char *manifest_digest, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR path = STR_INIT;
    AUTO_FD lock = -1;
    struct blob_digest d;
    struct forget forget = {s, manifest_digest};
    int r;
    if ((r = blob_digest_parse(manifest_digest, &d, err)) < 0 ||
        (r = store_lock(s, "store", LOCK_EX, false, NULL, &lock, err)) < 0)
        return r;
    store_path(s, "images", digest_hex(manifest_digest), &path);
    if (access(path.data, F_OK) < 0)
        return fail(err, E_NOTFOUND, "image %s is not here", manifest_digest);
    if (pin_count(s, manifest_digest) > 0)
        return fail(err, E_CONFLICT, "image %s is in use", manifest_digest);
    if ((r = name_each(s, &a, forget_name, &forget, err)) < 0)
        return r;
    store_step(s, "names-removed");
    if ((r = remove_whole(s, "images", digest_hex(manifest_digest), err)) < 0)
        return r;
    return remove_orphans(s, INT64_MAX, err);
}

struct old_blobs {
    struct image_store *store;
    int64_t before_ms;
};

static int remove_old_blob(void *ctx, const struct blob_digest *d, uint64_t size,
                           int64_t mtime_ms, struct error *err)
{
    const struct old_blobs *old = ctx;
    return mtime_ms < old->before_ms ? blob_delete(old->store->blobs, d, err) : 0;
}

int image_store_sweep(struct image_store *s, int64_t before_ms, struct error *err)
{
    AUTO_FD lock = -1;
    struct old_blobs old = {s, before_ms};
    int r;
    if ((r = store_lock(s, "store", LOCK_EX, false, NULL, &lock, err)) < 0 ||
        (r = empty_folder(s, "tmp", err)) < 0 ||
        (r = remove_orphans(s, before_ms, err)) < 0)
        return r;
    blob_upload_expire(s->blobs, before_ms);
    return s->config.keep_blobs ? 0 : blob_iterate(s->blobs, remove_old_blob, &old, err);
}
