#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "capacity_provider.h"
#include "daemon.h"
#include "task_set.h"

/* Letters and digits of any script, blanks and _.:/=+-@ . Beyond ASCII every character
 * is taken: the service's own rule speaks of Unicode letters, and marks belong to them. */
static bool text_valid(const char *s)
{
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch < 0x80 && !isalnum(ch) && !strchr(" _.:/=+-@", ch))
            return false;
    }
    return true;
}

static int tag_check(struct call *c, const struct ecs_tag *t)
{
    if (str_empty(t->key) || utf8_length(t->key) > 128)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Tag keys must be between 1 and 128 characters long.");
    if (t->value && utf8_length(t->value) > 256)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Tag values must be at most 256 characters long.");
    if (strncasecmp(t->key, "aws:", 4) == 0)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Tag keys cannot begin with 'aws:' as it is reserved.");
    if (!text_valid(t->key) || (t->value && !text_valid(t->value)))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Some tags contain invalid characters. Valid characters: "
                          "UTF-8 letters, spaces, numbers and _ . / = + - : @.");
    return 0;
}

int tags_check(struct call *c, const struct ecs_tag_list *tags)
{
    if (tags->n > 50)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The maximum number of tags per resource is 50.");
    for (size_t i = 0; i < tags->n; i++) {
        if (tag_check(c, &tags->v[i]) < 0)
            return -1;
        for (size_t j = 0; j < i; j++)
            if (streq(tags->v[i].key, tags->v[j].key))
                return call_fault(c, &ecs_invalid_parameter_exception,
                                  "Duplicate tag keys found: %s", tags->v[i].key);
    }
    return 0;
}

void tags_set(struct arena *a, struct ecs_tag_list *into, const char *key,
              const char *value)
{
    struct ecs_tag *slot = NULL;
    for (size_t i = 0; i < into->n && !slot; i++)
        if (streq(into->v[i].key, key))
            slot = &into->v[i];
    if (!slot) {
        slot = LIST_PUSH(a, into);
        slot->key = arena_strdup(a, key);
    }
    slot->value = arena_strdup(a, value ? value : "");
}

void tags_merge(struct arena *a, struct ecs_tag_list *into,
                const struct ecs_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++)
        tags_set(a, into, from->v[i].key, from->v[i].value);
}

/* ---- TagResource, UntagResource, ListTagsForResource ---- */

struct tagged {
    struct object *object;
    struct ecs_tag_list *tags;
};

static int not_taggable(struct call *c, const char *arn)
{
    return call_fault(c, &ecs_invalid_parameter_exception, "Invalid resource ARN: '%s'",
                      arn);
}

static struct cluster *cluster_of_resource(struct call *c, const char *resource)
{
    const char *first = strchr(resource, '/');
    const char *second = first ? strchr(first + 1, '/') : NULL;
    if (!first)
        return NULL;
    size_t n = second ? (size_t)(second - first - 1) : strlen(first + 1);
    return cluster_find(c, arena_strndup(&c->arena, first + 1, n));
}

static int missing(struct call *c, const char *what)
{
    if (streq(what, "service"))
        return call_fault(c, &ecs_service_not_found_exception, "Service not found.");
    return call_fault(c, &ecs_invalid_parameter_exception,
                      "The specified %s could not be found.", what);
}

static int tagged_find(struct call *c, const char *text, struct tagged *ret)
{
    struct arn arn;
    if (!arn_parse(&c->arena, text, &arn) || !streq(arn.service, "ecs") ||
        !strchr(arn.resource, '/'))
        return not_taggable(c, text);
    if (str_starts(arn.resource, "task-definition/")) {
        struct taskdef *td = taskdef_find(c, text);
        if (!td)
            return missing(c, "task definition");
        *ret = (struct tagged){&td->o, &td->rec->tags};
        return 0;
    }
    if (str_starts(arn.resource, "daemon-task-definition/")) {
        struct taskdef *td = daemon_taskdef_find(c, text);
        if (!td)
            return missing(c, "daemon task definition");
        *ret = (struct tagged){&td->o, &td->rec->tags};
        return 0;
    }
    if (str_starts(arn.resource, "capacity-provider/")) {
        struct capacity_provider *p =
            provider_find(c->core, c->who.account_id, c->region, text);
        if (!p)
            return missing(c, "capacity provider");
        *ret = (struct tagged){&p->o, &p->rec->provider->tags};
        return 0;
    }
    if (str_starts(arn.resource, "daemon/")) {
        struct service *s = daemon_require(c, text);
        if (!s)
            return -1;
        *ret = (struct tagged){&s->o, &s->rec->service->tags};
        return 0;
    }
    struct cluster *cl = cluster_of_resource(c, arn.resource);
    if (!cl || !cluster_active(cl))
        return call_fault(c, &ecs_cluster_not_found_exception, "Cluster not found.");
    if (str_starts(arn.resource, "cluster/")) {
        *ret = (struct tagged){&cl->o, &cl->rec->cluster->tags};
    } else if (str_starts(arn.resource, "service/")) {
        struct service *s = service_find(c->core, cl, text);
        if (!s)
            return missing(c, "service");
        *ret = (struct tagged){&s->o, &s->rec->service->tags};
    } else if (str_starts(arn.resource, "task-set/")) {
        struct object *o;
        struct ecs_task_set *set = task_set_by_arn(c->core, cl, text, &o);
        if (!set)
            return missing(c, "task set");
        *ret = (struct tagged){o, &set->tags};
    } else if (str_starts(arn.resource, "task/")) {
        struct task *t = task_find(c->core, cl, text);
        if (!t || t->stopping)
            return missing(c, "task");
        *ret = (struct tagged){&t->o, &t->rec->task->tags};
    } else if (str_starts(arn.resource, "container-instance/")) {
        struct instance *i = instance_find(c->core, cl, text);
        if (!i)
            return missing(c, "container instance");
        *ret = (struct tagged){&i->o, &i->rec->instance->tags};
    } else {
        return not_taggable(c, text);
    }
    return 0;
}

int ecs_tag_resource(struct call *c, const struct ecs_tag_resource_request *in,
                     struct ecs_tag_resource_response *out)
{
    struct tagged found;
    if (tags_check(c, &in->tags) < 0 || tagged_find(c, in->resource_arn, &found) < 0)
        return -1;
    struct ecs_tag_list merged = {0};
    tags_merge(&c->arena, &merged, found.tags);
    tags_merge(&c->arena, &merged, &in->tags);
    if (merged.n > 50)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The maximum number of tags per resource is 50.");
    tags_merge(&found.object->arena, found.tags, &in->tags);
    object_save(c->core, found.object);
    return 0;
}

int ecs_untag_resource(struct call *c, const struct ecs_untag_resource_request *in,
                       struct ecs_untag_resource_response *out)
{
    struct tagged found;
    if (tagged_find(c, in->resource_arn, &found) < 0)
        return -1;
    size_t kept = 0;
    for (size_t i = 0; i < found.tags->n; i++) {
        bool drop = false;
        for (size_t j = 0; j < in->tag_keys.n && !drop; j++)
            drop = streq(found.tags->v[i].key, in->tag_keys.v[j]);
        if (!drop)
            found.tags->v[kept++] = found.tags->v[i];
    }
    /* A shorter list keeps its old capacity, which is at least what its length claims. */
    found.tags->n = kept;
    object_save(c->core, found.object);
    return 0;
}

int ecs_list_tags_for_resource(struct call *c,
                               const struct ecs_list_tags_for_resource_request *in,
                               struct ecs_list_tags_for_resource_response *out)
{
    struct tagged found;
    if (tagged_find(c, in->resource_arn, &found) < 0)
        return -1;
    out->tags.set = true;
    tags_merge(&c->arena, &out->tags, found.tags);
    return 0;
}
