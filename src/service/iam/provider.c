/* OpenID Connect providers: table and lookups. */
#include <stdlib.h>

#include "iam_provider.h"

#define PREFIX   "/iam/oidc/"
#define RESOURCE "oidc-provider/"

/* URLs have slashes, which the key takes as they are. */
static const char *provider_key(struct arena *a, const char *account, const char *url)
{
    return arena_printf(a, PREFIX "%s/%s", account, url);
}

const char *iam_provider_prefix(struct arena *a, const char *account)
{
    return provider_key(a, account, "");
}

struct iam_provider *iam_provider_find(const struct core *core, const char *account,
                                       const char *text)
{
    AUTO_ARENA a = ARENA_INIT;
    struct arn arn;
    if (!arn_parse(&a, text, &arn) || !streq(arn.service, "iam") ||
        !streq(arn.account, account) || !str_starts(arn.resource, RESOURCE))
        return NULL;
    struct iam_provider *p =
        table_find(iam_of(core)->providers,
                   provider_key(&a, account, arn.resource + strlen(RESOURCE)));
    return p && streq(p->arn, text) ? p : NULL;
}

bool iam_provider_is_local(const char *name)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t n = strlen(hosts[i]);
        if (strncmp(name, hosts[i], n) == 0 && strchr(":/", name[n]))
            return true;
    }
    return false;
}

const char *iam_provider_name(const char *url)
{
    static const char scheme[] = "https://", plain[] = "http://";
    if (str_starts(url, scheme))
        return url + strlen(scheme);
    if (str_starts(url, plain) && iam_provider_is_local(url + strlen(plain)))
        return url + strlen(plain);
    return NULL;
}

bool iam_provider_view(struct core *core, const char *account, const char *issuer,
                       struct iam_provider_view *ret)
{
    const struct iam_provider *p = iam_provider_by_issuer(core, account, issuer);
    if (!p)
        return false;
    *ret = (struct iam_provider_view){p->arn, p->rec->url, p->rec->plain.v,
                                      &p->rec->client_ids, &p->rec->thumbprints};
    return true;
}

struct iam_provider *iam_provider_by_issuer(const struct core *core, const char *account,
                                            const char *issuer)
{
    AUTO_ARENA a = ARENA_INIT;
    if (!issuer)
        return NULL;
    const char *name = iam_provider_name(issuer);
    if (!name)
        name = issuer;
    size_t n = strlen(name);
    while (n && name[n - 1] == '/')
        n--;
    return table_find(iam_of(core)->providers,
                      provider_key(&a, account, arena_strndup(&a, name, n)));
}

/* With its record there. */
static void begin(struct core *core, struct iam_provider *p, const char *account)
{
    AUTO_STR arn = STR_INIT;
    p->account = iam_account_make(core, account);
    p->account->providers++;
    str_addf(&arn, "arn:aws:iam::%s:" RESOURCE "%s", account, p->rec->url);
    p->arn = str_take(&arn);
}

struct iam_provider *iam_provider_new(struct core *core, const char *account,
                                      const char *url)
{
    struct iam_provider *p = object_new(core, iam_of(core)->providers,
                                        provider_key(core_scratch(core), account, url));
    p->rec->url = arena_strdup(&p->o.arena, url);
    p->rec->create_date = SET_TIME(core_now_ms(core));
    begin(core, p, account);
    object_save(core, &p->o);
    return p;
}

static int provider_loaded(struct core *core, struct object *o, struct error *err)
{
    struct iam_provider *p = (struct iam_provider *)(void *)o;
    if (!p->rec->url)
        return fail(err, E_CORRUPT, "without URL");
    begin(core, p, iam_key_account(core, o));
    return 0;
}

static void provider_unlink(struct core *core, struct object *o)
{
    struct iam_provider *p = (struct iam_provider *)(void *)o;
    if (!p->account)
        return;
    p->account->providers--;
    free(p->arn);
}

static const struct table_type provider_table = {
    .prefix = PREFIX,
    .shape = &gantry_iam_oidc_record_shape,
    .object_size = sizeof(struct iam_provider),
    .record_offset = offsetof(struct iam_provider, rec),
    .loaded = provider_loaded,
    .unlink = provider_unlink,
};

void iam_provider_tables(struct core *core, struct iam *iam)
{
    iam->providers = table_add(core, &provider_table);
}
