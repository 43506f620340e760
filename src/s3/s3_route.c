/* Which requests are S3's, and what they may not ask for. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3_private.h"

/* ---- virtual-host style ---- */

static bool is_suffix(const char *rest, size_t n)
{
    static const char *const names[] = {"amazonaws.com", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(names[i]);
        if (n == len && strncasecmp(rest, names[i], len) == 0)
            return true;
        /* with a region before it */
        if (n > len + 1 && rest[n - len - 1] == '.' &&
            strncasecmp(rest + n - len, names[i], len) == 0 &&
            !memchr(rest, '.', n - len - 1))
            return true;
    }
    return false;
}

/* How much of the host is a bucket's name; -1: the host is not S3's; 0: path style. */
static int host_bucket(const char *host)
{
    size_t n = host ? strcspn(host, ":") : 0;
    if (n > 3 && strncasecmp(host, "s3.", 3) == 0 && is_suffix(host + 3, n - 3))
        return 0;
    for (size_t i = n; i-- > 1;)
        if (n - i > 4 && strncasecmp(host + i, ".s3.", 4) == 0 &&
            is_suffix(host + i + 4, n - i - 4))
            return (int)i;
    return -1;
}

void route_request(struct visit *v)
{
    struct http_request *req = v->req;
    struct wire_header *headers =
        arena_new_array(v->a, struct wire_header, req->header_count);
    for (size_t i = 0; i < req->header_count; i++)
        headers[i] = (struct wire_header){req->headers[i].name, req->headers[i].value};
    v->wire = (struct wire_http_request){
        .method = req->method,
        .path = req->path,
        .query = req->query,
        .headers = headers,
        .header_count = req->header_count,
    };
}

/* In path style, for finding the operation; the signature is of the path as it came. */
static struct wire_http_request path_style(struct visit *v)
{
    struct wire_http_request req = v->wire;
    const char *host = http_header(v->req, "Host");
    int n = host_bucket(host);
    if (n > 0) {
        char *name = arena_strndup(v->a, host, (size_t)n);
        for (char *p = name; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        req.path = arena_printf(v->a, "/%s%s", name, req.path);
    }
    return req;
}

/* ---- whose request ---- */

static bool scope_is_s3(const char *credential, const char *end, const char *slash)
{
    /* AKID/20150830/us-east-1/s3/aws4_request, the slashes perhaps as %2F */
    size_t n = strlen(slash);
    for (int i = 0; i < 3; i++) {
        const char *p = strcasestr(credential, slash);
        if (!p || p >= end)
            return false;
        credential = p + n;
    }
    return strncmp(credential, "s3", 2) == 0 &&
           strncasecmp(credential + 2, slash, n) == 0;
}

static bool signed_for_s3(const struct http_request *req)
{
    static const char name[] = "X-Amz-Credential=";
    const char *text = http_header(req, "Authorization");
    const char *at = text ? strstr(text, "Credential=") : NULL;
    if (at)
        return scope_is_s3(at + 11, at + strcspn(at, ", "), "/");
    at = req->query ? strstr(req->query, name) : NULL;
    if (!at)
        return false;
    const char *end = at + strcspn(at, "&");
    return scope_is_s3(at + sizeof(name) - 1, end, "%2F") ||
           scope_is_s3(at + sizeof(name) - 1, end, "/");
}

static bool is_signed(const struct http_request *req)
{
    return http_header(req, "Authorization") ||
           (req->query && strstr(req->query, "X-Amz-Credential="));
}

bool s3_front_owns(const struct http_request *req)
{
    return signed_for_s3(req) ||
           (!is_signed(req) && host_bucket(http_header(req, "Host")) >= 0);
}

bool s3_front_owns_unsigned(const struct http_request *req)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    if (is_signed(req) || http_header(req, "X-Amz-Target") ||
        http_header(req, "smithy-protocol") || req->path[0] != '/' ||
        (req->query && (strstr(req->query, "Action=") || strstr(req->query, "Version="))))
        return false;
    size_t n = strspn(req->path + 1, letters);
    return n >= 3 && n <= 63 && (req->path[1 + n] == '\0' || req->path[1 + n] == '/');
}

/* ---- what is not offered ---- */

/* The raw value of a parameter, "" without one. */
static bool query_has(const char *query, const char *name, const char **ret,
                      size_t *ret_len)
{
    size_t len = strlen(name);
    for (const char *p = query; p && *p;) {
        size_t n = strcspn(p, "&"), key = strcspn(p, "=&");
        if (key == len && memcmp(p, name, len) == 0) {
            *ret = p + key + (key < n);
            *ret_len = n - key - (key < n);
            return true;
        }
        p += n + (p[n] == '&');
    }
    return false;
}

const char *route_query(struct arena *a, const char *query, const char *name)
{
    const char *value;
    size_t n;
    return query_has(query, name, &value, &n) ? arena_strndup(a, value, n) : NULL;
}

static void early(struct visit *v, const struct wire_fault *fault, const char *text)
{
    if (v->early)
        return;
    v->early = fault;
    v->early_text = text ? text : s3_fault_text(fault);
}

/* A name in the query makes another operation of a path. Where it is not this operation's, the
 * request means something that is not offered, and must not be taken for a plain one: PUT
 * /b/k?acl is no object. */
static void refuse_subresources(struct visit *v)
{
    static const char *const names[] = {
        "abac",
        "accelerate",
        "acl",
        "analytics",
        "annotation",
        "append",
        "attributes",
        "cors",
        "delete",
        "encryption",
        "expand",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metadataConfiguration",
        "metadataTable",
        "metrics",
        "metadataInventoryTable",
        "notification",
        "object-lock",
        "metadataJournalTable",
        "policy",
        "policyStatus",
        "ownershipControls",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "uploads",
        "versioning",
        "versions",
        "website",
        "encryptionUpdate",
    };
    const char *uri = v->target.operation ? v->target.operation->uri : "";
    const char *own = strchr(uri, '?'), *value;
    size_t n;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!query_has(v->wire.query, names[i], &value, &n))
            continue;
        if (!own || !query_has(own + 1, names[i], &value, &n))
            early(v, &s3_not_implemented,
                  arena_printf(v->a, "gantry does not offer %s of '%s'.", v->wire.method,
                               names[i]));
    }
    const char *operation = v->target.operation ? v->target.operation->name : "";
    if (query_has(v->wire.query, "uploadId", &value, &n) && !strstr(operation, "Part") &&
        !strstr(operation, "MultipartUpload"))
        early(v, &s3_invalid_argument, "This operation does not accept an upload id.");
    if (query_has(v->wire.query, "versionId", &value, &n) &&
        !(n == 4 && memcmp(value, "null", 4) == 0))
        early(v, &s3_invalid_argument, "Invalid version id specified");
}

static bool is_checksum_word(const char *name)
{
    const char *what = name + sizeof("x-amz-checksum-") - 1;
    return !strcasecmp(what, "mode") || !strcasecmp(what, "algorithm") ||
           !strcasecmp(what, "type") || checksum_by_name(what) != 0;
}

static void refuse_header(struct visit *v, const char *name, const char *value)
{
    static const char *const lacking[] = {
        "x-amz-server-side-encryption",
        "x-amz-copy-source-server-side-encryption",
        "x-amz-object-lock-",
        "x-amz-website-redirect-location",
        "x-amz-write-offset-bytes",
        "x-amz-mfa",
        "x-amz-bypass-governance-retention",
        "x-amz-if-match-",
        "x-amz-rename-source",
        "x-amz-object-annotation",
    };
    for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++)
        if (strncasecmp(name, lacking[i], strlen(lacking[i])) == 0)
            early(v, &s3_not_implemented, NULL);
    if (strncasecmp(name, "x-amz-grant-", 12) == 0 ||
        (strcasecmp(name, "x-amz-acl") == 0 && !streq(value, "private") &&
         !streq(value, "bucket-owner-full-control")))
        early(v, &s3_acl_not_supported, NULL);
    if (strcasecmp(name, "x-amz-storage-class") == 0 && !streq(value, "STANDARD"))
        early(v, &s3_invalid_storage_class, NULL);
    if (strncasecmp(name, "x-amz-checksum-", 15) == 0 && !is_checksum_word(name))
        early(v, &s3_not_implemented, NULL);
}

void route_refuse(struct visit *v)
{
    struct wire_http_request req = path_style(v);
    static const struct wire_service *const services[] = {&s3_service_api};
    if (wire_request_find(services, 1, &req, "s3", &v->target, &v->why) < 0) {
        v->target.service = &s3_service_api;
        v->target.protocol = WIRE_REST_XML;
        early(v, &s3_method_not_allowed, NULL);
    }
    v->path = req.path;
    const char *value;
    size_t n;
    if (query_has(v->wire.query, "AWSAccessKeyId", &value, &n))
        early(
            v, &s3_bad_request,
            "The authorization mechanism you have provided is not supported. Please use "
            "AWS4-HMAC-SHA256.");
    refuse_subresources(v);
    for (size_t i = 0; i < v->wire.header_count; i++)
        refuse_header(v, v->wire.headers[i].name, v->wire.headers[i].value);
}
