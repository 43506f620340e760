/* task_health.h: what the health of its containers makes of a task.
 *
 * Only checks of the task definition count, and of these only those of essential
 * containers: UNHEALTHY when one of them is, HEALTHY when all are, else UNKNOWN (Amazon ECS
 * Developer Guide, "Determine task health using container health checks"). While an agent
 * is away the last word stays. The word comes by ecs_host_health() (ecs.h).
 *
 * Owns: nothing. Threads: state thread; task_health_of() any. Fails: never. */
#pragma once

#include <stdbool.h>

#include "ecs_api.h"

/* Has an essential container a check? */
bool task_has_check(const struct ecs_task_definition *def);
enum ecs_health_status task_health_of(const struct ecs_task_definition *def,
                                      const struct ecs_container_list *containers);
