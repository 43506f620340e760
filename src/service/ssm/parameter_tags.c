/* AddTagsToResource, RemoveTagsFromResource, ListTagsForResource. */
#include <strings.h>

#include "parameter.h"

#define TAGS_MAX 50

static struct ssm_tag *tag_find(const struct ssm_tag_list *tags, const char *key)
{
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, key))
            return &tags->v[i];
    return NULL;
}

const char *parameter_tag(const struct parameter *p, const char *key)
{
    const struct ssm_tag *t = tag_find(&p->rec->tags, key);
    return t ? t->value : NULL;
}

int parameter_tags_check(struct call *c, const struct ssm_tag_list *tags)
{
    if (tags->n > TAGS_MAX)
        return call_fault(c, &ssm_validation_fault,
                          "A parameter can have %d tags at most.", TAGS_MAX);
    for (size_t i = 0; i < tags->n; i++) {
        if (strncasecmp(tags->v[i].key, "aws:", 4) == 0)
            return call_fault(c, &ssm_validation_fault,
                              "Tag keys can't begin with 'aws:': it is reserved.");
        if (tag_find(tags, tags->v[i].key) != &tags->v[i])
            return call_fault(c, &ssm_validation_fault, "Duplicate tag key '%s'.",
                              tags->v[i].key);
    }
    return 0;
}

void parameter_tags_merge(struct arena *a, struct ssm_tag_list *into,
                          const struct ssm_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct ssm_tag *t = tag_find(into, from->v[i].key);
        if (!t) {
            t = LIST_PUSH(a, into);
            t->key = arena_strdup(a, from->v[i].key);
        }
        t->value = arena_strdup(a, from->v[i].value);
    }
}

static struct parameter *
tagged_require(struct call *c, enum ssm_resource_type_for_tagging type, const char *id)
{
    if (type != SSM_RESOURCE_TYPE_FOR_TAGGING_PARAMETER) {
        call_fault(c, &ssm_invalid_resource_type,
                   "%s is not a valid resource type here: only Parameter is offered by "
                   "this gantry.",
                   wire_enum_name(&ssm_resource_type_for_tagging_shape, (int)type));
        return NULL;
    }
    struct parameter *p = parameter_find(c, id);
    if (!p)
        call_fault(c, &ssm_invalid_resource_id,
                   "The resource ID is not valid. Verify that you entered the correct ID "
                   "and try again.");
    return p;
}

int ssm_add_tags_to_resource(struct call *c,
                             const struct ssm_add_tags_to_resource_request *in,
                             struct ssm_add_tags_to_resource_result *out)
{
    struct parameter *p = tagged_require(c, in->resource_type, in->resource_id);
    if (!p || parameter_tags_check(c, &in->tags) < 0)
        return -1;
    size_t n = p->rec->tags.n;
    for (size_t i = 0; i < in->tags.n; i++)
        n += !tag_find(&p->rec->tags, in->tags.v[i].key);
    if (n > TAGS_MAX)
        return call_fault(c, &ssm_too_many_tags_error,
                          "A parameter can have %d tags at most.", TAGS_MAX);
    parameter_tags_merge(&p->o.arena, &p->rec->tags, &in->tags);
    object_save(c->core, &p->o);
    return 0;
}

static bool is_listed(const struct string_list *keys, const char *key)
{
    for (size_t i = 0; i < keys->n; i++)
        if (streq(keys->v[i], key))
            return true;
    return false;
}

int ssm_remove_tags_from_resource(struct call *c,
                                  const struct ssm_remove_tags_from_resource_request *in,
                                  struct ssm_remove_tags_from_resource_result *out)
{
    struct parameter *p = tagged_require(c, in->resource_type, in->resource_id);
    if (!p)
        return -1;
    struct ssm_tag_list *tags = &p->rec->tags;
    size_t n = 0;
    for (size_t i = 0; i < tags->n; i++)
        if (!is_listed(&in->tag_keys, tags->v[i].key))
            tags->v[n++] = tags->v[i];
    tags->n = n;
    object_save(c->core, &p->o);
    return 0;
}

int ssm_list_tags_for_resource(struct call *c,
                               const struct ssm_list_tags_for_resource_request *in,
                               struct ssm_list_tags_for_resource_result *out)
{
    const struct parameter *p = tagged_require(c, in->resource_type, in->resource_id);
    if (!p)
        return -1;
    out->tag_list = p->rec->tags;
    out->tag_list.set = true;
    return 0;
}
