/* firelens.h: hands what the containers of a task write over to its log router.
 *
 * One thread a task with a router: it follows the log files (conmon writes them whatever
 * the driver, so `gantry logs` works too) and sends each line to the router's socket. What
 * was sent is noted beside each log; a line may come twice after a crash, none is lost
 * while its file is kept. While the router is away lines wait in the files.
 *
 *   <run_dir>/spaces/<task id>/firelens/   the router's /var/run, with fluent.sock in it
 *   <task dir>/logs/<container>.sent       time of the last line sent
 *
 * Owns: threads, until firelens_stop(). Threads: any. Fails: never; what can't be sent is
 * tried again, and logged once. */
#pragma once

#include "host_work.h"

/* Begins, unless the task's thread runs already. */
void firelens_start(struct host *h, const struct task *t);
/* Waits until all that the containers wrote so far is sent, at most so long. Not beside
 * firelens_stop() of the same task. */
void firelens_drain(const char *task_id, int timeout_ms);
/* Ends and joins the thread; none is fine. */
void firelens_stop(const char *task_id);
void firelens_stop_all(void);

/* Appends the folder of the socket. */
void firelens_socket_dir(const struct host *h, const char *task_id, struct str *ret);
