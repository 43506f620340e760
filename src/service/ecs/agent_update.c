#include "agent_update.h"

#include <string.h>

#include "instance.h"

static const char *agent_version(const struct instance *i)
{
    const struct ecs_version_info *v = i->rec->instance->version_info;
    return v && !str_empty(v->agent_version) ? v->agent_version : NULL;
}

static bool is_older(const char *version)
{
    return strverscmp(version, GANTRY_VERSION) < 0;
}

void agent_update_tell(struct core *core, struct instance *i)
{
    struct ecs *ecs = ecs_of(core);
    struct ecs_container_instance *ci = i->rec->instance;
    if (ci->agent_update_status != ECS_AGENT_UPDATE_STATUS_PENDING || !i->connected ||
        !ecs->host_ops || !ecs->host_ops->agent_update)
        return;
    ecs->host_ops->agent_update(ecs->host_ctx, core, ci->container_instance_arn);
    ci->agent_update_status = ECS_AGENT_UPDATE_STATUS_UPDATING;
    instance_changed(core, i);
}

void agent_update_registered(struct instance *i)
{
    struct ecs_container_instance *ci = i->rec->instance;
    if (ci->agent_update_status != ECS_AGENT_UPDATE_STATUS_PENDING &&
        ci->agent_update_status != ECS_AGENT_UPDATE_STATUS_UPDATING)
        return;
    const char *now = agent_version(i);
    bool done = now && !is_older(now);
    if (done || ci->agent_update_status == ECS_AGENT_UPDATE_STATUS_UPDATING)
        ci->agent_update_status =
            done ? ECS_AGENT_UPDATE_STATUS_UPDATED : ECS_AGENT_UPDATE_STATUS_FAILED;
}

int ecs_update_container_agent(struct call *c,
                               const struct ecs_update_container_agent_request *in,
                               struct ecs_update_container_agent_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    struct instance *i = instance_find(c->core, cl, in->container_instance);
    if (!i)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The referenced container instance was not found.");
    struct ecs_container_instance *ci = i->rec->instance;
    if (!agent_version(i))
        return call_fault(c, &ecs_missing_version_exception,
                          "The container instance's agent did not say its version.");
    if (ci->agent_update_status == ECS_AGENT_UPDATE_STATUS_PENDING ||
        ci->agent_update_status == ECS_AGENT_UPDATE_STATUS_UPDATING)
        return call_fault(c, &ecs_update_in_progress_exception,
                          "The container instance's agent is being updated already.");
    if (!is_older(agent_version(i)))
        return call_fault(c, &ecs_no_update_available_exception,
                          "The container instance's agent is of the newest version.");
    ci->agent_update_status = ECS_AGENT_UPDATE_STATUS_PENDING;
    instance_changed(c->core, i);
    if (i->connected)
        wake_now(c->core, &i->wake);
    out->container_instance = arena_new(&c->arena, struct ecs_container_instance);
    instance_view(&c->arena, i, false, out->container_instance);
    return 0;
}
