/* CreateExpressGatewayService, UpdateExpressGatewayService, DescribeExpressGatewayService,
 * DeleteExpressGatewayService. */
#include "express.h"

#include <string.h>

#include "ec2.h"
#include "service_checks.h"
#include "service_history.h"
#include "task_network.h"

#define CONTAINER    "Main"
#define DEFAULT_PORT 80
#define DEFAULT_PATH "/ping"
#define DEFAULT_CPU  "256"
#define DEFAULT_MIB  "512"
#define DEFAULT_MIN  1
#define DEFAULT_MAX  20

typedef struct ecs_express_gateway_service_configuration configuration;

/* ---- the configuration ---- */

/* Those of the default VPC, as on AWS. */
static void default_network(struct call *c, configuration *k)
{
    struct ec2_scope s = {c->who.account_id, c->region};
    if (!k->network_configuration)
        k->network_configuration = arena_new(
            &c->arena, struct ecs_express_gateway_service_network_configuration);
    if (k->network_configuration->subnets.n == 0)
        ec2_default_subnets(c->core, &s, &c->arena, &k->network_configuration->subnets);
}

static void defaults(struct arena *a, configuration *k)
{
    if (!k->cpu)
        k->cpu = DEFAULT_CPU;
    if (!k->memory)
        k->memory = DEFAULT_MIB;
    if (!k->health_check_path)
        k->health_check_path = DEFAULT_PATH;
    if (!k->primary_container->container_port.set)
        k->primary_container->container_port = SET_INT(DEFAULT_PORT);
    if (!k->scaling_target)
        k->scaling_target = arena_new(a, struct ecs_express_gateway_scaling_target);
    struct ecs_express_gateway_scaling_target *t = k->scaling_target;
    if (!t->min_task_count.set)
        t->min_task_count = SET_INT(DEFAULT_MIN);
    if (!t->max_task_count.set)
        t->max_task_count = SET_INT(
            t->min_task_count.v > DEFAULT_MAX ? t->min_task_count.v : DEFAULT_MAX);
    if (!t->auto_scaling_metric)
        t->auto_scaling_metric = ECS_EXPRESS_GATEWAY_SERVICE_SCALING_METRIC_AVERAGE_CPU;
    if (!t->auto_scaling_target_value.set)
        t->auto_scaling_target_value = SET_INT(60);
}

static int bad(struct call *c, const char *text)
{
    return call_fault(c, &ecs_invalid_parameter_exception, "%s", text);
}

static struct ecs_network_configuration *network(struct call *c, const configuration *k)
{
    struct ecs_network_configuration *n =
        arena_new(&c->arena, struct ecs_network_configuration);
    n->awsvpc_configuration = arena_new(&c->arena, struct ecs_aws_vpc_configuration);
    n->awsvpc_configuration->subnets = k->network_configuration->subnets;
    n->awsvpc_configuration->security_groups = k->network_configuration->security_groups;
    return n;
}

static int configuration_check(struct call *c, const configuration *k)
{
    const struct ecs_express_gateway_scaling_target *t = k->scaling_target;
    const struct ecs_express_gateway_container *p = k->primary_container;
    if (str_empty(p->image))
        return bad(c, "primaryContainer.image must not be empty.");
    if (p->container_port.v < 1 || p->container_port.v > 65535)
        return bad(c, "primaryContainer.containerPort must be between 1 and 65535.");
    if (*k->health_check_path != '/')
        return bad(c, "healthCheckPath must begin with '/'.");
    if (t->min_task_count.v < 0 || t->max_task_count.v < t->min_task_count.v ||
        t->max_task_count.v > SERVICE_MAX_DESIRED)
        return bad(c, "scalingTarget needs 0 <= minTaskCount <= maxTaskCount <= 5000.");
    if (t->auto_scaling_target_value.v < 1)
        return bad(c, "scalingTarget.autoScalingTargetValue must be at least 1.");
    return task_network_check(c, network(c, k), true);
}

/* ---- its task definition ---- */

static struct ecs_log_configuration *
logging(struct call *c, const struct ecs_express_gateway_container *p)
{
    const struct ecs_express_gateway_service_aws_logs_configuration *l =
        p->aws_logs_configuration;
    if (!l)
        return NULL;
    struct ecs_log_configuration *ret =
        arena_new(&c->arena, struct ecs_log_configuration);
    ret->log_driver = ECS_LOG_DRIVER_AWSLOGS;
    const char *const options[][2] = {{"awslogs-group", l->log_group},
                                      {"awslogs-region", c->region},
                                      {"awslogs-stream-prefix", l->log_stream_prefix}};
    for (size_t i = 0; i < 3; i++) {
        struct string_entry *e = LIST_PUSH(&c->arena, &ret->options);
        e->key = options[i][0];
        e->value = options[i][1];
    }
    return ret;
}

static void container_of(struct call *c, const struct ecs_express_gateway_container *p,
                         struct ecs_container_definition *ret)
{
    ret->name = CONTAINER;
    ret->image = p->image;
    ret->command = p->command;
    ret->environment = p->environment;
    ret->secrets = p->secrets;
    ret->log_configuration = logging(c, p);
    struct ecs_port_mapping *m = LIST_PUSH(&c->arena, &ret->port_mappings);
    m->container_port = p->container_port;
    if (p->repository_credentials && p->repository_credentials->credentials_parameter) {
        ret->repository_credentials =
            arena_new(&c->arena, struct ecs_repository_credentials);
        ret->repository_credentials->credentials_parameter =
            p->repository_credentials->credentials_parameter;
    }
}

/* The next revision of the service's own family; its ARN. */
static const char *define(struct call *c, const char *family, const configuration *k)
{
    struct ecs_taskdef_error why;
    struct ecs_register_task_definition_request def = {
        .family = family,
        .task_role_arn = k->task_role_arn,
        .execution_role_arn = k->execution_role_arn,
        .network_mode = ECS_NETWORK_MODE_AWSVPC,
        .cpu = k->cpu,
        .memory = k->memory,
    };
    *LIST_PUSH(&c->arena, &def.requires_compatibilities) = ECS_COMPATIBILITY_FARGATE;
    container_of(c, k->primary_container,
                 LIST_PUSH(&c->arena, &def.container_definitions));
    if (ecs_taskdef_check(&def, &why) < 0) {
        ecs_taskdef_fault(c, &why);
        return NULL;
    }
    return taskdef_of(taskdef_register(c, TASKDEF_OF_TASKS, &def))->task_definition_arn;
}

/* ---- what is kept ---- */

static bool in_use(const struct service *s, const char *revision_arn)
{
    return service_deployment_of_revision(s, revision_arn) >= 0 ||
           streq(s->rec->completed_revision_arn, revision_arn);
}

/* The newest one first; those that nothing runs any more are forgotten. */
static void remember(struct core *core, struct service *s, configuration *k)
{
    struct arena *a = &s->o.arena;
    struct gantry_express_record *rec = s->rec->express;
    struct ecs_express_gateway_service_configuration_list old = rec->configurations;
    rec->configurations =
        (struct ecs_express_gateway_service_configuration_list){.set = true};
    k->service_revision_arn =
        s->rec->deployments.n ? s->rec->deployments.v[0].service_revision_arn : NULL;
    k->created_at = rec->updated_at = SET_TIME(core_now_ms(core));
    wire_copy_into(a, &ecs_express_gateway_service_configuration_shape, k,
                   LIST_PUSH(a, &rec->configurations));
    for (size_t i = 0; i < old.n; i++)
        if (!streq(old.v[i].service_revision_arn, k->service_revision_arn) &&
            in_use(s, old.v[i].service_revision_arn))
            *LIST_PUSH(a, &rec->configurations) = old.v[i];
    object_save(core, &s->o);
}

/* ---- what a reply shows ---- */

static struct ecs_express_gateway_service_status *status_of(struct call *c,
                                                            const struct service *s)
{
    const char *status = s->rec->service->status;
    struct ecs_express_gateway_service_status *ret =
        arena_new(&c->arena, struct ecs_express_gateway_service_status);
    ret->status_code =
        streq(status, "ACTIVE")     ? ECS_EXPRESS_GATEWAY_SERVICE_STATUS_CODE_ACTIVE
        : streq(status, "DRAINING") ? ECS_EXPRESS_GATEWAY_SERVICE_STATUS_CODE_DRAINING
                                    : ECS_EXPRESS_GATEWAY_SERVICE_STATUS_CODE_INACTIVE;
    return ret;
}

/* Where it is reached, and what else was made for it: see express.h. */
static void express_managed(const struct service *s, configuration *ret)
{
    ret->ingress_paths.set = true;
}

static void show(struct call *c, const struct service *s,
                 struct ecs_ecs_express_gateway_service *ret)
{
    const struct ecs_service *rec = s->rec->service;
    const struct gantry_express_record *e = s->rec->express;
    *ret = (struct ecs_ecs_express_gateway_service){
        .cluster = rec->cluster_arn,
        .service_name = rec->service_name,
        .service_arn = rec->service_arn,
        .infrastructure_role_arn = e->infrastructure_role_arn,
        .status = status_of(c, s),
        .active_configurations = {.set = true},
        .created_at = rec->created_at,
        .updated_at = e->updated_at,
    };
    if (s->rec->deployments.n > 0)
        ret->current_deployment = s->rec->deployments.v[0].service_deployment_arn;
    for (size_t i = 0; i < e->configurations.n; i++) {
        const configuration *k = &e->configurations.v[i];
        if (i > 0 && service_deployment_of_revision(s, k->service_revision_arn) < 0)
            continue;
        configuration *to = LIST_PUSH(&c->arena, &ret->active_configurations);
        wire_copy_into(&c->arena, &ecs_express_gateway_service_configuration_shape, k,
                       to);
        express_managed(s, to);
    }
}

/* ---- finding ---- */

static struct service *find(struct call *c, const char *arn)
{
    struct service *s = ecs_own_arn(c, arn) ? service_of_arn(c->core, arn) : NULL;
    return s && service_is_express(s) ? s : NULL;
}

static struct service *active(struct call *c, const char *arn)
{
    struct service *s = find(c, arn);
    if (!s)
        call_fault(c, &ecs_service_not_found_exception, "Service not found.");
    else if (!streq(s->rec->service->status, "ACTIVE"))
        call_fault(c, &ecs_service_not_active_exception, "Service was not ACTIVE.");
    else
        return s;
    return NULL;
}

/* ---- operations ---- */

static struct ecs_deployment_configuration *rollout(struct call *c)
{
    struct ecs_deployment_configuration *d =
        arena_new(&c->arena, struct ecs_deployment_configuration);
    d->deployment_circuit_breaker =
        arena_new(&c->arena, struct ecs_deployment_circuit_breaker);
    d->deployment_circuit_breaker->enable = SET_BOOL(true);
    d->deployment_circuit_breaker->rollback = SET_BOOL(true);
    return d;
}

static const char *service_name(struct call *c, const char *given)
{
    char hex[9];
    if (given)
        return given;
    core_random_hex(c->core, hex, 8);
    return call_printf(c, "express-%s", hex);
}

static struct cluster *cluster_for(struct call *c, const char *reference)
{
    struct cluster *cl = cluster_find(c, reference);
    if (!reference && (!cl || !cluster_active(cl)))
        return cluster_create(c->core, c->who.account_id, c->region, "default");
    return cluster_require(c, reference);
}

int ecs_create_express_gateway_service(
    struct call *c, const struct ecs_create_express_gateway_service_request *in,
    struct ecs_create_express_gateway_service_response *out)
{
    configuration k = {
        .execution_role_arn = in->execution_role_arn,
        .task_role_arn = in->task_role_arn,
        .cpu = in->cpu,
        .memory = in->memory,
        .network_configuration = in->network_configuration,
        .health_check_path = in->health_check_path,
        .primary_container = wire_copy(&c->arena, &ecs_express_gateway_container_shape,
                                       in->primary_container),
        .scaling_target =
            in->scaling_target
                ? wire_copy(&c->arena, &ecs_express_gateway_scaling_target_shape,
                            in->scaling_target)
                : NULL,
    };
    defaults(&c->arena, &k);
    default_network(c, &k);
    const char *name = service_name(c, in->service_name);
    if (!ecs_name_valid(name))
        return bad(c, "Service name must be 1 to 255 letters, numbers, hyphens and "
                      "underscores long.");
    if (configuration_check(c, &k) < 0 || tags_check(c, &in->tags) < 0)
        return -1;
    struct cluster *cl = cluster_for(c, in->cluster);
    if (!cl)
        return -1;
    struct service *there = service_find(c->core, cl, name);
    if (there && !streq(there->rec->service->status, "INACTIVE"))
        return bad(c, "Creation of service was not idempotent.");
    const char *taskdef = define(c, call_printf(c, "%s-%s", cl->name, name), &k);
    if (!taskdef)
        return -1;
    struct ecs_create_service_request request = {
        .cluster = cl->name,
        .service_name = name,
        .task_definition = taskdef,
        .desired_count = k.scaling_target->min_task_count,
        .launch_type = ECS_LAUNCH_TYPE_FARGATE,
        .network_configuration = network(c, &k),
        .deployment_configuration = rollout(c),
        .tags = in->tags,
    };
    struct ecs_create_service_response made = {0};
    if (ecs_create_service(c, &request, &made) < 0)
        return -1;
    struct service *s = service_find(c->core, cl, name);
    s->rec->service->resource_management_type = ECS_RESOURCE_MANAGEMENT_TYPE_ECS;
    s->rec->express = arena_new(&s->o.arena, struct gantry_express_record);
    s->rec->express->infrastructure_role_arn =
        arena_strdup(&s->o.arena, in->infrastructure_role_arn);
    remember(c->core, s, &k);
    out->service = arena_new(&c->arena, struct ecs_ecs_express_gateway_service);
    show(c, s, out->service);
    return 0;
}

/* What is given replaces; of the container each member by itself. */
static void merge(struct arena *a, configuration *k,
                  const struct ecs_update_express_gateway_service_request *in)
{
    if (in->execution_role_arn)
        k->execution_role_arn = in->execution_role_arn;
    if (in->task_role_arn)
        k->task_role_arn = in->task_role_arn;
    if (in->cpu)
        k->cpu = in->cpu;
    if (in->memory)
        k->memory = in->memory;
    if (in->network_configuration)
        k->network_configuration = in->network_configuration;
    if (in->health_check_path)
        k->health_check_path = in->health_check_path;
    if (in->scaling_target)
        k->scaling_target =
            wire_copy(a, &ecs_express_gateway_scaling_target_shape, in->scaling_target);
    if (in->primary_container)
        k->primary_container =
            wire_copy(a, &ecs_express_gateway_container_shape, in->primary_container);
}

static bool same_task(const configuration *a, const configuration *b)
{
    configuration x = *a, y = *b;
    char hash[2][65];
    x.scaling_target = y.scaling_target = NULL;
    x.health_check_path = y.health_check_path = NULL;
    x.service_revision_arn = y.service_revision_arn = NULL;
    x.created_at = y.created_at = (struct opt_time){0};
    parameter_hash(&ecs_express_gateway_service_configuration_shape, &x, hash[0]);
    parameter_hash(&ecs_express_gateway_service_configuration_shape, &y, hash[1]);
    return streq(hash[0], hash[1]);
}

static int apply(struct call *c, const struct service *s, const configuration *k,
                 bool tasks)
{
    struct ecs_update_service_request request = {
        .cluster = s->cluster->name,
        .service = call_printf(c, "%s", s->rec->service->service_name),
        .desired_count = k->scaling_target->min_task_count,
    };
    if (tasks) {
        request.task_definition =
            define(c, call_printf(c, "%s-%s", s->cluster->name, request.service), k);
        request.network_configuration = network(c, k);
        if (!request.task_definition)
            return -1;
    }
    struct ecs_update_service_response unused = {0};
    return ecs_update_service(c, &request, &unused);
}

int ecs_update_express_gateway_service(
    struct call *c, const struct ecs_update_express_gateway_service_request *in,
    struct ecs_update_express_gateway_service_response *out)
{
    struct service *s = active(c, in->service_arn);
    if (!s)
        return -1;
    const configuration *old = &s->rec->express->configurations.v[0];
    configuration *k =
        wire_copy(&c->arena, &ecs_express_gateway_service_configuration_shape, old);
    merge(&c->arena, k, in);
    defaults(&c->arena, k);
    default_network(c, k);
    if (configuration_check(c, k) < 0 || apply(c, s, k, !same_task(old, k)) < 0)
        return -1;
    remember(c->core, s, k);
    const struct ecs_service *rec = s->rec->service;
    struct ecs_updated_express_gateway_service *u =
        arena_new(&c->arena, struct ecs_updated_express_gateway_service);
    u->service_arn = rec->service_arn;
    u->cluster = rec->cluster_arn;
    u->service_name = rec->service_name;
    u->status = status_of(c, s);
    u->target_configuration = k;
    u->created_at = rec->created_at;
    u->updated_at = s->rec->express->updated_at;
    express_managed(s, k);
    out->service = u;
    return 0;
}

int ecs_describe_express_gateway_service(
    struct call *c, const struct ecs_describe_express_gateway_service_request *in,
    struct ecs_describe_express_gateway_service_response *out)
{
    const struct service *s = find(c, in->service_arn);
    if (!s)
        return call_fault(c, &ecs_resource_not_found_exception,
                          "The specified Express gateway service was not found.");
    out->service = arena_new(&c->arena, struct ecs_ecs_express_gateway_service);
    show(c, s, out->service);
    for (size_t i = 0; i < in->include.n; i++)
        if (in->include.v[i] == ECS_EXPRESS_GATEWAY_SERVICE_INCLUDE_TAGS) {
            out->service->tags.set = true;
            tags_merge(&c->arena, &out->service->tags, &s->rec->service->tags);
        }
    return 0;
}

int ecs_delete_express_gateway_service(
    struct call *c, const struct ecs_delete_express_gateway_service_request *in,
    struct ecs_delete_express_gateway_service_response *out)
{
    struct service *s = active(c, in->service_arn);
    if (!s)
        return -1;
    struct ecs_delete_service_request request = {
        .cluster = s->cluster->name,
        .service = call_printf(c, "%s", s->rec->service->service_name),
        .force = SET_BOOL(true),
    };
    struct ecs_delete_service_response unused = {0};
    if (ecs_delete_service(c, &request, &unused) < 0)
        return -1;
    s->rec->express->updated_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    out->service = arena_new(&c->arena, struct ecs_ecs_express_gateway_service);
    show(c, s, out->service);
    return 0;
}
