/* cluster_images.h: which images the services of a cluster need, told to its instances.
 *
 * An agent removes images that nothing uses; what the task definitions of services that are
 * not deleted name must stay, though no task may run there now. And a new deployment's image
 * should be on every instance that may get its tasks before they come. So each connected
 * instance gets the whole list (IMAGES), anew when it changed; `prefetch` says which of it
 * the instance may be asked to run: it is ACTIVE and meets the attributes and constraints.
 *
 * Level-triggered: a change only wakes the cluster's controller, a quarter of a second later,
 * so a burst of deployments is one list. The list has a number; instances that were told an
 * older one are told again, at most CLUSTER_IMAGES_CHECKS checks a wake-up. Nothing is
 * stored: a restarted server, as an instance that connects, starts with the list.
 *
 * Owns: nothing; cluster.images and instance.images_told. Threads: state thread.
 * Fails: never. */
#pragma once

#include "ecs_state.h"

#define CLUSTER_IMAGES_DELAY_MS 250
#define CLUSTER_IMAGES_CHECKS   20000

void cluster_images_init(struct cluster *cl);
/* A service, or an instance, of the cluster changed (or not). */
void cluster_images_look(struct core *core, struct cluster *cl);
/* The instance does not know the list, or may not be what it was. */
void cluster_images_tell(struct core *core, struct instance *i);
