/* jobs.h: the engine's blocking work, each as one job on a worker thread.
 *
 * A job of a container marks what it is about (image_part, net_part or busy), so that two
 * never do the same; when it is done it notes the outcome and calls engine_advance().
 * Owns: a job its inputs' copies and outputs. Threads: called on the loop's.
 * Fails: never; failures become the container's. */
#pragma once

#include "engine.h"

void job_prepare(struct task *t);      /* the task's group */
void job_image(struct container *c);   /* pull, pin, mount */
void job_network(struct container *c); /* namespace, address, ports */
void job_task_network(struct task *t); /* the one that its containers share */
void job_create(struct container *c);  /* create and start */
void job_start(struct container *c);   /* start what an earlier agent created */
void job_restart(struct container *c); /* its next life, in the same place */
void job_signal(struct container *c, int signo);
void job_kill(struct container *c);
void job_settle(struct container *c); /* what became of it? */
void job_clean(struct task *t);
