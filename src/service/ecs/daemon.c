/* See daemon.h. */
#include "daemon.h"

#include <string.h>

#define PREFIX ".daemon." /* of the service's name */

bool service_hidden(const struct service *s)
{
    return s->rec->daemon != NULL;
}

bool daemon_wants(const struct service *s, const struct instance *i)
{
    const char *provider = i->rec->instance->capacity_provider_name;
    if (!s || !service_hidden(s))
        return true;
    const struct string_list *l = &s->rec->daemon->capacity_provider_names;
    for (size_t n = 0; provider && n < l->n; n++)
        if (streq(l->v[n], provider))
            return true;
    return false;
}

const char *daemon_service_of_group(struct arena *a, const char *group)
{
    return str_starts(group, "daemon:") ? arena_printf(a, PREFIX "%s", group + 7) : NULL;
}

const char *service_group(struct arena *a, const struct service *s)
{
    if (service_hidden(s))
        return arena_printf(a, "daemon:%s", s->rec->daemon->name);
    return arena_printf(a, "service:%s", s->rec->service->service_name);
}

enum ecs_daemon_status daemon_status(const struct service *s)
{
    return streq(s->rec->service->status, "ACTIVE")
               ? ECS_DAEMON_STATUS_ACTIVE
               : ECS_DAEMON_STATUS_DELETE_IN_PROGRESS;
}

struct service *daemon_find(struct call *c, struct cluster *cl, const char *name)
{
    struct service *s = service_by_name(c->core, cl, call_printf(c, PREFIX "%s", name));
    return s && !streq(s->rec->service->status, "INACTIVE") ? s : NULL;
}

int daemon_missing(struct call *c)
{
    return call_fault(c, &ecs_daemon_not_found_exception,
                      "The specified daemon was not found.");
}

/* daemon/CLUSTER/NAME */
struct service *daemon_require(struct call *c, const char *text)
{
    struct arn arn;
    struct service *s = NULL;
    if (arn_looks_like(text) && arn_parse(&c->arena, text, &arn) &&
        streq(arn.account, c->who.account_id) && streq(arn.region, c->region) &&
        str_starts(arn.resource, "daemon/")) {
        const char *cluster = arn.resource + strlen("daemon/");
        const char *slash = strchr(cluster, '/');
        struct cluster *cl =
            slash ? cluster_require(
                        c, arena_strndup(&c->arena, cluster, (size_t)(slash - cluster)))
                  : NULL;
        if (slash && !cl)
            return NULL;
        if (cl)
            s = daemon_find(c, cl, slash + 1);
    }
    if (!s)
        daemon_missing(c);
    return s;
}

/* …:service-NOUN/CLUSTER/.daemon.NAME/ID as …:daemon-NOUN/CLUSTER/NAME/ID */
const char *daemon_history_arn(struct arena *a, const char *service_arn, const char *noun)
{
    const char *kind = arena_printf(a, ":service-%s/", noun);
    const char *at = service_arn ? strstr(service_arn, kind) : NULL;
    const char *name = at ? strstr(at, "/" PREFIX) : NULL;
    if (!name)
        return NULL;
    const char *cluster = at + strlen(kind);
    return arena_printf(a, "%.*s:daemon-%s/%.*s/%s", (int)(at - service_arn), service_arn,
                        noun, (int)(name - cluster), cluster, name + strlen("/" PREFIX));
}

const char *daemon_history_back(struct arena *a, const char *daemon_arn, const char *noun)
{
    const char *kind = arena_printf(a, ":daemon-%s/", noun);
    const char *at = strstr(daemon_arn, kind);
    const char *cluster = at ? at + strlen(kind) : NULL;
    const char *slash = cluster ? strchr(cluster, '/') : NULL;
    if (!slash)
        return NULL;
    return arena_printf(a, "%.*s:service-%s/%.*s/" PREFIX "%s", (int)(at - daemon_arn),
                        daemon_arn, noun, (int)(slash - cluster), cluster, slash + 1);
}
