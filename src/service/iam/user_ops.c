/* Users: Create, Get, List, Update, DeleteUser. */
#include "iam_entity.h"
#include "iam_reply.h"

#define USERS_MAX 5000

static int exists(struct call *c, const char *name)
{
    return call_fault(c, &iam_entity_already_exists_exception,
                      "User with name %s already exists.", name);
}

int iam_create_user(struct call *c, const struct iam_create_user_request *in,
                    struct iam_create_user_response *out)
{
    const char *account = c->who.account_id;
    struct iam_managed_policy *boundary;
    if (iam_path_check(c, in->path) < 0 || iam_tags_check(c, &in->tags) < 0 ||
        iam_boundary_given(c, in->permissions_boundary, &boundary) < 0)
        return -1;
    if (iam_user_find(c->core, account, in->user_name))
        return exists(c, in->user_name);
    if (iam_account_make(c->core, account)->entities[IAM_USER] >= USERS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for UsersPerAccount: %d", USERS_MAX);
    struct iam_entity *e =
        iam_entity_new(c->core, IAM_USER, account, in->path, in->user_name);
    iam_tags_set(&e->o.arena, &e->rec->tags, &in->tags);
    if (boundary)
        iam_boundary_set(c->core, e, boundary);
    out->user = arena_new(&c->arena, struct iam_user);
    iam_user_describe(c, iam_user_of(e), true, out->user);
    return 0;
}

/* Root is a user without a name here, too. */
int iam_get_user(struct call *c, const struct iam_get_user_request *in,
                 struct iam_get_user_response *out)
{
    struct iam_user_entity *u = NULL;
    if (in->user_name ? !(u = iam_user_require(c, in->user_name))
                      : iam_caller_user(c, &u) < 0)
        return -1;
    out->user = arena_new(&c->arena, struct iam_user);
    if (u) {
        iam_user_describe(c, u, true, out->user);
        return 0;
    }
    out->user->user_id = c->who.account_id;
    out->user->arn = c->who.arn;
    return 0;
}

int iam_list_users(struct call *c, const struct iam_list_users_request *in,
                   struct iam_list_users_response *out)
{
    struct iam_listing l;
    const struct iam_entity *e;
    if (iam_listing_begin(&l, c, iam_of(c->core)->entities[IAM_USER],
                          call_printf(c, "/iam/user/%s/", c->who.account_id), in->marker,
                          in->max_items) < 0)
        return -1;
    out->users.set = true;
    while ((e = iam_listing_next(&l)))
        if ((!in->path_prefix || str_starts(e->rec->path, in->path_prefix)) &&
            iam_listing_take(&l))
            iam_user_describe(c, (const struct iam_user_entity *)(const void *)e, false,
                              LIST_PUSH(&c->arena, &out->users));
    out->is_truncated = l.is_truncated;
    out->marker = l.marker;
    return 0;
}

int iam_update_user(struct call *c, const struct iam_update_user_request *in, void *out)
{
    struct iam_user_entity *u = iam_user_require(c, in->user_name);
    if (!u || iam_path_check(c, in->new_path) < 0)
        return -1;
    const char *name = in->new_user_name ? in->new_user_name : u->e.rec->name;
    const struct iam_user_entity *other = iam_user_find(c->core, c->who.account_id, name);
    if (other && other != u)
        return exists(c, name);
    iam_entity_rename(c->core, &u->e, in->new_path ? in->new_path : u->e.rec->path, name);
    return 0;
}

int iam_delete_user(struct call *c, const struct iam_delete_user_request *in, void *out)
{
    struct iam_user_entity *u = iam_user_require(c, in->user_name);
    if (!u || iam_entity_deletable(c, &u->e) < 0)
        return -1;
    if (u->group_count)
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete entity, must remove users from group first.");
    if (!list_empty(&u->keys))
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete entity, must delete access keys first.");
    iam_entity_delete(c->core, &u->e);
    return 0;
}
