/* balancer_socket.h: HAProxy's command sockets, a worker's and the master's, and the pipe that
 * it writes its log into.
 *
 * One connection a call. Several commands may go at once, separated by ';'; a reply is all
 * that came until HAProxy closed.
 * Owns: nothing. Threads: any; blocks up to timeout_ms. Fails: E_NETWORK nobody listens, or it
 * broke off; E_TIMEOUT; E_LIMIT a path is too long for a socket. */
#pragma once

#include <sys/types.h>

#include "error.h"
#include "str.h"

#define BALANCER_COMMANDS_MAX 12000 /* bytes a call: HAProxy reads one buffer */

int balancer_command(const char *path, const char *commands, int timeout_ms,
                     struct str *ret, struct error *err);
/* The same to the master process. */
int balancer_master_command(const char *path, const char *commands, int timeout_ms,
                            struct str *ret, struct error *err);

/* A new descriptor, to read from or to be HAProxy's standard output, of the pipe <dir>/log,
 * which is made when it is not there. It never ends and never blocks, and keeps up to
 * BALANCER_LOG_PIPE_BYTES, also while nobody reads; what does not fit is lost. */
#define BALANCER_LOG_PIPE_BYTES (1024 * 1024)
int balancer_log_pipe(const char *dir, int *ret, struct error *err);

#define BALANCER_WORKERS_MAX 64
struct balancer_workers {
    pid_t current;
    pid_t old[BALANCER_WORKERS_MAX];
    size_t old_count;
    int failed_reloads; /* since the last good one */
    int reloads;
};
/* From the text of the master's `show proc`. False: there is no current worker in it. */
bool balancer_workers_read(const char *text, struct balancer_workers *ret);
