/* service_daemon.h: services with the scheduling strategy DAEMON.
 *
 * One task on every instance of the cluster that is ACTIVE and that the service's
 * constraints and the task definition's attributes allow, whatever room it has: their
 * number is what the service shows as desiredCount. deployment_plan() does the rest, with
 * what only a daemon has told by the picture: which instances lack their task (`vacant`)
 * and which tasks are where they should not be (`misplaced`). On a DRAINING instance the
 * daemon's task is the last of the services' tasks to go.
 *
 * Daemons are woken by whatever changes an instance of their cluster.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "service_control.h"

bool service_is_daemon(const struct service *s);
/* Fills what the picture of a daemon has besides; its tasks are there already. Saves the
 * service when the number of eligible instances has changed. */
void service_daemon_picture(struct core *core, struct service *s,
                            struct service_picture *p);
/* A task of the launch on each vacant instance that has room for it; what has none is told
 * by *ret_why. Returns how many there were, ids (const char *) are added to `ids`. */
uint32_t service_daemon_start(struct core *core, struct service *s, struct launch *l,
                              struct str *ids, struct place_rejection *ret_why);
/* An instance of the cluster changed. */
void service_daemons_wake(struct core *core, struct cluster *cl);
