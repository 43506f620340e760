/* stop_signal.h: SIGTERM and SIGINT as a descriptor, for the agent and the edge.
 *
 * An eventfd and not a signalfd: that would need blocked signals, which every program that
 * they start would inherit.
 * Owns: one descriptor, for the life of the process. Threads: one. Fails: as eventfd(2). */
#pragma once

#include "error.h"

/* *ret_fd is readable once the process is asked to end. */
int stop_signal_open(int *ret_fd, struct error *err);
