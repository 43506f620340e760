#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "capacity_provider.h"
#include "daemon.h"
#include "secret_change.h"
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
    if (streq(t->key, SECRET_CHANGE_TAG) && !streq(t->value, SECRET_CHANGE_RESTART))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The tag " SECRET_CHANGE_TAG " can be '" SECRET_CHANGE_RESTART
                          "' only.");
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

/* What can be tagged: how its ARN's resource begins, and how it is found. `cl` is the cluster
 * that the ARN names. */
struct taggable {
    const char *prefix, *noun;
    bool (*find)(struct call *c, struct cluster *cl, const char *text,
                 struct tagged *ret);
    bool in_cluster;
};

static bool found(struct tagged *ret, struct object *o, struct ecs_tag_list *tags)
{
    *ret = (struct tagged){o, tags};
    return true;
}

static bool find_taskdef(struct call *c, struct cluster *cl, const char *text,
                         struct tagged *ret)
{
    struct taskdef *td = taskdef_find(c, text);
    return td && found(ret, &td->o, &td->rec->tags);
}

static bool find_daemon_taskdef(struct call *c, struct cluster *cl, const char *text,
                                struct tagged *ret)
{
    struct taskdef *td = daemon_taskdef_find(c, text);
    return td && found(ret, &td->o, &td->rec->tags);
}

static bool find_provider(struct call *c, struct cluster *cl, const char *text,
                          struct tagged *ret)
{
    struct capacity_provider *p =
        provider_find(c->core, c->who.account_id, c->region, text);
    return p && found(ret, &p->o, &p->rec->provider->tags);
}

static bool find_daemon(struct call *c, struct cluster *cl, const char *text,
                        struct tagged *ret)
{
    struct service *s =
        ecs_own_arn(c, text) ? daemon_find(c, cl, ecs_last_segment(text)) : NULL;
    return s && found(ret, &s->o, &s->rec->service->tags);
}

static bool find_cluster(struct call *c, struct cluster *cl, const char *text,
                         struct tagged *ret)
{
    return found(ret, &cl->o, &cl->rec->cluster->tags);
}

static bool find_service(struct call *c, struct cluster *cl, const char *text,
                         struct tagged *ret)
{
    struct service *s = service_find(c->core, cl, text);
    return s && found(ret, &s->o, &s->rec->service->tags);
}

static bool find_task_set(struct call *c, struct cluster *cl, const char *text,
                          struct tagged *ret)
{
    struct object *o;
    struct ecs_task_set *set = task_set_by_arn(c->core, cl, text, &o);
    return set && found(ret, o, &set->tags);
}

static bool find_task(struct call *c, struct cluster *cl, const char *text,
                      struct tagged *ret)
{
    struct task *t = task_find(c->core, cl, text);
    return t && !t->stopping && found(ret, &t->o, &t->rec->task->tags);
}

static bool find_instance(struct call *c, struct cluster *cl, const char *text,
                          struct tagged *ret)
{
    struct instance *i = instance_find(c->core, cl, text);
    return i && found(ret, &i->o, &i->rec->instance->tags);
}

static const struct taggable taggables[] = {
    {"task-definition/", "task definition", find_taskdef, false},
    {"daemon-task-definition/", "daemon task definition", find_daemon_taskdef, false},
    {"capacity-provider/", "capacity provider", find_provider, false},
    {"daemon/", "daemon", find_daemon, true},
    {"cluster/", "cluster", find_cluster, true},
    {"service/", "service", find_service, true},
    {"task-set/", "task set", find_task_set, true},
    {"task/", "task", find_task, true},
    {"container-instance/", "container instance", find_instance, true},
};

static const struct taggable *taggable_of(const struct arn *arn)
{
    for (size_t i = 0; i < sizeof(taggables) / sizeof(taggables[0]); i++)
        if (str_starts(arn->resource, taggables[i].prefix))
            return &taggables[i];
    return NULL;
}

static struct cluster *cluster_of_resource(struct call *c, const char *resource)
{
    const char *first = strchr(resource, '/');
    const char *second = strchr(first + 1, '/');
    size_t n = second ? (size_t)(second - first - 1) : strlen(first + 1);
    struct cluster *cl = cluster_find(c, arena_strndup(&c->arena, first + 1, n));
    return cl && cluster_active(cl) ? cl : NULL;
}

static int missing(struct call *c, const struct taggable *kind)
{
    if (kind->find == find_service)
        return call_fault(c, &ecs_service_not_found_exception, "Service not found.");
    if (kind->find == find_daemon)
        return daemon_missing(c);
    return call_fault(c, &ecs_invalid_parameter_exception,
                      "The specified %s could not be found.", kind->noun);
}

static int tagged_find(struct call *c, const char *text, struct tagged *ret)
{
    struct arn arn;
    const struct taggable *kind;
    if (!arn_parse(&c->arena, text, &arn) || !streq(arn.service, "ecs") ||
        !(kind = taggable_of(&arn)))
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "Invalid resource ARN: '%s'", text);
    struct cluster *cl = NULL;
    if (kind->in_cluster && !(cl = cluster_of_resource(c, arn.resource)))
        return call_fault(c, &ecs_cluster_not_found_exception, "Cluster not found.");
    return kind->find(c, cl, text, ret) ? 0 : missing(c, kind);
}

const char *ecs_tag_of(struct call *c, const char *text, const char *key)
{
    struct arn arn;
    struct tagged t;
    struct cluster *cl = NULL;
    const struct taggable *kind =
        arn_parse(&c->arena, text, &arn) ? taggable_of(&arn) : NULL;
    if (!kind || (kind->in_cluster && !(cl = cluster_of_resource(c, arn.resource))) ||
        !kind->find(c, cl, text, &t))
        return NULL;
    for (size_t i = 0; i < t.tags->n; i++)
        if (strcasecmp(t.tags->v[i].key, key) == 0)
            return t.tags->v[i].value;
    return NULL;
}

int ecs_tag_resource(struct call *c, const struct ecs_tag_resource_request *in,
                     struct ecs_tag_resource_response *out)
{
    struct tagged it;
    if (tags_check(c, &in->tags) < 0 || tagged_find(c, in->resource_arn, &it) < 0)
        return -1;
    struct ecs_tag_list merged = {0};
    tags_merge(&c->arena, &merged, it.tags);
    tags_merge(&c->arena, &merged, &in->tags);
    if (merged.n > 50)
        return call_fault(c, &ecs_invalid_parameter_exception,
                          "The maximum number of tags per resource is 50.");
    tags_merge(&it.object->arena, it.tags, &in->tags);
    object_save(c->core, it.object);
    return 0;
}

int ecs_untag_resource(struct call *c, const struct ecs_untag_resource_request *in,
                       struct ecs_untag_resource_response *out)
{
    struct tagged it;
    if (tagged_find(c, in->resource_arn, &it) < 0)
        return -1;
    size_t kept = 0;
    for (size_t i = 0; i < it.tags->n; i++) {
        bool drop = false;
        for (size_t j = 0; j < in->tag_keys.n && !drop; j++)
            drop = streq(it.tags->v[i].key, in->tag_keys.v[j]);
        if (!drop)
            it.tags->v[kept++] = it.tags->v[i];
    }
    /* A shorter list keeps its old capacity, which is at least what its length claims. */
    it.tags->n = kept;
    object_save(c->core, it.object);
    return 0;
}

int ecs_list_tags_for_resource(struct call *c,
                               const struct ecs_list_tags_for_resource_request *in,
                               struct ecs_list_tags_for_resource_response *out)
{
    struct tagged it;
    if (tagged_find(c, in->resource_arn, &it) < 0)
        return -1;
    out->tags.set = true;
    tags_merge(&c->arena, &out->tags, it.tags);
    return 0;
}
