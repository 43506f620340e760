/* health_probe.h: runs the health checks of containers.
 *
 * A probe is a process (`exec` in the container) that the loop watches by its pidfd, with a
 * deadline and a bounded read of its output; a worker is only borrowed to begin it and, when
 * its time is over, to kill it. At most PROBES_PARALLEL run at a time on the host, more
 * wait in line, so that hundreds of checks never keep a task from starting.
 *
 * Owns: the probe of a container (container.probe): its timer and what runs. While a
 * process runs it counts as a job of the task. Threads: the loop's. Fails: never; a probe that
 * can't be begun is one that failed. */
#pragma once

#include "engine.h"

#define PROBES_PARALLEL 16

/* The container runs (or was found running): first probe after an interval. */
void probe_begin(struct container *c);
/* It ended, or is to end: what runs is killed and its outcome is of no interest. */
void probe_end(struct container *c);
/* Gives the timer back; after probe_end() and when no job of the task is under way. */
void probe_close(struct container *c);
/* The agent ends: kills what runs. */
void probes_stop(struct engine *e);
