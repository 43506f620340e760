/* NAT gateways in memory, see nat_gateway.h. */
#include "nat_gateway.h"

static bool is_over(const struct nat_gateway *n)
{
    return n->rec->nat_gateway->delete_time.set;
}

static void expire(struct core *core, struct wake *w)
{
    object_delete(core, &list_entry(w, struct nat_gateway, expiry)->o);
}

static void expire_later(struct core *core, struct nat_gateway *n)
{
    wake_at(core, &n->expiry, n->rec->nat_gateway->delete_time.v + NAT_GATEWAY_SHOWN_MS);
}

static int nat_gateway_loaded(struct core *core, struct object *o, struct error *err)
{
    struct nat_gateway *n = (struct nat_gateway *)o;
    struct ec2_scope s = ec2_owner(core_scratch(core), o);
    list_init(&n->link);
    wake_init(&n->expiry, expire);
    if (!n->rec->nat_gateway)
        return fail(err, E_CORRUPT, "NAT gateway without a record");
    if (is_over(n)) {
        expire_later(core, n);
        return 0;
    }
    n->vpc = vpc_find(core, &s, n->rec->nat_gateway->vpc_id);
    if (!n->vpc)
        return fail(err, E_CORRUPT, "NAT gateway without a VPC");
    list_append(&n->vpc->nat_gateways, &n->link);
    return 0;
}

static void nat_gateway_unlink(struct core *core, struct object *o)
{
    struct nat_gateway *n = (struct nat_gateway *)o;
    wake_cancel(core, &n->expiry);
    list_remove(&n->link);
}

const struct table_type nat_gateway_table = {
    .prefix = "/ec2/nat-gateway/",
    .shape = &gantry_nat_gateway_record_shape,
    .object_size = sizeof(struct nat_gateway),
    .record_offset = offsetof(struct nat_gateway, rec),
    .loaded = nat_gateway_loaded,
    .unlink = nat_gateway_unlink,
};

struct nat_gateway *nat_gateway_find(struct core *core, const struct ec2_scope *s,
                                     const char *id)
{
    return id ? table_find(ec2_of(core)->nat_gateways,
                           ec2_key(core_scratch(core), "nat-gateway", s, id))
              : NULL;
}

struct nat_gateway *nat_gateway_new(struct core *core, const struct subnet *subnet)
{
    struct ec2_scope s = ec2_owner(core_scratch(core), &subnet->o);
    const char *id = ec2_new_id(core, core_scratch(core), "nat");
    struct nat_gateway *n =
        object_new(core, ec2_of(core)->nat_gateways,
                   ec2_key(core_scratch(core), "nat-gateway", &s, id));
    struct arena *a = &n->o.arena;
    struct ec2_nat_gateway *rec = n->rec->nat_gateway =
        arena_new(a, struct ec2_nat_gateway);
    list_init(&n->link);
    wake_init(&n->expiry, expire);
    n->vpc = subnet->vpc;
    list_append(&n->vpc->nat_gateways, &n->link);
    rec->nat_gateway_id = arena_strdup(a, id);
    rec->subnet_id = arena_strdup(a, subnet->rec->subnet->subnet_id);
    rec->vpc_id = arena_strdup(a, vpc_id(n->vpc));
    rec->create_time = SET_TIME(core_now_ms(core));
    rec->state = EC2_NAT_GATEWAY_STATE_PENDING;
    rec->connectivity_type = EC2_CONNECTIVITY_TYPE_PUBLIC;
    rec->availability_mode = EC2_AVAILABILITY_MODE_ZONAL;
    rec->tags.set = true;
    return n;
}

void nat_gateway_end(struct core *core, struct nat_gateway *n,
                     enum ec2_nat_gateway_state state)
{
    struct ec2_nat_gateway *rec = n->rec->nat_gateway;
    struct ec2_scope s = ec2_owner(core_scratch(core), &n->o);
    struct vpc *v = n->vpc;
    rec->state = state;
    rec->delete_time = SET_TIME(core_now_ms(core));
    list_remove(&n->link);
    n->vpc = NULL;
    expire_later(core, n);
    if (rec->nat_gateway_addresses.n) /* its address is given up with the interface */
        ec2_interface_delete(core, &s,
                             rec->nat_gateway_addresses.v[0].network_interface_id);
    routes_set_state(core, v, rec->nat_gateway_id, EC2_ROUTE_STATE_BLACKHOLE);
    vpc_changed(core, v);
    object_save(core, &n->o);
}
