/* task_set.h: services whose deployments are driven from outside.
 *
 * With the deployment controller EXTERNAL a service has no deployments of its own. Who
 * drives it makes task sets (CreateTaskSet), each with a task definition and a scale, a
 * percentage of the service's desired count:
 *   computedDesiredCount = ceil(desiredCount * scale / 100)
 * One of them is PRIMARY: what it runs is what the service shows. Each set is kept like a
 * small service of its own: deployment_plan() sees it as one finished deployment, so that
 * starting, back-off, unhealthy tasks, draining instances and scale-in are the same as
 * everywhere. A task set's id is its tasks' startedBy and their record's deploymentId.
 *
 *   CreateTaskSet ──► ACTIVE ◄──► PRIMARY        (UpdateServicePrimaryTaskSet)
 *                       │            │
 *                       └─DeleteTaskSet──► DRAINING ── no tasks left ──► (gone)
 *
 * Stored with the service: service.taskSets is the API's view, record.taskSets what we
 * remember of each, same index. Newest first.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deployment.h"
#include "ecs_state.h"

#define TASK_SETS_MAX 5

bool service_external(const struct service *s);
/* -1 when the service has none of that id. */
ptrdiff_t task_set_index(const struct service *s, const char *id);
/* NULL when there is none; *ret_owner is what to save after a change. */
struct ecs_task_set *task_set_by_arn(struct core *core, struct cluster *cl,
                                     const char *arn, struct object **ret_owner);
/* What the controller does for an EXTERNAL service. */
void task_sets_control(struct core *core, struct service *s);
/* A task of the set started or failed to. */
void task_set_note(struct core *core, struct service *s, size_t index,
                   enum deployment_news news);
/* All of them go: the service was deleted. Dropping forgets them at once. */
void task_sets_drain(struct core *core, struct service *s);
void task_sets_drop(struct core *core, struct service *s);
/* Counts their task definitions' users after a restart. */
int task_sets_loaded(struct core *core, struct service *s, struct error *err);
/* runningCount, pendingCount of the copies in a reply. */
void task_sets_count(const struct service *s, struct ecs_task_set_list *view);
