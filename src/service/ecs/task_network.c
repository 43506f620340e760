#include "task_network.h"

#include <limits.h>

#include "ec2.h"
#include "task_interface.h"

#define SUBNETS_MAX 16
#define GROUPS_MAX  5

static struct ec2_scope scope_of(const struct cluster *cl)
{
    return (struct ec2_scope){cl->account, cl->region};
}

/* ---- what may be asked for ---- */

static int bad(struct call *c, const char *text)
{
    return call_fault(c, &ecs_invalid_parameter_exception, "%s", text);
}

static int subnets_check(struct call *c, const struct ecs_aws_vpc_configuration *v,
                         const char **ret_vpc)
{
    struct ec2_scope s = {c->who.account_id, c->region};
    struct error err;
    *ret_vpc = NULL;
    for (size_t i = 0; i < v->subnets.n; i++) {
        struct ec2_subnet_info info;
        if (ec2_subnet_find(c->core, &s, v->subnets.v[i], &info, &err) < 0)
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "Error retrieving subnet information for [%s]: %s "
                              "(ErrorCode: InvalidSubnetID.NotFound)",
                              v->subnets.v[i], err.text);
        if (*ret_vpc && !streq(*ret_vpc, info.vpc_id))
            return bad(c, "subnets must all be from the same VPC.");
        *ret_vpc = info.vpc_id;
    }
    return 0;
}

int task_network_check(struct call *c, const struct ecs_network_configuration *net,
                       bool fargate)
{
    const struct ecs_aws_vpc_configuration *v = net ? net->awsvpc_configuration : NULL;
    struct ec2_scope s = {c->who.account_id, c->region};
    const char *vpc, *unknown = NULL;
    struct error err;
    if (!v)
        return bad(c, "Network Configuration must be provided when networkMode 'awsvpc' "
                      "is specified.");
    if (v->subnets.n == 0)
        return bad(c, "subnets can not be empty.");
    if (v->subnets.n > SUBNETS_MAX)
        return bad(c, "subnets can have at most 16 items.");
    if (v->security_groups.n > GROUPS_MAX)
        return bad(c, "securityGroups can have at most 5 items.");
    if (!fargate && v->assign_public_ip == ECS_ASSIGN_PUBLIC_IP_ENABLED)
        return bad(c, "Assign public IP is not supported for this launch type.");
    if (subnets_check(c, v, &vpc) < 0)
        return -1;
    if (ec2_groups_check(c->core, &s, vpc, &v->security_groups, &unknown, &err) < 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Error retrieving security group information for [%s]: %s "
                          "(ErrorCode: InvalidGroup.NotFound)",
                          unknown, err.text);
    return 0;
}

/* ---- where it fits ---- */

static const struct string_list *subnets_of(const struct ecs_network_configuration *net)
{
    static const struct string_list none;
    return net && net->awsvpc_configuration ? &net->awsvpc_configuration->subnets : &none;
}

void task_network_need(struct core *core, const struct cluster *cl, struct arena *a,
                       const struct ecs_network_configuration *net,
                       struct place_need *need)
{
    const struct string_list *l = subnets_of(net);
    struct ec2_scope s = scope_of(cl);
    const char **zones = arena_new_array(a, const char *, l->n + 1);
    struct error ignored;
    need->zones = zones;
    need->zone_count = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct ec2_subnet_info info;
        if (ec2_subnet_find(core, &s, l->v[i], &info, &ignored) == 0)
            zones[need->zone_count++] = arena_strdup(a, info.availability_zone);
    }
}

static unsigned service_tasks_in(const struct task *t, const char *subnet_id)
{
    unsigned n = 0;
    if (!t->service)
        return 0;
    list_for_each (it, &t->service->tasks) {
        const struct task *other = list_entry(it, struct task, service_link);
        n += !other->stopping && streq(task_interface_subnet(other), subnet_id);
    }
    return n;
}

const char *task_network_subnet(struct core *core, const struct task *t)
{
    const struct string_list *l = subnets_of(t->rec->network);
    bool fargate = t->rec->task->launch_type == ECS_LAUNCH_TYPE_FARGATE;
    struct ec2_scope s = scope_of(t->cluster);
    const char *best = NULL;
    unsigned fewest = 0;
    uint32_t most_free = 0;
    struct error ignored;
    for (size_t i = 0; i < l->n; i++) {
        struct ec2_subnet_info info;
        if (ec2_subnet_find(core, &s, l->v[i], &info, &ignored) < 0 ||
            (!fargate && !streq(info.availability_zone, instance_zone(t->instance))))
            continue;
        unsigned n = info.free_addresses ? service_tasks_in(t, l->v[i]) : UINT_MAX;
        if (best && (n > fewest || (n == fewest && info.free_addresses <= most_free)))
            continue;
        best = l->v[i];
        fewest = n;
        most_free = info.free_addresses;
    }
    return best;
}
