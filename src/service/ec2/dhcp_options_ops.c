/* DescribeDhcpOptions: each region of an account has the default ones, and no others. */
#include "ec2_query.h"
#include "interface.h"

static const char *id_of(const struct object *o)
{
    return ((const struct ec2_account *)o)->rec->dhcp_options_id;
}

static void fill(struct arena *a, const struct object *o, struct ec2_dhcp_options *ret)
{
    struct ec2_scope s = ec2_owner(a, o);
    struct ec2_dhcp_configuration *x = LIST_PUSH(a, &ret->dhcp_configurations);
    ret->dhcp_options_id = id_of(o);
    ret->owner_id = s.account;
    ret->tags.set = true;
    x->key = "domain-name";
    LIST_PUSH(a, &x->values)->value = private_dns_domain(a, s.region);
    x = LIST_PUSH(a, &ret->dhcp_configurations);
    x->key = "domain-name-servers";
    LIST_PUSH(a, &x->values)->value = "AmazonProvidedDNS";
}

static void d_id(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, id_of(o));
}
static void d_owner(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, ec2_owner(to->a, o).account);
}
static void d_key(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, "domain-name");
    ec2_value(to, "domain-name-servers");
}
static void d_value(struct core *core, const struct object *o, struct ec2_values *to)
{
    ec2_value(to, private_dns_domain(to->a, ec2_owner(to->a, o).region));
    ec2_value(to, "AmazonProvidedDNS");
}
static const struct ec2_tag_list *d_tags(const struct object *o)
{
    static const struct ec2_tag_list none = {0};
    return &none;
}

int ec2_describe_dhcp_options(struct call *c,
                              const struct ec2_describe_dhcp_options_request *in,
                              struct ec2_describe_dhcp_options_result *out)
{
    static const struct ec2_filter_row rows[] = {
        {"dhcp-options-id", d_id}, {"owner-id", d_owner}, {"key", d_key},
        {"value", d_value},        {NULL, NULL},
    };
    static const struct string_list no_ids = {0};
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    for (size_t i = 0; i < in->dhcp_options_ids.n; i++)
        if (!streq(in->dhcp_options_ids.v[i],
                   account_record(c->core, &s)->rec->dhcp_options_id))
            return ec2_fault(c, "InvalidDhcpOptionID.NotFound",
                             "The dhcpOption ID '%s' does not exist",
                             in->dhcp_options_ids.v[i]);
    struct ec2_query q = {
        .table = ec2_of(c->core)->accounts,
        .kind = "account",
        .rows = rows,
        .tags = d_tags,
        .filters = &in->filters,
        .ids = &no_ids,
        .next_token = in->next_token,
        .max_results = in->max_results,
    };
    struct ec2_found found;
    if (ec2_select(c, &q, &found) < 0 || ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    for (size_t i = 0; i < found.n; i++)
        fill(&c->arena, found.v[i], LIST_PUSH(&c->arena, &out->dhcp_options));
    out->dhcp_options.set = true;
    out->next_token = found.next_token;
    return 0;
}
