/* words.h: tasks for tests, written as the server would send them. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "gantry_api.h"

static inline struct gantry_host_task *words_of(struct arena *a, const char *json)
{
    struct wire_error bad;
    void *v = NULL;
    if (wire_json_decode(a, &gantry_host_task_shape, json, strlen(json), true, &v, &bad) < 0)
        printf("%s: %s\n", bad.text, json);
    return v;
}

/* A task of these container definitions (JSON objects, comma-separated). */
static inline struct gantry_host_task *task_of(struct arena *a, const char *containers,
                                               const char *more_definition,
                                               const char *more)
{
    return words_of(
        a, arena_printf(a,
                        "{\"taskArn\":\"arn:aws:ecs:r:1:task/c/0123abcd\",\"taskId\":"
                        "\"0123abcd\",\"region\":\"eu-west-9\",\"clusterName\":\"c\","
                        "\"launchType\":\"EC2\",\"taskDefinition\":{\"family\":\"web\","
                        "\"revision\":7,\"containerDefinitions\":[%s]%s}%s}",
                        containers, more_definition, more));
}
