/* task_interface.h: the network interface (ENI) of a task in network mode awsvpc.
 *
 *  PRECREATED ── the task has its instance ──► ATTACHING ── agent ──► ATTACHED
 *      │                                          │                      │ agent
 *      │                                          ▼                      ▼
 *      └─────────── task STOPPED ─────────────► DELETED ◄─────────── DETACHING
 *
 * The words are those of the attachment in DescribeTasks. The interface is made as soon as
 * it is known where the task runs, and goes in the same step as the task becomes STOPPED, so
 * no crash leaves one behind. Its host hears of the task only afterwards. Until the agent
 * says that it is attached the task is PROVISIONING, and it ends when that takes too long.
 *
 * Owns: the task's interface, struct task's wake and place in the index. Threads: state
 * thread. Fails: never; a task that gets no interface ends with the reason. */
#pragma once

#include "ecs_state.h"

/* Before the core loads: after that, interfaces whose task is over or unknown are removed.
 * There should be none. */
void task_interfaces_begin(struct core *core);
void task_interface_init(struct task *t);
/* A new task; the task definition says whether it needs one. */
void task_interface_want(struct core *core, struct task *t,
                         const struct ecs_network_configuration *net);
void task_interface_loaded(struct core *core, struct task *t);
/* It has its instance (or had before a crash): all else follows. */
void task_interface_placed(struct core *core, struct task *t);
/* It needs one that is not there yet: not a word to its host. */
bool task_interface_awaited(const struct task *t);
/* What its host says: "ATTACHED", "DETACHING", "DETACHED"; other words mean nothing. */
void task_interface_report(struct core *core, struct task *t, const char *status);
/* The task is over. */
void task_interface_end(struct core *core, struct task *t);
void task_interface_unlink(struct core *core, struct task *t);

/* By the ARN of its attachment; NULL. */
struct task *task_by_attachment(struct core *core, const char *attachment_arn);
/* Is it the attachment of this task? */
bool task_has_attachment(const struct task *t, const char *attachment_arn);
/* NULL: it has none (yet). */
const char *task_interface_subnet(const struct task *t);
/* In the arena; NULL: it has none. */
struct gantry_host_interface *task_interface_host(struct core *core, const struct task *t,
                                                  struct arena *a);
