/* staged_private.h: what the staged_*.c files share, see staged.h. */
#pragma once

#include "rollout_stage.h"
#include "staged.h"

/* The configuration that the deployment began with. `hooks` holds ROLLOUT_HOOKS_MAX. */
void staged_config_read(const struct ecs_deployment_configuration *d,
                        struct rollout_hook_config *hooks, struct rollout_config *ret);
const struct ecs_deployment_configuration *staged_config_of(struct core *core,
                                                            const struct service *s);

void staged_hook_read(const struct gantry_rollout_hook_record *rec,
                      struct rollout_hook *ret);
void staged_hook_write(struct gantry_rollout_hook_record *rec,
                       const struct rollout_hook *h);
void staged_read(const struct gantry_rollout_record *rec, struct rollout *ret);
/* Hooks keep their ids as long as they are the same ones. */
void staged_write(struct core *core, struct service *s, const struct rollout *r);
/* The hooks of r are new: they get ids; tasks of the old ones are stopped. */
void staged_new_hooks(struct core *core, struct service *s, const struct rollout *r);
/* Their tasks are stopped. */
void staged_end_hooks(struct core *core, struct service *s);
/* Calls one; true when its answer is there at once (it was written to h). */
bool staged_call_hook(struct core *core, struct service *s, size_t index,
                      struct rollout_hook *h);
/* Stage, hooks and weights for who describes the service deployment. */
void staged_show(struct core *core, struct service *s);
/* Index in the service's deployments; -1: none. */
ptrdiff_t staged_green(const struct service *s);
ptrdiff_t staged_source(const struct service *s);
