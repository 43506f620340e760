/* cluster_view.h: what the operations on clusters share.
 *
 * Owns: nothing. Threads: state thread. Fails: checks with the call's fault. */
#pragma once

#include "ecs_state.h"

struct cluster_include {
    bool attachments, configurations, settings, statistics, tags;
};
void cluster_view(struct core *core, struct arena *a, const struct cluster *cl,
                  const struct cluster_include *inc, struct ecs_cluster *ret);

int cluster_settings_check(struct call *c,
                           const struct ecs_cluster_setting_list *settings);
int cluster_configuration_check(struct call *c,
                                const struct ecs_cluster_configuration *conf);
/* Namespaces are Cloud Map's, so a cluster that names one is refused. */
int cluster_connect_check(
    struct call *c, const struct ecs_cluster_service_connect_defaults_request *defaults);

/* The capacity providers of a cluster, as a request gives them. */
struct cluster_providers {
    struct string_list names;
    struct ecs_capacity_provider_strategy_item_list strategy;
};
/* They exist, and the strategy names none besides. ARNs become names. */
int cluster_providers_check(struct call *c, struct cluster_providers *p);
void cluster_providers_keep(struct cluster *cl, const struct cluster_providers *p);
