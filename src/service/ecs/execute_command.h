/* execute_command.h: what tasks with enableExecuteCommand carry: the ExecuteCommandAgent of
 * each container. The agent runs commands itself, so this "managed agent" runs exactly as
 * long as its container, and is kept here, not reported.
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

/* The task is new. */
void exec_agents_add(struct task *t);
/* The container's lastStatus may have changed. */
void exec_agent_follow(struct core *core, struct ecs_container *c);
