/* staged.h: services whose deployments go by stages: BLUE_GREEN, LINEAR, CANARY.
 *
 * rollout_stage.h decides; these files show it a service, carry out what it says and keep
 * its state in the service's record (record.rollout), from the first look at a new
 * deployment until it is over. While it is there each deployment of the service is planned
 * by itself, as task sets are: green and blue each run what is desired or nothing. What
 * people see of it (stage, hooks, weights) is written to the service deployment.
 *
 * A hook's target is a URL, which is called by POST (ecs.h, ecs_hook_ops), or the ARN of a
 * task definition: then a task is run in the service's cluster, with the text that a URL
 * would get in the variable ECS_LIFECYCLE_HOOK of each container; it has to end with exit
 * code 0 of its essential containers.
 *
 * Owns: nothing. Threads: state thread. Fails: as noted. */
#pragma once

#include "ecs_state.h"

/* Faults what a strategy by stages, its times and its hooks may not be. */
int staged_config_check(struct call *c, const struct ecs_deployment_configuration *d);
/* Another strategy: what only the old one had is dropped. */
void staged_config_change(struct ecs_deployment_configuration *d,
                          enum ecs_deployment_strategy strategy);
/* What was left out gets its default. */
void staged_config_default(struct arena *a, struct ecs_deployment_configuration *d);
bool staged_strategy(const struct ecs_deployment_configuration *d);

/* True when it has looked after the service's deployments, false when they go on as with
 * ROLLING. */
bool staged_control(struct core *core, struct service *s);
/* Somebody wants the deployment to turn back; false when it does not go by stages or is
 * turning already, or too late. */
bool staged_turn_back(struct core *core, struct service *s, const char *reason);
/* It stays as it is: no stage follows. Nothing when it does not go by stages. */
void staged_abandon(struct core *core, struct service *s);
