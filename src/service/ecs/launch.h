/* launch.h: from "one more task of this" to a task on an instance, or to nothing.
 *
 * The one way in which tasks come into being. RunTask and the controllers of services fill
 * the first part of a `struct launch`, launch_prepare() works out the rest once, and
 * launch_one() finds a place for one task a call.
 *
 * Owns: compiled constraints until launch_fini(); all else is the caller's and only has to
 * live as long as the launch. Threads: state thread. Fails: launch_prepare() with the
 * call's fault, or just -1 without a call (a controller: it was checked before). */
#pragma once

#include "ecs_state.h"
#include "provider_share.h"

#define LAUNCH_MAX_PROVIDERS 20

struct compiled_constraints {
    struct query *query[PLACE_MAX_CONSTRAINTS];
    size_t n;
};

/* Where tasks are to run: what a request says, resolved by launch_check(), and what a
 * service, a task set or a deployment keeps of it. Either a launch type or a strategy. */
struct launch_terms {
    int launch_type; /* enum ecs_launch_type */
    struct ecs_capacity_provider_strategy_item_list strategy;
    const char *platform_version; /* Fargate's */
    const struct ecs_network_configuration *network;
};

struct launch {
    struct cluster *cluster;
    struct taskdef *taskdef;
    const struct ecs_task_override *overrides; /* NULL: none */
    const char *group, *started_by;
    struct service *service;   /* NULL: standalone */
    const char *deployment_id; /* of the service, or its task set's */
    struct ecs_tag_list tags;
    bool enable_execute_command;
    struct launch_terms terms;
    const struct ecs_placement_constraint_list *constraints; /* NULL: none */
    const struct ecs_placement_strategy_list *strategies;    /* NULL: the default ones */

    /* filled by launch_prepare() */
    struct place_need need;
    struct compiled_constraints compiled;
    struct place_strategy strategy[PLACE_MAX_STRATEGIES];
    size_t strategy_count;
    struct cluster *home; /* whose instances may take it; NULL: Fargate without a pool */
    bool fargate;
    struct provider_share share[LAUNCH_MAX_PROVIDERS];
    size_t share_count;
    bool full; /* launch_one() gave up as too many tasks wait already */
};

int launch_prepare(struct call *c, struct core *core, struct launch *l);
void launch_fini(struct launch *l);
/* By launch type: NULL when no instance takes it. By capacity provider, and on Fargate: the
 * task waits in PROVISIONING; NULL (and `full`) when too many do. */
struct task *launch_one(struct core *core, struct launch *l);
/* The launch that a task which waits is: prepared as launch_prepare() does. */
int launch_of_task(struct core *core, const struct task *t, struct launch *ret);
/* The instance for one more; NULL: none. */
struct instance *launch_find(struct core *core, struct launch *l);
/* May a task of it be on the instance, room aside? */
enum place_reason launch_eligible(const struct launch *l, const struct instance *i);
/* On an instance that was chosen and checked already. */
struct task *launch_on(struct core *core, const struct launch *l, struct instance *i);

/* Do launch type, capacity providers, platform version and network fit together and the
 * task definition, and are they offered? Fills in what the request left out: the cluster's
 * default strategy, else EC2. */
int launch_check(struct call *c, const struct cluster *cl,
                 const struct ecs_task_definition *def, struct launch_terms *terms);
void launch_terms_of(const struct ecs_service *s, struct launch_terms *ret);
void launch_terms_copy(struct arena *a, const struct launch_terms *terms,
                       struct launch_terms *ret);
void launch_terms_keep(struct arena *a, const struct launch_terms *terms,
                       struct ecs_service *s);

/* Run-time constraints and those of the task definition. With c NULL (a controller, which
 * has checked them before) a bad one is just -1. */
int constraints_compile(struct call *c, struct core *core,
                        const struct ecs_placement_constraint_list *l,
                        const struct ecs_task_definition *def, struct place_need *need,
                        struct compiled_constraints *ret);
void constraints_free(struct compiled_constraints *cc);
int strategies_read(struct call *c, const struct ecs_placement_strategy_list *l,
                    struct place_strategy ret[PLACE_MAX_STRATEGIES], size_t *ret_n);
struct place_random core_place_random(struct core *core);
