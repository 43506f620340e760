/* CreateSubnet, DeleteSubnet, ModifySubnetAttribute, CreateDefaultSubnet. */
#include "ec2_tags.h"

static int range_check(struct call *c, const struct vpc *v, const char *text,
                       struct cidr *ret)
{
    const struct ec2_vpc_cidr_block_association_list *l =
        &v->rec->vpc->cidr_block_association_set;
    bool inside = false;
    if (!text)
        return ec2_fault(c, "MissingParameter",
                         "The request must contain the parameter cidrBlock");
    if (!cidr_parse(text, ret))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter cidrBlock is invalid. This is not a "
                         "valid CIDR block.",
                         text);
    for (size_t i = 0; i < l->n; i++) {
        struct cidr block;
        inside |= cidr_parse(l->v[i].cidr_block, &block) && cidr_contains(block, *ret);
    }
    if (!inside || ret->prefix_len < 16 || ret->prefix_len > 28)
        return ec2_fault(c, "InvalidSubnet.Range", "The CIDR '%s' is invalid.", text);
    list_for_each (it, &v->subnets) {
        if (cidr_overlap(list_entry(it, struct subnet, link)->cidr, *ret))
            return ec2_fault(c, "InvalidSubnet.Conflict",
                             "The CIDR '%s' conflicts with another subnet", text);
    }
    return 0;
}

/* Where none is asked for: the zone with the fewest subnets of the VPC. */
static const char *some_zone(struct call *c, const struct vpc *v)
{
    size_t best = SIZE_MAX;
    const char *found = NULL;
    for (unsigned n = 0; n < ZONES; n++) {
        const char *zone = zone_name(&c->arena, c->region, n);
        size_t count = 0;
        list_for_each (it, &v->subnets) {
            count +=
                streq(list_entry(it, struct subnet, link)->rec->subnet->availability_zone,
                      zone);
        }
        if (count < best) {
            best = count;
            found = zone;
        }
    }
    return found;
}

static int zone_choose(struct call *c, const struct vpc *v, const char *name,
                       const char *id, const char **ret)
{
    *ret = name;
    for (unsigned n = 0; id && n < ZONES; n++) {
        const char *zone = zone_name(&c->arena, c->region, n);
        if (streq(zone_id(&c->arena, c->region, zone), id))
            *ret = zone;
    }
    if (!name && !id)
        *ret = some_zone(c, v);
    if (!zone_known(c->region, *ret))
        return ec2_fault(c, "InvalidParameterValue",
                         "Value (%s) for parameter availabilityZone is invalid. Subnets "
                         "can currently only be created in the following availability "
                         "zones: %sa, %sb, %sc.",
                         name ? name : id, c->region, c->region, c->region);
    return 0;
}

int ec2_create_subnet(struct call *c, const struct ec2_create_subnet_request *in,
                      struct ec2_create_subnet_result *out)
{
    static const char *const types[] = {"subnet", NULL};
    struct vpc *v = vpc_require(c, in->vpc_id);
    const char *zone = NULL;
    struct cidr cidr = {0};
    if (!v)
        return -1;
    if (in->ipv6_cidr_block || in->ipv6_native.v || in->ipv6_ipam_pool_id)
        return ec2_refuse(c, "IPv6 address ranges are");
    if (in->outpost_arn || in->ipv4_ipam_pool_id)
        return ec2_refuse(c, "Outposts and IPAM pools are");
    if (range_check(c, v, in->cidr_block, &cidr) < 0 ||
        zone_choose(c, v, in->availability_zone, in->availability_zone_id, &zone) < 0 ||
        ec2_tags_given(c, &in->tag_specifications, types) < 0 ||
        ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct subnet *s = subnet_new(c->core, v, cidr, zone, false);
    ec2_tags_take(&s->o.arena, &in->tag_specifications, "subnet", &s->rec->subnet->tags);
    object_save(c->core, &s->o);
    out->subnet = s->rec->subnet;
    out->subnet->available_ip_address_count = SET_INT((int32_t)subnet_free_addresses(s));
    return 0;
}

int ec2_delete_subnet(struct call *c, const struct ec2_delete_subnet_request *in,
                      void *out)
{
    struct subnet *s = subnet_require(c, in->subnet_id);
    if (!s)
        return -1;
    if (!list_empty(&s->interfaces))
        return ec2_fault(c, "DependencyViolation",
                         "The subnet '%s' has dependencies and cannot be deleted.",
                         in->subnet_id);
    if (ec2_dry_run(c, in->dry_run) < 0)
        return -1;
    struct vpc *v = s->vpc;
    list_for_each (it, &v->route_tables) {
        struct route_table *t = list_entry(it, struct route_table, link);
        struct ec2_route_table_association_list *l = &t->rec->route_table->associations;
        size_t kept = 0;
        for (size_t i = 0; i < l->n; i++)
            if (!streq(l->v[i].subnet_id, in->subnet_id))
                l->v[kept++] = l->v[i];
        if (kept != l->n) {
            l->n = kept;
            object_save(c->core, &t->o);
        }
    }
    object_delete(c->core, &s->o);
    vpc_changed(c->core, v);
    return 0;
}

static bool wants(const struct ec2_attribute_boolean_value *b)
{
    return b && b->value.v;
}

int ec2_modify_subnet_attribute(struct call *c,
                                const struct ec2_modify_subnet_attribute_request *in,
                                void *out)
{
    struct subnet *s = subnet_require(c, in->subnet_id);
    if (!s)
        return -1;
    if (wants(in->assign_ipv6_address_on_creation) || wants(in->enable_dns64) ||
        wants(in->map_customer_owned_ip_on_launch) ||
        wants(in->enable_resource_name_dns_aaaa_record_on_launch) ||
        in->enable_lni_at_device_index.set)
        return ec2_refuse(c, "IPv6 and Outposts are");
    if (in->private_dns_hostname_type_on_launch == EC2_HOSTNAME_TYPE_RESOURCE_NAME ||
        wants(in->enable_resource_name_dns_a_record_on_launch))
        return ec2_refuse(c, "Host names of the type resource-name are");
    if (in->map_public_ip_on_launch)
        s->rec->subnet->map_public_ip_on_launch =
            SET_BOOL(in->map_public_ip_on_launch->value.v);
    object_save(c->core, &s->o);
    return 0;
}

int ec2_create_default_subnet(struct call *c,
                              const struct ec2_create_default_subnet_request *in,
                              struct ec2_create_default_subnet_result *out)
{
    struct ec2_scope scope = ec2_scope_of(c);
    ec2_account_ensure(c->core, &scope);
    struct vpc *v = default_vpc(c->core, &scope);
    const char *zone;
    if (!v)
        return ec2_fault(c, "DefaultVpcDoesNotExist",
                         "There is no default VPC for this account in this region.");
    if (zone_choose(c, v, in->availability_zone, in->availability_zone_id, &zone) < 0)
        return -1;
    list_for_each (it, &v->subnets) {
        const struct ec2_subnet *rec = list_entry(it, struct subnet, link)->rec->subnet;
        if (rec->default_for_az.v && streq(rec->availability_zone, zone))
            return ec2_fault(c, "DefaultSubnetAlreadyExistsInAvailabilityZone",
                             "'%s' is already the default subnet in %s.", rec->subnet_id,
                             zone);
    }
    for (uint32_t n = 0; n < 16; n++) {
        struct cidr cidr = {0xac1f0000 + (n << 12), 20};
        bool taken = false;
        list_for_each (it, &v->subnets) {
            taken |= cidr_overlap(list_entry(it, struct subnet, link)->cidr, cidr);
        }
        if (taken)
            continue;
        if (ec2_dry_run(c, in->dry_run) < 0)
            return -1;
        const struct subnet *s = subnet_new(c->core, v, cidr, zone, true);
        out->subnet = s->rec->subnet;
        out->subnet->available_ip_address_count =
            SET_INT((int32_t)subnet_free_addresses(s));
        return 0;
    }
    return ec2_fault(c, "InsufficientCidrBlocks",
                     "The default VPC has no range of 4096 addresses left.");
}
