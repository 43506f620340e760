/* What an operation of EC2 asks of IAM, see access.h. Rules: "Actions, resources, and
 * condition keys for Amazon EC2" of the Service Authorization Reference. What an operation
 * makes has no id yet: it is asked for as "vpc/\*". */
#include <strings.h>

#include "access.h"
#include "ec2_taggable.h"

#define ARN "arn:aws:ec2:{region}:{account}:"

static const struct access_rule resources[] = {
    {"elastic-ip", ARN "elastic-ip/{AllocationId+*}"},
    {"image", "arn:aws:ec2:{region}::image/{ImageId}"},
    {"instance", ARN "instance/{InstanceId|InstanceIds+*}"},
    {"internet-gateway", ARN "internet-gateway/{InternetGatewayId+*}"},
    {"key-pair", ARN "key-pair/{KeyName|KeyPairId}"},
    {"launch-template", ARN "launch-template/{LaunchTemplateId|LaunchTemplate."
                            "LaunchTemplateId+*}"},
    {"natgateway", ARN "natgateway/{NatGatewayId+*}"},
    {"network-interface", ARN "network-interface/{NetworkInterfaceId+*}"},
    {"route-table", ARN "route-table/{RouteTableId+*}"},
    {"security-group",
     ARN "security-group/{GroupId|Groups|SecurityGroupIds|SecurityGroupRules."
         "SecurityGroupRule.ReferencedGroupId+*}"},
    {"security-group-rule",
     ARN "security-group-rule/{SecurityGroupRuleIds|SecurityGroupRules."
         "SecurityGroupRuleId}"},
    {"subnet", ARN "subnet/{SubnetId+*}"},
    /* CreateTags names things of any type: resolve() tells which. */
    {"vpc", ARN "vpc/{VpcId|Resources+*}"},
    {0},
};

static const struct access_rule keys[] = {
    {"ec2:AvailabilityZone", "{AvailabilityZone|Placement.AvailabilityZone}"},
    {"ec2:Domain", "{Domain}"},
    {"ec2:ImageID", "{ImageId}"},
    {"ec2:InstanceType", "{InstanceType}"},
    {"ec2:InstanceProfile", "{IamInstanceProfile.Arn}"},
    {"ec2:KeyPairName", "{KeyName}"},
    {"ec2:MetadataHttpEndpoint", "{MetadataOptions.HttpEndpoint|HttpEndpoint}"},
    {"ec2:MetadataHttpPutResponseHopLimit",
     "{MetadataOptions.HttpPutResponseHopLimit|HttpPutResponseHopLimit}"},
    {"ec2:MetadataHttpTokens", "{MetadataOptions.HttpTokens|HttpTokens}"},
    {"ec2:Region", "{region}"},
    {"ec2:Subnet", ARN "subnet/{SubnetId}"},
    {"ec2:Vpc", ARN "vpc/{VpcId}"},
    {0},
};

/* The word in ARNs is the one in EC2's own resource types. */
static const char *resolve(struct call *c, const char *type, const char *arn)
{
    const char *id = strrchr(arn, '/');
    for (const struct taggable_kind *k = taggable_kinds; id && k->prefix; k++)
        if (str_starts(id + 1, k->prefix))
            return call_printf(c, "arn:aws:ec2:%s:%s:%s%s", c->region, c->who.account_id,
                               wire_enum_name(&ec2_resource_type_shape, (int)k->type),
                               id);
    return arn;
}

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const char *id = strrchr(arn, '/');
    struct taggable found;
    if (!id || !taggable_find(c, id + 1, &found))
        return NULL;
    for (size_t i = 0; i < found.tags->n; i++)
        if (strcasecmp(found.tags->v[i].key, key) == 0)
            return found.tags->v[i].value;
    return NULL;
}

static bool key(struct call *c, const char *arn, const char *name,
                struct policy_values *ret)
{
    if (!streq(name, "ec2:createaction"))
        return false;
    const char **v = arena_new(&c->arena, const char *);
    v[0] = c->operation->wire->name;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

const struct access_service ec2_access = {
    .resources = resources,
    .keys = keys,
    .resolve = resolve,
    .tag = tag,
    .key = key,
};
