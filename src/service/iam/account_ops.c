/* What an account as a whole has: its alias, and how much of everything. */
#include <stdlib.h>

#include "iam_reply.h"

/* ---- aliases: unique among all accounts, one an account ---- */

#define ALIAS_PREFIX "/iam/alias/"

struct alias {
    struct object o;
    struct gantry_iam_alias_record *rec;
};

static int alias_loaded(struct core *core, struct object *o, struct error *err)
{
    const struct alias *alias = (struct alias *)(void *)o;
    if (!alias->rec->account)
        return fail(err, E_CORRUPT, "alias without account");
    iam_account_make(core, alias->rec->account)->alias = object_name(o);
    return 0;
}

static const struct table_type alias_table = {
    .prefix = ALIAS_PREFIX,
    .shape = &gantry_iam_alias_record_shape,
    .object_size = sizeof(struct alias),
    .record_offset = offsetof(struct alias, rec),
    .loaded = alias_loaded,
};

void iam_alias_tables(struct core *core, struct iam *iam)
{
    iam->aliases = table_add(core, &alias_table);
}

static struct alias *alias_find(struct call *c, const char *name)
{
    return table_find(iam_of(c->core)->aliases, call_printf(c, ALIAS_PREFIX "%s", name));
}

/* ^[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?$ */
static bool alias_is_good(const char *name)
{
    size_t n = strlen(name);
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n && name[0] != '-' &&
           name[n - 1] != '-' && !strstr(name, "--") && strspn(name, "0123456789") != n;
}

/* A new alias takes the place of the old one. */
int iam_create_account_alias(struct call *c,
                             const struct iam_create_account_alias_request *in, void *out)
{
    struct iam_account *account = iam_account_make(c->core, c->who.account_id);
    if (!alias_is_good(in->account_alias))
        return call_fault(
            c, &iam_validation_fault,
            "The account alias %s is not 3 to 63 lower-case letters, digits "
            "and single dashes between them.",
            in->account_alias);
    if (alias_find(c, in->account_alias))
        return call_fault(c, &iam_entity_already_exists_exception,
                          "The account alias %s already exists.", in->account_alias);
    if (account->alias)
        object_delete(c->core, &alias_find(c, account->alias)->o);
    struct alias *alias =
        object_new(c->core, iam_of(c->core)->aliases,
                   call_printf(c, ALIAS_PREFIX "%s", in->account_alias));
    alias->rec->account = arena_strdup(&alias->o.arena, account->id);
    account->alias = object_name(&alias->o);
    object_save(c->core, &alias->o);
    return 0;
}

int iam_delete_account_alias(struct call *c,
                             const struct iam_delete_account_alias_request *in, void *out)
{
    struct iam_account *account = iam_account_make(c->core, c->who.account_id);
    if (!account->alias || !streq(account->alias, in->account_alias))
        return call_fault(c, &iam_no_such_entity_exception,
                          "The account alias %s cannot be found.", in->account_alias);
    account->alias = NULL;
    object_delete(c->core, &alias_find(c, in->account_alias)->o);
    return 0;
}

int iam_list_account_aliases(struct call *c,
                             const struct iam_list_account_aliases_request *in,
                             struct iam_list_account_aliases_response *out)
{
    const struct iam_account *account = iam_account_make(c->core, c->who.account_id);
    struct iam_page page;
    if (iam_page(c, in->marker, in->max_items, account->alias != NULL, &page) < 0)
        return -1;
    out->account_aliases.set = true;
    if (page.from < page.end)
        *LIST_PUSH(&c->arena, &out->account_aliases) = account->alias;
    out->is_truncated = page.is_truncated;
    return 0;
}

/* ---- GetAccountSummary ---- */

static int32_t certificates(struct call *c)
{
    const struct table *t = iam_of(c->core)->server_certificates;
    const char *prefix = server_certificate_key(&c->arena, c->who.account_id, "");
    const struct object *o;
    int32_t n = 0;
    for (const char *at = prefix; (o = table_next(t, prefix, at)); at = o->key)
        n++;
    return n;
}

static void count_add(struct call *c, struct iam_get_account_summary_response *out,
                      const char *key, size_t n)
{
    *LIST_PUSH(&c->arena, &out->summary_map) =
        (struct iam_summary_value_type_map_entry){key, (int32_t)n};
}

static const struct {
    const char *key;
    int32_t value;
} quotas[] = {
    {"UsersQuota", 5000},
    {"GroupsQuota", 300},
    {"RolesQuota", 1000},
    {"PoliciesQuota", 1500},
    {"InstanceProfilesQuota", 1000},
    {"ServerCertificatesQuota", 1000},
    {"AccessKeysPerUserQuota", 2},
    {"SigningCertificatesPerUserQuota", 0},
    {"GroupsPerUserQuota", 10},
    {"AttachedPoliciesPerUserQuota", 10},
    {"AttachedPoliciesPerGroupQuota", 10},
    {"AttachedPoliciesPerRoleQuota", 10},
    {"VersionsPerPolicyQuota", 5},
    {"PolicyVersionsInUseQuota", 10000},
    {"PolicySizeQuota", 6144},
    {"UserPolicySizeQuota", 2048},
    {"GroupPolicySizeQuota", 5120},
    {"RolePolicySizeQuota", 10240},
    {"AssumeRolePolicySizeQuota", 2048},
    {"GlobalEndpointTokenVersion", 1},
    {"MFADevices", 0},
    {"MFADevicesInUse", 0},
    {"AccountMFAEnabled", 0},
    {"AccountPasswordPresent", 0},
    {"AccountSigningCertificatesPresent", 0},
};

int iam_get_account_summary(struct call *c, const void *in,
                            struct iam_get_account_summary_response *out)
{
    const struct iam_account *a = iam_account_make(c->core, c->who.account_id);
    count_add(c, out, "Users", a->entities[IAM_USER]);
    count_add(c, out, "Groups", a->entities[IAM_GROUP]);
    count_add(c, out, "Roles", a->entities[IAM_ROLE]);
    count_add(c, out, "Policies", a->policies);
    count_add(c, out, "PolicyVersionsInUse", a->versions);
    count_add(c, out, "InstanceProfiles", a->profiles);
    count_add(c, out, "Providers", a->providers);
    count_add(c, out, "ServerCertificates", (size_t)certificates(c));
    count_add(c, out, "AccountAccessKeysPresent", !list_empty(&a->root_keys));
    for (size_t i = 0; i < sizeof(quotas) / sizeof(*quotas); i++)
        count_add(c, out, quotas[i].key, (size_t)quotas[i].value);
    return 0;
}
