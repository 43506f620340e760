/* Managed policies: Create, Get, List, DeletePolicy, and who has one. */
#include "iam_entity.h"
#include "iam_policy.h"
#include "iam_reply.h"
#include "page.h"

#define POLICIES_MAX    1500
#define POLICY_SIZE_MAX 6144

int iam_policy_size_check(struct call *c, const char *document)
{
    if (policy_size(document, strlen(document)) <= POLICY_SIZE_MAX)
        return 0;
    return call_fault(c, &iam_limit_exceeded_exception,
                      "Cannot exceed quota for PolicySize: %d", POLICY_SIZE_MAX);
}

struct iam_managed_policy *iam_policy_change(struct call *c, const char *arn)
{
    struct iam_managed_policy *p = iam_policy_require(c, arn);
    if (!p || p->account)
        return p;
    call_fault(c, &iam_invalid_input_exception,
               "Policy %s is AWS's own: it can't be changed, tagged or deleted.", arn);
    return NULL;
}

int iam_create_policy(struct call *c, const struct iam_create_policy_request *in,
                      struct iam_create_policy_response *out)
{
    const char *account = c->who.account_id;
    struct policy *compiled;
    if (iam_path_check(c, in->path) < 0 || iam_tags_check(c, &in->tags) < 0 ||
        iam_policy_size_check(c, in->policy_document) < 0)
        return -1;
    if (iam_policy_named(c->core, account, in->policy_name))
        return call_fault(
            c, &iam_entity_already_exists_exception,
            "A policy called %s already exists. Duplicate names are not allowed.",
            in->policy_name);
    if (iam_account_make(c->core, account)->policies >= POLICIES_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for PoliciesPerAccount: %d", POLICIES_MAX);
    if (iam_document_compile(c, in->policy_document, POLICY_IDENTITY, &compiled) < 0)
        return -1;
    struct iam_managed_policy *p = iam_policy_new(
        c->core, account, in->path, in->policy_name, in->policy_document, compiled);
    p->rec->policy->description = arena_strdup(&p->o.arena, in->description);
    iam_tags_set(&p->o.arena, &p->rec->policy->tags, &in->tags);
    out->policy = arena_new(&c->arena, struct iam_policy);
    iam_policy_describe(c, p, true, out->policy);
    return 0;
}

int iam_get_policy(struct call *c, const struct iam_get_policy_request *in,
                   struct iam_get_policy_response *out)
{
    const struct iam_managed_policy *p = iam_policy_require(c, in->policy_arn);
    if (!p)
        return -1;
    out->policy = arena_new(&c->arena, struct iam_policy);
    iam_policy_describe(c, p, true, out->policy);
    return 0;
}

int iam_delete_policy(struct call *c, const struct iam_delete_policy_request *in,
                      void *out)
{
    struct iam_managed_policy *p = iam_policy_change(c, in->policy_arn);
    if (!p)
        return -1;
    if (!list_empty(&p->users.uses))
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete a policy attached to entities.");
    if (p->rec->versions.n > 1)
        return call_fault(c, &iam_delete_conflict_exception,
                          "This policy has more than one version. Before you delete a "
                          "policy, you must delete the policy's versions. The default "
                          "version is deleted with the policy.");
    iam_policy_delete(c->core, p);
    return 0;
}

/* ---- ListPolicies: AWS's own, then the account's ---- */

struct selection {
    struct call *call;
    const struct iam_list_policies_request *in;
    struct iam_list_policies_response *out;
    struct iam_account *account;
    size_t limit;
    const char *last; /* the last one that is listed */
};

static bool is_wanted(const struct selection *s, const struct iam_managed_policy *p)
{
    const struct iam_policy_users *users = iam_policy_users(p, s->account);
    const char *prefix = s->in->path_prefix;
    enum iam_policy_usage_type usage = s->in->policy_usage_filter;
    if (prefix && !str_starts(p->rec->policy->path, prefix))
        return false;
    if (usage == IAM_POLICY_USAGE_TYPE_PERMISSIONS_POLICY && !users->attached)
        return false;
    if (usage == IAM_POLICY_USAGE_TYPE_PERMISSIONS_BOUNDARY && !users->boundaries)
        return false;
    return !s->in->only_attached.v || users->attached || users->boundaries;
}

/* False: the page is full. Positions: "aws/<index>", "own/<end of key>". */
static bool take(struct selection *s, const struct iam_managed_policy *p,
                 const char *position)
{
    if (!is_wanted(s, p))
        return true;
    if (s->out->policies.n == s->limit) {
        s->out->is_truncated = SET_BOOL(true);
        s->out->marker = page_token(&s->call->arena, s->last);
        return false;
    }
    iam_policy_describe(s->call, p, false, LIST_PUSH(&s->call->arena, &s->out->policies));
    s->last = position;
    return true;
}

static bool list_aws(struct selection *s, size_t from)
{
    struct iam *iam = iam_of(s->call->core);
    for (size_t i = from; i < iam->aws_count; i++)
        if (!take(s, &iam->aws[i], call_printf(s->call, "aws/%zu", i)))
            return false;
    return true;
}

static bool list_own(struct selection *s, const char *after)
{
    const char *prefix = iam_policy_prefix(&s->call->arena, s->account->id);
    const char *at = call_printf(s->call, "%s%s", prefix, after);
    const struct iam_managed_policy *p;
    for (; (p = table_next(iam_of(s->call->core)->policies, prefix, at)); at = p->o.key)
        if (!take(s, p, call_printf(s->call, "own/%s", p->o.key + strlen(prefix))))
            return false;
    return true;
}

int iam_list_policies(struct call *c, const struct iam_list_policies_request *in,
                      struct iam_list_policies_response *out)
{
    const char *position = "";
    int64_t index = -1;
    struct selection s = {.call = c, .in = in, .out = out};
    if (in->marker &&
        (!page_position(&c->arena, in->marker, &position) ||
         (str_starts(position, "aws/") ? !str_to_i64(position + 4, 0, INT32_MAX, &index)
                                       : !str_starts(position, "own/"))))
        return call_fault(c, &iam_validation_fault, "Invalid Marker.");
    bool own_only = in->scope == IAM_POLICY_SCOPE_TYPE_LOCAL,
         aws_only = in->scope == IAM_POLICY_SCOPE_TYPE_AWS,
         past_aws = str_starts(position, "own/");
    s.limit = in->max_items.set ? (size_t)in->max_items.v : IAM_PAGE_SIZE;
    s.account = iam_account_make(c->core, c->who.account_id);
    out->policies.set = true;
    out->is_truncated = SET_BOOL(false);
    if ((own_only || past_aws || list_aws(&s, (size_t)(index + 1))) && !aws_only)
        list_own(&s, past_aws ? position + 4 : "");
    return 0;
}

/* ---- ListEntitiesForPolicy ---- */

static bool usage_fits(enum iam_policy_usage_type wanted, bool boundary)
{
    return wanted == IAM_POLICY_USAGE_TYPE_UNSET ||
           boundary == (wanted == IAM_POLICY_USAGE_TYPE_PERMISSIONS_BOUNDARY);
}

static bool kind_fits(enum iam_entity_type wanted, enum iam_kind kind)
{
    return wanted == IAM_ENTITY_TYPE_UNSET ||
           (wanted == IAM_ENTITY_TYPE_USER && kind == IAM_USER) ||
           (wanted == IAM_ENTITY_TYPE_GROUP && kind == IAM_GROUP) ||
           (wanted == IAM_ENTITY_TYPE_ROLE && kind == IAM_ROLE);
}

static void entity_push(struct call *c, const struct iam_entity *e,
                        struct iam_list_entities_for_policy_response *out)
{
    struct arena *a = &c->arena;
    if (e->kind == IAM_USER)
        *LIST_PUSH(a, &out->policy_users) = (struct iam_policy_user){e->rec->name, e->id};
    else if (e->kind == IAM_GROUP)
        *LIST_PUSH(a, &out->policy_groups) =
            (struct iam_policy_group){e->rec->name, e->id};
    else
        *LIST_PUSH(a, &out->policy_roles) = (struct iam_policy_role){e->rec->name, e->id};
}

static bool use_fits(const struct iam_list_entities_for_policy_request *in,
                     const struct iam_policy_use *use)
{
    return kind_fits(in->entity_filter, use->entity->kind) &&
           usage_fits(in->policy_usage_filter, use->boundary) &&
           (!in->path_prefix || str_starts(use->entity->rec->path, in->path_prefix));
}

int iam_list_entities_for_policy(struct call *c,
                                 const struct iam_list_entities_for_policy_request *in,
                                 struct iam_list_entities_for_policy_response *out)
{
    const struct iam_managed_policy *p = iam_policy_require(c, in->policy_arn);
    size_t total = 0, i = 0;
    struct iam_page page;
    if (!p)
        return -1;
    const struct iam_policy_users *users =
        iam_policy_users(p, iam_account_make(c->core, c->who.account_id));
    list_for_each (it, &users->uses)
        total += use_fits(in, list_entry(it, struct iam_policy_use, of_policy));
    if (iam_page(c, in->marker, in->max_items, total, &page) < 0)
        return -1;
    out->policy_users.set = out->policy_groups.set = out->policy_roles.set = true;
    list_for_each (it, &users->uses) {
        const struct iam_policy_use *use =
            list_entry(it, struct iam_policy_use, of_policy);
        if (!use_fits(in, use))
            continue;
        if (i >= page.from && i < page.end)
            entity_push(c, use->entity, out);
        i++;
    }
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}
