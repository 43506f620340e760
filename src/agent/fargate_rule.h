/* fargate_rule.h: what is different for a task of launch type FARGATE. Pure.
 *
 * The server has checked the definition when it was registered. The agent checks again what
 * would let a task out of its box: a server that errs, or one that was talked into
 * something, gets a refusal and not a container with the machine's devices.
 *
 * Owns: nothing. Threads: any. Fails: no. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gantry_api.h"

#define FARGATE_LAUNCH_TYPE "FARGATE"
#define FARGATE_ATTRIBUTE   "gantry.launch-type" /* by which an agent joins the pool */
#define FARGATE_NOFILE      65535 /* soft and hard, where the definition says nothing */
#define FARGATE_STOP_MAX_MS 120000

bool fargate_is(const struct gantry_host_task *task);

/* What of it a Fargate task must not have; NULL: nothing, or it is no Fargate task.
 * *ret_index is the container concerned, or SIZE_MAX for the task. */
const char *fargate_refuses(const struct gantry_host_task *task, size_t *ret_index);
