/* task_protection.h: tasks that the scheduler shall not end.
 *
 * A service's task can be protected from scale-in and from being replaced by a newer
 * deployment, for 1 to 2880 minutes (120 by default), by UpdateTaskProtection: from outside
 * or, through its agent, from inside the task. StopTask, failed health checks, lost hosts
 * and reclaimed capacity still end it. When the time is over the service looks again.
 *
 * Owns: task.unprotect and the record's protectedUntil. Threads: state thread. Fails: never. */
#pragma once

#include <stdbool.h>

#include "ecs_state.h"

bool task_protected(const struct core *core, const struct task *t);
/* Prepares task.unprotect, and arms it as the record says. */
void task_protection_init(struct core *core, struct task *t);
