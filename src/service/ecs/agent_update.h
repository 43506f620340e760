/* agent_update.h: UpdateContainerAgent. The newest agent is the one of the server's own
 * version: program and agent are one file, and servers are renewed first.
 *
 *   (none) ──UpdateContainerAgent──► PENDING ──told──► UPDATING ──registers──► UPDATED
 *                                                          └──with its old version──► FAILED
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

/* Tells the agent when an update is PENDING and a stream is open. */
void agent_update_tell(struct core *core, struct instance *i);
/* The agent has registered: what became of its update? The caller saves. */
void agent_update_registered(struct instance *i);
