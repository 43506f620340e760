/* task_network.h: networkConfiguration: what may be asked for, and what follows from it.
 *
 * Tasks in network mode awsvpc name up to 16 subnets of one VPC and up to five of its
 * security groups. A task on an instance gets its interface in a subnet of the instance's
 * zone; one on Fargate in the subnet where its service has the fewest, so that services
 * spread over zones.
 *
 * Owns: nothing. Threads: state thread. Fails: as noted. */
#pragma once

#include "launch.h"

/* Faults InvalidParameterException. `net` NULL is one, too: awsvpc needs it. */
int task_network_check(struct call *c, const struct ecs_network_configuration *net,
                       bool fargate);
/* need->zones: those of the subnets, as instances elsewhere are no place for the task. */
void task_network_need(struct core *core, const struct cluster *cl, struct arena *a,
                       const struct ecs_network_configuration *net,
                       struct place_need *need);
/* Where the task that has its instance now gets its interface. NULL: none of its subnets
 * is there any more, in the right zone. */
const char *task_network_subnet(struct core *core, const struct task *t);
