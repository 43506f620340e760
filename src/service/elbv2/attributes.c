/* Tables of attributes, see attributes.h. */
#include "attributes.h"

#include <ctype.h>
#include <string.h>

#define BOOL(k, d, o)                                                                    \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = (o), .kind = ATTRIBUTE_BOOL                   \
    }
#define NUMBER(k, d, o, lo, hi)                                                          \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = (o), .kind = ATTRIBUTE_NUMBER, .min = (lo),   \
        .max = (hi)                                                                      \
    }
#define WORD(k, d, o, w)                                                                 \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = (o), .kind = ATTRIBUTE_WORD, .words = (w)     \
    }
#define TEXT(k, d, o)                                                                    \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = (o), .kind = ATTRIBUTE_TEXT                   \
    }
#define FIXED(k, d, o)                                                                   \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = (o), .kind = ATTRIBUTE_TEXT, .fixed = true    \
    }

#define PERCENT(k, d, o)                                                                 \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = (o), .kind = ATTRIBUTE_PERCENT                \
    }
#define HEADER(k, d)                                                                     \
    {                                                                                    \
        .key = (k), .fallback = (d), .of = OF_APPLICATION, .kind = ATTRIBUTE_HEADER      \
    }
/* A header that the listener sets in every reply; empty: it does not. */
#define RESPONSE(name)                                                                   \
    TEXT("routing.http.response." name ".header_value", "", OF_APPLICATION)

const struct attribute_row balancer_attribute_rows[] = {
    BOOL("deletion_protection.enabled", "false", OF_BOTH),
    BOOL("access_logs.s3.enabled", "false", OF_BOTH),
    TEXT("access_logs.s3.bucket", "", OF_BOTH),
    TEXT("access_logs.s3.prefix", "", OF_BOTH),
    FIXED("ipv6.deny_all_igw_traffic", "false", OF_BOTH),
    FIXED("zonal_shift.config.enabled", "false", OF_BOTH),
    FIXED("load_balancing.cross_zone.enabled", "true", OF_APPLICATION),
    BOOL("load_balancing.cross_zone.enabled", "false", OF_NETWORK),
    NUMBER("idle_timeout.timeout_seconds", "60", OF_APPLICATION, 1, 4000),
    NUMBER("client_keep_alive.seconds", "3600", OF_APPLICATION, 60, 604800),
    FIXED("connection_logs.s3.enabled", "false", OF_APPLICATION),
    FIXED("connection_logs.s3.bucket", "", OF_APPLICATION),
    FIXED("connection_logs.s3.prefix", "", OF_APPLICATION),
    FIXED("health_check_logs.s3.enabled", "false", OF_APPLICATION),
    FIXED("health_check_logs.s3.bucket", "", OF_APPLICATION),
    FIXED("health_check_logs.s3.prefix", "", OF_APPLICATION),
    FIXED("routing.http.desync_mitigation_mode", "defensive", OF_APPLICATION),
    BOOL("routing.http.drop_invalid_header_fields.enabled", "false", OF_APPLICATION),
    BOOL("routing.http.preserve_host_header.enabled", "false", OF_APPLICATION),
    BOOL("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false",
         OF_APPLICATION),
    BOOL("routing.http.xff_client_port.enabled", "false", OF_APPLICATION),
    WORD("routing.http.xff_header_processing.mode", "append", OF_APPLICATION,
         "append|preserve|remove"),
    BOOL("routing.http2.enabled", "true", OF_APPLICATION),
    FIXED("waf.fail_open.enabled", "false", OF_APPLICATION),
    FIXED("dns_record.client_routing_policy", "any_availability_zone", OF_NETWORK),
    FIXED("secondary_ips.auto_assigned.per_subnet", "0", OF_NETWORK),
    {0},
};

const struct attribute_row group_attribute_rows[] = {
    NUMBER("deregistration_delay.timeout_seconds", "300", OF_BOTH, 0, 3600),
    BOOL("stickiness.enabled", "false", OF_BOTH),
    WORD("stickiness.type", "lb_cookie", OF_APPLICATION, "lb_cookie|app_cookie"),
    WORD("stickiness.type", "source_ip", OF_NETWORK, "source_ip"),
    WORD("load_balancing.cross_zone.enabled", "use_load_balancer_configuration", OF_BOTH,
         "true|use_load_balancer_configuration"),
    FIXED("target_group_health.dns_failover.minimum_healthy_targets.count", "1", OF_BOTH),
    FIXED("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off",
          OF_BOTH),
    NUMBER("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
           "1", OF_BOTH, 1, 1000),
    PERCENT(
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off", OF_BOTH),
    WORD("load_balancing.algorithm.type", "round_robin", OF_APPLICATION,
         "round_robin|least_outstanding_requests|weighted_random"),
    FIXED("load_balancing.algorithm.anomaly_mitigation", "off", OF_APPLICATION),
    NUMBER("slow_start.duration_seconds", "0", OF_APPLICATION, 0, 900),
    NUMBER("stickiness.lb_cookie.duration_seconds", "86400", OF_APPLICATION, 1, 604800),
    TEXT("stickiness.app_cookie.cookie_name", "", OF_APPLICATION),
    NUMBER("stickiness.app_cookie.duration_seconds", "86400", OF_APPLICATION, 1, 604800),
    BOOL("deregistration_delay.connection_termination.enabled", "false", OF_NETWORK),
    FIXED("preserve_client_ip.enabled", "false", OF_NETWORK),
    BOOL("proxy_protocol_v2.enabled", "false", OF_NETWORK),
    BOOL("target_health_state.unhealthy.connection_termination.enabled", "true",
         OF_NETWORK),
    FIXED("target_health_state.unhealthy.draining_interval_seconds", "0", OF_NETWORK),
    {0},
};

const struct attribute_row listener_attribute_rows[] = {
    NUMBER("tcp.idle_timeout.seconds", "350", OF_NETWORK, 60, 6000),
    BOOL("routing.http.response.server.enabled", "true", OF_APPLICATION),
    RESPONSE("strict_transport_security"),
    RESPONSE("access_control_allow_origin"),
    RESPONSE("access_control_allow_methods"),
    RESPONSE("access_control_allow_headers"),
    RESPONSE("access_control_allow_credentials"),
    RESPONSE("access_control_expose_headers"),
    RESPONSE("access_control_max_age"),
    RESPONSE("content_security_policy"),
    RESPONSE("x_content_type_options"),
    RESPONSE("x_frame_options"),
    HEADER("routing.http.request.x_amzn_tls_version.header_name", "X-Amzn-Tls-Version"),
    HEADER("routing.http.request.x_amzn_tls_cipher_suite.header_name",
           "X-Amzn-Tls-Cipher-Suite"),
    FIXED("routing.http.request.x_amzn_mtls_clientcert.header_name",
          "X-Amzn-Mtls-Clientcert", OF_APPLICATION),
    FIXED("routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
          "X-Amzn-Mtls-Clientcert-Serial-Number", OF_APPLICATION),
    FIXED("routing.http.request.x_amzn_mtls_clientcert_issuer.header_name",
          "X-Amzn-Mtls-Clientcert-Issuer", OF_APPLICATION),
    FIXED("routing.http.request.x_amzn_mtls_clientcert_subject.header_name",
          "X-Amzn-Mtls-Clientcert-Subject", OF_APPLICATION),
    FIXED("routing.http.request.x_amzn_mtls_clientcert_validity.header_name",
          "X-Amzn-Mtls-Clientcert-Validity", OF_APPLICATION),
    FIXED("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name",
          "X-Amzn-Mtls-Clientcert-Leaf", OF_APPLICATION),
    {0},
};

static bool has_word(const char *words, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = words; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (n > 0 && strncmp(p, value, n) == 0 && (p[n] == '|' || !p[n]))
            return true;
    return false;
}

#define TEXT_MAX 1024

/* What may stand in a line of a header. */
static bool printable(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return strlen(text) <= TEXT_MAX;
}

static bool is_header(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_", *p))
            return false;
    return *text && strlen(text) <= 40;
}

static bool fits(const struct attribute_row *r, const char *value)
{
    int64_t n;
    switch (r->kind) {
    case ATTRIBUTE_BOOL:
        return streq(value, "true") || streq(value, "false");
    case ATTRIBUTE_NUMBER:
        return str_to_i64(value, r->min, r->max, &n);
    case ATTRIBUTE_WORD:
        return has_word(r->words, value);
    case ATTRIBUTE_PERCENT:
        return streq(value, "off") || str_to_i64(value, 1, 100, &n);
    case ATTRIBUTE_HEADER:
        return is_header(value);
    case ATTRIBUTE_TEXT:
        return printable(value);
    }
    return false;
}

int attribute_check(struct call *c, const struct attribute_row *rows,
                    enum attribute_of of, const char *what, const char *key,
                    const char *value)
{
    for (const struct attribute_row *r = rows; r->key; r++) {
        if (!streq(r->key, key) || !(r->of & of))
            continue;
        if (r->fixed && !streq(value, r->fallback))
            return call_fault(c, &elbv2_invalid_configuration_request_exception,
                              "%s attribute '%s' can only be '%s' on this gantry", what,
                              key, r->fallback);
        if (!fits(r, value))
            return call_fault(c, &elbv2_invalid_configuration_request_exception,
                              "%s attribute value '%s' is not valid for '%s'", what,
                              value, key);
        return 0;
    }
    return call_fault(c, &elbv2_invalid_configuration_request_exception,
                      "%s attribute key '%s' is not recognized", what, key);
}
