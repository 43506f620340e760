/* service_control.h: what the controllers of a service's deployments share.
 *
 * service_controller.c drives the deployments of ECS itself, task_set_controller.c the task
 * sets of an EXTERNAL service. Both show deployment_plan() a picture, start what it says,
 * and keep what it must remember.
 *
 * Owns: nothing; pictures lie in the core's scratch. Threads: state thread. Fails: never. */
#pragma once

#include "deployment.h"
#include "ecs_state.h"
#include "launch.h"

struct service_picture {
    struct deployment_service service;
    struct deployment *deployments;
    struct deployment_task *tasks;
};
/* Fills tasks and their ranks; service.deployments are there already, and a task belongs to
 * the one whose id is its record's deploymentId. */
void service_picture_tasks(struct core *core, struct service *s,
                           struct service_picture *p);

/* What new tasks are made of. */
struct service_start {
    const char *task_definition; /* ARN */
    const char *deployment_id;   /* or a task set's */
    const char *zone;            /* only there; NULL: anywhere */
    struct launch_terms terms;
};
/* A launch for tasks of this definition with the service's settings; launch_fini() it. */
int service_launch_prepare(struct core *core, struct service *s, const char *taskdef_arn,
                           struct launch *ret);
/* Starts as many of `count` as find room, and tells about both in the service's events. */
void service_start_tasks(struct core *core, struct service *s,
                         const struct service_start *what, uint32_t count,
                         struct deployment_memory *memory);

void service_memory_read(const struct gantry_deployment_memory *m,
                         struct deployment_memory *ret);
/* Saves the service when it differs from what was. */
void service_memory_write(struct core *core, struct service *s,
                          struct gantry_deployment_memory **slot,
                          const struct deployment_memory *was,
                          const struct deployment_memory *m);
