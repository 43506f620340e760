/* Managed policies of users, groups and roles, and boundaries. */
#include "iam_entity.h"
#include "iam_reply.h"

#define ATTACHED_MAX 10

/* ---- the rules ---- */

static const char *plural_limit(enum iam_kind kind)
{
    static const char *const words[IAM_KINDS] = {[IAM_USER] = "PoliciesPerUser",
                                                 [IAM_GROUP] = "PoliciesPerGroup",
                                                 [IAM_ROLE] = "PoliciesPerRole"};
    return words[kind];
}

static int attach(struct call *c, struct iam_entity *e, const char *arn)
{
    if (!e)
        return -1;
    struct iam_managed_policy *p = iam_policy_find(c->core, c->who.account_id, arn);
    if (!p && !arn_looks_like(arn))
        return call_fault(c, &iam_validation_fault, "ARN %s is not valid.", arn);
    if (!p)
        return call_fault(c, &iam_no_such_entity_exception,
                          "Policy %s does not exist or is not attachable.", arn);
    if (str_starts(p->rec->policy->path, "/aws-service-role/"))
        return call_fault(c, &iam_policy_not_attachable_exception,
                          "Cannot attach a Service Role Policy to a Customer Role.");
    if (iam_attached(e, p))
        return 0;
    if (e->attached_count >= ATTACHED_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for %s: %d", plural_limit(e->kind),
                          ATTACHED_MAX);
    iam_attach_policy(c->core, e, p);
    return 0;
}

static int detach(struct call *c, struct iam_entity *e, const char *arn)
{
    if (!e)
        return -1;
    struct iam_managed_policy *p = iam_policy_find(c->core, c->who.account_id, arn);
    struct iam_policy_use *use = p ? iam_attached(e, p) : NULL;
    if (!use)
        return call_fault(c, &iam_no_such_entity_exception, "Policy %s was not found.",
                          arn);
    iam_detach_policy(c->core, use);
    return 0;
}

static int list(struct call *c, const struct iam_entity *e, const char *path_prefix,
                const char *marker, struct opt_int max_items,
                struct iam_attached_policy_list *ret, struct iam_page *page)
{
    struct iam_attached_policy_list all = {0};
    if (!e)
        return -1;
    list_for_each (it, &e->attached) {
        const struct iam_policy *p =
            list_entry(it, struct iam_policy_use, of_entity)->policy->rec->policy;
        if (path_prefix && !str_starts(p->path, path_prefix))
            continue;
        *LIST_PUSH(&c->arena, &all) =
            (struct iam_attached_policy){p->policy_name, p->arn};
    }
    if (iam_page(c, marker, max_items, all.n, page) < 0)
        return -1;
    ret->set = true;
    for (size_t i = page->from; all.v && i < page->end; i++)
        *LIST_PUSH(&c->arena, ret) = all.v[i];
    return 0;
}

/* ---- the operations ---- */

#define ATTACH_OPS(kind, find, change)                                                   \
    int iam_attach_##kind##_policy(                                                      \
        struct call *c, const struct iam_attach_##kind##_policy_request *in, void *out)  \
    {                                                                                    \
        return attach(c, change(c, in->kind##_name), in->policy_arn);                    \
    }                                                                                    \
    int iam_detach_##kind##_policy(                                                      \
        struct call *c, const struct iam_detach_##kind##_policy_request *in, void *out)  \
    {                                                                                    \
        return detach(c, change(c, in->kind##_name), in->policy_arn);                    \
    }                                                                                    \
    int iam_list_attached_##kind##_policies(                                             \
        struct call *c, const struct iam_list_attached_##kind##_policies_request *in,    \
        struct iam_list_attached_##kind##_policies_response *out)                        \
    {                                                                                    \
        struct iam_page page;                                                            \
        if (list(c, find(c, in->kind##_name), in->path_prefix, in->marker,               \
                 in->max_items, &out->attached_policies, &page) < 0)                     \
            return -1;                                                                   \
        out->is_truncated = page.is_truncated;                                           \
        out->marker = page.marker;                                                       \
        return 0;                                                                        \
    }

ATTACH_OPS(user, iam_user_entity_require, iam_user_entity_require)
ATTACH_OPS(group, iam_group_entity_require, iam_group_entity_require)
ATTACH_OPS(role, iam_role_entity_require, iam_role_entity_change)

/* ---- boundaries ---- */

static int boundary_put(struct call *c, struct iam_entity *e, const char *arn)
{
    struct iam_managed_policy *p;
    if (!e || iam_boundary_given(c, arn, &p) < 0)
        return -1;
    iam_boundary_set(c->core, e, p);
    return 0;
}

static int boundary_delete(struct call *c, struct iam_entity *e)
{
    if (!e)
        return -1;
    if (!e->boundary)
        return call_fault(c, &iam_no_such_entity_exception,
                          "No permissions boundary is set for the %s %s.",
                          iam_kind_word(e->kind), e->rec->name);
    iam_boundary_set(c->core, e, NULL);
    return 0;
}

#define BOUNDARY_OPS(kind, change)                                                       \
    int iam_put_##kind##_permissions_boundary(                                           \
        struct call *c, const struct iam_put_##kind##_permissions_boundary_request *in,  \
        void *out)                                                                       \
    {                                                                                    \
        return boundary_put(c, change(c, in->kind##_name), in->permissions_boundary);    \
    }                                                                                    \
    int iam_delete_##kind##_permissions_boundary(                                        \
        struct call *c,                                                                  \
        const struct iam_delete_##kind##_permissions_boundary_request *in, void *out)    \
    {                                                                                    \
        return boundary_delete(c, change(c, in->kind##_name));                           \
    }

BOUNDARY_OPS(user, iam_user_entity_require)
BOUNDARY_OPS(role, iam_role_entity_change)
