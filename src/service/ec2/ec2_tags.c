/* Tags, see ec2_tags.h. */
#include "ec2_tags.h"

int ec2_tags_check(struct call *c, const struct ec2_tag_list *tags)
{
    if (tags->n > EC2_TAGS_MAX)
        return ec2_fault(c, "TagLimitExceeded", "The maximum number of tags is %d.",
                         EC2_TAGS_MAX);
    for (size_t i = 0; i < tags->n; i++) {
        const struct ec2_tag *t = &tags->v[i];
        if (str_empty(t->key))
            return ec2_fault(c, "InvalidParameterValue", "Tag keys can not be empty.");
        if (str_starts(t->key, "aws:"))
            return ec2_fault(
                c, "InvalidParameterValue",
                "Tag keys starting with 'aws:' are reserved for internal use");
        if (utf8_length(t->key) > 127)
            return ec2_fault(c, "InvalidParameterValue",
                             "Tag key exceeds the maximum length of 127 characters");
        if (t->value && utf8_length(t->value) > 255)
            return ec2_fault(c, "InvalidParameterValue",
                             "Tag value exceeds the maximum length of 256 characters");
        for (size_t k = 0; k < i; k++)
            if (streq(tags->v[k].key, t->key))
                return ec2_fault(c, "InvalidParameterValue",
                                 "Duplicate tag key '%s' specified.", t->key);
    }
    return 0;
}

int ec2_tags_given(struct call *c, const struct ec2_tag_specification_list *specs,
                   const char *const *types)
{
    for (size_t i = 0; i < specs->n; i++) {
        const char *type =
            wire_enum_name(&ec2_resource_type_shape, (int)specs->v[i].resource_type);
        bool known = false;
        for (size_t k = 0; types[k]; k++)
            known |= streq(types[k], type);
        if (!known)
            return ec2_fault(c, "InvalidParameterValue",
                             "'%s' is not a valid taggable resource type for this "
                             "operation.",
                             type ? type : "");
        if (ec2_tags_check(c, &specs->v[i].tags) < 0)
            return -1;
    }
    return 0;
}

void ec2_tags_merge(struct arena *a, struct ec2_tag_list *into,
                    const struct ec2_tag_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        struct ec2_tag *to = NULL;
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

void ec2_tags_take(struct arena *a, const struct ec2_tag_specification_list *specs,
                   const char *type, struct ec2_tag_list *ret)
{
    for (size_t i = 0; i < specs->n; i++)
        if (streq(
                wire_enum_name(&ec2_resource_type_shape, (int)specs->v[i].resource_type),
                type))
            ec2_tags_merge(a, ret, &specs->v[i].tags);
}
