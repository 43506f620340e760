/* ImportCertificate, GetCertificate, DescribeCertificate, DeleteCertificate. */
#include "acm_state.h"
#include "seal.h"
#include "x509.h"

#define CERTIFICATES_MAX 2500 /* as ACM's quota; of all accounts here */

struct certificate *certificate_require(struct call *c, const char *text)
{
    struct arn arn;
    if (!arn_parse(&c->arena, text, &arn) || !streq(arn.service, "acm") ||
        !str_starts(arn.resource, "certificate/")) {
        call_fault(c, &acm_invalid_arn_exception, "The ARN '%s' is not a certificate's.",
                   text);
        return NULL;
    }
    struct certificate *x = certificate_by_arn(c->core, text);
    if (x && streq(arn.account, c->who.account_id) && streq(arn.region, c->region))
        return x;
    call_fault(c, &acm_resource_not_found_exception,
               "Could not find certificate %s in account %s.", text, c->who.account_id);
    return NULL;
}

/* ---- what is imported ---- */

/* As texts, in the order of a PEM file. */
struct material {
    const char *certificate, *chain, *key;
    struct x509_info info;
};

/* NULL: not a text. */
static const char *blob_text(struct call *c, const struct wire_blob *b)
{
    const char *data = (const char *)b->data;
    return b->data && !memchr(data, 0, b->size) && utf8_valid(data, b->size)
               ? arena_strndup(&c->arena, data, b->size)
               : NULL;
}

static int invalid(struct call *c, const char *what, const struct error *err)
{
    return call_fault(c, &acm_validation_exception, "The %s is not valid: %s.", what,
                      err->text);
}

static int not_text(struct call *c, const char *what)
{
    return call_fault(c, &acm_validation_exception,
                      "The %s is not valid: it is not in PEM format.", what);
}

static int key_check(struct call *c, const struct material *m)
{
    struct error err;
    int r = x509_key_check(m->certificate, strlen(m->certificate), m->key, strlen(m->key),
                           &err);
    if (r == -E_CONFLICT)
        return call_fault(c, &acm_validation_exception,
                          "The private key does not match the certificate.");
    return r < 0 ? invalid(c, "private key", &err) : 0;
}

static int chain_check(struct call *c, const struct material *m)
{
    struct error err;
    if (!m->chain)
        return 0;
    int r = x509_chain_check(m->certificate, strlen(m->certificate), m->chain,
                             strlen(m->chain), &err);
    if (r == -E_CONFLICT)
        return call_fault(
            c, &acm_validation_exception,
            "Could not validate the certificate with the certificate chain: "
            "%s.",
            err.text);
    return r < 0 ? invalid(c, "certificate chain", &err) : 0;
}

static int material_read(struct call *c, const struct acm_import_certificate_request *in,
                         struct material *ret)
{
    struct error err;
    int64_t now = core_now_ms(c->core);
    if (!(ret->certificate = blob_text(c, &in->certificate)))
        return not_text(c, "certificate");
    if (!(ret->key = blob_text(c, &in->private_key)))
        return not_text(c, "private key");
    if (in->certificate_chain.data &&
        !(ret->chain = blob_text(c, &in->certificate_chain)))
        return not_text(c, "certificate chain");
    if (x509_certificate_read(ret->certificate, strlen(ret->certificate), &c->arena,
                              &ret->info, &err) < 0)
        return invalid(c, "certificate", &err);
    if (!ret->info.domain_name)
        return call_fault(c, &acm_validation_exception,
                          "The certificate is not valid: it has no domain name.");
    if (now < ret->info.not_before_ms || now > ret->info.not_after_ms)
        return call_fault(
            c, &acm_validation_exception, "The certificate is not valid now: %s.",
            now < ret->info.not_before_ms ? "its time has not begun" : "it has expired");
    if (key_check(c, ret) < 0)
        return -1;
    return chain_check(c, ret);
}

/* ---- what a certificate tells, in ACM's words ---- */

static void fill_usages(struct arena *a, const struct x509_info *info,
                        struct acm_certificate_detail *d)
{
    /* The bits of the extension stand in the order of ACM's names. */
    d->key_usages = (struct acm_key_usage_list){.set = true};
    d->extended_key_usages = (struct acm_extended_key_usage_list){.set = true};
    for (int bit = 0; bit < 9; bit++)
        if (info->key_usage & 1U << bit)
            LIST_PUSH(a, &d->key_usages)->name =
                (enum acm_key_usage_name)(ACM_KEY_USAGE_NAME_DIGITAL_SIGNATURE + bit);
    static const struct {
        const char *oid;
        enum acm_extended_key_usage_name name;
    } known[] = {
        {"1.3.6.1.5.5.7.3.1", ACM_EXTENDED_KEY_USAGE_NAME_TLS_WEB_SERVER_AUTHENTICATION},
        {"1.3.6.1.5.5.7.3.2", ACM_EXTENDED_KEY_USAGE_NAME_TLS_WEB_CLIENT_AUTHENTICATION},
        {"1.3.6.1.5.5.7.3.3", ACM_EXTENDED_KEY_USAGE_NAME_CODE_SIGNING},
        {"1.3.6.1.5.5.7.3.4", ACM_EXTENDED_KEY_USAGE_NAME_EMAIL_PROTECTION},
        {"1.3.6.1.5.5.7.3.5", ACM_EXTENDED_KEY_USAGE_NAME_IPSEC_END_SYSTEM},
        {"1.3.6.1.5.5.7.3.6", ACM_EXTENDED_KEY_USAGE_NAME_IPSEC_TUNNEL},
        {"1.3.6.1.5.5.7.3.7", ACM_EXTENDED_KEY_USAGE_NAME_IPSEC_USER},
        {"1.3.6.1.5.5.7.3.8", ACM_EXTENDED_KEY_USAGE_NAME_TIME_STAMPING},
        {"1.3.6.1.5.5.7.3.9", ACM_EXTENDED_KEY_USAGE_NAME_OCSP_SIGNING},
        {"2.5.29.37.0", ACM_EXTENDED_KEY_USAGE_NAME_ANY},
    };
    for (size_t i = 0; i < info->extended_key_usage.n; i++) {
        struct acm_extended_key_usage *u = LIST_PUSH(a, &d->extended_key_usages);
        u->oid = arena_strdup(a, info->extended_key_usage.v[i]);
        u->name = ACM_EXTENDED_KEY_USAGE_NAME_CUSTOM;
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            if (streq(known[k].oid, u->oid))
                u->name = known[k].name;
    }
}

static void fill(struct call *c, struct certificate *x, const struct material *m)
{
    struct arena *a = &x->o.arena;
    struct acm_certificate_detail *d = x->rec->detail;
    const struct x509_info *info = &m->info;
    x->rec->certificate = arena_strdup(a, m->certificate);
    x->rec->chain = arena_strdup(a, m->chain);
    x->rec->private_key = seal(core_seal(c->core), a, m->key, strlen(m->key), x->o.key);
    d->domain_name = arena_strdup(a, info->domain_name);
    d->subject_alternative_names = (struct string_list){.set = true};
    for (size_t i = 0; i < info->names.n; i++)
        *LIST_PUSH(a, &d->subject_alternative_names) = arena_strdup(a, info->names.v[i]);
    d->serial = arena_strdup(a, info->serial);
    d->subject = arena_strdup(a, info->subject);
    d->issuer = arena_strdup(a, info->issuer);
    d->not_before = SET_TIME(info->not_before_ms);
    d->not_after = SET_TIME(info->not_after_ms);
    d->imported_at = SET_TIME(core_now_ms(c->core));
    d->type = ACM_CERTIFICATE_TYPE_IMPORTED;
    d->renewal_eligibility = ACM_RENEWAL_ELIGIBILITY_INELIGIBLE;
    d->key_algorithm = (enum acm_key_algorithm)wire_enum_value(&acm_key_algorithm_shape,
                                                               info->key_algorithm);
    d->signature_algorithm = arena_strdup(a, info->signature_algorithm);
    d->options = arena_new(a, struct acm_certificate_options);
    d->options->certificate_transparency_logging_preference =
        ACM_CERTIFICATE_TRANSPARENCY_LOGGING_PREFERENCE_DISABLED;
    fill_usages(a, info, d);
}

/* ---- ImportCertificate ---- */

static const char *new_uuid(struct call *c)
{
    char hex[33];
    core_random_hex(c->core, hex, 32);
    hex[12] = '4'; /* RFC 9562: version 4, variant 10xx */
    hex[16] = "89ab"[core_random_below(c->core, 4)];
    return call_printf(c, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                       hex + 20);
}

static struct certificate *certificate_new(struct call *c)
{
    const char *id = new_uuid(c);
    struct certificate *x =
        object_new(c->core, acm_of(c->core)->certificates,
                   certificate_key(&c->arena, c->who.account_id, c->region, id));
    struct arena *a = &x->o.arena;
    x->rec->detail = arena_new(a, struct acm_certificate_detail);
    x->rec->detail->certificate_arn = arena_printf(a, "arn:aws:acm:%s:%s:certificate/%s",
                                                   c->region, c->who.account_id, id);
    x->rec->detail->created_at = SET_TIME(core_now_ms(c->core));
    return x;
}

int acm_import_certificate(struct call *c,
                           const struct acm_import_certificate_request *in,
                           struct acm_import_certificate_response *out)
{
    struct certificate *x = NULL;
    struct material m = {0};
    if (in->certificate_arn && !(x = certificate_require(c, in->certificate_arn)))
        return -1;
    if (x && in->tags.n)
        return call_fault(c, &acm_validation_exception,
                          "Tagging is not permitted on re-import.");
    if (certificate_tags_check(c, &in->tags) < 0 || material_read(c, in, &m) < 0)
        return -1;
    if (!x && table_count(acm_of(c->core)->certificates) >= CERTIFICATES_MAX)
        return call_fault(c, &acm_limit_exceeded_exception,
                          "The limit of %d imported certificates is reached.",
                          CERTIFICATES_MAX);
    bool again = x != NULL;
    if (!x)
        x = certificate_new(c);
    fill(c, x, &m);
    certificate_tags_merge(&x->o.arena, &x->rec->tags, &in->tags);
    object_save(c->core, &x->o);
    if (again)
        certificate_tell_changed(c->core, x);
    out->certificate_arn = x->rec->detail->certificate_arn;
    return 0;
}

/* ---- the others ---- */

int acm_get_certificate(struct call *c, const struct acm_get_certificate_request *in,
                        struct acm_get_certificate_response *out)
{
    const struct certificate *x = certificate_require(c, in->certificate_arn);
    if (!x)
        return -1;
    out->certificate = x->rec->certificate;
    out->certificate_chain = x->rec->chain;
    return 0;
}

int acm_describe_certificate(struct call *c,
                             const struct acm_describe_certificate_request *in,
                             struct acm_describe_certificate_response *out)
{
    const struct certificate *x = certificate_require(c, in->certificate_arn);
    if (!x)
        return -1;
    out->certificate = arena_new(&c->arena, struct acm_certificate_detail);
    *out->certificate = *x->rec->detail;
    out->certificate->status = certificate_status(c->core, x);
    out->certificate->in_use_by = (struct string_list){.set = true};
    certificate_users_list(&x->users, &c->arena, &out->certificate->in_use_by);
    return 0;
}

int acm_delete_certificate(struct call *c,
                           const struct acm_delete_certificate_request *in, void *out)
{
    struct certificate *x = certificate_require(c, in->certificate_arn);
    if (!x)
        return -1;
    if (x->users.n)
        return call_fault(c, &acm_resource_in_use_exception,
                          "Certificate %s in account %s is in use.", in->certificate_arn,
                          c->who.account_id);
    object_delete(c->core, &x->o);
    return 0;
}
