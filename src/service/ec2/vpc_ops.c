/* CreateVpc, DeleteVpc, their attributes and further address ranges. */
#include "ec2_tags.h"
#include "interface.h"
#include "security_group.h"

#define BLOCKS_MAX 5

static int range_check(struct call *c, const char *text, struct cidr *ret)
{
    if (!text)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter cidrBlock");
    if (!cidr_parse(text, ret))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter cidrBlock is invalid. This is not a "
                         "valid CIDR block.",
                         text);
    if (ret->prefix_len < 16 || ret->prefix_len > 28)
        return ec2_fault(c, "InvalidVpc.Range", "The CIDR '%s' is invalid.", text);
    return 0;
}

static int create_offered(struct call *c, const struct ec2_create_vpc_request *in)
{
    if (in->amazon_provided_ipv6_cidr_block.v || in->ipv6_cidr_block || in->ipv6_pool)
        return ec2_refuse(c, "IPv6 address ranges are");
    if (in->ipv4_ipam_pool_id || in->ipv6_ipam_pool_id)
        return ec2_refuse(c, "IPAM pools are");
    if (in->instance_tenancy && in->instance_tenancy != EC2_TENANCY_DEFAULT)
        return ec2_refuse(c, "Tenancies other than default are");
    return 0;
}

int ec2_create_vpc(struct call *c, const struct ec2_create_vpc_request *in,
                   struct ec2_create_vpc_result *out)
{
    static const char *const types[] = {"vpc", NULL};
    struct ec2_scope s = ec2_scope_of(c);
    struct cidr cidr = {0};
    if (create_offered(c, in) < 0 || range_check(c, in->cidr_block, &cidr) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    ec2_account_ensure(c->core, &s);
    struct vpc *v = vpc_new(c->core, &s, cidr, false);
    ec2_tags_take(&v->o.arena, &in->tag_specifications, "vpc", &v->rec->vpc->tags);
    object_save(c->core, &v->o);
    out->vpc = v->rec->vpc;
    return 0;
}

/* ---- DeleteVpc ---- */

/* What it came with goes with it; anything else has to go first. */
static bool has_dependants(struct core *core, const struct vpc *v)
{
    size_t groups = 0, tables = 0;
    list_for_each (it, &v->groups)
        groups++;
    list_for_each (it, &v->route_tables)
        tables++;
    return !list_empty(&v->subnets) || !list_empty(&v->nat_gateways) || groups > 1 ||
           tables > 1 || vpc_gateway(core, v);
}

int ec2_delete_vpc(struct call *c, const struct ec2_delete_vpc_request *in, void *out)
{
    struct vpc *v = vpc_require(c, in->vpc_id);
    if (!v)
        return -1;
    if (has_dependants(c->core, v))
        return ec2_fault(c, "DependencyViolation",
                         "The vpc '%s' has dependencies and cannot be deleted.",
                         in->vpc_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    list_for_each_safe (it, &v->groups) {
        object_delete(c->core, &list_entry(it, struct security_group, link)->o);
    }
    list_for_each_safe (it, &v->route_tables) {
        object_delete(c->core, &list_entry(it, struct route_table, link)->o);
    }
    object_delete(c->core, &v->o);
    return 0;
}

/* ---- the default VPC ---- */

int ec2_create_default_vpc(struct call *c,
                           const struct ec2_create_default_vpc_request *in,
                           struct ec2_create_default_vpc_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct vpc *v = default_vpc(c->core, &s);
    if (v)
        return ec2_fault(c, "DefaultVpcAlreadyExists",
                         "A Default VPC already exists for this account in this region.");
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->vpc = default_vpc_new(c->core, &s)->rec->vpc;
    return 0;
}

/* ---- attributes ---- */

int ec2_modify_vpc_attribute(struct call *c,
                             const struct ec2_modify_vpc_attribute_request *in, void *out)
{
    struct vpc *v = vpc_require(c, in->vpc_id);
    if (!v)
        return -1;
    if (in->enable_network_address_usage_metrics &&
        in->enable_network_address_usage_metrics->value.v)
        return ec2_refuse(c, "Network address usage metrics are");
    if (in->enable_dns_support && in->enable_dns_hostnames)
        return ec2_fault(c, "InvalidParameterCombination",
                         "Only one attribute can be modified at a time.");
    if (in->enable_dns_support)
        v->rec->dns_support = SET_BOOL(in->enable_dns_support->value.v);
    if (in->enable_dns_hostnames)
        v->rec->dns_hostnames = SET_BOOL(in->enable_dns_hostnames->value.v);
    object_save(c->core, &v->o);
    vpc_changed(c->core, v);
    return 0;
}

static struct ec2_attribute_boolean_value *shown(struct arena *a, bool value)
{
    struct ec2_attribute_boolean_value *b =
        arena_new(a, struct ec2_attribute_boolean_value);
    b->value = SET_BOOL(value);
    return b;
}

int ec2_describe_vpc_attribute(struct call *c,
                               const struct ec2_describe_vpc_attribute_request *in,
                               struct ec2_describe_vpc_attribute_result *out)
{
    const struct vpc *v = vpc_require(c, in->vpc_id);
    if (!v || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    out->vpc_id = vpc_id(v);
    switch (in->attribute) {
    case EC2_VPC_ATTRIBUTE_NAME_ENABLE_DNS_SUPPORT:
        out->enable_dns_support = shown(&c->arena, v->rec->dns_support.v);
        break;
    case EC2_VPC_ATTRIBUTE_NAME_ENABLE_DNS_HOSTNAMES:
        out->enable_dns_hostnames = shown(&c->arena, v->rec->dns_hostnames.v);
        break;
    default:
        out->enable_network_address_usage_metrics = shown(&c->arena, false);
        break;
    }
    return 0;
}

/* ---- further ranges ---- */

static int block_check(struct call *c, const struct vpc *v, struct cidr cidr)
{
    const struct ec2_vpc_cidr_block_association_list *l =
        &v->rec->vpc->cidr_block_association_set;
    if (l->n >= BLOCKS_MAX)
        return ec2_fault(c, "CidrLimitExceeded",
                         "This network '%s' has met its maximum number of allowed CIDRs: "
                         "%d",
                         vpc_id(v), BLOCKS_MAX);
    for (size_t i = 0; i < l->n; i++) {
        struct cidr have;
        if (cidr_parse(l->v[i].cidr_block, &have) && cidr_overlap(have, cidr))
            return ec2_fault(c, "InvalidVpc.Range",
                             "The CIDR '%s' conflicts with another range of the VPC",
                             cidr_text(&c->arena, cidr));
    }
    return 0;
}

/* Every table of the VPC has a local route for each of its ranges. */
static void local_routes(struct core *core, struct vpc *v, const char *cidr, bool add)
{
    list_for_each (it, &v->route_tables) {
        struct route_table *t = list_entry(it, struct route_table, link);
        struct ec2_route_list *l = &t->rec->route_table->routes;
        size_t kept = 0;
        for (size_t i = 0; i < l->n; i++)
            if (!streq(l->v[i].destination_cidr_block, cidr) ||
                !streq(l->v[i].gateway_id, "local"))
                l->v[kept++] = l->v[i];
        l->n = kept;
        if (add) {
            struct ec2_route *r = LIST_PUSH(&t->o.arena, l);
            r->destination_cidr_block = arena_strdup(&t->o.arena, cidr);
            r->gateway_id = "local";
            r->origin = EC2_ROUTE_ORIGIN_CREATE_ROUTE_TABLE;
            r->state = EC2_ROUTE_STATE_ACTIVE;
        }
        object_save(core, &t->o);
    }
}

int ec2_associate_vpc_cidr_block(struct call *c,
                                 const struct ec2_associate_vpc_cidr_block_request *in,
                                 struct ec2_associate_vpc_cidr_block_result *out)
{
    struct vpc *v = vpc_require(c, in->vpc_id);
    struct cidr cidr = {0};
    if (!v)
        return -1;
    if (!in->cidr_block)
        return ec2_refuse(c, "IPv6 address ranges and IPAM pools are");
    if (range_check(c, in->cidr_block, &cidr) < 0 || block_check(c, v, cidr) < 0)
        return -1;
    struct ec2_vpc_cidr_block_association *b = vpc_block_add(c->core, v, cidr);
    local_routes(c->core, v, b->cidr_block, true);
    object_save(c->core, &v->o);
    vpc_changed(c->core, v);
    out->vpc_id = vpc_id(v);
    out->cidr_block_association =
        wire_copy(&c->arena, &ec2_vpc_cidr_block_association_shape, b);
    out->cidr_block_association->cidr_block_state->state =
        EC2_VPC_CIDR_BLOCK_STATE_CODE_ASSOCIATING;
    return 0;
}

static struct vpc *vpc_of_block(struct call *c, const char *id, size_t *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, "vpc", &s), *after = prefix;
    for (struct vpc *v; (v = table_next(ec2_of(c->core)->vpcs, prefix, after));
         after = v->o.key)
        for (size_t i = 0; i < v->rec->vpc->cidr_block_association_set.n; i++)
            if (streq(v->rec->vpc->cidr_block_association_set.v[i].association_id, id)) {
                *ret = i;
                return v;
            }
    return NULL;
}

int ec2_disassociate_vpc_cidr_block(
    struct call *c, const struct ec2_disassociate_vpc_cidr_block_request *in,
    struct ec2_disassociate_vpc_cidr_block_result *out)
{
    size_t at;
    struct vpc *v = vpc_of_block(c, in->association_id, &at);
    if (!v)
        return ec2_fault(c, "InvalidVpcCidrBlockAssociationID.NotFound",
                         "The vpc CIDR block association ID '%s' does not exist",
                         in->association_id ? in->association_id : "");
    struct ec2_vpc_cidr_block_association_list *l =
        &v->rec->vpc->cidr_block_association_set;
    struct cidr cidr = {0};
    cidr_parse(l->v[at].cidr_block, &cidr);
    if (at == 0)
        return ec2_fault(c, "OperationNotPermitted",
                         "The vpc CIDR block with association ID %s may not be "
                         "disassociated. It is the primary IPv4 CIDR block of the VPC",
                         in->association_id);
    list_for_each (it, &v->subnets) {
        if (cidr_contains(cidr, list_entry(it, struct subnet, link)->cidr))
            return ec2_fault(c, "InvalidCidrBlock.InUse",
                             "The vpc currently has a subnet within CIDR block %s",
                             l->v[at].cidr_block);
    }
    out->vpc_id = vpc_id(v);
    out->cidr_block_association =
        wire_copy(&c->arena, &ec2_vpc_cidr_block_association_shape, &l->v[at]);
    out->cidr_block_association->cidr_block_state->state =
        EC2_VPC_CIDR_BLOCK_STATE_CODE_DISASSOCIATING;
    local_routes(c->core, v, call_printf(c, "%s", l->v[at].cidr_block), false);
    memmove(&l->v[at], &l->v[at + 1], (l->n - at - 1) * sizeof(*l->v));
    l->n--;
    object_save(c->core, &v->o);
    vpc_changed(c->core, v);
    return 0;
}
