/* How a task finds its place, for RunTask and for services alike. */
#include "launch.h"

#include "capacity_provider.h"
#include "daemon.h"
#include "fargate.h"
#include "task_network.h"

/* ---- what may be launched ---- */

static int instance_check(struct call *c, const struct ecs_task_definition *def,
                          const struct launch_terms *terms)
{
    bool awsvpc = def->network_mode == ECS_NETWORK_MODE_AWSVPC;
    if (terms->platform_version)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "The platform version must be null when specifying an EC2 launch type.");
    if (!awsvpc && terms->network)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Network Configuration is not valid for the given networkMode of "
            "this task definition.");
    if (awsvpc && terms->launch_type == ECS_LAUNCH_TYPE_EXTERNAL)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The awsvpc network mode is not supported with the EXTERNAL "
                          "launch type.");
    return awsvpc ? task_network_check(c, terms->network, false) : 0;
}

int launch_check(struct call *c, const struct cluster *cl,
                 const struct ecs_task_definition *def, struct launch_terms *terms)
{
    if (terms->launch_type && terms->strategy.n)
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "Specifying both a launch type and capacity provider strategy is "
            "not supported. Remove one and try again.");
    if (terms->launch_type == ECS_LAUNCH_TYPE_MANAGED_INSTANCES)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The launch type MANAGED_INSTANCES can only be had by a "
                          "capacity provider strategy.");
    if (!terms->launch_type && terms->strategy.n == 0)
        terms->strategy = cl->rec->cluster->default_capacity_provider_strategy;
    if (terms->strategy.n && provider_strategy_check(c, cl, &terms->strategy) < 0)
        return -1;
    if (!terms->launch_type && terms->strategy.n == 0)
        terms->launch_type = ECS_LAUNCH_TYPE_EC2;
    const char *first = terms->strategy.n ? terms->strategy.v[0].capacity_provider : NULL;
    bool fargate = first ? provider_is_fargate(provider_kind(c->core, cl, first))
                         : terms->launch_type == ECS_LAUNCH_TYPE_FARGATE;
    if (!fargate)
        return instance_check(c, def, terms);
    if (str_empty(terms->platform_version))
        terms->platform_version = "LATEST";
    return fargate_check(c, def, terms);
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
    s->platform_family = own.platform_version ? "Linux" : NULL;
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

/* A service's tasks keep the strategy's proportions over its deployment. */
static void count_placed(const struct launch *l, struct provider_share *share)
{
    if (!l->service)
        return;
    list_for_each (it, &l->service->tasks) {
        const struct task *t = list_entry(it, struct task, service_link);
        if (!t->stopping && streq(t->rec->deployment_id, l->deployment_id) &&
            streq(t->rec->task->capacity_provider_name, share->name))
            share->placed++;
    }
}

static void prepare_shares(struct core *core, struct launch *l)
{
    const struct ecs_capacity_provider_strategy_item_list *s = &l->terms.strategy;
    for (size_t i = 0; i < s->n && i < LAUNCH_MAX_PROVIDERS; i++) {
        struct provider_share *share = &l->share[l->share_count++];
        *share = (struct provider_share){
            .name = s->v[i].capacity_provider,
            .weight = s->v[i].weight.v,
            .base = s->v[i].base.v,
            .kind = (int)provider_kind(core, l->cluster, s->v[i].capacity_provider),
        };
        count_placed(l, share);
    }
    l->fargate = l->share_count
                     ? provider_is_fargate((enum provider_kind)l->share[0].kind)
                     : l->terms.launch_type == ECS_LAUNCH_TYPE_FARGATE;
}

/* EXTERNAL instances say so with an attribute. */
static void need_external(struct arena *a, struct place_need *need)
{
    size_t n = need->attribute_count;
    struct place_attribute *v = arena_new_array(a, struct place_attribute, n + 1);
    for (size_t i = 0; i < n; i++)
        v[i] = need->attributes[i];
    v[n] = (struct place_attribute){"ecs.capability.external", NULL};
    need->attributes = v;
    need->attribute_count = n + 1;
}

static int prepare_need(struct call *c, struct core *core, struct launch *l)
{
    static const struct ecs_placement_constraint_list no_constraints;
    struct arena *a = c ? &c->arena : core_scratch(core);
    const struct ecs_task_definition *def = taskdef_of(l->taskdef);
    struct ecs_taskdef_error why;
    if (ecs_taskdef_need(a, def, l->overrides, &l->need, &why) < 0)
        return c ? ecs_taskdef_fault(c, &why) : -1;
    if (l->fargate && c && fargate_override_check(c, def, l->overrides) < 0)
        return -1;
    if (l->fargate && l->constraints && l->constraints->n)
        return c ? call_fault(c, &ecs_invalid_parameter_exception,
                              "Placement constraints are not supported with the Fargate "
                              "launch type.")
                 : -1;
    if (l->fargate)
        fargate_need(a, def, &l->need);
    else if (l->terms.network)
        task_network_need(core, l->cluster, a, l->terms.network, &l->need);
    if (l->terms.launch_type == ECS_LAUNCH_TYPE_EXTERNAL)
        need_external(a, &l->need);
    return constraints_compile(c, core, l->constraints ? l->constraints : &no_constraints,
                               def, &l->need, &l->compiled);
}

int launch_prepare(struct call *c, struct core *core, struct launch *l)
{
    static const struct ecs_placement_strategy_list no_strategies;
    prepare_shares(core, l);
    l->home = l->fargate ? fargate_pool(core, l->cluster->account, l->cluster->region)
                         : l->cluster;
    if (l->fargate && l->strategies && l->strategies->n)
        return c ? call_fault(c, &ecs_invalid_parameter_exception,
                              "Placement strategies are not supported with the Fargate "
                              "launch type.")
                 : -1;
    if (prepare_need(c, core, l) < 0)
        return -1;
    return strategies_read(c, l->strategies ? l->strategies : &no_strategies, l->strategy,
                           &l->strategy_count);
}

void launch_fini(struct launch *l)
{
    constraints_free(&l->compiled);
}

int launch_of_task(struct core *core, const struct task *t, struct launch *ret)
{
    const struct ecs_task *rec = t->rec->task;
    *ret = (struct launch){
        .cluster = t->cluster,
        .taskdef = t->taskdef,
        .overrides = rec->overrides,
        .group = rec->group,
        .terms = {.launch_type = (int)rec->launch_type, .network = t->rec->network},
        .constraints = &t->rec->placement_constraints,
        .strategies = &t->rec->placement_strategy,
    };
    if (launch_prepare(NULL, core, ret) < 0)
        return -1;
    if (rec->capacity_provider_name && !ret->fargate)
        ret->need.pool = rec->capacity_provider_name;
    return 0;
}

struct instance *launch_find(struct core *core, struct launch *l)
{
    struct place_random random = core_place_random(core);
    struct place_instance *chosen;
    if (!l->home || place_choose(l->home->place, &l->need,
                                 place_group(core, l->home, l->cluster, l->group),
                                 l->strategy, l->strategy_count, &random, &chosen) < 0)
        return NULL;
    return place_instance_owner(chosen);
}

static struct task *create(struct core *core, const struct launch *l,
                           const struct provider_share *share, struct instance *i)
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
        .launch_type = share ? provider_launch_type((enum provider_kind)share->kind)
                             : (enum ecs_launch_type)l->terms.launch_type,
        .capacity_provider = share ? share->name : NULL,
        .platform_version = fargate_platform_version(l->terms.platform_version),
        .disk_gib = fargate_disk_gib(taskdef_of(l->taskdef), l->overrides),
        .constraints = l->constraints,
        .strategies = l->strategies,
        .network = l->terms.network,
    };
    return task_create(core, &q);
}

struct task *launch_on(struct core *core, const struct launch *l, struct instance *i)
{
    return create(core, l, NULL, i);
}

struct task *launch_one(struct core *core, struct launch *l)
{
    struct provider_share *share = NULL;
    if (l->share_count) {
        share = provider_share_next(l->share, l->share_count);
        if (!share)
            return NULL;
        if (!l->fargate)
            l->need.pool = share->name;
    }
    struct instance *i = launch_find(core, l);
    if (!i && !share && !l->fargate)
        return NULL;
    if (!i && l->cluster->provisioning_count >= PROVIDER_MAX_WAITING) {
        l->full = true;
        return NULL;
    }
    struct task *t = create(core, l, share, i);
    if (share)
        share->placed++;
    return t;
}

enum place_reason launch_eligible(const struct launch *l, const struct instance *i)
{
    if (!daemon_wants(l->service, i))
        return PLACE_MEMBER_OF;
    struct place_need need = l->need;
    need.resources = (struct place_resources){0};
    need.distinct_instance = false;
    return place_check(l->cluster->place, i->place, &need, l->group);
}
