/* What an operation of ECS asks of IAM, see access.h: ARNs of its resources, condition keys,
 * tags. Rules: "Actions, resources, and condition keys for Amazon ECS" of the Service
 * Authorization Reference. */
#include "access.h"

#include "ecs_state.h"

#define ARN     "arn:aws:ecs:{region}:{account}:"
#define CLUSTER "{cluster|clusterArn|serviceCluster=default}"

static const struct access_rule resources[] = {
    {"capacity-provider",
     ARN "capacity-provider/{capacityProvider|capacityProviders|name|resourceArn}"},
    {"cluster", ARN "cluster/{cluster|clusters|clusterName|resourceArn=default}"},
    {"container-instance",
     ARN "container-instance/" CLUSTER
         "/{containerInstance|containerInstances|attributes.targetId|resourceArn=*}"},
    {"daemon", ARN "daemon/{clusterArn=default}/{daemonArn|daemonName|resourceArn}"},
    {"daemon-deployment", "{daemonDeploymentArns}"},
    {"daemon-revision", "{daemonRevisionArns}"},
    {"daemon-task-definition",
     ARN "daemon-task-definition/{daemonTaskDefinition|family|resourceArn}"},
    {"service",
     ARN "service/" CLUSTER
         "/{service|services|serviceArn|serviceName|primaryService|resourceArn}"},
    {"service-deployment", "{serviceDeploymentArn|serviceDeploymentArns}"},
    {"service-revision", "{serviceRevisionArns}"},
    {"task", ARN "task/" CLUSTER "/{task|tasks|resourceArn}"},
    {"task-definition",
     ARN "task-definition/{taskDefinition|taskDefinitions|family|resourceArn}"},
    {"task-set", ARN "task-set/" CLUSTER
                     "/{service}/{taskSet|primaryTaskSet|taskSets|resourceArn+*}"},
    {0},
};

static const struct access_rule keys[] = {
    {"ecs:account-setting", "{name}"},
    {"ecs:auto-assign-public-ip",
     "{networkConfiguration.awsvpcConfiguration.assignPublicIp}"},
    {"ecs:capacity-provider",
     "{capacityProviderStrategy.capacityProvider|capacityProviders}"},
    {"ecs:cluster", ARN "cluster/{cluster|clusterArn=default}"},
    {"ecs:compute-compatibility", "{requiresCompatibilities}"},
    {"ecs:container-instances",
     ARN "container-instance/" CLUSTER "/{containerInstances}"},
    {"ecs:container-name", "{container}"},
    {"ecs:daemon-task-definition", "{daemonTaskDefinitionArn}"},
    {"ecs:enable-ecs-managed-tags", "{enableECSManagedTags=false}"},
    {"ecs:enable-execute-command", "{enableExecuteCommand=false}"},
    {"ecs:enable-service-connect", "{serviceConnectConfiguration.enabled=false}"},
    {"ecs:namespace", "{serviceConnectConfiguration.namespace|namespace}"},
    {"ecs:propagate-tags", "{propagateTags}"},
    {"ecs:service", ARN "service/" CLUSTER "/{service}"},
    {"ecs:subnet", "{networkConfiguration.awsvpcConfiguration.subnets}"},
    {"ecs:task", ARN "task/" CLUSTER "/{task}"},
    {"ecs:task-cpu", "{cpu|overrides.cpu}"},
    {"ecs:task-definition", ARN "task-definition/{taskDefinition}"},
    {"ecs:task-memory", "{memory|overrides.memory}"},
    {0},
};

/* A family means its newest ACTIVE revision; one that is being registered, all of them. */
static const char *resolve_taskdef(struct call *c, const char *arn)
{
    if (!strstr(arn, ":task-definition/") || strchr(ecs_last_segment(arn), ':'))
        return arn;
    const struct taskdef *td = taskdef_find(c, arn);
    const bool registers = streq(c->operation->wire->name, "RegisterTaskDefinition");
    return td && !registers ? td->rec->task_definition->task_definition_arn
                            : call_printf(c, "%s:*", arn);
}

static const char *resolve(struct call *c, const char *type, const char *arn)
{
    return streq(type, "task-definition") ? resolve_taskdef(c, arn) : arn;
}

static bool has_privileged(struct call *c)
{
    const char *const *v;
    size_t n = wire_pick(&c->arena, c->operation->wire->input, c->in,
                         "containerDefinitions.privileged", &v);
    for (size_t i = 0; i < n; i++)
        if (streq(v[i], "true"))
            return true;
    return false;
}

static bool key(struct call *c, const char *arn, const char *name,
                struct policy_values *ret)
{
    static const char *const yes[] = {"true"}, *const no[] = {"false"};
    if (streq(name, "ecs:createaction")) {
        const char **v = arena_new(&c->arena, const char *);
        v[0] = c->operation->wire->name;
        *ret = (struct policy_values){.v = v, .n = 1};
        return true;
    }
    if (!streq(name, "ecs:privileged"))
        return false;
    *ret = (struct policy_values){.v = has_privileged(c) ? yes : no, .n = 1};
    return true;
}

#define ROLE(member) "arn:aws:iam::{account}:role/{" member "}"

static const struct access_pass passes[] = {
    {ROLE("taskRoleArn|overrides.taskRoleArn"), "ecs-tasks.amazonaws.com"},
    {ROLE("executionRoleArn|overrides.executionRoleArn"), "ecs-tasks.amazonaws.com"},
    {ROLE("infrastructureRoleArn"), "ecs.amazonaws.com"},
    {ROLE("role"), "ecs.amazonaws.com"},
    {ROLE("loadBalancers.advancedConfiguration.roleArn"), "ecs.amazonaws.com"},
    {0},
};

const struct access_service ecs_access = {
    .resources = resources,
    .passes = passes,
    .keys = keys,
    .resolve = resolve,
    .tag = ecs_tag_of,
    .key = key,
};
