/* TagResource, UntagResource. */
#include <strings.h>

#include "secret.h"

#define TAGS_MAX 50

static struct secretsmanager_tag *tag_find(const struct secretsmanager_tag_list *tags,
                                           const char *key)
{
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, key))
            return &tags->v[i];
    return NULL;
}

const char *secret_tag(const struct secret *s, const char *key)
{
    const struct secretsmanager_tag *t = tag_find(&s->rec->tags, key);
    return t ? t->value : NULL;
}

static int too_many(struct call *c)
{
    return call_fault(c, &secretsmanager_invalid_parameter_exception,
                      "A secret can have %d tags at most.", TAGS_MAX);
}

int secret_tags_check(struct call *c, const struct secretsmanager_tag_list *tags)
{
    if (tags->n > TAGS_MAX)
        return too_many(c);
    for (size_t i = 0; i < tags->n; i++) {
        const char *key = tags->v[i].key;
        if (!key)
            return call_fault(c, &secretsmanager_invalid_parameter_exception,
                              "A tag needs a key.");
        if (strncasecmp(key, "aws:", 4) == 0)
            return call_fault(c, &secretsmanager_invalid_parameter_exception,
                              "Tag keys can't begin with 'aws:': it is reserved.");
        if (tag_find(tags, key) != &tags->v[i])
            return call_fault(c, &secretsmanager_invalid_parameter_exception,
                              "Duplicate tag key '%s'.", key);
    }
    return 0;
}

void secret_tags_merge(struct arena *a, struct secretsmanager_tag_list *into,
                       const struct secretsmanager_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct secretsmanager_tag *t = tag_find(into, from->v[i].key);
        if (!t) {
            t = LIST_PUSH(a, into);
            t->key = arena_strdup(a, from->v[i].key);
        }
        t->value = arena_strdup(a, from->v[i].value ? from->v[i].value : "");
    }
}

int secretsmanager_tag_resource(struct call *c,
                                const struct secretsmanager_tag_resource_request *in,
                                void *out)
{
    struct secret *s = secret_require_live(c, in->secret_id);
    if (!s || secret_tags_check(c, &in->tags) < 0)
        return -1;
    size_t n = s->rec->tags.n;
    for (size_t i = 0; i < in->tags.n; i++)
        n += !tag_find(&s->rec->tags, in->tags.v[i].key);
    if (n > TAGS_MAX)
        return too_many(c);
    secret_tags_merge(&s->o.arena, &s->rec->tags, &in->tags);
    s->rec->changed_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    return 0;
}

static bool is_listed(const struct string_list *keys, const char *key)
{
    for (size_t i = 0; i < keys->n; i++)
        if (streq(keys->v[i], key))
            return true;
    return false;
}

int secretsmanager_untag_resource(struct call *c,
                                  const struct secretsmanager_untag_resource_request *in,
                                  void *out)
{
    struct secret *s = secret_require_live(c, in->secret_id);
    if (!s)
        return -1;
    struct secretsmanager_tag_list *tags = &s->rec->tags;
    size_t n = 0;
    for (size_t i = 0; i < tags->n; i++)
        if (!is_listed(&in->tag_keys, tags->v[i].key))
            tags->v[n++] = tags->v[i];
    tags->n = n;
    s->rec->changed_at = SET_TIME(core_now_ms(c->core));
    object_save(c->core, &s->o);
    return 0;
}
