/* server.h: gantry's server: APIs, state, decisions, registry. Never needs root.
 *
 * Owns: its data directory (locked by the store). Threads: server_run() blocks the caller;
 * server_stop() may be called from any thread or signal handler.
 * Fails: server_run() with what kept it from starting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct server_config {
    const char *data_dir;
    const char *listen; /* "127.0.0.1:4566" */
    const char *region;
    const char *account_id;
    const char
        *public_pool; /* of EC2, "198.18.16.0/20"; NULL: the first /20 of 198.18.0.0/15 */
    bool dev;
    /* Where objects of S3 have their bytes; s3_upstream NULL: below data_dir. */
    const char *s3_upstream;        /* http(s)://host[:port]/bucket[/prefix] */
    const char *s3_upstream_region; /* NULL: the server's */
    const char *s3_upstream_key_id, *s3_upstream_secret;
    /* Clocks that a test must not wait for; 0: AWS's value. */
    int64_t role_session_ms; /* of credentials of tasks and instances; 0: 6 h */
    int64_t stopped_task_retention_ms;
    int64_t disconnect_grace_ms;
    int64_t event_keep_ms; /* the history of events; 0: 7 days */
    int64_t provisioning_timeout_ms;
    /* Called once when calls are answered; NULL: nothing. `url` is http://host:port. */
    void (*ready)(void *ctx, const char *url);
    void *ready_ctx;
};

int server_run(const struct server_config *config, struct error *err);
void server_stop(void); /* async-signal-safe */
