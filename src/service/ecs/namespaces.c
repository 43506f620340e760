/* ListServicesByNamespace: services that speak Service Connect in one Cloud Map namespace.
 *
 * A namespace is known here when a service or a cluster's default names it, by name or ARN. */
#include "ecs_state.h"
#include "page.h"

static bool same_namespace(const char *a, const char *b)
{
    return a && b && (streq(a, b) || streq(ecs_last_segment(a), ecs_last_segment(b)));
}

static const char *default_namespace(const struct cluster *cl)
{
    const struct ecs_cluster_service_connect_defaults *d =
        cl->rec->cluster->service_connect_defaults;
    return d ? d->namespace : NULL;
}

static bool service_in(const struct service *s, const char *name)
{
    const struct ecs_service *rec = s->rec->service;
    if (!streq(rec->status, "ACTIVE") || rec->deployments.n == 0)
        return false;
    const struct ecs_service_connect_configuration *conf =
        rec->deployments.v[0].service_connect_configuration;
    if (!conf || !conf->enabled.v)
        return false;
    return same_namespace(
        conf->namespace ? conf->namespace : default_namespace(s->cluster), name);
}

static bool cluster_names(struct call *c, const char *name)
{
    struct table *table = ecs_of(c->core)->clusters;
    const char *prefix = ecs_key(&c->arena, "cluster", c->who.account_id, c->region, "");
    const char *at = prefix;
    for (struct cluster *cl; (cl = table_next(table, prefix, at)); at = cl->o.key)
        if (cluster_active(cl) && same_namespace(default_namespace(cl), name))
            return true;
    return false;
}

int ecs_list_services_by_namespace(
    struct call *c, const struct ecs_list_services_by_namespace_request *in,
    struct ecs_list_services_by_namespace_response *out)
{
    size_t limit;
    const char *at;
    struct table *table = ecs_of(c->core)->services;
    const char *prefix = ecs_key(&c->arena, "service", c->who.account_id, c->region, "");
    if (str_empty(in->namespace))
        return call_fault(c, &ecs_invalid_parameter_exception, "Namespace is missing");
    if (ecs_page_size(c, in->max_results, 10, 100, &limit) < 0 ||
        ecs_page_start(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->service_arns.set = true;
    for (struct service *s; (s = table_next(table, prefix, at)); at = s->o.key) {
        if (!service_in(s, in->namespace))
            continue;
        if (out->service_arns.n == limit) {
            out->next_token = page_token(&c->arena, at);
            break;
        }
        *LIST_PUSH(&c->arena, &out->service_arns) = s->rec->service->service_arn;
    }
    if (out->service_arns.n == 0 && !in->next_token && !cluster_names(c, in->namespace))
        return call_fault(c, &ecs_namespace_not_found_exception,
                          "The specified namespace was not found.");
    return 0;
}
