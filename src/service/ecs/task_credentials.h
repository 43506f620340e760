/* task_credentials.h: credentials of the roles of a task, for its host.
 *
 * They are made when the host is told of the task for the first time, and again (a timer of the
 * task's) before they end; a host that connects gets what there is. A role that can't be assumed
 * at first stops the task; later the task goes on with what it has, and it is tried again.
 *
 * Owns: the credentials, in memory only: after a restart of the server there are new ones, and
 * the old ones hold until they end. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

struct task_credentials;

void task_credentials_init(struct task *t);
/* The id by which containers ask for the task role's; in the record, once. */
void task_credentials_want(struct core *core, struct task *t);
/* False: a role can't be assumed, and the task is going to be stopped for it. */
bool task_credentials_make(struct core *core, struct task *t);
/* Adds what the host has to have; with `news` only what it was not told yet. */
void task_credentials_tell(struct task *t, bool news, struct arena *a,
                           struct gantry_host_credentials_list *ret);
bool task_credentials_has(const struct task *t, enum gantry_host_credentials_use use);
/* The task is over. */
void task_credentials_forget(struct core *core, struct task *t);
