/* task_steps.h: the steps of a task on this host, as data.
 *
 *   ACCEPTED --room--> STARTING --steady--> RUNNING
 *      |                  |                    |
 *      |                 end                  end
 *      |                  v                    |
 *      |              STOPPING <---------------+
 *      |                  | down
 *      +------end----> CLEANING --clean--> STOPPED --expired--> GONE
 *
 * A move that is not in the table is refused. Pure. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>

enum task_step {
    STEP_ACCEPTED, /* written down; waits for room on the host */
    STEP_STARTING, /* has its resources; containers come up */
    STEP_RUNNING,  /* every container has been up */
    STEP_STOPPING, /* containers go down, dependents first */
    STEP_CLEANING, /* nothing runs; host objects are removed */
    STEP_STOPPED,  /* resources are free again; logs and state are kept */
    STEP_GONE,
    STEP_COUNT,
};

enum task_event {
    TASK_ROOM,    /* resources were given */
    TASK_STEADY,  /* every container is up, or was up and is done */
    TASK_END,     /* the server, an essential container or a failure ends it */
    TASK_DOWN,    /* no container runs and no work is under way */
    TASK_CLEAN,   /* nothing of it is left on the host but logs and state */
    TASK_EXPIRED, /* kept long enough */
    TASK_EVENT_COUNT,
};

/* Fills *ret and returns true; false when the event means nothing in this step. */
bool task_step_after(enum task_step step, enum task_event event, enum task_step *ret);
const char *task_step_name(enum task_step step); /* "STARTING" */
bool task_step_parse(const char *name, enum task_step *ret);
const char *task_event_name(enum task_event event);
/* The ECS status that the step shows: PENDING, RUNNING, STOPPED. */
const char *task_step_status(enum task_step step);
/* Does a task in this step hold host resources? */
bool task_step_holds(enum task_step step);
