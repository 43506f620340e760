/* Tag…, Untag…, List…Tags of users, roles, policies, instance profiles and providers. */
#include "iam_policy.h"
#include "iam_provider.h"
#include "iam_reply.h"

/* A thing that has tags; .o NULL after a fault. */
struct taggable {
    struct object *o;
    struct iam_tag_list *tags;
};

static struct taggable user(struct call *c, const char *name)
{
    struct iam_user_entity *u = iam_user_require(c, name);
    return u ? (struct taggable){&u->e.o, &u->e.rec->tags} : (struct taggable){0};
}

static struct taggable role(struct call *c, const char *name)
{
    struct iam_role_entity *r = iam_role_require(c, name);
    return r ? (struct taggable){&r->e.o, &r->e.rec->tags} : (struct taggable){0};
}

static struct taggable profile(struct call *c, const char *name)
{
    struct iam_profile *p = iam_profile_require(c, name);
    return p ? (struct taggable){&p->o, &p->rec->tags} : (struct taggable){0};
}

static struct taggable policy(struct call *c, const char *arn)
{
    struct iam_managed_policy *p = iam_policy_change(c, arn);
    return p ? (struct taggable){&p->o, &p->rec->policy->tags} : (struct taggable){0};
}

/* AWS's own have none, but can be asked. */
static struct taggable policy_to_read(struct call *c, const char *arn)
{
    struct iam_managed_policy *p = iam_policy_require(c, arn);
    return p ? (struct taggable){&p->o, &p->rec->policy->tags} : (struct taggable){0};
}

static struct taggable provider(struct call *c, const char *arn)
{
    struct iam_provider *p = iam_provider_find(c->core, c->who.account_id, arn);
    if (p)
        return (struct taggable){&p->o, &p->rec->tags};
    call_fault(c, &iam_no_such_entity_exception,
               "OpenIDConnect Provider not found for arn %s", arn);
    return (struct taggable){0};
}

static int list(struct call *c, const struct taggable *t, const char *marker,
                struct opt_int max_items, struct iam_tag_list *ret, struct iam_page *page)
{
    if (!t->o || iam_page(c, marker, max_items, t->tags->n, page) < 0)
        return -1;
    ret->set = true;
    for (size_t i = page->from; i < page->end; i++)
        *LIST_PUSH(&c->arena, ret) = t->tags->v[i];
    return 0;
}

#define TAG_OPS(kind, name, find, find_to_read)                                          \
    int iam_tag_##kind(struct call *c, const struct iam_tag_##kind##_request *in,        \
                       void *out)                                                        \
    {                                                                                    \
        const struct taggable t = find(c, in->name);                                     \
        return t.o ? iam_tags_add(c, t.o, t.tags, &in->tags) : -1;                       \
    }                                                                                    \
    int iam_untag_##kind(struct call *c, const struct iam_untag_##kind##_request *in,    \
                         void *out)                                                      \
    {                                                                                    \
        const struct taggable t = find(c, in->name);                                     \
        return t.o ? iam_tags_remove(c, t.o, t.tags, &in->tag_keys) : -1;                \
    }                                                                                    \
    int iam_list_##kind##_tags(struct call *c,                                           \
                               const struct iam_list_##kind##_tags_request *in,          \
                               struct iam_list_##kind##_tags_response *out)              \
    {                                                                                    \
        const struct taggable t = find_to_read(c, in->name);                             \
        struct iam_page page;                                                            \
        if (list(c, &t, in->marker, in->max_items, &out->tags, &page) < 0)               \
            return -1;                                                                   \
        out->is_truncated = page.is_truncated;                                           \
        out->marker = page.marker;                                                       \
        return 0;                                                                        \
    }

TAG_OPS(user, user_name, user, user)
TAG_OPS(role, role_name, role, role)
TAG_OPS(policy, policy_arn, policy, policy_to_read)
TAG_OPS(instance_profile, instance_profile_name, profile, profile)
TAG_OPS(open_id_connect_provider, open_id_connect_provider_arn, provider, provider)
