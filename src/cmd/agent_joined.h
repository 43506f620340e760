/* agent_joined.h: has the agent of this machine connected to the server?
 *
 * Asks as anybody would: DescribeContainerInstances for the instance that the agent wrote
 * down (agent.h, instance.json), until agentConnected is true.
 * Owns: nothing. Threads: blocks its caller. Fails: E_TIMEOUT. */
#pragma once

#include "layout.h"
#include "run_record.h"

#define AGENT_JOINED_SECONDS 30

int agent_joined_wait(const struct layout *l, const struct run_record *record);
