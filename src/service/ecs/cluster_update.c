/* PutClusterCapacityProviders, UpdateCluster, UpdateClusterSettings. */
#include "capacity_provider.h"
#include "cluster_view.h"

/* ---- capacity providers ---- */

static bool named(const struct string_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], name))
            return true;
    return false;
}

/* One that was made for a cluster serves only that. */
static int own_cluster_check(struct call *c, const struct cluster *cl, const char *name)
{
    const struct capacity_provider *p =
        provider_find(c->core, c->who.account_id, c->region, name);
    const char *of = p ? p->rec->provider->cluster : NULL;
    if (!of || (cl && streq(of, cl->rec->cluster->cluster_arn)))
        return 0;
    return call_fault(c, &ecs_invalid_parameter_exception,
                      "The capacity provider %s belongs to another cluster.", name);
}

static int names_check(struct call *c, const struct cluster *cl,
                       struct string_list *names)
{
    struct cluster own = {.account = c->who.account_id, .region = c->region};
    struct string_list checked = {.set = true};
    if (names->n > PROVIDER_MAX)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "A cluster can have at most 20 capacity providers.");
    for (size_t i = 0; i < names->n; i++) {
        const char *name = ecs_last_segment(names->v[i]);
        if (provider_kind(c->core, &own, names->v[i]) == PROVIDER_NONE)
            return call_fault(c, &ecs_invalid_parameter_exception, PROVIDER_NOT_FOUND);
        if (named(&checked, name))
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "The capacity provider %s is named more than once.", name);
        if (own_cluster_check(c, cl, name) < 0)
            return -1;
        *LIST_PUSH(&c->arena, &checked) = name;
    }
    *names = checked;
    return 0;
}

static int strategy_check(struct call *c, struct cluster_providers *p)
{
    if (p->strategy.n == 0)
        return 0;
    if (provider_strategy_check(c, NULL, &p->strategy) < 0)
        return -1;
    for (size_t i = 0; i < p->strategy.n; i++)
        if (!named(&p->names, p->strategy.v[i].capacity_provider))
            return call_fault(
                c, &ecs_invalid_parameter_exception,
                "The specified capacity provider strategy cannot contain a capacity "
                "provider that is not associated with the cluster. Associate the "
                "capacity provider with the cluster and try again.");
    return 0;
}

int cluster_providers_check(struct call *c, struct cluster_providers *p)
{
    return names_check(c, NULL, &p->names) < 0 ? -1 : strategy_check(c, p);
}

void cluster_providers_keep(struct cluster *cl, const struct cluster_providers *p)
{
    struct arena *a = &cl->o.arena;
    struct ecs_cluster *rec = cl->rec->cluster;
    rec->capacity_providers = (struct string_list){.set = true};
    rec->default_capacity_provider_strategy =
        (struct ecs_capacity_provider_strategy_item_list){.set = true};
    for (size_t i = 0; i < p->names.n; i++)
        *LIST_PUSH(a, &rec->capacity_providers) = arena_strdup(a, p->names.v[i]);
    for (size_t i = 0; i < p->strategy.n; i++)
        wire_copy_into(a, &ecs_capacity_provider_strategy_item_shape, &p->strategy.v[i],
                       LIST_PUSH(a, &rec->default_capacity_provider_strategy));
}

bool provider_used(const struct cluster *cl, const char *name)
{
    list_for_each (it, &cl->services) {
        const struct ecs_service *s = list_entry(it, struct service, link)->rec->service;
        for (size_t i = 0; i < s->capacity_provider_strategy.n; i++)
            if (!streq(s->status, "INACTIVE") &&
                streq(s->capacity_provider_strategy.v[i].capacity_provider, name))
                return true;
        for (size_t i = 0; i < s->task_sets.n; i++)
            for (size_t k = 0; k < s->task_sets.v[i].capacity_provider_strategy.n; k++)
                if (streq(s->task_sets.v[i]
                              .capacity_provider_strategy.v[k]
                              .capacity_provider,
                          name))
                    return true;
    }
    list_for_each (it, &cl->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        if (t->status != TASK_STOPPED &&
            streq(t->rec->task->capacity_provider_name, name))
            return true;
    }
    return false;
}

void cluster_remove_provider(struct core *core, struct cluster *cl, const char *name)
{
    struct ecs_cluster *rec = cl->rec->cluster;
    size_t kept = 0;
    for (size_t i = 0; i < rec->capacity_providers.n; i++)
        if (!streq(rec->capacity_providers.v[i], name))
            rec->capacity_providers.v[kept++] = rec->capacity_providers.v[i];
    rec->capacity_providers.n = kept;
    struct ecs_capacity_provider_strategy_item_list *s =
        &rec->default_capacity_provider_strategy;
    kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!streq(s->v[i].capacity_provider, name))
            s->v[kept++] = s->v[i];
    s->n = kept;
    object_save(core, &cl->o);
}

static int reply_with(struct call *c, const struct cluster *cl, struct ecs_cluster **ret)
{
    struct cluster_include inc = {
        .attachments = true, .configurations = true, .settings = true, .tags = true};
    *ret = arena_new(&c->arena, struct ecs_cluster);
    cluster_view(c->core, &c->arena, cl, &inc, *ret);
    return 0;
}

int ecs_put_cluster_capacity_providers(
    struct call *c, const struct ecs_put_cluster_capacity_providers_request *in,
    struct ecs_put_cluster_capacity_providers_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    struct cluster_providers p = {in->capacity_providers,
                                  in->default_capacity_provider_strategy};
    if (!cl || names_check(c, cl, &p.names) < 0 || strategy_check(c, &p) < 0)
        return -1;
    const struct string_list *had = &cl->rec->cluster->capacity_providers;
    for (size_t i = 0; i < had->n; i++)
        if (!named(&p.names, had->v[i]) && provider_used(cl, had->v[i]))
            return call_fault(c, &ecs_resource_in_use_exception,
                              "The specified capacity provider is in use and cannot be "
                              "removed.");
    cluster_providers_keep(cl, &p);
    object_save(c->core, &cl->o);
    return reply_with(c, cl, &out->cluster);
}

/* ---- settings and configuration ---- */

static void settings_keep(struct cluster *cl,
                          const struct ecs_cluster_setting_list *settings)
{
    struct arena *a = &cl->o.arena;
    struct ecs_cluster *rec = cl->rec->cluster;
    for (size_t i = 0; i < settings->n; i++) {
        struct ecs_cluster_setting *slot = NULL;
        for (size_t k = 0; k < rec->settings.n && !slot; k++)
            if (rec->settings.v[k].name == settings->v[i].name)
                slot = &rec->settings.v[k];
        if (!slot)
            slot = LIST_PUSH(a, &rec->settings);
        slot->name = settings->v[i].name;
        slot->value = arena_strdup(a, settings->v[i].value);
    }
}

static int setting_values_check(struct call *c,
                                const struct ecs_cluster_setting_list *settings)
{
    for (size_t i = 0; i < settings->n; i++)
        if (!settings->v[i].name || !settings->v[i].value)
            return call_fault(c, &ecs_invalid_parameter_exception,
                              "A cluster setting needs a name and a value.");
    return cluster_settings_check(c, settings);
}

int ecs_update_cluster_settings(struct call *c,
                                const struct ecs_update_cluster_settings_request *in,
                                struct ecs_update_cluster_settings_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || setting_values_check(c, &in->settings) < 0)
        return -1;
    settings_keep(cl, &in->settings);
    object_save(c->core, &cl->o);
    return reply_with(c, cl, &out->cluster);
}

int cluster_connect_check(
    struct call *c, const struct ecs_cluster_service_connect_defaults_request *defaults)
{
    if (!defaults || str_empty(defaults->namespace))
        return 0;
    return call_fault(c, &ecs_namespace_not_found_exception,
                      "The specified namespace was not found: this gantry has no "
                      "Service Connect namespaces.");
}

int ecs_update_cluster(struct call *c, const struct ecs_update_cluster_request *in,
                       struct ecs_update_cluster_response *out)
{
    struct cluster *cl = cluster_require(c, in->cluster);
    if (!cl || setting_values_check(c, &in->settings) < 0 ||
        cluster_configuration_check(c, in->configuration) < 0 ||
        cluster_connect_check(c, in->service_connect_defaults) < 0)
        return -1;
    settings_keep(cl, &in->settings);
    if (in->configuration)
        cl->rec->cluster->configuration =
            wire_copy(&cl->o.arena, &ecs_cluster_configuration_shape, in->configuration);
    object_save(c->core, &cl->o);
    return reply_with(c, cl, &out->cluster);
}
