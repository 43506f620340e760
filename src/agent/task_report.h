/* task_report.h: tells the server what became of tasks (SubmitTaskStateChange).
 *
 * What has to be told follows from the task: RUNNING once every container was up, STOPPED
 * at the end, and RUNNING again when a container of a running task ended. A report is the
 * whole present state, so that a lost, repeated or superseded one does no harm; only the
 * order RUNNING before STOPPED is kept, because the server judges a task by whether it ran.
 * One report a task is under way; several tasks at once. A failed one is repeated after 1
 * to 30 s until the server takes it, also by the next agent, as `unsent` is on disk.
 *
 * Owns: nothing but flags of the task. Threads: the loop's. Fails: never. */
#pragma once

#include "engine.h"

void report_task(struct engine *e, struct task *t);
void report_all(struct engine *e);

/* Pure: what is to be told next: "RUNNING", "STOPPED"; of its network interface alone:
 * "ATTACHED", "DETACHING" (what it is, so that it can be told again); NULL: nothing. */
const char *report_due(const struct task *t);
/* Pure: the request's body. */
void report_write(const struct task *t, const char *cluster, const char *status,
                  struct str *ret);
