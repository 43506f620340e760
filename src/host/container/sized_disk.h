/* sized_disk.h: a file system of a given size for what a task writes.
 *
 * An ext4 image in a sparse file, mounted by a loop device that goes with the mount. It
 * takes from the disk what is written and not more; a task that fills it gets ENOSPC and
 * nobody else does. (A project quota would do with less, but needs a data directory whose
 * file system was made and mounted for it, which is rare; this works everywhere.)
 *
 * Owns: image, loop device and mount, until sized_disk_delete(). No journal: what is on it
 * dies with the task.
 * Threads: any, one call a disk at a time. Fails: E_UNSUPPORTED no loop devices or no
 * mkfs.ext4, E_EXEC mkfs's words, E_FULL, E_IO. Every call may be repeated. */
#pragma once

#include <stdint.h>

#include "error.h"

/* target is made when missing. Mounted already: success. */
int sized_disk_create(const char *image, const char *target, int64_t size_bytes,
                      struct error *err);
int sized_disk_delete(const char *image, const char *target, struct error *err);
