/* session_link.h: the agent's connection for one session in a container: a WebSocket to the
 * server, asked for with the agent's signature.
 * Owns: nothing, the caller closes. Threads: any, blocks up to SESSION_LINK_MS a step.
 * Fails: E_NETWORK, E_TIMEOUT, E_PROTOCOL the server refused, E_UNSUPPORTED https. */
#pragma once

#include "agent.h"
#include "error.h"
#include "sigv4.h"
#include "str.h"

#define SESSION_LINK_MS 10000

/* ret_fd is non-blocking; ret_early gets what came behind the handshake. */
int session_link(const struct agent_config *config, const struct sigv4_credentials *keys,
                 const char *session_id, int *ret_fd, struct str *ret_early,
                 struct error *err);
