/* service_targets.h: tasks of services as targets of load balancers.
 *
 *   RUNNING ──► registered in each target group of its revision ──► healthy there: counts
 *   stop    ──► DEACTIVATING: deregistered, still running ──► all unused ──► STOPPING
 *
 * What a task was registered as is in its record, so that a restart finds it again; what the
 * load balancers think of it is asked (elbv2.h) and told by their watch, never kept.
 *
 * A service may own two target groups a load balancer (advancedConfiguration): its revisions
 * take turns, and which one a revision uses is in its resolvedConfiguration.
 *
 * Owns: the index from targets to tasks. Threads: state thread. Fails: as noted. */
#pragma once

#include "deployment.h"
#include "ecs_state.h"

#define SERVICE_TARGET_GROUPS_MAX 5

/* Listens to elbv2: from ecs_attach(). */
void service_targets_attach(struct core *core);
void service_targets_detach(struct ecs *ecs);

/* What CreateService, UpdateService and CreateTaskSet take. `staged`: the deployments go by
 * stages. Faults InvalidParameterException. */
int load_balancers_check(struct call *c, const struct ecs_load_balancer_list *l,
                         const struct ecs_task_definition *def, bool staged);

/* For a new revision of the service: which target group it uses of each load balancer. */
void load_balancers_resolve(struct core *core, const struct service *s, struct arena *a,
                            struct ecs_service_revision_load_balancer_list *ret);

/* Registers what is RUNNING and not yet a target; tells what came and went. From the
 * service's controller. */
void service_targets_sync(struct core *core, struct service *s);

/* ---- one task ---- */

void task_targets_init(struct task *t);
void task_targets_loaded(struct core *core, struct task *t);
bool task_has_targets(const struct task *t);
/* DEACTIVATING begins: all of its targets drain. task_drained() is called when they are gone. */
void task_targets_drain(struct core *core, struct task *t);
/* Its machine shuts down: nobody new is sent to its targets. It goes on by itself otherwise. */
void task_targets_leave(struct core *core, struct task *t);
/* It is over, however: nothing is waited for any more. */
void task_targets_end(struct core *core, struct task *t);
/* Its memory goes away. */
void task_targets_unlink(struct core *core, struct task *t);
/* CHECK_HEALTHY for a task that needs no target. *ret_group (if not NULL) is the first group
 * in which it is unhealthy. */
enum check_health task_targets_health(struct core *core, const struct task *t,
                                      const char **ret_group);
/* Does the service, or the task set of this id, have load balancers? */
bool service_load_balanced(const struct service *s, const char *task_set_id);
