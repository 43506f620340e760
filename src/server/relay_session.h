/* relay_session.h: one session on its thread: from two sockets to their end. For relay.c.
 *
 * Owns: see relay.c. Threads: relay_session_run() is the session's; what is under
 * `relay->lock` is for all. Fails: never, a failure is the session's end. */
#pragma once

#include <pthread.h>

#include "http.h"
#include "list.h"
#include "str.h"

enum relay_side { RELAY_CLIENT, RELAY_AGENT, RELAY_SIDES };

/* A connection that came, until the session's thread takes it. */
struct relay_arrival {
    struct http_request *req; /* NULL: none */
    int fd;
    struct str early;
};

struct relay {
    pthread_mutex_t lock;
    pthread_cond_t gone; /* a session's thread ended */
    struct list sessions;
    size_t count;
    bool stopping;
};

struct relay_session {
    struct list link;
    struct relay *relay;
    char *id, *token, *command;
    int64_t expires_ms; /* monotonic */
    int event;          /* eventfd: something came, or the relay stops; -1: no thread */

    /* under relay->lock */
    struct relay_arrival arrived[RELAY_SIDES];
    bool came[RELAY_SIDES]; /* each comes once */
};

void relay_session_run(struct relay_session *s);
