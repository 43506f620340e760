#include "edge_message.h"

#include "names.h"
#include "str.h"

/* ---- one object: false when it has no name ---- */

static bool vpc(struct edge_parts *p, const struct gantry_edge_vpc *v)
{
    if (!v || str_empty(v->vpc_id))
        return false;
    router_vpc(p->router, v);
    names_of_vpc(p->resolver, v);
    return true;
}

static bool interface(struct edge_parts *p, const struct gantry_edge_interface *i)
{
    if (!i || str_empty(i->network_interface_id) || str_empty(i->vpc_id))
        return false;
    router_interface(p->router, i);
    imds_interface(p->imds, i);
    return true;
}

static bool balancer(struct edge_parts *p, const struct gantry_edge_balancer *b)
{
    if (!b || !b->load_balancer || str_empty(b->load_balancer->load_balancer_arn))
        return false;
    report_name_balancer(p->reports, b->load_balancer->load_balancer_arn);
    balancers_balancer(p->balancers, b);
    names_of_balancer(p->resolver, b);
    return true;
}

static bool targets(struct edge_parts *p, const struct gantry_edge_target_group *g)
{
    if (!g || !g->target_group || str_empty(g->target_group->target_group_arn))
        return false;
    report_name_targets(p->reports, g);
    balancers_targets(p->balancers, g);
    return true;
}

static bool instance(struct edge_parts *p, const struct gantry_edge_instance *i)
{
    if (!i || str_empty(i->instance_id))
        return false;
    report_name_instance(p->reports, i->instance_id);
    instances_instance(p->instances, i);
    imds_instance(p->imds, i);
    return true;
}

/* ---- everything ---- */

static void desired(struct edge_parts *p, const struct gantry_edge_message *m)
{
    report_begin(p->reports);
    router_begin(p->router);
    balancers_begin(p->balancers);
    instances_begin(p->instances);
    imds_begin(p->imds);
    resolver_begin(p->resolver);
    for (size_t i = 0; i < m->vpcs.n; i++)
        vpc(p, &m->vpcs.v[i]);
    for (size_t i = 0; i < m->interfaces.n; i++)
        interface(p, &m->interfaces.v[i]);
    for (size_t i = 0; i < m->target_groups.n; i++)
        targets(p, &m->target_groups.v[i]);
    for (size_t i = 0; i < m->balancers.n; i++)
        balancer(p, &m->balancers.v[i]);
    for (size_t i = 0; i < m->instances.n; i++)
        instance(p, &m->instances.v[i]);
    router_settled(p->router);
    balancers_settled(p->balancers);
    instances_settled(p->instances);
    imds_settled(p->imds);
    resolver_settled(p->resolver);
    report_settled(p->reports);
}

/* ---- what is gone ---- */

static bool interface_gone(struct edge_parts *p, const char *vpc_id, const char *id)
{
    if (str_empty(vpc_id) || str_empty(id))
        return false;
    router_interface_gone(p->router, vpc_id, id);
    imds_interface_gone(p->imds, id);
    return true;
}

static bool balancer_gone(struct edge_parts *p, const char *arn)
{
    if (str_empty(arn))
        return false;
    balancers_balancer_gone(p->balancers, arn);
    names_of_balancer_gone(p->resolver, arn);
    report_balancer_gone(p->reports, arn);
    return true;
}

static bool targets_gone(struct edge_parts *p, const char *arn)
{
    if (str_empty(arn))
        return false;
    balancers_targets_gone(p->balancers, arn);
    report_targets_gone(p->reports, arn);
    return true;
}

static bool instance_gone(struct edge_parts *p, const char *id)
{
    if (str_empty(id))
        return false;
    instances_instance_gone(p->instances, id);
    imds_instance_gone(p->imds, id);
    report_instance_gone(p->reports, id);
    return true;
}

static bool vpc_gone(struct edge_parts *p, const char *id)
{
    if (str_empty(id))
        return false;
    router_vpc_gone(p->router, id);
    return true;
}

/* ---- */

static bool change(struct edge_parts *p, const struct gantry_edge_message *m)
{
    switch (m->kind) {
    case GANTRY_EDGE_MESSAGE_KIND_VPC:
        return vpc(p, m->vpc);
    case GANTRY_EDGE_MESSAGE_KIND_VPC_GONE:
        return vpc_gone(p, m->vpc_id);
    case GANTRY_EDGE_MESSAGE_KIND_INTERFACE:
        return interface(p, m->interface);
    case GANTRY_EDGE_MESSAGE_KIND_INTERFACE_GONE:
        return interface_gone(p, m->vpc_id, m->id);
    case GANTRY_EDGE_MESSAGE_KIND_BALANCER:
        return balancer(p, m->balancer);
    case GANTRY_EDGE_MESSAGE_KIND_BALANCER_GONE:
        return balancer_gone(p, m->id);
    case GANTRY_EDGE_MESSAGE_KIND_TARGETS:
        return targets(p, m->target_group);
    case GANTRY_EDGE_MESSAGE_KIND_TARGETS_GONE:
        return targets_gone(p, m->id);
    case GANTRY_EDGE_MESSAGE_KIND_INSTANCE:
        return instance(p, m->instance);
    case GANTRY_EDGE_MESSAGE_KIND_INSTANCE_GONE:
        return instance_gone(p, m->id);
    case GANTRY_EDGE_MESSAGE_KIND_PING:
        return true;
    default: /* a newer server's */
        return true;
    }
}

int edge_message(struct edge_parts *p, const char *line, size_t len, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error bad;
    void *value;
    if (wire_json_decode(&a, &gantry_edge_message_shape, line, len, true, &value, &bad) <
        0)
        return fail(err, E_PROTOCOL, "a line that can't be read: %s", bad.text);
    const struct gantry_edge_message *m = value;
    if (m->kind == GANTRY_EDGE_MESSAGE_KIND_DESIRED) {
        desired(p, m);
        return 1;
    }
    return change(p, m) ? 0 : fail(err, E_PROTOCOL, "a message that names nothing");
}
