/* provisioning.h: tasks that wait in PROVISIONING until an instance has room for them.
 *
 * A task of a capacity provider, or of Fargate, is never refused for want of room: it waits
 * in the list of the cluster whose instances it wants (for Fargate, the pool), is placed as
 * soon as there is room, the oldest first, and gives up after a time. What it needs is in
 * its record, so a restart forgets nothing.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

void provisioning_init(struct cluster *cl);
/* The task is PROVISIONING and waits for an instance of `home`. */
void provisioning_add(struct core *core, struct cluster *home, struct task *t);
/* The cluster whose instances it wants. */
struct cluster *provisioning_home(struct core *core, const struct task *t);
/* Something may fit now. */
void provisioning_look(struct core *core, struct cluster *home);

/* What waits for instances of one provider, grouped by need: what managed scaling has to
 * make room for (M of spec §7 is made of this and the instances in use). */
struct provisioning_group {
    struct place_resources each; /* points into the scratch arena */
    uint32_t count;
    bool distinct_instance;
};
size_t provisioning_groups(struct core *core, const struct cluster *cl,
                           const char *provider, struct provisioning_group *ret,
                           size_t max);
