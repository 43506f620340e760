/* Secrets in memory: their table, how they are found, and how they end. */
#include "secret.h"

#include <stdlib.h>

#define SUFFIX_SIZE 6

static const char secrets_service_key;

struct secrets *secrets_of(const struct core *core)
{
    return core_service(core, &secrets_service_key);
}

/* ---- the tables ---- */

static void deletion_due(struct core *core, struct wake *w)
{
    struct secret *s = list_entry(w, struct secret, deletion);
    if (s->rec->deleted_at.set && s->rec->deleted_at.v <= core_now_ms(core))
        secret_destroy(core, s);
    else
        secret_watch_deletion(core, s);
}

static void secret_init(struct secret *s)
{
    list_init(&s->versions);
    wake_init(&s->deletion, deletion_due);
}

void secret_watch_deletion(struct core *core, struct secret *s)
{
    wake_cancel(core, &s->deletion);
    wake_init(&s->deletion, deletion_due);
    if (s->rec->deleted_at.set)
        wake_at(core, &s->deletion, s->rec->deleted_at.v);
}

static int secret_loaded(struct core *core, struct object *o, struct error *err)
{
    struct secret *s = (struct secret *)o;
    secret_init(s);
    if (!s->rec->arn || !s->rec->name || !s->rec->id)
        return fail(err, E_CORRUPT, "secret without its parts");
    secret_watch_deletion(core, s);
    return secret_policy_compile(s, err);
}

static void secret_unlink(struct core *core, struct object *o)
{
    wake_cancel(core, &((struct secret *)o)->deletion);
    secret_policy_free((struct secret *)o);
}

static const struct table_type secret_table = {
    .prefix = "/secretsmanager/secret/",
    .shape = &gantry_secret_record_shape,
    .object_size = sizeof(struct secret),
    .record_offset = offsetof(struct secret, rec),
    .loaded = secret_loaded,
    .unlink = secret_unlink,
};

static const struct table_type version_table = {
    .prefix = "/secretsmanager/version/",
    .shape = &gantry_secret_version_record_shape,
    .object_size = sizeof(struct secret_version),
    .record_offset = offsetof(struct secret_version, rec),
    .loaded = version_loaded,
    .unlink = version_unlink,
};

void secretsmanager_attach(struct core *core)
{
    struct secrets *all = xcalloc(1, sizeof(*all));
    core_set_service(core, &secrets_service_key, all, free);
    all->secrets = table_add(core, &secret_table);
    all->versions = table_add(core, &version_table);
}

/* ---- finding ---- */

static const char *secret_key(struct arena *a, const char *account, const char *region,
                              const char *name)
{
    return arena_printf(a, "%s%s/%s/%s", secret_table.prefix, account, region, name);
}

struct secret *secret_find(struct core *core, const char *account, const char *region,
                           const char *name)
{
    return table_find(secrets_of(core)->secrets,
                      secret_key(core_scratch(core), account, region, name));
}

/* A name may end as a suffix does, so the whole ARN is tried first. */
struct secret *secret_by_arn(struct core *core, const char *text)
{
    struct arena *a = core_scratch(core);
    struct arn arn;
    if (!arn_parse(a, text, &arn) || !streq(arn.service, "secretsmanager") ||
        !str_starts(arn.resource, "secret:"))
        return NULL;
    const char *name = arn.resource + strlen("secret:");
    size_t n = strlen(name), suffix = SUFFIX_SIZE + 1;
    if (n > suffix && name[n - suffix] == '-') {
        struct secret *s = secret_find(core, arn.account, arn.region,
                                       arena_strndup(a, name, n - suffix));
        if (s && streq(s->rec->arn, text))
            return s;
    }
    return secret_find(core, arn.account, arn.region, name);
}

/* Another account's secret is there for those whom its own policy can have let in. */
static bool may_be_seen(const struct call *c, const struct arn *arn,
                        const struct secret *s)
{
    return streq(arn->account, c->who.account_id) || s->rec->resource_policy;
}

struct secret *secret_find_id(struct call *c, const char *id)
{
    struct arn arn;
    if (!arn_parse(&c->arena, id, &arn))
        return secret_find(c->core, c->who.account_id, c->region, id);
    struct secret *s = streq(arn.region, c->region) ? secret_by_arn(c->core, id) : NULL;
    return s && may_be_seen(c, &arn, s) ? s : NULL;
}

struct secret *secret_require(struct call *c, const char *id)
{
    struct secret *s = secret_find_id(c, id);
    if (!s)
        call_fault(c, &secretsmanager_resource_not_found_exception,
                   "Secrets Manager can't find the specified secret.");
    return s;
}

struct secret *secret_require_live(struct call *c, const char *id)
{
    struct secret *s = secret_require(c, id);
    if (!s || !s->rec->deleted_at.set)
        return s;
    call_fault(c, &secretsmanager_invalid_request_exception,
               "You can't perform this operation on the secret because it was marked for "
               "deletion.");
    return NULL;
}

/* ---- beginning and end ---- */

struct secret *secret_new(struct call *c, const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char suffix[SUFFIX_SIZE + 1] = "", id[33];
    for (size_t i = 0; i < SUFFIX_SIZE; i++)
        suffix[i] = letters[core_random_below(c->core, sizeof(letters) - 1)];
    core_random_hex(c->core, id, 32);
    struct secret *s =
        object_new(c->core, secrets_of(c->core)->secrets,
                   secret_key(&c->arena, c->who.account_id, c->region, name));
    struct arena *a = &s->o.arena;
    secret_init(s);
    s->rec->name = arena_strdup(a, name);
    s->rec->id = arena_strdup(a, id);
    s->rec->arn = arena_printf(a, "arn:aws:secretsmanager:%s:%s:secret:%s-%s", c->region,
                               c->who.account_id, name, suffix);
    s->rec->created_at = s->rec->changed_at = SET_TIME(core_now_ms(c->core));
    return s;
}

void secret_destroy(struct core *core, struct secret *s)
{
    version_free_all(core, s);
    object_delete(core, &s->o);
}
