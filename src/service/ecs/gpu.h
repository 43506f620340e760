/* gpu.h: which GPUs of an instance a task's containers get.
 *
 * The scheduler counts GPUs; here they have names. An instance offers its GPUs as the
 * resource GPU, a set of ids, and a task keeps the ids it was given in its record.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

/* Gives the task's containers the ids that they ask for and do not have yet. */
void gpus_take(struct task *t);
/* Is it free on its instance? */
bool gpu_free(const struct instance *i, const char *id);
/* The ids that the instance registered with; NULL: none. */
const struct string_list *gpus_of(const struct instance *i);
