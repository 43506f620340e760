/* Roles: Create, Get, List, Update, DeleteRole, and their trust policies. */
#include "iam_entity.h"
#include "iam_reply.h"

#define ROLES_MAX          1000
#define TRUST_SIZE_MAX     2048
#define SESSION_DURATION_S 3600

/* A trust policy as it is stored: principals bound to who is there now. */
struct trust {
    const char *bound;
    struct policy *compiled;
};

static int trust_read(struct call *c, const char *document, struct trust *ret)
{
    struct policy *given;
    struct error err;
    if (policy_size(document, strlen(document)) > TRUST_SIZE_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for ACLSizePerRole: %d", TRUST_SIZE_MAX);
    if (iam_document_compile(c, document, POLICY_TRUST, &given) < 0)
        return -1;
    policy_free(given);
    if (iam_principals_bind(c->core, &c->arena, document, &ret->bound, &err) < 0)
        return call_fault(c, &iam_malformed_policy_document_exception, "%s", err.text);
    return iam_document_compile(c, ret->bound, POLICY_TRUST, &ret->compiled);
}

static int create_check(struct call *c, const struct iam_create_role_request *in,
                        struct iam_managed_policy **ret_boundary)
{
    const char *account = c->who.account_id;
    if (iam_path_check(c, in->path) < 0 || iam_tags_check(c, &in->tags) < 0 ||
        iam_boundary_given(c, in->permissions_boundary, ret_boundary) < 0)
        return -1;
    if (in->path && str_starts(in->path, "/aws-service-role/"))
        return call_fault(c, &iam_invalid_input_exception,
                          "Roles with the path /aws-service-role/ are made by "
                          "CreateServiceLinkedRole only.");
    if (iam_role_find(c->core, account, in->role_name))
        return call_fault(c, &iam_entity_already_exists_exception,
                          "Role with name %s already exists.", in->role_name);
    if (iam_account_make(c->core, account)->entities[IAM_ROLE] >= ROLES_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for RolesPerAccount: %d", ROLES_MAX);
    return 0;
}

int iam_create_role(struct call *c, const struct iam_create_role_request *in,
                    struct iam_create_role_response *out)
{
    struct iam_managed_policy *boundary;
    struct trust trust;
    if (create_check(c, in, &boundary) < 0 ||
        trust_read(c, in->assume_role_policy_document, &trust) < 0)
        return -1;
    struct iam_entity *e =
        iam_entity_new(c->core, IAM_ROLE, c->who.account_id, in->path, in->role_name);
    e->rec->description = arena_strdup(&e->o.arena, in->description);
    e->rec->max_session_duration = in->max_session_duration.set
                                       ? in->max_session_duration
                                       : SET_INT(SESSION_DURATION_S);
    iam_tags_set(&e->o.arena, &e->rec->tags, &in->tags);
    iam_trust_set(c->core, iam_role_of(e), trust.bound, trust.compiled);
    if (boundary)
        iam_boundary_set(c->core, e, boundary);
    out->role = arena_new(&c->arena, struct iam_role);
    iam_role_describe(c, iam_role_of(e), true, out->role);
    return 0;
}

int iam_get_role(struct call *c, const struct iam_get_role_request *in,
                 struct iam_get_role_response *out)
{
    const struct iam_role_entity *r = iam_role_require(c, in->role_name);
    if (!r)
        return -1;
    out->role = arena_new(&c->arena, struct iam_role);
    iam_role_describe(c, r, true, out->role);
    return 0;
}

int iam_list_roles(struct call *c, const struct iam_list_roles_request *in,
                   struct iam_list_roles_response *out)
{
    struct iam_listing l;
    const struct iam_entity *e;
    if (iam_listing_begin(&l, c, iam_of(c->core)->entities[IAM_ROLE],
                          call_printf(c, "/iam/role/%s/", c->who.account_id), in->marker,
                          in->max_items) < 0)
        return -1;
    out->roles.set = true;
    while ((e = iam_listing_next(&l)))
        if ((!in->path_prefix || str_starts(e->rec->path, in->path_prefix)) &&
            iam_listing_take(&l))
            iam_role_describe(c, (const struct iam_role_entity *)(const void *)e, false,
                              LIST_PUSH(&c->arena, &out->roles));
    out->is_truncated = l.is_truncated;
    out->marker = l.marker;
    return 0;
}

/* The description is the one thing of a service-linked role that its account may change. */
static void describe_as(struct call *c, struct iam_role_entity *r, const char *text)
{
    r->e.rec->description = arena_strdup(&r->e.o.arena, text);
    object_save(c->core, &r->e.o);
}

int iam_update_role(struct call *c, const struct iam_update_role_request *in,
                    struct iam_update_role_response *out)
{
    struct iam_role_entity *r = in->max_session_duration.set
                                    ? iam_role_change(c, in->role_name)
                                    : iam_role_require(c, in->role_name);
    if (!r)
        return -1;
    if (in->max_session_duration.set)
        r->e.rec->max_session_duration = in->max_session_duration;
    describe_as(c, r, in->description ? in->description : r->e.rec->description);
    return 0;
}

int iam_update_role_description(struct call *c,
                                const struct iam_update_role_description_request *in,
                                struct iam_update_role_description_response *out)
{
    struct iam_role_entity *r = iam_role_require(c, in->role_name);
    if (!r)
        return -1;
    describe_as(c, r, in->description);
    out->role = arena_new(&c->arena, struct iam_role);
    iam_role_describe(c, r, true, out->role);
    return 0;
}

int iam_update_assume_role_policy(struct call *c,
                                  const struct iam_update_assume_role_policy_request *in,
                                  void *out)
{
    struct iam_role_entity *r = iam_role_change(c, in->role_name);
    struct trust trust;
    if (!r || trust_read(c, in->policy_document, &trust) < 0)
        return -1;
    iam_trust_set(c->core, r, trust.bound, trust.compiled);
    return 0;
}

int iam_delete_role(struct call *c, const struct iam_delete_role_request *in, void *out)
{
    struct iam_role_entity *r = iam_role_change(c, in->role_name);
    if (!r)
        return -1;
    if (!list_empty(&r->profiles))
        return call_fault(
            c, &iam_delete_conflict_exception,
            "Cannot delete entity, must remove roles from instance profile first.");
    if (iam_entity_deletable(c, &r->e) < 0)
        return -1;
    iam_entity_delete(c->core, &r->e);
    return 0;
}
