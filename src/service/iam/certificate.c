/* Server certificates in memory, see iam.h. */
#include "iam_state.h"

#include <stdlib.h>

#include "seal.h"
#include "x509.h"

static void server_certificate_unlink(struct core *core, struct object *o)
{
    certificate_users_free(&((struct server_certificate *)o)->users);
}

static int server_certificate_loaded(struct core *core, struct object *o,
                                     struct error *err)
{
    struct gantry_server_certificate_record *rec = ((struct server_certificate *)o)->rec;
    if (!rec->metadata || !rec->certificate_body || !rec->private_key)
        return fail(err, E_CORRUPT, "server certificate without its parts");
    int r = seal_renew(core_seal(core), &o->arena, o->key, &rec->private_key, err);
    if (r > 0)
        object_save(core, o);
    return r < 0 ? r : 0;
}

static const struct table_type server_certificate_table = {
    .prefix = "/iam/server-certificate/",
    .shape = &gantry_server_certificate_record_shape,
    .object_size = sizeof(struct server_certificate),
    .record_offset = offsetof(struct server_certificate, rec),
    .loaded = server_certificate_loaded,
    .unlink = server_certificate_unlink,
};

void iam_certificate_tables(struct core *core, struct iam *iam)
{
    iam->server_certificates = table_add(core, &server_certificate_table);
}

const char *server_certificate_key(struct arena *a, const char *account, const char *name)
{
    return arena_printf(a, "%s%s/%s", server_certificate_table.prefix, account, name);
}

struct server_certificate *server_certificate_find(struct core *core, const char *account,
                                                   const char *name)
{
    return table_find(iam_of(core)->server_certificates,
                      server_certificate_key(core_scratch(core), account, name));
}

/* ---- for other services ---- */

/* arn:aws:iam::<account>:server-certificate/<path>/<name> */
static struct server_certificate *by_arn(struct core *core, const char *text)
{
    struct arn arn;
    if (!text || !arn_parse(core_scratch(core), text, &arn) ||
        !streq(arn.service, "iam") || !str_starts(arn.resource, "server-certificate/"))
        return NULL;
    struct server_certificate *x =
        server_certificate_find(core, arn.account, strrchr(arn.resource, '/') + 1);
    return x && streq(x->rec->metadata->arn, text) ? x : NULL;
}

static int missing(struct error *err, const char *arn)
{
    return fail(err, E_NOTFOUND, "no server certificate '%s'", arn ? arn : "");
}

int iam_certificate_find(struct core *core, const char *arn, struct iam_certificate *ret,
                         struct error *err)
{
    const struct server_certificate *x = by_arn(core, arn);
    if (!x)
        return missing(err, arn);
    *ret = (struct iam_certificate){x->rec->metadata->arn, x->rec->certificate_body,
                                    x->rec->certificate_chain};
    return 0;
}

int iam_certificate_pem(struct core *core, const char *arn, struct str *ret,
                        struct error *err)
{
    AUTO_SECRET key = STR_INIT;
    const struct server_certificate *x = by_arn(core, arn);
    if (!x)
        return missing(err, arn);
    int r = seal_open(core_seal(core), x->rec->private_key, x->o.key, &key, err);
    if (r < 0)
        return wrap(err, "the key of '%s'", arn);
    x509_blocks_add(ret, x->rec->certificate_body);
    if (x->rec->certificate_chain)
        x509_blocks_add(ret, x->rec->certificate_chain);
    x509_blocks_add(ret, key.data);
    return 0;
}

void iam_certificate_use(struct core *core, const char *arn, const char *user, bool used)
{
    struct server_certificate *x = by_arn(core, arn);
    if (x)
        certificate_users_set(&x->users, user, used);
}
