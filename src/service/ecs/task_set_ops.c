/* CreateTaskSet, UpdateTaskSet, DeleteTaskSet, DescribeTaskSets, UpdateServicePrimaryTaskSet. */
#include <string.h>

#include "launch.h"
#include "service_checks.h"
#include "service_targets.h"
#include "task_set.h"

#define MAX_DESCRIBED 100

/* ---- finding ---- */

static struct service *external_service(struct call *c, const char *cluster,
                                        const char *reference)
{
    struct cluster *cl = cluster_require(c, cluster);
    if (!cl)
        return NULL;
    struct service *s = service_find(c->core, cl, reference);
    if (!s || streq(s->rec->service->status, "INACTIVE"))
        call_fault(c, &ecs_service_not_found_exception, "Service not found.");
    else if (!service_external(s))
        call_fault(
            c, &ecs_invalid_parameter_exception,
            "Task sets are only for services with the deployment controller EXTERNAL.");
    else
        return s;
    return NULL;
}

static struct service *active_service(struct call *c, const char *cluster,
                                      const char *reference)
{
    struct service *s = external_service(c, cluster, reference);
    if (s && !streq(s->rec->service->status, "ACTIVE")) {
        call_fault(c, &ecs_service_not_active_exception, "Service was not ACTIVE.");
        return NULL;
    }
    return s;
}

/* By id ("ecs-svc/N") or ARN; faults TaskSetNotFoundException. */
static int set_require(struct call *c, const struct service *s, const char *reference,
                       size_t *ret)
{
    for (size_t i = 0; i < s->rec->service->task_sets.n; i++) {
        const struct ecs_task_set *set = &s->rec->service->task_sets.v[i];
        if (streq(set->id, reference) || streq(set->task_set_arn, reference)) {
            *ret = i;
            return 0;
        }
    }
    return call_fault(c, &ecs_task_set_not_found_exception,
                      "The specified task set does not exist.");
}

static void set_view(struct call *c, const struct service *s, size_t index,
                     struct ecs_task_set *ret)
{
    struct ecs_task_set_list one = {.v = ret, .n = 1};
    wire_copy_into(&c->arena, &ecs_task_set_shape, &s->rec->service->task_sets.v[index],
                   ret);
    task_sets_count(s, &one);
    ret->load_balancers.set = ret->service_registries.set = ret->tags.set = true;
}

/* ---- CreateTaskSet ---- */

static int scale_check(struct call *c, const struct ecs_scale *scale)
{
    if (!scale)
        return 0;
    if (!scale->value.set || scale->value.v < 0 || scale->value.v > 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The scale value must be between 0.0 and 100.0.");
    return 0;
}

static struct ecs_scale *scale_copy(struct arena *a, const struct ecs_scale *scale)
{
    struct ecs_scale *own = arena_new(a, struct ecs_scale);
    own->value = scale ? scale->value : SET_DOUBLE(100.0);
    own->unit = ECS_SCALE_UNIT_PERCENT;
    return own;
}

static int create_check(struct call *c, const struct service *s,
                        const struct ecs_create_task_set_request *in)
{
    struct service_extras extras = {
        .registries = in->service_registries.n,
    };
    if (service_extras_check(c, &extras) < 0 || scale_check(c, in->scale) < 0 ||
        tags_check(c, &in->tags) < 0)
        return -1;
    if (s->rec->task_sets.n >= TASK_SETS_MAX)
        return call_fault(c, &ecs_limit_exceeded_exception,
                          "A service can have at most %d task sets.", TASK_SETS_MAX);
    return 0;
}

static struct ecs_task_set *set_push(struct service *s)
{
    struct ecs_task_set_list *sets = &s->rec->service->task_sets;
    struct gantry_task_set_record_list *records = &s->rec->task_sets;
    LIST_PUSH(&s->o.arena, sets);
    LIST_PUSH(&s->o.arena, records);
    memmove(&sets->v[1], &sets->v[0], (sets->n - 1) * sizeof(*sets->v));
    memmove(&records->v[1], &records->v[0], (records->n - 1) * sizeof(*records->v));
    sets->v[0] = (struct ecs_task_set){0};
    records->v[0] = (struct gantry_task_set_record){0};
    return &sets->v[0];
}

static void set_fill(struct call *c, struct service *s, const struct taskdef *td,
                     const struct ecs_create_task_set_request *request,
                     const struct launch_terms *terms)
{
    char digits[20];
    struct arena *a = &s->o.arena;
    const struct cluster *cl = s->cluster;
    const struct ecs_service *rec = s->rec->service;
    const struct ecs_create_task_set_request *in =
        wire_copy(a, &ecs_create_task_set_request_shape, request);
    struct ecs_task_set *set = set_push(s);
    core_random_digits(c->core, digits, 19);
    set->id = arena_printf(a, "ecs-svc/%s", digits);
    set->task_set_arn = ecs_arn(a, cl->region, cl->account, "task-set/%s/%s/%s", cl->name,
                                rec->service_name, set->id);
    set->service_arn = rec->service_arn;
    set->cluster_arn = rec->cluster_arn;
    set->external_id = in->external_id;
    set->status = "ACTIVE";
    set->task_definition = arena_strdup(a, taskdef_of(td)->task_definition_arn);
    set->created_at = set->updated_at = SET_TIME(core_now_ms(c->core));
    struct launch_terms own;
    launch_terms_copy(a, terms, &own);
    set->launch_type = (enum ecs_launch_type)own.launch_type;
    set->capacity_provider_strategy = own.strategy;
    set->platform_version = own.platform_version;
    set->network_configuration = in->network_configuration;
    set->load_balancers = in->load_balancers;
    set->scale = scale_copy(a, in->scale);
    set->stability_status = ECS_STABILITY_STATUS_STABILIZING;
    set->stability_status_at = set->created_at;
    set->tags = in->tags;
    s->rec->task_sets.v[0].id = set->id;
    s->rec->task_sets.v[0].client_token = in->client_token;
}

static ptrdiff_t set_of_token(const struct service *s, const char *token)
{
    for (size_t i = 0; token && i < s->rec->task_sets.n; i++)
        if (streq(s->rec->task_sets.v[i].client_token, token))
            return (ptrdiff_t)i;
    return -1;
}

int ecs_create_task_set(struct call *c, const struct ecs_create_task_set_request *in,
                        struct ecs_create_task_set_response *out)
{
    struct service *s = active_service(c, in->cluster, in->service);
    if (!s)
        return -1;
    ptrdiff_t index = set_of_token(s, in->client_token);
    if (index < 0) {
        struct taskdef *td = active_taskdef(c, in->task_definition);
        struct launch_terms terms = {
            .launch_type = (int)in->launch_type,
            .strategy = in->capacity_provider_strategy,
            .platform_version = in->platform_version,
            .network = in->network_configuration,
        };
        if (!td || create_check(c, s, in) < 0 ||
            launch_check(c, s->cluster, taskdef_of(td), &terms) < 0 ||
            load_balancers_check(c, &in->load_balancers, taskdef_of(td), false) < 0)
            return -1;
        set_fill(c, s, td, in, &terms);
        td->users++;
        object_save(c->core, &s->o);
        service_updated(c->core, s);
        index = 0;
    }
    out->task_set = arena_new(&c->arena, struct ecs_task_set);
    set_view(c, s, (size_t)index, out->task_set);
    return 0;
}

/* ---- UpdateTaskSet, DeleteTaskSet, UpdateServicePrimaryTaskSet ---- */

int ecs_update_task_set(struct call *c, const struct ecs_update_task_set_request *in,
                        struct ecs_update_task_set_response *out)
{
    size_t index;
    struct service *s = active_service(c, in->cluster, in->service);
    if (!s || set_require(c, s, in->task_set, &index) < 0 ||
        scale_check(c, in->scale) < 0)
        return -1;
    struct ecs_task_set *set = &s->rec->service->task_sets.v[index];
    if (streq(set->status, "DRAINING"))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The specified task set is being deleted.");
    set->scale = scale_copy(&s->o.arena, in->scale);
    set->updated_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    service_updated(c->core, s);
    out->task_set = arena_new(&c->arena, struct ecs_task_set);
    set_view(c, s, index, out->task_set);
    return 0;
}

int ecs_delete_task_set(struct call *c, const struct ecs_delete_task_set_request *in,
                        struct ecs_delete_task_set_response *out)
{
    size_t index;
    struct service *s = external_service(c, in->cluster, in->service);
    if (!s || set_require(c, s, in->task_set, &index) < 0)
        return -1;
    struct ecs_task_set *set = &s->rec->service->task_sets.v[index];
    if (set->scale->value.v > 0 && !in->force.v)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The task set cannot be deleted while it is scaled above 0.");
    set->status = "DRAINING";
    set->updated_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    service_updated(c->core, s);
    out->task_set = arena_new(&c->arena, struct ecs_task_set);
    set_view(c, s, index, out->task_set);
    return 0;
}

/* What the primary set runs is what the service shows. */
static void service_shows(struct service *s, size_t primary)
{
    struct ecs_service *rec = s->rec->service;
    for (size_t i = 0; i < rec->task_sets.n; i++)
        if (streq(rec->task_sets.v[i].status, "PRIMARY"))
            rec->task_sets.v[i].status = "ACTIVE";
    struct ecs_task_set *set = &rec->task_sets.v[primary];
    set->status = "PRIMARY";
    rec->task_definition = set->task_definition;
    rec->launch_type = set->launch_type;
    rec->capacity_provider_strategy = set->capacity_provider_strategy;
    rec->platform_version = set->platform_version;
    rec->network_configuration = set->network_configuration;
    rec->load_balancers = set->load_balancers;
    rec->service_registries = set->service_registries;
}

int ecs_update_service_primary_task_set(
    struct call *c, const struct ecs_update_service_primary_task_set_request *in,
    struct ecs_update_service_primary_task_set_response *out)
{
    size_t index;
    struct service *s = active_service(c, in->cluster, in->service);
    if (!s || set_require(c, s, in->primary_task_set, &index) < 0)
        return -1;
    if (streq(s->rec->service->task_sets.v[index].status, "DRAINING"))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The specified task set is being deleted.");
    service_shows(s, index);
    s->rec->service->task_sets.v[index].updated_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    out->task_set = arena_new(&c->arena, struct ecs_task_set);
    set_view(c, s, index, out->task_set);
    return 0;
}

/* ---- DescribeTaskSets ---- */

static void describe_all(struct call *c, const struct service *s, bool tags,
                         struct ecs_describe_task_sets_response *out)
{
    for (size_t i = 0; i < s->rec->task_sets.n; i++) {
        struct ecs_task_set *set = LIST_PUSH(&c->arena, &out->task_sets);
        set_view(c, s, i, set);
        if (!tags)
            set->tags.n = 0;
    }
}

static bool set_named(const struct ecs_task_set *set, const struct string_list *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (streq(set->id, names->v[i]) || streq(set->task_set_arn, names->v[i]))
            return true;
    return false;
}

static void describe_missing(struct call *c, const struct service *s, const char *name,
                             struct ecs_failure_list *ret)
{
    for (size_t i = 0; i < s->rec->service->task_sets.n; i++) {
        const struct ecs_task_set *set = &s->rec->service->task_sets.v[i];
        if (streq(set->id, name) || streq(set->task_set_arn, name))
            return;
    }
    struct ecs_failure *f = LIST_PUSH(&c->arena, ret);
    f->arn = arn_looks_like(name)
                 ? name
                 : ecs_arn(&c->arena, s->cluster->region, s->cluster->account,
                           "task-set/%s/%s/%s", s->cluster->name,
                           s->rec->service->service_name, name);
    f->reason = "MISSING";
}

int ecs_describe_task_sets(struct call *c,
                           const struct ecs_describe_task_sets_request *in,
                           struct ecs_describe_task_sets_response *out)
{
    const struct service *s = external_service(c, in->cluster, in->service);
    if (!s)
        return -1;
    if (in->task_sets.n > MAX_DESCRIBED)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Task sets cannot have more than %d elements.", MAX_DESCRIBED);
    bool tags = false;
    for (size_t i = 0; i < in->include.n; i++)
        tags |= in->include.v[i] == ECS_TASK_SET_FIELD_TAGS;
    out->task_sets.set = out->failures.set = true;
    describe_all(c, s, tags, out);
    if (in->task_sets.n == 0)
        return 0;
    size_t kept = 0;
    for (size_t i = 0; i < out->task_sets.n; i++)
        if (set_named(&out->task_sets.v[i], &in->task_sets))
            out->task_sets.v[kept++] = out->task_sets.v[i];
    out->task_sets.n = kept;
    for (size_t i = 0; i < in->task_sets.n; i++)
        describe_missing(c, s, in->task_sets.v[i], &out->failures);
    return 0;
}
