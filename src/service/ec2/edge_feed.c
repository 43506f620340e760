/* What the edge has to know of networks: each VPC as a whole, interfaces one by one. */
#include "ec2_instance.h"
#include "ec2_state.h"
#include "interface.h"
#include "security_group.h"

/* ---- routes ---- */

static void route_add(struct arena *a, const struct ec2_route *r,
                      struct gantry_edge_route_list *ret)
{
    struct gantry_edge_route *to = LIST_PUSH(a, ret);
    to->destination_cidr_block = r->destination_cidr_block;
    if (r->state != EC2_ROUTE_STATE_ACTIVE) {
        to->target = GANTRY_EDGE_ROUTE_TARGET_BLACKHOLE;
    } else if (streq(r->gateway_id, "local")) {
        to->target = GANTRY_EDGE_ROUTE_TARGET_LOCAL;
    } else if (r->gateway_id) {
        to->target = GANTRY_EDGE_ROUTE_TARGET_INTERNET;
        to->id = r->gateway_id;
    } else if (r->nat_gateway_id) {
        to->target = GANTRY_EDGE_ROUTE_TARGET_NAT;
        to->id = r->nat_gateway_id;
    } else if (r->network_interface_id) {
        to->target = GANTRY_EDGE_ROUTE_TARGET_INTERFACE;
        to->id = r->network_interface_id;
    } else {
        to->target = GANTRY_EDGE_ROUTE_TARGET_BLACKHOLE;
    }
}

static void subnet_fill(const struct subnet *s, struct arena *a,
                        struct gantry_edge_subnet *ret)
{
    const struct ec2_subnet *rec = s->rec->subnet;
    const struct route_table *t = subnet_table_of(s);
    ret->subnet_id = rec->subnet_id;
    ret->cidr_block = rec->cidr_block;
    ret->availability_zone = rec->availability_zone;
    for (size_t i = 0; t && i < t->rec->route_table->routes.n; i++)
        if (t->rec->route_table->routes.v[i].destination_cidr_block)
            route_add(a, &t->rec->route_table->routes.v[i], &ret->routes);
}

static void nat_fill(const struct nat_gateway *n, struct arena *a,
                     struct gantry_edge_nat_gateway_list *ret)
{
    const struct ec2_nat_gateway *rec = n->rec->nat_gateway;
    if (rec->state != EC2_NAT_GATEWAY_STATE_AVAILABLE || !rec->nat_gateway_addresses.n)
        return;
    struct gantry_edge_nat_gateway *to = LIST_PUSH(a, ret);
    to->nat_gateway_id = rec->nat_gateway_id;
    to->subnet_id = rec->subnet_id;
    to->private_ip_address = rec->nat_gateway_addresses.v[0].private_ip;
    to->public_ip = rec->nat_gateway_addresses.v[0].public_ip;
}

static void vpc_fill(const struct vpc *v, struct arena *a, struct gantry_edge_vpc *ret)
{
    struct ec2_scope s = ec2_owner(a, &v->o);
    *ret = (struct gantry_edge_vpc){
        .vpc_id = vpc_id(v),
        .account_id = s.account,
        .region = s.region,
        .dns_support = v->rec->dns_support,
        .dns_hostnames = v->rec->dns_hostnames,
    };
    for (size_t i = 0; i < v->rec->vpc->cidr_block_association_set.n; i++)
        *LIST_PUSH(a, &ret->cidr_blocks) =
            v->rec->vpc->cidr_block_association_set.v[i].cidr_block;
    list_for_each (it, &v->subnets) {
        subnet_fill(list_entry(it, struct subnet, link), a, LIST_PUSH(a, &ret->subnets));
    }
    list_for_each (it, &v->nat_gateways) {
        nat_fill(list_entry(it, struct nat_gateway, link), a, &ret->nat_gateways);
    }
    list_for_each (it, &v->groups) {
        security_group_edge(list_entry(it, struct security_group, link), a,
                            LIST_PUSH(a, &ret->security_groups));
    }
}

/* ---- changes ---- */

void vpc_changed(struct core *core, struct vpc *v)
{
    wake_now(core, &v->feed);
}

void vpc_feed(struct core *core, struct wake *w)
{
    struct vpc *v = list_entry(w, struct vpc, feed);
    const struct ec2 *ec2 = ec2_of(core);
    if (!ec2->edge_ops || (v->wired == 0 && !v->told))
        return;
    if (v->wired == 0) {
        v->told = false;
        ec2->edge_ops->vpc_gone(ec2->edge_ctx, core, vpc_id(v));
        return;
    }
    struct gantry_edge_vpc x;
    v->told = true;
    vpc_fill(v, core_scratch(core), &x);
    ec2->edge_ops->vpc(ec2->edge_ctx, core, &x);
}

/* ---- everything ---- */

void ec2_edge_desired(struct core *core, struct arena *a,
                      struct gantry_edge_vpc_list *vpcs,
                      struct gantry_edge_interface_list *interfaces,
                      struct gantry_edge_instance_list *instances)
{
    struct table *t = ec2_of(core)->vpcs;
    const char *after = vpc_table.prefix;
    for (struct vpc *v; (v = table_next(t, vpc_table.prefix, after)); after = v->o.key) {
        v->told = v->wired > 0;
        if (v->told)
            vpc_fill(v, a, LIST_PUSH(a, vpcs));
    }
    t = ec2_of(core)->interfaces;
    after = interface_table.prefix;
    for (struct network_interface *i; (i = table_next(t, interface_table.prefix, after));
         after = i->o.key)
        if (interface_wired(i))
            interface_edge(i, a, LIST_PUSH(a, interfaces));
    ec2_instance_edge_desired(core, a, instances);
}
