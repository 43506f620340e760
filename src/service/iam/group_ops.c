/* Groups and who is in them. */
#include "iam_entity.h"
#include "iam_reply.h"

#define GROUPS_MAX          300
#define GROUPS_PER_USER_MAX 10

static int exists(struct call *c, const char *name)
{
    return call_fault(c, &iam_entity_already_exists_exception,
                      "Group with name %s already exists.", name);
}

int iam_create_group(struct call *c, const struct iam_create_group_request *in,
                     struct iam_create_group_response *out)
{
    const char *account = c->who.account_id;
    if (iam_path_check(c, in->path) < 0)
        return -1;
    if (iam_group_find(c->core, account, in->group_name))
        return exists(c, in->group_name);
    if (iam_account_make(c->core, account)->entities[IAM_GROUP] >= GROUPS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for GroupsPerAccount: %d", GROUPS_MAX);
    struct iam_entity *e =
        iam_entity_new(c->core, IAM_GROUP, account, in->path, in->group_name);
    out->group = arena_new(&c->arena, struct iam_group);
    iam_group_describe(iam_group_of(e), out->group);
    return 0;
}

int iam_get_group(struct call *c, const struct iam_get_group_request *in,
                  struct iam_get_group_response *out)
{
    struct iam_group_entity *g = iam_group_require(c, in->group_name);
    struct iam_page page;
    size_t total = 0, i = 0;
    if (!g)
        return -1;
    list_for_each (it, &g->members)
        total++;
    if (iam_page(c, in->marker, in->max_items, total, &page) < 0)
        return -1;
    out->group = arena_new(&c->arena, struct iam_group);
    iam_group_describe(g, out->group);
    out->users.set = true;
    list_for_each (it, &g->members) {
        if (i >= page.from && i < page.end)
            iam_user_describe(c, list_entry(it, struct iam_membership, of_group)->user,
                              false, LIST_PUSH(&c->arena, &out->users));
        i++;
    }
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}

int iam_list_groups(struct call *c, const struct iam_list_groups_request *in,
                    struct iam_list_groups_response *out)
{
    struct iam_listing l;
    const struct iam_entity *e;
    if (iam_listing_begin(&l, c, iam_of(c->core)->entities[IAM_GROUP],
                          call_printf(c, "/iam/group/%s/", c->who.account_id), in->marker,
                          in->max_items) < 0)
        return -1;
    out->groups.set = true;
    while ((e = iam_listing_next(&l)))
        if ((!in->path_prefix || str_starts(e->rec->path, in->path_prefix)) &&
            iam_listing_take(&l))
            iam_group_describe((const struct iam_group_entity *)(const void *)e,
                               LIST_PUSH(&c->arena, &out->groups));
    out->is_truncated = l.is_truncated;
    out->marker = l.marker;
    return 0;
}

int iam_update_group(struct call *c, const struct iam_update_group_request *in, void *out)
{
    struct iam_group_entity *g = iam_group_require(c, in->group_name);
    if (!g || iam_path_check(c, in->new_path) < 0)
        return -1;
    const char *name = in->new_group_name ? in->new_group_name : g->e.rec->name;
    const struct iam_group_entity *other =
        iam_group_find(c->core, c->who.account_id, name);
    if (other && other != g)
        return exists(c, name);
    iam_entity_rename(c->core, &g->e, in->new_path ? in->new_path : g->e.rec->path, name);
    return 0;
}

int iam_delete_group(struct call *c, const struct iam_delete_group_request *in, void *out)
{
    struct iam_group_entity *g = iam_group_require(c, in->group_name);
    if (!g || iam_entity_deletable(c, &g->e) < 0)
        return -1;
    if (!list_empty(&g->members))
        return call_fault(c, &iam_delete_conflict_exception,
                          "Cannot delete entity, must remove users from group first.");
    iam_entity_delete(c->core, &g->e);
    return 0;
}

/* ---- members ---- */

int iam_add_user_to_group(struct call *c, const struct iam_add_user_to_group_request *in,
                          void *out)
{
    struct iam_group_entity *g = iam_group_require(c, in->group_name);
    struct iam_user_entity *u = g ? iam_user_require(c, in->user_name) : NULL;
    if (!u)
        return -1;
    if (iam_member(u, g))
        return 0;
    if (u->group_count >= GROUPS_PER_USER_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for GroupsPerUser: %d",
                          GROUPS_PER_USER_MAX);
    iam_member_add(c->core, u, g);
    return 0;
}

int iam_remove_user_from_group(struct call *c,
                               const struct iam_remove_user_from_group_request *in,
                               void *out)
{
    struct iam_group_entity *g = iam_group_require(c, in->group_name);
    struct iam_user_entity *u = g ? iam_user_require(c, in->user_name) : NULL;
    if (!u)
        return -1;
    struct iam_membership *m = iam_member(u, g);
    if (!m)
        return call_fault(c, &iam_no_such_entity_exception, "User %s is not in group %s.",
                          u->e.rec->name, g->e.rec->name);
    iam_member_remove(c->core, m);
    return 0;
}

int iam_list_groups_for_user(struct call *c,
                             const struct iam_list_groups_for_user_request *in,
                             struct iam_list_groups_for_user_response *out)
{
    const struct iam_user_entity *u = iam_user_require(c, in->user_name);
    struct iam_page page;
    size_t i = 0;
    if (!u || iam_page(c, in->marker, in->max_items, u->group_count, &page) < 0)
        return -1;
    out->groups.set = true;
    list_for_each (it, &u->groups) {
        if (i >= page.from && i < page.end)
            iam_group_describe(list_entry(it, struct iam_membership, of_user)->group,
                               LIST_PUSH(&c->arena, &out->groups));
        i++;
    }
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}
