/* TLS of a listener: certificates by SNI, and AWS's security policies as versions and
 * ciphers (ELB user guides, "Security policies"). A policy is read from its name, for AWS
 * names the lowest version and the restrictions in it. */
#include <stdlib.h>

#include "balancer_config.h"

#define FORWARD_SECRET_GCM                                                               \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                         \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define FORWARD_SECRET_CBC                                                               \
    ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"                                \
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384"
#define FORWARD_SECRET_SHA1                                                              \
    ":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"                                      \
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
#define PLAIN_RSA                                                                        \
    ":AES128-GCM-SHA256:AES128-SHA256:AES256-GCM-SHA384:AES256-SHA256:AES128-SHA:"       \
    "AES256-SHA"

struct policy {
    const char *min, *max;
    bool restricted;     /* GCM only */
    bool forward_secret; /* no plain RSA */
    bool old_hashes;     /* SHA-1 with forward secrecy */
};

/* The version behind "…TLS13-1-" or "…FS-1-": '0'…'3'; 0: the name tells none. */
static char version_after(const char *name, const char *mark)
{
    const char *p = strstr(name, mark);
    char c = p ? p[strlen(mark)] : '\0';
    return c >= '0' && c <= '3' ? c : '\0';
}

static int policy_of(const char *name, struct policy *ret, struct error *err)
{
    static const char *const versions[] = {"TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    const char *rest = name + strlen("ELBSecurityPolicy-");
    if (!str_starts(name, "ELBSecurityPolicy-"))
        return fail(err, E_UNSUPPORTED, "security policy '%s'", name);
    char v13 = version_after(name, "TLS13-1-"), v = version_after(name, "TLS-1-");
    char fs = version_after(name, "FS-1-");
    bool first = streq(rest, "2016-08") || streq(rest, "2015-05");
    bool plain_fs = str_starts(rest, "FS-20");
    if (!v13 && !v && !fs && !first && !plain_fs)
        return fail(err, E_UNSUPPORTED, "security policy '%s'", name);
    char least = v13 ? v13 : fs ? fs : v ? v : '0';
    ret->min = versions[least - '0'];
    ret->max = v13 ? "TLSv1.3" : "TLSv1.2";
    ret->restricted = strstr(name, "-Res-") != NULL || least == '3';
    bool extended = strstr(name, "Ext") != NULL;
    ret->forward_secret = fs || plain_fs || ret->restricted || (v13 == '2' && !extended);
    ret->old_hashes = !ret->forward_secret || least < '2' || (fs && !ret->restricted);
    return 0;
}

static void policy_render(struct str *out, const struct policy *p)
{
    str_addf(out, " ssl-min-ver %s ssl-max-ver %s ciphers %s", p->min, p->max,
             FORWARD_SECRET_GCM);
    if (!p->restricted)
        str_add(out, FORWARD_SECRET_CBC);
    if (p->old_hashes)
        str_add(out, FORWARD_SECRET_SHA1);
    if (!p->forward_secret)
        str_add(out, PLAIN_RSA);
    /* OpenSSL 3 has the old versions only without its own idea of security. */
    if (strcmp(p->min, "TLSv1.2") < 0)
        str_add(out, ":@SECLEVEL=0");
}

static const struct gantry_edge_certificate *
default_certificate(const struct gantry_edge_listener *l)
{
    for (size_t i = 0; i < l->certificates.n; i++)
        if (l->certificates.v[i].is_default.v)
            return &l->certificates.v[i];
    return l->certificates.n ? &l->certificates.v[0] : NULL;
}

static const char *add_certificate(struct arena *a, struct balancer_config *config,
                                   const struct gantry_edge_certificate *c)
{
    uint64_t h = balancer_hash(BALANCER_HASH_SEED, c->pem, strlen(c->pem));
    const char *name = arena_printf(a, "cert-%016llx.pem", (unsigned long long)h);
    for (size_t i = 0; i < config->count; i++)
        if (streq(config->files[i].name, name))
            return config->files[i].name;
    struct balancer_file *f = balancer_config_file(a, config, BALANCER_CERTIFICATE, name);
    f->text = c->pem;
    return f->name;
}

/* HAProxy takes a list's first certificate where no name matches. */
static const char *add_list(struct arena *a, const struct balancer_view *view,
                            const struct gantry_edge_listener *l,
                            struct balancer_config *config, struct error *err)
{
    const struct gantry_edge_certificate *first = default_certificate(l);
    AUTO_STR list = STR_INIT;
    char frontend[BALANCER_NAME_SIZE];
    if (!first) {
        fail(err, E_INVALID, "the listener has no certificate");
        return NULL;
    }
    for (size_t i = 0; i <= l->certificates.n; i++) {
        const struct gantry_edge_certificate *c =
            i == 0 ? first : &l->certificates.v[i - 1];
        if (i > 0 && c == first)
            continue;
        if (str_empty(c->pem)) {
            fail(err, E_INVALID, "certificate '%s' has no text",
                 c->certificate_arn ? c->certificate_arn : "");
            return NULL;
        }
        str_addf(&list, "%s/%s\n", view->dir, add_certificate(a, config, c));
    }
    balancer_frontend_name(l->listener->listener_arn, frontend);
    struct balancer_file *f = balancer_config_file(a, config, BALANCER_LIST,
                                                   arena_printf(a, "%s.list", frontend));
    f->text = arena_strdup(a, str_text(&list));
    return f->name;
}

static const char *alpn_of(const struct balancer_view *view,
                           const struct gantry_edge_listener *l, bool http2)
{
    static const char *const policies[][2] = {{"HTTP1Only", "http/1.1"},
                                              {"HTTP2Only", "h2"},
                                              {"HTTP2Optional", "http/1.1,h2"},
                                              {"HTTP2Preferred", "h2,http/1.1"}};
    if (balancer_is_http(view->balancer))
        return http2 ? "h2,http/1.1" : "http/1.1";
    for (size_t i = 0; l->listener->alpn_policy.n && i < 4; i++)
        if (streq(l->listener->alpn_policy.v[0], policies[i][0]))
            return policies[i][1];
    return NULL;
}

int balancer_tls_render(struct arena *a, const struct balancer_view *view,
                        const struct gantry_edge_listener *l,
                        struct balancer_config *config, struct str *out,
                        struct error *err)
{
    const struct elbv2_mutual_authentication_attributes *m =
        l->listener->mutual_authentication;
    struct policy policy = {0};
    if (m && !str_empty(m->mode) && !streq(m->mode, "off"))
        return fail(err, E_UNSUPPORTED, "mutual authentication '%s'", m->mode);
    if (policy_of(str_empty(l->listener->ssl_policy) ? "ELBSecurityPolicy-2016-08"
                                                     : l->listener->ssl_policy,
                  &policy, err) < 0)
        return -(int)err->code;
    const char *list = add_list(a, view, l, config, err);
    if (!list)
        return -(int)err->code;
    str_addf(out, " ssl crt-list %s/%s", view->dir, list);
    policy_render(out, &policy);
    bool http2 = true;
    for (size_t i = 0; i < view->balancer->attributes.n; i++)
        if (streq(view->balancer->attributes.v[i].key, "routing.http2.enabled"))
            http2 = !streq(view->balancer->attributes.v[i].value, "false");
    const char *alpn = alpn_of(view, l, http2);
    if (alpn)
        str_addf(out, " alpn %s", alpn);
    return 0;
}
