#include "balancer_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

/* The n-th part of an ARN, counted from 0; the last one runs to the end. */
static void arn_part(const char *arn, int n, struct str *ret)
{
    const char *p = arn;
    str_clear(ret);
    for (; p && n > 0; n--) {
        p = strchr(p, ':');
        p = p ? p + 1 : NULL;
    }
    if (p)
        str_addn(ret, p, strcspn(p, ":"));
}

/* "app/name/id" */
static const char *short_name(const char *arn)
{
    static const char mark[] = ":loadbalancer/";
    const char *p = strstr(arn, mark);
    return p ? p + strlen(mark) : arn;
}

static void add_seconds(struct str *out, int64_t ms)
{
    if (ms < 0)
        str_add(out, "-1 ");
    else
        str_addf(out, "%lld.%03lld ", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void add_quoted(struct str *out, const char *text)
{
    str_addc(out, '"');
    for (const char *p = str_empty(text) ? "-" : text; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_addf(out, "\\x%02X", (unsigned char)*p);
        else
            str_addc(out, *p);
    }
    str_add(out, "\" ");
}

static const char *kind_of(const struct balancer_log_line *l)
{
    bool tls =
        str_starts(strchr(l->request, ' ') ? strchr(l->request, ' ') + 1 : "", "https");
    if (l->status == 101)
        return tls ? "wss" : "ws";
    if (str_ends(l->request, "HTTP/2.0"))
        return "h2";
    return tls ? "https" : "http";
}

static const char *action_of(const struct balancer_log_line *l)
{
    if (str_starts(l->backend, "tg-"))
        return "forward";
    return l->status == 301 || l->status == 302 ? "redirect" : "fixed-response";
}

static const char *or_dash(const char *text)
{
    return str_empty(text) ? "-" : text;
}

void access_line(struct str *out, const struct access_settings *s,
                 const struct balancer_log_line *l)
{
    char ended[CLOCK_ISO_SIZE], began[CLOCK_ISO_SIZE];
    bool answered = l->has_server && l->response_ms >= 0;
    const char *target = l->has_server ? l->target : "-";
    clock_format_iso(l->at_ms + (l->total_ms > 0 ? l->total_ms : 0), false, ended);
    clock_format_iso(l->at_ms, false, began);
    str_addf(out, "%s %s %s %s %s ", kind_of(l), ended, short_name(s->arn), l->client,
             target);
    int64_t before = l->connect_ms < 0 ? -1 : l->request_ms + l->wait_ms + l->connect_ms;
    int64_t after = l->total_ms - l->response_ms - (before > 0 ? before : 0);
    add_seconds(out, answered ? before : -1);
    add_seconds(out, answered ? l->response_ms : -1);
    add_seconds(out, !answered ? -1 : after > 0 ? after : 0);
    str_addf(out, "%d ", balancer_log_status(l));
    if (answered)
        str_addf(out, "%d ", l->status);
    else
        str_add(out, "- ");
    str_addf(out, "%lld %lld ", (long long)l->bytes_in, (long long)l->bytes_out);
    add_quoted(out, l->request);
    add_quoted(out, l->user_agent);
    str_addf(out, "%s %s %s ", or_dash(l->cipher), or_dash(l->protocol),
             or_dash(s->group_arn));
    add_quoted(out, l->trace_id);
    add_quoted(out, l->domain);
    add_quoted(out, NULL); /* the chosen certificate */
    str_addf(out, "%s %s ", l->rule, began);
    add_quoted(out, action_of(l));
    add_quoted(out, NULL); /* redirect_url */
    add_quoted(out, NULL); /* error_reason */
    add_quoted(out, target);
    AUTO_STR status = STR_INIT;
    if (answered)
        str_addf(&status, "%d", l->status);
    add_quoted(out, str_text(&status));
    str_add(out, "\"-\" \"-\"\n");
}

/* No part of a path leads elsewhere. */
static void add_path(struct str *out, const char *text)
{
    for (const char *p = text; *p; p++)
        if (!(p[0] == '.' && p[1] == '.'))
            str_addc(out, *p);
}

void access_path(struct str *out, const struct access_settings *s, int64_t end_ms,
                 const char *random)
{
    AUTO_STR region = STR_INIT, account = STR_INIT;
    time_t at = (time_t)(end_ms / 1000);
    struct tm tm;
    gmtime_r(&at, &tm);
    arn_part(s->arn, 3, &region);
    arn_part(s->arn, 4, &account);
    add_path(out, s->bucket);
    if (!str_empty(s->prefix)) {
        str_addc(out, '/');
        add_path(out, s->prefix);
    }
    str_addf(out, "/AWSLogs/%s/elasticloadbalancing/%s/%04d/%02d/%02d/",
             str_text(&account), str_text(&region), tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday);
    str_addf(out, "%s_elasticloadbalancing_%s_", str_text(&account), str_text(&region));
    for (const char *p = short_name(s->arn); *p; p++)
        str_addc(out, *p == '/' ? '.' : *p);
    str_addf(out, "_%04d%02d%02dT%02d%02dZ_%s_%s.log.gz", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, or_dash(s->address),
             random);
}
