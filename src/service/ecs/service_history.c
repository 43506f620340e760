/* See service_history.h. */
#include "service_history.h"
#include "service_targets.h"

#include <string.h>

const struct table_type service_revision_table = {
    .prefix = "/ecs/service-revision/",
    .shape = &gantry_service_revision_record_shape,
    .object_size = sizeof(struct service_revision),
    .record_offset = offsetof(struct service_revision, rec),
};
const struct table_type service_deployment_table = {
    .prefix = "/ecs/service-deployment/",
    .shape = &gantry_service_deployment_record_shape,
    .object_size = sizeof(struct service_deployment),
    .record_offset = offsetof(struct service_deployment, rec),
};

/* ---- names ---- */

/* Milliseconds in base 36, nine digits (until the year 5188), then twelve of chance: 21
 * letters and digits that sort by age. */
static const char *deployment_name(struct core *core, struct arena *a)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char text[22] = "";
    int64_t t = core_now_ms(core);
    for (int i = 8; i >= 0; i--, t /= 36)
        text[i] = digits[t % 36];
    for (int i = 9; i < 21; i++)
        text[i] = digits[core_random_below(core, 36)];
    return arena_strdup(a, text);
}

/* Nineteen digits that sort by age. */
static const char *revision_name(struct core *core, struct arena *a)
{
    return arena_printf(a, "%013lld%06u", (long long)core_now_ms(core),
                        (unsigned)core_random_below(core, 1000000));
}

const char *service_history_prefix(struct arena *a, const struct service *s,
                                   const char *noun)
{
    const struct cluster *cl = s->cluster;
    return ecs_key(a, noun, cl->account, cl->region,
                   arena_printf(a, "%s/%s/", cl->name, s->rec->service->service_name));
}

static void *find_by_arn(struct core *core, const struct table *table, const char *noun,
                         const char *text)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!text || !arn_parse(a, text, &arn) || !str_starts(arn.resource, noun) ||
        arn.resource[strlen(noun)] != '/')
        return NULL;
    return table_find(table, ecs_key(a, noun, arn.account, arn.region,
                                     arn.resource + strlen(noun) + 1));
}

struct service_revision *service_revision_find(struct core *core, const char *arn)
{
    return find_by_arn(core, ecs_of(core)->service_revisions, "service-revision", arn);
}

struct service_deployment *service_deployment_find(struct core *core, const char *arn)
{
    return find_by_arn(core, ecs_of(core)->service_deployments, "service-deployment",
                       arn);
}

struct service *service_of_arn(struct core *core, const char *text)
{
    struct arn arn;
    struct arena *a = core_scratch(core);
    if (!text || !arn_parse(a, text, &arn) || !str_starts(arn.resource, "service/"))
        return NULL;
    return table_find(ecs_of(core)->services,
                      ecs_key(a, "service", arn.account, arn.region,
                              arn.resource + strlen("service/")));
}

struct service *service_deployment_service(struct core *core,
                                           const struct service_deployment *d)
{
    return service_of_arn(core, d->rec->deployment->service_arn);
}

ptrdiff_t service_deployment_of_revision(const struct service *s,
                                         const char *revision_arn)
{
    for (size_t i = 0; i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].service_revision_arn, revision_arn))
            return (ptrdiff_t)i;
    return -1;
}

/* ---- revisions ---- */

struct service_revision *service_revision_new(struct core *core, struct service *s,
                                              const char *taskdef_arn)
{
    const struct cluster *cl = s->cluster;
    const struct ecs_service *rec = s->rec->service;
    struct arena *scratch = core_scratch(core);
    const char *name = revision_name(core, scratch);
    struct service_revision *r = object_new(
        core, ecs_of(core)->service_revisions,
        arena_printf(scratch, "%s%s",
                     service_history_prefix(scratch, s, "service-revision"), name));
    struct ecs_service_revision made = {
        .service_revision_arn =
            ecs_arn(scratch, cl->region, cl->account, "service-revision/%s/%s/%s",
                    cl->name, rec->service_name, name),
        .service_arn = rec->service_arn,
        .cluster_arn = rec->cluster_arn,
        .task_definition = taskdef_arn,
        .capacity_provider_strategy = rec->capacity_provider_strategy,
        .launch_type = rec->launch_type,
        .platform_version = rec->platform_version,
        .platform_family = rec->platform_family,
        .load_balancers = rec->load_balancers,
        .service_registries = rec->service_registries,
        .network_configuration = rec->network_configuration,
        .created_at = SET_TIME(core_now_ms(core)),
    };
    struct ecs_resolved_configuration resolved = {0};
    if (rec->load_balancers.n) {
        load_balancers_resolve(core, s, scratch, &resolved.load_balancers);
        made.resolved_configuration = &resolved;
    }
    r->rec->revision = wire_copy(&r->o.arena, &ecs_service_revision_shape, &made);
    object_save(core, &r->o);
    return r;
}

static const struct ecs_container_image *image_of(const struct service_revision *r,
                                                  const char *container)
{
    const struct ecs_container_image_list *l = &r->rec->revision->container_images;
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].container_name, container))
            return &l->v[i];
    return NULL;
}

static struct service_revision *revision_of_task(struct core *core, const struct task *t)
{
    const struct service *s = t->service;
    for (size_t i = 0; s && i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].id, t->rec->deployment_id))
            return service_revision_find(core,
                                         s->rec->deployments.v[i].service_revision_arn);
    return NULL;
}

static void pin(struct service_revision *r, const struct ecs_container *c)
{
    struct arena *a = &r->o.arena;
    struct ecs_container_image *image = LIST_PUSH(a, &r->rec->revision->container_images);
    image->container_name = arena_strdup(a, c->name);
    image->image = arena_strdup(a, c->image);
    image->image_digest = arena_strdup(a, c->image_digest);
}

void service_revision_images(struct core *core, struct task *t)
{
    struct service_revision *r = revision_of_task(core, t);
    const struct ecs_container_list *l = &t->rec->task->containers;
    bool changed = false;
    for (size_t i = 0; r && i < l->n; i++) {
        if (!l->v[i].image_digest || image_of(r, l->v[i].name))
            continue;
        pin(r, &l->v[i]);
        changed = true;
    }
    if (changed)
        object_save(core, &r->o);
}

const char *service_revision_pin(const struct service_revision *r,
                                 const struct ecs_container_definition *def)
{
    const struct ecs_container_image *image = image_of(r, def->name);
    if (!image || def->version_consistency == ECS_VERSION_CONSISTENCY_DISABLED)
        return NULL;
    return image->image_digest;
}

const char *service_revision_digest(struct core *core, const struct task *t,
                                    const char *container)
{
    const struct service_revision *r = revision_of_task(core, t);
    const struct ecs_container_definition *def =
        t->taskdef ? container_definition_of(taskdef_of(t->taskdef), container) : NULL;
    return r && def ? service_revision_pin(r, def) : NULL;
}

/* ---- deployments ---- */

bool service_deployment_over(const struct service_deployment *d)
{
    switch (d->rec->deployment->status) {
    case ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL:
    case ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED:
    case ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL:
    case ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_FAILED:
        return true;
    default:
        return false;
    }
}

void service_deployment_status(struct core *core, struct service_deployment *d,
                               enum ecs_service_deployment_status status,
                               const char *reason)
{
    struct ecs_service_deployment *rec = d->rec->deployment;
    struct opt_time now = SET_TIME(core_now_ms(core));
    rec->status = status;
    rec->status_reason = arena_strdup(&d->o.arena, reason);
    rec->updated_at = now;
    if (service_deployment_over(d))
        rec->finished_at = now;
    if (status == ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED)
        rec->stopped_at = now;
    object_save(core, &d->o);
}

void service_deployment_rolls_back(struct core *core, struct service_deployment *d,
                                   const char *revision_arn, const char *reason)
{
    struct ecs_service_deployment *rec = d->rec->deployment;
    rec->rollback = arena_new(&d->o.arena, struct ecs_rollback);
    rec->rollback->reason = arena_strdup(&d->o.arena, reason);
    rec->rollback->started_at = SET_TIME(core_now_ms(core));
    rec->rollback->service_revision_arn = arena_strdup(&d->o.arena, revision_arn);
    service_deployment_status(core, d, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_IN_PROGRESS,
                              reason);
}

/* What runs now; a revision that two deployments carry is told once. */
static void add_sources(struct arena *a, const struct service *s,
                        struct ecs_service_deployment *ret)
{
    for (size_t i = 0; i < s->rec->deployments.n; i++) {
        const char *arn = s->rec->deployments.v[i].service_revision_arn;
        if (!arn || service_deployment_of_revision(s, arn) != (ptrdiff_t)i)
            continue;
        LIST_PUSH(a, &ret->source_service_revisions)->arn = arena_strdup(a, arn);
    }
}

static void supersede(struct core *core, const struct service *s)
{
    for (size_t i = 0; i < s->rec->deployments.n; i++) {
        struct service_deployment *d = service_deployment_find(
            core, s->rec->deployments.v[i].service_deployment_arn);
        if (d && !service_deployment_over(d))
            service_deployment_status(core, d, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED,
                                      "Superseded by a newer service deployment.");
    }
}

static bool revision_in_use(const struct service *s, const char *arn)
{
    return streq(s->rec->completed_revision_arn, arn) ||
           service_deployment_of_revision(s, arn) >= 0;
}

/* Forgets the oldest beyond what is kept. There is never more than one too many of each,
 * or a few when those in use were passed over. */
static void prune(struct core *core, struct service *s, struct table *table,
                  const char *noun)
{
    const char *prefix = service_history_prefix(core_scratch(core), s, noun);
    size_t n = 0;
    struct object *o;
    for (const char *at = prefix; (o = table_next(table, prefix, at)); at = o->key)
        n++;
    const char *at = prefix;
    while (n > SERVICE_HISTORY && (o = table_next(table, prefix, at))) {
        at = arena_strdup(core_scratch(core), o->key);
        bool keep =
            table == ecs_of(core)->service_revisions
                ? revision_in_use(
                      s,
                      ((struct service_revision *)o)->rec->revision->service_revision_arn)
                : !service_deployment_over((struct service_deployment *)o);
        if (!keep)
            object_delete(core, o);
        n--;
    }
}

struct service_deployment *service_deployment_new(struct core *core, struct service *s,
                                                  const struct service_revision *target)
{
    const struct cluster *cl = s->cluster;
    const struct ecs_service *rec = s->rec->service;
    struct arena *scratch = core_scratch(core);
    supersede(core, s);
    const char *name = deployment_name(core, scratch);
    struct service_deployment *d = object_new(
        core, ecs_of(core)->service_deployments,
        arena_printf(scratch, "%s%s",
                     service_history_prefix(scratch, s, "service-deployment"), name));
    struct opt_time now = SET_TIME(core_now_ms(core));
    struct ecs_service_revision_summary to = {
        .arn = target->rec->revision->service_revision_arn};
    struct ecs_service_deployment made = {
        .service_deployment_arn =
            ecs_arn(scratch, cl->region, cl->account, "service-deployment/%s/%s/%s",
                    cl->name, rec->service_name, name),
        .service_arn = rec->service_arn,
        .cluster_arn = rec->cluster_arn,
        .created_at = now,
        .started_at = now,
        .updated_at = now,
        .target_service_revision = &to,
        .status = ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS,
        .deployment_configuration = rec->deployment_configuration,
    };
    add_sources(scratch, s, &made);
    d->rec->deployment = wire_copy(&d->o.arena, &ecs_service_deployment_shape, &made);
    object_save(core, &d->o);
    prune(core, s, ecs_of(core)->service_deployments, "service-deployment");
    prune(core, s, ecs_of(core)->service_revisions, "service-revision");
    return d;
}

static void drop_all(struct core *core, struct table *table, const char *prefix)
{
    struct object *o;
    while ((o = table_next(table, prefix, prefix)))
        object_delete(core, o);
}

void service_history_drop(struct core *core, struct service *s)
{
    struct arena *a = core_scratch(core);
    drop_all(core, ecs_of(core)->service_revisions,
             service_history_prefix(a, s, "service-revision"));
    drop_all(core, ecs_of(core)->service_deployments,
             service_history_prefix(a, s, "service-deployment"));
}

struct service_deployment **
service_deployments_newest_first(struct call *c, const struct service *s, size_t *ret_n)
{
    struct table *table = ecs_of(c->core)->service_deployments;
    const char *prefix = service_history_prefix(&c->arena, s, "service-deployment");
    struct service_deployment *d = NULL;
    size_t n = 0;
    for (const char *at = prefix; (d = table_next(table, prefix, at)); at = d->o.key)
        n++;
    struct service_deployment **v =
        arena_new_array(&c->arena, struct service_deployment *, n);
    *ret_n = n;
    for (const char *at = prefix; (d = table_next(table, prefix, at)); at = d->o.key)
        v[--n] = d;
    return v;
}
