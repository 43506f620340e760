/* Certificates in memory, see acm.h. */
#include "acm_state.h"

#include <stdlib.h>

#include "iam.h"
#include "seal.h"
#include "x509.h"

static const char acm_service_key;

struct acm *acm_of(const struct core *core)
{
    return core_service(core, &acm_service_key);
}

static void certificate_unlink(struct core *core, struct object *o)
{
    certificate_users_free(&((struct certificate *)o)->users);
}

static int certificate_loaded(struct core *core, struct object *o, struct error *err)
{
    struct gantry_certificate_record *rec = ((struct certificate *)o)->rec;
    if (!rec->detail || !rec->certificate || !rec->private_key)
        return fail(err, E_CORRUPT, "certificate without its parts");
    int r = seal_renew(core_seal(core), &o->arena, o->key, &rec->private_key, err);
    if (r > 0)
        object_save(core, o);
    return r < 0 ? r : 0;
}

static const struct table_type certificate_table = {
    .prefix = "/acm/certificate/",
    .shape = &gantry_certificate_record_shape,
    .object_size = sizeof(struct certificate),
    .record_offset = offsetof(struct certificate, rec),
    .loaded = certificate_loaded,
    .unlink = certificate_unlink,
};

void acm_attach(struct core *core)
{
    struct acm *acm = xcalloc(1, sizeof(*acm));
    core_set_service(core, &acm_service_key, acm, free);
    acm->certificates = table_add(core, &certificate_table);
}

const char *certificate_key(struct arena *a, const char *account, const char *region,
                            const char *id)
{
    return arena_printf(a, "%s%s/%s/%s", certificate_table.prefix, account, region, id);
}

/* arn:aws:acm:<region>:<account>:certificate/<uuid> */
struct certificate *certificate_by_arn(struct core *core, const char *text)
{
    struct arn arn;
    if (!text || !arn_parse(core_scratch(core), text, &arn) ||
        !streq(arn.service, "acm") || !str_starts(arn.resource, "certificate/"))
        return NULL;
    return table_find(acm_of(core)->certificates,
                      certificate_key(core_scratch(core), arn.account, arn.region,
                                      arn.resource + strlen("certificate/")));
}

enum acm_certificate_status certificate_status(const struct core *core,
                                               const struct certificate *x)
{
    return core_now_ms(core) > x->rec->detail->not_after.v
               ? ACM_CERTIFICATE_STATUS_EXPIRED
               : ACM_CERTIFICATE_STATUS_ISSUED;
}

/* ---- for other services ---- */

int acm_certificate_find(struct core *core, const char *arn, struct arena *a,
                         struct acm_certificate *ret, struct error *err)
{
    struct iam_certificate other;
    struct x509_info info = {0};
    const struct certificate *x = certificate_by_arn(core, arn);
    if (!x && iam_certificate_find(core, arn, &other, err) < 0)
        return fail(err, E_NOTFOUND, "Certificate ARN '%s' is not valid", arn ? arn : "");
    const char *pem = x ? x->rec->certificate : other.body;
    int r = x509_certificate_read(pem, strlen(pem), a, &info, err);
    if (r < 0)
        return r;
    *LIST_PUSH(a, &info.names) = NULL;
    *ret = (struct acm_certificate){arena_strdup(a, arn), info.domain_name, info.names.v};
    return 0;
}

bool acm_certificate_belongs(struct arena *a, const char *text, const char *account,
                             const char *region)
{
    struct arn arn;
    return arn_parse(a, text, &arn) && streq(arn.account, account) &&
           (streq(arn.service, "iam") || streq(arn.region, region));
}

int acm_certificate_pem(struct core *core, const char *arn, struct str *ret,
                        struct error *err)
{
    AUTO_SECRET key = STR_INIT;
    const struct certificate *x = certificate_by_arn(core, arn);
    if (!x)
        return iam_certificate_pem(core, arn, ret, err);
    int r = seal_open(core_seal(core), x->rec->private_key, x->o.key, &key, err);
    if (r < 0)
        return wrap(err, "the key of '%s'", arn);
    x509_blocks_add(ret, x->rec->certificate);
    if (x->rec->chain)
        x509_blocks_add(ret, x->rec->chain);
    x509_blocks_add(ret, key.data);
    return 0;
}

void acm_certificate_use(struct core *core, const char *arn, const char *user, bool used)
{
    struct certificate *x = certificate_by_arn(core, arn);
    if (x)
        certificate_users_set(&x->users, user, used);
    else
        iam_certificate_use(core, arn, user, used);
}

void acm_watch_add(struct core *core, struct acm_watch *w)
{
    w->next = acm_of(core)->watches;
    acm_of(core)->watches = w;
}

void certificate_tell_changed(struct core *core, const struct certificate *x)
{
    struct string_list users = {0};
    if (x->users.n == 0)
        return;
    certificate_users_list(&x->users, core_scratch(core), &users);
    for (struct acm_watch *w = acm_of(core)->watches; w; w = w->next)
        w->changed(w->ctx, core, x->rec->detail->certificate_arn, &users);
}
