#include "task_order.h"

#include "firelens_config.h"
#include "str.h"
#include "task_spec.h"

static int find_container(const struct ecs_task_definition *def, const char *name,
                          uint16_t *ret)
{
    for (size_t i = 0; i < def->container_definitions.n; i++) {
        if (streq(def->container_definitions.v[i].name, name)) {
            *ret = (uint16_t)i;
            return 0;
        }
    }
    return -E_NOTFOUND;
}

struct edges {
    struct order_edge *v;
    size_t n;
};

static int add_edge(struct edges *e, const struct ecs_task_definition *def, size_t who,
                    const char *on, enum ecs_container_condition condition,
                    struct error *err)
{
    uint16_t index;
    if (find_container(def, on, &index) < 0)
        return fail(err, E_INVALID,
                    "container '%s' depends on '%s', which does not exist",
                    def->container_definitions.v[who].name, on ? on : "");
    e->v[e->n++] = (struct order_edge){(uint16_t)who, index, condition};
    return 0;
}

static int collect(struct arena *a, struct edges *e,
                   const struct ecs_task_definition *def, size_t who, struct error *err)
{
    const struct ecs_container_definition *c = &def->container_definitions.v[who];
    for (size_t i = 0; i < c->depends_on.n; i++) {
        const struct ecs_container_dependency *d = &c->depends_on.v[i];
        int r = add_edge(e, def, who, d->container_name, d->condition, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < c->volumes_from.n; i++) {
        int r = add_edge(e, def, who, c->volumes_from.v[i].source_container,
                         ECS_CONTAINER_CONDITION_START, err);
        if (r < 0)
            return r;
    }
    const struct ecs_container_definition *router = firelens_router(def);
    if (router && router != c && firelens_sends(c)) {
        int r = add_edge(e, def, who, router->name, ECS_CONTAINER_CONDITION_START, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < c->links.n; i++) {
        const char *name, *alias;
        if (!link_parse(a, c->links.v[i], &name, &alias))
            return fail(err, E_INVALID, "container '%s' has a bad link '%s'", c->name,
                        c->links.v[i]);
        int r = add_edge(e, def, who, name, ECS_CONTAINER_CONDITION_START, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Takes away, again and again, what waits for nothing; what stays is a cycle. */
static bool has_cycle(struct arena *a, const struct task_order *o)
{
    bool *gone = arena_new_array(a, bool, o->count + 1);
    size_t left = o->count;
    for (bool progress = true; progress && left > 0;) {
        progress = false;
        for (size_t i = 0; i < o->count; i++) {
            bool waits = gone[i];
            for (size_t e = 0; e < o->edge_count && !waits; e++)
                waits = o->edges[e].who == i && !gone[o->edges[e].on];
            if (waits)
                continue;
            gone[i] = progress = true;
            left--;
        }
    }
    return left > 0;
}

int task_order_build(struct arena *a, const struct ecs_task_definition *def,
                     struct task_order *ret, struct error *err)
{
    size_t most = 0, n = def->container_definitions.n;
    if (n > UINT16_MAX)
        return fail(err, E_LIMIT, "a task of %zu containers", n);
    for (size_t i = 0; i < n; i++)
        most += def->container_definitions.v[i].depends_on.n +
                def->container_definitions.v[i].volumes_from.n +
                def->container_definitions.v[i].links.n + 1;
    struct edges e = {.v = arena_new_array(a, struct order_edge, most + 1)};
    for (size_t i = 0; i < n; i++) {
        int r = collect(a, &e, def, i, err);
        if (r < 0)
            return r;
    }
    struct task_order o = {.count = n, .edges = e.v, .edge_count = e.n};
    if (has_cycle(a, &o))
        return fail(err, E_INVALID, "the containers depend on each other in a circle");
    *ret = o;
    return 0;
}

static enum order_answer ask(const struct order_edge *e, const struct order_view *on)
{
    if (on->failed_to_start)
        return ORDER_NEVER;
    switch (e->condition) {
    case ECS_CONTAINER_CONDITION_COMPLETE:
        return on->done ? ORDER_GO : ORDER_WAIT;
    case ECS_CONTAINER_CONDITION_SUCCESS:
        if (!on->done)
            return ORDER_WAIT;
        return on->has_exit_code && on->exit_code == 0 ? ORDER_GO : ORDER_NEVER;
    case ECS_CONTAINER_CONDITION_HEALTHY:
        if (on->healthy)
            return ORDER_GO;
        return on->done ? ORDER_NEVER : ORDER_WAIT;
    default:
        return on->up ? ORDER_GO : on->done ? ORDER_NEVER : ORDER_WAIT;
    }
}

static bool time_is_over(const struct order_edge *e, const struct order_view *on)
{
    return on->late && (e->condition == ECS_CONTAINER_CONDITION_COMPLETE ||
                        e->condition == ECS_CONTAINER_CONDITION_SUCCESS ||
                        e->condition == ECS_CONTAINER_CONDITION_HEALTHY);
}

enum order_answer task_order_may_start(const struct task_order *o, size_t i,
                                       const struct order_view *views, size_t *ret_on)
{
    enum order_answer all = ORDER_GO;
    for (size_t e = 0; e < o->edge_count; e++) {
        if (o->edges[e].who != i)
            continue;
        enum order_answer one = ask(&o->edges[e], &views[o->edges[e].on]);
        if (one == ORDER_WAIT && time_is_over(&o->edges[e], &views[o->edges[e].on]))
            one = ORDER_LATE;
        if (one == ORDER_NEVER || one == ORDER_LATE) {
            *ret_on = o->edges[e].on;
            return one;
        }
        if (one == ORDER_WAIT)
            all = ORDER_WAIT;
    }
    return all;
}

bool task_order_may_stop(const struct task_order *o, size_t i,
                         const struct order_view *views)
{
    for (size_t e = 0; e < o->edge_count; e++)
        if (o->edges[e].on == i && !views[o->edges[e].who].done)
            return false;
    return true;
}
