/* Versions of managed policies. */
#include "iam_entity.h"
#include "iam_policy.h"
#include "iam_reply.h"

#define VERSIONS_MAX 5

static struct iam_policy_version *
version_require(struct call *c, const struct iam_managed_policy *p, const char *id)
{
    struct iam_policy_version *v = iam_policy_version(p, id);
    if (!v)
        call_fault(c, &iam_no_such_entity_exception,
                   "Policy %s version %s does not exist or is not attachable.",
                   p->source.name, id);
    return v;
}

int iam_create_policy_version(struct call *c,
                              const struct iam_create_policy_version_request *in,
                              struct iam_create_policy_version_response *out)
{
    struct iam_managed_policy *p = iam_policy_change(c, in->policy_arn);
    struct policy *compiled;
    if (!p || iam_policy_size_check(c, in->policy_document) < 0)
        return -1;
    if (p->rec->versions.n >= VERSIONS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "A managed policy can have up to %d versions. Before you "
                          "create a new version, you must delete an existing version.",
                          VERSIONS_MAX);
    if (iam_document_compile(c, in->policy_document, POLICY_IDENTITY, &compiled) < 0)
        return -1;
    if (!in->set_as_default.v) {
        policy_free(compiled);
        compiled = NULL;
    }
    const struct iam_policy_version *v =
        iam_policy_version_add(c->core, p, in->policy_document, compiled);
    out->policy_version = arena_new(&c->arena, struct iam_policy_version);
    iam_version_describe(c, p, v, false, out->policy_version);
    return 0;
}

int iam_get_policy_version(struct call *c,
                           const struct iam_get_policy_version_request *in,
                           struct iam_get_policy_version_response *out)
{
    const struct iam_managed_policy *p = iam_policy_require(c, in->policy_arn);
    const struct iam_policy_version *v = p ? version_require(c, p, in->version_id) : NULL;
    if (!v)
        return -1;
    out->policy_version = arena_new(&c->arena, struct iam_policy_version);
    iam_version_describe(c, p, v, true, out->policy_version);
    return 0;
}

/* The newest first, as IAM lists them. */
int iam_list_policy_versions(struct call *c,
                             const struct iam_list_policy_versions_request *in,
                             struct iam_list_policy_versions_response *out)
{
    const struct iam_managed_policy *p = iam_policy_require(c, in->policy_arn);
    struct iam_page page;
    if (!p || iam_page(c, in->marker, in->max_items, p->rec->versions.n, &page) < 0)
        return -1;
    out->versions.set = true;
    for (size_t i = page.from; i < page.end; i++)
        iam_version_describe(c, p, &p->rec->versions.v[p->rec->versions.n - 1 - i], false,
                             LIST_PUSH(&c->arena, &out->versions));
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}

int iam_set_default_policy_version(
    struct call *c, const struct iam_set_default_policy_version_request *in, void *out)
{
    struct iam_managed_policy *p = iam_policy_change(c, in->policy_arn);
    struct iam_policy_version *v = p ? version_require(c, p, in->version_id) : NULL;
    struct policy *compiled;
    if (!v || iam_document_compile(c, v->document, POLICY_IDENTITY, &compiled) < 0)
        return -1;
    iam_policy_default_set(c->core, p, v, compiled);
    return 0;
}

int iam_delete_policy_version(struct call *c,
                              const struct iam_delete_policy_version_request *in,
                              void *out)
{
    struct iam_managed_policy *p = iam_policy_change(c, in->policy_arn);
    struct iam_policy_version *v = p ? version_require(c, p, in->version_id) : NULL;
    if (!v)
        return -1;
    if (streq(v->version_id, p->rec->policy->default_version_id))
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete the default version of a policy.");
    iam_policy_version_remove(c->core, p, v);
    return 0;
}
