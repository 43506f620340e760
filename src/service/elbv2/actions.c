/* What actions and conditions may be (API reference: Action, RuleCondition). */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "target_group_ops.h"

#define GROUPS_MAX    5
#define VALUES_MAX    5
#define WILDCARDS_MAX 5

static int bad_action(struct call *c, const char *text)
{
    return call_fault(c, &elbv2_invalid_load_balancer_action_exception, "%s", text);
}

static bool network(const struct balancer *b)
{
    return b->rec->load_balancer->type == ELBV2_LOAD_BALANCER_TYPE_ENUM_NETWORK;
}

/* ---- forward ---- */

/* Towards the targets: HTTP/2 and gRPC only from a listener that can speak them. */
static int version_fits(struct call *c, enum elbv2_protocol_enum listener,
                        const struct elbv2_target_group *g)
{
    bool newer = g->protocol_version && !streq(g->protocol_version, "HTTP1");
    if ((newer && listener != ELBV2_PROTOCOL_ENUM_HTTPS) ||
        (listener == ELBV2_PROTOCOL_ENUM_TCP && g->protocol == ELBV2_PROTOCOL_ENUM_TLS))
        return call_fault(c, &elbv2_incompatible_protocols_exception,
                          "Listener protocol '%s' is not supported with a target group "
                          "of protocol %s%s%s",
                          wire_enum_name(&elbv2_protocol_enum_shape, (int)listener),
                          wire_enum_name(&elbv2_protocol_enum_shape, (int)g->protocol),
                          newer ? " and protocol version " : "",
                          newer ? g->protocol_version : "");
    return 0;
}

static int group_fits(struct call *c, const struct balancer *b,
                      enum elbv2_protocol_enum listener, const char *arn)
{
    const struct target_group *g = target_group_require(c, arn);
    if (!g)
        return -1;
    const struct elbv2_target_group *rec = g->rec->target_group;
    bool http = rec->protocol == ELBV2_PROTOCOL_ENUM_HTTP ||
                rec->protocol == ELBV2_PROTOCOL_ENUM_HTTPS;
    if (http == network(b))
        return call_fault(c, &elbv2_incompatible_protocols_exception,
                          "The target group protocol %s is not supported by the load "
                          "balancer type",
                          wire_enum_name(&elbv2_protocol_enum_shape, (int)rec->protocol));
    if (!streq(rec->vpc_id, b->rec->load_balancer->vpc_id))
        return call_fault(c, &elbv2_invalid_configuration_request_exception,
                          "The target group '%s' is in another VPC than the load "
                          "balancer",
                          arn);
    return version_fits(c, listener, rec);
}

static int stickiness_check(struct call *c,
                            const struct elbv2_target_group_stickiness_config *s)
{
    if (s && s->enabled.v &&
        (!s->duration_seconds.set || s->duration_seconds.v < 1 ||
         s->duration_seconds.v > 604800))
        return bad_action(c,
                          "The stickiness duration must be between 1 and 604800 seconds");
    return 0;
}

static int forward_check(struct call *c, const struct balancer *b,
                         enum elbv2_protocol_enum listener, struct elbv2_action *x)
{
    struct elbv2_forward_action_config *f = x->forward_config;
    if (!f || f->target_groups.n == 0) {
        if (!x->target_group_arn)
            return elb_invalid(c, "A target group ARN must be specified");
        return group_fits(c, b, listener, x->target_group_arn);
    }
    if (f->target_groups.n > GROUPS_MAX)
        return call_fault(
            c, &elbv2_too_many_unique_target_groups_per_load_balancer_exception,
            "At most %d target groups can be specified in an action", GROUPS_MAX);
    if (network(b) && f->target_groups.n > 1)
        return bad_action(c,
                          "A listener of a Network Load Balancer forwards to one target "
                          "group on this gantry");
    if (x->target_group_arn &&
        (f->target_groups.n > 1 ||
         !streq(x->target_group_arn, f->target_groups.v[0].target_group_arn)))
        return elb_invalid(c, "TargetGroupArn and ForwardConfig do not agree");
    for (size_t i = 0; i < f->target_groups.n; i++) {
        const struct elbv2_target_group_tuple *t = &f->target_groups.v[i];
        if (t->weight.set && (t->weight.v < 0 || t->weight.v > 999))
            return bad_action(c, "A weight must be between 0 and 999");
        for (size_t k = 0; k < i; k++)
            if (streq(f->target_groups.v[k].target_group_arn, t->target_group_arn))
                return bad_action(c, "A target group can be listed only once");
        if (group_fits(c, b, listener, t->target_group_arn) < 0)
            return -1;
    }
    return stickiness_check(c, f->target_group_stickiness_config);
}

/* ---- redirect ---- */

static const char *or_default(const char *text, const char *fallback)
{
    return str_empty(text) ? fallback : text;
}

static bool printable(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    return true;
}

static int redirect_check(struct call *c, enum elbv2_protocol_enum listener,
                          struct elbv2_redirect_action_config *r)
{
    int64_t port;
    if (!r)
        return elb_invalid(c, "A redirect action needs a RedirectConfig");
    r->protocol = or_default(r->protocol, "#{protocol}");
    r->port = or_default(r->port, "#{port}");
    r->host = or_default(r->host, "#{host}");
    r->path = or_default(r->path, "/#{path}");
    r->query = r->query ? r->query : "#{query}";
    if (!streq(r->protocol, "HTTP") && !streq(r->protocol, "HTTPS") &&
        !streq(r->protocol, "#{protocol}"))
        return bad_action(c, "The redirect protocol must be HTTP, HTTPS or #{protocol}");
    if (listener == ELBV2_PROTOCOL_ENUM_HTTPS && streq(r->protocol, "HTTP"))
        return bad_action(c, "An HTTPS listener cannot redirect to HTTP");
    if (!printable(r->host) || !printable(r->path) || !printable(r->query))
        return bad_action(c, "A redirect must not contain spaces or control characters");
    if (!streq(r->port, "#{port}") && !str_to_i64(r->port, 1, 65535, &port))
        return bad_action(c, "The redirect port must be between 1 and 65535 or #{port}");
    if (*r->path != '/')
        return bad_action(c, "The redirect path must begin with '/'");
    if (*r->query == '?')
        return bad_action(c, "The redirect query must not begin with '?'");
    if (streq(r->protocol, "#{protocol}") && streq(r->port, "#{port}") &&
        streq(r->host, "#{host}") && streq(r->path, "/#{path}"))
        return bad_action(c, "The redirect configuration is not valid because it creates "
                             "a loop");
    return 0;
}

static int fixed_check(struct call *c, const struct elbv2_fixed_response_action_config *f)
{
    static const char *const types[] = {"text/plain", "text/css", "text/html",
                                        "application/javascript", "application/json"};
    int64_t code;
    if (!f || !f->status_code)
        return elb_invalid(c, "A fixed-response action needs a status code");
    if (!str_to_i64(f->status_code, 200, 599, &code) || code / 100 == 3)
        return bad_action(c,
                          "The status code of a fixed response must be 2XX, 4XX or 5XX");
    bool known = !f->content_type;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        known |= streq(types[i], f->content_type);
    return known ? 0 : bad_action(c, "The content type of a fixed response is not valid");
}

static int action_check(struct call *c, const struct balancer *b,
                        enum elbv2_protocol_enum listener, struct elbv2_action *x)
{
    if (network(b) && x->type != ELBV2_ACTION_TYPE_ENUM_FORWARD)
        return bad_action(c, "Only forward actions are supported by Network Load "
                             "Balancers");
    switch (x->type) {
    case ELBV2_ACTION_TYPE_ENUM_FORWARD:
        return forward_check(c, b, listener, x);
    case ELBV2_ACTION_TYPE_ENUM_REDIRECT:
        return redirect_check(c, listener, x->redirect_config);
    case ELBV2_ACTION_TYPE_ENUM_FIXED_RESPONSE:
        return fixed_check(c, x->fixed_response_config);
    default:
        return bad_action(c, "Actions that authenticate are not offered by this gantry.");
    }
}

int actions_check(struct call *c, const struct balancer *b,
                  enum elbv2_protocol_enum listener, struct elbv2_action_list *actions)
{
    if (actions->n == 0)
        return elb_invalid(c, "At least one action must be specified");
    if (actions->n > 1)
        return call_fault(c, &elbv2_too_many_actions_exception,
                          "Exactly one action of the types forward, redirect and "
                          "fixed-response can be specified");
    for (size_t i = 0; i < actions->n; i++) {
        if (action_check(c, b, listener, &actions->v[i]) < 0)
            return -1;
        if (!actions->v[i].order.set)
            actions->v[i].order = SET_INT((int32_t)i + 1);
    }
    actions_fill(&c->arena, actions);
    return 0;
}

/* ---- conditions ---- */

/* What counts against the quotas of a rule. */
struct used {
    size_t values, wildcards;
};

static void count(struct used *u, const char *text)
{
    u->values++;
    for (; text && *text; text++) {
        if (*text == '\\' && text[1])
            text++;
        else
            u->wildcards += *text == '*' || *text == '?';
    }
}

static void count_all(struct used *u, const struct string_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        count(u, l->v[i]);
}

static void count_condition(struct used *u, const struct elbv2_rule_condition *x)
{
    if (x->host_header_config)
        count_all(u, &x->host_header_config->values);
    else if (x->path_pattern_config)
        count_all(u, &x->path_pattern_config->values);
    else
        count_all(u, &x->values);
    if (x->http_header_config)
        count_all(u, &x->http_header_config->values);
    if (x->http_request_method_config)
        count_all(u, &x->http_request_method_config->values);
    if (x->source_ip_config)
        count_all(u, &x->source_ip_config->values);
    for (size_t i = 0; x->query_string_config && i < x->query_string_config->values.n;
         i++)
        count(u, x->query_string_config->values.v[i].value);
}

static int strings_check(struct call *c, const char *field, const struct string_list *l)
{
    if (l->n == 0)
        return elb_invalid(c, "A condition value must be specified for '%s'", field);
    if (l->n > VALUES_MAX)
        return elb_invalid(c, "At most %d values can be specified for '%s'", VALUES_MAX,
                           field);
    for (size_t i = 0; i < l->n; i++) {
        if (str_empty(l->v[i]) || utf8_length(l->v[i]) > 128)
            return elb_invalid(c, "Condition value '%s' must be 1 to 128 characters long",
                               l->v[i] ? l->v[i] : "");
    }
    return 0;
}

static int hosts_check(struct call *c, const struct string_list *l)
{
    if (strings_check(c, "host-header", l) < 0)
        return -1;
    for (size_t i = 0; i < l->n; i++) {
        const char *dot = strrchr(l->v[i], '.');
        bool valid = dot && dot[1];
        for (const char *p = dot ? dot + 1 : ""; *p; p++)
            valid &= isalpha((unsigned char)*p) || *p == '*' || *p == '?';
        if (!valid)
            return elb_invalid(c,
                               "Host header '%s' must contain at least one '.' and only "
                               "letters after the last one",
                               l->v[i]);
    }
    return 0;
}

static int methods_check(struct call *c, const struct string_list *l)
{
    if (strings_check(c, "http-request-method", l) < 0)
        return -1;
    for (size_t i = 0; i < l->n; i++)
        for (const char *p = l->v[i]; *p; p++)
            if (!isupper((unsigned char)*p) && *p != '-' && *p != '_')
                return elb_invalid(c, "HTTP request method '%s' is not valid", l->v[i]);
    return 0;
}

static int header_check(struct call *c,
                        const struct elbv2_http_header_condition_config *h)
{
    if (!h || str_empty(h->http_header_name) || strlen(h->http_header_name) > 40)
        return elb_invalid(c,
                           "An HTTP header name of 1 to 40 characters must be specified");
    for (const char *p = h->http_header_name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!%&*+-.^_`|~", *p))
            return elb_invalid(c, "HTTP header name '%s' is not valid",
                               h->http_header_name);
    if (strcasecmp(h->http_header_name, "host") == 0)
        return elb_invalid(c, "The HTTP header 'Host' can't be used: use a host-header "
                              "condition");
    return strings_check(c, "http-header", &h->values);
}

static int query_check(struct call *c,
                       const struct elbv2_query_string_condition_config *q)
{
    if (!q || q->values.n == 0 || q->values.n > VALUES_MAX)
        return elb_invalid(c, "1 to %d values must be specified for 'query-string'",
                           VALUES_MAX);
    for (size_t i = 0; i < q->values.n; i++)
        if (str_empty(q->values.v[i].value) || strlen(q->values.v[i].value) > 128 ||
            (q->values.v[i].key && strlen(q->values.v[i].key) > 128))
            return elb_invalid(c,
                               "A query string value must be 1 to 128 characters long");
    return 0;
}

/* "10.0.0.0/8", "2001:db8::/32" */
static bool is_range(const char *text)
{
    char address[INET6_ADDRSTRLEN], ret[16];
    const char *slash = strchr(text, '/');
    int64_t bits;
    size_t n = slash ? (size_t)(slash - text) : 0;
    if (n == 0 || n >= sizeof(address))
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(AF_INET, address, ret) == 1)
        return str_to_i64(slash + 1, 0, 32, &bits);
    return inet_pton(AF_INET6, address, ret) == 1 && str_to_i64(slash + 1, 0, 128, &bits);
}

static int sources_check(struct call *c, const struct string_list *l)
{
    if (strings_check(c, "source-ip", l) < 0)
        return -1;
    for (size_t i = 0; i < l->n; i++)
        if (!is_range(l->v[i]))
            return elb_invalid(c, "Source IP '%s' must be a CIDR block", l->v[i]);
    return 0;
}

static const struct string_list nothing;

/* Values at the top are the older form of the two that had nothing else. */
static const struct string_list *either(const struct elbv2_rule_condition *x,
                                        const struct string_list *config)
{
    return config ? config : &x->values;
}

static int condition_check(struct call *c, const struct elbv2_rule_condition *x)
{
    const char *f = x->field ? x->field : "";
    if (x->regex_values.n)
        return elb_invalid(c, "Regular expressions in conditions are not offered by this "
                              "gantry.");
    if (streq(f, "host-header")) {
        if (x->host_header_config && x->values.n)
            return elb_invalid(c, "You cannot specify both Values and HostHeaderConfig");
        return hosts_check(
            c, either(x, x->host_header_config ? &x->host_header_config->values : NULL));
    }
    if (streq(f, "path-pattern")) {
        if (x->path_pattern_config && x->values.n)
            return elb_invalid(c, "You cannot specify both Values and PathPatternConfig");
        return strings_check(
            c, f,
            either(x, x->path_pattern_config ? &x->path_pattern_config->values : NULL));
    }
    if (x->values.n)
        return elb_invalid(c, "Values are only for the fields host-header and "
                              "path-pattern");
    if (streq(f, "http-header"))
        return header_check(c, x->http_header_config);
    if (streq(f, "query-string"))
        return query_check(c, x->query_string_config);
    if (streq(f, "http-request-method"))
        return methods_check(c, x->http_request_method_config
                                    ? &x->http_request_method_config->values
                                    : &nothing);
    if (streq(f, "source-ip"))
        return sources_check(c, x->source_ip_config ? &x->source_ip_config->values
                                                    : &nothing);
    return elb_invalid(c,
                       "Condition field '%s' must be one of '[path-pattern, "
                       "host-header, http-header, http-request-method, query-string, "
                       "source-ip]'",
                       f);
}

int conditions_check(struct call *c, const struct elbv2_rule_condition_list *l)
{
    struct used used = {0};
    if (l->n == 0)
        return elb_invalid(c, "A condition must be specified");
    for (size_t i = 0; i < l->n; i++) {
        if (condition_check(c, &l->v[i]) < 0)
            return -1;
        count_condition(&used, &l->v[i]);
        for (size_t k = 0; k < i; k++)
            if (streq(l->v[k].field, l->v[i].field) &&
                !streq(l->v[i].field, "http-header") &&
                !streq(l->v[i].field, "query-string"))
                return elb_invalid(c,
                                   "Condition field '%s' can be used only once in a "
                                   "rule",
                                   l->v[i].field);
    }
    if (used.values > VALUES_MAX)
        return elb_invalid(c, "At most %d condition values can be specified in a rule",
                           VALUES_MAX);
    return used.wildcards > WILDCARDS_MAX
               ? elb_invalid(c, "At most %d wildcards can be used in a rule",
                             WILDCARDS_MAX)
               : 0;
}
