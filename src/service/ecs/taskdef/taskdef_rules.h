/* taskdef_rules.h: what a task definition must be, and what becomes of it.
 *
 * RegisterTaskDefinition in parts: check (every rule of ECS, with its own words),
 * normalise (as DescribeTaskDefinition shows it), and what follows from it: compatible
 * launch types, attributes that an instance must have, and what a task takes of it.
 * The codec has checked types, enums and required members before.
 *
 * Owns: results lie in the caller's arena and may point into the definition.
 * Threads: any. Fails: ecs_taskdef_check() with -E_INVALID and *ret_error filled. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "place.h"

struct ecs_register_task_definition_request;
struct ecs_task_definition;
struct ecs_task_override;

enum ecs_taskdef_fault {
    TASKDEF_CLIENT,            /* ClientException */
    TASKDEF_INVALID_PARAMETER, /* InvalidParameterException */
};

#define TASKDEF_MAX_CONTAINERS 10
#define TASKDEF_MAX_BYTES      (64 * 1024) /* as JSON, as it was sent */

struct ecs_taskdef_error {
    enum ecs_taskdef_fault fault;
    char text[1024];
};

int ecs_taskdef_check(const struct ecs_register_task_definition_request *def,
                      struct ecs_taskdef_error *ret_error);

/* Changes the definition to what is stored. Only for one that passed the check. */
void ecs_taskdef_normalise(struct arena *a,
                           struct ecs_register_task_definition_request *def);

/* The stored task definition of a checked and normalised request: everything that follows
 * from it (compatibilities, requiresAttributes) is filled; ARN, revision, status, times
 * and registeredBy are the caller's. */
void ecs_taskdef_derive(struct arena *a,
                        const struct ecs_register_task_definition_request *def,
                        struct ecs_task_definition *ret);

/* What a task of it takes, with RunTask's overrides (NULL: none). Resources, required
 * attributes; constraints, zones are the caller's. Fails with InvalidParameterException
 * for an override that names an unknown container or has no valid number. */
int ecs_taskdef_need(struct arena *a, const struct ecs_task_definition *def,
                     const struct ecs_task_override *overrides, struct place_need *ret,
                     struct ecs_taskdef_error *ret_error);

/* "256", "1 vCPU", ".25vcpu": CPU units; false when it is neither. */
bool ecs_parse_cpu(const char *text, int64_t *ret_units);
/* Is it a row of Fargate's table (units, MiB)? */
bool ecs_fargate_size(int64_t cpu, int64_t memory, bool windows);
/* "512", "0.5 GB", "1gb": MiB. */
bool ecs_parse_memory(const char *text, int64_t *ret_mib);
