/* fargate.h: tasks without instances of their own: what they may be, and where they run.
 *
 * They run on the account's pool: container instances whose agent registered with the
 * attribute FARGATE_ATTRIBUTE. The pool is a cluster that the API does not show (its name is
 * none that a cluster may have); it has instances and an index, and no tasks or services:
 * those belong to the clusters that people see. FARGATE_SPOT tasks give way: when an
 * on-demand task finds no room, the fewest of them are told to stop, and it waits until they
 * are gone.
 *
 * Owns: see object.h. Threads: state thread. Fails: checks with the call's fault. */
#pragma once

#include "launch.h"

#define FARGATE_ATTRIBUTE       "gantry.launch-type"
#define FARGATE_ATTRIBUTE_VALUE "FARGATE"
#define FARGATE_POOL            ".fargate"
#define FARGATE_DISK_GIB        20 /* ephemeral storage unless more is asked for */

/* Does a reference (name or ARN) mean the pool? */
bool fargate_pool_named(const char *reference);
/* NULL when no agent of the pool ever registered in this account and region. */
struct cluster *fargate_pool(struct core *core, const char *account, const char *region);
struct cluster *fargate_pool_need(struct core *core, const char *account,
                                  const char *region);

/* Platform version, network and task definition of terms that mean Fargate. */
int fargate_check(struct call *c, const struct ecs_task_definition *def,
                  const struct launch_terms *terms);
/* Sizes and disk after overrides. */
int fargate_override_check(struct call *c, const struct ecs_task_definition *def,
                           const struct ecs_task_override *o);
/* "LATEST" and nothing are "1.4.0". */
const char *fargate_platform_version(const char *wanted);
int32_t fargate_disk_gib(const struct ecs_task_definition *def,
                         const struct ecs_task_override *o);
/* The pool has what Fargate has: of the attributes only the architecture is left. */
void fargate_need(struct arena *a, const struct ecs_task_definition *def,
                  struct place_need *need);

/* One pass over what waits: which room is promised to whom already. */
struct reclaim {
    struct {
        const struct instance *instance;
        int64_t cpu, memory_mib;
    } promise[64];
    size_t n;
};
/* Makes room for an on-demand task: false when even without spot tasks there is none. */
bool fargate_reclaim(struct core *core, struct cluster *pool,
                     const struct place_need *need, struct reclaim *r);
