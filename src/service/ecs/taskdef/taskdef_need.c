/* What a task takes of an instance (spec §4, resource need), with RunTask's overrides. */
#include <stdio.h>

#include "str.h"
#include "taskdef_private.h"

static int bad_parameter(struct ecs_taskdef_error *err, const char *fmt, const char *what)
{
    taskdef_bad(err, fmt, what);
    err->fault = TASKDEF_INVALID_PARAMETER;
    return -E_INVALID;
}

static const struct ecs_container_override *
override_of(const struct ecs_task_override *overrides, const char *container)
{
    if (overrides)
        FOR_EACH(o, &overrides->container_overrides)
    if (streq(o->name, container))
        return o;
    return NULL;
}

static int check_overrides(const struct ecs_task_definition *def,
                           const struct ecs_task_override *overrides,
                           struct ecs_taskdef_error *err)
{
    FOR_EACH(o, &overrides->container_overrides)
    {
        bool known = false;
        FOR_EACH(c, &def->container_definitions)
        known |= streq(c->name, o->name);
        if (!known)
            return bad_parameter(err,
                                 "Override for container named %s is not a container in "
                                 "the TaskDefinition.",
                                 o->name ? o->name : "");
        if (o->cpu.v < 0 || (o->memory.set && o->memory.v < 4) ||
            (o->memory_reservation.set && o->memory_reservation.v < 4))
            return bad_parameter(
                err, "Invalid setting in the override for container '%s'.", o->name);
    }
    return 0;
}

/* The task's own size, or the sum of what its containers reserve. */
static int size_of(const char *override, const char *own,
                   bool (*parse)(const char *, int64_t *), const char *name, int64_t sum,
                   int64_t *ret, struct ecs_taskdef_error *err)
{
    const char *text = override ? override : own;
    *ret = sum;
    if (text && !parse(text, ret))
        return bad_parameter(err, "Invalid '%s' setting for task.", name);
    return 0;
}

static int64_t reserved(const struct ecs_container_definition *c,
                        const struct ecs_container_override *o)
{
    struct opt_int soft =
        o && o->memory_reservation.set ? o->memory_reservation : c->memory_reservation;
    struct opt_int hard = o && o->memory.set ? o->memory : c->memory;
    return soft.set ? soft.v : hard.v;
}

static int32_t gpus(const struct ecs_container_definition *c,
                    const struct ecs_container_override *o)
{
    const struct ecs_resource_requirement_list *list = o && o->resource_requirements.set
                                                           ? &o->resource_requirements
                                                           : &c->resource_requirements;
    int64_t sum = 0, n;
    FOR_EACH(q, list)
    if (q->type == ECS_RESOURCE_TYPE_GPU && str_to_i64(q->value, 0, 1024, &n))
        sum += n;
    return (int32_t)sum;
}

/* In the arena, so never to be freed or grown by port_set_*. */
static void add_port(struct arena *a, struct port_set *set, uint16_t port)
{
    if (port_set_has(set, port))
        return;
    uint16_t *v = arena_new_array(a, uint16_t, set->n + 1);
    uint32_t at = 0;
    for (; at < set->n && set->v[at] < port; at++)
        v[at] = set->v[at];
    v[at] = port;
    for (; at < set->n; at++)
        v[at + 1] = set->v[at];
    set->v = v;
    set->cap = ++set->n;
}

static void add_ports(struct arena *a, const struct ecs_container_definition *c,
                      struct place_resources *r)
{
    FOR_EACH(m, &c->port_mappings)
    {
        if (m->host_port.v <= 0 || m->host_port.v > 65535)
            continue;
        bool udp = m->protocol == ECS_TRANSPORT_PROTOCOL_UDP;
        add_port(a, udp ? &r->udp : &r->tcp, (uint16_t)m->host_port.v);
    }
}

/* requiresAttributes, and the platform as the attributes that instances have. */
static void add_attributes(struct arena *a, const struct ecs_task_definition *def,
                           struct place_need *ret)
{
    const struct ecs_runtime_platform *p = def->runtime_platform;
    struct place_attribute *v =
        arena_new_array(a, struct place_attribute, def->requires_attributes.n + 2);
    size_t n = 0;
    FOR_EACH(at, &def->requires_attributes)
    v[n++] = (struct place_attribute){at->name, at->value};
    if (p && p->cpu_architecture)
        v[n++] = (struct place_attribute){
            "ecs.cpu-architecture",
            p->cpu_architecture == ECS_CPU_ARCHITECTURE_ARM64 ? "arm64" : "x86_64"};
    if (p && p->operating_system_family)
        v[n++] = (struct place_attribute){
            "ecs.os-family",
            wire_enum_name(&ecs_os_family_shape, (int)p->operating_system_family)};
    ret->attributes = v;
    ret->attribute_count = n;
}

int ecs_taskdef_need(struct arena *a, const struct ecs_task_definition *def,
                     const struct ecs_task_override *overrides, struct place_need *ret,
                     struct ecs_taskdef_error *ret_error)
{
    struct place_need need = {0};
    struct place_resources *r = &need.resources;
    int64_t cpu = 0, memory = 0;
    if (overrides && check_overrides(def, overrides, ret_error) < 0)
        return -E_INVALID;
    bool awsvpc = def->network_mode == ECS_NETWORK_MODE_AWSVPC;
    FOR_EACH(c, &def->container_definitions)
    {
        const struct ecs_container_override *o = override_of(overrides, c->name);
        cpu += o && o->cpu.set ? o->cpu.v : c->cpu.v;
        memory += reserved(c, o);
        r->gpus += gpus(c, o);
        if (!awsvpc)
            add_ports(a, c, r);
    }
    r->enis = awsvpc;
    if (size_of(overrides ? overrides->cpu : NULL, def->cpu, ecs_parse_cpu, "cpu", cpu,
                &r->cpu, ret_error) < 0 ||
        size_of(overrides ? overrides->memory : NULL, def->memory, ecs_parse_memory,
                "memory", memory, &r->memory_mib, ret_error) < 0)
        return -E_INVALID;
    add_attributes(a, def, &need);
    *ret = need;
    return 0;
}
