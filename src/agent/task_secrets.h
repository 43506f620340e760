/* task_secrets.h: fetches what a task's containers get from stores before any of them is
 * made: secrets, environment files, passwords of registries, secret options of logs.
 *
 * Calls go to the agent's server, as everything does: Secrets Manager, SSM and S3 are
 * services of the same endpoint. One call at a time a task; a value that is named twice is
 * asked for once. They are signed with the credentials of the task's execution role, and wait
 * for them; without such a role with the agent's own.
 *
 * Owns: values live in the task's arena and nowhere else: never on the disk, so the next
 * agent asks again. Threads: the loop's. Fails: `then` gets ECS's words. */
#pragma once

#include "task.h"

bool task_secrets_needed(const struct task *t);
/* `then` comes once, from the loop; the task stays in memory so long. */
void task_secrets_fetch(struct task *t,
                        void (*then)(struct task *t, int r, const struct error *err));
/* Its execution role's credentials came. */
void task_secrets_go_on(struct task *t);
/* The loop is gone, and the fetch with it. */
void task_secrets_forget(struct task *t);
