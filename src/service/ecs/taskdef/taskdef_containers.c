/* Rules of the containers: identity, memory and CPU, order of start. */
#include "str.h"
#include "taskdef_private.h"

typedef struct ecs_container_definition container;

static int check_identity(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    bool essential = false;
    if (def->container_definitions.n == 0)
        return taskdef_bad(err, "Container list cannot be empty");
    if (def->container_definitions.n > TASKDEF_MAX_CONTAINERS)
        return taskdef_bad(err, "Task definition cannot have more than %d containers",
                           TASKDEF_MAX_CONTAINERS);
    FOR_EACH(c, &def->container_definitions)
    {
        if (str_empty(c->name))
            return taskdef_bad(err, "Container.name should not be null or empty.");
        if (!taskdef_name_valid(c->name, 255))
            return taskdef_bad(err, "Container.name contains invalid characters.");
        if (str_empty(c->image))
            return taskdef_bad(err, "Container.image should not be null or empty.");
        if (taskdef_container(def, c->name) != c)
            return taskdef_bad(err,
                               "Container names must be unique within a task definition");
        essential |= taskdef_is_essential(c);
    }
    if (!essential)
        return taskdef_bad(err, "Task definition doesn't have any essential container");
    return 0;
}

static int check_memory(const taskdef_request *def, const container *c,
                        struct ecs_taskdef_error *err)
{
    int64_t task = INT64_MAX;
    bool has_task = def->memory && ecs_parse_memory(def->memory, &task);
    if (!has_task && !c->memory.set && !c->memory_reservation.set)
        return taskdef_bad(
            err,
            "Invalid setting for container '%s'. At least one of 'memory' or "
            "'memoryReservation' must be specified.",
            c->name);
    if ((c->memory.set && c->memory.v < 4) ||
        (c->memory_reservation.set && c->memory_reservation.v < 4))
        return taskdef_bad(err,
                           "Invalid setting for container '%s'. 'memory' and "
                           "'memoryReservation' must be at least 4 MiB.",
                           c->name);
    if (c->memory.set && c->memory_reservation.set &&
        c->memory.v < c->memory_reservation.v)
        return taskdef_bad(err,
                           "Invalid setting for container '%s'. 'memory' must be greater "
                           "than or equal to 'memoryReservation'",
                           c->name);
    if (c->memory.set && c->memory.v > task)
        return taskdef_bad(
            err, "The 'memory' setting for container '%s' is greater than for the task",
            c->name);
    if (c->memory_reservation.set && c->memory_reservation.v > task)
        return taskdef_bad(
            err,
            "The 'memoryReservation' setting for container '%s' is greater "
            "than for the task",
            c->name);
    return 0;
}

static int check_cpu(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    int64_t task, sum = 0;
    FOR_EACH(c, &def->container_definitions)
    {
        if (c->cpu.v < 0)
            return taskdef_bad(err, "Invalid 'cpu' setting for container '%s'.", c->name);
        sum += c->cpu.v;
    }
    if (def->cpu && ecs_parse_cpu(def->cpu, &task) && sum > task)
        return taskdef_bad(err, "The sum of all container 'cpu' values cannot be greater "
                                "than the value of the task 'cpu'.");
    return 0;
}

/* ---- dependencies ---- */

static int check_dependency(const taskdef_request *def,
                            const struct ecs_container_dependency *d,
                            struct ecs_taskdef_error *err)
{
    const container *on = taskdef_container(def, d->container_name);
    if (!on)
        return taskdef_bad(err, "Cannot depend on container %s because it does not exist",
                           d->container_name);
    if ((d->condition == ECS_CONTAINER_CONDITION_SUCCESS ||
         d->condition == ECS_CONTAINER_CONDITION_COMPLETE) &&
        taskdef_is_essential(on))
        return taskdef_bad(err,
                           "A dependency container with SUCCESS or COMPLETE condition "
                           "cannot be an essential container");
    if (d->condition == ECS_CONTAINER_CONDITION_HEALTHY && !on->health_check)
        return taskdef_bad(err, "A dependency container with HEALTHY condition must have "
                                "health check configured");
    return 0;
}

/* One bit a container: there are at most ten. */
static unsigned bit_of(const taskdef_request *def, const char *name, size_t len)
{
    FOR_EACH(c, &def->container_definitions)
    if (strlen(c->name) == len && memcmp(c->name, name, len) == 0)
        return 1u << (c - def->container_definitions.v);
    return 0;
}

/* What must have been started before: dependsOn, links ("name:alias") and volumesFrom. */
static unsigned needs_of(const taskdef_request *def, const container *c)
{
    unsigned needs = 0;
    FOR_EACH(d, &c->depends_on)
    needs |= bit_of(def, d->container_name, strlen(d->container_name));
    FOR_EACH(link, &c->links)
    needs |= bit_of(def, *link, strcspn(*link, ":"));
    FOR_EACH(from, &c->volumes_from)
    if (from->source_container)
        needs |= bit_of(def, from->source_container, strlen(from->source_container));
    return needs;
}

/* Takes away what can start until nothing changes; what is left waits for itself. */
static int check_cycles(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    size_t n = def->container_definitions.n;
    unsigned waiting = (1u << n) - 1, before;
    do {
        before = waiting;
        for (size_t k = 0; k < n; k++)
            if (!(needs_of(def, &def->container_definitions.v[k]) & waiting))
                waiting &= ~(1u << k);
    } while (waiting != before);
    for (size_t k = 0; k < n; k++)
        if (waiting & (1u << k))
            return taskdef_bad(err,
                               "Container '%s' is part of a dependency cycle, or depends "
                               "on one",
                               def->container_definitions.v[k].name);
    return 0;
}

int taskdef_check_containers(const taskdef_request *def, struct ecs_taskdef_error *err)
{
    int r = check_identity(def, err);
    if (r == 0)
        r = check_cpu(def, err);
    FOR_EACH(c, &def->container_definitions)
    {
        if (r < 0)
            return r;
        r = check_memory(def, c, err);
        FOR_EACH(d, &c->depends_on)
        if (r == 0)
            r = check_dependency(def, d, err);
    }
    return r < 0 ? r : check_cycles(def, err);
}
