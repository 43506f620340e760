/* target_group_ops.h: what operations of ELB share. Owns: nothing. Threads: state thread.
 * Fails: with the call's fault and -1. */
#pragma once

#include "elbv2_state.h"

/* 1-32 letters, digits and inner hyphens; `what` for people. */
int elb_name_check(struct call *c, const char *what, const char *name);
void group_attributes_init(struct target_group *g);
bool ssl_policy_known(const char *name);
void listener_attributes_init(struct listener *l);
/* Which of these certificates the balancer uses now, for acm to know. */
void listener_certificates_look(struct core *core, const struct balancer *b,
                                const struct gantry_listener_record *rec);
/* Its rules stop forwarding; gone for the edge with its balancer. */
void listener_delete(struct core *core, struct listener *l);
/* What a forward, redirect or fixed-response may be; fills what was left out. */
int actions_check(struct call *c, const struct balancer *b,
                  enum elbv2_protocol_enum listener, struct elbv2_action_list *actions);
int conditions_check(struct call *c, const struct elbv2_rule_condition_list *conditions);
