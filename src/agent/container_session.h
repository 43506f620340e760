/* container_session.h: sessions in containers: ExecuteCommand's end on this machine.
 *
 * Each session is a thread: it connects to the server, waits for FRAME_BEGIN, lets the OCI
 * runtime start the command on a terminal of the container, and carries bytes between that
 * terminal and the server (src/session/frames.h) until either ends. When the server goes,
 * so does the program: its terminal hangs up (SIGHUP), and after 2 s it is killed. A
 * killed agent closes the terminal too.
 *
 * Owns: its threads and programs. Threads: start and stop on the loop's.
 * Fails: a session that can't begin is logged; its client is told by the server. */
#pragma once

#include "agent.h"
#include "gantry_api.h"
#include "runtime.h"
#include "sigv4.h"

#define CONTAINER_SESSIONS_MAX 64

struct container_sessions;

struct container_sessions *container_sessions_new(const struct agent_config *config,
                                                  struct runtime *runtime);
/* container_id NULL: there is no such container here; the client is told. keys (copied): what
 * the connection to the server is asked for with; NULL: none can be had. */
void container_session_start(struct container_sessions *all,
                             const struct gantry_host_session *session,
                             const char *container_id,
                             const struct sigv4_credentials *keys);
/* Ends all, waits for them, frees. NULL allowed. */
void container_sessions_free(struct container_sessions *all);
