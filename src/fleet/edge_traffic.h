/* edge_traffic.h: what went through load balancers, as edges counted it.
 *
 * Totals since the server began, and the newest report, of each balancer and target group.
 * An edge sends a report again until it was acknowledged, under one sequence number: it
 * counts once.
 *
 * Owns: copies. Threads: state thread. Fails: never; above EDGE_TRAFFIC_MAX pairs new ones
 * are not counted. */
#pragma once

#include "gantry_api.h"
#include "str.h"

#define EDGE_TRAFFIC_MAX 50000

struct edge_traffic;

struct edge_traffic *edge_traffic_new(void);
void edge_traffic_free(struct edge_traffic *t);
void edge_traffic_add(struct edge_traffic *t, const struct gantry_edge_report *report);
void edge_traffic_forget(struct edge_traffic *t, const char *balancer_arn);

/* The newest counters; `group_arn` NULL: the balancer's own. NULL: none came. */
const struct gantry_edge_traffic *edge_traffic_latest(const struct edge_traffic *t,
                                                      const char *balancer_arn,
                                                      const char *group_arn);
/* Appends the metrics gantry_elb_… in Prometheus' text format. */
void edge_traffic_metrics(const struct edge_traffic *t, struct str *ret);
