/* balancer_traffic.h: requests of a load balancer, counted as CloudWatch wants them. Pure.
 *
 * What has no answer of a target is the load balancer's own (elb*), with or without a target
 * chosen. Times go into buckets, from which percentiles can be made and which can be added up.
 * Owns: a struct traffic its list of groups (traffic_fini). Threads: one at a time. Fails:
 * never. */
#pragma once

#include "balancer_log_line.h"
#include "gantry_api.h"

#define TRAFFIC_BUCKETS 28
extern const int64_t traffic_bounds[TRAFFIC_BUCKETS]; /* ms; the last has no end */

struct traffic_counts {
    int64_t requests, own[4], target[4]; /* by hundreds: 2xx … 5xx */
    int64_t bytes_in, bytes_out, connections, connect_errors, tls_errors;
    int64_t times[TRAFFIC_BUCKETS];
};
struct traffic_group {
    char *backend;
    struct traffic_counts counts;
};
struct traffic {
    struct traffic_counts all;
    struct traffic_group *groups;
    size_t group_count;
};

void traffic_note(struct traffic *t, const struct balancer_log_line *l);
/* Zero again; groups stay. */
void traffic_clear(struct traffic *t);
void traffic_fini(struct traffic *t);
/* As a report; the list of buckets lies in the arena. */
void traffic_report(struct arena *a, const struct traffic_counts *c,
                    struct gantry_edge_traffic *ret);
