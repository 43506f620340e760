/* launch_template.h: launch templates: named, versioned RunInstances data.
 *
 * Versions are numbered from 1 and never change; a number is not used twice. One of them is
 * the default. All lie in the template's record (at most VERSIONS_MAX).
 *
 * Owns: templates, in the table. Threads: state thread. Fails: with the call's fault. */
#pragma once

#include "instance_launch.h"

struct launch_template {
    struct object o;
    struct gantry_ec2_launch_template_record *rec;
    UT_hash_handle hh; /* ec2->templates_by_name */
    char *name_key;
};
extern const struct table_type launch_template_table;

#define LAUNCH_TEMPLATE_VERSIONS_MAX 500

/* By id or by name; faults when neither or both are said, or there is none. */
struct launch_template *launch_template_require(struct call *c, const char *id,
                                                const char *name);
/* "$Latest", "$Default", a number; NULL: the default. Faults what is not there. */
const struct gantry_ec2_launch_template_version *
launch_template_version(struct call *c, const struct launch_template *t,
                        const char *version);
/* Data of one form as data of another: members go by their names. */
void *launch_data_as(struct arena *a, const struct wire_shape *from, const void *data,
                     const struct wire_shape *to);
