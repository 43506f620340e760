/* firelens_config.h: what the log router of a task is told, made from its definition. Pure.
 *
 * Inputs: the socket /var/run/fluent.sock, on which this agent hands over what the
 * containers with log driver awsfirelens write, and the forward protocol on port 24224 for
 * programs that speak it. Then ECS's metadata as a filter, the definition's own file, and
 * an output for each container whose options name one. Secret options reach the router as
 * environment variables NAME_<index of the container>.
 *
 * Owns: results lie in the arena or the str. Threads: any.
 * Fails: E_INVALID options that would break out of their line. */
#pragma once

#include "ecs_api.h"
#include "gantry_api.h"
#include "secret_ref.h"
#include "str.h"

#define FIRELENS_PORT   "24224"
#define FIRELENS_SOCKET "fluent.sock"

/* The router among a task's containers; NULL: none. */
const struct ecs_container_definition *
firelens_router(const struct ecs_task_definition *def);
/* Does the container's output go to the router? */
bool firelens_sends(const struct ecs_container_definition *c);
/* "<container>-firelens-<task id>" */
const char *firelens_tag(struct arena *a, const char *container, const char *task_id);

/* Where the router's image expects it. */
const char *firelens_config_path(const struct ecs_container_definition *router);
/* config-file-type s3: the ARN, and where it is mounted; NULL: none. */
const char *firelens_external_arn(const struct ecs_container_definition *router);
const char *firelens_external_path(const struct ecs_container_definition *router);

int firelens_config_write(struct arena *a, const struct gantry_host_task *task,
                          struct str *ret, struct error *err);
/* Name of the variable that holds a secret option. */
const char *firelens_secret_name(struct arena *a, const char *option, size_t index);
