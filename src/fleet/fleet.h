/* fleet.h: the server's side of hosts: one stream down to each agent.
 *
 * An agent asks for a long-lived answer; on it the server writes one JSON message a line
 * (struct gantry_host_message): first DESIRED, everything that should run on the instance,
 * then TASK and FORGET as things change, and PING when nothing else was said for a while.
 * What agents have to say comes back as ordinary ECS calls (SubmitTaskStateChange); what
 * ECS has no operation for, the state of health checks, as telemetry (fleet_telemetry()).
 *
 * Lines leave, like replies, only when the state behind them is durable. A stream that is
 * cut is no loss: the next one begins with DESIRED again.
 *
 * Owns: connections. Threads: fleet_connect() on the state thread; delivery on the commit
 * thread. Fails: as noted. */
#pragma once

#include <stdbool.h>

#include "core.h"
#include "error.h"
#include "gantry_api.h"
#include "http.h"

struct fleet;

#define FLEET_PING_MS 10000

struct fleet_config {
    /* Hands a task to the state thread; any thread may call it. */
    void (*submit)(void *ctx, struct core_task *task);
    void *ctx;
    int64_t ping_ms; /* 0: FLEET_PING_MS */
    /* A session will be asked for; E_FULL. NULL: sessions are not offered. */
    int (*session)(void *ctx, const struct gantry_host_session *session,
                   const char *token, struct error *err);
    /* Has no agent come for it yet, and may one still? */
    bool (*session_waits)(void *ctx, const char *session_id);
};

/* Registers itself with ecs: after ecs_attach(). */
struct fleet *fleet_new(struct core *core, const struct fleet_config *config);
/* After the shell stopped. */
void fleet_free(struct fleet *f);

/* Makes the request the instance's stream; an older one is closed. On success the fleet
 * answers the request; E_NOTFOUND: no such instance, the caller answers. */
int fleet_connect(struct fleet *f, struct core *core, struct http_request *req,
                  const char *instance_arn, struct error *err);

/* What an agent measured, of what it is (struct gantry_agent_telemetry). E_NOTFOUND: no such
 * instance. Saying it again, late or of tasks that are gone changes nothing. */
int fleet_telemetry(struct core *core, const struct gantry_agent_telemetry *news,
                    struct error *err);

/* Streams that are open now. State thread. */
size_t fleet_connections(const struct fleet *f);
