/* service_zones.h: what a plan has to know to keep a service's availability zones even.
 *
 * Rebalancing is for REPLICA services on EC2 whose placement strategy is the default one or
 * begins with the spread over zones, and that may have a task more than desired
 * (maximumPercent above 100). An instance that is the first of its zone wakes the services
 * of its cluster.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "service_control.h"

/* Fills service.zones and the tasks' zone, when the service is rebalanced and at rest as
 * far as can be told cheaply. */
void service_zones_picture(struct core *core, struct service *s,
                           struct service_picture *p);
/* The instance can take tasks from now on. */
void service_zones_instance(struct core *core, const struct instance *i);
