/* balancer_log.h: what HAProxy says of each request: counters for CloudWatch, and access logs.
 *
 * HAProxy writes a line a request into a pipe (balancer_log_pipe()) and never waits. It is read
 * every READ_GAP_MS, not when something comes: so a busy HAProxy wakes nobody, and thousands
 * of lines are one read. Lines that come while no edge runs wait in the pipe for the next one,
 * as many as it holds.
 * Access logs are kept in memory for five minutes (or ACCESS_BYTES_MAX) and then written as one
 * gzip file below the log directory, as AWS does into its bucket.
 *
 * Owns: its thread, the sockets. Threads: any. Fails: as noted. */
#pragma once

#include <sys/types.h>

#include "balancer_socket.h"
#include "error.h"
#include "gantry_api.h"

struct balancer_log;

#define ACCESS_BYTES_MAX (32 * 1024 * 1024)
#define ACCESS_PERIOD_MS (5 * 60 * 1000)

/* log_dir NULL: no access logs. */
int balancer_log_new(const char *log_dir, struct balancer_log **ret, struct error *err);
/* Opens the pipe (once), and takes over what the load balancer's attributes say now. */
int balancer_log_open(struct balancer_log *log, const char *id, const char *dir,
                      const struct gantry_edge_balancer *b, struct error *err);
void balancer_log_close(struct balancer_log *log, const char *id);
/* Reports what came since the last call, of the whole and of each group, and begins anew.
 * `total` connections of this worker since it began. */
void balancer_log_take(struct balancer_log *log, const char *id, pid_t worker,
                       int64_t active, int64_t total,
                       void (*report)(void *ctx, const struct gantry_edge_traffic *t),
                       void *ctx);
void balancer_log_free(struct balancer_log *log); /* NULL allowed; writes what it has */
