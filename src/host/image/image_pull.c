/* A pull and those who wait for it.
 *
 * The work is done by a thread of its own, and every caller of image_pull() only waits: so
 * a caller can give up at once, and the work ends when the last one has. Two callers share
 * one pull when reference and credentials are the same; with other credentials the registry
 * has to be asked again, and then the layers are shared (image_layer.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "image_store_impl.h"

struct pull {
    struct list entry;
    struct image_store *store;
    struct arena arena;
    char *key;
    struct reference ref;
    const char *spelling; /* of the reference */
    struct registry_auth auth;
    struct http_cancel *cancel;
    pthread_t thread;

    /* Under store->lock. */
    unsigned waiters;
    bool abandoned, done;
    struct image_progress progress;
    int result;
    struct error error;
    const char *digest, *manifest_digest; /* when done well */

    /* The thread's own. */
    struct registry_session *session;
    struct manifest manifest;
    struct image_config config;
    struct str manifest_bytes, config_bytes;
};

/* ---- the work: layers, by a few threads ---- */

struct layer_work {
    struct pull *pull;
    pthread_mutex_t lock;
    size_t next;
    int result;
    struct error error;
};

struct layer_part {
    struct layer_work *work;
    uint64_t counted; /* bytes of this layer in the pull's progress */
};

static int note_progress(void *ctx, uint64_t done, uint64_t total, struct error *err)
{
    struct layer_part *part = ctx;
    struct pull *p = part->work->pull;
    if (done > part->counted) {
        pthread_mutex_lock(&p->store->lock);
        p->progress.bytes_done += done - part->counted;
        pthread_mutex_unlock(&p->store->lock);
        part->counted = done;
    }
    return 0;
}

static bool take_layer(struct layer_work *w, size_t *ret)
{
    pthread_mutex_lock(&w->lock);
    bool have = w->result == 0 && w->next < w->pull->manifest.layer_count;
    if (have)
        *ret = w->next++;
    pthread_mutex_unlock(&w->lock);
    return have;
}

static void layer_failed(struct layer_work *w, int r, const struct error *err)
{
    pthread_mutex_lock(&w->lock);
    if (w->result == 0) {
        w->result = r;
        w->error = *err;
        http_cancel_now(w->pull->cancel); /* the others stop where they are */
    }
    pthread_mutex_unlock(&w->lock);
}

static void *layer_thread(void *arg)
{
    struct layer_work *w = arg;
    struct pull *p = w->pull;
    size_t i;
    while (take_layer(w, &i)) {
        struct error err = ERROR_INIT;
        struct layer_part part = {.work = w};
        int r =
            layer_ensure(p->store, p->session, p->config.diff_ids[i],
                         &p->manifest.layers[i], p->cancel, note_progress, &part, &err);
        if (r < 0) {
            layer_failed(w, r, &err);
            break;
        }
        pthread_mutex_lock(&p->store->lock);
        p->progress.layers_done++;
        pthread_mutex_unlock(&p->store->lock);
    }
    return NULL;
}

static int pull_layers(struct pull *p, struct error *err)
{
    struct layer_work w = {.pull = p, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[IMAGE_STORE_MAX_PARALLEL];
    unsigned started = 0, want = p->store->config.parallel;
    size_t missing = 0;
    for (size_t i = 0; i < p->manifest.layer_count; i++)
        missing += !layer_is_here(p->store, p->config.diff_ids[i]);
    /* This thread works, too; what is here already needs no other. */
    while (started + 1 < want && started + 1 < missing &&
           pthread_create(&threads[started], NULL, layer_thread, &w) == 0)
        started++;
    layer_thread(&w);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&w.lock);
    if (w.result < 0)
        *err = w.error;
    return w.result;
}

/* ---- the work: from name to image ---- */

static int fetch_manifest(struct pull *p, const char *what, bool must_be_image,
                          const char **ret_digest, struct error *err)
{
    struct registry_manifest m = {.bytes = STR_INIT};
    int r = registry_get_manifest(p->session, what, &m, err);
    if (r < 0)
        return r;
    str_free(&p->manifest_bytes);
    p->manifest_bytes = m.bytes;
    *ret_digest = arena_strdup(&p->arena, m.digest);
    r = manifest_parse(&p->arena, m.content_type, str_text(&m.bytes), m.bytes.len,
                       &p->manifest, err);
    if (r == 0 && must_be_image && p->manifest.kind != MANIFEST_IMAGE)
        r = fail(err, E_UNSUPPORTED, "an index within an index is not supported");
    return r < 0 ? wrap(err, "%s", p->spelling) : 0;
}

static int resolve(struct pull *p, const char **ret_digest, const char **ret_manifest,
                   struct error *err)
{
    const struct content_descriptor *d;
    struct platform here;
    int r = fetch_manifest(p, reference_manifest(&p->ref), false, ret_digest, err);
    if (r < 0)
        return r;
    *ret_manifest = *ret_digest;
    if (p->manifest.kind == MANIFEST_IMAGE)
        return 0;
    platform_of_machine(&here);
    if (manifest_select(&p->manifest, &here, &d, err) < 0)
        return wrap(err, "%s", p->spelling);
    return fetch_manifest(p, d->digest, true, ret_manifest, err);
}

static int fetch_config(struct pull *p, const char *manifest_digest, struct error *err)
{
    AUTO_STR manifest = STR_INIT;
    struct platform here;
    int r = image_read(p->store, manifest_digest, &manifest, &p->config_bytes, NULL);
    if (r < 0)
        r = registry_get_small(p->session, &p->manifest.config, IMAGE_CONFIG_MAX_BYTES,
                               &p->config_bytes, err);
    if (r < 0)
        return r;
    platform_of_machine(&here);
    r = image_config_parse(&p->arena, str_text(&p->config_bytes), p->config_bytes.len,
                           &p->config, err);
    if (r == 0)
        r = image_config_check_platform(&p->config, &here, err);
    if (r == 0 && p->config.diff_id_count != p->manifest.layer_count)
        r = fail(err, E_INVALID, "the manifest has %zu layers, and the config %zu",
                 p->manifest.layer_count, p->config.diff_id_count);
    return r < 0 ? wrap(err, "%s", p->spelling) : 0;
}

static void announce_total(struct pull *p)
{
    pthread_mutex_lock(&p->store->lock);
    for (size_t i = 0; i < p->manifest.layer_count; i++)
        p->progress.bytes_total += p->manifest.layers[i].size;
    p->progress.layers_total = (unsigned)p->manifest.layer_count;
    pthread_mutex_unlock(&p->store->lock);
}

/* The tag's name, and the digest's: a later start asks for exactly this image. */
static int save_names(struct pull *p, const char *digest, const char *manifest_digest,
                      struct error *err)
{
    AUTO_STR by_digest = STR_INIT;
    struct image_name name = {p->spelling, digest, manifest_digest};
    int r = name_save(p->store, &name, err);
    store_step(p->store, "name-written");
    if (r < 0 || p->ref.digest)
        return r;
    reference_print_name(&p->ref, &by_digest);
    str_addf(&by_digest, "@%s", digest);
    name.reference = by_digest.data;
    return name_save(p->store, &name, err);
}

static int pull_work(struct pull *p, struct error *err)
{
    AUTO_FD lock = -1;
    const char *digest, *manifest_digest;
    struct image_store *s = p->store;
    int r;
    if ((r = store_lock(s, "store", LOCK_SH, true, p->cancel, &lock, err)) < 0 ||
        (r = registry_session_new(s->config.registry, &p->ref, &p->auth, p->cancel,
                                  &p->session, err)) < 0 ||
        (r = resolve(p, &digest, &manifest_digest, err)) < 0 ||
        (r = fetch_config(p, manifest_digest, err)) < 0)
        return r;
    store_step(s, "manifest-fetched");
    announce_total(p);
    if ((r = pull_layers(p, err)) < 0 ||
        (r = image_save(s, manifest_digest, &p->manifest_bytes, &p->config_bytes, err)) <
            0 ||
        (r = save_names(p, digest, manifest_digest, err)) < 0)
        return r;
    p->digest = digest;
    p->manifest_digest = manifest_digest;
    return 0;
}

/* ---- the thread, and who waits for it ---- */

static void pull_free(struct pull *p)
{
    registry_session_free(p->session);
    http_cancel_free(p->cancel);
    str_free(&p->manifest_bytes);
    str_free(&p->config_bytes);
    if (p->key)
        explicit_bzero(p->key, strlen(p->key));
    arena_free(&p->arena);
    free(p);
}

static void *pull_thread(void *arg)
{
    struct pull *p = arg;
    struct image_store *s = p->store;
    struct error err = ERROR_INIT;
    int r = pull_work(p, &err);
    pthread_mutex_lock(&s->lock);
    p->result = r;
    p->error = err;
    p->done = true;
    list_remove(&p->entry);
    list_append(&s->ended, &p->entry);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* s->lock is held. The credentials are part of what makes two pulls the same. */
static struct pull *pull_find(struct image_store *s, const char *key)
{
    list_for_each (it, &s->pulls) {
        struct pull *p = list_entry(it, struct pull, entry);
        if (!p->abandoned && streq(p->key, key))
            return p;
    }
    return NULL;
}

static void make_key(const struct pull *p, struct str *ret)
{
    const char *user = p->auth.username ? p->auth.username : "";
    const char *password = p->auth.password ? p->auth.password : "";
    str_addf(ret, "%zu:%s%zu:%s%s", strlen(user), user, strlen(password), password,
             p->spelling);
}

static int pull_new(struct image_store *s, const struct image_pull *pull,
                    struct pull **ret, struct error *err)
{
    struct pull *p = xcalloc(1, sizeof(*p));
    AUTO_STR spelling = STR_INIT;
    AUTO_STR key = STR_INIT;
    int r = reference_parse(&p->arena, pull->reference, &p->ref, err);
    if (r < 0) {
        pull_free(p);
        return r;
    }
    p->store = s;
    list_init(&p->entry);
    reference_print(&p->ref, &spelling);
    p->spelling = arena_strdup(&p->arena, spelling.data);
    if (pull->auth && pull->auth->username) {
        p->auth.username = arena_strdup(&p->arena, pull->auth->username);
        p->auth.password = arena_strdup(&p->arena, pull->auth->password);
    }
    make_key(p, &key);
    p->key = arena_strdup(&p->arena, key.data);
    explicit_bzero(key.data, key.len);
    *ret = p;
    return 0;
}

/* s->lock is held. */
static int pull_start(struct pull *p, struct error *err)
{
    p->cancel = http_cancel_new();
    int e = pthread_create(&p->thread, NULL, pull_thread, p);
    if (e != 0)
        return fail_errno(err, e, "start a thread");
    list_append(&p->store->pulls, &p->entry);
    return 0;
}

static int join(struct image_store *s, struct pull *mine, struct pull **ret,
                struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&s->lock);
    struct pull *p = pull_find(s, mine->key);
    if (!p && (r = pull_start(mine, err)) == 0)
        p = mine;
    if (p)
        p->waiters++;
    pthread_mutex_unlock(&s->lock);
    if (p != mine)
        pull_free(mine);
    *ret = p;
    return r;
}

static void deadline_in_100ms(struct timespec *t)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_nsec += 100000000;
    t->tv_sec += t->tv_nsec / 1000000000;
    t->tv_nsec %= 1000000000;
}

static int report(const struct image_pull *pull, struct image_progress *shown,
                  const struct image_progress *now, struct error *err)
{
    if (!pull->progress || memcmp(shown, now, sizeof(*now)) == 0)
        return 0;
    *shown = *now;
    return pull->progress(pull->ctx, now, err);
}

/* s->lock is held, and let go during the caller's callback. */
static int wait_done(struct image_store *s, struct pull *p, const struct image_pull *pull,
                     struct error *err)
{
    struct image_progress shown = {0};
    for (;;) {
        struct image_progress now = p->progress;
        struct timespec until;
        pthread_mutex_unlock(&s->lock);
        int r = report(pull, &shown, &now, err);
        if (r == 0 && pull->cancel && http_cancelled(pull->cancel))
            r = fail(err, E_CANCELLED, "pulling was cancelled");
        pthread_mutex_lock(&s->lock);
        if (r < 0)
            return r;
        if (p->done && memcmp(&shown, &p->progress, sizeof(shown)) != 0 && pull->progress)
            continue;
        if (p->done) {
            if (p->result < 0 && err)
                *err = p->error;
            return p->result;
        }
        deadline_in_100ms(&until);
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
}

/* s->lock is held. */
static void leave(struct pull *p)
{
    if (--p->waiters > 0 || p->done)
        return;
    p->abandoned = true;
    http_cancel_now(p->cancel);
}

void pull_reap(struct image_store *s)
{
    struct list mine;
    list_init(&mine);
    pthread_mutex_lock(&s->lock);
    list_for_each_safe (it, &s->ended) {
        if (list_entry(it, struct pull, entry)->waiters > 0)
            continue;
        list_remove(it);
        list_append(&mine, it);
    }
    pthread_mutex_unlock(&s->lock);
    list_for_each_safe (it, &mine) {
        struct pull *p = list_entry(it, struct pull, entry);
        pthread_join(p->thread, NULL);
        pull_free(p);
    }
}

static int load_pulled(struct image_store *s, const struct image_pull *pull,
                       const struct image_name *name, struct image **ret,
                       struct error *err)
{
    struct image *i;
    int r = image_load(s, name->manifest_digest, &i, err);
    if (r < 0)
        return r;
    i->reference = arena_strdup(&i->arena, name->reference);
    i->digest = arena_strdup(&i->arena, name->digest);
    if (pull && pull->pin_owner &&
        (r = image_pin(s, i->manifest_digest, pull->pin_owner, err)) < 0) {
        image_free(i);
        return r;
    }
    *ret = i;
    return 0;
}

int image_pull(struct image_store *s, const struct image_pull *pull, struct image **ret,
               struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_FD lock = -1;
    struct image_name name = {0};
    struct pull *mine, *p;
    int r;
    if (!s->config.registry)
        return fail(err, E_UNSUPPORTED, "this store can't pull");
    /* Without the lock an image could be removed between its pull and its pin. */
    if ((r = store_lock(s, "store", LOCK_SH, true, pull->cancel, &lock, err)) < 0 ||
        (r = pull_new(s, pull, &mine, err)) < 0)
        return r;
    if ((r = join(s, mine, &p, err)) < 0)
        return r;
    pthread_mutex_lock(&s->lock);
    r = wait_done(s, p, pull, err);
    if (r == 0) {
        name.reference = arena_strdup(&a, p->spelling);
        name.digest = arena_strdup(&a, p->digest);
        name.manifest_digest = arena_strdup(&a, p->manifest_digest);
    }
    leave(p);
    pthread_mutex_unlock(&s->lock);
    pull_reap(s);
    return r < 0 ? r : load_pulled(s, pull, &name, ret, err);
}

int image_find(struct image_store *s, const char *reference, struct image **ret,
               struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR spelling = STR_INIT;
    struct reference ref;
    struct image_name name;
    int r = reference_parse(&a, reference, &ref, err);
    if (r < 0)
        return r;
    reference_print(&ref, &spelling);
    if (name_load(s, &a, spelling.data, &name, NULL) < 0)
        return fail(err, E_NOTFOUND, "image %s is not on this host", spelling.data);
    return load_pulled(s, NULL, &name, ret, err);
}
