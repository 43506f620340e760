/* AddTagsToCertificate, RemoveTagsFromCertificate, ListTagsForCertificate. */
#include <strings.h>

#include "acm_state.h"

#define TAGS_MAX 50

int certificate_tags_check(struct call *c, const struct acm_tag_list *tags)
{
    for (size_t i = 0; i < tags->n; i++) {
        if (strncasecmp(tags->v[i].key, "aws:", 4) == 0)
            return call_fault(c, &acm_invalid_tag_exception,
                              "Tag keys can't begin with 'aws:': it is reserved.");
        for (size_t k = 0; k < i; k++)
            if (streq(tags->v[i].key, tags->v[k].key))
                return call_fault(c, &acm_invalid_tag_exception,
                                  "Duplicate tag key '%s'.", tags->v[i].key);
    }
    return 0;
}

static struct acm_tag *tag_find(const struct acm_tag_list *tags, const char *key)
{
    for (size_t i = 0; i < tags->n; i++)
        if (streq(tags->v[i].key, key))
            return &tags->v[i];
    return NULL;
}

void certificate_tags_merge(struct arena *a, struct acm_tag_list *into,
                            const struct acm_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct acm_tag *t = tag_find(into, from->v[i].key);
        if (!t) {
            t = LIST_PUSH(a, into);
            t->key = arena_strdup(a, from->v[i].key);
        }
        t->value = arena_strdup(a, from->v[i].value);
    }
}

int acm_add_tags_to_certificate(struct call *c,
                                const struct acm_add_tags_to_certificate_request *in,
                                void *out)
{
    struct certificate *x = certificate_require(c, in->certificate_arn);
    if (!x || certificate_tags_check(c, &in->tags) < 0)
        return -1;
    size_t n = x->rec->tags.n;
    for (size_t i = 0; i < in->tags.n; i++)
        n += !tag_find(&x->rec->tags, in->tags.v[i].key);
    if (n > TAGS_MAX)
        return call_fault(c, &acm_too_many_tags_exception,
                          "A certificate has at most %d tags.", TAGS_MAX);
    certificate_tags_merge(&x->o.arena, &x->rec->tags, &in->tags);
    object_save(c->core, &x->o);
    return 0;
}

/* With a value, only the pair; without one, whatever the key has. */
int acm_remove_tags_from_certificate(
    struct call *c, const struct acm_remove_tags_from_certificate_request *in, void *out)
{
    struct certificate *x = certificate_require(c, in->certificate_arn);
    if (!x || certificate_tags_check(c, &in->tags) < 0)
        return -1;
    struct acm_tag_list *tags = &x->rec->tags;
    for (size_t i = 0; i < in->tags.n; i++) {
        const struct acm_tag *want = &in->tags.v[i];
        struct acm_tag *t = tag_find(tags, want->key);
        if (!t || (want->value && !streq(want->value, t->value ? t->value : "")))
            continue;
        size_t behind = (size_t)(&tags->v[tags->n] - (t + 1));
        memmove(t, t + 1, behind * sizeof(*t));
        tags->n--;
    }
    object_save(c->core, &x->o);
    return 0;
}

int acm_list_tags_for_certificate(struct call *c,
                                  const struct acm_list_tags_for_certificate_request *in,
                                  struct acm_list_tags_for_certificate_response *out)
{
    const struct certificate *x = certificate_require(c, in->certificate_arn);
    if (!x)
        return -1;
    out->tags = x->rec->tags;
    out->tags.set = true;
    return 0;
}
