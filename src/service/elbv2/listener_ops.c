/* CreateListener, DescribeListeners, ModifyListener, DeleteListener. */
#include <string.h>

#include "acm.h"
#include "elb_page.h"
#include "elb_tags.h"
#include "target_group_ops.h"

#define LISTENERS_MAX  50
#define POLICY_DEFAULT "ELBSecurityPolicy-2016-08"

static bool network(const struct balancer *b)
{
    return b->rec->load_balancer->type == ELBV2_LOAD_BALANCER_TYPE_ENUM_NETWORK;
}

static bool secure(enum elbv2_protocol_enum p)
{
    return p == ELBV2_PROTOCOL_ENUM_HTTPS || p == ELBV2_PROTOCOL_ENUM_TLS;
}

static int protocol_check(struct call *c, const struct balancer *b,
                          enum elbv2_protocol_enum p)
{
    bool http = p == ELBV2_PROTOCOL_ENUM_HTTP || p == ELBV2_PROTOCOL_ENUM_HTTPS;
    bool tcp = p == ELBV2_PROTOCOL_ENUM_TCP || p == ELBV2_PROTOCOL_ENUM_TLS;
    if (network(b) ? tcp : http)
        return 0;
    return call_fault(
        c, &elbv2_unsupported_protocol_exception,
        "Protocol '%s' is not supported for this load balancer type by this "
        "gantry",
        p ? wire_enum_name(&elbv2_protocol_enum_shape, (int)p) : "");
}

static int certificates_check(struct call *c, const struct elbv2_listener *l)
{
    struct acm_certificate found;
    struct error err;
    if (!secure(l->protocol))
        return l->certificates.n
                   ? elb_invalid(c,
                                 "Certificates are only for the protocols HTTPS and TLS")
                   : 0;
    if (l->certificates.n != 1)
        return elb_invalid(c,
                           "Exactly one certificate must be specified for HTTPS and TLS "
                           "listeners");
    const char *arn = l->certificates.v[0].certificate_arn;
    if (!arn || !acm_certificate_belongs(&c->arena, arn, c->who.account_id, c->region) ||
        acm_certificate_find(c->core, arn, &c->arena, &found, &err) < 0)
        return call_fault(c, &elbv2_certificate_not_found_exception,
                          "Certificate ARN '%s' not found", arn ? arn : "");
    return 0;
}

static int port_check(struct call *c, const struct balancer *b, int32_t port,
                      const struct listener *self)
{
    size_t n = 0;
    if (port < 1 || port > 65535)
        return elb_invalid(c, "A port between 1 and 65535 must be specified");
    list_for_each (it, &b->listeners) {
        const struct listener *l = list_entry(it, struct listener, link);
        n++;
        if (l != self && l->rec->listener->port.v == port)
            return call_fault(c, &elbv2_duplicate_listener_exception,
                              "A listener already exists on this port for this load "
                              "balancer");
    }
    return !self && n >= LISTENERS_MAX
               ? call_fault(c, &elbv2_too_many_listeners_exception,
                            "A load balancer can have at most %d listeners",
                            LISTENERS_MAX)
               : 0;
}

static int listener_check(struct call *c, const struct balancer *b,
                          struct elbv2_listener *want, const struct listener *self)
{
    if (protocol_check(c, b, want->protocol) < 0 ||
        port_check(c, b, want->port.v, self) < 0 || certificates_check(c, want) < 0)
        return -1;
    if (want->mutual_authentication && want->mutual_authentication->mode &&
        !streq(want->mutual_authentication->mode, "off"))
        return elb_invalid(c, "Mutual authentication is not offered by this gantry.");
    if (!secure(want->protocol) && want->ssl_policy)
        return elb_invalid(c, "An SSL policy is only for the protocols HTTPS and TLS");
    if (secure(want->protocol) && !want->ssl_policy)
        want->ssl_policy = POLICY_DEFAULT;
    if (want->ssl_policy && !ssl_policy_known(want->ssl_policy))
        return call_fault(c, &elbv2_ssl_policy_not_found_exception,
                          "SSL policy '%s' not found", want->ssl_policy);
    if (want->alpn_policy.n && want->protocol != ELBV2_PROTOCOL_ENUM_TLS)
        return elb_invalid(c, "An ALPN policy is only for the protocol TLS");
    return actions_check(c, b, want->protocol, &want->default_actions);
}

/* ---- CreateListener ---- */

static struct listener *same_listener(const struct balancer *b,
                                      const struct elbv2_listener *want)
{
    AUTO_STR x = STR_INIT, y = STR_INIT;
    list_for_each (it, &b->listeners) {
        struct listener *l = list_entry(it, struct listener, link);
        struct elbv2_listener have = *l->rec->listener;
        have.listener_arn = NULL;
        str_clear(&x);
        str_clear(&y);
        wire_json_encode(&x, &elbv2_listener_shape, &have);
        wire_json_encode(&y, &elbv2_listener_shape, want);
        if (streq(str_text(&x), str_text(&y)))
            return l;
    }
    return NULL;
}

static void default_rule_new(struct call *c, struct listener *l)
{
    char hex[17];
    struct ec2_scope s = elb_scope(c);
    core_random_hex(c->core, hex, 16);
    const char *listener = object_name(&l->o) + strlen(s.account) + strlen(s.region) + 2;
    const char *tail = call_printf(c, "%s/%s", listener, hex);
    struct rule *r = object_new(c->core, elbv2_of(c->core)->rules,
                                elb_key(&c->arena, "rule", &s, tail));
    struct arena *a = &r->o.arena;
    struct elbv2_rule *rec = r->rec->rule = arena_new(a, struct elbv2_rule);
    list_init(&r->link);
    r->listener = l;
    list_append(&l->rules, &r->link);
    rec->rule_arn = elb_arn(a, &s, "listener-rule/%s", tail);
    rec->priority = "default";
    rec->is_default = SET_BOOL(true);
    rec->conditions.set = true;
    struct elbv2_listener *copy = wire_copy(a, &elbv2_listener_shape, l->rec->listener);
    rec->actions = copy->default_actions;
    actions_use(c->core, &rec->actions, +1);
    object_save(c->core, &r->o);
}

int elbv2_create_listener(struct call *c, const struct elbv2_create_listener_input *in,
                          struct elbv2_create_listener_output *out)
{
    char hex[17];
    struct ec2_scope s = elb_scope(c);
    struct balancer *b = balancer_require(c, in->load_balancer_arn);
    if (!b || elb_tags_check(c, &in->tags) < 0)
        return -1;
    struct elbv2_listener want = {
        .load_balancer_arn = in->load_balancer_arn,
        .port = in->port,
        .protocol = in->protocol,
        .certificates = in->certificates,
        .ssl_policy = in->ssl_policy,
        .default_actions = in->default_actions,
        .alpn_policy = in->alpn_policy,
        .mutual_authentication = in->mutual_authentication,
    };
    if (actions_check(c, b, want.protocol, &want.default_actions) < 0)
        return -1;
    if (secure(want.protocol) && !want.ssl_policy)
        want.ssl_policy = POLICY_DEFAULT;
    struct listener *l = same_listener(b, &want);
    if (!l) {
        if (listener_check(c, b, &want, NULL) < 0)
            return -1;
        core_random_hex(c->core, hex, 16);
        struct ec2_scope own = s;
        const char *balancer =
            object_name(&b->o) + strlen(s.account) + strlen(s.region) + 2;
        const char *tail = call_printf(c, "%s/%s", balancer, hex);
        l = object_new(c->core, elbv2_of(c->core)->listeners,
                       elb_key(&c->arena, "listener", &own, tail));
        want.listener_arn = elb_arn(&c->arena, &s, "listener/%s", tail);
        list_init(&l->rules);
        l->balancer = b;
        list_append(&b->listeners, &l->link);
        l->rec->listener = wire_copy(&l->o.arena, &elbv2_listener_shape, &want);
        elb_tags_merge(&l->o.arena, &l->rec->tags, &in->tags);
        default_rule_new(c, l);
        listener_attributes_init(l);
        listener_certificates_look(c->core, b, l->rec);
        object_save(c->core, &l->o);
        balancer_changed(c->core, b);
    }
    *LIST_PUSH(&c->arena, &out->listeners) = *l->rec->listener;
    return 0;
}

/* ---- DescribeListeners ---- */

int elbv2_describe_listeners(struct call *c,
                             const struct elbv2_describe_listeners_input *in,
                             struct elbv2_describe_listeners_output *out)
{
    out->listeners.set = true;
    for (size_t i = 0; i < in->listener_arns.n; i++) {
        const struct listener *l = listener_require(c, in->listener_arns.v[i]);
        if (!l)
            return -1;
        *LIST_PUSH(&c->arena, &out->listeners) = *l->rec->listener;
    }
    if (in->listener_arns.n)
        return 0;
    if (!in->load_balancer_arn)
        return elb_invalid(c, "You must specify either listener ARNs or a load balancer "
                              "ARN");
    const struct balancer *b = balancer_require(c, in->load_balancer_arn);
    struct elb_page page;
    struct ec2_scope s = elb_scope(c);
    if (!b)
        return -1;
    const char *own = object_name(&b->o) + strlen(s.account) + strlen(s.region) + 2;
    if (elb_page_start(c, call_printf(c, "%s/", elb_key(&c->arena, "listener", &s, own)),
                       in->marker, in->page_size, &page) < 0)
        return -1;
    const struct listener *l;
    while ((l = elb_page_next(c, &page, elbv2_of(c->core)->listeners)))
        *LIST_PUSH(&c->arena, &out->listeners) = *l->rec->listener;
    out->next_marker = page.next_marker;
    return 0;
}

/* ---- ModifyListener ---- */

int elbv2_modify_listener(struct call *c, const struct elbv2_modify_listener_input *in,
                          struct elbv2_modify_listener_output *out)
{
    struct listener *l = listener_require(c, in->listener_arn);
    if (!l)
        return -1;
    struct elbv2_listener want = *l->rec->listener;
    if (in->port.set)
        want.port = in->port;
    if (in->protocol)
        want.protocol = in->protocol;
    if (in->ssl_policy)
        want.ssl_policy = in->ssl_policy;
    if (in->certificates.set)
        want.certificates = in->certificates;
    if (in->alpn_policy.set)
        want.alpn_policy = in->alpn_policy;
    if (in->mutual_authentication)
        want.mutual_authentication = in->mutual_authentication;
    if (in->default_actions.set)
        want.default_actions = in->default_actions;
    if (!secure(want.protocol)) {
        want.ssl_policy = in->ssl_policy;
        want.certificates = in->certificates;
    }
    if (listener_check(c, l->balancer, &want, l) < 0)
        return -1;
    struct rule *r = listener_default_rule(l);
    struct gantry_listener_record before = *l->rec;
    l->rec->listener = wire_copy(&l->o.arena, &elbv2_listener_shape, &want);
    listener_certificates_look(c->core, l->balancer, &before);
    listener_certificates_look(c->core, l->balancer, l->rec);
    actions_use(c->core, &r->rec->rule->actions, -1);
    struct elbv2_listener *copy = wire_copy(&r->o.arena, &elbv2_listener_shape, &want);
    r->rec->rule->actions = copy->default_actions;
    actions_use(c->core, &r->rec->rule->actions, +1);
    object_save(c->core, &r->o);
    object_save(c->core, &l->o);
    balancer_changed(c->core, l->balancer);
    *LIST_PUSH(&c->arena, &out->listeners) = *l->rec->listener;
    return 0;
}

/* ---- DeleteListener ---- */

void listener_delete(struct core *core, struct listener *l)
{
    struct balancer *b = l->balancer;
    while (!list_empty(&l->rules)) {
        struct rule *r = list_entry(l->rules.next, struct rule, link);
        actions_use(core, &r->rec->rule->actions, -1);
        object_delete(core, &r->o);
    }
    list_remove(&l->link);
    listener_certificates_look(core, b, l->rec);
    object_delete(core, &l->o);
    balancer_changed(core, b);
}

int elbv2_delete_listener(struct call *c, const struct elbv2_delete_listener_input *in,
                          struct elbv2_delete_listener_output *out)
{
    struct listener *l = listener_require(c, in->listener_arn);
    if (!l)
        return -1;
    listener_delete(c->core, l);
    return 0;
}
