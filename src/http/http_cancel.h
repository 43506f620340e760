/* http_cancel.h: the inside of struct http_cancel, for the client's own files.
 *
 * Each running call registers how it is woken. Cancelling sets the flag, then wakes them
 * all under the lock, so no wake-up meets a call that has ended. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "http_client.h"
#include "list.h"

struct http_cancel {
    atomic_bool done;
    pthread_mutex_t lock;
    struct list calls; /* struct cancel_call */
};

struct cancel_call {
    struct list node;
    void (*wake)(void *ctx);
    void *ctx;
};

/* Both allow x NULL. */
void http_cancel_enter(struct http_cancel *x, struct cancel_call *call);
void http_cancel_leave(struct http_cancel *x, struct cancel_call *call);
