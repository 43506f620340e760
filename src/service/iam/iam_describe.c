/* Records as the API's shapes. */
#include "iam_entity.h"
#include "iam_policy.h"
#include "iam_reply.h"

struct iam_attached_permissions_boundary *
iam_boundary_describe(struct call *c, const struct iam_entity *e)
{
    const char *arn = iam_boundary_arn(e);
    if (!arn)
        return NULL;
    struct iam_attached_permissions_boundary *b =
        arena_new(&c->arena, struct iam_attached_permissions_boundary);
    b->permissions_boundary_type =
        IAM_PERMISSIONS_BOUNDARY_ATTACHMENT_TYPE_PERMISSIONS_BOUNDARY_POLICY;
    b->permissions_boundary_arn = arn;
    return b;
}

void iam_user_describe(struct call *c, const struct iam_user_entity *u, bool whole,
                       struct iam_user *ret)
{
    const struct gantry_iam_entity_record *rec = u->e.rec;
    *ret = (struct iam_user){
        .path = rec->path,
        .user_name = rec->name,
        .user_id = u->e.id,
        .arn = u->e.arn,
        .create_date = rec->create_date,
    };
    if (!whole)
        return;
    ret->permissions_boundary = iam_boundary_describe(c, &u->e);
    if (rec->tags.n)
        ret->tags = rec->tags;
}

void iam_group_describe(const struct iam_group_entity *g, struct iam_group *ret)
{
    const struct gantry_iam_entity_record *rec = g->e.rec;
    *ret = (struct iam_group){
        .path = rec->path,
        .group_name = rec->name,
        .group_id = g->e.id,
        .arn = g->e.arn,
        .create_date = rec->create_date,
    };
}

void iam_role_describe(struct call *c, const struct iam_role_entity *r, bool whole,
                       struct iam_role *ret)
{
    const struct gantry_iam_entity_record *rec = r->e.rec;
    *ret = (struct iam_role){
        .path = rec->path,
        .role_name = rec->name,
        .role_id = r->e.id,
        .arn = r->e.arn,
        .create_date = rec->create_date,
        .assume_role_policy_document = iam_document_encode(
            &c->arena, iam_principals_show(c->core, &c->arena, rec->trust_policy)),
        .description = rec->description,
        .max_session_duration = rec->max_session_duration,
    };
    if (!whole)
        return;
    ret->permissions_boundary = iam_boundary_describe(c, &r->e);
    if (rec->tags.n)
        ret->tags = rec->tags;
    ret->role_last_used = arena_new(&c->arena, struct iam_role_last_used);
    ret->role_last_used->last_used_date = rec->last_used_date;
    ret->role_last_used->region = rec->last_used_region;
}

void iam_profile_describe(struct call *c, const struct iam_profile *p, bool whole,
                          struct iam_instance_profile *ret)
{
    *ret = (struct iam_instance_profile){
        .path = p->rec->path,
        .instance_profile_name = p->rec->name,
        .instance_profile_id = p->rec->id,
        .arn = p->arn,
        .create_date = p->rec->create_date,
        .roles.set = true,
    };
    if (p->role)
        iam_role_describe(c, p->role, false, LIST_PUSH(&c->arena, &ret->roles));
    if (whole && p->rec->tags.n)
        ret->tags = p->rec->tags;
}

void iam_policy_describe(struct call *c, const struct iam_managed_policy *p, bool whole,
                         struct iam_policy *ret)
{
    struct iam_account *account = iam_account_make(c->core, c->who.account_id);
    const struct iam_policy_users *users = iam_policy_users(p, account);
    *ret = *p->rec->policy;
    ret->attachment_count = SET_INT((int32_t)users->attached);
    ret->permissions_boundary_usage_count = SET_INT((int32_t)users->boundaries);
    if (!whole)
        ret->description = NULL;
    if (!whole || !ret->tags.n)
        ret->tags = (struct iam_tag_list){0};
}

void iam_version_describe(struct call *c, const struct iam_managed_policy *p,
                          const struct iam_policy_version *v, bool document,
                          struct iam_policy_version *ret)
{
    *ret = *v;
    ret->document = document ? iam_document_encode(&c->arena, v->document) : NULL;
    ret->is_default_version =
        SET_BOOL(streq(v->version_id, p->rec->policy->default_version_id));
}
