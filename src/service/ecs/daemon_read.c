/* DescribeDaemon, ListDaemons, ListDaemonDeployments, DescribeDaemonDeployments,
 * DescribeDaemonRevisions. */
#include <string.h>

#include "daemon.h"
#include "page.h"
#include "service_rollout.h"

#define MAX_DESCRIBED 20

/* ---- counting ---- */

/* Tasks of one revision on instances of one provider (NULL: of any). */
static struct opt_int count(const struct service *s, const char *revision_arn,
                            const char *provider, bool draining)
{
    int32_t n = 0;
    list_for_each (it, &s->tasks) {
        const struct task *t = list_entry(it, struct task, service_link);
        ptrdiff_t i = rollout_index(s, t->rec->deployment_id);
        if (i < 0 || !t->instance ||
            !streq(s->rec->deployments.v[i].service_revision_arn, revision_arn))
            continue;
        const char *of = t->instance->rec->instance->capacity_provider_name;
        if ((!provider || streq(of, provider)) &&
            (draining ? t->stopping : t->status == TASK_RUNNING && !t->stopping))
            n++;
    }
    return SET_INT(n);
}

/* ---- DescribeDaemon, ListDaemons ---- */

static void add_revisions(struct arena *a, const struct service *s,
                          struct ecs_daemon_detail *ret)
{
    const struct gantry_daemon_record *rec = s->rec->daemon;
    for (size_t i = 0; i < s->rec->deployments.n; i++) {
        const char *arn = s->rec->deployments.v[i].service_revision_arn;
        if (service_deployment_of_revision(s, arn) != (ptrdiff_t)i)
            continue;
        struct ecs_daemon_revision_detail *r = LIST_PUSH(a, &ret->current_revisions);
        r->arn = daemon_history_arn(a, arn, "revision");
        r->total_running_count = count(s, arn, NULL, false);
        for (size_t p = 0; p < rec->capacity_provider_arns.n; p++) {
            struct ecs_daemon_capacity_provider *cp =
                LIST_PUSH(a, &r->capacity_providers);
            cp->arn = arena_strdup(a, rec->capacity_provider_arns.v[p]);
            cp->running_count = count(s, arn, rec->capacity_provider_names.v[p], false);
        }
    }
}

int ecs_describe_daemon(struct call *c, const struct ecs_describe_daemon_request *in,
                        struct ecs_describe_daemon_response *out)
{
    const struct service *s = daemon_require(c, in->daemon_arn);
    if (!s)
        return -1;
    struct ecs_daemon_detail *d = arena_new(&c->arena, struct ecs_daemon_detail);
    out->daemon = d;
    d->daemon_arn = call_printf(c, "%s", s->rec->daemon->daemon_arn);
    d->cluster_arn = call_printf(c, "%s", s->rec->service->cluster_arn);
    d->status = daemon_status(s);
    d->created_at = s->rec->daemon->created_at;
    d->updated_at = s->rec->daemon->updated_at;
    d->current_revisions.set = true;
    add_revisions(&c->arena, s, d);
    if (s->rec->deployments.n > 0)
        d->deployment_arn = daemon_history_arn(
            &c->arena, s->rec->deployments.v[0].service_deployment_arn, "deployment");
    return 0;
}

static bool uses_any(const struct service *s, const struct string_list *providers)
{
    const struct string_list *own = &s->rec->daemon->capacity_provider_names;
    for (size_t i = 0; i < providers->n; i++)
        for (size_t j = 0; j < own->n; j++)
            if (streq(ecs_last_segment(providers->v[i]), own->v[j]))
                return true;
    return providers->n == 0;
}

int ecs_list_daemons(struct call *c, const struct ecs_list_daemons_request *in,
                     struct ecs_list_daemons_response *out)
{
    size_t limit;
    const char *at;
    struct cluster *cl = cluster_require(c, in->cluster_arn);
    if (!cl)
        return -1;
    struct table *table = ecs_of(c->core)->services;
    const char *prefix = ecs_key(
        &c->arena, "service", cl->account, cl->region,
        call_printf(c, "%s/%s", cl->name, daemon_service_of_group(&c->arena, "daemon:")));
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->daemon_summaries_list.set = true;
    for (struct service *s; (s = table_next(table, prefix, at)); at = s->o.key) {
        if (streq(s->rec->service->status, "INACTIVE") ||
            !uses_any(s, &in->capacity_provider_arns))
            continue;
        if (out->daemon_summaries_list.n == limit) {
            out->next_token = page_token(&c->arena, at);
            break;
        }
        struct ecs_daemon_summary *d = LIST_PUSH(&c->arena, &out->daemon_summaries_list);
        d->daemon_arn = call_printf(c, "%s", s->rec->daemon->daemon_arn);
        d->status = daemon_status(s);
        d->created_at = s->rec->daemon->created_at;
        d->updated_at = s->rec->daemon->updated_at;
    }
    return 0;
}

/* ---- deployments ---- */

/* A service deployment may ask for its rollback before it begins; a daemon's only has it
 * in progress. */
static enum ecs_daemon_deployment_status
deployment_status(const struct service_deployment *d)
{
    const char *name = wire_enum_name(&ecs_service_deployment_status_shape,
                                      (int)d->rec->deployment->status);
    if (streq(name, "ROLLBACK_REQUESTED"))
        name = "ROLLBACK_IN_PROGRESS";
    int value = wire_enum_value(&ecs_daemon_deployment_status_shape, name);
    return (enum ecs_daemon_deployment_status)value;
}

static struct service_deployment *deployment_find(struct call *c, const char *arn)
{
    const char *own =
        ecs_own_arn(c, arn) ? daemon_history_back(&c->arena, arn, "deployment") : NULL;
    return own ? service_deployment_find(c->core, own) : NULL;
}

static void summarise(struct call *c, const struct service *s,
                      const struct service_deployment *d,
                      struct ecs_daemon_deployment_summary *ret)
{
    const struct ecs_service_deployment *rec = d->rec->deployment;
    *ret = (struct ecs_daemon_deployment_summary){
        .daemon_deployment_arn =
            daemon_history_arn(&c->arena, rec->service_deployment_arn, "deployment"),
        .daemon_arn = s->rec->daemon->daemon_arn,
        .cluster_arn = rec->cluster_arn,
        .status = deployment_status(d),
        .status_reason = rec->status_reason,
        .target_daemon_revision_arn =
            daemon_history_arn(&c->arena, rec->target_service_revision->arn, "revision"),
        .created_at = rec->created_at,
        .started_at = rec->started_at,
        .stopped_at = rec->stopped_at,
        .finished_at = rec->finished_at,
    };
}

static bool wanted(const struct service_deployment *d,
                   const struct ecs_list_daemon_deployments_request *in)
{
    const struct ecs_service_deployment *rec = d->rec->deployment;
    bool found = in->status.n == 0;
    for (size_t i = 0; i < in->status.n && !found; i++)
        found = in->status.v[i] == (int)deployment_status(d);
    if (!found || !in->created_at)
        return found;
    if (in->created_at->before.set && rec->created_at.v >= in->created_at->before.v)
        return false;
    return !in->created_at->after.set || rec->created_at.v > in->created_at->after.v;
}

int ecs_list_daemon_deployments(struct call *c,
                                const struct ecs_list_daemon_deployments_request *in,
                                struct ecs_list_daemon_deployments_response *out)
{
    size_t limit, n;
    const char *after, *last = NULL;
    const struct service *s = daemon_require(c, in->daemon_arn);
    if (!s)
        return -1;
    const char *prefix = service_history_prefix(&c->arena, s, "service-deployment");
    if (ecs_page_size(c, in->max_results, 20, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &after) < 0)
        return -1;
    struct service_deployment **all = service_deployments_newest_first(c, s, &n);
    out->daemon_deployments.set = true;
    for (size_t i = 0; i < n; i++) {
        if ((after != prefix && strcmp(all[i]->o.key, after) >= 0) || !wanted(all[i], in))
            continue;
        if (out->daemon_deployments.n == limit) {
            out->next_token = page_token(&c->arena, last);
            break;
        }
        summarise(c, s, all[i], LIST_PUSH(&c->arena, &out->daemon_deployments));
        last = all[i]->o.key;
    }
    return 0;
}

static void revision_counts(struct arena *a, const struct service *s, const char *arn,
                            struct ecs_daemon_deployment_revision_detail *ret)
{
    ret->arn = daemon_history_arn(a, arn, "revision");
    if (!s || !s->rec->daemon)
        return;
    const struct gantry_daemon_record *rec = s->rec->daemon;
    ret->total_running_instance_count = count(s, arn, NULL, false);
    ret->total_draining_instance_count = count(s, arn, NULL, true);
    for (size_t p = 0; p < rec->capacity_provider_arns.n; p++) {
        const char *name = rec->capacity_provider_names.v[p];
        struct ecs_daemon_deployment_capacity_provider *cp =
            LIST_PUSH(a, &ret->capacity_providers);
        cp->arn = arena_strdup(a, rec->capacity_provider_arns.v[p]);
        cp->running_instance_count = count(s, arn, name, false);
        cp->draining_instance_count = count(s, arn, name, true);
    }
}

static void show_breaker(struct arena *a, const struct service *s,
                         const struct ecs_service_deployment *d,
                         struct ecs_daemon_deployment *ret)
{
    bool triggered = d->rollback && d->rollback->reason &&
                     strstr(d->rollback->reason, "circuit breaker");
    ret->circuit_breaker = arena_new(a, struct ecs_daemon_circuit_breaker);
    ret->circuit_breaker->status =
        triggered ? ECS_DAEMON_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_TRIGGERED
        : d->finished_at.set
            ? ECS_DAEMON_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING_COMPLETE
            : ECS_DAEMON_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING;
    ret->circuit_breaker->failure_count = SET_INT(0);
    for (size_t i = 0; s && i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].service_deployment_arn,
                  d->service_deployment_arn))
            ret->circuit_breaker->failure_count.v +=
                s->rec->deployments.v[i].breaker_failures.v;
    ret->circuit_breaker->threshold =
        SET_INT(s ? (int32_t)deployment_breaker_threshold(
                        (uint32_t)s->rec->service->desired_count.v)
                  : 0);
}

static void deployment_view(struct call *c, const struct service_deployment *d,
                            struct ecs_daemon_deployment *ret)
{
    struct arena *a = &c->arena;
    const struct ecs_service_deployment *rec = d->rec->deployment;
    const struct service *s = service_deployment_service(c->core, d);
    *ret = (struct ecs_daemon_deployment){
        .daemon_deployment_arn =
            daemon_history_arn(a, rec->service_deployment_arn, "deployment"),
        .cluster_arn = rec->cluster_arn,
        .status = deployment_status(d),
        .status_reason = rec->status_reason,
        .source_daemon_revisions = {.set = true},
        .deployment_configuration =
            s && s->rec->daemon ? s->rec->daemon->deployment_configuration : NULL,
        .created_at = rec->created_at,
        .started_at = rec->started_at,
        .stopped_at = rec->stopped_at,
        .finished_at = rec->finished_at,
    };
    ret->target_daemon_revision =
        arena_new(a, struct ecs_daemon_deployment_revision_detail);
    revision_counts(a, s, rec->target_service_revision->arn, ret->target_daemon_revision);
    for (size_t i = 0; i < rec->source_service_revisions.n; i++)
        revision_counts(a, s, rec->source_service_revisions.v[i].arn,
                        LIST_PUSH(a, &ret->source_daemon_revisions));
    show_breaker(a, s, rec, ret);
    if (rec->rollback) {
        ret->rollback = arena_new(a, struct ecs_daemon_rollback);
        ret->rollback->reason = rec->rollback->reason;
        ret->rollback->started_at = rec->rollback->started_at;
        ret->rollback->rollback_target_daemon_revision_arn =
            daemon_history_arn(a, rec->rollback->service_revision_arn, "revision");
    }
}

static int described_check(struct call *c, const struct string_list *arns,
                           const char *what)
{
    if (arns->n == 0 || arns->n > MAX_DESCRIBED)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "%s must have 1 to %d elements.", what, MAX_DESCRIBED);
    return 0;
}

int ecs_describe_daemon_deployments(
    struct call *c, const struct ecs_describe_daemon_deployments_request *in,
    struct ecs_describe_daemon_deployments_response *out)
{
    if (described_check(c, &in->daemon_deployment_arns, "Daemon deployments") < 0)
        return -1;
    out->daemon_deployments.set = out->failures.set = true;
    for (size_t i = 0; i < in->daemon_deployment_arns.n; i++) {
        const char *arn = in->daemon_deployment_arns.v[i];
        const struct service_deployment *d = deployment_find(c, arn);
        if (d)
            deployment_view(c, d, LIST_PUSH(&c->arena, &out->daemon_deployments));
        else
            ecs_add_missing(c, &out->failures, arn);
    }
    return 0;
}

/* ---- revisions ---- */

static void revision_view(struct call *c, const struct service_revision *r,
                          struct ecs_daemon_revision *ret)
{
    struct arena *a = &c->arena;
    const struct ecs_service_revision *rec = r->rec->revision;
    const struct service *s = service_of_arn(c->core, rec->service_arn);
    *ret = (struct ecs_daemon_revision){
        .daemon_revision_arn =
            daemon_history_arn(a, rec->service_revision_arn, "revision"),
        .cluster_arn = rec->cluster_arn,
        .daemon_task_definition_arn = rec->task_definition,
        .created_at = rec->created_at,
        .container_images = {.set = true},
    };
    for (size_t i = 0; i < rec->container_images.n; i++) {
        struct ecs_daemon_container_image *image = LIST_PUSH(a, &ret->container_images);
        image->container_name = rec->container_images.v[i].container_name;
        image->image_digest = rec->container_images.v[i].image_digest;
        image->image = rec->container_images.v[i].image;
    }
    if (!s || !s->rec->daemon)
        return;
    ret->daemon_arn = s->rec->daemon->daemon_arn;
    ret->propagate_tags = s->rec->daemon->propagate_tags;
    ret->enable_ecs_managed_tags = s->rec->service->enable_ecs_managed_tags;
    ret->enable_execute_command = s->rec->service->enable_execute_command;
}

int ecs_describe_daemon_revisions(struct call *c,
                                  const struct ecs_describe_daemon_revisions_request *in,
                                  struct ecs_describe_daemon_revisions_response *out)
{
    if (described_check(c, &in->daemon_revision_arns, "Daemon revisions") < 0)
        return -1;
    out->daemon_revisions.set = out->failures.set = true;
    for (size_t i = 0; i < in->daemon_revision_arns.n; i++) {
        const char *arn = in->daemon_revision_arns.v[i];
        const char *own =
            ecs_own_arn(c, arn) ? daemon_history_back(&c->arena, arn, "revision") : NULL;
        const struct service_revision *r =
            own ? service_revision_find(c->core, own) : NULL;
        if (r)
            revision_view(c, r, LIST_PUSH(&c->arena, &out->daemon_revisions));
        else
            ecs_add_missing(c, &out->failures, arn);
    }
    return 0;
}
