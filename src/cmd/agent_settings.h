/* agent_settings.h: the agent's configuration from our options, for all commands that
 * need its view of the machine: agent, down --purge, exec.
 * Owns: texts lie in the options' arena. Threads: main. Fails: E_INVALID an option. */
#pragma once

#include "agent.h"
#include "layout.h"

/* Needs l->agent_run. Server and credentials are left to the caller. */
int agent_settings_fill(struct options *o, const struct layout *l,
                        struct agent_config *ret, struct error *err);
