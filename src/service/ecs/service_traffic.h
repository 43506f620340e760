/* service_traffic.h: shares of traffic of a service's revisions, as weights of the listener
 * rules that its load balancers name (advancedConfiguration).
 *
 * Owns: nothing: weights lie in elbv2's rules. Threads: state thread. Fails: never; a rule
 * that is not there is told in the service's events. */
#pragma once

#include "ecs_state.h"

/* Becomes ecs_traffic_ops: from ecs_attach(). */
void service_traffic_attach(struct core *core);
