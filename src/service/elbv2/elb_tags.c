#include "elb_tags.h"

int elb_tags_check(struct call *c, const struct elbv2_tag_list *tags)
{
    if (tags->n > ELB_TAGS_MAX)
        return call_fault(c, &elbv2_too_many_tags_exception,
                          "The maximum number of tags is %d", ELB_TAGS_MAX);
    for (size_t i = 0; i < tags->n; i++) {
        if (str_starts(tags->v[i].key, "aws:"))
            return elb_invalid(c, "Tag keys beginning with 'aws:' are reserved");
        for (size_t k = 0; k < i; k++)
            if (streq(tags->v[k].key, tags->v[i].key))
                return call_fault(c, &elbv2_duplicate_tag_keys_exception,
                                  "Tag key '%s' was given twice", tags->v[i].key);
    }
    return 0;
}

void elb_tags_merge(struct arena *a, struct elbv2_tag_list *into,
                    const struct elbv2_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct elbv2_tag *to = NULL;
        for (size_t k = 0; k < into->n; k++)
            if (streq(into->v[k].key, from->v[i].key))
                to = &into->v[k];
        if (!to) {
            to = LIST_PUSH(a, into);
            to->key = arena_strdup(a, from->v[i].key);
        }
        to->value = arena_strdup(a, from->v[i].value ? from->v[i].value : "");
    }
}
