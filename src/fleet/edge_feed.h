/* edge_feed.h: the server's side of the edge: one stream down, reports back.
 *
 * The edge asks for a long-lived answer; on it the server writes one JSON message a line
 * (struct gantry_edge_message): first DESIRED, everything that should be, then whole objects
 * as they change. There is one edge a server: a newer stream takes the place of an older one.
 * What it found out comes by POST (struct gantry_edge_report) and goes to ec2 and elbv2, the
 * counters of traffic to edge_traffic.h.
 *
 * Owns: the connection, the counters. Threads: state thread. Fails: never. */
#pragma once

#include "core.h"
#include "edge_traffic.h"
#include "fleet.h"

struct edge_feed;

/* Registers itself with ec2 and elbv2: after their attach. Takes submit, ctx and ping_ms. */
struct edge_feed *edge_feed_new(struct core *core, const struct fleet_config *config);
/* After the shell stopped. */
void edge_feed_free(struct edge_feed *f);

/* Makes the request the edge's stream, and answers it. */
void edge_feed_connect(struct edge_feed *f, struct core *core, struct http_request *req);
/* Saying it again, late or of objects that are gone changes nothing. */
void edge_feed_report(struct edge_feed *f, struct core *core,
                      const struct gantry_edge_report *report);

bool edge_feed_connected(const struct edge_feed *f);
struct edge_traffic *edge_feed_traffic(struct edge_feed *f);
