/* service_history.h: service revisions and service deployments.
 *
 * A service revision is what a service ran from some moment on: task definition, launch
 * type, network and the like, and the digests that its images had when its first task
 * started (versionConsistency: later tasks of the revision run the same bytes). It never
 * changes otherwise. A service deployment is the way from one to the next:
 *
 *   IN_PROGRESS ──► SUCCESSFUL
 *        │  ├─────► STOPPED                       superseded, or failed without a way back
 *        │  └─────► STOP_REQUESTED ─► STOPPED     StopServiceDeployment ABORT
 *        └► ROLLBACK_REQUESTED ─► ROLLBACK_IN_PROGRESS ─► ROLLBACK_SUCCESSFUL | …_FAILED
 *
 * The service's own deployments[] (ecs-svc/N) come and go: a service deployment that rolls
 * back has had two of them. Both kinds of objects are named by time, so key order is age.
 * A service keeps its newest SERVICE_HISTORY deployments and the revisions they name.
 *
 * Owns: objects in two tables. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "ecs_state.h"

#define SERVICE_HISTORY 50

struct service_revision {
    struct object o;
    struct gantry_service_revision_record *rec;
};

struct service_deployment {
    struct object o;
    struct gantry_service_deployment_record *rec;
};

extern const struct table_type service_revision_table, service_deployment_table;

/* A snapshot of the service's settings with this task definition. */
struct service_revision *service_revision_new(struct core *core, struct service *s,
                                              const char *taskdef_arn);
/* From what the service's deployments run now to `target`. Those under way are STOPPED. */
struct service_deployment *service_deployment_new(struct core *core, struct service *s,
                                                  const struct service_revision *target);
struct service_revision *service_revision_find(struct core *core, const char *arn);
struct service_deployment *service_deployment_find(struct core *core, const char *arn);
/* NULL when there is no such service (any more); also one that is not shown. */
struct service *service_of_arn(struct core *core, const char *arn);
struct service *service_deployment_service(struct core *core,
                                           const struct service_deployment *d);
bool service_deployment_over(const struct service_deployment *d);

void service_deployment_status(struct core *core, struct service_deployment *d,
                               enum ecs_service_deployment_status status,
                               const char *reason);
/* ROLLBACK_IN_PROGRESS, to this revision. */
void service_deployment_rolls_back(struct core *core, struct service_deployment *d,
                                   const char *revision_arn, const char *reason);

/* Index in the service's deployments of the one that carries this revision; -1: none. */
ptrdiff_t service_deployment_of_revision(const struct service *s,
                                         const char *revision_arn);
/* The task reported digests: the revision's first report of an image is what it pins. */
void service_revision_images(struct core *core, struct task *t);
/* Digest that a container of the task is to run; NULL: whatever its image names. */
const char *service_revision_digest(struct core *core, const struct task *t,
                                    const char *container);
/* What the revision pins for the containers of this definition; NULL: nothing. */
const char *service_revision_pin(const struct service_revision *r,
                                 const struct ecs_container_definition *def);
/* All of a service that is no more. */
void service_history_drop(struct core *core, struct service *s);
/* All of a service in the call's arena; at most a few more than SERVICE_HISTORY. */
struct service_deployment **
service_deployments_newest_first(struct call *c, const struct service *s, size_t *ret_n);
/* The prefix of its keys: noun is "service-revision" or "service-deployment". */
const char *service_history_prefix(struct arena *a, const struct service *s,
                                   const char *noun);
