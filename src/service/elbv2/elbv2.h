/* elbv2.h: Elastic Load Balancing v2 as the rest of the server sees it.
 *
 * Load balancers, listeners, rules and target groups are desired state here and HAProxy in
 * the edge. What the edge needs leaves through struct elbv2_edge_ops (fleet implements it);
 * the health of targets comes back with elbv2_edge_health(). Deregistration delays run here,
 * on the core's clock.
 *
 * Owns: all of these in the core's tables, and through ec2 the load balancers' interfaces.
 * Threads: state thread only. Texts that come back point into records.
 * Fails: as noted; on failure nothing was changed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "access.h"
#include "arena.h"
#include "core.h"
#include "elbv2_api.h"
#include "error.h"
#include "gantry_api.h"
#include "operation.h"

/* Adds the tables; after ec2_attach() and acm_attach(), before core_load(). */
void elbv2_attach(struct core *core);

/* Generated: one row an offered operation. */
extern const struct operation elbv2_operations[];
extern const struct access_service elbv2_access;

/* ---- for ecs ---- */

struct elbv2_target_group_info {
    const char *arn, *name, *vpc_id;
    enum elbv2_target_type_enum target_type;
    enum elbv2_protocol_enum protocol;
    int32_t port;
    bool in_use; /* a listener or rule forwards to it */
};
/* By ARN (which names account and region). E_NOTFOUND. */
int elbv2_target_group_find(struct core *core, const char *arn,
                            struct elbv2_target_group_info *ret, struct error *err);

struct elbv2_target {
    const char *group_arn;
    const char *id; /* instance id or IPv4 address */
    int32_t port;
};
/* Registered, or no longer draining. E_NOTFOUND group, E_INVALID target (the text says why),
 * E_FULL too many targets. */
int elbv2_target_register(struct core *core, const struct elbv2_target *t,
                          struct error *err);
/* Draining from now on, for the group's deregistration delay. Unknown: nothing happens. */
void elbv2_target_deregister(struct core *core, const struct elbv2_target *t);

enum elbv2_target_status {
    ELBV2_TARGET_UNUSED, /* not registered (any more), or its group is in no listener */
    ELBV2_TARGET_INITIAL,
    ELBV2_TARGET_HEALTHY,
    ELBV2_TARGET_UNHEALTHY,
    ELBV2_TARGET_DRAINING,
    ELBV2_TARGET_UNAVAILABLE,
};
enum elbv2_target_status elbv2_target_status(struct core *core,
                                             const struct elbv2_target *t);

/* Why it is unhealthy, for people: "Health checks failed with these codes: [503]". */
const char *elbv2_target_reason(struct core *core, const struct elbv2_target *t);

/* Called whenever elbv2_target_status() of a target changes, its end included. */
struct elbv2_watch {
    void (*target_changed)(void *ctx, struct core *core, const struct elbv2_target *t,
                           enum elbv2_target_status status);
    void *ctx;
};
void elbv2_set_watch(struct core *core, const struct elbv2_watch *watch);

/* The forward action of a rule (or a listener's default action, by the listener's ARN) gives
 * `green` this many percent and `blue` the rest. E_NOTFOUND rule, E_INVALID it has no forward
 * action to one of the two. */
int elbv2_shift(struct core *core, const char *rule_arn, const char *blue_group_arn,
                const char *green_group_arn, double green_percent, struct error *err);

/* ---- the edge ---- */

/* Fleet's side. Called within a task; what is said leaves when the change is durable. A
 * balancer comes with listeners, rules and interfaces, a target group with its targets. */
struct elbv2_edge_ops {
    void (*balancer)(void *ctx, struct core *core, const struct gantry_edge_balancer *b);
    void (*balancer_gone)(void *ctx, struct core *core, const char *arn);
    void (*targets)(void *ctx, struct core *core,
                    const struct gantry_edge_target_group *group);
    void (*targets_gone)(void *ctx, struct core *core, const char *group_arn);
};
void elbv2_set_edge_ops(struct core *core, const struct elbv2_edge_ops *ops, void *ctx);

/* Everything, for the first message of an edge's stream: balancers, and the groups that they
 * forward to. */
void elbv2_edge_desired(struct core *core, struct arena *a,
                        struct gantry_edge_balancer_list *balancers,
                        struct gantry_edge_target_group_list *groups);
/* What the edge found out. What is late or unknown changes nothing. */
void elbv2_edge_health(struct core *core, const struct gantry_edge_target_health *h);
void elbv2_edge_balancer_state(struct core *core,
                               const struct gantry_edge_balancer_state *s);
