/* Instance profiles: table, links, and what others ask. */
#include <ctype.h>
#include <stdlib.h>

#include "iam_profile.h"

#define PREFIX "/iam/profile/"

const char *iam_profile_prefix(struct arena *a, const char *account)
{
    return arena_printf(a, PREFIX "%s/", account);
}

static const char *profile_key(struct arena *a, const char *account, const char *name)
{
    char *key = arena_printf(a, PREFIX "%s/%s", account, name);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return key;
}

struct iam_profile *iam_profile_named(const struct core *core, const char *account,
                                      const char *name)
{
    AUTO_ARENA a = ARENA_INIT;
    return table_find(iam_of(core)->profiles, profile_key(&a, account, name));
}

/* ---- links ---- */

/* With its record there. */
static void begin(struct core *core, struct iam_profile *p, const char *account)
{
    AUTO_STR arn = STR_INIT;
    p->account = iam_account_make(core, account);
    p->account->profiles++;
    list_init(&p->of_role);
    str_addf(&arn, "arn:aws:iam::%s:instance-profile%s%s", account, p->rec->path,
             p->rec->name);
    p->arn = str_take(&arn);
}

static void role_link(struct iam_profile *p, struct iam_role_entity *role)
{
    list_remove(&p->of_role);
    p->role = role;
    if (role)
        list_append(&role->profiles, &p->of_role);
}

void iam_profile_role_set(struct core *core, struct iam_profile *p,
                          struct iam_role_entity *role)
{
    role_link(p, role);
    p->rec->role_id = role ? arena_strdup(&p->o.arena, role->e.id) : NULL;
    object_save(core, &p->o);
}

struct iam_profile *iam_profile_new(struct core *core, const char *account,
                                    const char *path, const char *name)
{
    char id[IAM_ID_LENGTH + 1];
    struct iam_profile *p = object_new(core, iam_of(core)->profiles,
                                       profile_key(core_scratch(core), account, name));
    struct arena *a = &p->o.arena;
    iam_id_make(core, "AIPA", account, IAM_ID_LENGTH, id);
    p->rec->name = arena_strdup(a, name);
    p->rec->path = arena_strdup(a, path ? path : "/");
    p->rec->id = arena_strdup(a, id);
    p->rec->create_date = SET_TIME(core_now_ms(core));
    begin(core, p, account);
    object_save(core, &p->o);
    return p;
}

/* ---- the table ---- */

static int profile_loaded(struct core *core, struct object *o, struct error *err)
{
    struct iam_profile *p = (struct iam_profile *)(void *)o;
    if (!p->rec->name || !p->rec->path || !p->rec->id)
        return fail(err, E_CORRUPT, "without name, path or id");
    begin(core, p, iam_key_account(core, o));
    if (!p->rec->role_id)
        return 0;
    struct iam_role_entity *role = iam_role_of(iam_entity_by_id(core, p->rec->role_id));
    if (!role)
        return fail(err, E_CORRUPT, "no role '%s'", p->rec->role_id);
    role_link(p, role);
    return 0;
}

static void profile_unlink(struct core *core, struct object *o)
{
    struct iam_profile *p = (struct iam_profile *)(void *)o;
    if (!p->account)
        return;
    p->account->profiles--;
    list_remove(&p->of_role);
    free(p->arn);
}

static const struct table_type profile_table = {
    .prefix = PREFIX,
    .shape = &gantry_iam_profile_record_shape,
    .object_size = sizeof(struct iam_profile),
    .record_offset = offsetof(struct iam_profile, rec),
    .loaded = profile_loaded,
    .unlink = profile_unlink,
};

void iam_profile_tables(struct core *core, struct iam *iam)
{
    iam->profiles = table_add(core, &profile_table);
}

/* ---- for other services ---- */

static struct iam_profile *by_arn_or_name(struct core *core, const char *account,
                                          const char *text)
{
    struct arn arn;
    if (!arn_looks_like(text))
        return iam_profile_named(core, account, text);
    if (!arn_parse(core_scratch(core), text, &arn) || !streq(arn.service, "iam") ||
        !str_starts(arn.resource, "instance-profile/"))
        return NULL;
    struct iam_profile *p =
        iam_profile_named(core, arn.account, strrchr(arn.resource, '/') + 1);
    return p && streq(p->arn, text) ? p : NULL;
}

int iam_profile_find(struct core *core, const char *account, const char *arn_or_name,
                     struct arena *a, const char **ret_arn, const char **ret_id,
                     struct error *err)
{
    const struct iam_profile *p = by_arn_or_name(core, account, arn_or_name);
    if (!p)
        return fail(err, E_NOTFOUND, "no instance profile '%s'", arn_or_name);
    *ret_arn = arena_strdup(a, p->arn);
    *ret_id = arena_strdup(a, p->rec->id);
    return 0;
}

int iam_profile_role(struct core *core, const char *account, const char *arn_or_name,
                     struct arena *a, const char **ret_role_arn, struct error *err)
{
    const struct iam_profile *p = by_arn_or_name(core, account, arn_or_name);
    if (!p)
        return fail(err, E_NOTFOUND, "no instance profile '%s'", arn_or_name);
    if (!p->role)
        return fail(err, E_CONFLICT, "instance profile '%s' has no role", p->rec->name);
    *ret_role_arn = arena_strdup(a, p->role->e.arn);
    return 0;
}

bool iam_role_exists(struct core *core, const char *arn)
{
    return iam_role_of(iam_entity_by_arn(core, arn)) != NULL;
}
