/* When may a file go? Names are in ecr's tables, files on the disk, and no lock spans both.
 *
 * ecr tells (commit thread) that nothing names a digest any more. At the same moment a
 * client may be pushing the same content: its file exists, its link does not yet. So:
 *
 *   - Who is about to link pins the digest, before its file gets its name, until the link is
 *     durable.
 *   - A digest that is told unused while pinned is doomed, and asked about when unpinned.
 *   - Otherwise it is dying: the state thread is asked whether something names it after all,
 *     and only then, under the lock, and if nobody pinned it since, the file is deleted. A
 *     pin that comes later waits for the lock; its file then gets the name anew.
 *
 * What a crash leaves behind (a file without a link) is found by housekeeping, which takes
 * every old file that nothing names down the same path. */
#include <stdlib.h>
#include <string.h>

#include "registry_private.h"

#define SWEEP_STEP 1000 /* digests that one task on the state thread looks up */

struct pin {
    struct list node;
    struct blob_digest digest;
    unsigned count;
    bool doomed;  /* told unused while pinned */
    bool dying;   /* being asked about */
    bool revived; /* pinned while dying */
};

static struct pin *pin_find(struct registry *r, const struct blob_digest *d)
{
    list_for_each (it, &r->pins) {
        struct pin *p = list_entry(it, struct pin, node);
        if (blob_digest_equal(&p->digest, d))
            return p;
    }
    return NULL;
}

static struct pin *pin_make(struct registry *r, const struct blob_digest *d)
{
    struct pin *p = pin_find(r, d);
    if (!p) {
        p = xcalloc(1, sizeof(*p));
        p->digest = *d;
        list_append(&r->pins, &p->node);
    }
    return p;
}

static void pin_forget(struct pin *p)
{
    if (p->count || p->dying)
        return;
    list_remove(&p->node);
    free(p);
}

void visit_pin(struct visit *v)
{
    struct registry *r = v->registry;
    pthread_mutex_lock(&r->pin_lock);
    struct pin *p = pin_make(r, &v->digest);
    p->count++;
    p->revived = p->dying;
    pthread_mutex_unlock(&r->pin_lock);
    v->pinned = true;
}

/* ---- one digest ---- */

struct dying {
    struct core_task task;
    struct registry *registry;
    struct blob_digest digest;
    char text[BLOB_DIGEST_SIZE];
    bool used;
};

static void delete_unused(void *arg)
{
    struct dying *x = arg;
    struct registry *r = x->registry;
    pthread_mutex_lock(&r->pin_lock);
    struct pin *p = pin_find(r, &x->digest);
    if (!x->used && !p->count && !p->revived)
        blob_delete(r->config.blobs, &x->digest, NULL);
    p->dying = p->revived = false;
    pin_forget(p);
    pthread_mutex_unlock(&r->pin_lock);
    free(x);
}

static void ask_used(struct core *core, struct core_task *task)
{
    struct dying *x = list_entry(task, struct dying, task);
    x->used = ecr_digest_used(core, x->text);
}

static void asked(struct outbound *out)
{
    struct dying *x = list_entry(out, struct dying, task.reply);
    const struct registry_backend *b = &x->registry->config.backend;
    b->work(b->ctx, delete_unused, x);
}

/* The digest was marked as dying. */
static void ask_about(struct registry *r, const struct blob_digest *d)
{
    struct dying *x = xcalloc(1, sizeof(*x));
    x->task = (struct core_task){.run = ask_used, .reply.deliver = asked};
    x->registry = r;
    x->digest = *d;
    blob_digest_format(d, x->text);
    r->config.backend.submit(r->config.backend.ctx, &x->task);
}

static void unused(struct registry *r, const struct blob_digest *d)
{
    pthread_mutex_lock(&r->pin_lock);
    struct pin *p = pin_make(r, d);
    bool ask = !p->count && !p->dying;
    if (p->count)
        p->doomed = true;
    if (ask)
        p->dying = true;
    pthread_mutex_unlock(&r->pin_lock);
    if (ask)
        ask_about(r, d);
}

void visit_unpin(struct visit *v)
{
    struct registry *r = v->registry;
    const struct blob_digest *d = &v->digest;
    if (!v->pinned)
        return;
    v->pinned = false;
    pthread_mutex_lock(&r->pin_lock);
    struct pin *p = pin_find(r, d);
    bool ask = --p->count == 0 && p->doomed && !p->dying;
    if (ask) {
        p->doomed = false;
        p->dying = true;
    }
    pin_forget(p);
    pthread_mutex_unlock(&r->pin_lock);
    if (ask)
        ask_about(r, d);
}

void registry_blob_unused(void *registry, const char *digest)
{
    struct blob_digest d;
    if (blob_digest_parse(digest, &d, NULL) == 0)
        unused(registry, &d);
}

/* ---- all of them ---- */

struct sweep {
    struct core_task task;
    struct registry *registry;
    struct blob_digest *v; /* old files */
    size_t n, cap, at;
    int64_t before_ms;
};

static int note_old(void *ctx, const struct blob_digest *d, uint64_t size,
                    int64_t mtime_ms, struct error *err)
{
    struct sweep *s = ctx;
    if (mtime_ms >= s->before_ms)
        return 0;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
    }
    s->v[s->n++] = *d;
    return 0;
}

/* Leaves only the unused ones in its step of the array: the others are overwritten. */
static void sweep_ask(struct core *core, struct core_task *task)
{
    struct sweep *s = list_entry(task, struct sweep, task);
    for (size_t i = 0; i < SWEEP_STEP && s->at < s->n; i++) {
        char text[BLOB_DIGEST_SIZE];
        blob_digest_format(&s->v[s->at], text);
        if (ecr_digest_used(core, text))
            s->v[s->at] = s->v[--s->n];
        else
            s->at++;
    }
}

static void sweep_asked(struct outbound *out)
{
    struct sweep *s = list_entry(out, struct sweep, task.reply);
    struct registry *r = s->registry;
    if (s->at < s->n) {
        r->config.backend.submit(r->config.backend.ctx, &s->task);
        return;
    }
    for (size_t i = 0; i < s->n; i++)
        unused(r, &s->v[i]);
    free(s->v);
    free(s);
}

static void housekeep(void *arg)
{
    struct registry *r = arg;
    const struct registry_backend *b = &r->config.backend;
    int64_t now_ms = b->now_ms(b->ctx);
    blob_upload_expire(r->config.blobs, now_ms - REGISTRY_UPLOAD_IDLE_MS);
    struct sweep *s = xcalloc(1, sizeof(*s));
    s->registry = r;
    s->before_ms = now_ms - REGISTRY_ORPHAN_MS;
    s->task = (struct core_task){.run = sweep_ask, .reply.deliver = sweep_asked};
    blob_iterate(r->config.blobs, note_old, s, NULL);
    b->submit(b->ctx, &s->task);
}

void registry_housekeeping(struct registry *r)
{
    r->config.backend.work(r->config.backend.ctx, housekeep, r);
}
