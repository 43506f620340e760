/* task_order.h: in which order the containers of a task start and stop. Pure.
 *
 * dependsOn is for the start only (API reference, ContainerDependency): START: the
 * dependency is up, or has been; COMPLETE: it ended, with any code; SUCCESS: it ended with
 * 0; HEALTHY: its check passes. Others than START are waited for as long as the
 * dependency's startTimeout says, counted from its start. volumesFrom and links imply
 * START. Stopping goes the other way: a container stops after all that depend on it.
 *
 * Owns: the graph lies in the arena. Threads: any.
 * Fails: E_INVALID unknown name, a cycle. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "ecs_api.h"
#include "error.h"

struct order_edge {
    uint16_t who, on; /* indices of container definitions */
    enum ecs_container_condition condition;
};

struct task_order {
    size_t count; /* containers */
    const struct order_edge *edges;
    size_t edge_count;
};

int task_order_build(struct arena *a, const struct ecs_task_definition *def,
                     struct task_order *ret, struct error *err);

/* What the order has to know of a container. */
struct order_view {
    bool up;   /* runs, or ran */
    bool done; /* ended, or will never run */
    bool failed_to_start;
    bool has_exit_code;
    int exit_code;
    bool healthy;
    bool late; /* its startTimeout is over */
};

enum order_answer {
    ORDER_GO,
    ORDER_WAIT,
    ORDER_LATE,  /* the dependency's startTimeout is over: the task ends */
    ORDER_NEVER, /* a condition can't come true any more: the task ends */
};

/* May container `i` start? On ORDER_NEVER and ORDER_LATE *ret_on is the dependency that
 * forbids it. */
enum order_answer task_order_may_start(const struct task_order *o, size_t i,
                                       const struct order_view *views, size_t *ret_on);
/* Have all that depend on `i` ended? */
bool task_order_may_stop(const struct task_order *o, size_t i,
                         const struct order_view *views);
