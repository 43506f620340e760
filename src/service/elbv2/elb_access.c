/* What an operation of ELB asks of IAM, see access.h. Every resource is named by its ARN,
 * which tells its type; what is made has none yet. */
#include <strings.h>

#include "access.h"
#include "elb_tags.h"

#define ARN      "arn:aws:elasticloadbalancing:{region}:{account}:"
#define LISTENER "{ListenerArn}"
#define BALANCER "{LoadBalancerArn}"
#define RULE     "{RuleArn|RulePriorities.RuleArn}"

static const struct access_rule resources[] = {
    {"listener-rule/app", RULE},
    {"listener-rule/net", RULE},
    {"listener/app", LISTENER},
    {"listener/net", LISTENER},
    {"loadbalancer/app/", BALANCER},
    {"loadbalancer/net/", BALANCER},
    {"loadbalancer", ARN "loadbalancer/{LoadBalancerArn|ResourceArns|Name}"},
    {"targetgroup", ARN "targetgroup/{TargetGroupArn|Name}"},
    {0},
};

static const struct access_rule keys[] = {
    {"elasticloadbalancing:ListenerProtocol", "{Protocol}"},
    {"elasticloadbalancing:Scheme", "{Scheme}"},
    {"elasticloadbalancing:SecurityGroup", "{SecurityGroups}"},
    {"elasticloadbalancing:SecurityPolicy", "{SslPolicy}"},
    {"elasticloadbalancing:Subnet", "{Subnets|SubnetMappings.SubnetId}"},
    {0},
};

/* Made things are asked for with the type and the id that they will have: "app/name/\*". */
static const char *resolve(struct call *c, const char *type, const char *arn)
{
    const char *operation = c->operation->wire->name;
    const char *const *kind;
    if (streq(operation, "CreateTargetGroup"))
        return call_printf(c, "%s/*", arn);
    if (!streq(operation, "CreateLoadBalancer"))
        return arn;
    bool net = wire_pick(&c->arena, c->operation->wire->input, c->in, "Type", &kind) &&
               streq(kind[0], "network");
    return call_printf(c, "arn:aws:elasticloadbalancing:%s:%s:loadbalancer/%s/%s/*",
                       c->region, c->who.account_id, net ? "net" : "app",
                       strrchr(arn, '/') + 1);
}

static const struct elbv2_tag_list *tags_of(struct core *core, const char *arn)
{
    const struct balancer *b = balancer_find(core, arn);
    const struct target_group *g = b ? NULL : target_group_find(core, arn);
    const struct listener *l = b || g ? NULL : listener_find(core, arn);
    const struct rule *r = b || g || l ? NULL : rule_find(core, arn);
    return b   ? &b->rec->tags
           : g ? &g->rec->tags
           : l ? &l->rec->tags
           : r ? &r->rec->tags
               : NULL;
}

static const char *tag(struct call *c, const char *arn, const char *key)
{
    const struct elbv2_tag_list *tags = tags_of(c->core, arn);
    for (size_t i = 0; tags && i < tags->n; i++)
        if (strcasecmp(tags->v[i].key, key) == 0)
            return tags->v[i].value;
    return NULL;
}

const struct access_service elbv2_access = {
    .resources = resources,
    .keys = keys,
    .resolve = resolve,
    .tag = tag,
};
