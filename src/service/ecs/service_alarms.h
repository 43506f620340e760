/* service_alarms.h: deployment alarms, as a deployment sees them (ecs.h, ecs_alarm_ops).
 *
 * Alarms are asked again and again while a deployment is IN_PROGRESS. One that was in ALARM
 * when the deployment began says nothing about it: then none is watched.
 *
 * Owns: nothing. Threads: state thread. Fails: never. */
#pragma once

#include "ecs_state.h"

/* Is one of the service's alarms in ALARM now? */
bool service_any_alarm(struct core *core, const struct service *s);
/* Does its newest deployment watch alarms now? */
bool service_watches_alarms(const struct service *s);
bool service_alarmed(struct core *core, const struct service *s);
/* How long a steady deployment waits for its alarms. */
int64_t service_bake_ms(struct core *core, const struct service *s);
