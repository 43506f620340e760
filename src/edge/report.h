/* report.h: what the parts found out, on its way to the server.
 *
 * States (health of targets, balancers, instances) are level-triggered: the newest of each
 * object is kept and sent, and all are sent again after a new connection. Traffic is counted:
 * what was not acknowledged is kept, and what was sent is sent again under the same sequence
 * number, so the server counts it once.
 *
 *   report_…() ──► due ──report_take()──► in flight ──report_taken()──► (kept, not due)
 *                   ▲                          │ not acknowledged
 *                   └──────────────────────────┘
 * Objects that the server no longer names are forgotten.
 *
 * Owns: copies of everything. Threads: any; `wake` is called on the reporter's.
 * Fails: never; above REPORT_OBJECTS_MAX states of new objects are dropped with a log line
 * (they come again when the server has named them anew). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "gantry_api.h"

#define REPORT_OBJECTS_MAX 200000
#define REPORT_BATCH_MAX   1000 /* of each kind, in one report */

struct report_queue;

/* `edge_id` names this process. `wake` NULL: nobody waits. */
struct report_queue *report_queue_new(const char *edge_id, void (*wake)(void *ctx),
                                      void *ctx);
void report_queue_free(struct report_queue *q);

void report_health(struct report_queue *q, const struct gantry_edge_target_health *h);
void report_balancer(struct report_queue *q, const struct gantry_edge_balancer_state *s);
void report_instance(struct report_queue *q, const struct gantry_edge_instance_state *s);
void report_traffic(struct report_queue *q, const struct gantry_edge_traffic *t);

/* ---- what the server says: whose states are still of interest ---- */

/* Between the two everything is named again; what was not is forgotten. */
void report_begin(struct report_queue *q);
void report_settled(struct report_queue *q);
/* Of this group only the targets that it has. */
void report_name_targets(struct report_queue *q,
                         const struct gantry_edge_target_group *group);
void report_name_balancer(struct report_queue *q, const char *arn);
void report_name_instance(struct report_queue *q, const char *instance_id);
void report_targets_gone(struct report_queue *q, const char *group_arn);
void report_balancer_gone(struct report_queue *q, const char *arn);
void report_instance_gone(struct report_queue *q, const char *instance_id);

/* ---- sending: one report at a time ---- */

/* Everything is due again: the server may have lost it. */
void report_resend(struct report_queue *q);
/* False: nothing is due. The report lies in the arena. */
bool report_take(struct report_queue *q, struct arena *a, struct gantry_edge_report *ret);
/* The answer to what was taken. */
void report_taken(struct report_queue *q, bool acknowledged);
