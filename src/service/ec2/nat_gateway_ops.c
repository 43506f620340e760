/* CreateNatGateway, DeleteNatGateway, DescribeNatGateways. */
#include "address.h"
#include "ec2_query.h"
#include "ec2_tags.h"
#include "interface.h"
#include "nat_gateway.h"

static const struct ec2_nat_gateway *rec_of(const struct object *o)
{
    return ((const struct nat_gateway *)o)->rec->nat_gateway;
}

/* ---- CreateNatGateway ---- */

static int create_offered(struct call *c, const struct ec2_create_nat_gateway_request *in)
{
    if (in->availability_mode == EC2_AVAILABILITY_MODE_REGIONAL || in->vpc_id ||
        in->availability_zone_addresses.n)
        return ec2_refuse(c, "Regional NAT gateways are");
    if (in->connectivity_type == EC2_CONNECTIVITY_TYPE_PRIVATE)
        return ec2_refuse(c, "NAT gateways without a public address are");
    if (in->secondary_allocation_ids.n || in->secondary_private_ip_addresses.n ||
        in->secondary_private_ip_address_count.v)
        return ec2_refuse(c, "Secondary addresses of NAT gateways are");
    if (!in->subnet_id || !in->allocation_id)
        return ec2_fault(c, "MissingParameter",
                         "The request must include the %s parameter. Add the required "
                         "parameter and retry the request.",
                         in->subnet_id ? "AllocationId" : "SubnetId");
    return 0;
}

/* What an earlier call with this token made; NULL: there was none. */
static struct nat_gateway *made_before(struct call *c, const char *token)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "nat-gateway", &s), *after = prefix;
    struct object *o;
    while (token && (o = table_next(ec2_of(c->core)->nat_gateways, prefix, after))) {
        struct nat_gateway *n = (struct nat_gateway *)o;
        if (streq(n->rec->client_token, token))
            return n;
        after = o->key;
    }
    return NULL;
}

static int again(struct call *c, const struct nat_gateway *n,
                 const struct ec2_create_nat_gateway_request *in,
                 struct ec2_create_nat_gateway_result *out)
{
    struct ec2_nat_gateway *rec = n->rec->nat_gateway;
    if (!streq(rec->subnet_id, in->subnet_id) ||
        (rec->nat_gateway_addresses.n &&
         !streq(rec->nat_gateway_addresses.v[0].allocation_id, in->allocation_id)))
        return ec2_fault(c, "IdempotentParameterMismatch",
                         "The client token '%s' was used with other parameters.",
                         in->client_token);
    out->client_token = in->client_token;
    out->nat_gateway = rec;
    return 0;
}

/* False with the gateway's failure: no address was free after all. */
static bool wire_up(struct call *c, struct nat_gateway *n, struct elastic_address *e,
                    const char *private_ip)
{
    struct ec2_nat_gateway *rec = n->rec->nat_gateway;
    struct arena *a = &n->o.arena;
    struct ec2_interface_want want = {
        .scope = ec2_scope_of(c),
        .subnet_id = rec->subnet_id,
        .private_ip = private_ip,
        .description =
            arena_printf(&c->arena, "Interface for NAT Gateway %s", rec->nat_gateway_id),
        .interface_type = "natGateway",
        .requester_id = "amazon-aws",
        .use = GANTRY_EDGE_INTERFACE_USE_NAT_GATEWAY,
        .owner = rec->nat_gateway_id,
    };
    static const struct string_list no_groups = {0};
    struct ec2_interface_info info;
    struct error err;
    if (ec2_interface_create(c->core, &want, &info, &err) < 0) {
        rec->failure_code = "InsufficientFreeAddressesInSubnet";
        rec->failure_message = arena_strdup(a, err.text);
        return false;
    }
    struct network_interface *i = interface_find(c->core, &want.scope, info.interface_id);
    struct ec2_nat_gateway_address *to = LIST_PUSH(a, &rec->nat_gateway_addresses);
    to->network_interface_id = arena_strdup(a, info.interface_id);
    to->private_ip = arena_strdup(a, info.private_ip);
    interface_set_groups(c->core, i, &no_groups);
    i->rec->interface->source_dest_check = SET_BOOL(false);
    elastic_address_bind(c->core, e, i);
    to->allocation_id = arena_strdup(a, e->rec->address->allocation_id);
    to->public_ip = arena_strdup(a, e->rec->address->public_ip);
    to->association_id = arena_strdup(a, e->rec->address->association_id);
    to->is_primary = SET_BOOL(true);
    to->status = EC2_NAT_GATEWAY_ADDRESS_STATUS_SUCCEEDED;
    return true;
}

/* Why it can't work, as AWS tells it: afterwards, in the gateway's state. */
static bool fails(struct call *c, struct nat_gateway *n, const struct elastic_address *e)
{
    struct ec2_nat_gateway *rec = n->rec->nat_gateway;
    struct arena *a = &n->o.arena;
    if (!vpc_gateway(c->core, n->vpc)) {
        rec->failure_code = "Gateway.NotAttached";
        rec->failure_message =
            arena_printf(a, "Network %s has no Internet gateway attached", rec->vpc_id);
    } else if (e->rec->address->association_id) {
        rec->failure_code = "Resource.AlreadyAssociated";
        rec->failure_message =
            arena_printf(a, "Elastic IP address [%s] is already associated",
                         e->rec->address->allocation_id);
    }
    return rec->failure_code != NULL;
}

static int private_check(struct call *c, const struct subnet *s, const char *text)
{
    uint32_t address;
    if (!text)
        return subnet_free_addresses(s) > 0
                   ? 0
                   : ec2_fault(c, "InsufficientFreeAddressesInSubnet",
                               "The specified subnet '%s' does not have enough free "
                               "addresses to satisfy the request.",
                               s->rec->subnet->subnet_id);
    if (!address_parse(text, &address) || !cidr_has(s->cidr, address))
        return ec2_fault(c, "InvalidParameterValue",
                         "Address %s does not fall within the subnet's address range",
                         text);
    return subnet_is_free(s, address)
               ? 0
               : ec2_fault(c, "InvalidIPAddress.InUse", "Address %s is in use.", text);
}

int ec2_create_nat_gateway(struct call *c,
                           const struct ec2_create_nat_gateway_request *in,
                           struct ec2_create_nat_gateway_result *out)
{
    static const char *const types[] = {"natgateway", NULL};
    if (create_offered(c, in) < 0)
        return -1;
    struct nat_gateway *n = made_before(c, in->client_token);
    if (n)
        return again(c, n, in, out);
    struct subnet *s = subnet_require(c, in->subnet_id);
    struct elastic_address *e = s ? elastic_address_require(c, in->allocation_id) : NULL;
    if (!e || private_check(c, s, in->private_ip_address) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    n = nat_gateway_new(c->core, s);
    n->rec->client_token = arena_strdup(&n->o.arena, in->client_token);
    ec2_tags_take(&n->o.arena, &in->tag_specifications, types[0],
                  &n->rec->nat_gateway->tags);
    if (fails(c, n, e) || !wire_up(c, n, e, in->private_ip_address)) {
        nat_gateway_end(c->core, n, EC2_NAT_GATEWAY_STATE_FAILED);
    } else {
        n->rec->nat_gateway->state = EC2_NAT_GATEWAY_STATE_AVAILABLE;
        object_save(c->core, &n->o);
        vpc_changed(c->core, n->vpc);
    }
    out->client_token = in->client_token;
    out->nat_gateway = n->rec->nat_gateway;
    return 0;
}

/* ---- DeleteNatGateway ---- */

int ec2_delete_nat_gateway(struct call *c,
                           const struct ec2_delete_nat_gateway_request *in,
                           struct ec2_delete_nat_gateway_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct nat_gateway *n = nat_gateway_find(c->core, &s, in->nat_gateway_id);
    if (!n)
        return ec2_fault(c, "NatGatewayNotFound", "NAT gateway %s was not found",
                         in->nat_gateway_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    if (n->vpc)
        nat_gateway_end(c->core, n, EC2_NAT_GATEWAY_STATE_DELETED);
    out->nat_gateway_id = in->nat_gateway_id;
    return 0;
}

/* ---- DescribeNatGateways ---- */

static void n_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->nat_gateway_id);
}
static void n_vpc(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->vpc_id);
}
static void n_subnet(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, rec_of(o)->subnet_id);
}
static void n_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_nat_gateway_state_shape, (int)rec_of(o)->state);
}
static const struct ec2_tag_list *n_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

int ec2_describe_nat_gateways(struct call *c,
                              const struct ec2_describe_nat_gateways_request *in,
                              struct ec2_describe_nat_gateways_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"nat-gateway-id", n_id}, {"state", n_state}, {"subnet-id", n_subnet},
        {"vpc-id", n_vpc},        {NULL, NULL},
    };
    struct ec2_query q = {
        .table = ec2_of(c->core)->nat_gateways,
        .kind = "nat-gateway",
        .rows = rows,
        .tags = n_tags,
        .filters = &in->filter,
        .ids = &in->nat_gateway_ids,
        .missing_code = "NatGatewayNotFound",
        .missing_text = "NAT gateway %s was not found",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        *LIST_PUSH(&c->arena, &out->nat_gateways) = *rec_of(found.v[i]);
    out->nat_gateways.set = true;
    out->next_token = found.next_token;
    return 0;
}
