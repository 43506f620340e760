/* daemon.h: one task of an agent-like kind on every instance of some capacity providers.
 *
 * Owns: nothing. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include "ecs_state.h"

/* "family", "family:revision" or ARN of a daemon task definition; the newest ACTIVE
 * revision when none is named. */
struct taskdef *daemon_taskdef_find(struct call *c, const char *reference);
