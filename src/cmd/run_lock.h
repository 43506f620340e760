/* run_lock.h: at most one `up` for a run directory, and for a data directory.
 *
 * Locks of flock(2) on <run>/up.lock and <data>/run-id: the kernel gives them back when
 * the supervisor ends, however it ends.
 * Owns: the two descriptors. Threads: main.
 * Fails: E_CONFLICT with who has it. */
#pragma once

#include "layout.h"

struct run_lock {
    int run_fd, data_fd;
};
#define RUN_LOCK_INIT                                                                    \
    {                                                                                    \
        -1, -1                                                                           \
    }

int run_lock_take(const struct layout *l, struct run_lock *lock, struct error *err);
int run_lock_take_data(const struct layout *l, struct run_lock *lock, struct error *err);
void run_lock_release(struct run_lock *lock);
