/* supervisor.h: keeps the parts of one machine running: the server, the edge, the
 * agent and the agent of Fargate's pool.
 *
 * A single-threaded loop over descriptors (signalfd, pidfds, pipes), so no signal handler
 * races with a child that ends. Children are this same program (/proc/self/exe), each as
 * `gantry server …`, `gantry edge …` or `gantry agent …`.
 *
 * A part that dies is started again, after 50 ms at first and at most 2 s when it goes on
 * dying; a life of 10 s makes the wait short again. A part that can't begin at the very
 * first start ends everything with its reason, because a person is watching then.
 *
 * When the supervisor itself is killed, the kernel sends its children SIGTERM
 * (PR_SET_PDEATHSIG) and they end cleanly. They could go on: but nobody would restart them,
 * the next `up` would find the port and the data taken, and a process can't adopt another
 * one's children. Both are crash-safe and containers do not notice, so a short end and a
 * new start is the simpler truth.
 *
 * Owns: its children and the record of the run. Threads: one.
 * Fails: supervisor_run() with why it could not begin; 0 after a stop that was asked for. */
#pragma once

#include "layout.h"
#include "run_record.h"

struct supervisor_config {
    struct options *options;
    struct layout *layout;
    int watch_fd; /* the end of a pipe whose reader waits for us; -1: none. If the reader
                   * goes before all is ready, we stop */
    void (*ready)(void *ctx, const char *url);
    void *ctx;
};

int supervisor_run(const struct supervisor_config *config, struct error *err);
