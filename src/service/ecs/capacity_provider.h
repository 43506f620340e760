/* capacity_provider.h: where the instances of a cluster come from.
 *
 * Four kinds: FARGATE and FARGATE_SPOT are always there and hold nothing; one of an Auto
 * Scaling group and one of managed instances is a stored object of the account. A container
 * instance belongs to the provider that its record names (capacityProviderName): today its
 * agent says so when it registers (attribute PROVIDER_ATTRIBUTE); what launches instances
 * for a provider sets the same member through instance_set_provider().
 *
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL or PROVIDER_NONE. */
#pragma once

#include "ecs_state.h"

#define PROVIDER_ATTRIBUTE    "gantry.capacity-provider"
#define PROVIDER_MAX          20 /* of a cluster, and in a strategy */
#define PROVIDER_MAX_WAITING  500
#define PROVIDER_FARGATE_NAME "FARGATE"
#define PROVIDER_SPOT_NAME    "FARGATE_SPOT"
#define PROVIDER_NOT_FOUND                                                               \
    "The specified capacity provider was not found. Specify a valid name or ARN and "    \
    "try "                                                                               \
    "again."

struct capacity_provider {
    struct object o;
    struct gantry_capacity_provider_record *rec;
};

enum provider_kind {
    PROVIDER_NONE, /* no such provider */
    PROVIDER_AUTO_SCALING,
    PROVIDER_MANAGED_INSTANCES,
    PROVIDER_FARGATE,
    PROVIDER_FARGATE_SPOT,
};

const char *provider_key(struct arena *a, const char *account, const char *region,
                         const char *name);
/* By name or ARN, in the account and region of the cluster. */
enum provider_kind provider_kind(struct core *core, const struct cluster *cl,
                                 const char *reference);
struct capacity_provider *provider_find(struct core *core, const char *account,
                                        const char *region, const char *reference);
static inline bool provider_is_fargate(enum provider_kind k)
{
    return k == PROVIDER_FARGATE || k == PROVIDER_FARGATE_SPOT;
}
/* What tasks that it places have as their launchType. */
enum ecs_launch_type provider_launch_type(enum provider_kind k);

/* Is it in the cluster's list? */
bool cluster_has_provider(const struct cluster *cl, const char *name);
/* A strategy of RunTask, a service or a cluster: every rule but that of association when
 * `cl` is NULL. Names that are ARNs become names. */
int provider_strategy_check(struct call *c, const struct cluster *cl,
                            struct ecs_capacity_provider_strategy_item_list *strategy);
/* Adds a provider that was made for this cluster to its list. */
void cluster_add_provider(struct core *core, struct cluster *cl, const char *name);
void cluster_remove_provider(struct core *core, struct cluster *cl, const char *name);
/* Is it in the strategy of a service that is ACTIVE, or does a task run by it? */
bool provider_used(const struct cluster *cl, const char *name);
/* Does the cluster hold providers of managed instances? */
bool cluster_has_managed_instances(struct core *core, const struct cluster *cl);
