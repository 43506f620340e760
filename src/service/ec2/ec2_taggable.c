/* Which resources have tags, see ec2_taggable.h. */
#include "ec2_taggable.h"

#include "address.h"
#include "ec2_instance.h"
#include "interface.h"
#include "key_pair.h"
#include "launch_template.h"
#include "security_group.h"

#define TAGS(name, type, member)                                                         \
    static struct ec2_tag_list *name(const struct object *o)                             \
    {                                                                                    \
        return &((const struct type *)o)->rec->member;                                   \
    }
TAGS(of_vpc, vpc, vpc->tags)
TAGS(of_subnet, subnet, subnet->tags)
TAGS(of_route_table, route_table, route_table->tags)
TAGS(of_internet_gateway, internet_gateway, internet_gateway->tags)
TAGS(of_nat_gateway, nat_gateway, nat_gateway->tags)
TAGS(of_address, elastic_address, address->tags)
TAGS(of_group, security_group, group->tags)
TAGS(of_interface, network_interface, interface->tag_set)
TAGS(of_instance, ec2_instance_object, instance->tags)
TAGS(of_launch_template, launch_template, launch_template->tags)
TAGS(of_key_pair, key_pair, key_pair->tags)

static const char *id_of_key_pair(const struct object *o)
{
    return ((const struct key_pair *)o)->rec->key_pair->key_pair_id;
}

#define TABLE(name) offsetof(struct ec2, name)

const struct taggable_kind taggable_kinds[] = {
    {"vpc-", EC2_RESOURCE_TYPE_VPC, TABLE(vpcs), "vpc", "InvalidVpcID.NotFound",
     "The vpc ID '%s' does not exist", of_vpc, NULL},
    {"subnet-", EC2_RESOURCE_TYPE_SUBNET, TABLE(subnets), "subnet",
     "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", of_subnet, NULL},
    {"rtb-", EC2_RESOURCE_TYPE_ROUTE_TABLE, TABLE(route_tables), "route-table",
     "InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist",
     of_route_table, NULL},
    {"igw-", EC2_RESOURCE_TYPE_INTERNET_GATEWAY, TABLE(internet_gateways),
     "internet-gateway", "InvalidInternetGatewayID.NotFound",
     "The internetGateway ID '%s' does not exist", of_internet_gateway, NULL},
    {"nat-", EC2_RESOURCE_TYPE_NATGATEWAY, TABLE(nat_gateways), "nat-gateway",
     "NatGatewayNotFound", "The Nat Gateway %s was not found", of_nat_gateway, NULL},
    {"eipalloc-", EC2_RESOURCE_TYPE_ELASTIC_IP, TABLE(addresses), "address",
     "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", of_address,
     NULL},
    {"sg-", EC2_RESOURCE_TYPE_SECURITY_GROUP, TABLE(groups), "security-group",
     "InvalidGroup.NotFound", "The security group '%s' does not exist", of_group, NULL},
    {"eni-", EC2_RESOURCE_TYPE_NETWORK_INTERFACE, TABLE(interfaces), "network-interface",
     "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist",
     of_interface, NULL},
    {"i-", EC2_RESOURCE_TYPE_INSTANCE, TABLE(instances), "instance",
     "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", of_instance,
     NULL},
    {"lt-", EC2_RESOURCE_TYPE_LAUNCH_TEMPLATE, TABLE(launch_templates), "launch-template",
     "InvalidLaunchTemplateId.NotFound",
     "The specified launch template, with template ID %s, does not exist.",
     of_launch_template, NULL},
    {"key-", EC2_RESOURCE_TYPE_KEY_PAIR, TABLE(key_pairs), "key-pair",
     "InvalidKeyPair.NotFound", "The key pair '%s' does not exist", of_key_pair,
     id_of_key_pair},
    {0},
};

struct table *taggable_table(const struct core *core, const struct taggable_kind *k)
{
    return *(struct table **)(void *)((char *)ec2_of(core) + k->table);
}

const char *taggable_id(const struct taggable_kind *k, const struct object *o)
{
    return k->id ? k->id(o) : strrchr(o->key, '/') + 1;
}

static const struct taggable_kind *kind_of(const char *id)
{
    for (const struct taggable_kind *k = taggable_kinds; k->prefix; k++)
        if (str_starts(id, k->prefix))
            return k;
    return NULL;
}

static bool find_rule(struct call *c, const char *id, struct taggable *ret)
{
    struct ec2_scope s = ec2_scope_of(c);
    struct security_group *g = security_rule_group(c->core, &s, id);
    if (g)
        *ret = (struct taggable){&g->o, &security_rule_find(g, id)->tags, id,
                                 EC2_RESOURCE_TYPE_SECURITY_GROUP_RULE};
    return g != NULL;
}

/* Key pairs are kept by their names. */
static struct object *search(struct call *c, const struct taggable_kind *k,
                             const char *id)
{
    struct ec2_scope s = ec2_scope_of(c);
    const char *prefix = ec2_prefix(&c->arena, k->key_kind, &s), *after = prefix;
    struct object *o;
    if (!k->id)
        return table_find(taggable_table(c->core, k),
                          ec2_key(&c->arena, k->key_kind, &s, id));
    for (; (o = table_next(taggable_table(c->core, k), prefix, after)); after = o->key)
        if (streq(k->id(o), id))
            break;
    return o;
}

bool taggable_find(struct call *c, const char *id, struct taggable *ret)
{
    const struct taggable_kind *k = kind_of(id);
    if (str_starts(id, "sgr-"))
        return find_rule(c, id, ret);
    struct object *o = k ? search(c, k, id) : NULL;
    if (o)
        *ret = (struct taggable){o, k->tags(o), id, k->type};
    return o != NULL;
}

int taggable_require(struct call *c, const char *id, struct taggable *ret)
{
    const struct taggable_kind *k = kind_of(id);
    if (taggable_find(c, id, ret))
        return 0;
    if (str_starts(id, "sgr-"))
        return ec2_fault(c, "InvalidSecurityGroupRuleId.NotFound",
                         "The security group rule ID '%s' does not exist", id);
    return k ? ec2_fault(c, k->missing_code, k->missing_text, id)
             : ec2_fault(c, "InvalidID", "The ID '%s' is not valid", id);
}
