#include <stdlib.h>

#include "balancer.h"
#include "balancer_attribute.h"

struct balancer_group *balancer_group_new(const char *arn)
{
    struct balancer_group *g = xcalloc(1, sizeof(*g));
    g->arn = xstrdup(arn);
    return g;
}

static void target_free(struct balancer_group *g, struct balancer_target *t)
{
    HASH_DEL(g->targets, t);
    free(t->id);
    free(t->address);
    free(t);
}

void balancer_group_free(struct balancer_group *g)
{
    struct balancer_target *t, *next;
    HASH_ITER (hh, g->targets, t, next)
        target_free(g, t);
    arena_free(&g->arena);
    free(g->checked_by);
    free(g->arn);
    free(g);
}

static bool update_settings(struct balancer_group *g,
                            const struct gantry_edge_target_group *from,
                            int64_t first_gap_ms)
{
    struct gantry_edge_target_group settings = {.target_group = from->target_group,
                                                .attributes = from->attributes};
    if (g->group && wire_equal(&gantry_edge_target_group_shape, g->group, &settings))
        return false;
    struct arena fresh = ARENA_INIT;
    g->group = wire_copy(&fresh, &gantry_edge_target_group_shape, &settings);
    arena_free(&g->arena);
    g->arena = fresh;
    target_health_rule_of(g->group->target_group, first_gap_ms, &g->rule);
    return true;
}

static struct balancer_target *find_or_add(struct balancer_group *g,
                                           const struct gantry_edge_target *from,
                                           bool *ret_fresh)
{
    char name[BALANCER_NAME_SIZE];
    struct balancer_target *t;
    const char *address = str_empty(from->address) ? from->id : from->address;
    balancer_server_name(g->arn, from->id, address, from->port.v, name);
    HASH_FIND_STR(g->targets, name, t);
    *ret_fresh = !t;
    if (t)
        return t;
    t = xcalloc(1, sizeof(*t));
    memcpy(t->server, name, sizeof(name));
    t->id = xstrdup(from->id ? from->id : "");
    t->address = xstrdup(address ? address : "");
    t->port = from->port.v;
    target_health_begin(&t->health);
    HASH_ADD_STR(g->targets, server, t);
    return t;
}

bool balancer_group_update(struct balancer_group *g,
                           const struct gantry_edge_target_group *from,
                           int64_t first_gap_ms, const struct balancer_group_news *news)
{
    struct balancer_target *t, *next;
    bool changed = update_settings(g, from, first_gap_ms), fresh;
    HASH_ITER (hh, g->targets, t, next)
        t->named = false;
    for (size_t i = 0; i < from->targets.n; i++) {
        t = find_or_add(g, &from->targets.v[i], &fresh);
        /* One that comes back from draining is as new. */
        bool back = t->draining && !from->targets.v[i].draining.v;
        if (back)
            target_health_begin(&t->health);
        bool leaves = !t->draining && from->targets.v[i].draining.v;
        t->draining = from->targets.v[i].draining.v;
        t->named = true;
        if (fresh || back || leaves)
            news->fresh(news->ctx, g, t);
    }
    HASH_ITER (hh, g->targets, t, next) {
        if (t->named)
            continue;
        news->gone(news->ctx, g, t);
        target_free(g, t);
    }
    return changed;
}

/* target_group_health.unhealthy_state_routing.minimum_healthy_targets.* */
static bool too_few(const struct balancer_group *g, size_t healthy, size_t registered)
{
    const struct elbv2_target_group_attribute_list *list = &g->group->attributes;
    int64_t count =
        attribute_number(group_attribute(list,
                                         "target_group_health.unhealthy_state_routing."
                                         "minimum_healthy_targets.count",
                                         NULL),
                         1, 1000, 1);
    int64_t percentage =
        attribute_number(group_attribute(list,
                                         "target_group_health.unhealthy_state_routing."
                                         "minimum_healthy_targets.percentage",
                                         NULL),
                         1, 100, 0);
    return (int64_t)healthy < count ||
           (int64_t)healthy * 100 < percentage * (int64_t)registered;
}

bool balancer_group_route(struct balancer_group *g)
{
    struct balancer_target *t, *next;
    size_t healthy = 0, registered = 0;
    bool changed = false;
    if (!g->group)
        return false;
    HASH_ITER (hh, g->targets, t, next) {
        registered += !t->draining;
        healthy += !t->draining && t->health.state == TARGET_HEALTHY;
    }
    bool open = !g->rule.enabled || too_few(g, healthy, registered);
    HASH_ITER (hh, g->targets, t, next) {
        bool judged = t->health.state == TARGET_UNHEALTHY || !g->rule.enabled;
        bool up = !t->draining && (t->health.state == TARGET_HEALTHY || (open && judged));
        changed |= up != t->up;
        t->up = up;
    }
    return changed;
}
