/* secret_change.h: services that ask, by a tag, for new tasks when a secret of theirs has
 * another value: `gantry:on-secret-change` = `restart`. A container gets its secrets once,
 * when it starts, so a new deployment with the same task definition is what brings them in.
 *
 * A reference that pins a version, or a stage other than AWSCURRENT, does not change with
 * the value. Several changes at once are one deployment. Services whose deployment
 * controller is EXTERNAL deploy by task sets and are left alone.
 *
 * Owns: nothing; that a service waits for its deployment is in its record. Threads: state
 * thread. Fails: never. */
#pragma once

#include "ecs_state.h"

#define SECRET_CHANGE_TAG     "gantry:on-secret-change"
#define SECRET_CHANGE_RESTART "restart"

/* Listens from now on. */
void secret_change_attach(struct core *core);
/* The controller's first step: begins the deployment that a change asked for. */
void secret_change_deploy(struct core *core, struct service *s);
