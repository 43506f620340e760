/* From a checked request to what is stored and shown (spec §2, stored normalisation). */
#include "str.h"
#include "taskdef_private.h"

static const char *as_number(struct arena *a, const char *text,
                             bool (*parse)(const char *, int64_t *))
{
    int64_t n;
    if (!text || !parse(text, &n))
        return text;
    return arena_printf(a, "%lld", (long long)n);
}

/* Ranges keep hostPort out: the host's range is only known when it runs. */
static void normalise_port(const taskdef_request *def, struct ecs_port_mapping *m)
{
    if (m->protocol == ECS_TRANSPORT_PROTOCOL_UNSET)
        m->protocol = ECS_TRANSPORT_PROTOCOL_TCP;
    if (m->container_port_range)
        return;
    bool same = def->network_mode == ECS_NETWORK_MODE_AWSVPC ||
                def->network_mode == ECS_NETWORK_MODE_HOST;
    if (same)
        m->host_port = SET_INT(m->container_port.v);
    else if (!m->host_port.set)
        m->host_port = SET_INT(0);
}

static void normalise_health(struct ecs_health_check *h)
{
    if (!h->interval.set)
        h->interval = SET_INT(30);
    if (!h->timeout.set)
        h->timeout = SET_INT(5);
    if (!h->retries.set)
        h->retries = SET_INT(3);
}

static void normalise_container(const taskdef_request *def,
                                struct ecs_container_definition *c)
{
    if (!c->essential.set)
        c->essential = SET_BOOL(true);
    if (!c->cpu.set)
        c->cpu = SET_INT(0);
    c->environment.set = true;
    c->mount_points.set = true;
    c->volumes_from.set = true;
    c->port_mappings.set = true;
    c->system_controls.set = true;
    FOR_EACH(m, &c->port_mappings)
    normalise_port(def, m);
    if (c->health_check)
        normalise_health(c->health_check);
}

void ecs_taskdef_normalise(struct arena *a, taskdef_request *def)
{
    def->cpu = as_number(a, def->cpu, ecs_parse_cpu);
    def->memory = as_number(a, def->memory, ecs_parse_memory);
    if (def->network_mode == ECS_NETWORK_MODE_UNSET)
        def->network_mode = ECS_NETWORK_MODE_BRIDGE;
    def->volumes.set = true;
    def->placement_constraints.set = true;
    FOR_EACH(c, &def->container_definitions)
    normalise_container(def, c);
}

/* ---- what follows from it ---- */

static void add_compatibility(struct arena *a, struct enum_list *list,
                              enum ecs_compatibility c)
{
    *LIST_PUSH(a, list) = (int)c;
}

static bool uses_efs_or_accelerator(const taskdef_request *def)
{
    FOR_EACH(v, &def->volumes)
    if (v->efs_volume_configuration)
        return true;
    return def->inference_accelerators.n > 0;
}

/* EXTERNAL instances have no ENIs of a VPC in AWS; who asks for it by name gets it here. */
static void compatibilities(struct arena *a, const taskdef_request *def,
                            struct enum_list *ret)
{
    struct ecs_taskdef_error unused;
    bool awsvpc = def->network_mode == ECS_NETWORK_MODE_AWSVPC;
    if ((!awsvpc && !uses_efs_or_accelerator(def)) ||
        taskdef_requires(def, ECS_COMPATIBILITY_EXTERNAL))
        add_compatibility(a, ret, ECS_COMPATIBILITY_EXTERNAL);
    add_compatibility(a, ret, ECS_COMPATIBILITY_EC2);
    if (awsvpc || def->network_mode == ECS_NETWORK_MODE_HOST ||
        taskdef_requires(def, ECS_COMPATIBILITY_MANAGED_INSTANCES))
        add_compatibility(a, ret, ECS_COMPATIBILITY_MANAGED_INSTANCES);
    if (taskdef_check_fargate(def, &unused) == 0)
        add_compatibility(a, ret, ECS_COMPATIBILITY_FARGATE);
}

void ecs_taskdef_derive(struct arena *a, const taskdef_request *def,
                        struct ecs_task_definition *ret)
{
    *ret = (struct ecs_task_definition){
        .container_definitions = def->container_definitions,
        .family = def->family,
        .task_role_arn = def->task_role_arn,
        .execution_role_arn = def->execution_role_arn,
        .network_mode = def->network_mode,
        .volumes = def->volumes,
        .placement_constraints = def->placement_constraints,
        .runtime_platform = def->runtime_platform,
        .requires_compatibilities = def->requires_compatibilities,
        .cpu = def->cpu,
        .memory = def->memory,
        .inference_accelerators = def->inference_accelerators,
        .pid_mode = def->pid_mode,
        .ipc_mode = def->ipc_mode,
        .proxy_configuration = def->proxy_configuration,
        .ephemeral_storage = def->ephemeral_storage,
        .enable_fault_injection = def->enable_fault_injection,
    };
    compatibilities(a, def, &ret->compatibilities);
    taskdef_attributes(a, def, &ret->requires_attributes);
}
