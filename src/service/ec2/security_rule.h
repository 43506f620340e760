/* security_rule.h: rules of security groups between the forms in which they are said: a
 * permission (one protocol and port range, many sources) and a rule (one source).
 *
 * In a rule that was read here the protocol is "tcp", "udp", "icmp", "icmpv6", "-1" (all) or
 * another number; ports are from and to (for ICMP type and code), -1 where they mean all;
 * CIDRs have no bits behind their prefix; a group is referred to by its id.
 *
 * Owns: nothing; what comes back lies in the call's arena. Threads: state thread.
 * Fails: with the call's fault and -1. */
#pragma once

#include "security_group.h"

/* One rule a source. Of the group's side of a rule only is_egress is set. */
int rules_of_permissions(struct call *c, const struct security_group *g, bool egress,
                         const struct ec2_ip_permission_list *permissions,
                         struct ec2_security_group_rule_list *ret);
/* What a rule becomes by ModifySecurityGroupRules; the kind of its source stays. */
int rule_modified(struct call *c, const struct security_group *g,
                  const struct ec2_security_group_rule *now,
                  const struct ec2_security_group_rule_request *in,
                  struct ec2_security_group_rule *ret);
int rule_description_check(struct call *c, const char *text);
/* Do they let the same through in the same direction? */
bool rule_same(const struct ec2_security_group_rule *a,
               const struct ec2_security_group_rule *b);
/* As in error messages: "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW". */
const char *rule_text(struct arena *a, const struct ec2_security_group_rule *r);
/* A group's rules of one direction as permissions. */
void permissions_of_rules(struct arena *a,
                          const struct ec2_security_group_rule_list *rules, bool egress,
                          struct ec2_ip_permission_list *ret);
