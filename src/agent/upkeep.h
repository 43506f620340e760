/* upkeep.h: what has to be done from time to time.
 *
 *   every 2 s       logs of containers with max-file > 1 are rotated
 *   now and then    folders of tasks that stopped long ago are removed
 *   every 30 min    images that no task uses and no service needs (wanted_images.h), an
 *                   hour old or more, least recently used first, at most five; every
 *                   minute, and of any age, while the disk is more than 85 % full
 *   every minute    what others may have undone in the network is mended; the image store
 *                   is settled on the disk when nothing runs
 * Each is one job at a time on a worker. Owns: three timers. Threads: the loop's.
 * Fails: never; it is logged and tried again next time. */
#pragma once

#include "engine.h"

#define DISK_FULL_PERCENT 85
#define IMAGES_A_CYCLE    5

/* Of the file system that holds path. */
bool disk_is_full(const char *path);

void upkeep_init(struct engine *e); /* part of engine_init() */
void upkeep_start(struct engine *e);
