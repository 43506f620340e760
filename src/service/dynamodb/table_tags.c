/* TagResource, UntagResource, ListTagsOfResource. */
#include <strings.h>

#include "arn.h"
#include "item_table.h"

#define TAGS_MAX 50

static struct dynamodb_tag *tag_find(const struct dynamodb_tag_list *tags,
                                     const char *key)
{
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, key))
            return &tags->v[i];
    return NULL;
}

const char *table_tag(const struct item_table *t, const char *key)
{
    const struct dynamodb_tag *tag = tag_find(&t->rec->tags, key);
    return tag ? tag->value : NULL;
}

static int too_many(struct call *c)
{
    return refuse(c,
                  "One or more parameter values were invalid: Too many tags: a table can "
                  "have %d at most",
                  TAGS_MAX);
}

int table_tags_check(struct call *c, const struct dynamodb_tag_list *tags)
{
    if (tags->n > TAGS_MAX)
        return too_many(c);
    for (size_t i = 0; i < tags->n; i++) {
        const char *key = tags->v[i].key;
        if (strncasecmp(key, "aws:", 4) == 0)
            return refuse(
                c, "One or more parameter values were invalid: Tag keys can't begin "
                   "with 'aws:'");
        if (tag_find(tags, key) != &tags->v[i])
            return refuse(
                c, "One or more parameter values were invalid: Duplicate tag key: %s",
                key);
    }
    return 0;
}

void table_tags_merge(struct arena *a, struct dynamodb_tag_list *into,
                      const struct dynamodb_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct dynamodb_tag *t = tag_find(into, from->v[i].key);
        if (!t) {
            t = LIST_PUSH(a, into);
            t->key = arena_strdup(a, from->v[i].key);
        }
        t->value = arena_strdup(a, from->v[i].value);
    }
}

static struct item_table *require_arn(struct call *c, const char *arn)
{
    struct item_table *t = arn_looks_like(arn) ? item_table_find(c, arn) : NULL;
    if (t)
        return t;
    if (!arn_looks_like(arn))
        refuse(c, "Invalid TableArn: Invalid ResourceArn provided as input %s", arn);
    else
        call_fault(c, &dynamodb_resource_not_found_exception,
                   "Requested resource not found: ResourcArn: %s not found", arn);
    return NULL;
}

int dynamodb_tag_resource(struct call *c, const struct dynamodb_tag_resource_input *in,
                          void *out)
{
    struct item_table *t = require_arn(c, in->resource_arn);
    if (!t || table_tags_check(c, &in->tags) < 0)
        return -1;
    size_t n = t->rec->tags.n;
    for (size_t i = 0; i < in->tags.n; i++)
        n += !tag_find(&t->rec->tags, in->tags.v[i].key);
    if (n > TAGS_MAX)
        return too_many(c);
    table_tags_merge(&t->o.arena, &t->rec->tags, &in->tags);
    object_save(c->core, &t->o);
    return 0;
}

static bool is_listed(const struct string_list *keys, const char *key)
{
    for (size_t i = 0; i < keys->n; i++)
        if (streq(keys->v[i], key))
            return true;
    return false;
}

int dynamodb_untag_resource(struct call *c,
                            const struct dynamodb_untag_resource_input *in, void *out)
{
    struct item_table *t = require_arn(c, in->resource_arn);
    if (!t)
        return -1;
    struct dynamodb_tag_list *tags = &t->rec->tags;
    size_t n = 0;
    for (size_t i = 0; i < tags->n; i++)
        if (!is_listed(&in->tag_keys, tags->v[i].key))
            tags->v[n++] = tags->v[i];
    tags->n = n;
    object_save(c->core, &t->o);
    return 0;
}

int dynamodb_list_tags_of_resource(struct call *c,
                                   const struct dynamodb_list_tags_of_resource_input *in,
                                   struct dynamodb_list_tags_of_resource_output *out)
{
    const struct item_table *t = require_arn(c, in->resource_arn);
    if (!t)
        return -1;
    out->tags = t->rec->tags; /* all of them: there is no next page */
    out->tags.set = true;
    return 0;
}
