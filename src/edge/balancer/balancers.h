/* balancers.h: load balancers as HAProxy, one master-worker pair each, in a network namespace
 * of its own that holds the balancer's interfaces (use BALANCER). HAProxy runs without
 * privileges: in that namespace every port is free to take.
 *
 * Level-triggered like router.h. A change of listeners, rules or groups writes the whole
 * configuration and reloads, hitless; targets come, go and drain over the runtime API,
 * without a reload. Health checks are gantry's own, made from the balancer's namespace, so
 * that they come from its addresses and meet the same security groups.
 *
 * Owns: <dir>/<balancer id>/ (configuration, certificates, maps, sockets, logs), its
 * namespace and processes. Threads: one caller; own threads. The callbacks come on them.
 * Fails: balancers_new(); a balancer that can't be made is told by `state`. */
#pragma once

#include "error.h"
#include "gantry_api.h"
#include "vpc.h"

struct balancers;

struct balancers_config {
    const char *dir; /* <run_dir>/balancers */
    const char *run;
    const char *haproxy; /* program; NULL: "haproxy" in PATH */
    const char *log_dir; /* access logs: <log_dir>/<bucket>/<prefix>/AWSLogs/… */
    struct vpc_place place;
    int64_t
        initial_check_gap_ms; /* first checks of a new target; 0: 100, doubled up to the
                                     group's interval */
    int64_t fold_quiet_ms; /* targets that are better off in HAProxy's file get there by a
                              reload when nothing changed for so long; 0: 10000 */
    void (*state)(void *ctx, const struct gantry_edge_balancer_state *s);
    void (*health)(void *ctx, const struct gantry_edge_target_health *h);
    /* Since the last call for the same balancer and group; every minute. */
    void (*traffic)(void *ctx, const struct gantry_edge_traffic *t);
    void *ctx;
};

int balancers_new(const struct balancers_config *config, struct balancers **ret,
                  struct error *err);
void balancers_begin(struct balancers *b);
void balancers_balancer(struct balancers *b, const struct gantry_edge_balancer *balancer);
void balancers_balancer_gone(struct balancers *b, const char *arn);
void balancers_targets(struct balancers *b, const struct gantry_edge_target_group *group);
void balancers_targets_gone(struct balancers *b, const char *group_arn);
void balancers_settled(struct balancers *b);
/* Stops the threads; HAProxy goes on, and the next balancers_new() adopts it. */
void balancers_free(struct balancers *b);
/* Ends and removes everything of this run. */
int balancers_purge(const struct balancers_config *config, struct error *err);
