/* task_space.h: what the containers of one task have in common besides their group and
 * their network (task_wiring.h): the IPC namespace (ipcMode task), the pid namespace
 * (pidMode task), a disk.
 *
 *   <run_dir>/spaces/<task id>/ipc, shm   ipc_space.h
 *   <run_dir>/spaces/<task id>/firelens   the log router's socket, see firelens.h
 *   <run_dir>/spaces/<task id>/root       the empty root of the pid namespace's first process
 *   <task dir>/disk.img                   the task's disk, mounted at
 *   <data_dir>/mounts/<task id>/.disk      (sized_disk.h)
 * A pid namespace ends with its first process and can't be pinned, so that one is a
 * container of its own, under the task's id: src/init without a command, as nobody, with no
 * right and nothing to see.
 *
 * Owns: these, until task_space_delete(). Threads: workers. Every call may be repeated.
 * Fails: as ipc_space.h and runtime.h. */
#pragma once

#include "host_work.h"

/* Appends the folder. */
void task_space_dir(const struct host *h, const char *task_id, struct str *ret);
/* Before any container is created. */
int task_space_create(struct host *h, const struct gantry_host_task *t,
                      struct error *err);
/* The task's own disk (ephemeral storage): appends where it is mounted; false: it has none,
 * as tasks of EC2 don't. */
bool task_space_disk(const struct host *h, const struct gantry_host_task *t,
                     struct str *ret);
/* Appends the path of the task's pid namespace. */
int task_space_pid_path(struct host *h, const char *task_id, struct str *ret,
                        struct error *err);
/* The containers are gone. */
int task_space_delete(struct host *h, const char *task_id, struct error *err);
/* Those of tasks that are not known (all without `known`). run_dir is the agent's. */
int task_space_sweep(const char *run_dir, bool (*known)(void *ctx, const char *task_id),
                     void *ctx, struct error *err);
