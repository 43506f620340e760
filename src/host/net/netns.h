/* netns.h: network namespaces that have a name in the file system.
 *
 * A namespace is pinned by a bind mount on a file; it lives until the file is unmounted
 * and no process uses it. Threads: netns_enter() changes the calling thread only.
 * Fails: E_DENIED, E_IO, E_NOTFOUND; netns_create() of one that is there is success. */
#pragma once

#include <stdbool.h>

#include "error.h"

/* Makes the file, a new namespace, pins it, and brings its loopback up. */
int netns_create(const char *path, struct error *err);
/* Unpins and removes the file; not there is success. */
int netns_delete(const char *path, struct error *err);
bool netns_exists(const char *path);

/* Puts the calling thread into the namespace; *ret_back is where it was (close it by
 * netns_leave). */
int netns_enter(const char *path, int *ret_back, struct error *err);
/* Goes back and closes. It can't fail short of a kernel bug: then the process ends. */
void netns_leave(int *back);
