/* service_rollout.h: deployments of a service (ecs-svc/N) from their beginning to their end.
 *
 * The API's view of a deployment lies in service.deployments, what we remember of it in
 * record.deployments, same index, newest first; the newest is PRIMARY. Each carries a
 * service revision and belongs to a service deployment (service_history.h), which is kept
 * in step here: COMPLETED makes it SUCCESSFUL, FAILED ends it or begins its way back.
 *
 * Owns: nothing. Threads: state thread. Fails: as noted. */
#pragma once

#include <stddef.h>

#include "deployment.h"
#include "ecs_state.h"

struct service_deployment;

/* A deployment of the service's present settings with this task definition. */
void service_deploy(struct core *core, struct service *s, const char *taskdef_arn);

/* -1 when the service has none of that id. */
ptrdiff_t rollout_index(const struct service *s, const char *id);
void rollout_read(const struct service *s, size_t index, struct deployment *ret);
/* What deployment_note() counted. */
void rollout_write(struct core *core, struct service *s, size_t index,
                   const struct deployment *d);
/* Its last task is gone, or the service is. */
void rollout_drop(struct core *core, struct service *s, size_t index);
/* All is steady; from now on it bakes for so long. */
void rollout_bake(struct core *core, struct service *s, size_t index, int64_t bake_ms);
void rollout_complete(struct core *core, struct service *s, size_t index,
                      const char *reason);
/* Without a way back. */
void rollout_fail(struct core *core, struct service *s, size_t index, const char *reason);
/* Is there a completed revision other than the one that `index` carries? */
bool rollout_can_roll_back(struct core *core, const struct service *s, size_t index);
/* A new deployment of the last completed revision; `why` is told in the service deployment.
 * Must be possible. */
void rollout_roll_back(struct core *core, struct service *s, size_t index,
                       const char *why);
/* The newest deployment has no task any more and gives way to the one at `index`, which is
 * PRIMARY again. */
void rollout_return(struct core *core, struct service *s, size_t index, const char *why);
