/* volumes.h: what is mounted into a container besides its root.
 *
 *   host.sourcePath          that path; made as a directory when missing, as Docker does
 *   host without path        <task dir>/volumes/<name>, gone with the task
 *   docker, scope task       the same
 *   docker, scope shared     <data_dir>/volumes/<name>, stays
 *   docker with driverOpts   a mount (volume_place.h); a bind is the directory itself
 *   EFS                      an NFS mount
 *   the image's own VOLUMEs  <task dir>/volumes/.<container>/<path, '/' as '%'>
 * A volume of ours that is empty gets what the image has at the mount point, owners and
 * modes included (what Docker does with its volumes).
 *
 * Owns: the directories. Threads: workers; containers of one task may come at once, so
 * filling a volume is done under a lock of the process.
 * Fails: E_INVALID a name or path that leads elsewhere, E_IO, E_FULL, and as
 * volume_place() does. */
#pragma once

#include "arena.h"
#include "error.h"
#include "gantry_api.h"
#include "image_manifest.h"
#include "oci_spec.h"

struct volume_source {
    const struct gantry_host_task *task;
    const struct ecs_container_definition *def;
    const struct image_config *image;
    const char *data_dir, *task_dir;
    const char *rootfs;             /* mounted */
    const char *disk_dir;           /* the task's own disk; NULL: none */
    const char *const *efs_servers; /* agent.h; NULL: none */
};

/* Makes what is missing; the mounts lie in the arena. */
int volumes_prepare(struct arena *a, const struct volume_source *s,
                    struct spec_mount **ret, size_t *ret_count, struct error *err);
/* Unmounts and removes what lives as long as the task. */
int volumes_remove(const char *data_dir, const char *task_id, const char *task_dir,
                   struct error *err);
