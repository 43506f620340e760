/* relay.h: sessions in containers: between the data channel of a client and the agent.
 *
 * ExecuteCommand announces a session (relay_expect). Then two connections come, in any
 * order: the client's, GET /v1/data-channel/<id>, which shows the token in its first
 * message, and the agent's, GET /gantry/v1/agent/session/<id>. The first of them starts
 * the session's thread; the program begins when both are there and the client has shaken
 * hands. A session that nobody comes to is forgotten. Nothing is stored: a server that
 * ends, ends its sessions (docs/adr/0009).
 *
 * Owns: sessions, their threads and connections. Threads: any; one of its own a session.
 * Fails: as noted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "http.h"

#define RELAY_SESSIONS_MAX 256
#define RELAY_EXPECT_MS    60000 /* the token is good for so long */

struct relay;

struct relay *relay_new(void);
/* Ends all sessions and waits for them: before http_server_stop(). */
void relay_stop(struct relay *r);
void relay_free(struct relay *r); /* after the HTTP server stopped; NULL allowed */

/* Texts are copied. E_FULL: too many sessions. */
int relay_expect(struct relay *r, const char *id, const char *token, const char *command,
                 struct error *err);

/* Is the agent's end of it still to come, and in time? */
bool relay_waits(struct relay *r, const char *id);

#define RELAY_CLIENT_PATH "/v1/data-channel/"
#define RELAY_AGENT_PATH  "/gantry/v1/agent/session/"

/* Take and answer a request whose body (there is none) has come. The agent's signature
 * has been checked. */
void relay_client(struct relay *r, struct http_request *req);
void relay_agent(struct relay *r, struct http_request *req);
