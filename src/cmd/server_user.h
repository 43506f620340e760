/* server_user.h: the account without rights that the server runs as.
 *
 * The server reads what strangers send, so it is never root: the user `gantry` if there is
 * one, else a fixed number that needs no entry in /etc/passwd. A process gives root up for
 * good: no groups, no capabilities, no way back through a setuid program.
 *
 * Owns: nothing. Threads: main, before others exist (ids are the process's).
 * Fails: E_NOTFOUND no such user; E_DENIED a directory on the way is closed to it. */
#pragma once

#include <sys/types.h>

#include "error.h"

#define SERVER_UID 61747

struct server_user {
    uid_t uid;
    gid_t gid;
};

/* `name`: NULL for the default, a user's name, a number, or root. */
int server_user_find(const char *name, struct server_user *ret, struct error *err);
/* Hands a directory tree over (after --user changed, or for a new one). `dir` is open. */
int server_user_give(const struct server_user *user, int dir, const char *path,
                     struct error *err);
/* Becomes the user if this process is root; nothing otherwise. A parent-death signal that
 * was set stays set, which the kernel by itself would undo. */
int server_user_become(const struct server_user *user, struct error *err);
/* May this process go to what is in `path`'s parents (and write in it)? E_DENIED names the
 * directory that is closed. */
int server_user_enters(const char *path, struct error *err);
int server_user_reaches(const char *path, struct error *err);
