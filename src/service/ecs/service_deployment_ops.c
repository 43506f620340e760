/* ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions,
 * StopServiceDeployment. */
#include <string.h>

#include "page.h"
#include "service_checks.h"
#include "service_history.h"
#include "service_rollout.h"
#include "staged.h"

#define MAX_DESCRIBED 20

/* ---- what a reply shows ---- */

struct revision_counts {
    int32_t running, pending;
};

static struct revision_counts count_revision(const struct service *s, const char *arn)
{
    struct revision_counts n = {0};
    list_for_each (it, &s->tasks) {
        const struct task *t = list_entry(it, struct task, service_link);
        ptrdiff_t i = rollout_index(s, t->rec->deployment_id);
        if (i < 0 || !streq(s->rec->deployments.v[i].service_revision_arn, arn))
            continue;
        n.running += t->status == TASK_RUNNING;
        n.pending += t->status <= TASK_ACTIVATING;
    }
    return n;
}

static bool is_primary(const struct service *s, const char *revision_arn)
{
    return s->rec->deployments.n > 0 &&
           streq(s->rec->deployments.v[0].service_revision_arn, revision_arn);
}

static void show_revision(const struct service *s, struct ecs_service_revision_summary *r)
{
    struct revision_counts n = {0};
    if (s)
        n = count_revision(s, r->arn);
    r->requested_task_count =
        SET_INT(s && is_primary(s, r->arn) ? s->rec->service->desired_count.v
                                           : n.running + n.pending);
    r->running_task_count = SET_INT(n.running);
    r->pending_task_count = SET_INT(n.pending);
}

/* Index in the service's deployments of the newest one of this service deployment. */
static ptrdiff_t rollout_of(const struct service *s, const char *arn)
{
    for (size_t i = 0; i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].service_deployment_arn, arn))
            return (ptrdiff_t)i;
    return -1;
}

static enum ecs_service_deployment_rollback_monitors_status
monitor_status(const struct ecs_service_deployment *d, bool enabled, const char *trigger)
{
    if (!enabled)
        return ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_DISABLED;
    const char *why = d->rollback ? d->rollback->reason : d->status_reason;
    if (why && strstr(why, trigger))
        return ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_TRIGGERED;
    return d->finished_at.set
               ? ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING_COMPLETE
               : ECS_SERVICE_DEPLOYMENT_ROLLBACK_MONITORS_STATUS_MONITORING;
}

static void show_breaker(struct arena *a, const struct service *s,
                         struct ecs_service_deployment *d)
{
    const struct ecs_deployment_configuration *conf = d->deployment_configuration;
    const struct ecs_deployment_circuit_breaker *b =
        conf ? conf->deployment_circuit_breaker : NULL;
    ptrdiff_t i = s ? rollout_of(s, d->service_deployment_arn) : -1;
    d->deployment_circuit_breaker =
        arena_new(a, struct ecs_service_deployment_circuit_breaker);
    d->deployment_circuit_breaker->status =
        monitor_status(d, b && b->enable.v, "circuit breaker");
    d->deployment_circuit_breaker->failure_count =
        SET_INT(i >= 0 ? s->rec->deployments.v[i].breaker_failures.v : 0);
    d->deployment_circuit_breaker->threshold =
        SET_INT(s ? (int32_t)deployment_breaker_threshold(
                        (uint32_t)s->rec->service->desired_count.v)
                  : 0);
}

static void show_alarms(struct arena *a, struct ecs_service_deployment *d)
{
    const struct ecs_deployment_configuration *conf = d->deployment_configuration;
    const struct ecs_deployment_alarms *alarms = conf ? conf->alarms : NULL;
    if (!alarms || !alarms->enable.v)
        return;
    d->alarms = arena_new(a, struct ecs_service_deployment_alarms);
    d->alarms->status = monitor_status(d, true, "alarm detected");
    d->alarms->alarm_names = alarms->alarm_names;
    d->alarms->triggered_alarm_names.set = true;
}

static void deployment_view(struct call *c, const struct service_deployment *from,
                            struct ecs_service_deployment *ret)
{
    wire_copy_into(&c->arena, &ecs_service_deployment_shape, from->rec->deployment, ret);
    const struct service *s = service_deployment_service(c->core, from);
    if (ret->target_service_revision)
        show_revision(s, ret->target_service_revision);
    ret->source_service_revisions.set = true;
    for (size_t i = 0; i < ret->source_service_revisions.n; i++)
        show_revision(s, &ret->source_service_revisions.v[i]);
    show_breaker(&c->arena, s, ret);
    show_alarms(&c->arena, ret);
}

/* ---- ListServiceDeployments ---- */

struct filter {
    const struct enum_list *status;
    const struct ecs_created_at *created;
};

static bool wanted(const struct service_deployment *d, const struct filter *f)
{
    const struct ecs_service_deployment *rec = d->rec->deployment;
    bool found = f->status->n == 0;
    for (size_t i = 0; i < f->status->n && !found; i++)
        found = f->status->v[i] == (int)rec->status;
    if (!found || !f->created)
        return found;
    if (f->created->before.set && rec->created_at.v >= f->created->before.v)
        return false;
    return !f->created->after.set || rec->created_at.v > f->created->after.v;
}

static void brief(const struct service_deployment *d,
                  struct ecs_service_deployment_brief *ret)
{
    const struct ecs_service_deployment *rec = d->rec->deployment;
    *ret = (struct ecs_service_deployment_brief){
        .service_deployment_arn = rec->service_deployment_arn,
        .service_arn = rec->service_arn,
        .cluster_arn = rec->cluster_arn,
        .started_at = rec->started_at,
        .created_at = rec->created_at,
        .finished_at = rec->finished_at,
        .target_service_revision_arn = rec->target_service_revision->arn,
        .status = rec->status,
        .status_reason = rec->status_reason,
    };
}

int ecs_list_service_deployments(struct call *c,
                                 const struct ecs_list_service_deployments_request *in,
                                 struct ecs_list_service_deployments_response *out)
{
    size_t limit, n;
    struct service *s;
    const char *after, *last = NULL;
    struct filter f = {.status = &in->status, .created = in->created_at};
    if (service_require(c, in->cluster, in->service, &s) < 0)
        return -1;
    const char *prefix = service_history_prefix(&c->arena, s, "service-deployment");
    if (ecs_page_size(c, in->max_results, 20, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &after) < 0)
        return -1;
    struct service_deployment **all = service_deployments_newest_first(c, s, &n);
    out->service_deployments.set = true;
    for (size_t i = 0; i < n; i++) {
        if ((after != prefix && strcmp(all[i]->o.key, after) >= 0) || !wanted(all[i], &f))
            continue;
        if (out->service_deployments.n == limit) {
            out->next_token = page_token(&c->arena, last);
            break;
        }
        brief(all[i], LIST_PUSH(&c->arena, &out->service_deployments));
        last = all[i]->o.key;
    }
    return 0;
}

/* ---- DescribeServiceDeployments, DescribeServiceRevisions ---- */

static int described_check(struct call *c, const struct string_list *arns,
                           const char *what)
{
    if (arns->n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception, "%s cannot be empty.",
                          what);
    if (arns->n > MAX_DESCRIBED)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "%s cannot have more than %d elements.", what, MAX_DESCRIBED);
    return 0;
}

int ecs_describe_service_deployments(
    struct call *c, const struct ecs_describe_service_deployments_request *in,
    struct ecs_describe_service_deployments_response *out)
{
    const struct string_list *arns = &in->service_deployment_arns;
    if (described_check(c, arns, "Service deployments") < 0)
        return -1;
    out->service_deployments.set = out->failures.set = true;
    for (size_t i = 0; i < arns->n; i++) {
        const struct service_deployment *d =
            ecs_own_arn(c, arns->v[i]) ? service_deployment_find(c->core, arns->v[i])
                                       : NULL;
        if (d)
            deployment_view(c, d, LIST_PUSH(&c->arena, &out->service_deployments));
        else
            ecs_add_missing(c, &out->failures, arns->v[i]);
    }
    return 0;
}

int ecs_describe_service_revisions(
    struct call *c, const struct ecs_describe_service_revisions_request *in,
    struct ecs_describe_service_revisions_response *out)
{
    const struct string_list *arns = &in->service_revision_arns;
    if (described_check(c, arns, "Service revisions") < 0)
        return -1;
    out->service_revisions.set = out->failures.set = true;
    for (size_t i = 0; i < arns->n; i++) {
        const struct service_revision *r =
            ecs_own_arn(c, arns->v[i]) ? service_revision_find(c->core, arns->v[i])
                                       : NULL;
        if (!r) {
            ecs_add_missing(c, &out->failures, arns->v[i]);
            continue;
        }
        struct ecs_service_revision *view = LIST_PUSH(&c->arena, &out->service_revisions);
        wire_copy_into(&c->arena, &ecs_service_revision_shape, r->rec->revision, view);
        view->load_balancers.set = view->service_registries.set = true;
        view->container_images.set = true;
    }
    return 0;
}

/* ---- StopServiceDeployment ---- */

static int stoppable(struct call *c, const char *arn, struct service_deployment **ret_d,
                     struct service **ret_s, size_t *ret_index)
{
    struct service_deployment *d =
        ecs_own_arn(c, arn) ? service_deployment_find(c->core, arn) : NULL;
    struct service *s = d ? service_deployment_service(c->core, d) : NULL;
    ptrdiff_t i = s ? rollout_of(s, arn) : -1;
    if (!d)
        return call_fault(c, &ecs_service_deployment_not_found_exception,
                          "The specified service deployment was not found.");
    if (i < 0 || d->rec->deployment->status != ECS_SERVICE_DEPLOYMENT_STATUS_IN_PROGRESS)
        return call_fault(c, &ecs_conflict_exception,
                          "The service deployment can't be stopped: its status is %s.",
                          wire_enum_name(&ecs_service_deployment_status_shape,
                                         (int)d->rec->deployment->status));
    *ret_d = d;
    *ret_s = s;
    *ret_index = (size_t)i;
    return 0;
}

int ecs_stop_service_deployment(struct call *c,
                                const struct ecs_stop_service_deployment_request *in,
                                struct ecs_stop_service_deployment_response *out)
{
    size_t index = 0;
    struct service *s = NULL;
    struct service_deployment *d = NULL;
    if (stoppable(c, in->service_deployment_arn, &d, &s, &index) < 0)
        return -1;
    out->service_deployment_arn = call_printf(c, "%s", in->service_deployment_arn);
    if (in->stop_type == ECS_STOP_SERVICE_DEPLOYMENT_STOP_TYPE_ABORT) {
        rollout_fail(c->core, s, index, "Service deployment stopped by user.");
        staged_abandon(c->core, s);
    } else if (s->rec->rollout) {
        if (!staged_turn_back(c->core, s, "Service deployment rolled back by user."))
            return call_fault(
                c, &ecs_conflict_exception,
                "The service deployment can't be rolled back in this stage.");
        service_deployment_status(c->core, d,
                                  ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_REQUESTED, NULL);
    } else {
        if (!rollout_can_roll_back(c->core, s, index))
            return call_fault(c, &ecs_conflict_exception,
                              "The service deployment can't be rolled back: no earlier "
                              "service revision was deployed successfully.");
        rollout_roll_back(c->core, s, index, "Service deployment rolled back by user.");
    }
    service_updated(c->core, s);
    return 0;
}
