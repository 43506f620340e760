#include "fargate_rule.h"

#include <stdint.h>

#include "host_room.h"
#include "str.h"

bool fargate_is(const struct gantry_host_task *task)
{
    return streq(task->launch_type, FARGATE_LAUNCH_TYPE);
}

static const char *bad_size(const struct gantry_host_task *t)
{
    const struct ecs_task_definition *def = t->task_definition;
    const struct ecs_task_override *o = t->overrides;
    if (task_size_parse(o && o->cpu ? o->cpu : def->cpu) <= 0)
        return "a task without cpu";
    if (task_size_parse(o && o->memory ? o->memory : def->memory) <= 0)
        return "a task without memory";
    return t->ephemeral_storage_gib.v > 0 ? NULL : "unlimited ephemeral storage";
}

static const char *bad_task(const struct gantry_host_task *t)
{
    const struct ecs_task_definition *def = t->task_definition;
    if (def->network_mode != ECS_NETWORK_MODE_AWSVPC)
        return "a network mode other than awsvpc";
    if (def->pid_mode == ECS_PID_MODE_HOST)
        return "pidMode host";
    if (def->ipc_mode != ECS_IPC_MODE_UNSET)
        return "ipcMode";
    for (size_t i = 0; i < def->volumes.n; i++) {
        const struct ecs_volume *v = &def->volumes.v[i];
        if (v->host && !str_empty(v->host->source_path))
            return "sourcePath of a volume";
        if (v->docker_volume_configuration)
            return "dockerVolumeConfiguration";
    }
    return bad_size(t);
}

static const char *bad_linux(const struct ecs_linux_parameters *l)
{
    const struct ecs_kernel_capabilities *c = l->capabilities;
    for (size_t i = 0; c && i < c->add.n; i++)
        if (!streq(c->add.v[i], "SYS_PTRACE"))
            return "capabilities other than SYS_PTRACE";
    if (l->max_swap.set || l->swappiness.set)
        return "swap";
    return l->devices.n ? "devices" : NULL;
}

static const char *bad_container(const struct ecs_container_definition *c)
{
    if (c->privileged.set && c->privileged.v)
        return "privileged";
    if (c->docker_security_options.n)
        return "dockerSecurityOptions";
    for (size_t i = 0; i < c->resource_requirements.n; i++)
        if (c->resource_requirements.v[i].type == ECS_RESOURCE_TYPE_GPU)
            return "GPU";
    return c->linux_parameters ? bad_linux(c->linux_parameters) : NULL;
}

const char *fargate_refuses(const struct gantry_host_task *task, size_t *ret_index)
{
    const struct ecs_task_definition *def = task->task_definition;
    *ret_index = SIZE_MAX;
    if (!fargate_is(task))
        return NULL;
    const char *bad = bad_task(task);
    for (size_t i = 0; i < def->container_definitions.n && !bad; i++) {
        bad = bad_container(&def->container_definitions.v[i]);
        if (bad)
            *ret_index = i;
    }
    return bad;
}
