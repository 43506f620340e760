/* express.h: Express gateway services: an image, and what it takes to serve it.
 *
 * From one container image and two roles come a task definition of one container "Main"
 * for Fargate, and a service of it. The configuration that somebody asked for is kept with
 * the service for every revision that still runs (activeConfigurations); the newest is what
 * the next update starts from.
 *
 * What an Express service has beyond that (a shared load balancer with its rule, target
 * groups and certificate, security groups, a log group, scaling) belongs to services that
 * this server does not have yet. express_managed() is the one place that will tell of them;
 * until then it tells of none, ingressPaths are empty, and rollouts are rolling with the
 * circuit breaker, as a canary needs a listener to divide.
 *
 * Owns: nothing. Threads: state thread. Fails: with the call's fault. */
#pragma once

#include "ecs_state.h"

/* Was it made by CreateExpressGatewayService? */
static inline bool service_is_express(const struct service *s)
{
    return s->rec->express != NULL;
}
