/* task_file.h: a task on disk: task.json (the server's words) and state.json (ours).
 *
 * Both appear by rename and are not flushed: after a power cut no container runs, so what
 * such a file would say is of little worth; a torn or empty one counts as missing.
 *
 * Owns: the two files. Threads: any, one a task. Fails: E_IO, E_FULL, E_NOTFOUND. */
#pragma once

#include "task.h"

/* Makes the task's folders and writes task.json. */
int task_file_create(const struct task *t, struct error *err);
int task_file_save(const struct task *t, struct error *err);
/* Fills a task made from the same words with what state.json says. */
int task_file_restore(struct task *t, const struct gantry_agent_task_record *rec,
                      struct error *err);

/* Reads one task's files into the arena. E_NOTFOUND missing, E_CORRUPT. Either ret may be
 * NULL. */
int task_file_read(struct arena *a, const char *data_dir, const char *id,
                   const struct gantry_host_task **ret_words,
                   const struct gantry_agent_task_record **ret_rec, struct error *err);
/* Calls `each` with every id that has a folder; a negative return ends it. */
int task_file_each(const char *data_dir,
                   int (*each)(void *ctx, const char *id, struct error *err), void *ctx,
                   struct error *err);
