#include "target_health.h"

#include <stdio.h>
#include <stdlib.h>

#include "str.h"

bool target_health_rule_equal(const struct target_health_rule *a,
                              const struct target_health_rule *b)
{
    return a->protocol == b->protocol && a->grpc == b->grpc && a->http2 == b->http2 &&
           a->enabled == b->enabled && a->interval_ms == b->interval_ms &&
           a->timeout_ms == b->timeout_ms &&
           a->healthy_threshold == b->healthy_threshold &&
           a->unhealthy_threshold == b->unhealthy_threshold &&
           a->first_gap_ms == b->first_gap_ms && a->port == b->port &&
           streq(a->matcher, b->matcher) && streq(a->path, b->path);
}

#define FIRST_GAP_MS 100
#define GAP_STEPS    8 /* so many checks at each gap before it doubles */

static int or_else(struct opt_int v, int fallback)
{
    return v.set && v.v > 0 ? v.v : fallback;
}

static bool is_http(enum elbv2_protocol_enum p)
{
    return p == ELBV2_PROTOCOL_ENUM_HTTP || p == ELBV2_PROTOCOL_ENUM_HTTPS;
}

void target_health_rule_of(const struct elbv2_target_group *g, int64_t first_gap_ms,
                           struct target_health_rule *ret)
{
    bool grpc = streq(g->protocol_version, "GRPC");
    enum elbv2_protocol_enum p = g->health_check_protocol;
    if (!p)
        p = is_http(g->protocol) ? ELBV2_PROTOCOL_ENUM_HTTP : ELBV2_PROTOCOL_ENUM_TCP;
    bool http = is_http(p), application = is_http(g->protocol);
    const char *matcher = g->matcher ? g->matcher->http_code : NULL;
    if (grpc)
        matcher = g->matcher ? g->matcher->grpc_code : NULL;
    int64_t port = 0;
    str_to_i64(g->health_check_port, 1, 65535, &port);
    *ret = (struct target_health_rule){
        .protocol = p,
        .grpc = grpc,
        .http2 = grpc || streq(g->protocol_version, "HTTP2"),
        .enabled = !g->health_check_enabled.set || g->health_check_enabled.v,
        .interval_ms = 1000LL * or_else(g->health_check_interval_seconds, 30),
        .timeout_ms = 1000LL * or_else(g->health_check_timeout_seconds, http ? 5 : 10),
        .healthy_threshold = or_else(g->healthy_threshold_count, 5),
        .unhealthy_threshold = or_else(g->unhealthy_threshold_count, 2),
        .first_gap_ms = first_gap_ms > 0 ? first_gap_ms : FIRST_GAP_MS,
        .port = (int)port,
    };
    snprintf(ret->matcher, sizeof(ret->matcher), "%s",
             !str_empty(matcher) ? matcher
             : grpc              ? "12"
             : application       ? "200"
                                 : "200-399");
    snprintf(ret->path, sizeof(ret->path), "%s",
             !str_empty(g->health_check_path) ? g->health_check_path
             : grpc                           ? "/AWS.ALB/healthcheck"
                                              : "/");
}

bool target_health_matches(const char *matcher, int code)
{
    for (const char *p = matcher; *p;) {
        char *end;
        long low = strtol(p, &end, 10), high = low;
        if (*end == '-')
            high = strtol(end + 1, &end, 10);
        if (end == p)
            return false;
        if (code >= low && code <= high)
            return true;
        p = *end == ',' ? end + 1 : end + strlen(end);
    }
    return false;
}

void target_health_begin(struct target_health *h)
{
    *h = (struct target_health){.state = TARGET_INITIAL};
}

static bool note_success(const struct target_health_rule *rule, struct target_health *h)
{
    h->failures = 0;
    h->outcome = CHECK_OK;
    if (h->state == TARGET_HEALTHY)
        return false;
    h->successes++;
    if (h->state == TARGET_UNHEALTHY && h->successes < rule->healthy_threshold)
        return false;
    h->state = TARGET_HEALTHY;
    h->code = 0;
    return true;
}

bool target_health_note(const struct target_health_rule *rule, struct target_health *h,
                        int64_t now_ms, enum check_outcome outcome, int code)
{
    if (h->state == TARGET_INITIAL)
        h->early++;
    if (outcome == CHECK_OK)
        return note_success(rule, h);
    h->successes = 0;
    if (h->state == TARGET_INITIAL && h->failures &&
        now_ms - h->counted_ms < rule->interval_ms)
        return false;
    h->counted_ms = now_ms;
    h->failures++;
    bool other = h->outcome != outcome || h->code != code;
    h->outcome = outcome;
    h->code = code;
    if (h->state == TARGET_UNHEALTHY)
        return other;
    if (h->failures < rule->unhealthy_threshold)
        return false;
    h->state = TARGET_UNHEALTHY;
    return true;
}

int64_t target_health_gap_ms(const struct target_health_rule *rule,
                             const struct target_health *h)
{
    int64_t gap = rule->first_gap_ms;
    if (h->state != TARGET_INITIAL)
        return rule->interval_ms;
    for (int i = GAP_STEPS; i <= h->early && gap < rule->interval_ms; i += GAP_STEPS)
        gap *= 2;
    return gap < rule->interval_ms ? gap : rule->interval_ms;
}

void target_health_words(const struct target_health_rule *rule,
                         const struct target_health *h, struct target_health_words *ret)
{
    *ret = (struct target_health_words){.state = "healthy", .reason = ""};
    if (!rule->enabled) {
        ret->state = "unavailable";
        ret->reason = "Target.HealthCheckDisabled";
        snprintf(ret->description, sizeof(ret->description),
                 "Health checks are not enabled for this target");
    } else if (h->state == TARGET_INITIAL) {
        ret->state = "initial";
        ret->reason = "Elb.InitialHealthChecking";
        snprintf(ret->description, sizeof(ret->description),
                 "Initial health checks in progress");
    } else if (h->state == TARGET_UNHEALTHY) {
        ret->state = "unhealthy";
        ret->reason = h->outcome == CHECK_CODE      ? "Target.ResponseCodeMismatch"
                      : h->outcome == CHECK_TIMEOUT ? "Target.Timeout"
                                                    : "Target.FailedHealthChecks";
        if (h->outcome == CHECK_CODE)
            snprintf(ret->description, sizeof(ret->description),
                     "Health checks failed with these codes: [%d]", h->code);
        else
            snprintf(ret->description, sizeof(ret->description), "%s",
                     h->outcome == CHECK_TIMEOUT ? "Request timed out"
                                                 : "Health checks failed");
    }
}
