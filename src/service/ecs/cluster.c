#include <string.h>

#include "account_settings.h"
#include "capacity_provider.h"
#include "cluster_images.h"
#include "cluster_view.h"
#include "page.h"
#include "provisioning.h"

bool cluster_active(const struct cluster *cl)
{
    return streq(cl->rec->cluster->status, "ACTIVE");
}

bool cluster_hidden(const struct cluster *cl)
{
    return cl->name[0] == '.';
}

/* Splits "/ecs/cluster/<account>/<region>/<name>". */
int cluster_loaded(struct core *core, struct object *o, struct error *err)
{
    struct cluster *cl = (struct cluster *)o;
    char *p = arena_strdup(&cl->names, object_name(o));
    char *slash = strchr(p, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
    if (!second)
        return fail(err, E_CORRUPT, "key without account and region");
    *slash = *second = '\0';
    cl->account = p;
    cl->region = slash + 1;
    cl->name = second + 1;
    list_init(&cl->instances);
    list_init(&cl->services);
    list_init(&cl->tasks);
    list_init(&cl->waiting);
    list_init(&cl->daemons);
    provisioning_init(cl);
    cl->place = place_cluster_new();
    cluster_images_init(cl);
    return 0;
}

void cluster_unlink(struct core *core, struct object *o)
{
    struct cluster *cl = (struct cluster *)o;
    wake_cancel(core, &cl->images);
    wake_cancel(core, &cl->provision);
    place_cluster_free(cl->place);
    arena_free(&cl->names);
}

struct cluster *cluster_create(struct core *core, const char *account, const char *region,
                               const char *name)
{
    const char *key = ecs_key(core_scratch(core), "cluster", account, region, name);
    struct cluster *cl = table_find(ecs_of(core)->clusters, key);
    if (!cl) {
        cl = object_new(core, ecs_of(core)->clusters, key);
        cluster_loaded(core, &cl->o, NULL);
    }
    struct arena *a = &cl->o.arena;
    struct ecs_cluster *c = arena_new(a, struct ecs_cluster);
    c->cluster_name = arena_strdup(a, name);
    c->cluster_arn = ecs_arn(a, region, account, "cluster/%s", name);
    c->status = "ACTIVE";
    cl->rec->cluster = c;
    object_save(core, &cl->o);
    return cl;
}

/* ---- what a reply shows ---- */

static void add_statistic(struct arena *a, struct ecs_cluster *c, const char *name,
                          int32_t value)
{
    struct ecs_key_value_pair *p = LIST_PUSH(a, &c->statistics);
    p->name = name;
    p->value = arena_printf(a, "%d", value);
}

struct service_counts {
    int32_t active, draining, active_fargate, draining_fargate;
};

/* Only asked for with STATISTICS, so a look at the cluster's services will do. */
static struct service_counts count_services(struct core *core, const struct cluster *cl)
{
    struct service_counts n = {0};
    list_for_each (it, &cl->services) {
        const struct ecs_service *s = list_entry(it, struct service, link)->rec->service;
        const char *first = s->capacity_provider_strategy.n
                                ? s->capacity_provider_strategy.v[0].capacity_provider
                                : NULL;
        bool fargate = s->launch_type == ECS_LAUNCH_TYPE_FARGATE ||
                       (first && provider_is_fargate(provider_kind(core, cl, first)));
        bool active = streq(s->status, "ACTIVE"), draining = streq(s->status, "DRAINING");
        n.active += active && !fargate;
        n.active_fargate += active && fargate;
        n.draining += draining && !fargate;
        n.draining_fargate += draining && fargate;
    }
    return n;
}

static void add_statistics(struct core *core, struct arena *a, const struct cluster *cl,
                           struct ecs_cluster *c)
{
    struct service_counts services = count_services(core, cl);
    add_statistic(a, c, "runningEC2TasksCount", cl->running - cl->running_fargate);
    add_statistic(a, c, "runningFargateTasksCount", cl->running_fargate);
    add_statistic(a, c, "pendingEC2TasksCount", cl->pending - cl->pending_fargate);
    add_statistic(a, c, "pendingFargateTasksCount", cl->pending_fargate);
    add_statistic(a, c, "activeEC2ServiceCount", services.active);
    add_statistic(a, c, "activeFargateServiceCount", services.active_fargate);
    add_statistic(a, c, "drainingEC2ServiceCount", services.draining);
    add_statistic(a, c, "drainingFargateServiceCount", services.draining_fargate);
}

void cluster_view(struct core *core, struct arena *a, const struct cluster *cl,
                  const struct cluster_include *inc, struct ecs_cluster *ret)
{
    wire_copy_into(a, &ecs_cluster_shape, cl->rec->cluster, ret);
    ret->registered_container_instances_count = SET_INT(cl->instance_count);
    ret->running_tasks_count = SET_INT(cl->running);
    ret->pending_tasks_count = SET_INT(cl->pending);
    ret->active_services_count = SET_INT(cl->active_services);
    ret->statistics = (struct ecs_key_value_pair_list){.set = true};
    ret->capacity_providers.set = true;
    ret->default_capacity_provider_strategy.set = true;
    if (inc->statistics)
        add_statistics(core, a, cl, ret);
    if (!inc->tags)
        ret->tags.n = 0;
    ret->tags.set = true;
    if (!inc->settings)
        ret->settings.n = 0;
    ret->settings.set = true;
    if (!inc->configurations)
        ret->configuration = NULL;
}

/* ---- operations ---- */

int cluster_settings_check(struct call *c,
                           const struct ecs_cluster_setting_list *settings)
{
    for (size_t i = 0; i < settings->n; i++) {
        const char *v = settings->v[i].value;
        if (v && !streq(v, "enabled") && !streq(v, "disabled") && !streq(v, "enhanced"))
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "Invalid value '%s' for cluster setting containerInsights.",
                              v);
    }
    return 0;
}

int cluster_configuration_check(struct call *c,
                                const struct ecs_cluster_configuration *conf)
{
    const struct ecs_execute_command_configuration *e =
        conf ? conf->execute_command_configuration : NULL;
    if (!e || e->logging != ECS_EXECUTE_COMMAND_LOGGING_OVERRIDE)
        return 0;
    const struct ecs_execute_command_log_configuration *l = e->log_configuration;
    if (l && (!str_empty(l->cloud_watch_log_group_name) || !str_empty(l->s3_bucket_name)))
        return 0;
    return call_fault(c, &ecs_invalid_parameter_exception,
                      "A CloudWatch log group name or S3 bucket name must be specified "
                      "when overriding the default log configuration");
}

int ecs_create_cluster(struct call *c, const struct ecs_create_cluster_request *in,
                       struct ecs_create_cluster_response *out)
{
    const char *name = in->cluster_name ? in->cluster_name : "default";
    if (!ecs_name_valid(name))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Invalid identifier: Identifier is for %s. Your identifier is "
                          "%s",
                          "cluster", name);
    if (tags_check(c, &in->tags) < 0 || cluster_settings_check(c, &in->settings) < 0 ||
        cluster_configuration_check(c, in->configuration) < 0 ||
        cluster_connect_check(c, in->service_connect_defaults) < 0)
        return -1;
    struct cluster_providers providers = {in->capacity_providers,
                                          in->default_capacity_provider_strategy};
    if (cluster_providers_check(c, &providers) < 0)
        return -1;
    struct cluster *cl = cluster_find(c, name);
    if (!cl || !cluster_active(cl)) {
        cl = cluster_create(c->core, c->who.account_id, c->region, name);
        struct ecs_cluster *rec = cl->rec->cluster;
        struct arena *a = &cl->o.arena;
        tags_merge(a, &rec->tags, &in->tags);
        struct ecs_cluster_setting *insights = LIST_PUSH(a, &rec->settings);
        insights->name = ECS_CLUSTER_SETTING_NAME_CONTAINER_INSIGHTS;
        insights->value =
            arena_strdup(a, account_setting(c, ECS_SETTING_NAME_CONTAINER_INSIGHTS));
        if (in->settings.n && in->settings.v[0].value)
            insights->value = arena_strdup(a, in->settings.v[0].value);
        if (in->configuration)
            rec->configuration =
                wire_copy(a, &ecs_cluster_configuration_shape, in->configuration);
        cluster_providers_keep(cl, &providers);
        object_save(c->core, &cl->o);
    }
    struct cluster_include all = {true, true, true, true, true};
    out->cluster = arena_new(&c->arena, struct ecs_cluster);
    cluster_view(c->core, &c->arena, cl, &all, out->cluster);
    out->cluster->statistics.n = 0;
    return 0;
}

static struct cluster_include read_include(const struct enum_list *list)
{
    struct cluster_include inc = {0};
    for (size_t i = 0; i < list->n; i++) {
        inc.attachments |= list->v[i] == ECS_CLUSTER_FIELD_ATTACHMENTS;
        inc.configurations |= list->v[i] == ECS_CLUSTER_FIELD_CONFIGURATIONS;
        inc.settings |= list->v[i] == ECS_CLUSTER_FIELD_SETTINGS;
        inc.statistics |= list->v[i] == ECS_CLUSTER_FIELD_STATISTICS;
        inc.tags |= list->v[i] == ECS_CLUSTER_FIELD_TAGS;
    }
    return inc;
}

int ecs_describe_clusters(struct call *c, const struct ecs_describe_clusters_request *in,
                          struct ecs_describe_clusters_response *out)
{
    static const char *default_name[] = {"default"};
    const struct string_list by_default = {.v = default_name, .n = 1, .set = true};
    const struct string_list *names = in->clusters.n ? &in->clusters : &by_default;
    if (names->n > 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Clusters cannot have more than 100 elements.");
    struct cluster_include inc = read_include(&in->include);
    out->clusters.set = out->failures.set = true;
    for (size_t i = 0; i < names->n; i++) {
        struct cluster *cl = cluster_find(c, names->v[i]);
        if (cl) {
            cluster_view(c->core, &c->arena, cl, &inc,
                         LIST_PUSH(&c->arena, &out->clusters));
            continue;
        }
        struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
        f->arn = cluster_arn_for(c, names->v[i]);
        f->reason = "MISSING";
    }
    return 0;
}

int ecs_list_clusters(struct call *c, const struct ecs_list_clusters_request *in,
                      struct ecs_list_clusters_response *out)
{
    size_t limit;
    const char *at;
    struct table *table = ecs_of(c->core)->clusters;
    const char *prefix = ecs_key(&c->arena, "cluster", c->who.account_id, c->region, "");
    if (ecs_page_size(c, in->max_results, 100, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->cluster_arns.set = true;
    struct cluster *cl;
    while ((cl = table_next(table, prefix, at))) {
        if (cluster_active(cl) && !cluster_hidden(cl)) {
            if (out->cluster_arns.n == limit) {
                out->next_token = page_token(&c->arena, at);
                break;
            }
            *LIST_PUSH(&c->arena, &out->cluster_arns) = cl->rec->cluster->cluster_arn;
        }
        at = cl->o.key;
    }
    return 0;
}

int ecs_delete_cluster(struct call *c, const struct ecs_delete_cluster_request *in,
                       struct ecs_delete_cluster_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl)
        return -1;
    if (cl->active_services + cl->draining_services > 0 || !list_empty(&cl->daemons))
        return call_fault(c, &ecs_cluster_contains_services_exception,
                          "The Cluster cannot be deleted while Services are active.");
    if (cl->instance_count > 0)
        return call_fault(c, &ecs_cluster_contains_container_instances_exception,
                          "The Cluster cannot be deleted while Container Instances are "
                          "active or draining.");
    if (cl->running + cl->pending > 0)
        return call_fault(c, &ecs_cluster_contains_tasks_exception,
                          "The Cluster cannot be deleted while Tasks are active.");
    if (cluster_has_managed_instances(c->core, cl))
        return call_fault(c, &ecs_cluster_contains_capacity_provider_exception,
                          "The Cluster cannot be deleted while capacity providers of "
                          "managed instances are associated with it.");
    cl->rec->cluster->status = "INACTIVE";
    object_save(c->core, &cl->o);
    struct cluster_include all = {true, true, true, false, true};
    out->cluster = arena_new(&c->arena, struct ecs_cluster);
    cluster_view(c->core, &c->arena, cl, &all, out->cluster);
    return 0;
}
