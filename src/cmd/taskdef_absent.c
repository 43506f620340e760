/* Stands in until src/service/ecs has the rules of task definitions: no checks, and needs
 * are the sums of the containers' numbers. The build leaves it out once they are there. */
#include <string.h>

#include "ecs_api.h"
#include "taskdef_rules.h"

int ecs_taskdef_check(const struct ecs_register_task_definition_request *def,
                      struct ecs_taskdef_error *ret_error)
{
    return 0;
}

void ecs_taskdef_normalise(struct arena *a,
                           struct ecs_register_task_definition_request *def)
{
}

void ecs_taskdef_derive(struct arena *a,
                        const struct ecs_register_task_definition_request *def,
                        struct ecs_task_definition *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->family = def->family;
    ret->network_mode = def->network_mode;
    ret->container_definitions = def->container_definitions;
    ret->volumes = def->volumes;
    ret->placement_constraints = def->placement_constraints;
    ret->requires_compatibilities = def->requires_compatibilities;
    ret->cpu = def->cpu;
    ret->memory = def->memory;
    ret->pid_mode = def->pid_mode;
    ret->ipc_mode = def->ipc_mode;
}

int ecs_taskdef_need(struct arena *a, const struct ecs_task_definition *def,
                     const struct ecs_task_override *overrides, struct place_need *ret,
                     struct ecs_taskdef_error *ret_error)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        const struct ecs_container_definition *c = &def->container_definitions.v[i];
        ret->resources.cpu += c->cpu.v;
        ret->resources.memory_mib +=
            c->memory_reservation.v ? c->memory_reservation.v : c->memory.v;
    }
    return 0;
}
