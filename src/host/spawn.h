/* spawn.h: starts a program without copying this process.
 *
 * The child shares memory with us until it executes (vfork), so the cost does not grow
 * with the size of the agent. On cgroup v2 it is born inside its group (clone3), which
 * spares the migration that costs an RCU grace period (some 10 ms).
 * Owns: nothing. Threads: any. Fails: E_EXEC with the program's name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "str.h"

struct spawn {
    const char *path;        /* absolute */
    const char *const *argv; /* NULL-ended, [0] included */
    const char *const *envp; /* NULL: ours */
    const char *cwd;         /* NULL: ours */
    int fds[3];              /* -1: /dev/null */
    const int *keep;         /* descriptors that stay open, under their own numbers */
    size_t keep_count;
    int cgroup_fd; /* directory of a v2 group, or -1 */
    bool new_session;
    bool
        die_with_us; /* killed when the calling thread ends first; its own children are not */
};

/* pid and pidfd of the child; ret_pidfd may be NULL. The caller reaps. */
int spawn_start(const struct spawn *s, pid_t *ret, int *ret_pidfd, struct error *err);

/* Runs to the end, collecting standard output and error (either may be NULL: then
 * /dev/null). ret_status as waitpid's. Killed and E_TIMEOUT after timeout_ms. */
int spawn_run(const char *path, const char *const argv[], const char *input,
              struct str *ret_out, struct str *ret_err, int timeout_ms, int *ret_status,
              struct error *err);

/* Absolute path of a program: itself when it has a slash, else from PATH and the usual
 * sbin folders. */
int spawn_find(const char *name, struct str *ret, struct error *err);
/* waitpid that does not give up on EINTR; the exit code, 128 + n for signal n. */
int spawn_reap(pid_t pid, int *ret_code);
