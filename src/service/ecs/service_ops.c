/* CreateService, UpdateService, DeleteService. */
#include <string.h>

#include "daemon.h"
#include "ecs_events.h"
#include "ecs_state.h"
#include "launch.h"
#include "service_checks.h"
#include "service_daemon.h"
#include "service_history.h"
#include "service_rollout.h"
#include "service_targets.h"
#include "staged.h"
#include "task_set.h"

/* ---- CreateService ---- */

static enum ecs_deployment_controller_type
controller_of(const struct ecs_create_service_request *in)
{
    return in->deployment_controller ? in->deployment_controller->type
                                     : ECS_DEPLOYMENT_CONTROLLER_TYPE_ECS;
}

static bool external(const struct ecs_create_service_request *in)
{
    return controller_of(in) == ECS_DEPLOYMENT_CONTROLLER_TYPE_EXTERNAL;
}

static bool daemon(const struct ecs_create_service_request *in)
{
    return in->scheduling_strategy == ECS_SCHEDULING_STRATEGY_DAEMON;
}

static int daemon_refuses(struct call *c, const char *what)
{
    return call_fault(c, &ecs_invalid_parameter_exception,
                      "The daemon scheduling strategy does not support %s", what);
}

/* What creation and update refuse alike. */
static int daemon_settings_check(struct call *c, bool desired, size_t strategies,
                                 const struct ecs_deployment_configuration *conf,
                                 int rebalancing)
{
    if (desired)
        return daemon_refuses(c, "a desired count for services");
    if (strategies)
        return daemon_refuses(c, "placement strategies");
    if (conf && conf->maximum_percent.set && conf->maximum_percent.v > 100)
        return daemon_refuses(c, "values above 100 for maximumPercent");
    if (staged_strategy(conf))
        return daemon_refuses(c, "deployment strategies other than ROLLING");
    if (rebalancing == ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Availability Zone Rebalancing does not support DAEMON services");
    return 0;
}

static int daemon_check(struct call *c, const struct ecs_create_service_request *in)
{
    if (daemon_settings_check(c, in->desired_count.set, in->placement_strategy.n,
                              in->deployment_configuration,
                              (int)in->availability_zone_rebalancing) < 0)
        return -1;
    if (in->launch_type == ECS_LAUNCH_TYPE_FARGATE || in->capacity_provider_strategy.n)
        return daemon_refuses(c,
                              "the FARGATE launch type or capacity provider strategies");
    if (external(in))
        return daemon_refuses(c, "the EXTERNAL deployment controller");
    return 0;
}

static int create_offered(struct call *c, const struct ecs_create_service_request *in)
{
    struct service_extras extras = {
        .registries = in->service_registries.n,
        .volumes = in->volume_configurations.n,
        .lattice = in->vpc_lattice_configurations.n,
        .connect = in->service_connect_configuration,
    };
    if (controller_of(in) == ECS_DEPLOYMENT_CONTROLLER_TYPE_CODE_DEPLOY)
        return service_not_offered(c,
                                   "Services with the deployment controller CODE_DEPLOY");
    return service_extras_check(c, &extras);
}

static int create_check(struct call *c, const struct ecs_create_service_request *in)
{
    if (!ecs_name_valid(in->service_name))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Service name must be 1 to 255 letters, numbers, hyphens and "
                          "underscores long.");
    if (!in->task_definition != external(in))
        return call_fault(c, &ecs_invalid_parameter_exception, "%s",
                          external(in) ? "TaskDefinition must be blank"
                                       : "TaskDefinition can not be blank.");
    if (daemon(in) && daemon_check(c, in) < 0)
        return -1;
    if (!in->desired_count.set && !daemon(in))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "DesiredCount cannot be null or empty.");
    if (create_offered(c, in) < 0 || service_desired_check(c, in->desired_count.v) < 0 ||
        tags_check(c, &in->tags) < 0)
        return -1;
    const struct ecs_deployment_configuration *conf = service_configuration_merge(
        &c->arena, NULL, in->deployment_configuration, daemon(in));
    return service_configuration_check(c, conf) < 0
               ? -1
               : service_placement_check(c, &in->placement_constraints,
                                         &in->placement_strategy);
}

/* 1: the service is there with the same parameters. */
static int existing_check(struct call *c, const struct service *s, const char *hash)
{
    if (!s || streq(s->rec->service->status, "INACTIVE"))
        return 0;
    if (streq(s->rec->service->status, "DRAINING"))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Unable to Start a service that is still Draining.");
    if (!streq(s->rec->parameter_hash, hash))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Creation of service was not idempotent.");
    return 1;
}

static void service_fill(struct call *c, struct service *s, const struct cluster *cl,
                         const struct ecs_create_service_request *request,
                         const struct launch_terms *terms)
{
    struct arena *a = &s->o.arena;
    const struct ecs_create_service_request *in =
        wire_copy(a, &ecs_create_service_request_shape, request);
    struct ecs_service *rec = arena_new(a, struct ecs_service);
    s->rec->service = rec;
    rec->service_arn =
        ecs_arn(a, cl->region, cl->account, "service/%s/%s", cl->name, in->service_name);
    rec->service_name = in->service_name;
    rec->cluster_arn = arena_strdup(a, cl->rec->cluster->cluster_arn);
    rec->status = "ACTIVE";
    rec->desired_count = in->desired_count;
    launch_terms_keep(a, terms, rec);
    rec->deployment_configuration =
        service_configuration_merge(a, NULL, in->deployment_configuration, daemon(in));
    rec->created_at = SET_TIME(core_now_ms(c->core));
    rec->created_by = arena_strdup(a, c->who.arn);
    rec->role_arn = in->role;
    rec->load_balancers = in->load_balancers;
    rec->placement_constraints = in->placement_constraints;
    rec->placement_strategy = in->placement_strategy;
    rec->health_check_grace_period_seconds = in->health_check_grace_period_seconds;
    rec->scheduling_strategy =
        daemon(in) ? ECS_SCHEDULING_STRATEGY_DAEMON : ECS_SCHEDULING_STRATEGY_REPLICA;
    if (daemon(in))
        list_append(&s->cluster->daemons, &s->daemon_link);
    if (external(in))
        rec->deployment_controller = in->deployment_controller;
    rec->tags = in->tags;
    rec->enable_ecs_managed_tags = in->enable_ecs_managed_tags;
    rec->propagate_tags =
        in->propagate_tags ? in->propagate_tags : ECS_PROPAGATE_TAGS_NONE;
    rec->enable_execute_command = in->enable_execute_command;
    if (!daemon(in))
        rec->availability_zone_rebalancing =
            in->availability_zone_rebalancing ? in->availability_zone_rebalancing
                                              : ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED;
}

int ecs_create_service(struct call *c, const struct ecs_create_service_request *in,
                       struct ecs_create_service_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || create_check(c, in) < 0)
        return -1;
    struct taskdef *td = NULL;
    struct launch_terms terms = {
        .launch_type = (int)in->launch_type,
        .strategy = in->capacity_provider_strategy,
        .platform_version = in->platform_version,
        .network = in->network_configuration,
    };
    if (!external(in)) {
        td = active_taskdef(c, in->task_definition);
        bool staged = staged_strategy(in->deployment_configuration);
        if (!td || launch_check(c, cl, taskdef_of(td), &terms) < 0 ||
            load_balancers_check(c, &in->load_balancers, taskdef_of(td), staged) < 0)
            return -1;
    } else if (in->load_balancers.n) {
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "loadBalancers must be blank for a service with the deployment "
                          "controller EXTERNAL: they belong to its task sets.");
    }
    struct ecs_create_service_request hashed = *in;
    hashed.client_token = NULL;
    char hash[65];
    parameter_hash(&ecs_create_service_request_shape, &hashed, hash);
    struct service *s = service_find(c->core, cl, in->service_name);
    int r = existing_check(c, s, hash);
    if (r < 0)
        return r;
    if (r == 0) {
        if (s) { /* INACTIVE: its name is free again */
            service_history_drop(c->core, s);
            object_delete(c->core, &s->o);
        }
        const char *rest = call_printf(c, "%s/%s", cl->name, in->service_name);
        s = object_new(c->core, ecs_of(c->core)->services,
                       ecs_key(&c->arena, "service", cl->account, cl->region, rest));
        service_link(s, cl);
        cl->active_services++;
        service_fill(c, s, cl, in, &terms);
        s->rec->parameter_hash = arena_strdup(&s->o.arena, hash);
        if (td)
            service_deploy(c->core, s, taskdef_of(td)->task_definition_arn);
        object_save(c->core, &s->o);
        wake_now(c->core, &s->wake);
    }
    out->service = arena_new(&c->arena, struct ecs_service);
    service_view(&c->arena, s, true, out->service);
    return 0;
}

/* ---- UpdateService ---- */

static int update_offered(struct call *c, const struct ecs_update_service_request *in)
{
    struct service_extras extras = {
        .registries = in->service_registries.n,
        .volumes = in->volume_configurations.n,
        .lattice = in->vpc_lattice_configurations.n,
        .connect = in->service_connect_configuration,
    };
    return service_extras_check(c, &extras);
}

/* Settings that start no deployment. */
static void update_settings(struct service *s,
                            const struct ecs_update_service_request *in)
{
    struct arena *a = &s->o.arena;
    struct ecs_service *rec = s->rec->service;
    const struct ecs_update_service_request *own =
        wire_copy(a, &ecs_update_service_request_shape, in);
    if (own->desired_count.set)
        rec->desired_count = own->desired_count;
    if (own->placement_constraints.set)
        rec->placement_constraints = own->placement_constraints;
    if (own->placement_strategy.set)
        rec->placement_strategy = own->placement_strategy;
    if (own->load_balancers.set)
        rec->load_balancers = own->load_balancers;
    if (own->health_check_grace_period_seconds.set)
        rec->health_check_grace_period_seconds = own->health_check_grace_period_seconds;
    if (own->enable_execute_command.set)
        rec->enable_execute_command = own->enable_execute_command;
    if (own->enable_ecs_managed_tags.set)
        rec->enable_ecs_managed_tags = own->enable_ecs_managed_tags;
    if (own->propagate_tags)
        rec->propagate_tags = own->propagate_tags;
    if (own->availability_zone_rebalancing)
        rec->availability_zone_rebalancing = own->availability_zone_rebalancing;
    rec->deployment_configuration =
        service_configuration_merge(a, rec->deployment_configuration,
                                    own->deployment_configuration, service_is_daemon(s));
}

/* What runs is the task sets' business. */
static int update_external(struct call *c, struct service *s,
                           const struct ecs_update_service_request *in,
                           struct ecs_update_service_response *out)
{
    if (in->task_definition || in->force_new_deployment.v || in->network_configuration ||
        in->capacity_provider_strategy.set || in->deployment_configuration ||
        in->load_balancers.n)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Only the desired count, placement, health check grace period and "
            "tag settings of a service with the deployment controller "
            "EXTERNAL can be updated; use task sets for the rest.");
    if (service_placement_check(c, &in->placement_constraints, &in->placement_strategy) <
        0)
        return -1;
    update_settings(s, in);
    service_updated(c->core, s);
    out->service = arena_new(&c->arena, struct ecs_service);
    service_view(&c->arena, s, true, out->service);
    return 0;
}

/* What is left out stays; a strategy takes the place of a launch type. */
static void update_terms(const struct ecs_service *rec,
                         const struct ecs_update_service_request *in,
                         struct launch_terms *ret)
{
    launch_terms_of(rec, ret);
    if (in->capacity_provider_strategy.set) {
        ret->strategy = in->capacity_provider_strategy;
        ret->launch_type = 0;
    }
    if (in->platform_version)
        ret->platform_version = in->platform_version;
    if (in->network_configuration)
        ret->network = in->network_configuration;
}

static bool same_network(const struct ecs_network_configuration *a,
                         const struct ecs_network_configuration *b)
{
    char x[65] = "", y[65] = "";
    if (a)
        parameter_hash(&ecs_network_configuration_shape, a, x);
    if (b)
        parameter_hash(&ecs_network_configuration_shape, b, y);
    return streq(x, y);
}

static bool same_balancers(const struct ecs_service *rec,
                           const struct ecs_update_service_request *in)
{
    struct ecs_update_service_request x = {.load_balancers = rec->load_balancers},
                                      y = {.load_balancers = in->load_balancers};
    char a[65], b[65];
    if (!in->load_balancers.set)
        return true;
    x.load_balancers.set = true;
    parameter_hash(&ecs_update_service_request_shape, &x, a);
    parameter_hash(&ecs_update_service_request_shape, &y, b);
    return streq(a, b);
}

/* Only what changes the tasks themselves starts a deployment: counts, percents, placement,
 * tags and capacity providers wait for the next one. */
static bool starts_deployment(const struct ecs_service *rec,
                              const struct ecs_update_service_request *in,
                              const struct launch_terms *terms, const char *taskdef_arn)
{
    return in->force_new_deployment.v || !streq(rec->task_definition, taskdef_arn) ||
           (in->platform_version &&
            !streq(rec->platform_version, terms->platform_version)) ||
           !same_network(rec->network_configuration, terms->network) ||
           !same_balancers(rec, in);
}

/* A service keeps the controller that it was made with. */
static int controller_check(struct call *c, const struct service *s,
                            const struct ecs_deployment_controller *given)
{
    int type = service_external(s) ? ECS_DEPLOYMENT_CONTROLLER_TYPE_EXTERNAL
                                   : ECS_DEPLOYMENT_CONTROLLER_TYPE_ECS;
    if (given && (int)given->type != type)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The deployment controller of a service can't be changed here; "
                          "create a new service.");
    return 0;
}

int ecs_update_service(struct call *c, const struct ecs_update_service_request *in,
                       struct ecs_update_service_response *out)
{
    struct service *s;
    if (service_require(c, in->cluster, in->service, &s) < 0 || update_offered(c, in) < 0)
        return -1;
    if (!streq(s->rec->service->status, "ACTIVE"))
        return call_fault(c, &ecs_service_not_active_exception,
                          "Service was not ACTIVE.");
    if ((in->desired_count.set && service_desired_check(c, in->desired_count.v) < 0) ||
        controller_check(c, s, in->deployment_controller) < 0)
        return -1;
    if (service_external(s))
        return update_external(c, s, in, out);
    if (service_is_daemon(s) &&
        daemon_settings_check(c, in->desired_count.set, in->placement_strategy.n,
                              in->deployment_configuration,
                              (int)in->availability_zone_rebalancing) < 0)
        return -1;
    const char *taskdef = s->rec->service->task_definition;
    struct taskdef *td = in->task_definition ? active_taskdef(c, in->task_definition)
                                             : taskdef_by_arn(c->core, taskdef);
    struct launch_terms terms;
    update_terms(s->rec->service, in, &terms);
    if (!td || launch_check(c, s->cluster, taskdef_of(td), &terms) < 0)
        return -1;
    const struct ecs_deployment_configuration *conf =
        service_configuration_merge(&c->arena, s->rec->service->deployment_configuration,
                                    in->deployment_configuration, service_is_daemon(s));
    const struct ecs_load_balancer_list *balancers =
        in->load_balancers.set ? &in->load_balancers : &s->rec->service->load_balancers;
    if (load_balancers_check(c, balancers, taskdef_of(td), staged_strategy(conf)) < 0 ||
        service_configuration_check(c, conf) < 0 ||
        service_placement_check(c, &in->placement_constraints, &in->placement_strategy) <
            0)
        return -1;
    const char *wanted = taskdef_of(td)->task_definition_arn;
    bool deploy = starts_deployment(s->rec->service, in, &terms, wanted);
    int32_t desired = s->rec->service->desired_count.v;
    update_settings(s, in);
    if (s->rec->service->desired_count.v != desired)
        event_of_service(c->core, s, SERVICE_EVENT_DESIRED_UPDATED, NULL);
    launch_terms_keep(&s->o.arena, &terms, s->rec->service);
    if (deploy)
        service_deploy(c->core, s, wanted);
    service_updated(c->core, s);
    out->service = arena_new(&c->arena, struct ecs_service);
    service_view(&c->arena, s, true, out->service);
    return 0;
}

/* ---- DeleteService ---- */

int ecs_delete_service(struct call *c, const struct ecs_delete_service_request *in,
                       struct ecs_delete_service_response *out)
{
    struct service *s;
    if (service_require(c, in->cluster, in->service, &s) < 0)
        return -1;
    struct ecs_service *rec = s->rec->service;
    if (streq(rec->status, "INACTIVE"))
        return call_fault(c, &ecs_service_not_found_exception, "Service not found.");
    if (rec->desired_count.v > 0 && !in->force.v)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The service cannot be stopped while it is scaled above 0.");
    if (streq(rec->status, "ACTIVE")) {
        s->cluster->active_services--;
        s->cluster->draining_services++;
        rec->status = "DRAINING";
        rec->desired_count = SET_INT(0);
        task_sets_drain(c->core, s);
        object_save(c->core, &s->o);
        wake_now(c->core, &s->wake);
    }
    out->service = arena_new(&c->arena, struct ecs_service);
    service_view(&c->arena, s, true, out->service);
    return 0;
}
