/* Which operation a request means. AWS's protocols tell it in different places: a header
 * (JSON), the path (CBOR, REST), a parameter (query). All services share one port, so the
 * service must be told too: by the target's prefix, by the API's version, or by the scope
 * of the signature. */
#include <stdio.h>
#include <strings.h>

#include "codec.h"
#include "protocol.h"

struct finder {
    const struct wire_service *const *services;
    size_t count;
    const struct wire_http_request *req;
    const char *scope;
    struct wire_target *target;
    struct wire_error *error;
};

static int refuse(struct finder *f, enum wire_error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct finder *f, enum wire_error_kind kind, const char *fmt, ...)
{
    AUTO_STR text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    struct wire_report r = {.error = f->error};
    report_syntax(&r, "%s", str_text(&text));
    f->error->kind = kind;
    return -E_INVALID;
}

const char *wire_header_find(const struct wire_http_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    return NULL;
}

static bool header_has(const struct wire_http_request *req, const char *name,
                       const char *part)
{
    const char *value = wire_header_find(req, name);
    return value && strcasestr(value, part);
}

/* `text` is raw: it may hold NUL bytes. */
static bool name_is(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

/* The service is known; does it have the operation? */
static int choose(struct finder *f, const struct wire_service *s, const char *name,
                  size_t len)
{
    f->target->service = s;
    int shown = len > 100 ? 100 : (int)len;
    if (f->scope && !streq(f->scope, s->signing_name))
        return refuse(f, WIRE_BAD_SCOPE,
                      "Credential should be scoped to correct service: '%s'.",
                      s->signing_name);
    for (uint32_t i = 0; i < s->operation_count; i++)
        if (name_is(s->operations[i].name, name, len)) {
            f->target->operation = &s->operations[i];
            return 0;
        }
    for (const char *const *p = s->not_offered; p && *p; p++)
        if (name_is(*p, name, len))
            return refuse(f, WIRE_NOT_OFFERED,
                          "The operation %s of %s is not offered by gantry.", *p,
                          s->prefix);
    if (f->target->protocol == WIRE_EC2)
        return refuse(f, WIRE_UNKNOWN_OPERATION,
                      "The action %.*s is not valid for this web service.", shown, name);
    if (f->target->protocol == WIRE_QUERY)
        return refuse(f, WIRE_UNKNOWN_OPERATION,
                      "Could not find operation %.*s for version %s", shown, name,
                      s->api_version);
    return refuse(f, WIRE_UNKNOWN_OPERATION, "Unknown operation %.*s", shown, name);
}

static bool is_json(enum wire_protocol p)
{
    return p == WIRE_JSON_1_0 || p == WIRE_JSON_1_1;
}

static int find_json(struct finder *f, const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t prefix = dot ? (size_t)(dot - name) : strlen(name);
    f->target->protocol =
        header_has(f->req, "Content-Type", "json-1.0") ? WIRE_JSON_1_0 : WIRE_JSON_1_1;
    for (size_t i = 0; i < f->count; i++) {
        const struct wire_service *s = f->services[i];
        if (dot && s->target_prefix && is_json(s->protocol) &&
            name_is(s->target_prefix, name, prefix))
            return choose(f, s, dot + 1, strlen(dot + 1));
    }
    return refuse(f, WIRE_UNKNOWN_OPERATION, "Unknown target %.100s", name);
}

/* /service/<name>/operation/<name> */
static int find_cbor(struct finder *f)
{
    static const char first[] = "/service/", second[] = "/operation/";
    const char *p = f->req->path;
    f->target->protocol = WIRE_CBOR;
    const char *middle =
        str_starts(p, first) ? strstr(p + sizeof(first) - 1, second) : NULL;
    if (!middle)
        return refuse(f, WIRE_UNKNOWN_OPERATION, "Unknown operation");
    p += sizeof(first) - 1;
    const char *operation = middle + sizeof(second) - 1;
    for (size_t i = 0; i < f->count; i++) {
        const struct wire_service *s = f->services[i];
        if (s->speaks_cbor && s->target_prefix &&
            name_is(s->target_prefix, p, (size_t)(middle - p)))
            return choose(f, s, operation, strlen(operation));
    }
    return refuse(f, WIRE_UNKNOWN_OPERATION, "Unknown service");
}

/* The raw value of a parameter; names and versions need no decoding. */
static const char *parameter(const char *text, size_t len, const char *name,
                             size_t *ret_len)
{
    size_t name_len = strlen(name);
    for (const char *p = text, *end = text + len; p < end;) {
        const char *next = memchr(p, '&', (size_t)(end - p));
        size_t n = (size_t)((next ? next : end) - p);
        if (n > name_len && p[name_len] == '=' && memcmp(p, name, name_len) == 0) {
            *ret_len = n - name_len - 1;
            return p + name_len + 1;
        }
        p += n + 1;
    }
    return NULL;
}

static bool speaks_query(const struct wire_service *s)
{
    return s->protocol == WIRE_QUERY || s->protocol == WIRE_EC2 || s->speaks_query;
}

/* Versions differ between nearly all query services, so they tell the service; the scope
 * helps where they do not, and when the version is missing or not ours. */
static const struct wire_service *query_service(struct finder *f, const char *version,
                                                size_t len)
{
    const struct wire_service *by_scope = NULL, *by_version = NULL;
    for (size_t i = 0; i < f->count; i++) {
        const struct wire_service *s = f->services[i];
        if (!speaks_query(s))
            continue;
        bool same_version = version && name_is(s->api_version, version, len);
        bool same_scope = f->scope && streq(f->scope, s->signing_name);
        if (same_version && same_scope)
            return s;
        if (same_version)
            by_version = s;
        if (same_scope)
            by_scope = s;
    }
    return by_version ? by_version : by_scope;
}

static int find_query(struct finder *f, const char *text, size_t len, const char *action,
                      size_t action_len)
{
    size_t version_len = 0;
    const char *version = parameter(text, len, "Version", &version_len);
    f->target->protocol = WIRE_QUERY;
    const struct wire_service *s = query_service(f, version, version_len);
    if (!s)
        return refuse(f, WIRE_UNKNOWN_OPERATION,
                      "Could not find operation %.*s for version %.*s",
                      (int)(action_len > 100 ? 100 : action_len), action,
                      version_len > 20 ? 20 : (int)version_len, version ? version : "");
    if (s->protocol == WIRE_EC2)
        f->target->protocol = WIRE_EC2;
    return choose(f, s, action, action_len);
}

static int find_rest(struct finder *f)
{
    int best = -1000;
    for (size_t i = 0; i < f->count; i++) {
        const struct wire_service *s = f->services[i];
        bool rest = s->protocol == WIRE_REST_JSON || s->protocol == WIRE_REST_XML;
        if (f->scope && streq(f->scope, s->signing_name)) {
            f->target->service = s; /* whatever it is: how to answer */
            f->target->protocol = s->protocol;
        }
        if (!rest || (f->scope && !streq(f->scope, s->signing_name)))
            continue;
        for (uint32_t k = 0; k < s->operation_count; k++) {
            int score = rest_match(&s->operations[k], f->req);
            if (score <= best)
                continue;
            best = score;
            *f->target = (struct wire_target){s, &s->operations[k], s->protocol};
        }
    }
    if (f->target->operation)
        return 0;
    return refuse(f, WIRE_UNKNOWN_OPERATION,
                  "No operation has the method %.20s and path %.100s", f->req->method,
                  f->req->path);
}

int wire_request_find(const struct wire_service *const *services, size_t count,
                      const struct wire_http_request *req, const char *scope,
                      struct wire_target *ret, struct wire_error *ret_error)
{
    struct finder f = {services, count, req, scope, ret, ret_error};
    *ret = (struct wire_target){.protocol = WIRE_JSON_1_1};
    const char *target = wire_header_find(req, "X-Amz-Target"), *action;
    size_t len;
    if (target)
        return find_json(&f, target);
    if (header_has(req, "smithy-protocol", "rpc-v2-cbor"))
        return find_cbor(&f);
    bool form = header_has(req, "Content-Type", "application/x-www-form-urlencoded");
    if (form && req->body_len) {
        action = parameter(req->body, req->body_len, "Action", &len);
        if (action)
            return find_query(&f, req->body, req->body_len, action, len);
    }
    action =
        req->query ? parameter(req->query, strlen(req->query), "Action", &len) : NULL;
    if (action)
        return find_query(&f, req->query, strlen(req->query), action, len);
    return find_rest(&f);
}
