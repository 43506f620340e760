/* What no VPC here has: peerings, endpoints, prefix lists, ClassicLink. Clients ask all the
 * same; the true answer is an empty list, and a fault for an id. */
#include "ec2_query.h"

static void nothing(struct core *core, const struct object *o, struct ec2_values *to) {}
static const struct ec2_tag_list *no_tags(const struct object *o)
{
    static const struct ec2_tag_list none = {0};
    return &none;
}

/* Checks a request for things of a kind that no key has. */
static int select_none(struct call *c, struct ec2_query *q, struct opt_bool dry_run)
{
    struct ec2_found found;
    q->table = ec2_of(c->core)->vpcs;
    return ec2_select(c, q, &found) < 0 ? -1 : ec2_dry_run(c, dry_run);
}

int ec2_describe_vpc_peering_connections(
    struct call *c, const struct ec2_describe_vpc_peering_connections_request *in,
    struct ec2_describe_vpc_peering_connections_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"accepter-vpc-info.cidr-block", nothing},
        {"accepter-vpc-info.owner-id", nothing},
        {"accepter-vpc-info.vpc-id", nothing},
        {"expiration-time", nothing},
        {"requester-vpc-info.cidr-block", nothing},
        {"requester-vpc-info.owner-id", nothing},
        {"requester-vpc-info.vpc-id", nothing},
        {"status-code", nothing},
        {"status-message", nothing},
        {"vpc-peering-connection-id", nothing},
        {NULL, NULL},
    };
    struct ec2_query q = {
        .kind = "vpc-peering-connection",
        .rows = rows,
        .tags = no_tags,
        .filters = &in->filters,
        .ids = &in->vpc_peering_connection_ids,
        .missing_code = "InvalidVpcPeeringConnectionID.NotFound",
        .missing_text = "The vpcPeeringConnection ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    out->vpc_peering_connections.set = true;
    return select_none(c, &q, in->dry_run);
}

int ec2_describe_vpc_endpoints(struct call *c,
                               const struct ec2_describe_vpc_endpoints_request *in,
                               struct ec2_describe_vpc_endpoints_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"ip-address-type", nothing},
        {"service-name", nothing},
        {"service-region", nothing},
        {"vpc-endpoint-id", nothing},
        {"vpc-endpoint-state", nothing},
        {"vpc-endpoint-type", nothing},
        {"vpc-id", nothing},
        {NULL, NULL},
    };
    struct ec2_query q = {
        .kind = "vpc-endpoint",
        .rows = rows,
        .tags = no_tags,
        .filters = &in->filters,
        .ids = &in->vpc_endpoint_ids,
        .missing_code = "InvalidVpcEndpointId.NotFound",
        .missing_text = "The Vpc Endpoint Id '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    out->vpc_endpoints.set = true;
    return select_none(c, &q, in->dry_run);
}

/* AWS's own lists are of the addresses of gateway endpoints' services. */
int ec2_describe_prefix_lists(struct call *c,
                              const struct ec2_describe_prefix_lists_request *in,
                              struct ec2_describe_prefix_lists_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"prefix-list-id", nothing},
        {"prefix-list-name", nothing},
        {NULL, NULL},
    };
    struct ec2_query q = {
        .kind = "prefix-list",
        .rows = rows,
        .filters = &in->filters,
        .ids = &in->prefix_list_ids,
        .missing_code = "InvalidPrefixListID.NotFound",
        .missing_text = "The prefixList ID '%s' does not exist",
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    out->prefix_lists.set = true;
    return select_none(c, &q, in->dry_run);
}

/* ---- ClassicLink: off for every VPC, as everywhere since EC2-Classic is gone ---- */

static const struct ec2_vpc *rec_of(const struct object *o)
{
    return ((const struct vpc *)o)->rec->vpc;
}
static void c_enabled(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value_bool(to, false);
}
static const struct ec2_tag_list *v_tags(const struct object *o)
{
    return &rec_of(o)->tags;
}

static int select_vpcs(struct call *c, const struct ec2_filter_list *filters,
                       const struct string_list *ids, const char *next_token,
                       struct opt_int max_results, struct ec2_found *ret)
{
    static const struct ec2_filter_row rows[] = {
        {"is-classic-link-enabled", c_enabled},
        {NULL, NULL},
    };
    struct ec2_scope s = ec2_scope_of(c);
    struct ec2_query q = {
        .table = ec2_of(c->core)->vpcs,
        .kind = "vpc",
        .rows = rows,
        .tags = v_tags,
        .filters = filters,
        .ids = ids,
        .missing_code = "InvalidVpcID.NotFound",
        .missing_text = "The vpc ID '%s' does not exist",
        .next_token = next_token,
        .max_results = max_results,
    };
    ec2_account_ensure(c->core, &s);
    return ec2_select(c, &q, ret);
}

int ec2_describe_vpc_classic_link(struct call *c,
                                  const struct ec2_describe_vpc_classic_link_request *in,
                                  struct ec2_describe_vpc_classic_link_result *out)
{
    struct ec2_found found;
    if (select_vpcs(c, &in->filters, &in->vpc_ids, NULL, (struct opt_int){0}, &found) <
            0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++) {
        struct ec2_vpc_classic_link *to = LIST_PUSH(&c->arena, &out->vpcs);
        to->vpc_id = rec_of(found.v[i])->vpc_id;
        to->classic_link_enabled = SET_BOOL(false);
        to->tags = rec_of(found.v[i])->tags;
    }
    out->vpcs.set = true;
    return 0;
}

int ec2_describe_vpc_classic_link_dns_support(
    struct call *c, const struct ec2_describe_vpc_classic_link_dns_support_request *in,
    struct ec2_describe_vpc_classic_link_dns_support_result *out)
{
    static const struct ec2_filter_list none = {0};
    struct ec2_found found;
    if (select_vpcs(c, &none, &in->vpc_ids, in->next_token, in->max_results, &found) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++) {
        struct ec2_classic_link_dns_support *to = LIST_PUSH(&c->arena, &out->vpcs);
        to->vpc_id = rec_of(found.v[i])->vpc_id;
        to->classic_link_dns_supported = SET_BOOL(false);
    }
    out->vpcs.set = true;
    out->next_token = found.next_token;
    return 0;
}
