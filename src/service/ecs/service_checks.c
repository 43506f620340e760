/* What creation and update of services and task sets check alike. */
#include "service_checks.h"

#include "launch.h"
#include "staged.h"

static int percent_check(struct call *c, const struct ecs_deployment_configuration *d)
{
    int32_t min = d->minimum_healthy_percent.v, max = d->maximum_percent.v;
    if (min < 0 || min > 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "minimumHealthyPercent must be at most 100");
    if (max < 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "maximumPercent must be at least 100");
    if (min == 100 && max == 100)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as "
            "this will block deployments");
    return 0;
}

int service_configuration_check(struct call *c,
                                const struct ecs_deployment_configuration *d)
{
    if (staged_config_check(c, d) < 0)
        return -1;
    if (d->alarms && d->alarms->enable.v && !ecs_of(c->core)->alarm_ops)
        return call_fault(c, &ecs_unsupported_feature_exception,
                          "Deployment alarms are not offered by this gantry.");
    return percent_check(c, d);
}

/* What is given replaces, what is left out stays. */
struct ecs_deployment_configuration *
service_configuration_merge(struct arena *a,
                            const struct ecs_deployment_configuration *old,
                            const struct ecs_deployment_configuration *given, bool daemon)
{
    struct ecs_deployment_configuration *d =
        old ? wire_copy(a, &ecs_deployment_configuration_shape, old)
            : arena_new(a, struct ecs_deployment_configuration);
    if (given && given->minimum_healthy_percent.set)
        d->minimum_healthy_percent = given->minimum_healthy_percent;
    if (given && given->maximum_percent.set)
        d->maximum_percent = given->maximum_percent;
    if (given && given->deployment_circuit_breaker)
        d->deployment_circuit_breaker = wire_copy(
            a, &ecs_deployment_circuit_breaker_shape, given->deployment_circuit_breaker);
    if (given && given->strategy)
        staged_config_change(d, given->strategy);
    if (given && given->lifecycle_hooks.set)
        d->lifecycle_hooks = given->lifecycle_hooks;
    if (given && given->bake_time_in_minutes.set)
        d->bake_time_in_minutes = given->bake_time_in_minutes;
    if (given && given->linear_configuration)
        d->linear_configuration =
            wire_copy(a, &ecs_linear_configuration_shape, given->linear_configuration);
    if (given && given->canary_configuration)
        d->canary_configuration =
            wire_copy(a, &ecs_canary_configuration_shape, given->canary_configuration);
    if (given && given->alarms)
        d->alarms = given->alarms;
    if (!d->minimum_healthy_percent.set)
        d->minimum_healthy_percent = SET_INT(daemon ? 0 : 100);
    if (!d->maximum_percent.set)
        d->maximum_percent = SET_INT(daemon ? 100 : 200);
    if (!d->strategy)
        d->strategy = ECS_DEPLOYMENT_STRATEGY_ROLLING;
    if (!d->deployment_circuit_breaker) {
        d->deployment_circuit_breaker =
            arena_new(a, struct ecs_deployment_circuit_breaker);
        d->deployment_circuit_breaker->enable = SET_BOOL(false);
        d->deployment_circuit_breaker->rollback = SET_BOOL(false);
    }
    staged_config_default(a, d);
    return d;
}

int service_placement_check(struct call *c,
                            const struct ecs_placement_constraint_list *constraints,
                            const struct ecs_placement_strategy_list *strategies)
{
    struct place_strategy strategy[PLACE_MAX_STRATEGIES];
    size_t n;
    struct place_need need = {0};
    struct compiled_constraints compiled = {0};
    int r = constraints_compile(c, c->core, constraints, NULL, &need, &compiled);
    constraints_free(&compiled);
    return r < 0 ? r : strategies_read(c, strategies, strategy, &n);
}

int service_desired_check(struct call *c, int32_t desired)
{
    if (desired < 0 || desired > SERVICE_MAX_DESIRED)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "desiredCount must be between 0 and %d.", SERVICE_MAX_DESIRED);
    return 0;
}

struct taskdef *active_taskdef(struct call *c, const char *reference)
{
    struct taskdef *td = taskdef_find(c, reference);
    if (!td)
        call_fault(c, &ecs_client_exception, "TaskDefinition not found.");
    else if (taskdef_of(td)->status != ECS_TASK_DEFINITION_STATUS_ACTIVE)
        call_fault(c, &ecs_client_exception, "TaskDefinition is inactive");
    else
        return td;
    return NULL;
}

int service_not_offered(struct call *c, const char *what)
{
    return call_fault(c, &ecs_unsupported_feature_exception,
                      "%s are not offered by this gantry.", what);
}

int service_extras_check(struct call *c, const struct service_extras *x)
{
    if (x->registries)
        return service_not_offered(c, "Service registries");
    if (x->connect && x->connect->enabled.v)
        return service_not_offered(c, "Service Connect namespaces");
    if (x->volumes)
        return service_not_offered(c, "Volumes configured at launch");
    if (x->lattice)
        return service_not_offered(c, "VPC Lattice target groups");
    return 0;
}
