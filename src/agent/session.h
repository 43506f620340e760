/* session.h: the agent's conversation with its server.
 *
 *   register ──► discover ──► stream ──(lost: back-off)──► discover …
 *      ▲                        │
 *      └── instance unknown ────┘
 * Registering passes the ARN of an earlier time, so that the instance stays the same one.
 * A stream that gave no line for 25 s is lost.
 *
 * Owns: its timer; instance.json. Threads: the loop's. Fails: never: it retries. */
#pragma once

#include "backoff.h"
#include "engine.h"

#define STREAM_IDLE_MS 25000

struct session {
    struct engine *engine;
    const struct agent_config *config;
    uv_timer_t timer;
    void (*next)(struct session *s); /* when the timer fires */
    struct backoff register_backoff, stream_backoff;
    struct arena arena;       /* the two below */
    const char *instance_arn; /* NULL: never registered */
    const char *cluster_arn;
    bool closing, announced;
    unsigned busy; /* calls whose callback is to come */
};

void session_start(struct session *s, struct engine *e);
void session_close(struct session *s); /* closes the handle; calls end with theirs */
void session_fini(struct session *s);

/* Pure: "arn:…:container-instance/web/0a1b" → "arn:…:cluster/web"; NULL when it is none. */
const char *cluster_arn_of(struct arena *a, const char *instance_arn);
/* Pure: percent-encodes all but unreserved characters (RFC 3986). */
void query_escape(struct str *out, const char *text);
