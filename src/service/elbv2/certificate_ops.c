/* AddListenerCertificates, RemoveListenerCertificates, DescribeListenerCertificates: the
 * certificates that SNI chooses from, besides a listener's default one. */
#include "acm.h"
#include "elb_page.h"
#include "target_group_ops.h"

#define CERTIFICATES_MAX 25

static bool lists(const struct elbv2_certificate_list *l, const char *arn)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].certificate_arn, arn))
            return true;
    return false;
}

/* Any listener of the balancer serves it. */
static bool balancer_uses(const struct balancer *b, const char *arn)
{
    list_for_each (it, &b->listeners) {
        const struct listener *l = list_entry(it, struct listener, link);
        if (lists(&l->rec->listener->certificates, arn) ||
            lists(&l->rec->certificates, arn))
            return true;
    }
    return false;
}

static void look(struct core *core, const struct balancer *b,
                 const struct elbv2_certificate_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        acm_certificate_use(core, l->v[i].certificate_arn,
                            b->rec->load_balancer->load_balancer_arn,
                            balancer_uses(b, l->v[i].certificate_arn));
}

void listener_certificates_look(struct core *core, const struct balancer *b,
                                const struct gantry_listener_record *rec)
{
    look(core, b, &rec->listener->certificates);
    look(core, b, &rec->certificates);
}

static struct listener *secure_listener(struct call *c, const char *arn)
{
    struct listener *l = listener_require(c, arn);
    if (!l)
        return NULL;
    if (l->rec->listener->certificates.n > 0)
        return l;
    call_fault(c, &elbv2_invalid_configuration_request_exception,
               "Certificates are only for HTTPS and TLS listeners");
    return NULL;
}

int elbv2_add_listener_certificates(
    struct call *c, const struct elbv2_add_listener_certificates_input *in,
    struct elbv2_add_listener_certificates_output *out)
{
    struct listener *l = secure_listener(c, in->listener_arn);
    struct acm_certificate found;
    struct error err;
    if (!l)
        return -1;
    size_t n = l->rec->certificates.n;
    for (size_t i = 0; i < in->certificates.n; i++) {
        const char *arn = in->certificates.v[i].certificate_arn;
        if (in->certificates.v[i].is_default.set)
            return elb_invalid(c, "IsDefault can't be given here");
        if (!arn ||
            !acm_certificate_belongs(&c->arena, arn, c->who.account_id, c->region) ||
            acm_certificate_find(c->core, arn, &c->arena, &found, &err) < 0)
            return call_fault(c, &elbv2_certificate_not_found_exception,
                              "Certificate ARN '%s' not found", arn ? arn : "");
        n += !lists(&l->rec->certificates, arn);
    }
    if (n > CERTIFICATES_MAX)
        return call_fault(c, &elbv2_too_many_certificates_exception,
                          "A listener can have at most %d certificates",
                          CERTIFICATES_MAX);
    for (size_t i = 0; i < in->certificates.n; i++) {
        const char *arn = in->certificates.v[i].certificate_arn;
        if (lists(&l->rec->certificates, arn) ||
            lists(&l->rec->listener->certificates, arn))
            continue;
        struct elbv2_certificate *to = LIST_PUSH(&l->o.arena, &l->rec->certificates);
        to->certificate_arn = arena_strdup(&l->o.arena, arn);
        to->is_default = SET_BOOL(false);
    }
    look(c->core, l->balancer, &l->rec->certificates);
    out->certificates = l->rec->certificates;
    object_save(c->core, &l->o);
    balancer_changed(c->core, l->balancer);
    return 0;
}

int elbv2_remove_listener_certificates(
    struct call *c, const struct elbv2_remove_listener_certificates_input *in,
    struct elbv2_remove_listener_certificates_output *out)
{
    struct listener *l = secure_listener(c, in->listener_arn);
    if (!l)
        return -1;
    for (size_t i = 0; i < in->certificates.n; i++)
        if (lists(&l->rec->listener->certificates, in->certificates.v[i].certificate_arn))
            return call_fault(c, &elbv2_operation_not_permitted_exception,
                              "Default certificate '%s' cannot be removed from listener "
                              "'%s'",
                              in->certificates.v[i].certificate_arn, in->listener_arn);
    size_t kept = 0;
    struct elbv2_certificate_list *have = &l->rec->certificates;
    for (size_t i = 0; i < have->n; i++)
        if (!lists(&in->certificates, have->v[i].certificate_arn))
            have->v[kept++] = have->v[i];
    have->n = kept;
    look(c->core, l->balancer, &in->certificates);
    object_save(c->core, &l->o);
    balancer_changed(c->core, l->balancer);
    return 0;
}

/* At most 26 of them: always one page. */
int elbv2_describe_listener_certificates(
    struct call *c, const struct elbv2_describe_listener_certificates_input *in,
    struct elbv2_describe_listener_certificates_output *out)
{
    const struct listener *l = listener_require(c, in->listener_arn);
    if (!l)
        return -1;
    out->certificates.set = true;
    for (size_t i = 0; i < l->rec->listener->certificates.n; i++) {
        struct elbv2_certificate *to = LIST_PUSH(&c->arena, &out->certificates);
        to->certificate_arn = l->rec->listener->certificates.v[i].certificate_arn;
        to->is_default = SET_BOOL(true);
    }
    for (size_t i = 0; i < l->rec->certificates.n; i++)
        *LIST_PUSH(&c->arena, &out->certificates) = l->rec->certificates.v[i];
    return 0;
}
