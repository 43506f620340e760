/* taskdef_private.h: the rules of a task definition by concept. Private to taskdef_*.c.
 *
 * Each check returns 0, or -E_INVALID with *err filled. */
#pragma once

#include "ecs_api.h"
#include "error.h"
#include "taskdef_rules.h"

typedef struct ecs_register_task_definition_request taskdef_request;

int taskdef_bad(struct ecs_taskdef_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

int taskdef_check_containers(const taskdef_request *def, struct ecs_taskdef_error *err);
int taskdef_check_runtime(const taskdef_request *def, struct ecs_taskdef_error *err);
int taskdef_check_ports(const taskdef_request *def, struct ecs_taskdef_error *err);
int taskdef_check_volumes(const taskdef_request *def, struct ecs_taskdef_error *err);
int taskdef_check_logging(const taskdef_request *def, struct ecs_taskdef_error *err);
/* Everything that only Fargate asks for, whether the definition names Fargate or not. */
int taskdef_check_fargate(const taskdef_request *def, struct ecs_taskdef_error *err);

bool taskdef_requires(const taskdef_request *def, enum ecs_compatibility c);
const struct ecs_container_definition *taskdef_container(const taskdef_request *def,
                                                         const char *name);
static inline bool taskdef_is_essential(const struct ecs_container_definition *c)
{
    return !c->essential.set || c->essential.v;
}
/* 1 to `max` characters of letters, digits, '_' and '-'. */
bool taskdef_name_valid(const char *name, size_t max);
/* "8000-8010"; false when it is no range. */
bool taskdef_port_range(const char *text, int32_t *ret_low, int32_t *ret_high);

/* taskdef_attributes.c */
void taskdef_attributes(struct arena *a, const taskdef_request *def,
                        struct ecs_attribute_list *ret);

#define FOR_EACH(it, list)                                                               \
    for (__typeof__((list)->v + 0) it = (list)->v; it < (list)->v + (list)->n; it++)
