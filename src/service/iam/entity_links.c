/* What users, groups and roles have: policies, boundaries, trust, members; and what of it
 * decisions read. */
#include <stdlib.h>
#include <strings.h>

#include "iam_entity.h"
#include "iam_policy.h"

/* ---- what decisions read ---- */

void iam_sources_drop(struct iam_entity *e)
{
    free(e->sources);
    e->sources = NULL;
    e->source_count = 0;
}

void iam_entity_changed(struct iam_entity *e)
{
    iam_sources_drop(e);
    if (e->kind != IAM_GROUP)
        return;
    list_for_each (it, &iam_group_of(e)->members)
        iam_sources_drop(&list_entry(it, struct iam_membership, of_group)->user->e);
}

void iam_policy_users_changed(struct iam_policy_users *users)
{
    list_for_each (it, &users->uses)
        iam_entity_changed(list_entry(it, struct iam_policy_use, of_policy)->entity);
}

static size_t own_count(const struct iam_entity *e)
{
    return e->inline_count + e->attached_count;
}

static size_t own_add(const struct iam_entity *e, struct policy_source *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < e->inline_count; i++)
        ret[n++] = e->inline_[i];
    list_for_each (it, &e->attached)
        ret[n++] = list_entry(it, struct iam_policy_use, of_entity)->policy->source;
    return n;
}

const struct policy_source *iam_policies_of(struct iam_entity *e, size_t *ret_count)
{
    struct iam_user_entity *user = iam_user_of(e);
    if (!e->sources) {
        size_t n = own_count(e);
        if (user)
            list_for_each (it, &user->groups)
                n += own_count(&list_entry(it, struct iam_membership, of_user)->group->e);
        e->sources = xcalloc(n ? n : 1, sizeof(*e->sources));
        e->source_count = own_add(e, e->sources);
        if (user)
            list_for_each (it, &user->groups)
                e->source_count +=
                    own_add(&list_entry(it, struct iam_membership, of_user)->group->e,
                            e->sources + e->source_count);
    }
    *ret_count = e->source_count;
    return e->sources;
}

/* ---- inline policies ---- */

static size_t inline_index(const struct iam_entity *e, const char *name)
{
    size_t i = 0;
    while (i < e->rec->inline_policies.n &&
           strcasecmp(e->rec->inline_policies.v[i].name, name) != 0)
        i++;
    return i;
}

const struct gantry_iam_inline_policy *iam_inline_find(const struct iam_entity *e,
                                                       const char *name)
{
    size_t i = inline_index(e, name);
    return i < e->inline_count ? &e->rec->inline_policies.v[i] : NULL;
}

void iam_source_end(struct policy_source *s)
{
    policy_free((struct policy *)(uintptr_t)s->policy);
    free((char *)(uintptr_t)s->name);
    *s = (struct policy_source){0};
}

/* Room for the compiled form of the record's i-th. */
void iam_inline_link(struct iam_entity *e, size_t i, struct policy *compiled)
{
    if (i == e->inline_count) {
        e->inline_ = xrealloc(e->inline_, (i + 1) * sizeof(*e->inline_));
        e->inline_[i] = (struct policy_source){0};
        e->inline_count++;
    }
    iam_source_end(&e->inline_[i]);
    e->inline_[i] =
        (struct policy_source){compiled, xstrdup(e->rec->inline_policies.v[i].name)};
}

void iam_inline_set(struct core *core, struct iam_entity *e, const char *name,
                    const char *document, struct policy *compiled)
{
    struct arena *a = &e->o.arena;
    size_t i = inline_index(e, name);
    if (i == e->inline_count)
        LIST_PUSH(a, &e->rec->inline_policies)->name = arena_strdup(a, name);
    e->rec->inline_policies.v[i].document = arena_strdup(a, document);
    iam_inline_link(e, i, compiled);
    iam_entity_changed(e);
    object_save(core, &e->o);
}

void iam_inline_remove(struct core *core, struct iam_entity *e, const char *name)
{
    size_t i = inline_index(e, name), behind = e->inline_count - i - 1;
    struct gantry_iam_inline_policy *v = e->rec->inline_policies.v;
    iam_source_end(&e->inline_[i]);
    memmove(&e->inline_[i], &e->inline_[i + 1], behind * sizeof(*e->inline_));
    memmove(&v[i], &v[i + 1], behind * sizeof(*v));
    e->inline_count = --e->rec->inline_policies.n;
    iam_entity_changed(e);
    object_save(core, &e->o);
}

/* ---- managed policies ---- */

void iam_use_link(struct iam_entity *e, struct iam_managed_policy *p, bool boundary)
{
    struct iam_policy_use *use = xcalloc(1, sizeof(*use));
    struct iam_policy_users *users = iam_policy_users(p, e->account);
    *use = (struct iam_policy_use){.policy = p, .entity = e, .boundary = boundary};
    list_append(&users->uses, &use->of_policy);
    list_init(&use->of_entity);
    if (boundary) {
        e->boundary = use;
        users->boundaries++;
    } else {
        list_append(&e->attached, &use->of_entity);
        e->attached_count++;
        users->attached++;
    }
    iam_entity_changed(e);
}

void iam_use_unlink(struct iam_policy_use *use)
{
    struct iam_entity *e = use->entity;
    struct iam_policy_users *users = iam_policy_users(use->policy, e->account);
    list_remove(&use->of_policy);
    list_remove(&use->of_entity);
    if (use->boundary) {
        e->boundary = NULL;
        users->boundaries--;
    } else {
        e->attached_count--;
        users->attached--;
    }
    iam_entity_changed(e);
    free(use);
}

struct iam_policy_use *iam_attached(const struct iam_entity *e,
                                    const struct iam_managed_policy *p)
{
    list_for_each (it, &e->attached) {
        struct iam_policy_use *use = list_entry(it, struct iam_policy_use, of_entity);
        if (use->policy == p)
            return use;
    }
    return NULL;
}

/* The record's list is made anew of the links. */
static void attached_save(struct core *core, struct iam_entity *e)
{
    e->rec->attached_policies.n = 0;
    list_for_each (it, &e->attached)
        *LIST_PUSH(&e->o.arena, &e->rec->attached_policies) = arena_strdup(
            &e->o.arena,
            list_entry(it, struct iam_policy_use, of_entity)->policy->source.name);
    object_save(core, &e->o);
}

void iam_attach_policy(struct core *core, struct iam_entity *e,
                       struct iam_managed_policy *p)
{
    iam_use_link(e, p, false);
    attached_save(core, e);
}

void iam_detach_policy(struct core *core, struct iam_policy_use *use)
{
    struct iam_entity *e = use->entity;
    iam_use_unlink(use);
    attached_save(core, e);
}

void iam_boundary_set(struct core *core, struct iam_entity *e,
                      struct iam_managed_policy *p)
{
    if (e->boundary)
        iam_use_unlink(e->boundary);
    if (p)
        iam_use_link(e, p, true);
    e->rec->boundary = arena_strdup(&e->o.arena, iam_boundary_arn(e));
    object_save(core, &e->o);
}

/* ---- trust ---- */

void iam_trust_link(struct iam_role_entity *role, struct policy *compiled)
{
    policy_free((struct policy *)(uintptr_t)role->trust.policy);
    role->trust = (struct policy_source){compiled, role->e.arn};
}

void iam_trust_set(struct core *core, struct iam_role_entity *role, const char *bound,
                   struct policy *compiled)
{
    role->e.rec->trust_policy = arena_strdup(&role->e.o.arena, bound);
    iam_trust_link(role, compiled);
    object_save(core, &role->e.o);
}

/* ---- members ---- */

struct iam_membership *iam_member(const struct iam_user_entity *user,
                                  const struct iam_group_entity *group)
{
    list_for_each (it, &user->groups) {
        struct iam_membership *m = list_entry(it, struct iam_membership, of_user);
        if (m->group == group)
            return m;
    }
    return NULL;
}

void iam_member_link(struct iam_user_entity *user, struct iam_group_entity *group)
{
    struct iam_membership *m = xcalloc(1, sizeof(*m));
    m->user = user;
    m->group = group;
    list_append(&user->groups, &m->of_user);
    list_append(&group->members, &m->of_group);
    user->group_count++;
    iam_sources_drop(&user->e);
}

void iam_member_unlink(struct iam_membership *m)
{
    list_remove(&m->of_user);
    list_remove(&m->of_group);
    m->user->group_count--;
    iam_sources_drop(&m->user->e);
    free(m);
}

static void groups_save(struct core *core, struct iam_user_entity *user)
{
    user->e.rec->groups.n = 0;
    list_for_each (it, &user->groups)
        *LIST_PUSH(&user->e.o.arena, &user->e.rec->groups) =
            arena_strdup(&user->e.o.arena,
                         list_entry(it, struct iam_membership, of_user)->group->e.id);
    object_save(core, &user->e.o);
}

void iam_member_add(struct core *core, struct iam_user_entity *user,
                    struct iam_group_entity *group)
{
    iam_member_link(user, group);
    groups_save(core, user);
}

void iam_member_remove(struct core *core, struct iam_membership *m)
{
    struct iam_user_entity *user = m->user;
    iam_member_unlink(m);
    groups_save(core, user);
}
