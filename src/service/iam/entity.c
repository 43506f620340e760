/* Users, groups and roles: their tables, lookups and links. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "iam_entity.h"
#include "iam_policy.h"

static const struct kind_facts {
    const char *word, *id_prefix, *prefix;
} kinds[IAM_KINDS] = {
    [IAM_USER] = {"user", "AIDA", "/iam/user/"},
    [IAM_GROUP] = {"group", "AGPA", "/iam/group/"},
    [IAM_ROLE] = {"role", "AROA", "/iam/role/"},
};

const char *iam_kind_word(enum iam_kind kind)
{
    return kinds[kind].word;
}

static const char *entity_key(struct arena *a, enum iam_kind kind, const char *account,
                              const char *name)
{
    char *key = arena_printf(a, "%s%s/%s", kinds[kind].prefix, account, name);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return key;
}

/* ---- lookups ---- */

struct iam_entity *iam_entity_find(const struct core *core, enum iam_kind kind,
                                   const char *account, const char *name)
{
    AUTO_ARENA a = ARENA_INIT;
    return table_find(iam_of(core)->entities[kind], entity_key(&a, kind, account, name));
}

struct iam_user_entity *iam_user_of(struct iam_entity *e)
{
    return e && e->kind == IAM_USER ? (struct iam_user_entity *)(void *)e : NULL;
}

struct iam_group_entity *iam_group_of(struct iam_entity *e)
{
    return e && e->kind == IAM_GROUP ? (struct iam_group_entity *)(void *)e : NULL;
}

struct iam_role_entity *iam_role_of(struct iam_entity *e)
{
    return e && e->kind == IAM_ROLE ? (struct iam_role_entity *)(void *)e : NULL;
}

struct iam_user_entity *iam_user_find(const struct core *core, const char *account,
                                      const char *name)
{
    return iam_user_of(iam_entity_find(core, IAM_USER, account, name));
}

struct iam_group_entity *iam_group_find(const struct core *core, const char *account,
                                        const char *name)
{
    return iam_group_of(iam_entity_find(core, IAM_GROUP, account, name));
}

struct iam_role_entity *iam_role_find(const struct core *core, const char *account,
                                      const char *name)
{
    return iam_role_of(iam_entity_find(core, IAM_ROLE, account, name));
}

struct iam_entity *iam_entity_by_id(const struct core *core, const char *id)
{
    struct iam_index_entry *x = iam_index_find(&iam_of(core)->ids, id);
    return x ? list_entry(x, struct iam_entity, by_id) : NULL;
}

/* arn:aws:iam::<account>:role/<path>/<name> */
struct iam_entity *iam_entity_by_arn(const struct core *core, const char *text)
{
    AUTO_ARENA a = ARENA_INIT;
    struct arn arn;
    if (!arn_parse(&a, text, &arn) || !streq(arn.service, "iam"))
        return NULL;
    const char *slash = strchr(arn.resource, '/');
    for (int k = 0; slash && k < IAM_KINDS; k++) {
        size_t len = strlen(kinds[k].word);
        if ((size_t)(slash - arn.resource) != len ||
            strncmp(arn.resource, kinds[k].word, len) != 0)
            continue;
        struct iam_entity *e = iam_entity_find(core, (enum iam_kind)k, arn.account,
                                               strrchr(arn.resource, '/') + 1);
        return e && streq(e->arn, text) ? e : NULL;
    }
    return NULL;
}

const char *iam_boundary_arn(const struct iam_entity *e)
{
    return e->boundary ? e->boundary->policy->source.name : NULL;
}

const struct policy_source *iam_boundary_of(const struct iam_entity *e)
{
    return e->boundary ? &e->boundary->policy->source : NULL;
}

const char *iam_tag_of(const struct iam_entity *e, const char *key)
{
    for (size_t i = 0; i < e->rec->tags.n; i++)
        if (strcasecmp(e->rec->tags.v[i].key, key) == 0)
            return e->rec->tags.v[i].value;
    return NULL;
}

/* ---- a new one, and its end ---- */

static void arn_set(struct iam_entity *e)
{
    AUTO_STR arn = STR_INIT;
    str_addf(&arn, "arn:aws:iam::%s:%s%s%s", e->account->id, kinds[e->kind].word,
             e->rec->path, e->rec->name);
    free(e->arn);
    e->arn = str_take(&arn);
}

/* With its record there: what every entity has besides. */
static void begin(struct core *core, struct iam_entity *e, enum iam_kind kind,
                  const char *account)
{
    e->kind = kind;
    e->account = iam_account_make(core, account);
    e->account->entities[kind]++;
    e->id = xstrdup(e->rec->id);
    iam_index_add(&iam_of(core)->ids, &e->by_id, e->id);
    arn_set(e);
    list_init(&e->attached);
    if (kind == IAM_USER) {
        list_init(&iam_user_of(e)->groups);
        list_init(&iam_user_of(e)->keys);
    } else if (kind == IAM_GROUP) {
        list_init(&iam_group_of(e)->members);
    } else {
        list_init(&iam_role_of(e)->profiles);
        iam_role_of(e)->trust.name = e->arn;
    }
}

struct iam_entity *iam_entity_new(struct core *core, enum iam_kind kind,
                                  const char *account, const char *path, const char *name)
{
    char id[IAM_ID_LENGTH + 1];
    iam_id_make(core, kinds[kind].id_prefix, account, IAM_ID_LENGTH, id);
    struct iam_entity *e =
        object_new(core, iam_of(core)->entities[kind],
                   entity_key(core_scratch(core), kind, account, name));
    struct arena *a = &e->o.arena;
    e->rec->name = arena_strdup(a, name);
    e->rec->path = arena_strdup(a, path ? path : "/");
    e->rec->id = arena_strdup(a, id);
    e->rec->create_date = SET_TIME(core_now_ms(core));
    begin(core, e, kind, account);
    object_save(core, &e->o);
    return e;
}

void iam_entity_delete(struct core *core, struct iam_entity *e)
{
    object_delete(core, &e->o);
}

void iam_entity_rename(struct core *core, struct iam_entity *e, const char *path,
                       const char *name)
{
    const char *key = entity_key(core_scratch(core), e->kind, e->account->id, name);
    e->rec->path = arena_strdup(&e->o.arena, path);
    e->rec->name = arena_strdup(&e->o.arena, name);
    arn_set(e);
    if (!streq(key, e->o.key))
        object_rename(core, &e->o, key);
    object_save(core, &e->o);
}

/* ---- loading ---- */

static int load_inline(struct iam_entity *e, struct error *err)
{
    for (size_t i = 0; i < e->rec->inline_policies.n; i++) {
        const struct gantry_iam_inline_policy *p = &e->rec->inline_policies.v[i];
        struct policy *compiled;
        if (!p->name || !p->document)
            return fail(err, E_CORRUPT, "inline policy without name or document");
        if (policy_compile(p->document, strlen(p->document), POLICY_IDENTITY, &compiled,
                           err) < 0)
            return wrap(err, "inline policy '%s'", p->name);
        iam_inline_link(e, i, compiled);
    }
    return 0;
}

static int load_attached(struct core *core, struct iam_entity *e, struct error *err)
{
    const struct string_list *arns = &e->rec->attached_policies;
    const char *boundary = e->rec->boundary;
    for (size_t i = 0; i < arns->n; i++) {
        struct iam_managed_policy *p = iam_policy_find(core, e->account->id, arns->v[i]);
        if (!p)
            return fail(err, E_CORRUPT, "no policy '%s', which is attached", arns->v[i]);
        iam_use_link(e, p, false);
    }
    if (!boundary)
        return 0;
    struct iam_managed_policy *p = iam_policy_find(core, e->account->id, boundary);
    if (!p)
        return fail(err, E_CORRUPT, "no policy '%s', which is its boundary", boundary);
    iam_use_link(e, p, true);
    return 0;
}

static int load_groups(struct core *core, struct iam_user_entity *user, struct error *err)
{
    for (size_t i = 0; i < user->e.rec->groups.n; i++) {
        const char *id = user->e.rec->groups.v[i];
        struct iam_group_entity *group = iam_group_of(iam_entity_by_id(core, id));
        if (!group)
            return fail(err, E_CORRUPT, "no group '%s'", id);
        iam_member_link(user, group);
    }
    return 0;
}

static int load_trust(struct iam_role_entity *role, struct error *err)
{
    const char *text = role->e.rec->trust_policy;
    struct policy *compiled;
    if (!text)
        return fail(err, E_CORRUPT, "role without a trust policy");
    if (policy_compile(text, strlen(text), POLICY_TRUST, &compiled, err) < 0)
        return wrap(err, "trust policy");
    iam_trust_link(role, compiled);
    return 0;
}

static int loaded(struct core *core, struct object *o, enum iam_kind kind,
                  struct error *err)
{
    struct iam_entity *e = (struct iam_entity *)(void *)o;
    if (!e->rec->name || !e->rec->path || !e->rec->id)
        return fail(err, E_CORRUPT, "without name, path or id");
    begin(core, e, kind, iam_key_account(core, o));
    int r = load_inline(e, err);
    if (r == 0)
        r = load_attached(core, e, err);
    if (r == 0 && kind == IAM_USER)
        r = load_groups(core, iam_user_of(e), err);
    if (r == 0 && kind == IAM_ROLE)
        r = load_trust(iam_role_of(e), err);
    return r;
}

static int user_loaded(struct core *core, struct object *o, struct error *err)
{
    return loaded(core, o, IAM_USER, err);
}

static int group_loaded(struct core *core, struct object *o, struct error *err)
{
    return loaded(core, o, IAM_GROUP, err);
}

static int role_loaded(struct core *core, struct object *o, struct error *err)
{
    return loaded(core, o, IAM_ROLE, err);
}

/* Also of one that failed to load: then it may have no account yet. */
static void entity_unlink(struct core *core, struct object *o)
{
    struct iam_entity *e = (struct iam_entity *)(void *)o;
    if (!e->account)
        return;
    if (e->kind == IAM_USER)
        list_for_each_safe (it, &iam_user_of(e)->groups)
            iam_member_unlink(list_entry(it, struct iam_membership, of_user));
    list_for_each_safe (it, &e->attached)
        iam_use_unlink(list_entry(it, struct iam_policy_use, of_entity));
    if (e->boundary)
        iam_use_unlink(e->boundary);
    for (size_t i = 0; i < e->inline_count; i++)
        iam_source_end(&e->inline_[i]);
    free(e->inline_);
    if (e->kind == IAM_ROLE)
        policy_free((struct policy *)(uintptr_t)iam_role_of(e)->trust.policy);
    e->account->entities[e->kind]--;
    iam_index_remove(&iam_of(core)->ids, &e->by_id);
    iam_sources_drop(e);
    free(e->id);
    free(e->arn);
}

#define ENTITY_TABLE(kind_prefix, type, on_loaded)                                       \
    {                                                                                    \
        .prefix = (kind_prefix), .shape = &gantry_iam_entity_record_shape,               \
        .object_size = sizeof(struct type),                                              \
        .record_offset = offsetof(struct iam_entity, rec), .loaded = (on_loaded),        \
        .unlink = entity_unlink,                                                         \
    }

static const struct table_type entity_tables[IAM_KINDS] = {
    [IAM_USER] = ENTITY_TABLE("/iam/user/", iam_user_entity, user_loaded),
    [IAM_GROUP] = ENTITY_TABLE("/iam/group/", iam_group_entity, group_loaded),
    [IAM_ROLE] = ENTITY_TABLE("/iam/role/", iam_role_entity, role_loaded),
};

/* Groups before users, who are in them. */
void iam_entity_tables(struct core *core, struct iam *iam)
{
    static const enum iam_kind order[] = {IAM_GROUP, IAM_ROLE, IAM_USER};
    for (size_t i = 0; i < IAM_KINDS; i++)
        iam->entities[order[i]] = table_add(core, &entity_tables[order[i]]);
}
