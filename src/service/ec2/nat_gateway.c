/* NAT gateways in memory. */
#include "ec2_state.h"

static int nat_gateway_loaded(struct core *core, struct object *o, struct error *err)
{
    struct nat_gateway *n = (struct nat_gateway *)o;
    struct ec2_scope s = ec2_owner(core_scratch(core), o);
    list_init(&n->link);
    n->vpc = n->rec->nat_gateway ? vpc_find(core, &s, n->rec->nat_gateway->vpc_id) : NULL;
    if (n->vpc)
        list_append(&n->vpc->nat_gateways, &n->link);
    return 0;
}

static void nat_gateway_unlink(struct core *core, struct object *o)
{
    list_remove(&((struct nat_gateway *)o)->link);
}

const struct table_type nat_gateway_table = {
    .prefix = "/ec2/nat-gateway/",
    .shape = &gantry_nat_gateway_record_shape,
    .object_size = sizeof(struct nat_gateway),
    .record_offset = offsetof(struct nat_gateway, rec),
    .loaded = nat_gateway_loaded,
    .unlink = nat_gateway_unlink,
};
