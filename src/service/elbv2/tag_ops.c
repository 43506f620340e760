/* AddTags, RemoveTags, DescribeTags, for every kind of resource. */
#include <string.h>

#include "elb_tags.h"

#define RESOURCES_MAX 20

/* Its tags, and what to save after a change; faults the kind's own NotFound. */
static struct elbv2_tag_list *tags_of(struct call *c, const char *arn,
                                      struct object **ret)
{
    if (strstr(arn, ":loadbalancer/")) {
        struct balancer *b = balancer_require(c, arn);
        *ret = b ? &b->o : NULL;
        return b ? &b->rec->tags : NULL;
    }
    if (strstr(arn, ":targetgroup/")) {
        struct target_group *g = target_group_require(c, arn);
        *ret = g ? &g->o : NULL;
        return g ? &g->rec->tags : NULL;
    }
    if (strstr(arn, ":listener-rule/")) {
        struct rule *r = rule_require(c, arn);
        *ret = r ? &r->o : NULL;
        return r ? &r->rec->tags : NULL;
    }
    if (strstr(arn, ":listener/")) {
        struct listener *l = listener_require(c, arn);
        *ret = l ? &l->o : NULL;
        return l ? &l->rec->tags : NULL;
    }
    elb_invalid(
        c, "'%s' is not a valid load balancer, listener, rule or target group ARN", arn);
    return NULL;
}

static int resources_check(struct call *c, const struct string_list *arns)
{
    struct object *o;
    if (arns->n > RESOURCES_MAX)
        return elb_invalid(c, "At most %d resources can be given", RESOURCES_MAX);
    for (size_t i = 0; i < arns->n; i++)
        if (!tags_of(c, arns->v[i], &o))
            return -1;
    return 0;
}

int elbv2_add_tags(struct call *c, const struct elbv2_add_tags_input *in,
                   struct elbv2_add_tags_output *out)
{
    struct object *o;
    if (resources_check(c, &in->resource_arns) < 0 || elb_tags_check(c, &in->tags) < 0)
        return -1;
    for (size_t i = 0; i < in->resource_arns.n; i++) {
        const struct elbv2_tag_list *have = tags_of(c, in->resource_arns.v[i], &o);
        size_t n = have->n;
        for (size_t k = 0; k < in->tags.n; k++) {
            bool there = false;
            for (size_t j = 0; j < have->n; j++)
                there |= streq(have->v[j].key, in->tags.v[k].key);
            n += !there;
        }
        if (n > ELB_TAGS_MAX)
            return call_fault(c, &elbv2_too_many_tags_exception,
                              "The maximum number of tags is %d", ELB_TAGS_MAX);
    }
    for (size_t i = 0; i < in->resource_arns.n; i++) {
        struct elbv2_tag_list *have = tags_of(c, in->resource_arns.v[i], &o);
        elb_tags_merge(&o->arena, have, &in->tags);
        object_save(c->core, o);
    }
    return 0;
}

int elbv2_remove_tags(struct call *c, const struct elbv2_remove_tags_input *in,
                      struct elbv2_remove_tags_output *out)
{
    struct object *o;
    if (resources_check(c, &in->resource_arns) < 0)
        return -1;
    for (size_t i = 0; i < in->resource_arns.n; i++) {
        struct elbv2_tag_list *have = tags_of(c, in->resource_arns.v[i], &o);
        size_t kept = 0;
        for (size_t j = 0; j < have->n; j++) {
            bool goes = false;
            for (size_t k = 0; k < in->tag_keys.n; k++)
                goes |= streq(have->v[j].key, in->tag_keys.v[k]);
            if (!goes)
                have->v[kept++] = have->v[j];
        }
        have->n = kept;
        object_save(c->core, o);
    }
    return 0;
}

int elbv2_describe_tags(struct call *c, const struct elbv2_describe_tags_input *in,
                        struct elbv2_describe_tags_output *out)
{
    struct object *o;
    if (resources_check(c, &in->resource_arns) < 0)
        return -1;
    for (size_t i = 0; i < in->resource_arns.n; i++) {
        const struct elbv2_tag_list *have = tags_of(c, in->resource_arns.v[i], &o);
        struct elbv2_tag_description *to = LIST_PUSH(&c->arena, &out->tag_descriptions);
        to->resource_arn = in->resource_arns.v[i];
        to->tags = *have;
        to->tags.set = true;
    }
    return 0;
}
