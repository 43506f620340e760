/* Deployment configurations by stages: checked, filled up and read. */
#include <string.h>

#include "service_checks.h"
#include "service_history.h"
#include "staged_private.h"

#define MINUTE_MS  (60 * 1000LL)
#define BAKE_MAX   1440
#define LAMBDA_MAX 1440
#define PAUSE_MAX  20160

bool staged_strategy(const struct ecs_deployment_configuration *d)
{
    return d && d->strategy && d->strategy != ECS_DEPLOYMENT_STRATEGY_ROLLING;
}

/* ---- checks ---- */

static int bad(struct call *c, const char *text)
{
    return call_fault(c, &ecs_invalid_parameter_exception, "%s", text);
}

static int minutes_check(struct call *c, struct opt_int minutes, const char *name)
{
    if (minutes.set && (minutes.v < 0 || minutes.v > BAKE_MAX))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "%s must be between 0 and %d.", name, BAKE_MAX);
    return 0;
}

static int percent_check(struct call *c, struct opt_double percent, double min,
                         const char *name)
{
    if (percent.set && !(percent.v >= min && percent.v <= 100))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "%s must be between %.1f and 100.0.", name, min);
    return 0;
}

static int steps_check(struct call *c, const struct ecs_deployment_configuration *d)
{
    const struct ecs_linear_configuration *l = d->linear_configuration;
    const struct ecs_canary_configuration *k = d->canary_configuration;
    if (d->strategy == ECS_DEPLOYMENT_STRATEGY_BLUE_GREEN && !d->bake_time_in_minutes.set)
        return bad(c, "bakeTimeInMinutes is required for the deployment strategy "
                      "BLUE_GREEN.");
    if (l && d->strategy != ECS_DEPLOYMENT_STRATEGY_LINEAR)
        return bad(c, "linearConfiguration is only for the deployment strategy LINEAR.");
    if (k && d->strategy != ECS_DEPLOYMENT_STRATEGY_CANARY)
        return bad(c, "canaryConfiguration is only for the deployment strategy CANARY.");
    if (l &&
        (percent_check(c, l->step_percent, 3, "stepPercent") < 0 ||
         minutes_check(c, l->step_bake_time_in_minutes, "stepBakeTimeInMinutes") < 0))
        return -1;
    if (k &&
        (percent_check(c, k->canary_percent, 0.1, "canaryPercent") < 0 ||
         minutes_check(c, k->canary_bake_time_in_minutes, "canaryBakeTimeInMinutes") < 0))
        return -1;
    return minutes_check(c, d->bake_time_in_minutes, "bakeTimeInMinutes");
}

static bool is_pause(const struct ecs_deployment_lifecycle_hook *h)
{
    return h->target_type == ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_PAUSE;
}

static int target_check(struct call *c, const char *target)
{
    if (!target)
        return bad(c, "hookTargetArn is required for a lifecycle hook.");
    if (str_starts(target, "http://") || str_starts(target, "https://"))
        return 0;
    if (!strstr(target, ":task-definition/"))
        return bad(c, "hookTargetArn must be an http or https URL or the ARN of a task "
                      "definition; Lambda functions are not offered by this gantry.");
    return active_taskdef(c, target) ? 0 : -1;
}

static int hook_check(struct call *c, const struct ecs_deployment_lifecycle_hook *h)
{
    const struct ecs_deployment_lifecycle_hook_timeout_configuration *t =
        h->timeout_configuration;
    int32_t max = is_pause(h) ? PAUSE_MAX : LAMBDA_MAX;
    if (h->lifecycle_stages.n == 0)
        return bad(c, "lifecycleStages is required for a lifecycle hook.");
    if (t && t->timeout_in_minutes.set &&
        (t->timeout_in_minutes.v < 1 || t->timeout_in_minutes.v > max))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "timeoutInMinutes must be between 1 and %d.", max);
    if (!is_pause(h))
        return target_check(c, h->hook_target_arn);
    if (h->hook_target_arn)
        return bad(c,
                   "hookTargetArn must not be given for a lifecycle hook of type PAUSE.");
    return 0;
}

int staged_config_check(struct call *c, const struct ecs_deployment_configuration *d)
{
    if (!staged_strategy(d)) {
        if (d->lifecycle_hooks.n)
            return bad(c, "Lifecycle hooks are only for the deployment strategies "
                          "BLUE_GREEN, LINEAR and CANARY.");
        return d->linear_configuration || d->canary_configuration ? steps_check(c, d) : 0;
    }
    if (steps_check(c, d) < 0)
        return -1;
    if (d->lifecycle_hooks.n > ROLLOUT_HOOKS_MAX)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "lifecycleHooks can have at most %d items.", ROLLOUT_HOOKS_MAX);
    for (size_t k = 0; k < d->lifecycle_hooks.n; k++)
        if (hook_check(c, &d->lifecycle_hooks.v[k]) < 0)
            return -1;
    return 0;
}

/* ---- changes and defaults ---- */

void staged_config_change(struct ecs_deployment_configuration *d,
                          enum ecs_deployment_strategy strategy)
{
    if (strategy == d->strategy)
        return;
    d->strategy = strategy;
    d->linear_configuration = NULL;
    d->canary_configuration = NULL;
    if (strategy != ECS_DEPLOYMENT_STRATEGY_ROLLING)
        return;
    d->lifecycle_hooks = (struct ecs_deployment_lifecycle_hook_list){0};
    d->bake_time_in_minutes = (struct opt_int){0};
}

static void linear_default(struct arena *a, struct ecs_deployment_configuration *d)
{
    if (!d->linear_configuration)
        d->linear_configuration = arena_new(a, struct ecs_linear_configuration);
    if (!d->linear_configuration->step_percent.set)
        d->linear_configuration->step_percent = SET_DOUBLE(10);
    if (!d->linear_configuration->step_bake_time_in_minutes.set)
        d->linear_configuration->step_bake_time_in_minutes = SET_INT(6);
}

static void canary_default(struct arena *a, struct ecs_deployment_configuration *d)
{
    if (!d->canary_configuration)
        d->canary_configuration = arena_new(a, struct ecs_canary_configuration);
    if (!d->canary_configuration->canary_percent.set)
        d->canary_configuration->canary_percent = SET_DOUBLE(5);
    if (!d->canary_configuration->canary_bake_time_in_minutes.set)
        d->canary_configuration->canary_bake_time_in_minutes = SET_INT(10);
}

void staged_config_default(struct arena *a, struct ecs_deployment_configuration *d)
{
    if (d->strategy == ECS_DEPLOYMENT_STRATEGY_LINEAR)
        linear_default(a, d);
    if (d->strategy == ECS_DEPLOYMENT_STRATEGY_CANARY)
        canary_default(a, d);
}

/* ---- reading ---- */

const struct ecs_deployment_configuration *staged_config_of(struct core *core,
                                                            const struct service *s)
{
    const struct service_deployment *d =
        service_deployment_find(core, s->rec->rollout->service_deployment_arn);
    return d && d->rec->deployment->deployment_configuration
               ? d->rec->deployment->deployment_configuration
               : s->rec->service->deployment_configuration;
}

static void hook_read(const struct ecs_deployment_lifecycle_hook *h,
                      struct rollout_hook_config *ret)
{
    const struct ecs_deployment_lifecycle_hook_timeout_configuration *t =
        h->timeout_configuration;
    enum rollout_stage stage;
    *ret = (struct rollout_hook_config){
        .pauses = is_pause(h),
        .timeout_ms = t ? t->timeout_in_minutes.v * MINUTE_MS : 0,
        .timeout_continues =
            t && t->action == ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_CONTINUE,
    };
    for (size_t k = 0; k < h->lifecycle_stages.n; k++)
        if (rollout_stage_parse(wire_enum_name(&ecs_deployment_lifecycle_hook_stage_shape,
                                               (int)h->lifecycle_stages.v[k]),
                                &stage))
            ret->stages |= 1u << stage;
}

static enum rollout_strategy strategy_of(const struct ecs_deployment_configuration *d)
{
    return d->strategy == ECS_DEPLOYMENT_STRATEGY_LINEAR   ? ROLLOUT_LINEAR
           : d->strategy == ECS_DEPLOYMENT_STRATEGY_CANARY ? ROLLOUT_CANARY
                                                           : ROLLOUT_BLUE_GREEN;
}

void staged_config_read(const struct ecs_deployment_configuration *d,
                        struct rollout_hook_config *hooks, struct rollout_config *ret)
{
    const struct ecs_linear_configuration *l = d->linear_configuration;
    const struct ecs_canary_configuration *k = d->canary_configuration;
    *ret = (struct rollout_config){
        .strategy = strategy_of(d),
        .step_percent = l && l->step_percent.set ? l->step_percent.v : 10,
        .canary_percent = k && k->canary_percent.set ? k->canary_percent.v : 5,
        .bake_ms = d->bake_time_in_minutes.v * MINUTE_MS,
        .hooks = hooks,
        .hook_count = d->lifecycle_hooks.n < ROLLOUT_HOOKS_MAX ? d->lifecycle_hooks.n
                                                               : ROLLOUT_HOOKS_MAX,
    };
    if (l && ret->strategy == ROLLOUT_LINEAR)
        ret->step_bake_ms = l->step_bake_time_in_minutes.v * MINUTE_MS;
    if (k && ret->strategy == ROLLOUT_CANARY)
        ret->step_bake_ms = k->canary_bake_time_in_minutes.v * MINUTE_MS;
    for (size_t n = 0; n < ret->hook_count; n++)
        hook_read(&d->lifecycle_hooks.v[n], &hooks[n]);
}
