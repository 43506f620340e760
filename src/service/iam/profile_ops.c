/* Instance profiles. */
#include "iam_profile.h"
#include "iam_reply.h"

#define PROFILES_MAX 1000

struct iam_profile *iam_profile_require(struct call *c, const char *name)
{
    struct iam_profile *p = iam_profile_named(c->core, c->who.account_id, name);
    if (!p)
        call_fault(c, &iam_no_such_entity_exception,
                   "Instance Profile %s cannot be found.", name);
    return p;
}

int iam_create_instance_profile(struct call *c,
                                const struct iam_create_instance_profile_request *in,
                                struct iam_create_instance_profile_response *out)
{
    const char *account = c->who.account_id, *name = in->instance_profile_name;
    if (iam_path_check(c, in->path) < 0 || iam_tags_check(c, &in->tags) < 0)
        return -1;
    if (iam_profile_named(c->core, account, name))
        return call_fault(c, &iam_entity_already_exists_exception,
                          "Instance Profile %s already exists.", name);
    if (iam_account_make(c->core, account)->profiles >= PROFILES_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for InstanceProfilesPerAccount: %d",
                          PROFILES_MAX);
    struct iam_profile *p = iam_profile_new(c->core, account, in->path, name);
    iam_tags_set(&p->o.arena, &p->rec->tags, &in->tags);
    out->instance_profile = arena_new(&c->arena, struct iam_instance_profile);
    iam_profile_describe(c, p, true, out->instance_profile);
    return 0;
}

int iam_get_instance_profile(struct call *c,
                             const struct iam_get_instance_profile_request *in,
                             struct iam_get_instance_profile_response *out)
{
    const struct iam_profile *p = iam_profile_require(c, in->instance_profile_name);
    if (!p)
        return -1;
    out->instance_profile = arena_new(&c->arena, struct iam_instance_profile);
    iam_profile_describe(c, p, true, out->instance_profile);
    return 0;
}

int iam_list_instance_profiles(struct call *c,
                               const struct iam_list_instance_profiles_request *in,
                               struct iam_list_instance_profiles_response *out)
{
    struct iam_listing l;
    const struct iam_profile *p;
    if (iam_listing_begin(&l, c, iam_of(c->core)->profiles,
                          iam_profile_prefix(&c->arena, c->who.account_id), in->marker,
                          in->max_items) < 0)
        return -1;
    out->instance_profiles.set = true;
    while ((p = iam_listing_next(&l)))
        if ((!in->path_prefix || str_starts(p->rec->path, in->path_prefix)) &&
            iam_listing_take(&l))
            iam_profile_describe(c, p, false,
                                 LIST_PUSH(&c->arena, &out->instance_profiles));
    out->is_truncated = l.is_truncated;
    out->marker = l.marker;
    return 0;
}

int iam_list_instance_profiles_for_role(
    struct call *c, const struct iam_list_instance_profiles_for_role_request *in,
    struct iam_list_instance_profiles_for_role_response *out)
{
    const struct iam_role_entity *r = iam_role_require(c, in->role_name);
    struct iam_page page;
    size_t total = 0, i = 0;
    if (!r)
        return -1;
    list_for_each (it, &r->profiles)
        total++;
    if (iam_page(c, in->marker, in->max_items, total, &page) < 0)
        return -1;
    out->instance_profiles.set = true;
    list_for_each (it, &r->profiles) {
        if (i >= page.from && i < page.end)
            iam_profile_describe(c, list_entry(it, struct iam_profile, of_role), false,
                                 LIST_PUSH(&c->arena, &out->instance_profiles));
        i++;
    }
    out->is_truncated = page.is_truncated;
    out->marker = page.marker;
    return 0;
}

int iam_delete_instance_profile(struct call *c,
                                const struct iam_delete_instance_profile_request *in,
                                void *out)
{
    struct iam_profile *p = iam_profile_require(c, in->instance_profile_name);
    if (!p)
        return -1;
    if (p->role)
        return call_fault(
            c, &iam_delete_conflict_exception,
            "Cannot delete entity, must remove roles from instance profile first.");
    object_delete(c->core, &p->o);
    return 0;
}

int iam_add_role_to_instance_profile(
    struct call *c, const struct iam_add_role_to_instance_profile_request *in, void *out)
{
    struct iam_profile *p = iam_profile_require(c, in->instance_profile_name);
    struct iam_role_entity *r = p ? iam_role_change(c, in->role_name) : NULL;
    if (!r)
        return -1;
    if (p->role)
        return call_fault(
            c, &iam_limit_exceeded_exception,
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1");
    iam_profile_role_set(c->core, p, r);
    return 0;
}

int iam_remove_role_from_instance_profile(
    struct call *c, const struct iam_remove_role_from_instance_profile_request *in,
    void *out)
{
    struct iam_profile *p = iam_profile_require(c, in->instance_profile_name);
    struct iam_role_entity *r = p ? iam_role_require(c, in->role_name) : NULL;
    if (!r)
        return -1;
    if (p->role != r)
        return call_fault(c, &iam_no_such_entity_exception,
                          "Role %s in Instance Profile %s cannot be found.",
                          r->e.rec->name, p->rec->name);
    iam_profile_role_set(c->core, p, NULL);
    return 0;
}
