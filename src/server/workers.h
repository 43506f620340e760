/* workers.h: a few threads for work that reads from disk and may not hold others up.
 *
 * Jobs are embedded in the caller's struct and run in the order of submission, several at
 * a time. The queue is bounded by what feeds it: every job holds an HTTP request, and those
 * are bounded.
 *
 * Owns: its threads. Threads: workers_submit() any.
 * Fails: workers_start() with E_IO when a thread can't be made. */
#pragma once

#include "error.h"
#include "list.h"

struct workers;

struct job {
    void (*run)(struct job *);
    struct list link;
};

int workers_start(unsigned threads, struct workers **ret, struct error *err);
void workers_submit(struct workers *w, struct job *job);
/* Everything submitted before is done. NULL allowed. */
void workers_stop(struct workers *w);
