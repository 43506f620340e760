/* ecs_events.h: what ECS tells the bus (event.h), where a change is saved.
 *
 *   ECS Task State Change                 every new version of a task
 *   ECS Container Instance State Change   every new version of an instance; tasks that come
 *                                         and go make one a second, not one each
 *   ECS Service Action                    service events that have a name
 *   ECS Deployment State Change           a deployment begins, completes, fails
 *
 * Instances of Fargate's pool are nobody's business. Owns: nothing. Threads: state thread.
 * Fails: never. */
#pragma once

#include "deployment.h"
#include "ecs_state.h"

void event_of_task(struct core *core, struct task *t);
void event_of_instance(struct core *core, struct instance *i);
void event_of_service(struct core *core, const struct service *s,
                      enum service_event event, const char *text);
void event_of_deployment(struct core *core, const struct service *s,
                         const struct ecs_deployment *d);

/* instance.news: its resources changed a moment ago. */
void instance_news(struct core *core, struct wake *w);

/* Adds to the service's events and tells the bus (service_controller.c). */
void service_told(struct core *core, struct service *s, enum service_event event,
                  const char *text);
