/* How a task finds its place, for RunTask and for services alike. */
#include "launch.h"

/* ---- what may be launched ---- */

/* This server attaches no network interfaces and speaks to no Fargate capacity. */
int launch_check(struct call *c, const struct cluster *cl,
                 const struct ecs_task_definition *def, struct launch_terms *terms)
{
    int launch_type = terms->launch_type;
    const struct ecs_network_configuration *net = terms->network;
    if (launch_type && terms->strategy.n)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Specifying both a launch type and capacity provider strategy is "
            "not supported. Remove one and try again.");
    if (terms->strategy.n)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The specified capacity provider strategy cannot contain a "
                          "capacity provider that is not associated with the cluster. "
                          "Associate the capacity provider with the cluster and try "
                          "again.");
    if (terms->platform_version)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "The platform version must be null when specifying an EC2 launch type.");
    bool awsvpc = def->network_mode == ECS_NETWORK_MODE_AWSVPC;
    if (awsvpc && !net)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Network Configuration must be provided when networkMode "
                          "'awsvpc' is specified.");
    if (!awsvpc && net)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Network Configuration is not valid for the given networkMode of "
            "this task definition.");
    if (launch_type == ECS_LAUNCH_TYPE_FARGATE)
        return call_fault(c, &ecs_unsupported_feature_exception,
                          "The FARGATE launch type is not offered by this gantry.");
    if (launch_type == ECS_LAUNCH_TYPE_MANAGED_INSTANCES)
        return call_fault(c, &ecs_unsupported_feature_exception,
                          "The MANAGED_INSTANCES launch type is not offered by this "
                          "gantry.");
    if (awsvpc)
        return call_fault(c, &ecs_unsupported_feature_exception,
                          "Network mode awsvpc is not offered by this gantry: it has no "
                          "VPC. Use bridge, host or none.");
    if (!terms->launch_type)
        terms->launch_type = ECS_LAUNCH_TYPE_EC2;
    return 0;
}

void launch_terms_of(const struct ecs_service *s, struct launch_terms *ret)
{
    *ret = (struct launch_terms){
        .launch_type = (int)s->launch_type,
        .strategy = s->capacity_provider_strategy,
        .platform_version = s->platform_version,
        .network = s->network_configuration,
    };
}

void launch_terms_copy(struct arena *a, const struct launch_terms *terms,
                       struct launch_terms *ret)
{
    *ret = (struct launch_terms){
        .launch_type = terms->launch_type,
        .platform_version = arena_strdup(a, terms->platform_version),
        .network = terms->network
                       ? wire_copy(a, &ecs_network_configuration_shape, terms->network)
                       : NULL,
    };
    for (size_t i = 0; i < terms->strategy.n; i++)
        wire_copy_into(a, &ecs_capacity_provider_strategy_item_shape,
                       &terms->strategy.v[i], LIST_PUSH(a, &ret->strategy));
}

void launch_terms_keep(struct arena *a, const struct launch_terms *terms,
                       struct ecs_service *s)
{
    struct launch_terms own;
    launch_terms_copy(a, terms, &own);
    s->launch_type = (enum ecs_launch_type)own.launch_type;
    s->capacity_provider_strategy = own.strategy;
    s->platform_version = own.platform_version;
    s->network_configuration = (struct ecs_network_configuration *)(uintptr_t)own.network;
}

static uint64_t random_next(void *ctx)
{
    return core_random_below(ctx, UINT64_MAX);
}

struct place_random core_place_random(struct core *core)
{
    return (struct place_random){.next = random_next, .ctx = core};
}

int constraints_compile(struct call *c, struct core *core,
                        const struct ecs_placement_constraint_list *l,
                        const struct ecs_task_definition *def, struct place_need *need,
                        struct compiled_constraints *ret)
{
    struct error err;
    size_t total = l->n + (def ? def->placement_constraints.n : 0);
    if (total > PLACE_MAX_CONSTRAINTS)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Maximum number of placement constraints is 10.");
    for (size_t i = 0; i < total; i++) {
        bool run = i < l->n;
        int type = run ? (int)l->v[i].type : ECS_PLACEMENT_CONSTRAINT_TYPE_MEMBER_OF;
        const char *expr =
            run ? l->v[i].expression : def->placement_constraints.v[i - l->n].expression;
        if (type == ECS_PLACEMENT_CONSTRAINT_TYPE_DISTINCT_INSTANCE) {
            if (expr)
                return c ? call_fault(c, &ecs_invalid_parameter_exception,
                                      "distinctInstance expression should not be "
                                      "specified")
                         : -1;
            need->distinct_instance = true;
            continue;
        }
        struct query *q;
        if (query_compile(expr ? expr : "", &q, &err) < 0)
            return c ? call_fault(c, &ecs_invalid_parameter_exception, "%s", err.text)
                     : -1;
        ret->query[ret->n++] = q;
    }
    need->member_of = (const struct query *const *)ret->query;
    need->member_of_count = ret->n;
    return 0;
}

void constraints_free(struct compiled_constraints *cc)
{
    for (size_t i = 0; i < cc->n; i++)
        query_free(cc->query[i]);
    cc->n = 0;
}

int strategies_read(struct call *c, const struct ecs_placement_strategy_list *l,
                    struct place_strategy ret[PLACE_MAX_STRATEGIES], size_t *ret_n)
{
    struct error err;
    if (l->n > PLACE_MAX_STRATEGIES)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Maximum number of strategies is 5");
    for (size_t i = 0; i < l->n; i++) {
        const char *type =
            wire_enum_name(&ecs_placement_strategy_type_shape, (int)l->v[i].type);
        if (place_strategy_parse(type, l->v[i].field, &ret[i], &err) < 0)
            return c ? call_fault(c, &ecs_invalid_parameter_exception, "%s", err.text)
                     : -1;
    }
    *ret_n = l->n;
    return 0;
}

/* ---- launching ---- */

int launch_prepare(struct call *c, struct core *core, struct launch *l)
{
    static const struct ecs_placement_constraint_list no_constraints;
    static const struct ecs_placement_strategy_list no_strategies;
    struct arena *a = c ? &c->arena : core_scratch(core);
    const struct ecs_task_definition *def = taskdef_of(l->taskdef);
    struct ecs_taskdef_error why;
    if (ecs_taskdef_need(a, def, l->overrides, &l->need, &why) < 0)
        return c ? ecs_taskdef_fault(c, &why) : -1;
    if (constraints_compile(c, core, l->constraints ? l->constraints : &no_constraints,
                            def, &l->need, &l->compiled) < 0)
        return -1;
    return strategies_read(c, l->strategies ? l->strategies : &no_strategies, l->strategy,
                           &l->strategy_count);
}

void launch_fini(struct launch *l)
{
    constraints_free(&l->compiled);
}

struct task *launch_on(struct core *core, const struct launch *l, struct instance *i)
{
    struct task_request q = {
        .cluster = l->cluster,
        .taskdef = l->taskdef,
        .instance = i,
        .overrides = l->overrides,
        .group = l->group,
        .started_by = l->started_by,
        .service = l->service,
        .deployment_id = l->deployment_id,
        .tags = &l->tags,
        .enable_execute_command = l->enable_execute_command,
    };
    return task_create(core, &q);
}

struct task *launch_one(struct core *core, struct launch *l)
{
    struct place_random random = core_place_random(core);
    struct place_instance *chosen;
    if (place_choose(l->cluster->place, &l->need, l->group, l->strategy,
                     l->strategy_count, &random, &chosen) < 0)
        return NULL;
    return launch_on(core, l, place_instance_owner(chosen));
}
