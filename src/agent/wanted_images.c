#include "wanted_images.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "engine.h"
#include "fd.h"
#include "http_client.h"
#include "log.h"
#include "reference.h"
#include "registry_token.h"
#include "str.h"
#include "upkeep.h"

#define RETRY_MS 500 /* while tasks pull, or a token is awaited */

struct prefetch {
    uv_work_t req;
    struct engine *e;
    char *image, *password; /* password NULL: anonymous */
    int64_t begun_ns;
    bool here; /* it was there already */
    int r;
    struct error err;
};

static void next(struct engine *e);

/* ---- the list ---- */

static const char *spell(struct arena *a, const char *name)
{
    AUTO_ARENA scratch = ARENA_INIT;
    AUTO_STR text = STR_INIT;
    struct reference ref;
    if (reference_parse(&scratch, name, &ref, NULL) < 0)
        return NULL;
    reference_print(&ref, &text);
    return arena_strdup(a, text.data);
}

/* False: no image has such a name. */
static bool take(struct arena *a, const struct gantry_host_image *from,
                 struct wanted_image *ret)
{
    bool pinned = from->digest && !strchr(from->image, '@');
    *ret = (struct wanted_image){
        .name = pinned ? arena_printf(a, "%s@%s", from->image, from->digest)
                       : arena_strdup(a, from->image),
        .digest = arena_strdup(a, from->digest),
        .prefetch = from->prefetch.v};
    ret->spelt = spell(a, ret->name);
    ret->plain = spell(a, from->image);
    return ret->spelt && ret->plain;
}

void wanted_images_set(struct engine *e, const struct gantry_host_image_list *images)
{
    struct wanted_images *w = &e->wanted;
    struct arena arena = ARENA_INIT, old;
    struct wanted_image *v = arena_new_array(&arena, struct wanted_image, images->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < images->n; i++) {
        const struct gantry_host_image *from = &images->v[i];
        if (from->image)
            n += take(&arena, from, &v[n]);
    }
    pthread_mutex_lock(&w->lock);
    old = w->arena;
    w->arena = arena;
    w->v = v;
    w->n = n;
    w->known = true;
    pthread_mutex_unlock(&w->lock);
    arena_free(&old);
    next(e);
}

bool wanted_images_known(struct engine *e)
{
    pthread_mutex_lock(&e->wanted.lock);
    bool known = e->wanted.known;
    pthread_mutex_unlock(&e->wanted.lock);
    return known;
}

static bool is_entry(const struct wanted_image *w, const struct image_entry *entry)
{
    if (w->digest && streq(w->digest, entry->manifest_digest))
        return true;
    for (size_t i = 0; entry->references && entry->references[i]; i++)
        if (streq(entry->references[i], w->spelt) ||
            streq(entry->references[i], w->plain))
            return true;
    return false;
}

bool wanted_images_have(struct engine *e, const struct image_entry *entry)
{
    bool found = false;
    pthread_mutex_lock(&e->wanted.lock);
    for (size_t i = 0; i < e->wanted.n && !found; i++)
        found = is_entry(&e->wanted.v[i], entry);
    pthread_mutex_unlock(&e->wanted.lock);
    return found;
}

/* ---- pulling ahead ---- */

static void on_worker(uv_work_t *req)
{
    struct prefetch *p = req->data;
    struct host *h = p->e->host;
    struct registry_auth auth = {.username = "AWS", .password = p->password};
    struct image *image = NULL;
    struct image_pull pull = {.reference = p->image,
                              .auth = p->password ? &auth : NULL,
                              .cancel = p->e->wanted.cancel};
    p->here = image_find(h->images, p->image, &image, &p->err) >= 0;
    if (!p->here)
        p->r = image_pull(h->images, &pull, &image, &p->err);
    image_free(image);
}

static struct wanted_image *find(struct wanted_images *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++)
        if (streq(w->v[i].name, name))
            return &w->v[i];
    return NULL;
}

static void log_end(const struct prefetch *p)
{
    char ms[24];
    snprintf(ms, sizeof(ms), "%" PRId64, (clock_mono_ns() - p->begun_ns) / 1000000);
    if (p->here)
        log_line(LOG_DEBUG, "image is here already", "image", p->image, NULL);
    else if (p->r >= 0)
        log_line(LOG_INFO, "image prefetched", "image", p->image, "ms", ms, NULL);
    else if (p->r == -E_CANCELLED)
        log_line(LOG_INFO, "prefetching makes room for a task", "image", p->image, NULL);
    else
        log_line(LOG_WARN, "image can't be prefetched", "image", p->image, "error",
                 p->err.text, NULL);
}

static void on_loop(uv_work_t *req, int status)
{
    struct prefetch *p = req->data;
    struct engine *e = p->e;
    struct wanted_images *w = &e->wanted;
    struct wanted_image *image = find(w, p->image);
    if (image && p->r == -E_CANCELLED && !p->here)
        image->prefetch = true; /* again, later */
    log_end(p);
    w->pulling = NULL;
    http_cancel_free(w->cancel);
    w->cancel = NULL;
    e->jobs--;
    free(p->image);
    free(p->password);
    free(p);
    next(e);
}

static void pull(struct engine *e, struct wanted_image *image)
{
    struct wanted_images *w = &e->wanted;
    const char *password = registry_token_for(e, NULL, image->name);
    struct prefetch *p = xcalloc(1, sizeof(*p));
    p->e = e;
    p->req.data = p;
    p->image = xstrdup(image->name);
    p->password = password ? xstrdup(password) : NULL;
    p->begun_ns = clock_mono_ns();
    image->prefetch = false;
    w->pulling = p->image;
    w->cancel = http_cancel_new();
    e->jobs++;
    uv_queue_work(e->loop, &p->req, on_worker, on_loop);
}

static void on_timer(uv_timer_t *t)
{
    next(t->data);
}

static void next(struct engine *e)
{
    struct wanted_images *w = &e->wanted;
    struct wanted_image *image = NULL;
    for (size_t i = 0; i < w->n && !image; i++)
        image = w->v[i].prefetch ? &w->v[i] : NULL;
    if (!image || w->pulling || e->stopping)
        return;
    if (e->image_jobs > 0 || registry_token_awaited(e, NULL, image->name))
        uv_timer_start(&w->timer, on_timer, RETRY_MS, 0);
    else if (disk_is_full(e->config->data_dir))
        log_line(LOG_WARN, "images are not prefetched: the disk is full", "image",
                 image->name, NULL);
    else
        pull(e, image);
}

void wanted_images_yield(struct engine *e, const char *image)
{
    struct wanted_images *w = &e->wanted;
    if (w->pulling && !streq(w->pulling, image))
        http_cancel_now(w->cancel);
}

/* ---- life ---- */

void wanted_images_init(struct engine *e)
{
    pthread_mutex_init(&e->wanted.lock, NULL);
    uv_timer_init(e->loop, &e->wanted.timer);
    e->wanted.timer.data = e;
}

void wanted_images_stop(struct engine *e)
{
    if (e->wanted.pulling)
        http_cancel_now(e->wanted.cancel);
}

void wanted_images_fini(struct engine *e)
{
    arena_free(&e->wanted.arena);
    pthread_mutex_destroy(&e->wanted.lock);
}
