/* security_group.h: security groups and their rules.
 *
 * A group's rules are kept one by one, each with an id, as DescribeSecurityGroupRules shows
 * them; the permissions of DescribeSecurityGroups are made of them.
 *
 * Owns: groups, in the table. Threads: state thread. Fails: as noted. */
#pragma once

#include "ec2_state.h"

#define SECURITY_GROUP_RULES_MAX      60 /* a direction */
#define SECURITY_GROUPS_PER_INTERFACE 5

struct security_group {
    struct object o;
    struct gantry_security_group_record *rec;
    struct vpc *vpc;
    struct list link;
    uint32_t users; /* interfaces that have it */
};
extern const struct table_type security_group_table;

/* With the rules that every new group has: all out; the default group also lets in what
 * comes from itself. */
struct security_group *security_group_new(struct core *core, struct vpc *v,
                                          const char *name, const char *description);
/* Everything from everywhere may come in. */
void security_group_allow_all(struct core *core, struct security_group *g);
struct security_group *security_group_find(struct core *core, const struct ec2_scope *s,
                                           const char *id);
/* Faults InvalidGroup.NotFound. */
struct security_group *security_group_require(struct call *c, const char *id);
/* By id, or by name in the default VPC, as requests have both. */
struct security_group *security_group_chosen(struct call *c, const char *id,
                                             const char *name);
struct security_group *security_group_default(const struct vpc *v);
struct security_group *security_group_named(const struct vpc *v, const char *name);
/* Is it named by a rule of another group of its VPC? */
bool security_group_referenced(const struct security_group *g);
/* Nobody uses it: that was checked. */
void security_group_delete(struct core *core, struct security_group *g);
const char *security_group_id(const struct security_group *g);
/* Letters, digits and blanks that names and descriptions may have, at most 255. */
bool ec2_plain_text(const char *text);

/* ---- rules: one by one, found by their ids ("sgr-…") ---- */

/* NULL: no such rule of the scope. Both belong to the group's record: none survives a save. */
struct security_group *security_rule_group(struct core *core, const struct ec2_scope *s,
                                           const char *rule_id);
struct ec2_security_group_rule *security_rule_find(const struct security_group *g,
                                                   const char *rule_id);
/* A copy with an id of its own. The caller saves. */
struct ec2_security_group_rule *
security_rule_add(struct core *core, struct security_group *g,
                  const struct ec2_security_group_rule *rule);
void security_rule_remove(struct core *core, struct security_group *g,
                          const char *rule_id);
void security_rules_free(struct ec2 *ec2);

/* For the edge's picture of the VPC. */
void security_group_edge(const struct security_group *g, struct arena *a,
                         struct gantry_edge_security_group *ret);
