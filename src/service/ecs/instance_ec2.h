/* instance_ec2.h: container instances by their EC2 instances, and what becomes of them when
 * those end: one that stops has no agent any more and no tasks; of one that was terminated
 * nothing is left, so it is deregistered.
 *
 * Owns: the index. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

/* Listens to EC2. */
void instance_ec2_attach(struct core *core);
/* After its ec2InstanceId was set; one that registers again as another takes its place. */
void instance_ec2_index(struct core *core, struct instance *i);
void instance_ec2_unindex(struct core *core, struct instance *i);
