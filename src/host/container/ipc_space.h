/* ipc_space.h: one IPC namespace with its /dev/shm, for several containers.
 *
 *   <dir>/ipc   the namespace, pinned by a bind mount (needs no process)
 *   <dir>/shm   a tmpfs; bind-mounted to /dev/shm of each container
 * Owns: both, until ipc_space_delete(). Threads: any; one call a dir at a time.
 * Fails: E_DENIED, E_IO; create of one that is there is success, delete of none too. */
#pragma once

#include <stdint.h>

#include "error.h"

#define IPC_SPACE_NAMESPACE "ipc"
#define IPC_SPACE_SHM       "shm"

/* shm_bytes 0: 64 MiB. */
int ipc_space_create(const char *dir, int64_t shm_bytes, struct error *err);
int ipc_space_delete(const char *dir, struct error *err);
