/* DescribeRegions, DescribeAvailabilityZones, DescribeAccountAttributes. */
#include "ec2_query.h"

/* Filters over what is in no table. */
struct fact {
    const char *name, *value;
};

static int facts_hold(struct call *c, const struct ec2_filter_list *filters,
                      const struct fact *facts)
{
    for (size_t i = 0; i < filters->n; i++) {
        const struct fact *f = facts;
        bool holds = false;
        while (f->name && !streq(f->name, filters->v[i].name))
            f++;
        if (!f->name)
            return ec2_fault(c, "InvalidParameterValue", "The filter '%s' is invalid",
                             filters->v[i].name ? filters->v[i].name : "");
        for (size_t k = 0; k < filters->v[i].values.n; k++)
            holds |= ec2_wildcard(filters->v[i].values.v[k], f->value);
        if (!holds)
            return 0;
    }
    return 1;
}

static bool named(const struct string_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], name))
            return true;
    return l->n == 0;
}

int ec2_describe_regions(struct call *c, const struct ec2_describe_regions_request *in,
                         struct ec2_describe_regions_result *out)
{
    /* Any region works as well; these are the ones that people look for. */
    static const char *const regions[] = {
        "us-east-1",      "us-east-2",     "us-west-1",  "us-west-2",
        "eu-west-1",      "eu-central-1",  "eu-north-1", "ap-southeast-1",
        "ap-southeast-2", "ap-northeast-1"};
    out->regions.set = true;
    bool own = false;
    for (size_t i = 0; i <= sizeof(regions) / sizeof(regions[0]); i++) {
        bool last = i == sizeof(regions) / sizeof(regions[0]);
        const char *name = last ? c->region : regions[i];
        const char *endpoint = call_printf(c, "ec2.%s.amazonaws.com", name);
        const struct fact facts[] = {{"region-name", name},
                                     {"endpoint", endpoint},
                                     {"opt-in-status", "opt-in-not-required"},
                                     {NULL, NULL}};
        int r = facts_hold(c, &in->filters, facts);
        if (r < 0)
            return -1;
        if ((last && own) || !r || !named(&in->region_names, name))
            continue;
        own |= streq(name, c->region);
        struct ec2_region *to = LIST_PUSH(&c->arena, &out->regions);
        to->region_name = name;
        to->endpoint = endpoint;
        to->opt_in_status = "opt-in-not-required";
    }
    for (size_t i = 0; i < in->region_names.n; i++) {
        bool found = false;
        for (size_t k = 0; k < out->regions.n; k++)
            found |= streq(out->regions.v[k].region_name, in->region_names.v[i]);
        if (!found && in->filters.n == 0)
            return ec2_fault(c, "InvalidParameterValue", "Invalid region(s): %s",
                             in->region_names.v[i]);
    }
    return ec2_dry_run(c, in->dry_run);
}

int ec2_describe_availability_zones(
    struct call *c, const struct ec2_describe_availability_zones_request *in,
    struct ec2_describe_availability_zones_result *out)
{
    out->availability_zones.set = true;
    for (size_t i = 0; i < in->zone_names.n; i++)
        if (!zone_known(c->region, in->zone_names.v[i]))
            return ec2_fault(c, "InvalidParameterValue",
                             "Invalid availability zone: [%s]", in->zone_names.v[i]);
    for (unsigned n = 0; n < ZONES; n++) {
        const char *name = zone_name(&c->arena, c->region, n);
        const char *id = zone_id(&c->arena, c->region, name);
        const struct fact facts[] = {{"zone-name", name},
                                     {"zone-id", id},
                                     {"state", "available"},
                                     {"region-name", c->region},
                                     {"group-name", c->region},
                                     {"zone-type", "availability-zone"},
                                     {"opt-in-status", "opt-in-not-required"},
                                     {NULL, NULL}};
        int r = facts_hold(c, &in->filters, facts);
        if (r < 0)
            return -1;
        if (!r || !named(&in->zone_names, name) || !named(&in->zone_ids, id))
            continue;
        struct ec2_availability_zone *to = LIST_PUSH(&c->arena, &out->availability_zones);
        to->zone_name = name;
        to->zone_id = id;
        to->region_name = c->region;
        to->group_name = c->region;
        to->network_border_group = c->region;
        to->zone_type = "availability-zone";
        to->state = EC2_AVAILABILITY_ZONE_STATE_AVAILABLE;
        to->opt_in_status = EC2_AVAILABILITY_ZONE_OPT_IN_STATUS_OPT_IN_NOT_REQUIRED;
        to->messages.set = true;
    }
    return ec2_dry_run(c, in->dry_run);
}

static void attribute_add(struct call *c, struct ec2_account_attribute_list *l,
                          const char *name, const char *value)
{
    struct ec2_account_attribute *to = LIST_PUSH(&c->arena, l);
    to->attribute_name = name;
    LIST_PUSH(&c->arena, &to->attribute_values)->attribute_value = value;
}

int ec2_describe_account_attributes(
    struct call *c, const struct ec2_describe_account_attributes_request *in,
    struct ec2_describe_account_attributes_result *out)
{
    struct ec2_scope s = ec2_scope_of(c);
    ec2_account_ensure(c->core, &s);
    const struct vpc *v = default_vpc(c->core, &s);
    const struct fact all[] = {
        {"supported-platforms", "VPC"}, {"default-vpc", v ? vpc_id(v) : "none"},
        {"max-instances", "1000"},      {"vpc-max-security-groups-per-interface", "5"},
        {"max-elastic-ips", "1000"},    {"vpc-max-elastic-ips", "1000"}};
    out->account_attributes.set = true;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bool wanted = in->attribute_names.n == 0;
        for (size_t k = 0; k < in->attribute_names.n; k++)
            wanted |= streq(wire_enum_name(&ec2_account_attribute_name_shape,
                                           (int)in->attribute_names.v[k]),
                            all[i].name);
        if (wanted)
            attribute_add(c, &out->account_attributes, all[i].name, all[i].value);
    }
    return ec2_dry_run(c, in->dry_run);
}
