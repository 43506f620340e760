/* DescribeServices, ListServices, and a service as replies show it. */
#include <string.h>

#include "daemon.h"
#include "express.h"
#include "page.h"
#include "service_checks.h"
#include "service_history.h"
#include "service_rollout.h"
#include "task_set.h"

/* ---- what a reply shows ---- */

static struct ecs_deployment *view_deployment(struct ecs_service *v, const char *id)
{
    for (size_t i = 0; i < v->deployments.n; i++)
        if (streq(v->deployments.v[i].id, id))
            return &v->deployments.v[i];
    return NULL;
}

static void count_task(const struct task *t, struct ecs_service *v)
{
    struct ecs_deployment *d = view_deployment(v, t->rec->deployment_id);
    bool running = t->status == TASK_RUNNING;
    bool pending = t->status <= TASK_ACTIVATING;
    v->running_count.v += running;
    v->pending_count.v += pending;
    if (d) {
        d->running_count.v += running;
        d->pending_count.v += pending;
    }
}

/* Deployments of one revision (a rollback's and its goal's) are one line. */
static void view_revisions(struct arena *a, const struct service *s,
                           struct ecs_service *ret)
{
    for (size_t i = 0; i < ret->deployments.n; i++) {
        const struct ecs_deployment *d = &ret->deployments.v[i];
        const char *arn = s->rec->deployments.v[i].service_revision_arn;
        if (!arn || service_deployment_of_revision(s, arn) < 0)
            continue;
        struct ecs_service_current_revision_summary *r = NULL;
        for (size_t j = 0; j < ret->current_service_revisions.n && !r; j++)
            if (streq(ret->current_service_revisions.v[j].arn, arn))
                r = &ret->current_service_revisions.v[j];
        if (!r) {
            r = LIST_PUSH(a, &ret->current_service_revisions);
            r->arn = arena_strdup(a, arn);
        }
        r->requested_task_count = SET_INT(r->requested_task_count.v + d->desired_count.v);
        r->running_task_count = SET_INT(r->running_task_count.v + d->running_count.v);
        r->pending_task_count = SET_INT(r->pending_task_count.v + d->pending_count.v);
    }
    if (ret->deployments.n > 0 &&
        ret->deployments.v[0].rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS)
        ret->current_service_deployment =
            arena_strdup(a, s->rec->deployments.v[0].service_deployment_arn);
}

void service_view(struct arena *a, const struct service *s, bool tags,
                  struct ecs_service *ret)
{
    wire_copy_into(a, &ecs_service_shape, s->rec->service, ret);
    ret->running_count = ret->pending_count = SET_INT(0);
    for (size_t i = 0; i < ret->deployments.n; i++) {
        ret->deployments.v[i].running_count = SET_INT(0);
        ret->deployments.v[i].pending_count = SET_INT(0);
    }
    list_for_each (it, &s->tasks) {
        count_task(list_entry(it, struct task, service_link), ret);
    }
    task_sets_count(s, &ret->task_sets);
    for (size_t i = 0; i < ret->deployments.n; i++) {
        struct ecs_deployment *d = &ret->deployments.v[i];
        d->desired_count = i == 0 ? ret->desired_count
                                  : SET_INT(d->running_count.v + d->pending_count.v);
    }
    ret->task_sets.set = service_external(s);
    view_revisions(a, s, ret);
    ret->load_balancers.set = ret->service_registries.set = true;
    ret->deployments.set = ret->events.set = true;
    ret->placement_constraints.set = ret->placement_strategy.set = true;
    if (!tags)
        ret->tags = (struct ecs_tag_list){0};
}

int service_require(struct call *c, const char *cluster, const char *reference,
                    struct service **ret)
{
    struct cluster *cl = cluster_require(c, cluster);
    if (!cl)
        return -1;
    *ret = service_find(c->core, cl, reference);
    if (!*ret)
        return call_fault(c, &ecs_service_not_found_exception, "Service not found.");
    return 0;
}

/* ---- reading ---- */

int ecs_describe_services(struct call *c, const struct ecs_describe_services_request *in,
                          struct ecs_describe_services_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    if (in->services.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Services cannot be empty.");
    if (in->services.n > 10)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Services cannot have more than 10 elements.");
    bool tags = false;
    for (size_t i = 0; i < in->include.n; i++)
        tags |= in->include.v[i] == ECS_SERVICE_FIELD_TAGS;
    out->services.set = out->failures.set = true;
    for (size_t i = 0; i < in->services.n; i++) {
        const char *reference = in->services.v[i];
        const struct service *s = service_find(c->core, cl, reference);
        if (s) {
            service_view(&c->arena, s, tags, LIST_PUSH(&c->arena, &out->services));
            continue;
        }
        struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
        f->arn = arn_looks_like(reference)
                     ? reference
                     : ecs_arn(&c->arena, cl->region, cl->account, "service/%s/%s",
                               cl->name, ecs_last_segment(reference));
        f->reason = "MISSING";
    }
    return 0;
}

/* Express gateway services are the ones that ECS manages the resources of. */
static bool managed_so(const struct ecs_list_services_request *in,
                       const struct service *s)
{
    return !in->resource_management_type ||
           (in->resource_management_type == ECS_RESOURCE_MANAGEMENT_TYPE_ECS) ==
               service_is_express(s);
}

int ecs_list_services(struct call *c, const struct ecs_list_services_request *in,
                      struct ecs_list_services_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    size_t limit;
    const char *at;
    if (!cl)
        return -1;
    struct table *table = ecs_of(c->core)->services;
    const char *prefix = ecs_key(&c->arena, "service", cl->account, cl->region,
                                 call_printf(c, "%s/", cl->name));
    if (ecs_page_size(c, in->max_results, 10, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->service_arns.set = true;
    struct service *s;
    while ((s = table_next(table, prefix, at))) {
        const struct ecs_service *rec = s->rec->service;
        if (streq(rec->status, "ACTIVE") && !service_hidden(s) &&
            (!in->launch_type || in->launch_type == rec->launch_type) &&
            (!in->scheduling_strategy ||
             in->scheduling_strategy == rec->scheduling_strategy) &&
            managed_so(in, s)) {
            if (out->service_arns.n == limit) {
                out->next_token = page_token(&c->arena, at);
                break;
            }
            *LIST_PUSH(&c->arena, &out->service_arns) = rec->service_arn;
        }
        at = s->o.key;
    }
    return 0;
}
