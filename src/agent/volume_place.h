/* volume_place.h: where a volume of a task definition lies on this host.
 *
 *   <task dir>/volumes/<name>            a directory that goes with the task
 *   <data_dir>/volumes/<name>            a shared one
 *   <data_dir>/volumes/.settings/<name>  with what configuration it was made
 *   <data_dir>/mounts/<task id>/<name>   mounted for a task: driverOpts, EFS
 *   <data_dir>/mounts/.shared/<name>     mounted for all, until the machine or gantry goes
 * Mounts have folders of their own because those are only ever unmounted: nothing that
 * deletes trees comes near somebody's NFS server.
 *
 * Owns: directories and mounts. Threads: workers; under a lock of the process.
 * Fails: E_INVALID names and options, E_NOTFOUND a shared volume that should be there,
 * E_CONFLICT one that was made otherwise, E_UNSUPPORTED drivers, E_EXEC the EFS mount
 * helper's words, and as volume_mount(). */
#pragma once

#include "volumes.h"

struct volume_place {
    const char *path;
    bool read_only;
    bool fill; /* ours: when empty it gets what the image has there */
};
int volume_place(struct arena *a, const struct volume_source *s,
                 const struct ecs_volume *v, struct volume_place *ret, struct error *err);
/* Unmounts what a task had mounted; what the agent has mounted for anybody. */
int volume_place_release(const char *data_dir, const char *task_id, struct error *err);
/* The same for tasks that are not known (a crash came before they were cleaned up). */
int volume_place_sweep(const char *data_dir,
                       bool (*known)(void *ctx, const char *task_id), void *ctx,
                       struct error *err);
int volume_place_purge(const char *data_dir, struct error *err);

/* ---- pure ---- */

/* E_INVALID as Docker's local driver says it: unknown and missing options. */
int driver_options_check(const struct string_map *options, struct error *err);
/* "fs-1234" -> "fs-1234.efs.<region>.amazonaws.com", or what "fs-1234=HOST" in servers
 * says. */
const char *efs_server(struct arena *a, const char *const *servers, const char *id,
                       const char *region);
