/* balancer_log.h: what HAProxy says of each request: counters for CloudWatch, and access logs.
 *
 * HAProxy sends a datagram a request to <dir>/log.sock and never waits; the socket belongs to
 * the balancer's namespace, whose queue is long. Lines that come while no edge runs are lost.
 * Access logs are kept in memory for five minutes (or ACCESS_BYTES_MAX) and then written as one
 * gzip file below the log directory, as AWS does into its bucket.
 *
 * Owns: its thread, the sockets. Threads: any. Fails: as noted. */
#pragma once

#include <sys/types.h>

#include "error.h"
#include "gantry_api.h"

struct balancer_log;

#define ACCESS_BYTES_MAX (32 * 1024 * 1024)
#define ACCESS_PERIOD_MS (5 * 60 * 1000)

/* log_dir NULL: no access logs. */
int balancer_log_new(const char *log_dir, struct balancer_log **ret, struct error *err);
/* Listens (once), and takes over what the load balancer's attributes say now. */
int balancer_log_open(struct balancer_log *log, const char *id, const char *dir,
                      const char *netns, gid_t reader_group,
                      const struct gantry_edge_balancer *b, struct error *err);
void balancer_log_close(struct balancer_log *log, const char *id);
/* Reports what came since the last call, of the whole and of each group, and begins anew.
 * `total` connections of this worker since it began. */
void balancer_log_take(struct balancer_log *log, const char *id, pid_t worker,
                       int64_t active, int64_t total,
                       void (*report)(void *ctx, const struct gantry_edge_traffic *t),
                       void *ctx);
void balancer_log_free(struct balancer_log *log); /* NULL allowed; writes what it has */
