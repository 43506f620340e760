/* fd.h: file descriptors and whole files.
 *
 * Every descriptor is opened O_CLOEXEC. AUTO_FD closes at the end of the scope.
 * Threads: any. Fails: see fail_errno() for the codes. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "str.h"

void fd_close(int *fd); /* -1 is allowed; sets -1; keeps errno */
#define AUTO_FD __attribute__((cleanup(fd_close))) int
int fd_take(int *fd); /* gives the value away and sets -1 */

/* All bytes or failure; EINTR and short counts are handled. */
int fd_write_all(int fd, const void *data, size_t len, struct error *err);

/* The whole file into ret (cleared first); E_LIMIT above max_bytes. `dir` is a directory
 * descriptor or AT_FDCWD. */
int file_read(int dir, const char *path, size_t max_bytes, struct str *ret,
              struct error *err);

/* Replaces the file in one step (write aside, rename). With durable set it is on the disk
 * when the call returns (fsync of file and directory). */
int file_replace(const char *path, const void *data, size_t len, mode_t mode, int durable,
                 struct error *err);

/* Makes the directory and its missing parents (mode for all that it makes). */
int dir_make_all(const char *path, mode_t mode, struct error *err);
/* Removes a tree without following links or crossing into another file system; a path
 * that is not there is success. */
int dir_remove_all(const char *path, struct error *err);
