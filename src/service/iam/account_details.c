/* GetAccountAuthorizationDetails: all users, groups, roles and policies with what they
 * allow, page by page through four lists: "<list>/<end of key>" is where a page ended. */
#include "iam_entity.h"
#include "iam_policy.h"
#include "iam_profile.h"
#include "iam_reply.h"
#include "page.h"

enum part { USERS, GROUPS, ROLES, LOCAL_POLICIES, AWS_POLICIES, PARTS };

struct details {
    struct call *call;
    struct iam_get_account_authorization_details_response *out;
    struct iam_account *account;
    size_t n, limit;
    const char *last;
};

/* ---- one thing ---- */

static void inline_add(struct call *c, const struct iam_entity *e,
                       struct iam_policy_detail_list *ret)
{
    ret->set = true;
    for (size_t i = 0; i < e->inline_count; i++) {
        const struct gantry_iam_inline_policy *p = &e->rec->inline_policies.v[i];
        *LIST_PUSH(&c->arena, ret) = (struct iam_policy_detail){
            p->name, iam_document_encode(&c->arena, p->document)};
    }
}

static void attached_add(struct call *c, const struct iam_entity *e,
                         struct iam_attached_policy_list *ret)
{
    ret->set = true;
    list_for_each (it, &e->attached) {
        const struct iam_policy *p =
            list_entry(it, struct iam_policy_use, of_entity)->policy->rec->policy;
        *LIST_PUSH(&c->arena, ret) = (struct iam_attached_policy){p->policy_name, p->arn};
    }
}

static void user_add(struct details *d, const struct iam_user_entity *u)
{
    struct call *c = d->call;
    struct iam_user_detail *x = LIST_PUSH(&c->arena, &d->out->user_detail_list);
    x->path = u->e.rec->path;
    x->user_name = u->e.rec->name;
    x->user_id = u->e.id;
    x->arn = u->e.arn;
    x->create_date = u->e.rec->create_date;
    x->tags = u->e.rec->tags;
    x->permissions_boundary = iam_boundary_describe(c, &u->e);
    inline_add(c, &u->e, &x->user_policy_list);
    attached_add(c, &u->e, &x->attached_managed_policies);
    x->group_list.set = true;
    list_for_each (it, &u->groups)
        *LIST_PUSH(&c->arena, &x->group_list) =
            list_entry(it, struct iam_membership, of_user)->group->e.rec->name;
}

static void group_add(struct details *d, const struct iam_group_entity *g)
{
    struct call *c = d->call;
    struct iam_group_detail *x = LIST_PUSH(&c->arena, &d->out->group_detail_list);
    x->path = g->e.rec->path;
    x->group_name = g->e.rec->name;
    x->group_id = g->e.id;
    x->arn = g->e.arn;
    x->create_date = g->e.rec->create_date;
    inline_add(c, &g->e, &x->group_policy_list);
    attached_add(c, &g->e, &x->attached_managed_policies);
}

static void role_add(struct details *d, const struct iam_role_entity *r)
{
    struct call *c = d->call;
    struct iam_role role;
    struct iam_role_detail *x = LIST_PUSH(&c->arena, &d->out->role_detail_list);
    iam_role_describe(c, r, true, &role);
    *x = (struct iam_role_detail){
        .path = role.path,
        .role_name = role.role_name,
        .role_id = role.role_id,
        .arn = role.arn,
        .create_date = role.create_date,
        .assume_role_policy_document = role.assume_role_policy_document,
        .permissions_boundary = role.permissions_boundary,
        .tags = role.tags,
        .role_last_used = role.role_last_used,
        .instance_profile_list.set = true,
    };
    list_for_each (it, &r->profiles)
        iam_profile_describe(c, list_entry(it, struct iam_profile, of_role), false,
                             LIST_PUSH(&c->arena, &x->instance_profile_list));
    inline_add(c, &r->e, &x->role_policy_list);
    attached_add(c, &r->e, &x->attached_managed_policies);
}

static void policy_add(struct details *d, const struct iam_managed_policy *p)
{
    struct call *c = d->call;
    struct iam_policy policy;
    struct iam_managed_policy_detail *x = LIST_PUSH(&c->arena, &d->out->policies);
    iam_policy_describe(c, p, true, &policy);
    *x = (struct iam_managed_policy_detail){
        .policy_name = policy.policy_name,
        .policy_id = policy.policy_id,
        .arn = policy.arn,
        .path = policy.path,
        .default_version_id = policy.default_version_id,
        .attachment_count = policy.attachment_count,
        .permissions_boundary_usage_count = policy.permissions_boundary_usage_count,
        .is_attachable = policy.is_attachable,
        .description = policy.description,
        .create_date = policy.create_date,
        .update_date = policy.update_date,
        .policy_version_list.set = true,
    };
    for (size_t i = p->rec->versions.n; i-- > 0;)
        iam_version_describe(c, p, &p->rec->versions.v[i], true,
                             LIST_PUSH(&c->arena, &x->policy_version_list));
}

/* ---- the lists, one behind the other ---- */

static void add(struct details *d, enum part part, const void *o)
{
    if (part == USERS)
        user_add(d, o);
    else if (part == GROUPS)
        group_add(d, o);
    else if (part == ROLES)
        role_add(d, o);
    else
        policy_add(d, o);
}

/* False: the page is full. */
static bool take(struct details *d, enum part part, const char *name, const void *o)
{
    if (d->n == d->limit) {
        d->out->is_truncated = SET_BOOL(true);
        d->out->marker = page_token(&d->call->arena, d->last);
        return false;
    }
    add(d, part, o);
    d->n++;
    d->last = call_printf(d->call, "%d/%s", part, name);
    return true;
}

static bool table_add_all(struct details *d, enum part part, const struct table *table,
                          const char *prefix, const char *after)
{
    const char *at = call_printf(d->call, "%s%s", prefix, after);
    const struct object *o;
    for (; (o = table_next(table, prefix, at)); at = o->key)
        if (!take(d, part, o->key + strlen(prefix), o))
            return false;
    return true;
}

/* AWS's own are told when the account uses them. Their position is their index, padded. */
static bool aws_add_all(struct details *d, const char *after)
{
    const struct iam *iam = iam_of(d->call->core);
    for (size_t i = 0; i < iam->aws_count; i++) {
        const char *name = call_printf(d->call, "%06zu", i);
        if (!list_empty(&iam_policy_users(&iam->aws[i], d->account)->uses) &&
            strcmp(name, after) > 0 && !take(d, AWS_POLICIES, name, &iam->aws[i]))
            return false;
    }
    return true;
}

static bool part_add(struct details *d, enum part part, const char *after)
{
    static const enum iam_kind kinds[] = {
        [USERS] = IAM_USER, [GROUPS] = IAM_GROUP, [ROLES] = IAM_ROLE};
    struct call *c = d->call;
    const struct iam *iam = iam_of(c->core);
    if (part == AWS_POLICIES)
        return aws_add_all(d, after);
    if (part == LOCAL_POLICIES)
        return table_add_all(d, part, iam->policies,
                             iam_policy_prefix(&c->arena, d->account->id), after);
    return table_add_all(
        d, part, iam->entities[kinds[part]],
        call_printf(c, "/iam/%s/%s/", iam_kind_word(kinds[part]), d->account->id), after);
}

static bool is_wanted(const struct enum_list *filter, enum part part)
{
    static const enum iam_entity_type types[] = {
        [USERS] = IAM_ENTITY_TYPE_USER,
        [GROUPS] = IAM_ENTITY_TYPE_GROUP,
        [ROLES] = IAM_ENTITY_TYPE_ROLE,
        [LOCAL_POLICIES] = IAM_ENTITY_TYPE_LOCAL_MANAGED_POLICY,
        [AWS_POLICIES] = IAM_ENTITY_TYPE_AWS_MANAGED_POLICY};
    for (size_t i = 0; i < filter->n; i++)
        if (filter->v[i] == (int)types[part])
            return true;
    return filter->n == 0;
}

int iam_get_account_authorization_details(
    struct call *c, const struct iam_get_account_authorization_details_request *in,
    struct iam_get_account_authorization_details_response *out)
{
    const char *position = "0/";
    struct details d = {.call = c, .out = out};
    if (in->marker && (!page_position(&c->arena, in->marker, &position) ||
                       *position < '0' || *position >= '0' + PARTS || position[1] != '/'))
        return call_fault(c, &iam_validation_fault, "Invalid Marker.");
    d.account = iam_account_make(c->core, c->who.account_id);
    d.limit = in->max_items.set ? (size_t)in->max_items.v : IAM_PAGE_SIZE;
    out->user_detail_list.set = out->group_detail_list.set = true;
    out->role_detail_list.set = out->policies.set = true;
    out->is_truncated = SET_BOOL(false);
    enum part first = (enum part)(*position - '0');
    for (enum part part = first; part < PARTS; part++)
        if (is_wanted(&in->filter, part) &&
            !part_add(&d, part, part == first ? position + 2 : ""))
            break;
    return 0;
}
