/* instance.h: what changes of container instances mean to the rest of ECS.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

/* Version, stored, indexed anew. */
void instance_changed(struct core *core, struct instance *i);
/* It is no member any more: its tasks are lost, its host hears it, the object goes. */
void instance_remove(struct core *core, struct instance *i, enum ecs_task_stop_code code,
                     const char *reason);
/* Instances of the cluster may take more than before: services that could not place, and
 * tasks that wait, try again. */
void instance_room_in(struct core *core, struct cluster *cl);
/* The provider that it came from; NULL: none. For what launches instances. */
void instance_set_provider(struct core *core, struct instance *i, const char *name);
/* Reserved: said by agents and ECS, never by PutAttributes. */
bool attribute_reserved(const char *name);

/* As a reply shows it. */
void instance_view(struct arena *a, const struct instance *i, bool tags,
                   struct ecs_container_instance *ret);
