/* OpenID Connect providers. */
#include <ctype.h>

#include "iam_provider.h"
#include "iam_reply.h"

#define PROVIDERS_MAX   100
#define CLIENT_IDS_MAX  100
#define THUMBPRINTS_MAX 5

static struct iam_provider *require(struct call *c, const char *arn)
{
    struct iam_provider *p = iam_provider_find(c->core, c->who.account_id, arn);
    if (!p)
        call_fault(c, &iam_no_such_entity_exception,
                   "OpenIDConnect Provider not found for arn %s", arn);
    return p;
}

static void list_copy(struct arena *a, const struct string_list *from,
                      struct string_list *to)
{
    *to = (struct string_list){.set = true};
    for (size_t i = 0; i < from->n; i++)
        *LIST_PUSH(a, to) = arena_strdup(a, from->v[i]);
}

/* ---- checks ---- */

static int thumbprints_check(struct call *c, const struct string_list *l)
{
    if (l->n > THUMBPRINTS_MAX)
        return call_fault(c, &iam_invalid_input_exception,
                          "Thumbprint list must contain fewer than %d entries.",
                          THUMBPRINTS_MAX);
    for (size_t i = 0; i < l->n; i++)
        if (strspn(l->v[i], "0123456789abcdefABCDEF") != 40)
            return call_fault(c, &iam_invalid_input_exception,
                              "Thumbprint %s is not 40 hexadecimal digits.", l->v[i]);
    return 0;
}

/* What is behind "https://", without slashes at its end: it names the provider. Ours on this
 * machine may be asked by those who develop only: accounts are not all equal. */
static const char *name_of(struct call *c, const char *url)
{
    const char *given = iam_provider_name(url);
    bool allowed = given && (core_config(c->core)->dev || str_starts(url, "https://"));
    char *name = allowed ? arena_strdup(&c->arena, given) : NULL;
    size_t n = name ? strlen(name) : 0;
    while (n && name[n - 1] == '/')
        name[--n] = '\0';
    if (n && !strpbrk(name, "?#@\\ \t") && name[0] != '/' && name[0] != ':')
        return name;
    call_fault(c, &iam_invalid_input_exception,
               "Invalid Open ID Connect Provider URL: it must begin with https:// and "
               "have no query.");
    return NULL;
}

/* ---- the operations ---- */

int iam_create_open_id_connect_provider(
    struct call *c, const struct iam_create_open_id_connect_provider_request *in,
    struct iam_create_open_id_connect_provider_response *out)
{
    const char *account = c->who.account_id, *name = name_of(c, in->url);
    if (!name || thumbprints_check(c, &in->thumbprint_list) < 0 ||
        iam_tags_check(c, &in->tags) < 0)
        return -1;
    if (iam_provider_by_issuer(c->core, account, in->url))
        return call_fault(c, &iam_entity_already_exists_exception,
                          "Provider with url https://%s already exists.", name);
    if (iam_account_make(c->core, account)->providers >= PROVIDERS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d",
                          PROVIDERS_MAX);
    if (in->client_id_list.n > CLIENT_IDS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d",
                          CLIENT_IDS_MAX);
    struct iam_provider *p = iam_provider_new(c->core, account, name);
    if (!str_starts(in->url, "https://"))
        p->rec->plain = SET_BOOL(true);
    list_copy(&p->o.arena, &in->client_id_list, &p->rec->client_ids);
    list_copy(&p->o.arena, &in->thumbprint_list, &p->rec->thumbprints);
    iam_tags_set(&p->o.arena, &p->rec->tags, &in->tags);
    out->open_id_connect_provider_arn = p->arn;
    out->tags = p->rec->tags;
    return 0;
}

int iam_get_open_id_connect_provider(
    struct call *c, const struct iam_get_open_id_connect_provider_request *in,
    struct iam_get_open_id_connect_provider_response *out)
{
    const struct iam_provider *p = require(c, in->open_id_connect_provider_arn);
    if (!p)
        return -1;
    out->url = p->rec->url;
    out->client_id_list = p->rec->client_ids;
    out->thumbprint_list = p->rec->thumbprints;
    out->create_date = p->rec->create_date;
    out->tags = p->rec->tags;
    return 0;
}

int iam_list_open_id_connect_providers(
    struct call *c, const struct iam_list_open_id_connect_providers_request *in,
    struct iam_list_open_id_connect_providers_response *out)
{
    const char *prefix = iam_provider_prefix(&c->arena, c->who.account_id),
               *after = prefix;
    const struct iam_provider *p;
    out->open_id_connect_provider_list.set = true;
    for (; (p = table_next(iam_of(c->core)->providers, prefix, after)); after = p->o.key)
        LIST_PUSH(&c->arena, &out->open_id_connect_provider_list)->arn = p->arn;
    return 0;
}

/* To delete one that is not there is no mistake. */
int iam_delete_open_id_connect_provider(
    struct call *c, const struct iam_delete_open_id_connect_provider_request *in,
    void *out)
{
    struct iam_provider *p =
        iam_provider_find(c->core, c->who.account_id, in->open_id_connect_provider_arn);
    if (p)
        object_delete(c->core, &p->o);
    return 0;
}

int iam_update_open_id_connect_provider_thumbprint(
    struct call *c,
    const struct iam_update_open_id_connect_provider_thumbprint_request *in, void *out)
{
    struct iam_provider *p = require(c, in->open_id_connect_provider_arn);
    if (!p || thumbprints_check(c, &in->thumbprint_list) < 0)
        return -1;
    list_copy(&p->o.arena, &in->thumbprint_list, &p->rec->thumbprints);
    object_save(c->core, &p->o);
    return 0;
}

static size_t client_index(const struct iam_provider *p, const char *id)
{
    size_t i = 0;
    while (i < p->rec->client_ids.n && !streq(p->rec->client_ids.v[i], id))
        i++;
    return i;
}

int iam_add_client_id_to_open_id_connect_provider(
    struct call *c,
    const struct iam_add_client_id_to_open_id_connect_provider_request *in, void *out)
{
    struct iam_provider *p = require(c, in->open_id_connect_provider_arn);
    if (!p)
        return -1;
    if (client_index(p, in->client_id) < p->rec->client_ids.n)
        return 0;
    if (p->rec->client_ids.n >= CLIENT_IDS_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d",
                          CLIENT_IDS_MAX);
    *LIST_PUSH(&p->o.arena, &p->rec->client_ids) =
        arena_strdup(&p->o.arena, in->client_id);
    object_save(c->core, &p->o);
    return 0;
}

int iam_remove_client_id_from_open_id_connect_provider(
    struct call *c,
    const struct iam_remove_client_id_from_open_id_connect_provider_request *in,
    void *out)
{
    struct iam_provider *p = require(c, in->open_id_connect_provider_arn);
    if (!p)
        return -1;
    struct string_list *ids = &p->rec->client_ids;
    size_t i = client_index(p, in->client_id);
    if (i == ids->n)
        return 0;
    memmove(&ids->v[i], &ids->v[i + 1], (ids->n - i - 1) * sizeof(*ids->v));
    ids->n--;
    object_save(c->core, &p->o);
    return 0;
}
