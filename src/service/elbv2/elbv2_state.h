/* elbv2_state.h: ELBv2's objects in memory and how they hang together.
 *
 *   balancer ── listeners ── rules ──► target groups ── targets
 *
 * Keys are /elbv2/<kind>/<account>/<region>/<what follows in the ARN>. A rule knows the groups
 * it forwards to only by ARN; a group counts its users (`uses`), kept where rules change. What
 * the edge found of a target is not stored: after a restart it is told anew.
 *
 * Owns: see object.h. Threads: state thread. Fails: …_find() returns NULL, …_require() sets
 * the call's fault. */
#pragma once

#include "acm.h"
#include "arn.h"
#include "call.h"
#include "core.h"
#include "ec2.h"
#include "elbv2.h"
#include "elbv2_api.h"
#include "elbv2_handlers.h"
#include "gantry_api.h"
#include "object.h"
#include "wake.h"

#define TARGETS_MAX 1000 /* a group; ELB's quota */

struct elbv2 {
    struct table *balancers, *listeners, *rules, *groups, *targets;
    const struct elbv2_edge_ops *edge_ops;
    void *edge_ctx;
    struct elbv2_watch watch;
    struct ec2_watch instances;
    struct acm_watch certificates;
};

struct balancer {
    struct object o;
    struct gantry_balancer_record *rec;
    struct list listeners;
    struct wake feed;
};

struct listener {
    struct object o;
    struct gantry_listener_record *rec;
    struct balancer *balancer;
    struct list link;
    struct list rules; /* in order of priority, the default rule last */
};

struct rule {
    struct object o;
    struct gantry_rule_record *rec;
    struct listener *listener;
    struct list link;
};

struct target_group {
    struct object o;
    struct gantry_target_group_record *rec;
    struct list targets;
    uint32_t target_count; /* draining ones too */
    uint32_t uses;         /* actions that forward to it */
    struct wake feed;
    bool told; /* the edge knows it */
};

struct target {
    struct object o;
    struct gantry_target_record *rec;
    struct target_group *group;
    struct list link;
    struct wake drained;
    bool stopped; /* it is an instance that doesn't run */
    /* as the edge has it */
    enum elbv2_target_status status; /* INITIAL, HEALTHY, UNHEALTHY, UNAVAILABLE */
    enum elbv2_target_health_reason_enum reason;
    char description[128];
};

struct elbv2 *elbv2_of(const struct core *core);
extern const struct table_type balancer_table, listener_table, rule_table,
    target_group_table, target_table;

/* ---- names ---- */

struct ec2_scope elb_scope(const struct call *c);
/* arn:aws:elasticloadbalancing:<region>:<account>:<tail> */
const char *elb_arn(struct arena *a, const struct ec2_scope *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Key of the object that an ARN names: its resource begins with `noun`; NULL: another's. */
const char *elb_key_of_arn(struct arena *a, const char *kind, const char *noun,
                           const char *arn);
/* The key under the scope. */
const char *elb_key(struct arena *a, const char *kind, const struct ec2_scope *s,
                    const char *rest);
struct ec2_scope elb_owner(struct arena *a, const char *arn);

/* ---- lookups ---- */

struct balancer *balancer_find(struct core *core, const char *arn);
struct listener *listener_find(struct core *core, const char *arn);
struct rule *rule_find(struct core *core, const char *arn);
struct target_group *target_group_find(struct core *core, const char *arn);
/* Of the caller's own account and region. */
struct balancer *balancer_require(struct call *c, const char *arn);
struct listener *listener_require(struct call *c, const char *arn);
struct rule *rule_require(struct call *c, const char *arn);
struct target_group *target_group_require(struct call *c, const char *arn);
struct target *target_find(struct core *core, const struct target_group *g,
                           const char *id, int32_t port);

/* ValidationError, which no model has. */
int elb_invalid(struct call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- rules (rule.c) ---- */

/* The listener's list in order again; the default rule's actions are the listener's. */
void rules_sort(struct listener *l);
struct rule *listener_default_rule(const struct listener *l);
void actions_use(struct core *core, const struct elbv2_action_list *l, int by);
/* Echoes TargetGroupArn and ForwardConfig both, as ELB does. */
void actions_fill(struct arena *a, struct elbv2_action_list *l);

/* ---- target groups (target_group.c) ---- */

const char *group_arn(const struct target_group *g);
/* NULL: no such attribute. */
const char *group_setting(const struct target_group *g, const char *key);
int64_t group_setting_number(const struct target_group *g, const char *key,
                             int64_t fallback);
bool group_checks(const struct target_group *g); /* health checks are on */
enum elbv2_target_status target_status(const struct target *t);
void target_changed(struct core *core, struct target *t);
/* Also of an address: that always may. */
bool target_instance_runs(struct core *core, const struct target *t);
/* As elbv2_target_register() fails; nothing is changed. */
int target_may_register(struct core *core, const struct target_group *g,
                        const struct elbv2_target *x, struct error *err);
void target_delete(struct core *core, struct target *t);

/* ---- the edge (elb_feed.c) ---- */

void balancer_changed(struct core *core, struct balancer *b);
void balancer_feed(struct core *core, struct wake *w);
void group_changed(struct core *core, struct target_group *g);
void group_feed(struct core *core, struct wake *w);
