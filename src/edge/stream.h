/* stream.h: the edge's conversation with its server.
 *
 *   connect ──► lines, each to edge_message() ──(lost)──► back-off ──► connect …
 *      └── reports (report.h) go up by POST while the stream is open, one at a time
 * A stream that gave no line for 25 s is lost. Another edge that connects takes the stream
 * away; this one comes back with the next back-off, so two edges of one server are a mistake
 * that shows in both logs.
 *
 * Owns: timers. Threads: the loop's; stream_report() any. Fails: never: it retries. */
#pragma once

#include <uv.h>

#include "backoff.h"
#include "edge_message.h"
#include "server_calls.h"

#define EDGE_STREAM_IDLE_MS 25000
#define EDGE_STREAM_PATH    "/gantry/v1/edge"
#define EDGE_REPORT_PATH    "/gantry/v1/edge/report"

struct edge_stream {
    struct server_calls *calls;
    const char *server_url;
    struct edge_parts *parts;
    void (*settled)(void *ctx); /* after each DESIRED */
    void *ctx;

    uv_timer_t timer, report_timer;
    uv_async_t report;
    struct backoff backoff, report_backoff;
    bool open, reporting, closing, announced;
};

/* The first five are set by the caller. */
void edge_stream_start(struct edge_stream *s, uv_loop_t *loop);
/* Something is due in the report queue. */
void edge_stream_report(struct edge_stream *s);
void edge_stream_close(struct edge_stream *s);
