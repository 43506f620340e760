/* CreateCapacityProvider, UpdateCapacityProvider, DeleteCapacityProvider,
 * DescribeCapacityProviders. */
#include <string.h>
#include <strings.h>

#include "capacity_provider.h"
#include "page.h"

/* ---- what is checked of a provider ---- */

static int name_check(struct call *c, const char *name)
{
    if (ecs_name_valid(name) && strncasecmp(name, "aws", 3) != 0 &&
        strncasecmp(name, "ecs", 3) != 0 && strncasecmp(name, "fargate", 7) != 0)
        return 0;
    return call_fault(c, &ecs_client_exception,
                      "The specified capacity provider name is invalid. Up to 255 "
                      "characters are allowed, including letters (upper and lowercase), "
                      "numbers, underscores, and hyphens. The name cannot be prefixed "
                      "with \"aws\", \"ecs\", or \"fargate\". Specify a valid name and "
                      "try again.");
}

static int group_arn_check(struct call *c, const char *text)
{
    struct arn arn;
    if (arn_parse(&c->arena, text, &arn) && streq(arn.service, "autoscaling") &&
        str_starts(arn.resource, "autoScalingGroup:") &&
        strstr(arn.resource, ":autoScalingGroupName/"))
        return 0;
    return call_fault(c, &ecs_client_exception,
                      "The specified Auto Scaling group ARN is invalid. Specify a valid "
                      "Auto Scaling group ARN and try again.");
}

static int group_unused_check(struct call *c, const char *group_arn)
{
    struct table *t = ecs_of(c->core)->capacity_providers;
    const char *prefix = provider_key(&c->arena, c->who.account_id, c->region, "");
    struct capacity_provider *p;
    for (const char *at = prefix; (p = table_next(t, prefix, at)); at = p->o.key) {
        const struct ecs_auto_scaling_group_provider *g =
            p->rec->provider->auto_scaling_group_provider;
        if (g && streq(g->auto_scaling_group_arn, group_arn))
            return call_fault(
                c, &ecs_client_exception,
                "The specified Auto Scaling group ARN is already being used "
                "by another capacity provider. Specify a unique Auto "
                "Scaling group ARN and try again.");
    }
    return 0;
}

static int scaling_check(struct call *c, const struct ecs_managed_scaling *s,
                         enum ecs_managed_termination_protection protection)
{
    if (s && s->minimum_scaling_step_size.v > s->maximum_scaling_step_size.v)
        return call_fault(c, &ecs_client_exception,
                          "The minimum scaling step size cannot be greater than the "
                          "maximum scaling step size.");
    bool scales = s && s->status == ECS_MANAGED_SCALING_STATUS_ENABLED;
    if (protection == ECS_MANAGED_TERMINATION_PROTECTION_ENABLED && !scales)
        return call_fault(c, &ecs_client_exception,
                          "The managed termination protection setting for the capacity "
                          "provider is invalid. To enable managed termination protection "
                          "for a capacity provider, managed scaling must be enabled.");
    return 0;
}

/* What is given replaces, what is left out stays or gets AWS's default. */
static void scaling_merge(struct arena *a, struct ecs_auto_scaling_group_provider *p,
                          const struct ecs_managed_scaling *given)
{
    bool had = p->managed_scaling != NULL;
    if (!had)
        p->managed_scaling = arena_new(a, struct ecs_managed_scaling);
    struct ecs_managed_scaling *s = p->managed_scaling;
    struct ecs_managed_scaling defaults = {
        .status = given ? ECS_MANAGED_SCALING_STATUS_ENABLED
                        : ECS_MANAGED_SCALING_STATUS_DISABLED,
        .target_capacity = SET_INT(100),
        .minimum_scaling_step_size = SET_INT(1),
        .maximum_scaling_step_size = SET_INT(10000),
        .instance_warmup_period = SET_INT(300),
    };
    if (!had)
        *s = defaults;
    if (!given)
        return;
    if (given->status)
        s->status = given->status;
    if (given->target_capacity.set)
        s->target_capacity = given->target_capacity;
    if (given->minimum_scaling_step_size.set)
        s->minimum_scaling_step_size = given->minimum_scaling_step_size;
    if (given->maximum_scaling_step_size.set)
        s->maximum_scaling_step_size = given->maximum_scaling_step_size;
    if (given->instance_warmup_period.set)
        s->instance_warmup_period = given->instance_warmup_period;
}

static void group_defaults(struct arena *a, struct ecs_auto_scaling_group_provider *g,
                           const struct ecs_managed_scaling *scaling)
{
    g->managed_scaling = NULL;
    scaling_merge(a, g, scaling);
    if (!g->managed_termination_protection)
        g->managed_termination_protection = ECS_MANAGED_TERMINATION_PROTECTION_DISABLED;
    if (!g->managed_draining)
        g->managed_draining = ECS_MANAGED_DRAINING_ENABLED;
}

/* ---- what a reply shows ---- */

static void provider_view(struct arena *a, const struct ecs_capacity_provider *p,
                          bool tags, struct ecs_capacity_provider *ret)
{
    wire_copy_into(a, &ecs_capacity_provider_shape, p, ret);
    if (!tags)
        ret->tags.n = 0;
    ret->tags.set = true;
}

static void fargate_view(struct call *c, const char *name,
                         struct ecs_capacity_provider *ret)
{
    bool spot = streq(name, PROVIDER_SPOT_NAME);
    *ret = (struct ecs_capacity_provider){
        .capacity_provider_arn = ecs_arn(&c->arena, c->region, c->who.account_id,
                                         "capacity-provider/%s", name),
        .name = name,
        .status = ECS_CAPACITY_PROVIDER_STATUS_ACTIVE,
        .type = spot ? ECS_CAPACITY_PROVIDER_TYPE_FARGATE_SPOT
                     : ECS_CAPACITY_PROVIDER_TYPE_FARGATE,
        .tags = {.set = true},
    };
}

static int reply_with(struct call *c, const struct capacity_provider *p,
                      struct ecs_capacity_provider **ret)
{
    *ret = arena_new(&c->arena, struct ecs_capacity_provider);
    provider_view(&c->arena, p->rec->provider, true, *ret);
    return 0;
}

/* ---- CreateCapacityProvider ---- */

static int create_group_check(struct call *c,
                              const struct ecs_create_capacity_provider_request *in)
{
    struct ecs_auto_scaling_group_provider g = *in->auto_scaling_group_provider;
    if (in->cluster)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A cluster can only be specified for a capacity provider of "
                          "managed instances.");
    group_defaults(&c->arena, &g, in->auto_scaling_group_provider->managed_scaling);
    if (group_arn_check(c, g.auto_scaling_group_arn) < 0 ||
        scaling_check(c, g.managed_scaling, g.managed_termination_protection) < 0)
        return -1;
    return group_unused_check(c, g.auto_scaling_group_arn);
}

static int create_managed_check(struct call *c,
                                const struct ecs_create_capacity_provider_request *in,
                                struct cluster **ret_cluster)
{
    const struct ecs_create_managed_instances_provider_configuration *m =
        in->managed_instances_provider;
    if (str_empty(in->cluster))
        return call_fault(
            c, &ecs_invalid_parameter_exception,
            "A cluster must be specified for a capacity provider of managed "
            "instances.");
    *ret_cluster = cluster_require(c, in->cluster);
    if (!*ret_cluster)
        return -1;
    if ((*ret_cluster)->rec->cluster->capacity_providers.n >= PROVIDER_MAX)
        return call_fault(c, &ecs_limit_exceeded_exception,
                          "A cluster can have at most 20 capacity providers.");
    const struct ecs_infrastructure_optimization *o = m->infrastructure_optimization;
    if (o && (o->scale_in_after.v < -1 || o->scale_in_after.v > 3600))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "scaleInAfter must be -1 or between 0 and 3600.");
    const struct ecs_managed_instances_network_configuration *n =
        m->instance_launch_template->network_configuration;
    if (!n || n->subnets.n == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The instance launch template must name at least one subnet.");
    return 0;
}

static void provider_fill(struct call *c, struct capacity_provider *p,
                          const struct ecs_create_capacity_provider_request *request,
                          const char *cluster_arn)
{
    struct arena *a = &p->o.arena;
    const struct ecs_create_capacity_provider_request *in =
        wire_copy(a, &ecs_create_capacity_provider_request_shape, request);
    struct ecs_capacity_provider *rec = arena_new(a, struct ecs_capacity_provider);
    p->rec->provider = rec;
    rec->name = in->name;
    rec->capacity_provider_arn =
        ecs_arn(a, c->region, c->who.account_id, "capacity-provider/%s", in->name);
    rec->status = ECS_CAPACITY_PROVIDER_STATUS_ACTIVE;
    rec->update_status = ECS_CAPACITY_PROVIDER_UPDATE_STATUS_CREATE_COMPLETE;
    rec->tags = in->tags;
    if (in->auto_scaling_group_provider) {
        const struct ecs_managed_scaling *given =
            in->auto_scaling_group_provider->managed_scaling;
        rec->type = ECS_CAPACITY_PROVIDER_TYPE_EC2_AUTOSCALING;
        rec->auto_scaling_group_provider = in->auto_scaling_group_provider;
        group_defaults(a, rec->auto_scaling_group_provider, given);
        return;
    }
    const struct ecs_create_managed_instances_provider_configuration *m =
        in->managed_instances_provider;
    rec->type = ECS_CAPACITY_PROVIDER_TYPE_MANAGED_INSTANCES;
    rec->cluster = arena_strdup(a, cluster_arn);
    rec->managed_instances_provider = arena_new(a, struct ecs_managed_instances_provider);
    *rec->managed_instances_provider = (struct ecs_managed_instances_provider){
        .infrastructure_role_arn = m->infrastructure_role_arn,
        .instance_launch_template = m->instance_launch_template,
        .propagate_tags =
            m->propagate_tags ? m->propagate_tags : ECS_PROPAGATE_MI_TAGS_NONE,
        .infrastructure_optimization = m->infrastructure_optimization,
        .auto_repair_configuration = m->auto_repair_configuration,
    };
}

int ecs_create_capacity_provider(struct call *c,
                                 const struct ecs_create_capacity_provider_request *in,
                                 struct ecs_create_capacity_provider_response *out)
{
    struct cluster *cl = NULL;
    bool group = in->auto_scaling_group_provider != NULL;
    if (name_check(c, in->name) < 0 || tags_check(c, &in->tags) < 0)
        return -1;
    if (group == (in->managed_instances_provider != NULL))
        return call_fault(c, &ecs_client_exception,
                          "Specify either an Auto Scaling group provider or a managed "
                          "instances provider.");
    if (provider_find(c->core, c->who.account_id, c->region, in->name))
        return call_fault(c, &ecs_client_exception,
                          "The specified capacity provider already exists. To change the "
                          "configuration of an existing capacity provider, update the "
                          "capacity provider.");
    if ((group ? create_group_check(c, in) : create_managed_check(c, in, &cl)) < 0)
        return -1;
    struct capacity_provider *p =
        object_new(c->core, ecs_of(c->core)->capacity_providers,
                   provider_key(&c->arena, c->who.account_id, c->region, in->name));
    provider_fill(c, p, in, cl ? cl->rec->cluster->cluster_arn : NULL);
    object_save(c->core, &p->o);
    if (cl)
        cluster_add_provider(c->core, cl, in->name);
    return reply_with(c, p, &out->capacity_provider);
}

/* ---- UpdateCapacityProvider ---- */

static struct capacity_provider *provider_require(struct call *c, const char *reference)
{
    struct capacity_provider *p =
        provider_find(c->core, c->who.account_id, c->region, reference);
    if (!p)
        call_fault(c, &ecs_client_exception, PROVIDER_NOT_FOUND);
    return p;
}

static int update_group(struct call *c, struct capacity_provider *p,
                        const struct ecs_auto_scaling_group_provider_update *in)
{
    struct ecs_auto_scaling_group_provider *g =
        p->rec->provider->auto_scaling_group_provider;
    struct ecs_auto_scaling_group_provider *next =
        wire_copy(&c->arena, &ecs_auto_scaling_group_provider_shape, g);
    if (in->managed_scaling)
        scaling_merge(&c->arena, next, in->managed_scaling);
    if (in->managed_termination_protection)
        next->managed_termination_protection = in->managed_termination_protection;
    if (in->managed_draining)
        next->managed_draining = in->managed_draining;
    if (scaling_check(c, next->managed_scaling, next->managed_termination_protection) < 0)
        return -1;
    p->rec->provider->auto_scaling_group_provider =
        wire_copy(&p->o.arena, &ecs_auto_scaling_group_provider_shape, next);
    return 0;
}

static void update_template(struct ecs_instance_launch_template *t,
                            const struct ecs_instance_launch_template_update *in)
{
    if (in->ec2_instance_profile_arn)
        t->ec2_instance_profile_arn = in->ec2_instance_profile_arn;
    if (in->network_configuration)
        t->network_configuration = in->network_configuration;
    if (in->storage_configuration)
        t->storage_configuration = in->storage_configuration;
    if (in->instance_metadata_tags_propagation.set)
        t->instance_metadata_tags_propagation = in->instance_metadata_tags_propagation;
    if (in->local_storage_configuration)
        t->local_storage_configuration = in->local_storage_configuration;
    if (in->monitoring)
        t->monitoring = in->monitoring;
    if (in->instance_requirements)
        t->instance_requirements = in->instance_requirements;
    if (in->capacity_reservations)
        t->capacity_reservations = in->capacity_reservations;
}

static void
update_managed(struct capacity_provider *p,
               const struct ecs_update_managed_instances_provider_configuration *in)
{
    const struct ecs_update_managed_instances_provider_configuration *own = wire_copy(
        &p->o.arena, &ecs_update_managed_instances_provider_configuration_shape, in);
    struct ecs_managed_instances_provider *m =
        p->rec->provider->managed_instances_provider;
    m->infrastructure_role_arn = own->infrastructure_role_arn;
    update_template(m->instance_launch_template, own->instance_launch_template);
    if (own->propagate_tags)
        m->propagate_tags = own->propagate_tags;
    if (own->infrastructure_optimization)
        m->infrastructure_optimization = own->infrastructure_optimization;
    if (own->auto_repair_configuration)
        m->auto_repair_configuration = own->auto_repair_configuration;
}

int ecs_update_capacity_provider(struct call *c,
                                 const struct ecs_update_capacity_provider_request *in,
                                 struct ecs_update_capacity_provider_response *out)
{
    struct capacity_provider *p = provider_require(c, in->name);
    if (!p)
        return -1;
    struct ecs_capacity_provider *rec = p->rec->provider;
    bool group = in->auto_scaling_group_provider != NULL;
    if (group == (in->managed_instances_provider != NULL) ||
        group != (rec->auto_scaling_group_provider != NULL))
        return call_fault(
            c, &ecs_client_exception,
            "The type of a capacity provider cannot be changed. Specify the "
            "settings of its own type.");
    const struct ecs_infrastructure_optimization *o =
        group ? NULL : in->managed_instances_provider->infrastructure_optimization;
    if (o && (o->scale_in_after.v < -1 || o->scale_in_after.v > 3600))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "scaleInAfter must be -1 or between 0 and 3600.");
    if (group && update_group(c, p, in->auto_scaling_group_provider) < 0)
        return -1;
    if (!group)
        update_managed(p, in->managed_instances_provider);
    rec->update_status = ECS_CAPACITY_PROVIDER_UPDATE_STATUS_UPDATE_COMPLETE;
    object_save(c->core, &p->o);
    return reply_with(c, p, &out->capacity_provider);
}

/* ---- DeleteCapacityProvider ---- */

/* The cluster that has it in its list; one that it was made for lets go of it by itself,
 * as long as nothing there uses it. */
static const struct cluster *associated(struct call *c, const struct capacity_provider *p)
{
    struct table *t = ecs_of(c->core)->clusters;
    const char *prefix = ecs_key(&c->arena, "cluster", c->who.account_id, c->region, "");
    struct cluster *cl;
    for (const char *at = prefix; (cl = table_next(t, prefix, at)); at = cl->o.key)
        if (cluster_active(cl) && cluster_has_provider(cl, p->rec->provider->name))
            return cl;
    return NULL;
}

int ecs_delete_capacity_provider(struct call *c,
                                 const struct ecs_delete_capacity_provider_request *in,
                                 struct ecs_delete_capacity_provider_response *out)
{
    const char *name = ecs_last_segment(in->capacity_provider);
    if (streq(name, PROVIDER_FARGATE_NAME) || streq(name, PROVIDER_SPOT_NAME))
        return call_fault(c, &ecs_client_exception,
                          "The %s capacity provider is reserved and cannot be deleted.",
                          name);
    struct capacity_provider *p = provider_require(c, in->capacity_provider);
    if (!p)
        return -1;
    const struct cluster *cl = associated(c, p);
    if (cl && p->rec->provider->managed_instances_provider && !provider_used(cl, name))
        cluster_remove_provider(c->core, (struct cluster *)(uintptr_t)cl, name);
    else if (cl)
        return call_fault(c, &ecs_client_exception,
                          "The specified capacity provider is in use and cannot be "
                          "deleted. Remove it from cluster %s and try again.",
                          cl->name);
    reply_with(c, p, &out->capacity_provider);
    out->capacity_provider->update_status =
        ECS_CAPACITY_PROVIDER_UPDATE_STATUS_DELETE_IN_PROGRESS;
    object_delete(c->core, &p->o);
    return 0;
}

/* ---- DescribeCapacityProviders ---- */

static void describe_named(struct call *c,
                           const struct ecs_describe_capacity_providers_request *in,
                           bool tags,
                           struct ecs_describe_capacity_providers_response *out)
{
    struct cluster own = {.account = c->who.account_id, .region = c->region};
    for (size_t i = 0; i < in->capacity_providers.n; i++) {
        const char *reference = in->capacity_providers.v[i];
        enum provider_kind kind = provider_kind(c->core, &own, reference);
        if (provider_is_fargate(kind)) {
            fargate_view(c, ecs_last_segment(reference),
                         LIST_PUSH(&c->arena, &out->capacity_providers));
        } else if (kind != PROVIDER_NONE) {
            const struct capacity_provider *p =
                provider_find(c->core, own.account, own.region, reference);
            provider_view(&c->arena, p->rec->provider, tags,
                          LIST_PUSH(&c->arena, &out->capacity_providers));
        } else {
            struct ecs_failure *f = LIST_PUSH(&c->arena, &out->failures);
            f->arn = arn_looks_like(reference)
                         ? reference
                         : ecs_arn(&c->arena, own.region, own.account,
                                   "capacity-provider/%s", reference);
            f->reason = "MISSING";
        }
    }
}

/* The reserved ones first, then those of the account by name. */
static int describe_page(struct call *c,
                         const struct ecs_describe_capacity_providers_request *in,
                         const struct cluster *cl, bool tags,
                         struct ecs_describe_capacity_providers_response *out)
{
    size_t limit;
    const char *at;
    struct table *t = ecs_of(c->core)->capacity_providers;
    const char *prefix = provider_key(&c->arena, c->who.account_id, c->region, "");
    if (ecs_page_size(c, in->max_results, 10, 10, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    static const char *const reserved[] = {PROVIDER_FARGATE_NAME, PROVIDER_SPOT_NAME};
    for (int i = 0; i < 2; i++) {
        /* A position before all names, which have no such characters. */
        const char *position = call_printf(c, "%s%c", prefix, i + 1);
        if (strcmp(at, position) >= 0 || (cl && !cluster_has_provider(cl, reserved[i])))
            continue;
        if (out->capacity_providers.n >= limit) {
            out->next_token = page_token(&c->arena, at);
            return 0;
        }
        fargate_view(c, reserved[i], LIST_PUSH(&c->arena, &out->capacity_providers));
        at = position;
    }
    struct capacity_provider *p;
    for (; (p = table_next(t, prefix, at)); at = p->o.key) {
        if (cl && !cluster_has_provider(cl, p->rec->provider->name))
            continue;
        if (out->capacity_providers.n >= limit) {
            out->next_token = page_token(&c->arena, at);
            break;
        }
        provider_view(&c->arena, p->rec->provider, tags,
                      LIST_PUSH(&c->arena, &out->capacity_providers));
    }
    return 0;
}

int ecs_describe_capacity_providers(
    struct call *c, const struct ecs_describe_capacity_providers_request *in,
    struct ecs_describe_capacity_providers_response *out)
{
    const struct cluster *cl = NULL;
    if (in->cluster && !(cl = cluster_require(c, in->cluster)))
        return -1;
    bool tags = false;
    for (size_t i = 0; i < in->include.n; i++)
        tags |= in->include.v[i] == ECS_CAPACITY_PROVIDER_FIELD_TAGS;
    out->capacity_providers.set = out->failures.set = true;
    if (in->capacity_providers.n == 0)
        return describe_page(c, in, cl, tags, out);
    if (in->capacity_providers.n > 100)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Capacity providers cannot have more than 100 elements.");
    describe_named(c, in, tags, out);
    return 0;
}
