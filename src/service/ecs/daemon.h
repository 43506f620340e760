/* daemon.h: one task of an agent-like kind on every instance of some capacity providers.
 *
 * A daemon is a DAEMON service under a name that no service may have and that no operation
 * of services shows: what CreateDaemon and its like say is kept in its record, and all the
 * rest (who needs a task, deployments with circuit breaker, alarms and bake time, revisions
 * and their history) is the services' own. A daemon deployment is its service deployment
 * under another ARN, a daemon revision its service revision. drainPercent is the share of
 * instances that may be without their task while a deployment replaces it, so the minimum
 * that stays healthy is the rest.
 *
 * Owns: nothing. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "ecs_state.h"
#include "service_history.h"

/* Is it one that operations of services do not show? */
bool service_hidden(const struct service *s);
/* May the daemon have a task on this instance? True for every other service. */
bool daemon_wants(const struct service *s, const struct instance *i);
/* NAME of the task group "daemon:NAME" as its service is called; NULL: another group. */
const char *daemon_service_of_group(struct arena *a, const char *group);
/* The group of its tasks. */
const char *service_group(struct arena *a, const struct service *s);

/* "family", "family:revision" or ARN of a daemon task definition; the newest ACTIVE
 * revision when none is named. */
struct taskdef *daemon_taskdef_find(struct call *c, const char *reference);

enum ecs_daemon_status daemon_status(const struct service *s);
struct service *daemon_find(struct call *c, struct cluster *cl, const char *name);
int daemon_missing(struct call *c); /* the fault, for `return` */
/* ARN of a daemon; faults DaemonNotFoundException, and ClusterNotFoundException. */
struct service *daemon_require(struct call *c, const char *arn);
/* ARNs of the daemon's side of service deployments and revisions, and back; noun is
 * "deployment" or "revision". Back: NULL when it is no such ARN. */
const char *daemon_history_arn(struct arena *a, const char *service_arn,
                               const char *noun);
const char *daemon_history_back(struct arena *a, const char *daemon_arn,
                                const char *noun);
