/* Health of containers, as the agents see it, and what it makes of the task. */
#include "task_health.h"
#include "ecs_state.h"

static bool counts(const struct ecs_container_definition *d)
{
    return d && d->health_check && !(d->essential.set && !d->essential.v);
}

bool task_has_check(const struct ecs_task_definition *def)
{
    for (size_t i = 0; i < def->container_definitions.n; i++)
        if (counts(&def->container_definitions.v[i]))
            return true;
    return false;
}

enum ecs_health_status task_health_of(const struct ecs_task_definition *def,
                                      const struct ecs_container_list *containers)
{
    bool any = false, unknown = false;
    for (size_t i = 0; i < containers->n; i++) {
        const struct ecs_container *c = &containers->v[i];
        if (!counts(def ? container_definition_of(def, c->name) : NULL))
            continue;
        if (c->health_status == ECS_HEALTH_STATUS_UNHEALTHY)
            return ECS_HEALTH_STATUS_UNHEALTHY;
        any = true;
        unknown = unknown || c->health_status != ECS_HEALTH_STATUS_HEALTHY;
    }
    return any && !unknown ? ECS_HEALTH_STATUS_HEALTHY : ECS_HEALTH_STATUS_UNKNOWN;
}

static struct task *task_on(struct core *core, const char *instance_arn,
                            const char *task_arn)
{
    struct arena *a = core_scratch(core);
    struct arn arn;
    if (!task_arn || !arn_parse(a, task_arn, &arn) || !str_starts(arn.resource, "task/"))
        return NULL;
    struct task *t =
        table_find(ecs_of(core)->tasks, ecs_key(a, "task", arn.account, arn.region,
                                                strchr(arn.resource, '/') + 1));
    bool here = t && t->instance && t->status != TASK_STOPPED &&
                streq(t->instance->rec->instance->container_instance_arn, instance_arn);
    return here ? t : NULL;
}

bool ecs_host_known(struct core *core, const char *instance_arn)
{
    return instance_by_arn(core, instance_arn) != NULL;
}

void ecs_host_health(struct core *core, const char *instance_arn, const char *task_arn,
                     const char *container_name, enum ecs_health_status status)
{
    struct task *t = task_on(core, instance_arn, task_arn);
    if (!t || !status)
        return;
    const struct ecs_container_definition *d =
        container_definition_of(taskdef_of(t->taskdef), container_name);
    if (!d || !d->health_check)
        return;
    struct ecs_task *rec = t->rec->task;
    bool changed = false;
    for (size_t i = 0; i < rec->containers.n; i++) {
        struct ecs_container *c = &rec->containers.v[i];
        if (!streq(c->name, container_name) || c->health_status == status)
            continue;
        c->health_status = status;
        changed = true;
    }
    if (!changed)
        return;
    rec->health_status = task_health_of(taskdef_of(t->taskdef), &rec->containers);
    task_changed(core, t);
    if (t->service)
        wake_now(core, &t->service->wake);
}
