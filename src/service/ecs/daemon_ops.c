/* CreateDaemon, UpdateDaemon, DeleteDaemon. */
#include "capacity_provider.h"
#include "daemon.h"
#include "service_rollout.h"

#define DEFAULT_DRAIN_PERCENT 25
#define MAX_BAKE_MINUTES      1440

/* ---- checks ---- */

static int configuration_check(struct call *c,
                               const struct ecs_daemon_deployment_configuration *conf)
{
    if (!conf)
        return 0;
    if (conf->drain_percent.set &&
        (conf->drain_percent.v <= 0 || conf->drain_percent.v > 100))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "drainPercent must be above 0 and at most 100.");
    if (conf->bake_time_in_minutes.set &&
        (conf->bake_time_in_minutes.v < 0 ||
         conf->bake_time_in_minutes.v > MAX_BAKE_MINUTES))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "bakeTimeInMinutes must be between 0 and %d.",
                          MAX_BAKE_MINUTES);
    if (conf->alarms && conf->alarms->enable.v && conf->alarms->alarm_names.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Alarms are enabled, but none is named.");
    return 0;
}

/* Fills the names of the providers, which instances are compared with. */
static int providers_check(struct call *c, const struct cluster *cl,
                           const struct string_list *arns, struct string_list *ret_names)
{
    if (arns->n == 0 || arns->n > PROVIDER_MAX)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A daemon needs 1 to %d capacity providers.", PROVIDER_MAX);
    for (size_t i = 0; i < arns->n; i++) {
        enum provider_kind kind = provider_kind(c->core, cl, arns->v[i]);
        if (kind == PROVIDER_NONE)
            return call_fault(c, &ecs_invalid_parameter_exception, PROVIDER_NOT_FOUND);
        if (provider_is_fargate(kind))
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "Daemons run on instances; %s has none.",
                              ecs_last_segment(arns->v[i]));
        *LIST_PUSH(&c->arena, ret_names) = ecs_last_segment(arns->v[i]);
    }
    return 0;
}

static struct taskdef *taskdef_require(struct call *c, const char *reference)
{
    struct taskdef *td = daemon_taskdef_find(c, reference);
    if (td && taskdef_of(td)->status == ECS_TASK_DEFINITION_STATUS_ACTIVE)
        return td;
    call_fault(c, &ecs_client_exception,
               "The specified daemon task definition does not exist or is not ACTIVE.");
    return NULL;
}

/* ---- what is said of a daemon, as settings of its service ---- */

static void settings(struct arena *a,
                     const struct ecs_daemon_deployment_configuration *conf,
                     struct ecs_service *rec)
{
    double drain =
        conf && conf->drain_percent.set ? conf->drain_percent.v : DEFAULT_DRAIN_PERCENT;
    struct ecs_deployment_configuration *d =
        arena_new(a, struct ecs_deployment_configuration);
    d->strategy = ECS_DEPLOYMENT_STRATEGY_ROLLING;
    d->minimum_healthy_percent = SET_INT((int32_t)(100.0 - drain));
    d->maximum_percent = SET_INT(100);
    d->deployment_circuit_breaker = arena_new(a, struct ecs_deployment_circuit_breaker);
    d->deployment_circuit_breaker->enable = SET_BOOL(true);
    d->deployment_circuit_breaker->rollback = SET_BOOL(true);
    if (conf)
        d->bake_time_in_minutes = conf->bake_time_in_minutes;
    if (conf && conf->alarms && conf->alarms->enable.v) {
        d->alarms = arena_new(a, struct ecs_deployment_alarms);
        d->alarms->alarm_names = conf->alarms->alarm_names;
        d->alarms->enable = d->alarms->rollback = SET_BOOL(true);
    }
    rec->deployment_configuration = d;
}

static struct service *daemon_new(struct call *c, struct cluster *cl,
                                  const struct ecs_create_daemon_request *request,
                                  const struct string_list *providers)
{
    const char *rest =
        call_printf(c, "%s/%s", cl->name,
                    daemon_service_of_group(
                        &c->arena, call_printf(c, "daemon:%s", request->daemon_name)));
    struct service *s =
        object_new(c->core, ecs_of(c->core)->services,
                   ecs_key(&c->arena, "service", cl->account, cl->region, rest));
    struct arena *a = &s->o.arena;
    const struct ecs_create_daemon_request *in =
        wire_copy(a, &ecs_create_daemon_request_shape, request);
    struct ecs_service *rec = arena_new(a, struct ecs_service);
    struct gantry_daemon_record *d = arena_new(a, struct gantry_daemon_record);
    service_link(s, cl);
    s->rec->service = rec;
    s->rec->daemon = d;
    rec->service_name = arena_strdup(a, ecs_last_segment(rest));
    rec->service_arn = ecs_arn(a, cl->region, cl->account, "service/%s", rest);
    rec->cluster_arn = arena_strdup(a, cl->rec->cluster->cluster_arn);
    rec->status = "ACTIVE";
    rec->desired_count = SET_INT(0);
    rec->launch_type = ECS_LAUNCH_TYPE_EC2;
    rec->scheduling_strategy = ECS_SCHEDULING_STRATEGY_DAEMON;
    rec->created_at = SET_TIME(core_now_ms(c->core));
    rec->created_by = arena_strdup(a, c->who.arn);
    rec->tags = in->tags;
    rec->enable_ecs_managed_tags = in->enable_ecs_managed_tags;
    rec->enable_execute_command = in->enable_execute_command;
    rec->propagate_tags = in->propagate_tags == ECS_DAEMON_PROPAGATE_TAGS_DAEMON
                              ? ECS_PROPAGATE_TAGS_SERVICE
                              : ECS_PROPAGATE_TAGS_NONE;
    settings(a, in->deployment_configuration, rec);
    d->name = in->daemon_name;
    d->daemon_arn =
        ecs_arn(a, cl->region, cl->account, "daemon/%s/%s", cl->name, in->daemon_name);
    d->created_at = d->updated_at = rec->created_at;
    d->capacity_provider_arns = in->capacity_provider_arns;
    for (size_t i = 0; i < providers->n; i++)
        *LIST_PUSH(a, &d->capacity_provider_names) = arena_strdup(a, providers->v[i]);
    d->deployment_configuration = in->deployment_configuration;
    d->propagate_tags = in->propagate_tags;
    d->client_token = in->client_token;
    list_append(&cl->daemons, &s->daemon_link);
    return s;
}

/* ---- operations ---- */

static const char *deployment_arn(struct call *c, const struct service *s)
{
    if (s->rec->deployments.n == 0)
        return NULL;
    return daemon_history_arn(&c->arena, s->rec->deployments.v[0].service_deployment_arn,
                              "deployment");
}

/* NULL without a fault: the name is free. *ret: the daemon that is there already. */
static int existing(struct call *c, struct cluster *cl,
                    const struct ecs_create_daemon_request *in, struct service **ret)
{
    const char *group = call_printf(c, "daemon:%s", in->daemon_name);
    struct service *s =
        service_by_name(c->core, cl, daemon_service_of_group(&c->arena, group));
    *ret = NULL;
    if (s && streq(s->rec->service->status, "INACTIVE")) {
        service_history_drop(c->core, s);
        object_delete(c->core, &s->o);
        s = NULL;
    }
    if (!s)
        return 0;
    if (daemon_status(s) != ECS_DAEMON_STATUS_ACTIVE)
        return call_fault(c, &ecs_client_exception,
                          "A daemon of this name is still being deleted.");
    if (!in->client_token || !streq(in->client_token, s->rec->daemon->client_token))
        return call_fault(c, &ecs_client_exception,
                          "A daemon of this name exists already.");
    *ret = s;
    return 0;
}

int ecs_create_daemon(struct call *c, const struct ecs_create_daemon_request *in,
                      struct ecs_create_daemon_response *out)
{
    struct service *s;
    struct string_list providers = {0};
    struct cluster *cl = cluster_require(c, in->cluster_arn);
    if (!cl)
        return -1;
    if (!ecs_name_valid(in->daemon_name))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Daemon name must be 1 to 255 letters, numbers, hyphens and "
                          "underscores long.");
    struct taskdef *td = taskdef_require(c, in->daemon_task_definition_arn);
    if (!td || tags_check(c, &in->tags) < 0 ||
        configuration_check(c, in->deployment_configuration) < 0 ||
        providers_check(c, cl, &in->capacity_provider_arns, &providers) < 0 ||
        existing(c, cl, in, &s) < 0)
        return -1;
    if (!s) {
        s = daemon_new(c, cl, in, &providers);
        service_deploy(c->core, s, taskdef_of(td)->task_definition_arn);
        wake_now(c->core, &s->wake);
    }
    out->daemon_arn = call_printf(c, "%s", s->rec->daemon->daemon_arn);
    out->status = daemon_status(s);
    out->created_at = s->rec->daemon->created_at;
    out->deployment_arn = deployment_arn(c, s);
    return 0;
}

static int active_daemon(struct call *c, const char *arn, struct service **ret)
{
    *ret = daemon_require(c, arn);
    if (!*ret)
        return -1;
    if (daemon_status(*ret) != ECS_DAEMON_STATUS_ACTIVE)
        return call_fault(c, &ecs_daemon_not_active_exception,
                          "The daemon is not ACTIVE.");
    return 0;
}

static void update(struct service *s, const struct ecs_update_daemon_request *request,
                   const struct string_list *providers)
{
    struct arena *a = &s->o.arena;
    struct ecs_service *rec = s->rec->service;
    struct gantry_daemon_record *d = s->rec->daemon;
    const struct ecs_update_daemon_request *in =
        wire_copy(a, &ecs_update_daemon_request_shape, request);
    d->capacity_provider_arns = in->capacity_provider_arns;
    d->capacity_provider_names = (struct string_list){.set = true};
    for (size_t i = 0; i < providers->n; i++)
        *LIST_PUSH(a, &d->capacity_provider_names) = arena_strdup(a, providers->v[i]);
    if (in->deployment_configuration) {
        d->deployment_configuration = in->deployment_configuration;
        settings(a, in->deployment_configuration, rec);
    }
    if (in->propagate_tags) {
        d->propagate_tags = in->propagate_tags;
        rec->propagate_tags = in->propagate_tags == ECS_DAEMON_PROPAGATE_TAGS_DAEMON
                                  ? ECS_PROPAGATE_TAGS_SERVICE
                                  : ECS_PROPAGATE_TAGS_NONE;
    }
    if (in->enable_ecs_managed_tags.set)
        rec->enable_ecs_managed_tags = in->enable_ecs_managed_tags;
    if (in->enable_execute_command.set)
        rec->enable_execute_command = in->enable_execute_command;
}

int ecs_update_daemon(struct call *c, const struct ecs_update_daemon_request *in,
                      struct ecs_update_daemon_response *out)
{
    struct service *s = NULL;
    struct string_list providers = {0};
    if (active_daemon(c, in->daemon_arn, &s) < 0)
        return -1;
    struct taskdef *td = taskdef_require(c, in->daemon_task_definition_arn);
    if (!td || configuration_check(c, in->deployment_configuration) < 0 ||
        providers_check(c, s->cluster, &in->capacity_provider_arns, &providers) < 0)
        return -1;
    update(s, in, &providers);
    s->rec->daemon->updated_at = SET_TIME(core_now_ms(c->core));
    service_deploy(c->core, s, taskdef_of(td)->task_definition_arn);
    service_updated(c->core, s);
    out->daemon_arn = call_printf(c, "%s", s->rec->daemon->daemon_arn);
    out->status = daemon_status(s);
    out->created_at = s->rec->daemon->created_at;
    out->updated_at = s->rec->daemon->updated_at;
    out->deployment_arn = deployment_arn(c, s);
    return 0;
}

int ecs_delete_daemon(struct call *c, const struct ecs_delete_daemon_request *in,
                      struct ecs_delete_daemon_response *out)
{
    struct service *s = NULL;
    if (active_daemon(c, in->daemon_arn, &s) < 0)
        return -1;
    struct ecs_service *rec = s->rec->service;
    out->deployment_arn = deployment_arn(c, s);
    rec->status = "DRAINING";
    rec->desired_count = SET_INT(0);
    s->rec->daemon->updated_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    wake_now(c->core, &s->wake);
    out->daemon_arn = call_printf(c, "%s", s->rec->daemon->daemon_arn);
    out->status = daemon_status(s);
    out->created_at = s->rec->daemon->created_at;
    out->updated_at = s->rec->daemon->updated_at;
    return 0;
}
