/* DescribeVpcs, DescribeSubnets. */
#include "ec2_query.h"
#include "ec2_tags.h"

/* ---- VPCs ---- */

static const struct ec2_vpc *vpc_rec(const struct object *o)
{
    return ((const struct vpc *)o)->rec->vpc;
}

static void v_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_rec(o)->vpc_id);
}
static void v_cidr(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_rec(o)->cidr_block);
}
static void v_blocks(struct core *core, const struct object *o, struct ec2_values *to)
{
    for (size_t i = 0; i < vpc_rec(o)->cidr_block_association_set.n; i++)
        ec2_value(to, vpc_rec(o)->cidr_block_association_set.v[i].cidr_block);
}
static void v_default(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, vpc_rec(o)->is_default.v);
}
static void v_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_rec(o)->owner_id);
}
static void v_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_vpc_state_shape, (int)vpc_rec(o)->state);
}
static void v_dhcp(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, vpc_rec(o)->dhcp_options_id);
}
static const struct ec2_tag_list *v_tags(const struct object *o)
{
    return &vpc_rec(o)->tags;
}

int ec2_describe_vpcs(struct call *c, const struct ec2_describe_vpcs_request *in,
                      struct ec2_describe_vpcs_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"vpc-id", v_id},
        {"cidr", v_cidr},
        {"cidr-block", v_cidr},
        {"cidr-block-association.cidr-block", v_blocks},
        {"is-default", v_default},
        {"isDefault", v_default},
        {"owner-id", v_owner},
        {"state", v_state},
        {"dhcp-options-id", v_dhcp},
        {NULL, NULL},
    };
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct ec2_query q = {
        .table = ec2_of(c->core)->vpcs,
        .kind = "vpc",
        .rows = rows,
        .tags = v_tags,
        .filters = &in->filters,
        .ids = &in->vpc_ids,
        .missing_code = "InvalidVpcID.NotFound",
        .missing_text = "The vpc ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        *LIST_PUSH(&c->arena, &out->vpcs) = *vpc_rec(found.v[i]);
    out->vpcs.set = true;
    out->next_token = found.next_token;
    return 0;
}

/* ---- subnets ---- */

static const struct ec2_subnet *subnet_rec(const struct object *o)
{
    return ((const struct subnet *)o)->rec->subnet;
}

static void s_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->subnet_id);
}
static void s_arn(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->subnet_arn);
}
static void s_vpc(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->vpc_id);
}
static void s_zone(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->availability_zone);
}
static void s_zone_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->availability_zone_id);
}
static void s_cidr(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->cidr_block);
}
static void s_default(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, subnet_rec(o)->default_for_az.v);
}
static void s_public(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, subnet_rec(o)->map_public_ip_on_launch.v);
}
static void s_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, subnet_rec(o)->owner_id);
}
static void s_state(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_enum(to, &ec2_subnet_state_shape, (int)subnet_rec(o)->state);
}
static void s_free(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to,
              arena_printf(to->a, "%u", subnet_free_addresses((const struct subnet *)o)));
}
static const struct ec2_tag_list *s_tags(const struct object *o)
{
    return &subnet_rec(o)->tags;
}

int ec2_describe_subnets(struct call *c, const struct ec2_describe_subnets_request *in,
                         struct ec2_describe_subnets_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"subnet-id", s_id},
        {"subnet-arn", s_arn},
        {"vpc-id", s_vpc},
        {"availability-zone", s_zone},
        {"availabilityZone", s_zone},
        {"availability-zone-id", s_zone_id},
        {"cidr-block", s_cidr},
        {"cidr", s_cidr},
        {"cidrBlock", s_cidr},
        {"default-for-az", s_default},
        {"defaultForAz", s_default},
        {"map-public-ip-on-launch", s_public},
        {"owner-id", s_owner},
        {"state", s_state},
        {"available-ip-address-count", s_free},
        {NULL, NULL},
    };
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    struct ec2_query q = {
        .table = ec2_of(c->core)->subnets,
        .kind = "subnet",
        .rows = rows,
        .tags = s_tags,
        .filters = &in->filters,
        .ids = &in->subnet_ids,
        .missing_code = "InvalidSubnetID.NotFound",
        .missing_text = "The subnet ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++) {
        struct ec2_subnet *to = LIST_PUSH(&c->arena, &out->subnets);
        *to = *subnet_rec(found.v[i]);
        to->available_ip_address_count =
            SET_INT((int32_t)subnet_free_addresses((const struct subnet *)found.v[i]));
    }
    out->subnets.set = true;
    out->next_token = found.next_token;
    return 0;
}
