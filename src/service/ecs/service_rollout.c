/* See service_rollout.h. */
#include "service_rollout.h"

#include <string.h>

#include "ecs_events.h"
#include "fargate.h"
#include "launch.h"
#include "service_alarms.h"
#include "service_history.h"

ptrdiff_t rollout_index(const struct service *s, const char *id)
{
    for (size_t i = 0; i < s->rec->deployments.n; i++)
        if (streq(s->rec->deployments.v[i].id, id))
            return (ptrdiff_t)i;
    return -1;
}

static struct service_deployment *history_of(struct core *core, const struct service *s,
                                             size_t index)
{
    return service_deployment_find(core,
                                   s->rec->deployments.v[index].service_deployment_arn);
}

/* ---- beginning ---- */

static struct ecs_deployment *push(struct service *s)
{
    struct arena *a = &s->o.arena;
    struct ecs_deployment_list *d = &s->rec->service->deployments;
    struct gantry_deployment_record_list *r = &s->rec->deployments;
    for (size_t i = 0; i < d->n; i++)
        d->v[i].status = "ACTIVE";
    LIST_PUSH(a, d);
    LIST_PUSH(a, r);
    memmove(&d->v[1], &d->v[0], (d->n - 1) * sizeof(d->v[0]));
    memmove(&r->v[1], &r->v[0], (r->n - 1) * sizeof(r->v[0]));
    return &d->v[0];
}

static void begin(struct core *core, struct service *s, const char *revision_arn,
                  const char *taskdef_arn, const char *service_deployment_arn,
                  bool rollback)
{
    char digits[20];
    struct arena *a = &s->o.arena;
    struct ecs_service *rec = s->rec->service;
    struct ecs_deployment *d = push(s);
    struct opt_time now = SET_TIME(core_now_ms(core));
    AUTO_STR reason = STR_INIT;
    core_random_digits(core, digits, 19);
    const char *id = arena_printf(a, "ecs-svc/%s", digits);
    rollout_reason_in_progress(&reason, id);
    *d = (struct ecs_deployment){
        .id = id,
        .status = "PRIMARY",
        .task_definition = arena_strdup(a, taskdef_arn),
        .created_at = now,
        .updated_at = now,
        .launch_type = rec->launch_type,
        .capacity_provider_strategy = rec->capacity_provider_strategy,
        .platform_version = rec->platform_version
                                ? fargate_platform_version(rec->platform_version)
                                : NULL,
        .platform_family = rec->platform_family,
        .network_configuration = rec->network_configuration,
        .rollout_state = ECS_DEPLOYMENT_ROLLOUT_STATE_IN_PROGRESS,
        .rollout_state_reason = arena_strdup(a, str_text(&reason)),
    };
    s->rec->deployments.v[0] = (struct gantry_deployment_record){
        .id = id,
        .service_revision_arn = arena_strdup(a, revision_arn),
        .service_deployment_arn = arena_strdup(a, service_deployment_arn),
        .rollback = SET_BOOL(rollback),
        .alarms_disabled = SET_BOOL(service_any_alarm(core, s)),
    };
    rec->task_definition = d->task_definition;
    struct taskdef *td = taskdef_by_arn(core, taskdef_arn);
    if (td)
        td->users++;
    object_save(core, &s->o);
    event_of_deployment(core, s, d);
}

void service_deploy(struct core *core, struct service *s, const char *taskdef_arn)
{
    struct service_revision *r = service_revision_new(core, s, taskdef_arn);
    struct service_deployment *d = service_deployment_new(core, s, r);
    begin(core, s, r->rec->revision->service_revision_arn, taskdef_arn,
          d->rec->deployment->service_deployment_arn, false);
}

/* ---- on the way ---- */

void rollout_read(const struct service *s, size_t index, struct deployment *ret)
{
    const struct ecs_deployment *d = &s->rec->service->deployments.v[index];
    const struct gantry_deployment_record *r = &s->rec->deployments.v[index];
    *ret = (struct deployment){
        .id = d->id,
        .task_definition = d->task_definition,
        .created_at_ms = d->created_at.v,
        .primary = streq(d->status, "PRIMARY"),
        .rollout = d->rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED
                       ? ROLLOUT_COMPLETED
                   : d->rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED
                       ? ROLLOUT_FAILED
                       : ROLLOUT_IN_PROGRESS,
        .failed_tasks = (uint32_t)d->failed_tasks.v,
        .breaker_failures = (uint32_t)r->breaker_failures.v,
        .reached_running = r->reached_running.v,
        .bakes_until_ms = r->bakes_until.set ? r->bakes_until.v : 0,
    };
}

void rollout_write(struct core *core, struct service *s, size_t index,
                   const struct deployment *d)
{
    s->rec->service->deployments.v[index].failed_tasks =
        SET_INT((int32_t)d->failed_tasks);
    struct gantry_deployment_record *r = &s->rec->deployments.v[index];
    r->breaker_failures = SET_INT((int32_t)d->breaker_failures);
    r->reached_running = SET_BOOL(d->reached_running);
    object_save(core, &s->o);
}

void rollout_bake(struct core *core, struct service *s, size_t index, int64_t bake_ms)
{
    s->rec->deployments.v[index].bakes_until = SET_TIME(core_now_ms(core) + bake_ms);
    object_save(core, &s->o);
}

/* ---- the end ---- */

void rollout_drop(struct core *core, struct service *s, size_t index)
{
    struct ecs_deployment_list *d = &s->rec->service->deployments;
    struct gantry_deployment_record_list *r = &s->rec->deployments;
    struct taskdef *td = taskdef_by_arn(core, d->v[index].task_definition);
    memmove(&d->v[index], &d->v[index + 1], (d->n - index - 1) * sizeof(*d->v));
    memmove(&r->v[index], &r->v[index + 1], (r->n - index - 1) * sizeof(*r->v));
    d->n--;
    r->n--;
    if (td)
        taskdef_release(core, td);
    object_save(core, &s->o);
}

static void over(struct core *core, struct service *s, size_t index,
                 enum ecs_deployment_rollout_state state, const char *reason)
{
    struct ecs_deployment *d = &s->rec->service->deployments.v[index];
    d->rollout_state = state;
    d->rollout_state_reason = arena_strdup(&s->o.arena, reason);
    d->updated_at = SET_TIME(core_now_ms(core));
    object_save(core, &s->o);
    event_of_deployment(core, s, d);
}

static void history_over(struct core *core, struct service *s, size_t index,
                         enum ecs_service_deployment_status status,
                         enum ecs_service_deployment_status rolled_back,
                         const char *reason)
{
    struct service_deployment *d = history_of(core, s, index);
    if (d && !service_deployment_over(d))
        service_deployment_status(
            core, d, s->rec->deployments.v[index].rollback.v ? rolled_back : status,
            reason);
}

void rollout_complete(struct core *core, struct service *s, size_t index,
                      const char *reason)
{
    over(core, s, index, ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED, reason);
    s->rec->completed_revision_arn = s->rec->deployments.v[index].service_revision_arn;
    history_over(core, s, index, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL,
                 ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL, NULL);
}

void rollout_fail(struct core *core, struct service *s, size_t index, const char *reason)
{
    over(core, s, index, ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED, reason);
    history_over(core, s, index, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED,
                 ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_FAILED, reason);
}

bool rollout_can_roll_back(struct core *core, const struct service *s, size_t index)
{
    const struct gantry_deployment_record *d = &s->rec->deployments.v[index];
    const char *arn = s->rec->completed_revision_arn;
    if (!arn || d->rollback.v || streq(arn, d->service_revision_arn))
        return false;
    const struct service_revision *r = service_revision_find(core, arn);
    return r && taskdef_by_arn(core, r->rec->revision->task_definition);
}

static void restore_settings(struct service *s, const struct service_revision *r)
{
    const struct ecs_service_revision *rev = r->rec->revision;
    struct launch_terms terms = {
        .launch_type = (int)rev->launch_type,
        .strategy = rev->capacity_provider_strategy,
        .platform_version = rev->platform_version,
        .network = rev->network_configuration,
    };
    launch_terms_keep(&s->o.arena, &terms, s->rec->service);
}

void rollout_roll_back(struct core *core, struct service *s, size_t index,
                       const char *why)
{
    struct ecs_service *rec = s->rec->service;
    const struct service_revision *r =
        service_revision_find(core, s->rec->completed_revision_arn);
    const char *arn =
        arena_strdup(core_scratch(core), r->rec->revision->service_revision_arn);
    struct service_deployment *d = history_of(core, s, index);
    if (d)
        service_deployment_rolls_back(core, d, arn, why);
    restore_settings(s, r);
    begin(core, s, arn, r->rec->revision->task_definition,
          s->rec->deployments.v[index].service_deployment_arn, true);
    AUTO_STR text = STR_INIT;
    service_event_rolling_back(&text, rec->service_name, rec->deployments.v[0].id);
    service_event(core, s, str_text(&text));
    str_clear(&text);
    rollout_reason_rolling_back(&text, rec->deployments.v[0].id);
    over(core, s, index + 1, ECS_DEPLOYMENT_ROLLOUT_STATE_FAILED, str_text(&text));
}

static void to_front(struct service *s, size_t index)
{
    struct ecs_deployment *d = s->rec->service->deployments.v;
    struct gantry_deployment_record *r = s->rec->deployments.v;
    struct ecs_deployment first = d[index];
    struct gantry_deployment_record first_record = r[index];
    memmove(&d[1], &d[0], index * sizeof(d[0]));
    memmove(&r[1], &r[0], index * sizeof(r[0]));
    d[0] = first;
    r[0] = first_record;
}

void rollout_return(struct core *core, struct service *s, size_t index, const char *why)
{
    struct service_deployment *history = history_of(core, s, 0);
    rollout_drop(core, s, 0);
    to_front(s, index - 1);
    struct ecs_deployment *d = &s->rec->service->deployments.v[0];
    d->status = "PRIMARY";
    d->updated_at = SET_TIME(core_now_ms(core));
    s->rec->service->task_definition = d->task_definition;
    const struct service_revision *r =
        service_revision_find(core, s->rec->deployments.v[0].service_revision_arn);
    if (r)
        restore_settings(s, r);
    if (history && !service_deployment_over(history))
        service_deployment_status(core, history,
                                  ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL, why);
    object_save(core, &s->o);
}
