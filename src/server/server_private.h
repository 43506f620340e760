/* server_private.h: what the files of src/server share. Threads: set before requests are
 * taken, constant afterwards. Owns, fails: see server.h. */
#pragma once

#include "api_front.h"
#include "auth.h"
#include "core.h"
#include "edge_feed.h"
#include "fleet.h"
#include "hook_calls.h"
#include "http.h"
#include "registry.h"
#include "relay.h"
#include "role_session.h"
#include "s3_front.h"
#include "server.h"
#include "shell.h"
#include "web_fetch.h"

struct server {
    const struct server_config *config;
    struct store *store;
    struct seal_keys *seal;
    struct core *core;
    struct role_ops roles;
    struct shell *shell;
    struct workers *workers;
    struct audit *audit;
    struct fleet *fleet;
    struct edge_feed *edge_feed;
    struct relay *relay;
    struct hook_calls *hook_calls;
    struct web_fetch *web_fetch;
    struct blob_store *blobs;
    struct registry *registry;
    struct item_store *items;
    struct object_store *objects;
    struct workers *object_workers;
    struct s3_front *s3;
    struct wake housekeeping;
    struct events_forget *events_forget;
    struct http_server *http;
    struct authenticator auth;
    struct api_service services[32];
    struct api_front api;
    int64_t started_ms;
};

/* The decoded value of one query parameter, in the arena; NULL when absent. */
const char *query_parameter(struct arena *a, const char *query, const char *name);

/* GET /gantry/v1/agent?containerInstanceArn=…: the stream of one agent. */
void agent_stream_open(struct server *s, struct http_request *req);
/* GET RELAY_AGENT_PATH…: the agent's end of a session. */
void agent_session_open(struct server *s, struct http_request *req);
/* POST /gantry/v1/agent/telemetry: what an agent measured; at most so many bytes. */
#define AGENT_TELEMETRY_MAX (1024 * 1024)
void agent_telemetry_begin(struct http_request *req);
void agent_telemetry_complete(struct server *s, struct http_request *req);

/* GET /gantry/v1/edge: the stream of the edge. */
#define EDGE_STREAM_PATH "/gantry/v1/edge"
void edge_stream_open(struct server *s, struct http_request *req);
/* POST /gantry/v1/edge/report: what it found out; at most so many bytes. */
#define EDGE_REPORT_PATH "/gantry/v1/edge/report"
#define EDGE_REPORT_MAX  (8 * 1024 * 1024)
void edge_report_begin(struct http_request *req);
void edge_report_complete(struct server *s, struct http_request *req);

/* GET /gantry/v1/events: the history of events, a line {"cursor":…,"event":{…}} each.
 *   resource=ARN (or its last part, "task/default/0123…": of the caller's account)
 *   type=detail-type   since=ms   after=cursor   limit=N   order=newest
 * The last line has no event when there is more behind its cursor. */
#define EVENTS_PATH "/gantry/v1/events"
void events_open(struct server *s, struct http_request *req);

/* Forgets old events from now on, a few at a time. State thread, before it runs. */
struct events_forget *events_forget_new(struct server *s);
void events_forget_free(struct events_forget *f); /* NULL allowed; before core_free() */
