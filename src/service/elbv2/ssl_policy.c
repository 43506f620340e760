/* Security policies of HTTPS and TLS listeners: DescribeSSLPolicies. The versions and ciphers
 * that a name stands for are ELB's (user guide, "Security policies"); the edge knows them by
 * the name, too. */
#include "elb_page.h"
#include "target_group_ops.h"

#define GCM                                                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",                      \
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"
#define CBC                                                                              \
    "ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", \
        "ECDHE-RSA-AES256-SHA384"
#define SHA1                                                                             \
    "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA",          \
        "ECDHE-RSA-AES256-SHA"
#define PLAIN                                                                            \
    "AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256",          \
        "AES128-SHA", "AES256-SHA"
#define TLS13                                                                            \
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"

static const struct policy {
    const char *name;
    const char *versions[5], *ciphers[24];
} policies[] = {
    {"ELBSecurityPolicy-2016-08",
     {"TLSv1", "TLSv1.1", "TLSv1.2"},
     {GCM, CBC, SHA1, PLAIN}},
    {"ELBSecurityPolicy-TLS13-1-2-2021-06", {"TLSv1.2", "TLSv1.3"}, {TLS13, GCM, CBC}},
    {"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", {"TLSv1.2", "TLSv1.3"}, {TLS13, GCM}},
    {"ELBSecurityPolicy-TLS13-1-3-2021-06", {"TLSv1.3"}, {TLS13}},
    {"ELBSecurityPolicy-TLS-1-1-2017-01",
     {"TLSv1.1", "TLSv1.2"},
     {GCM, CBC, SHA1, PLAIN}},
    {"ELBSecurityPolicy-TLS-1-2-2017-01", {"TLSv1.2"}, {GCM, CBC, PLAIN}},
    {"ELBSecurityPolicy-TLS-1-2-Ext-2018-06", {"TLSv1.2"}, {GCM, CBC, SHA1, PLAIN}},
    {"ELBSecurityPolicy-FS-1-2-Res-2020-10", {"TLSv1.2"}, {GCM}},
    {"ELBSecurityPolicy-FS-1-2-2019-08", {"TLSv1.2"}, {GCM, CBC, SHA1}},
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static const struct policy *policy_named(const char *name)
{
    for (size_t i = 0; i < POLICIES; i++)
        if (streq(policies[i].name, name))
            return &policies[i];
    return NULL;
}

bool ssl_policy_known(const char *name)
{
    return policy_named(name) != NULL;
}

static void show(struct call *c, const struct policy *p, struct elbv2_ssl_policy *ret)
{
    static const char *const types[] = {"application", "network"};
    ret->name = p->name;
    for (size_t i = 0; p->versions[i]; i++)
        *LIST_PUSH(&c->arena, &ret->ssl_protocols) = p->versions[i];
    for (size_t i = 0; p->ciphers[i]; i++) {
        struct elbv2_cipher *to = LIST_PUSH(&c->arena, &ret->ciphers);
        to->name = p->ciphers[i];
        to->priority = SET_INT((int32_t)i + 1);
    }
    for (size_t i = 0; i < 2; i++)
        *LIST_PUSH(&c->arena, &ret->supported_load_balancer_types) = types[i];
}

int elbv2_describe_ssl_policies(struct call *c,
                                const struct elbv2_describe_ssl_policies_input *in,
                                struct elbv2_describe_ssl_policies_output *out)
{
    out->ssl_policies.set = true;
    if (in->marker)
        return elb_invalid(c, "Invalid marker '%s'", in->marker);
    for (size_t i = 0; i < in->names.n; i++) {
        const struct policy *p = policy_named(in->names.v[i]);
        if (!p)
            return call_fault(c, &elbv2_ssl_policy_not_found_exception,
                              "SSL policy '%s' not found", in->names.v[i]);
        show(c, p, LIST_PUSH(&c->arena, &out->ssl_policies));
    }
    for (size_t i = 0; in->names.n == 0 && i < POLICIES; i++)
        show(c, &policies[i], LIST_PUSH(&c->arena, &out->ssl_policies));
    return 0;
}

int elbv2_describe_account_limits(struct call *c,
                                  const struct elbv2_describe_account_limits_input *in,
                                  struct elbv2_describe_account_limits_output *out)
{
    static const struct {
        const char *name, *max;
    } limits[] = {{"targets-per-target-group", "1000"},
                  {"listeners-per-application-load-balancer", "50"},
                  {"listeners-per-network-load-balancer", "50"},
                  {"rules-per-application-load-balancer", "100"},
                  {"certificates-per-application-load-balancer", "25"},
                  {"certificates-per-network-load-balancer", "25"},
                  {"target-groups-per-action-on-application-load-balancer", "5"},
                  {"target-groups-per-action-on-network-load-balancer", "1"},
                  {"condition-values-per-alb-rule", "5"},
                  {"condition-wildcards-per-alb-rule", "5"}};
    if (in->marker)
        return elb_invalid(c, "Invalid marker '%s'", in->marker);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct elbv2_limit *to = LIST_PUSH(&c->arena, &out->limits);
        to->name = limits[i].name;
        to->max = limits[i].max;
    }
    return 0;
}
