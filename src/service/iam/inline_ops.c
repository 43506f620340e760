/* Inline policies of users, groups and roles: one set of rules, three names. */
#include "iam_entity.h"
#include "iam_reply.h"

/* Of all inline policies of one, without blanks. */
static const size_t size_max[IAM_KINDS] =
    {[IAM_USER] = 2048, [IAM_GROUP] = 5120, [IAM_ROLE] = 10240};

/* ---- the rules ---- */

static size_t total_size(const struct iam_entity *e,
                         const struct gantry_iam_inline_policy *but)
{
    size_t n = 0;
    for (size_t i = 0; i < e->inline_count; i++) {
        const struct gantry_iam_inline_policy *p = &e->rec->inline_policies.v[i];
        if (p != but)
            n += policy_size(p->document, strlen(p->document));
    }
    return n;
}

static int put(struct call *c, struct iam_entity *e, const char *name,
               const char *document)
{
    struct policy *compiled;
    if (!e)
        return -1;
    if (total_size(e, iam_inline_find(e, name)) +
            policy_size(document, strlen(document)) >
        size_max[e->kind])
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Maximum policy size of %zu bytes exceeded for %s %s",
                          size_max[e->kind], iam_kind_word(e->kind), e->rec->name);
    if (iam_document_compile(c, document, POLICY_IDENTITY, &compiled) < 0)
        return -1;
    iam_inline_set(c->core, e, name, document, compiled);
    return 0;
}

/* NULL after a fault. */
static const struct gantry_iam_inline_policy *
require(struct call *c, const struct iam_entity *e, const char *name)
{
    const struct gantry_iam_inline_policy *p = e ? iam_inline_find(e, name) : NULL;
    if (e && !p)
        call_fault(c, &iam_no_such_entity_exception,
                   "The %s policy with name %s cannot be found.", iam_kind_word(e->kind),
                   name);
    return p;
}

static int take_away(struct call *c, struct iam_entity *e, const char *name)
{
    if (!require(c, e, name))
        return -1;
    iam_inline_remove(c->core, e, name);
    return 0;
}

static int list(struct call *c, const struct iam_entity *e, const char *marker,
                struct opt_int max_items, struct string_list *ret, struct iam_page *page)
{
    if (!e || iam_page(c, marker, max_items, e->inline_count, page) < 0)
        return -1;
    ret->set = true;
    for (size_t i = page->from; i < page->end; i++)
        *LIST_PUSH(&c->arena, ret) = e->rec->inline_policies.v[i].name;
    return 0;
}

/* ---- the operations ---- */

#define INLINE_OPS(kind, find, change)                                                   \
    int iam_put_##kind##_policy(                                                         \
        struct call *c, const struct iam_put_##kind##_policy_request *in, void *out)     \
    {                                                                                    \
        return put(c, change(c, in->kind##_name), in->policy_name, in->policy_document); \
    }                                                                                    \
    int iam_get_##kind##_policy(struct call *c,                                          \
                                const struct iam_get_##kind##_policy_request *in,        \
                                struct iam_get_##kind##_policy_response *out)            \
    {                                                                                    \
        const struct iam_entity *e = find(c, in->kind##_name);                           \
        const struct gantry_iam_inline_policy *p = require(c, e, in->policy_name);       \
        if (!p)                                                                          \
            return -1;                                                                   \
        out->kind##_name = e->rec->name;                                                 \
        out->policy_name = p->name;                                                      \
        out->policy_document = iam_document_encode(&c->arena, p->document);              \
        return 0;                                                                        \
    }                                                                                    \
    int iam_delete_##kind##_policy(                                                      \
        struct call *c, const struct iam_delete_##kind##_policy_request *in, void *out)  \
    {                                                                                    \
        return take_away(c, change(c, in->kind##_name), in->policy_name);                \
    }                                                                                    \
    int iam_list_##kind##_policies(struct call *c,                                       \
                                   const struct iam_list_##kind##_policies_request *in,  \
                                   struct iam_list_##kind##_policies_response *out)      \
    {                                                                                    \
        struct iam_page page;                                                            \
        if (list(c, find(c, in->kind##_name), in->marker, in->max_items,                 \
                 &out->policy_names, &page) < 0)                                         \
            return -1;                                                                   \
        out->is_truncated = page.is_truncated;                                           \
        out->marker = page.marker;                                                       \
        return 0;                                                                        \
    }

INLINE_OPS(user, iam_user_entity_require, iam_user_entity_require)
INLINE_OPS(group, iam_group_entity_require, iam_group_entity_require)
INLINE_OPS(role, iam_role_entity_require, iam_role_entity_change)
