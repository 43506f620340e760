#include "router_routes.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "arena.h"
#include "router_rules.h"

#define TABLE_BASE    UINT32_C(0x20000000)
#define RULE_PRIORITY 40000 /* after the main table's 32766 */

void router_routes_free(struct router_routes *r)
{
    free(r->routes);
    free(r->rules);
    *r = (struct router_routes){0};
}

static void add_route(struct router_routes *r, const struct link_route *route)
{
    if (r->route_count == r->route_cap) {
        r->route_cap = r->route_cap ? r->route_cap * 2 : 8;
        r->routes = xrealloc(r->routes, r->route_cap * sizeof(*r->routes));
    }
    r->routes[r->route_count++] = *route;
}

static void add_rule(struct router_routes *r, const struct link_rule *rule)
{
    if (r->rule_count == r->rule_cap) {
        r->rule_cap = r->rule_cap ? r->rule_cap * 2 : 8;
        r->rules = xrealloc(r->rules, r->rule_cap * sizeof(*r->rules));
    }
    r->rules[r->rule_count++] = *rule;
}

/* --- what should be --- */

static uint32_t start(const char *id)
{
    uint32_t h = 2166136261u;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return h & UINT32_C(0x00ffffff);
}

/* The same after a restart, without being written down. */
uint32_t router_subnet_table(const struct gantry_edge_vpc *v, const char *subnet_id)
{
    uint32_t want = start(subnet_id), skip = 0;
    for (size_t i = 0; i < v->subnets.n && !streq(v->subnets.v[i].subnet_id, subnet_id);
         i++)
        skip += start(v->subnets.v[i].subnet_id) == want;
    return TABLE_BASE + want + (skip << 24);
}

static const struct gantry_edge_nat_gateway *find_nat(const struct gantry_edge_vpc *v,
                                                      const char *id)
{
    for (size_t i = 0; i < v->nat_gateways.n; i++)
        if (streq(v->nat_gateways.v[i].nat_gateway_id, id))
            return &v->nat_gateways.v[i];
    return NULL;
}

/* A target that leads nowhere swallows what goes to it, as a route in state blackhole. */
static void aim(const struct gantry_edge_vpc *v, const struct gantry_edge_route *e,
                const struct router_hops *hops, struct link_route *ret)
{
    const struct gantry_edge_nat_gateway *nat;
    ret->kind = LINK_BLACKHOLE;
    switch (e->target) {
    case GANTRY_EDGE_ROUTE_TARGET_INTERNET:
        ret->gateway_be = hops->gateway_be;
        ret->out_index = hops->uplink;
        break;
    case GANTRY_EDGE_ROUTE_TARGET_NAT:
        nat = find_nat(v, e->id);
        if (nat && router_nat_works(v, nat)) {
            ret->gateway_be = router_nat_hop_be(v, e->id);
            ret->out_index = hops->uplink;
        }
        break;
    case GANTRY_EDGE_ROUTE_TARGET_INTERFACE:
        ret->out_index = hops->interface(hops->ctx, e->id, &ret->gateway_be);
        break;
    default:
        break;
    }
    if (ret->out_index)
        ret->kind = LINK_UNICAST;
    else
        ret->gateway_be = 0;
}

int router_routes_wanted(const struct gantry_edge_vpc *v, const struct router_hops *hops,
                         struct router_routes *ret, struct error *err)
{
    for (size_t i = 0; i < v->subnets.n; i++) {
        const struct gantry_edge_subnet *s = &v->subnets.v[i];
        struct link_rule rule = {.priority = RULE_PRIORITY};
        if (!router_cidr(s->cidr_block, &rule.from_be, &rule.from_len))
            return fail(err, E_INVALID, "'%s' is no address range", s->cidr_block);
        rule.table = router_subnet_table(v, s->subnet_id);
        add_rule(ret, &rule);
        for (size_t k = 0; k < s->routes.n; k++) {
            const struct gantry_edge_route *e = &s->routes.v[k];
            struct link_route route = {.table = rule.table};
            if (e->target == GANTRY_EDGE_ROUTE_TARGET_LOCAL ||
                !e->destination_cidr_block || strchr(e->destination_cidr_block, ':'))
                continue;
            if (!router_cidr(e->destination_cidr_block, &route.dest_be,
                             &route.prefix_len))
                return fail(err, E_INVALID, "'%s' is no address range",
                            e->destination_cidr_block);
            aim(v, e, hops, &route);
            add_route(ret, &route);
        }
    }
    return 0;
}

/* --- making it so --- */

static void take_route(void *arg, const struct link_route *r)
{
    if (r->table >= TABLE_BASE)
        add_route(arg, r);
}

static void take_rule(void *arg, const struct link_rule *r)
{
    if (r->table >= TABLE_BASE)
        add_rule(arg, r);
}

static bool same_place(const struct link_route *a, const struct link_route *b)
{
    return a->table == b->table && a->dest_be == b->dest_be &&
           a->prefix_len == b->prefix_len;
}

static const struct link_route *find_route(const struct router_routes *l,
                                           const struct link_route *r)
{
    for (size_t i = 0; i < l->route_count; i++)
        if (same_place(&l->routes[i], r))
            return &l->routes[i];
    return NULL;
}

static bool same_route(const struct link_route *a, const struct link_route *b)
{
    if (a->kind == LINK_BLACKHOLE)
        return b->kind == LINK_BLACKHOLE;
    return a->kind == b->kind && a->gateway_be == b->gateway_be &&
           a->out_index == b->out_index;
}

static bool has_rule(const struct router_routes *l, const struct link_rule *r)
{
    for (size_t i = 0; i < l->rule_count; i++)
        if (l->rules[i].from_be == r->from_be && l->rules[i].from_len == r->from_len &&
            l->rules[i].table == r->table)
            return true;
    return false;
}

static int run_full(struct link_batch *b, struct link_socket *s, bool last,
                    struct error *err)
{
    if (b->count == 0 || (!last && b->count < LINK_BATCH_MAX))
        return 0;
    int r = link_batch_run(b, err);
    link_batch_init(b, s);
    return r;
}

static int add_missing(struct link_socket *s, const struct router_routes *have,
                       const struct router_routes *wanted, struct error *err)
{
    struct link_batch b;
    int r = 0;
    link_batch_init(&b, s);
    for (size_t i = 0; i < wanted->route_count && r == 0; i++) {
        const struct link_route *there = find_route(have, &wanted->routes[i]);
        if (!there || !same_route(there, &wanted->routes[i]))
            link_put_route(&b, &wanted->routes[i]);
        r = run_full(&b, s, false, err);
    }
    for (size_t i = 0; i < wanted->rule_count && r == 0; i++) {
        if (!has_rule(have, &wanted->rules[i]))
            link_put_rule(&b, &wanted->rules[i]);
        r = run_full(&b, s, false, err);
    }
    return r < 0 ? r : run_full(&b, s, true, err);
}

static int drop_rest(struct link_socket *s, const struct router_routes *have,
                     const struct router_routes *wanted, struct error *err)
{
    struct link_batch b;
    int r = 0;
    link_batch_init(&b, s);
    for (size_t i = 0; i < have->route_count && r == 0; i++) {
        if (!find_route(wanted, &have->routes[i]))
            link_drop_route(&b, &have->routes[i]);
        r = run_full(&b, s, false, err);
    }
    for (size_t i = 0; i < have->rule_count && r == 0; i++) {
        if (!has_rule(wanted, &have->rules[i]))
            link_drop_rule(&b, &have->rules[i]);
        r = run_full(&b, s, false, err);
    }
    return r < 0 ? r : run_full(&b, s, true, err);
}

int router_routes_apply(struct link_socket *s, const struct router_routes *wanted,
                        struct error *err)
{
    struct router_routes have = {0};
    int r = link_each_table_route(s, take_route, &have, err);
    if (r == 0)
        r = link_each_rule(s, take_rule, &have, err);
    if (r == 0)
        r = add_missing(s, &have, wanted, err);
    if (r == 0)
        r = drop_rest(s, &have, wanted, err);
    router_routes_free(&have);
    return r;
}
