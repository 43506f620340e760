/* balancer_process.h: the HAProxy of one load balancer: a master and its workers, in the
 * balancer's network namespace, as a user without rights.
 *
 * It is nobody's child for long: an edge that ends leaves it running, and the next one finds
 * it by <dir>/process (pid and start time, so that a number used again is no mistake).
 * A reload is asked of the master: a new worker takes the listening sockets over, the old one
 * goes on with what it has for at most `hard-stop-after`.
 *
 * Its standard output is the pipe of its log (balancer_socket.h): one write a line, which wakes
 * nobody, costs a fifth of a datagram, and old workers and the time without an edge are in it.
 *
 * Owns: <dir>/process, <dir>/s (sockets), the processes. Threads: any, one a balancer at a
 * time; blocks for some 100 ms. Fails: as noted. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "balancer_socket.h"
#include "error.h"

struct balancer_user {
    uid_t uid;
    gid_t gid;
};
/* haproxy, or nobody. */
struct balancer_user balancer_user_find(void);

struct balancer_process {
    const char *dir;     /* the caller's, as long as this lives */
    const char *netns;   /* path */
    const char *haproxy; /* absolute path */
    struct balancer_user user;
    int pidfd; /* -1: it does not run */
    pid_t pid;
    pid_t worker;
};
#define BALANCER_PROCESS_INIT                                                            \
    {                                                                                    \
        .pidfd = -1                                                                      \
    }

/* Does HAProxy take <dir>/haproxy.cfg? E_INVALID with its own first complaint. */
int balancer_process_check(const struct balancer_process *p, struct error *err);
/* E_NOTFOUND none runs. */
int balancer_process_adopt(struct balancer_process *p, struct error *err);
/* Returns when it answers. */
int balancer_process_start(struct balancer_process *p, struct error *err);
/* Returns when the new worker serves. E_INVALID: the old one goes on. */
int balancer_process_reload(struct balancer_process *p, struct error *err);
/* True when it has ended; then it is forgotten. */
bool balancer_process_ended(struct balancer_process *p);
/* Ends all of it at once. */
void balancer_process_stop(struct balancer_process *p);
void balancer_process_forget(struct balancer_process *p); /* it goes on */

/* To the current worker. */
int balancer_process_command(const struct balancer_process *p, const char *commands,
                             struct str *ret, struct error *err);
/* Old workers take no commands about servers any more, only about single sessions. What fails
 * is of no interest: they may end at any time. */
void balancer_process_end_in_old_workers(const struct balancer_process *p,
                                         const char *server);
