/* service_checks.h: what creation, update and reading of services share.
 *
 * Owns: nothing. Threads: state thread. Fails: with the call's fault and -1 (or NULL). */
#pragma once

#include "ecs_state.h"

#define SERVICE_MAX_DESIRED 5000

/* Parts of a service that need what this server does not have. */
struct service_extras {
    size_t registries, volumes, lattice;
    const struct ecs_service_connect_configuration *connect;
};
int service_extras_check(struct call *c, const struct service_extras *x);
/* UnsupportedFeatureException: "<what> are not offered by this gantry." */
int service_not_offered(struct call *c, const char *what);

int service_configuration_check(struct call *c,
                                const struct ecs_deployment_configuration *d);
/* What is given replaces, what is left out stays; percents are filled with the defaults of
 * the scheduling strategy. */
struct ecs_deployment_configuration *service_configuration_merge(
    struct arena *a, const struct ecs_deployment_configuration *old,
    const struct ecs_deployment_configuration *given, bool daemon);
int service_placement_check(struct call *c,
                            const struct ecs_placement_constraint_list *constraints,
                            const struct ecs_placement_strategy_list *strategies);
int service_desired_check(struct call *c, int32_t desired);
/* Faults ClientException when it is unknown or not ACTIVE. */
struct taskdef *active_taskdef(struct call *c, const char *reference);

/* ClusterNotFoundException, ServiceNotFoundException. */
int service_require(struct call *c, const char *cluster, const char *reference,
                    struct service **ret);
/* A copy for a reply. */
void service_view(struct arena *a, const struct service *s, bool tags,
                  struct ecs_service *ret);
