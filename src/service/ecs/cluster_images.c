#include "cluster_images.h"

#include <stdlib.h>
#include <string.h>

#include "launch.h"
#include "service_history.h"

#define IMAGES_MAX 5000 /* of one cluster; an agent that knows no list removes nothing */

void cluster_images_look(struct core *core, struct cluster *cl)
{
    wake_at(core, &cl->images, core_now_ms(core) + CLUSTER_IMAGES_DELAY_MS);
}

void cluster_images_tell(struct core *core, struct instance *i)
{
    i->images_told = 0;
    if (i->connected)
        cluster_images_look(core, i->cluster);
}

/* ---- what services need ---- */

/* One task definition of one service. */
struct want {
    struct service *service;
    struct taskdef *taskdef;
    const struct service_revision *revision; /* NULL: it pins no digests */
    struct launch launch;                    /* prepared: where its tasks may run */
    bool anywhere; /* it could not be: then nowhere is ruled out */
};

struct wants {
    struct arena *a;
    struct want *v;
    size_t n, cap;
    uint64_t hash;
};

static void mix(uint64_t *hash, const char *text)
{
    for (; *text; text++)
        *hash = (*hash ^ (unsigned char)*text) * 1099511628211u;
    *hash = (*hash ^ 0xff) * 1099511628211u;
}

/* Digests are part of what was told. */
static void mix_pins(struct wants *w, const struct want *v)
{
    const struct ecs_container_definition_list *l =
        &taskdef_of(v->taskdef)->container_definitions;
    for (size_t i = 0; v->revision && i < l->n; i++) {
        const char *digest = service_revision_pin(v->revision, &l->v[i]);
        mix(&w->hash, digest ? digest : "");
    }
}

static void add_want(struct core *core, struct wants *w, struct service *s,
                     const char *taskdef_arn, const char *revision_arn)
{
    struct taskdef *td = taskdef_arn ? taskdef_by_arn(core, taskdef_arn) : NULL;
    if (!td)
        return;
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 16;
        struct want *v = arena_new_array(w->a, struct want, cap);
        if (w->n)
            memcpy(v, w->v, w->n * sizeof(*v));
        w->v = v;
        w->cap = cap;
    }
    struct want *v = &w->v[w->n++];
    *v = (struct want){.service = s, .taskdef = td};
    if (revision_arn)
        v->revision = service_revision_find(core, revision_arn);
    mix(&w->hash, s->rec->service->service_arn);
    mix(&w->hash, taskdef_arn);
    mix_pins(w, v);
}

static void gather(struct core *core, struct cluster *cl, struct wants *ret)
{
    *ret = (struct wants){.a = core_scratch(core), .hash = 14695981039346656037u};
    list_for_each (it, &cl->services) {
        struct service *s = list_entry(it, struct service, link);
        const struct ecs_service *rec = s->rec->service;
        if (!streq(rec->status, "ACTIVE"))
            continue;
        for (size_t i = 0; i < rec->deployments.n; i++)
            add_want(core, ret, s, rec->deployments.v[i].task_definition,
                     s->rec->deployments.v[i].service_revision_arn);
        for (size_t i = 0; i < rec->task_sets.n; i++)
            add_want(core, ret, s, rec->task_sets.v[i].task_definition, NULL);
    }
}

/* ---- for one instance ---- */

static void prepare(struct core *core, struct wants *w)
{
    for (size_t i = 0; i < w->n; i++) {
        struct want *v = &w->v[i];
        v->launch = (struct launch){.cluster = v->service->cluster,
                                    .taskdef = v->taskdef,
                                    .group = "",
                                    .constraints =
                                        &v->service->rec->service->placement_constraints};
        v->anywhere = launch_prepare(NULL, core, &v->launch) < 0;
        /* what is taken now says nothing about later */
        v->launch.need.resources = (struct place_resources){0};
        v->launch.need.distinct_instance = false;
    }
}

static void release(struct wants *w)
{
    for (size_t i = 0; i < w->n; i++)
        launch_fini(&w->v[i].launch);
}

static bool may_run(const struct instance *i, const struct want *v)
{
    return instance_active(i) && !instance_draining(i) && i->place &&
           (v->anywhere || place_check(i->cluster->place, i->place, &v->launch.need,
                                       v->launch.group) == PLACE_OK);
}

static void add_images(struct arena *a, const struct want *v, bool prefetch,
                       struct gantry_host_image_list *ret)
{
    const struct ecs_container_definition_list *l =
        &taskdef_of(v->taskdef)->container_definitions;
    for (size_t i = 0; i < l->n && ret->n < IMAGES_MAX; i++)
        *LIST_PUSH(a, ret) = (struct gantry_host_image){
            .image = l->v[i].image,
            .digest = v->revision ? service_revision_pin(v->revision, &l->v[i]) : NULL,
            .prefetch = SET_BOOL(prefetch)};
}

static int compare(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* By name and digest, and of one image those with prefetch first. */
static int by_image(const void *x, const void *y)
{
    const struct gantry_host_image *a = x, *b = y;
    int order = compare(a->image, b->image);
    if (order == 0)
        order = compare(a->digest, b->digest);
    return order ? order : (int)b->prefetch.v - (int)a->prefetch.v;
}

static void each_once(struct gantry_host_image_list *l)
{
    size_t n = 0;
    if (l->n > 1)
        qsort(l->v, l->n, sizeof(*l->v), by_image);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || compare(l->v[n - 1].image, l->v[i].image) != 0 ||
            compare(l->v[n - 1].digest, l->v[i].digest) != 0)
            l->v[n++] = l->v[i];
    l->n = n;
}

static void tell(struct core *core, struct instance *i, const struct wants *w)
{
    struct ecs *e = ecs_of(core);
    struct gantry_host_image_list images = {.set = true};
    for (size_t k = 0; k < w->n; k++)
        add_images(w->a, &w->v[k], may_run(i, &w->v[k]), &images);
    each_once(&images);
    if (e->host_ops)
        e->host_ops->images(e->host_ctx, core, i->rec->instance->container_instance_arn,
                            &images);
    i->images_told = i->cluster->images_number;
}

/* ---- the controller ---- */

static void run(struct core *core, struct wake *wake)
{
    struct cluster *cl = list_entry(wake, struct cluster, images);
    struct wants w;
    size_t checks = 0;
    gather(core, cl, &w);
    if (w.hash != cl->images_hash || cl->images_number == 0) {
        cl->images_hash = w.hash;
        cl->images_number++;
    }
    prepare(core, &w);
    list_for_each (it, &cl->instances) {
        struct instance *i = list_entry(it, struct instance, link);
        if (!i->connected || i->images_told == cl->images_number)
            continue;
        if (checks > CLUSTER_IMAGES_CHECKS) {
            wake_now(core, wake); /* others may have their turn */
            break;
        }
        checks += w.n + 1;
        tell(core, i, &w);
    }
    release(&w);
}

void cluster_images_init(struct cluster *cl)
{
    wake_init(&cl->images, run);
}
