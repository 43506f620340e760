/* See service_zones.h. */
#include "service_zones.h"

#define MAX_ZONES 32

static bool spreads_over_zones(const struct ecs_service *rec)
{
    const struct ecs_placement_strategy_list *l = &rec->placement_strategy;
    return l->n == 0 || (l->v[0].type == ECS_PLACEMENT_STRATEGY_TYPE_SPREAD &&
                         streq(l->v[0].field, "attribute:" PLACE_ZONE_ATTRIBUTE));
}

static bool rebalanced(const struct service *s)
{
    const struct ecs_service *rec = s->rec->service;
    return rec->availability_zone_rebalancing ==
               ECS_AVAILABILITY_ZONE_REBALANCING_ENABLED &&
           rec->scheduling_strategy == ECS_SCHEDULING_STRATEGY_REPLICA &&
           rec->launch_type == ECS_LAUNCH_TYPE_EC2 && spreads_over_zones(rec) &&
           rec->deployment_configuration->maximum_percent.v > 100;
}

static bool at_rest(const struct deployment_service *s)
{
    if (s->deployment_count != 1 || s->draining || s->task_count != s->desired)
        return false;
    for (size_t i = 0; i < s->task_count; i++)
        if (s->tasks[i].phase != PHASE_RUNNING || s->tasks[i].stop_wanted)
            return false;
    return true;
}

struct zones {
    const char *name[MAX_ZONES];
    size_t n;
};

/* Index of the zone; a new one when there is room, else the last. */
static uint32_t zone_index(struct zones *z, const char *name)
{
    for (size_t i = 0; i < z->n; i++)
        if (streq(z->name[i], name))
            return (uint32_t)i;
    if (z->n < MAX_ZONES)
        z->name[z->n++] = name;
    return (uint32_t)z->n - 1;
}

void service_zones_picture(struct core *core, struct service *s,
                           struct service_picture *p)
{
    struct launch l;
    if (!rebalanced(s) || !at_rest(&p->service) || p->service.task_count < 2 ||
        service_launch_prepare(core, s, p->deployments[0].task_definition, &l) < 0)
        return;
    struct zones *z = arena_new(core_scratch(core), struct zones);
    for (size_t i = 0; i < p->service.task_count; i++) {
        const struct task *t = p->tasks[i].owner;
        const char *zone = t->rec->task->availability_zone;
        p->tasks[i].zone = zone_index(z, zone ? zone : "");
    }
    list_for_each (it, &s->cluster->instances) {
        const struct instance *i = list_entry(it, struct instance, link);
        const char *zone = instance_zone(i);
        if (zone && launch_eligible(&l, i) == PLACE_OK)
            zone_index(z, zone);
    }
    launch_fini(&l);
    p->service.zones = z->name;
    p->service.zone_count = z->n;
}

void service_zones_instance(struct core *core, const struct instance *i)
{
    const char *zone = instance_zone(i);
    if (!zone)
        return;
    list_for_each (it, &i->cluster->instances) {
        const struct instance *other = list_entry(it, struct instance, link);
        if (other != i && other->connected && instance_active(other) &&
            streq(instance_zone(other), zone))
            return;
    }
    list_for_each (it, &i->cluster->services) {
        struct service *s = list_entry(it, struct service, link);
        if (rebalanced(s))
            wake_now(core, &s->wake);
    }
}
