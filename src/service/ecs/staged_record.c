/* The state of a deployment by stages, as it is stored and as people see it. */
#include <stdio.h>

#include "service_history.h"
#include "service_rollout.h"
#include "staged_private.h"

/* ---- hooks: our statuses and ECS's ---- */

static const struct {
    enum rollout_hook_status ours;
    enum ecs_deployment_lifecycle_hook_status theirs;
} statuses[] = {
    {HOOK_AWAITING_ACTION, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_AWAITING_ACTION},
    {HOOK_IN_PROGRESS, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_IN_PROGRESS},
    {HOOK_SUCCEEDED, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_SUCCEEDED},
    {HOOK_FAILED, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_FAILED},
    {HOOK_TIMED_OUT, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_TIMED_OUT},
};

static enum rollout_hook_status
status_read(enum ecs_deployment_lifecycle_hook_status status)
{
    for (size_t k = 0; k < sizeof(statuses) / sizeof(statuses[0]); k++)
        if (statuses[k].theirs == status)
            return statuses[k].ours;
    return HOOK_FAILED;
}

static enum ecs_deployment_lifecycle_hook_status
status_write(enum rollout_hook_status status)
{
    return statuses[status].theirs;
}

void staged_hook_read(const struct gantry_rollout_hook_record *rec,
                      struct rollout_hook *ret)
{
    *ret = (struct rollout_hook){
        .config = (uint32_t)rec->index.v,
        .status = status_read(rec->status),
        .call_at_ms = rec->call_at.v,
        .expires_at_ms = rec->expires_at.v,
        .failures = (uint32_t)rec->unanswered.v,
        .calling = rec->calling.v,
    };
}

void staged_hook_write(struct gantry_rollout_hook_record *rec,
                       const struct rollout_hook *h)
{
    rec->index = SET_INT((int32_t)h->config);
    rec->status = status_write(h->status);
    rec->call_at = SET_TIME(h->call_at_ms);
    rec->expires_at = SET_TIME(h->expires_at_ms);
    rec->unanswered = SET_INT((int32_t)h->failures);
    rec->calling = SET_BOOL(h->calling);
}

/* ---- the record ---- */

void staged_read(const struct gantry_rollout_record *rec, struct rollout *ret)
{
    *ret = (struct rollout){
        .stage = STAGE_PRE_SCALE_UP,
        .step = (uint32_t)rec->step.v,
        .entered = rec->entered.v,
        .rolling_back = rec->rolling_back.v,
        .production_weight = rec->production_weight.v,
        .test_weight = rec->test_weight.v,
        .until_ms = rec->stage_until.set ? rec->stage_until.v : 0,
        .hooks_stage = STAGE_COUNT,
    };
    (void)rollout_stage_parse(rec->stage, &ret->stage);
    (void)rollout_stage_parse(rec->hooks_stage, &ret->hooks_stage);
    for (size_t k = 0; k < rec->hooks.n && k < ROLLOUT_HOOKS_MAX; k++)
        staged_hook_read(&rec->hooks.v[k], &ret->hooks[ret->hook_count++]);
    if (rec->reason)
        snprintf(ret->reason, sizeof(ret->reason), "%s", rec->reason);
}

void staged_write(struct core *core, struct service *s, const struct rollout *r)
{
    struct arena *a = &s->o.arena;
    struct gantry_rollout_record *rec = s->rec->rollout;
    rec->stage = rollout_stage_name(r->stage);
    rec->hooks_stage =
        r->hooks_stage < STAGE_COUNT ? rollout_stage_name(r->hooks_stage) : NULL;
    rec->step = SET_INT((int32_t)r->step);
    rec->entered = SET_BOOL(r->entered);
    rec->rolling_back = SET_BOOL(r->rolling_back);
    rec->production_weight = SET_DOUBLE(r->production_weight);
    rec->test_weight = SET_DOUBLE(r->test_weight);
    rec->stage_until = (struct opt_time){.set = r->until_ms != 0, .v = r->until_ms};
    if (!streq(rec->reason ? rec->reason : "", r->reason))
        rec->reason = arena_strdup(a, r->reason);
    while (rec->hooks.n < r->hook_count)
        LIST_PUSH(a, &rec->hooks);
    rec->hooks.n = r->hook_count;
    for (size_t k = 0; k < r->hook_count; k++)
        staged_hook_write(&rec->hooks.v[k], &r->hooks[k]);
    object_save(core, &s->o);
}

ptrdiff_t staged_green(const struct service *s)
{
    return rollout_index(s, s->rec->rollout->deployment_id);
}

ptrdiff_t staged_source(const struct service *s)
{
    const char *id = s->rec->rollout->source_deployment_id;
    return id ? rollout_index(s, id) : -1;
}

/* ---- as people see it ---- */

/* PRE_PRODUCTION_TRAFFIC_SHIFT is a stage of hooks only. */
static enum ecs_service_deployment_lifecycle_stage stage_shown(enum rollout_stage stage)
{
    if (stage == STAGE_PRE_PRODUCTION_TRAFFIC_SHIFT)
        stage = STAGE_PRODUCTION_TRAFFIC_SHIFT;
    return (enum ecs_service_deployment_lifecycle_stage)wire_enum_value(
        &ecs_service_deployment_lifecycle_stage_shape, rollout_stage_name(stage));
}

static void show_hook(struct arena *a, const struct ecs_deployment_configuration *conf,
                      const struct gantry_rollout_hook_record *from,
                      struct ecs_deployment_lifecycle_hook_detail *ret)
{
    *ret = (struct ecs_deployment_lifecycle_hook_detail){
        .hook_id = arena_strdup(a, from->hook_id),
        .status = from->status,
        .expires_at = from->expires_at,
        .timeout_action = ECS_DEPLOYMENT_LIFECYCLE_HOOK_ACTION_ROLLBACK,
        .target_type = ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_AWS_LAMBDA,
    };
    if (!conf || (size_t)from->index.v >= conf->lifecycle_hooks.n)
        return;
    const struct ecs_deployment_lifecycle_hook *h =
        &conf->lifecycle_hooks.v[from->index.v];
    if (h->target_type)
        ret->target_type = h->target_type;
    ret->target_arn = arena_strdup(a, h->hook_target_arn);
    if (h->timeout_configuration && h->timeout_configuration->action)
        ret->timeout_action = h->timeout_configuration->action;
}

static void show_weights(const struct gantry_rollout_record *r,
                         struct ecs_service_deployment *d, const char *source_arn)
{
    if (d->target_service_revision) {
        d->target_service_revision->requested_production_traffic_weight =
            r->production_weight;
        d->target_service_revision->requested_test_traffic_weight = r->test_weight;
    }
    for (size_t k = 0; k < d->source_service_revisions.n; k++) {
        struct ecs_service_revision_summary *x = &d->source_service_revisions.v[k];
        bool blue = streq(x->arn, source_arn);
        x->requested_production_traffic_weight =
            SET_DOUBLE(blue ? 100 - r->production_weight.v : 0);
        x->requested_test_traffic_weight = SET_DOUBLE(blue ? 100 - r->test_weight.v : 0);
    }
}

void staged_show(struct core *core, struct service *s)
{
    const struct gantry_rollout_record *r = s->rec->rollout;
    struct service_deployment *d =
        service_deployment_find(core, r->service_deployment_arn);
    enum rollout_stage stage;
    if (!d || !rollout_stage_parse(r->stage, &stage))
        return;
    struct arena *a = &d->o.arena;
    struct ecs_service_deployment *rec = d->rec->deployment;
    ptrdiff_t source = staged_source(s);
    rec->lifecycle_stage = stage_shown(stage);
    rec->updated_at = SET_TIME(core_now_ms(core));
    rec->lifecycle_hook_details.n = 0;
    for (size_t k = 0; k < r->hooks.n; k++)
        show_hook(a, rec->deployment_configuration, &r->hooks.v[k],
                  LIST_PUSH(a, &rec->lifecycle_hook_details));
    show_weights(r, rec,
                 source >= 0 ? s->rec->deployments.v[source].service_revision_arn : NULL);
    object_save(core, &d->o);
}
