/* ec2_instance.h: EC2 instances: those that RunInstances made, and the machine itself.
 *
 * Owns: instances, in the table. Threads: state thread. Fails: as ec2.h says. */
#pragma once

#include "ec2_state.h"

struct ec2_instance_object {
    struct object o;
    struct gantry_ec2_instance_record *rec;
};
extern const struct table_type ec2_instance_table;

struct ec2_instance_object *
ec2_instance_lookup(struct core *core, const struct ec2_scope *s, const char *id);
/* Its own interface; NULL: it has none. */
const char *ec2_instance_interface(struct core *core, const struct ec2_scope *s,
                                   const char *id);
void ec2_instance_edge_desired(struct core *core, struct arena *a,
                               struct gantry_edge_instance_list *ret);
