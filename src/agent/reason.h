/* reason.h: why a container did not start or did not go on, in ECS's words.
 *
 * `<Name>: <text>`, at most REASON_MAX characters, as DescribeTasks shows it. The names
 * are those of the ECS agent; which one fits depends on the step that failed and on the
 * error's code. Pure. Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "error.h"
#include "str.h"

#define REASON_MAX 1024

/* How long a step may take: the ECS agent's limits. */
#define REASON_CREATE_LIMIT_MS (4 * 60 * 1000LL)
#define REASON_START_LIMIT_MS  (3 * 60 * 1000LL)

enum reason_step {
    REASON_PULL,
    REASON_VOLUME,
    REASON_NETWORK,
    REASON_CREATE, /* checks and files, before the OCI runtime is asked */
    REASON_START,  /* the OCI runtime's create and start: Docker does both at start */
    REASON_STOP,
    REASON_RESOURCE, /* what has to be there before anything is made: secrets, files */
    REASON_CONFIG,   /* something asked for that this agent does not do */
};

#define REASON_OOM      "OutOfMemoryError: Container killed due to memory usage"
#define REASON_VANISHED "ContainerVanishedError: The container is gone from this host"
#define REASON_ABANDONED                                                                 \
    "ContainerRuntimeError: The container's supervisor ended, so the container was "     \
    "killed"
#define REASON_BEFORE_PULL                                                               \
    "TaskStoppedBeforePullBeginError: Task stopped before image pull could begin for "   \
    "task"
#define REASON_ESSENTIAL "Essential container in task exited"

/* Appends the reason for a failed step. */
void reason_write(enum reason_step step, const struct error *failure, struct str *ret);
/* "DockerTimeoutError: Could not transition to <state>; timed out after waiting <dur>" */
void reason_timeout(const char *state, int64_t waited_ms, struct str *ret);
