/* instance_launch.h: what a launch asks for, after launch template and request were put together.
 *
 * Owns: nothing; texts lie in the call's arena. Threads: state thread.
 * Fails: with the call's fault and -1. */
#pragma once

#include "instance_profile.h"
#include "security_group.h"

struct launch {
    const struct ec2_run_instances_request *want; /* template and request */
    const struct instance_type *type;
    struct subnet *subnet;
    struct string_list groups;
    const char *private_ip, *description; /* NULL: a free one; none */
    bool public_ip;
    struct instance_profile profile;
    int32_t disk_gib;
    enum ec2_volume_type disk_type;
};

/* launch_check.c: everything that can be wrong with it. */
int launch_possible(struct call *c, const struct ec2_run_instances_request *want,
                    struct launch *ret);
/* launch_template.c: what the template has, under what the request says. */
int launch_template_under(struct call *c, const struct ec2_run_instances_request *in,
                          struct ec2_run_instances_request **ret);
/* What gantry can't do, of a request or a template's data in the same form. */
int launch_refuse(struct call *c, const struct ec2_run_instances_request *want);
