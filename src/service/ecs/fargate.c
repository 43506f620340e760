#include "fargate.h"

#include <string.h>

#include "capacity_provider.h"
#include "task_network.h"

bool fargate_pool_named(const char *reference)
{
    return reference && streq(ecs_last_segment(reference), FARGATE_POOL);
}

struct cluster *fargate_pool(struct core *core, const char *account, const char *region)
{
    return table_find(ecs_of(core)->clusters, ecs_key(core_scratch(core), "cluster",
                                                      account, region, FARGATE_POOL));
}

struct cluster *fargate_pool_need(struct core *core, const char *account,
                                  const char *region)
{
    struct cluster *pool = fargate_pool(core, account, region);
    return pool ? pool : cluster_create(core, account, region, FARGATE_POOL);
}

/* ---- rules ---- */

const char *fargate_platform_version(const char *wanted)
{
    return str_empty(wanted) || streq(wanted, "LATEST") ? "1.4.0" : wanted;
}

static bool compatible(const struct ecs_task_definition *def)
{
    for (size_t i = 0; i < def->compatibilities.n; i++)
        if (def->compatibilities.v[i] == ECS_COMPATIBILITY_FARGATE)
            return true;
    return false;
}

static bool uses_efs(const struct ecs_task_definition *def)
{
    for (size_t i = 0; i < def->volumes.n; i++)
        if (def->volumes.v[i].efs_volume_configuration)
            return true;
    return false;
}

/* What came with 1.4.0. */
static bool needs_newest(const struct ecs_task_definition *def)
{
    int64_t cpu = 0;
    if (def->cpu)
        ecs_parse_cpu(def->cpu, &cpu);
    return cpu >= 8192 || def->ephemeral_storage || uses_efs(def);
}

int fargate_check(struct call *c, const struct ecs_task_definition *def,
                  const struct launch_terms *terms)
{
    const char *version = fargate_platform_version(terms->platform_version);
    if (!compatible(def))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Task definition does not support launch_type FARGATE.");
    if (!streq(version, "1.4.0") && !streq(version, "1.3.0"))
        return call_fault(c, &ecs_platform_unknown_exception,
                          "The specified platform does not exist.");
    if (streq(version, "1.3.0") && needs_newest(def))
        return call_fault(c, &ecs_platform_task_definition_incompatibility_exception,
                          "The specified platform version does not satisfy the task "
                          "definition's required capabilities.");
    return task_network_check(c, terms->network, true);
}

static bool windows(const struct ecs_task_definition *def)
{
    const struct ecs_runtime_platform *p = def->runtime_platform;
    return p && p->operating_system_family &&
           p->operating_system_family != ECS_OS_FAMILY_LINUX;
}

int fargate_override_check(struct call *c, const struct ecs_task_definition *def,
                           const struct ecs_task_override *o)
{
    int64_t cpu, memory;
    if (!o)
        return 0;
    const char *cpu_text = o->cpu ? o->cpu : def->cpu;
    const char *memory_text = o->memory ? o->memory : def->memory;
    if (!cpu_text || !memory_text || !ecs_parse_cpu(cpu_text, &cpu) ||
        !ecs_parse_memory(memory_text, &memory) ||
        !ecs_fargate_size(cpu, memory, windows(def)))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "No Fargate configuration exists for given values.");
    if (o->ephemeral_storage && o->ephemeral_storage->size_in_gib.v < 21)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "EphemeralStorage size should be at least 21");
    if (o->ephemeral_storage && o->ephemeral_storage->size_in_gib.v > 200)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "EphemeralStorage size should be at most 200");
    return 0;
}

int32_t fargate_disk_gib(const struct ecs_task_definition *def,
                         const struct ecs_task_override *o)
{
    if (o && o->ephemeral_storage)
        return o->ephemeral_storage->size_in_gib.v;
    return def->ephemeral_storage ? def->ephemeral_storage->size_in_gib.v
                                  : FARGATE_DISK_GIB;
}

void fargate_need(struct arena *a, const struct ecs_task_definition *def,
                  struct place_need *need)
{
    const struct ecs_runtime_platform *p = def->runtime_platform;
    need->attributes = NULL;
    need->attribute_count = 0;
    if (!p || !p->cpu_architecture)
        return;
    struct place_attribute *arch = arena_new(a, struct place_attribute);
    *arch = (struct place_attribute){
        "ecs.cpu-architecture",
        p->cpu_architecture == ECS_CPU_ARCHITECTURE_ARM64 ? "arm64" : "x86_64"};
    need->attributes = arch;
    need->attribute_count = 1;
}

/* ---- spot tasks give way ---- */

struct room {
    int64_t cpu, memory_mib;
};

static bool covers(const struct room *r, const struct place_need *need)
{
    return r->cpu >= need->resources.cpu && r->memory_mib >= need->resources.memory_mib;
}

static void add_task(struct room *r, const struct task *t)
{
    int64_t cpu = 0, memory = 0;
    str_to_i64(t->rec->task->cpu, 0, INT64_MAX, &cpu);
    str_to_i64(t->rec->task->memory, 0, INT64_MAX, &memory);
    r->cpu += cpu;
    r->memory_mib += memory;
}

/* What will be free when all that stops is gone and all promises are kept. */
static struct room room_soon(const struct instance *i, const struct reclaim *r)
{
    const struct place_resources *total = place_instance_total(i->place);
    const struct place_resources *used = place_instance_used(i->place);
    struct room room = {total->cpu - used->cpu, total->memory_mib - used->memory_mib};
    list_for_each (it, &i->tasks) {
        const struct task *t = list_entry(it, struct task, instance_link);
        if (t->stopping)
            add_task(&room, t);
    }
    for (size_t k = 0; k < r->n; k++)
        if (r->promise[k].instance == i) {
            room.cpu -= r->promise[k].cpu;
            room.memory_mib -= r->promise[k].memory_mib;
        }
    return room;
}

static bool is_victim(const struct task *t)
{
    return !t->stopping &&
           streq(t->rec->task->capacity_provider_name, PROVIDER_SPOT_NAME);
}

/* How many spot tasks have to go for it, the youngest first; -1 when all are not enough. */
static int victims_for(const struct instance *i, const struct place_need *need,
                       struct room room)
{
    int n = 0;
    for (struct list *it = i->tasks.prev; it != &i->tasks; it = it->prev) {
        if (covers(&room, need))
            break;
        const struct task *t = list_entry(it, struct task, instance_link);
        if (is_victim(t)) {
            add_task(&room, t);
            n++;
        }
    }
    return covers(&room, need) ? n : -1;
}

static void stop_victims(struct core *core, struct instance *i, int n)
{
    while (n-- > 0) {
        struct task *victim = NULL;
        for (struct list *it = i->tasks.prev; it != &i->tasks; it = it->prev) {
            struct task *t = list_entry(it, struct task, instance_link);
            if (!victim && is_victim(t))
                victim = t;
        }
        if (!victim)
            return;
        task_stop(core, victim, ECS_TASK_STOP_CODE_SPOT_INTERRUPTION,
                  "Your Spot Task was interrupted.");
    }
}

bool fargate_reclaim(struct core *core, struct cluster *pool,
                     const struct place_need *need, struct reclaim *r)
{
    struct place_need anything = *need;
    anything.resources = (struct place_resources){0};
    struct instance *best = NULL;
    int fewest = -1;
    if (r->n == sizeof(r->promise) / sizeof(r->promise[0]))
        return false; /* so many at once have to wait for the next pass */
    list_for_each (it, &pool->instances) {
        struct instance *i = list_entry(it, struct instance, link);
        if (place_check(pool->place, i->place, &anything, NULL) != PLACE_OK)
            continue;
        int n = victims_for(i, need, room_soon(i, r));
        if (n >= 0 && (!best || n < fewest)) {
            best = i;
            fewest = n;
        }
    }
    if (!best)
        return false;
    r->promise[r->n].instance = best;
    r->promise[r->n].cpu = need->resources.cpu;
    r->promise[r->n++].memory_mib = need->resources.memory_mib;
    stop_victims(core, best, fewest);
    return true;
}
