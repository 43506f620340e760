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
struct security_group *security_group_default(const struct vpc *v);
const char *security_group_id(const struct security_group *g);
/* For the edge's picture of the VPC. */
void security_group_edge(const struct security_group *g, struct arena *a,
                         struct gantry_edge_security_group *ret);
