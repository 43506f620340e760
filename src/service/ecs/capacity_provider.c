/* Finding capacity providers, and the rules of strategies. */
#include "capacity_provider.h"

#include <string.h>

/* ---- finding ---- */

const char *provider_key(struct arena *a, const char *account, const char *region,
                         const char *name)
{
    return ecs_key(a, "capacity-provider", account, region, name);
}

/* An ARN of another account or region names nothing here. */
static const char *own_name(struct core *core, const char *account, const char *region,
                            const char *reference)
{
    struct arn arn;
    if (!reference || !arn_looks_like(reference))
        return reference;
    if (!arn_parse(core_scratch(core), reference, &arn) || !streq(arn.service, "ecs") ||
        !streq(arn.account, account) || !streq(arn.region, region) ||
        !str_starts(arn.resource, "capacity-provider/"))
        return NULL;
    return ecs_last_segment(reference);
}

struct capacity_provider *provider_find(struct core *core, const char *account,
                                        const char *region, const char *reference)
{
    const char *name = own_name(core, account, region, reference);
    return name ? table_find(ecs_of(core)->capacity_providers,
                             provider_key(core_scratch(core), account, region, name))
                : NULL;
}

enum provider_kind provider_kind(struct core *core, const struct cluster *cl,
                                 const char *reference)
{
    const char *name = own_name(core, cl->account, cl->region, reference);
    if (streq(name, PROVIDER_FARGATE_NAME))
        return PROVIDER_FARGATE;
    if (streq(name, PROVIDER_SPOT_NAME))
        return PROVIDER_FARGATE_SPOT;
    const struct capacity_provider *p =
        provider_find(core, cl->account, cl->region, reference);
    if (!p)
        return PROVIDER_NONE;
    return p->rec->provider->managed_instances_provider ? PROVIDER_MANAGED_INSTANCES
                                                        : PROVIDER_AUTO_SCALING;
}

enum ecs_launch_type provider_launch_type(enum provider_kind k)
{
    return provider_is_fargate(k)            ? ECS_LAUNCH_TYPE_FARGATE
           : k == PROVIDER_MANAGED_INSTANCES ? ECS_LAUNCH_TYPE_MANAGED_INSTANCES
                                             : ECS_LAUNCH_TYPE_EC2;
}

bool cluster_has_provider(const struct cluster *cl, const char *name)
{
    const struct string_list *l = &cl->rec->cluster->capacity_providers;
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], name))
            return true;
    return false;
}

void cluster_add_provider(struct core *core, struct cluster *cl, const char *name)
{
    if (cluster_has_provider(cl, name))
        return;
    struct arena *a = &cl->o.arena;
    *LIST_PUSH(a, &cl->rec->cluster->capacity_providers) = arena_strdup(a, name);
    object_save(core, &cl->o);
}

bool cluster_has_managed_instances(struct core *core, const struct cluster *cl)
{
    const struct string_list *l = &cl->rec->cluster->capacity_providers;
    for (size_t i = 0; i < l->n; i++)
        if (provider_kind(core, cl, l->v[i]) == PROVIDER_MANAGED_INSTANCES)
            return true;
    return false;
}

/* ---- strategies ---- */

static int
strategy_numbers_check(struct call *c,
                       const struct ecs_capacity_provider_strategy_item_list *strategy)
{
    size_t bases = 0;
    int64_t weights = 0;
    for (size_t i = 0; i < strategy->n; i++) {
        bases += strategy->v[i].base.v > 0;
        weights += strategy->v[i].weight.v;
        for (size_t j = 0; j < i; j++)
            if (streq(strategy->v[i].capacity_provider, strategy->v[j].capacity_provider))
                return call_fault(c, &ecs_invalid_parameter_exception,
                                  "The capacity provider strategy cannot contain a "
                                  "capacity provider more than once: %s",
                                  strategy->v[i].capacity_provider);
    }
    if (bases > 1)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "There are multiple capacity providers in the specified "
                          "capacity provider strategy with a base value defined. Specify "
                          "only one capacity provider with a base value and try again.");
    /* A single provider takes everything, whatever its weight. */
    if (strategy->n > 1 && weights == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "There are no capacity providers in the capacity provider "
                          "strategy with a weight value greater than zero. Specify a "
                          "weight value greater than zero and try again.");
    return 0;
}

int provider_strategy_check(struct call *c, const struct cluster *cl,
                            struct ecs_capacity_provider_strategy_item_list *strategy)
{
    struct cluster own = {.account = c->who.account_id, .region = c->region};
    const struct cluster *where = cl ? cl : &own;
    size_t fargate = 0;
    if (strategy->n > PROVIDER_MAX)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A capacity provider strategy can contain a maximum of 20 "
                          "capacity providers.");
    struct ecs_capacity_provider_strategy_item_list named = {.set = strategy->set};
    for (size_t i = 0; i < strategy->n; i++) {
        const char *reference = strategy->v[i].capacity_provider;
        enum provider_kind kind = provider_kind(c->core, where, reference);
        const char *name = ecs_last_segment(reference);
        if (kind == PROVIDER_NONE && !cl)
            return call_fault(c, &ecs_invalid_parameter_exception, PROVIDER_NOT_FOUND);
        if (cl && (kind == PROVIDER_NONE || !cluster_has_provider(cl, name)))
            return call_fault(
                c, &ecs_invalid_parameter_exception,
                "The specified capacity provider strategy cannot contain a "
                "capacity provider that is not associated with the cluster. "
                "Associate the capacity provider with the cluster and try "
                "again.");
        fargate += provider_is_fargate(kind);
        struct ecs_capacity_provider_strategy_item *item = LIST_PUSH(&c->arena, &named);
        *item = strategy->v[i];
        item->capacity_provider = name;
        item->weight = SET_INT(item->weight.v);
        item->base = SET_INT(item->base.v);
    }
    if (fargate && fargate != strategy->n)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A capacity provider strategy cannot contain a mix of capacity "
                          "providers using Auto Scaling groups and Fargate providers. "
                          "Specify one or the other and try again.");
    *strategy = named;
    return strategy_numbers_check(c, strategy);
}
