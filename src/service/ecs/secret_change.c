#include "secret_change.h"

#include <string.h>

#include "arn.h"
#include "event.h"
#include "service_rollout.h"
#include "task_set.h"

/* ---- does a reference mean the value that changed ---- */

/* …:secret:name-suffix[:key:stage:version]; the suffix may be left out. */
static bool means_secret(const char *from, const char *arn)
{
    size_t whole = strlen(arn), n = strncmp(from, arn, whole) == 0 ? whole : whole - 7;
    if (whole < 7 || strncmp(from, arn, n) != 0 || (from[n] != ':' && from[n] != '\0'))
        return false;
    const char *key = from[n] ? from + n + 1 : "";
    const char *stage = strchr(key, ':');
    const char *version = stage ? strchr(stage + 1, ':') : NULL;
    return !stage || (str_empty(version ? version + 1 : NULL) &&
                      (stage[1] == ':' || stage[1] == '\0' ||
                       str_starts(stage + 1, "AWSCURRENT:")));
}

/* A name is one of the service's own account and region. */
static bool means_parameter(const struct service *s, const char *from,
                            const struct arn *arn, const char *text)
{
    const char *name = arn->resource + strlen("parameter/");
    if (arn_looks_like(from))
        return streq(from, text);
    return streq(s->cluster->account, arn->account) &&
           streq(s->cluster->region, arn->region) && streq(from + (from[0] == '/'), name);
}

static bool means(const struct service *s, const char *from, const struct arn *arn,
                  const char *text)
{
    return streq(arn->service, "ssm") ? means_parameter(s, from, arn, text)
                                      : means_secret(from, text);
}

static bool any_means(const struct service *s, const struct ecs_secret_list *l,
                      const struct arn *arn, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (means(s, l->v[i].value_from, arn, text))
            return true;
    return false;
}

static bool service_uses(struct core *core, const struct service *s,
                         const struct arn *arn, const char *text)
{
    const struct taskdef *td = taskdef_by_arn(core, s->rec->service->task_definition);
    const struct ecs_task_definition *def = td ? td->rec->task_definition : NULL;
    for (size_t i = 0; def && i < def->container_definitions.n; i++) {
        const struct ecs_container_definition *d = &def->container_definitions.v[i];
        if (any_means(s, &d->secrets, arn, text) ||
            (d->log_configuration &&
             any_means(s, &d->log_configuration->secret_options, arn, text)))
            return true;
    }
    return false;
}

/* ---- the event ---- */

static bool service_wants(const struct service *s)
{
    const struct ecs_tag_list *tags = &s->rec->service->tags;
    if (!streq(s->rec->service->status, "ACTIVE") || service_external(s))
        return false;
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, SECRET_CHANGE_TAG))
            return streq(tags->v[i].value, SECRET_CHANGE_RESTART);
    return false;
}

/* Values change seldom: to ask every service costs less than to know who uses what. */
static void on_change(struct core *core, const char *text)
{
    struct table *t = ecs_of(core)->services;
    const char *prefix = "/ecs/service/";
    struct arn arn;
    if (!arn_parse(core_scratch(core), text, &arn))
        return;
    for (struct service *s = table_next(t, prefix, prefix); s;
         s = table_next(t, prefix, s->o.key)) {
        if (!service_wants(s) || !service_uses(core, s, &arn, text))
            continue;
        s->rec->secret_changed = SET_BOOL(true);
        object_save(core, &s->o);
        wake_now(core, &s->wake);
    }
}

static void on_event(struct event_subscriber *self, struct core *core,
                     const struct event *event)
{
    const struct gantry_parameter_change *p = event->detail;
    if (event->shape == &gantry_secret_change_shape ||
        (event->shape == &gantry_parameter_change_shape && streq(p->operation, "Update")))
        on_change(core, event->resources.v[0]);
}

void secret_change_attach(struct core *core)
{
    struct event_subscriber *self = &ecs_of(core)->secret_changes;
    self->event = on_event;
    core_event_subscribe(core, self);
}

void secret_change_deploy(struct core *core, struct service *s)
{
    if (!s->rec->secret_changed.v)
        return;
    s->rec->secret_changed = (struct opt_bool){0};
    object_save(core, &s->o);
    if (service_wants(s))
        service_deploy(core, s, s->rec->service->task_definition);
}
