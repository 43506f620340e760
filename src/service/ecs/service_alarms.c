#include "service_alarms.h"

#define MINUTE_MS (60 * 1000LL)

static const struct ecs_deployment_alarms *alarms_of(const struct service *s)
{
    const struct ecs_deployment_configuration *conf =
        s->rec->service->deployment_configuration;
    const struct ecs_deployment_alarms *alarms = conf ? conf->alarms : NULL;
    return alarms && alarms->enable.v ? alarms : NULL;
}

bool service_any_alarm(struct core *core, const struct service *s)
{
    const struct ecs *ecs = ecs_of(core);
    const struct ecs_deployment_alarms *alarms = alarms_of(s);
    for (size_t i = 0; ecs->alarm_ops && alarms && i < alarms->alarm_names.n; i++)
        if (ecs->alarm_ops->in_alarm(ecs->alarm_ctx, core, s->cluster->account,
                                     s->cluster->region, alarms->alarm_names.v[i]))
            return true;
    return false;
}

bool service_watches_alarms(const struct service *s)
{
    const struct ecs_deployment_list *l = &s->rec->service->deployments;
    return alarms_of(s) && l->n > 0 && !s->rec->deployments.v[0].alarms_disabled.v &&
           l->v[0].rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS;
}

bool service_alarmed(struct core *core, const struct service *s)
{
    return service_watches_alarms(s) && service_any_alarm(core, s);
}

int64_t service_bake_ms(struct core *core, const struct service *s)
{
    const struct ecs *ecs = ecs_of(core);
    const struct ecs_deployment_configuration *conf =
        s->rec->service->deployment_configuration;
    int64_t ms = conf && conf->bake_time_in_minutes.set
                     ? conf->bake_time_in_minutes.v * MINUTE_MS
                     : 0;
    if (!service_watches_alarms(s) || !ecs->alarm_ops)
        return ms;
    const struct ecs_deployment_alarms *alarms = alarms_of(s);
    for (size_t i = 0; i < alarms->alarm_names.n; i++) {
        int64_t one =
            ecs->alarm_ops->bake_ms(ecs->alarm_ctx, core, s->cluster->account,
                                    s->cluster->region, alarms->alarm_names.v[i]);
        ms = one > ms ? one : ms;
    }
    return ms;
}
