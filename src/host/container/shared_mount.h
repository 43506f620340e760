/* shared_mount.h: a folder whose mounts are seen by every mount namespace that was copied
 * from ours, and theirs by us.
 *
 * Owns: the mount of the folder on itself. Threads: any. Fails: E_DENIED, E_IO. */
#pragma once

#include "error.h"

/* The folder is there. A shared mount already: nothing is done. */
int mount_make_shared(const char *dir, struct error *err);
/* Not one of ours, or none: success. */
int mount_end_shared(const char *dir, struct error *err);
