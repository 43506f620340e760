/* The server's side of SigV4: reading a signature and checking it. */
#include "sigv4.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "codec.h"
#include "sigv4_canonical.h"

#define ALGORITHM          "AWS4-HMAC-SHA256"
#define SKEW_MS            ((int64_t)5 * 60 * 1000)
#define SKEW_S3_MS         ((int64_t)15 * 60 * 1000)
#define EXPIRES_MAX        604800 /* seconds: a week */
#define SIGNED_HEADERS_MAX 100    /* the canonical request grows with each */

struct parser {
    struct arena *arena;
    const struct wire_http_request *req;
    struct sigv4 *sig;
    const char *credential, *signed_headers, *date; /* date: 20150830T123600Z */
    const char **text;
};

static enum sigv4_failure malformed(struct parser *p, const char *text)
{
    *p->text = text;
    return SIGV4_MALFORMED;
}

/* Value of "Name=" in the list behind the algorithm; NULL when it is not there. */
static const char *authorization_field(struct parser *p, const char *list,
                                       const char *name)
{
    size_t len = strlen(name);
    while (*list) {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ",");
        if (n > len && list[len] == '=' && memcmp(list, name, len) == 0) {
            const char *value = list + len + 1;
            n -= len + 1;
            while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
                n--;
            return arena_strndup(p->arena, value, n);
        }
        list += n;
    }
    return NULL;
}

/* The Date header as X-Amz-Date would have it. */
static const char *date_header(struct parser *p)
{
    struct tm tm = {0};
    const char *text = wire_header_find(p->req, "Date");
    const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    if (!end || *end)
        return text; /* perhaps in the other form already */
    char *out = arena_alloc(p->arena, CANONICAL_DATE_SIZE);
    canonical_date((int64_t)timegm(&tm) * 1000, out);
    return out;
}

static enum sigv4_failure parse_header(struct parser *p, const char *authorization)
{
    size_t n = strlen(ALGORITHM);
    if (strncmp(authorization, ALGORITHM, n) != 0 || (authorization[n] != ' '))
        return malformed(p, "Authorization header requires the " ALGORITHM " algorithm.");
    const char *list = authorization + n;
    p->credential = authorization_field(p, list, "Credential");
    p->signed_headers = authorization_field(p, list, "SignedHeaders");
    p->sig->signature = authorization_field(p, list, "Signature");
    if (!p->credential)
        return malformed(p, "Authorization header requires 'Credential' parameter.");
    if (!p->sig->signature)
        return malformed(p, "Authorization header requires 'Signature' parameter.");
    if (!p->signed_headers)
        return malformed(p, "Authorization header requires 'SignedHeaders' parameter.");
    p->date = wire_header_find(p->req, "X-Amz-Date");
    if (!p->date)
        p->date = date_header(p);
    if (!p->date)
        return malformed(p, "Authorization header requires existence of either a "
                            "'X-Amz-Date' or a 'Date' header.");
    p->sig->session_token =
        arena_strdup(p->arena, wire_header_find(p->req, "X-Amz-Security-Token"));
    return SIGV4_OK;
}

/* A parameter of the raw query, decoded; NULL when it is not there or badly encoded. */
static const char *parameter(struct parser *p, const char *name)
{
    size_t len = strlen(name);
    for (const char *q = p->req->query; q && *q;) {
        size_t n = strcspn(q, "&");
        if (n > len && q[len] == '=' && memcmp(q, name, len) == 0)
            return percent_decode(p->arena, q + len + 1, n - len - 1, false);
        q += n + (q[n] == '&');
    }
    return NULL;
}

static enum sigv4_failure parse_query(struct parser *p)
{
    p->sig->presigned = true;
    if (!streq(parameter(p, "X-Amz-Algorithm"), ALGORITHM))
        return malformed(p, "X-Amz-Algorithm only supports \"" ALGORITHM "\"");
    p->credential = parameter(p, "X-Amz-Credential");
    p->signed_headers = parameter(p, "X-Amz-SignedHeaders");
    p->sig->signature = parameter(p, "X-Amz-Signature");
    p->date = parameter(p, "X-Amz-Date");
    p->sig->session_token = parameter(p, "X-Amz-Security-Token");
    const char *expires = parameter(p, "X-Amz-Expires");
    if (!p->credential || !p->signed_headers || !p->sig->signature || !p->date ||
        !expires)
        return malformed(p, "Query-string authentication requires the X-Amz-Algorithm, "
                            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
                            "X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
    if (!str_to_i64(expires, 1, EXPIRES_MAX, &p->sig->expires_seconds))
        return malformed(p, "X-Amz-Expires must be between 1 and 604800 seconds");
    return SIGV4_OK;
}

/* AKID/20150830/us-east-1/ecs/aws4_request */
static enum sigv4_failure parse_credential(struct parser *p)
{
    const char *parts[5], *s = p->credential;
    for (int i = 0; i < 5; i++) {
        size_t n = strcspn(s, "/");
        if (!n || (s[n] == '\0') != (i == 4))
            return malformed(p,
                             "Credential must have the form "
                             "<access key id>/<date>/<region>/<service>/aws4_request.");
        parts[i] = arena_strndup(p->arena, s, n);
        s += n + (s[n] == '/');
    }
    if (strcmp(parts[4], "aws4_request") != 0)
        return malformed(p, "Credential should be scoped with a valid terminator: "
                            "'aws4_request'.");
    p->sig->access_key_id = parts[0];
    p->sig->date = parts[1];
    p->sig->region = parts[2];
    p->sig->service = parts[3];
    return SIGV4_OK;
}

static bool is_signed(const struct parser *p, const char *name)
{
    size_t len = strlen(name);
    for (const char *s = p->signed_headers; *s;) {
        size_t n = strcspn(s, ";");
        if (n == len && strncasecmp(s, name, n) == 0)
            return true;
        s += n + (s[n] == ';');
    }
    return false;
}

static enum sigv4_failure check_headers(struct parser *p, bool s3)
{
    size_t count = 1;
    for (const char *s = p->signed_headers; *s; s++) {
        if (*s <= ' ' || *s == ':' || (*s >= 'A' && *s <= 'Z'))
            return malformed(p, "SignedHeaders must be names in lower case.");
        count += *s == ';';
    }
    if (count > SIGNED_HEADERS_MAX)
        return malformed(p, "too many signed headers");
    if (!is_signed(p, "host"))
        return malformed(p, "'Host' must be a 'SignedHeader' in the AWS Authorization.");
    /* What a request means hangs on these: an unsigned one could have been slipped in. */
    for (size_t i = 0; i < p->req->header_count; i++) {
        const char *name = p->req->headers[i].name;
        bool acts = s3 ? strncasecmp(name, "x-amz-", 6) == 0
                       : strcasecmp(name, "X-Amz-Target") == 0;
        if (acts && !is_signed(p, name)) {
            *p->text = "There were headers present in the request which were not signed";
            return SIGV4_UNSIGNED;
        }
    }
    return SIGV4_OK;
}

static enum sigv4_failure s3_payload(struct parser *p, const char *body_hash)
{
    static const struct {
        const char *value;
        enum sigv4_payload kind;
    } special[] = {
        {"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_CHUNKED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_CHUNKED_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_UNSIGNED_TRAILER},
    };
    const char *value = wire_header_find(p->req, "x-amz-content-sha256");
    uint8_t digest[32];
    if (!value && p->sig->presigned)
        value = special[0].value;
    if (!value)
        return malformed(p, "Missing required header for this request: "
                            "x-amz-content-sha256");
    p->sig->body_hash = arena_strdup(p->arena, value);
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (strcmp(value, special[i].value) == 0) {
            p->sig->payload = special[i].kind;
            return SIGV4_OK;
        }
    if (!hex_decode(value, digest, sizeof(digest)))
        return malformed(p,
                         "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-…, or "
                         "a valid sha256 value.");
    if (body_hash && strcasecmp(value, body_hash) != 0) {
        *p->text = "The provided 'x-amz-content-sha256' header does not match what was "
                   "computed.";
        return SIGV4_BODY_MISMATCH;
    }
    return SIGV4_OK;
}

static enum sigv4_failure payload(struct parser *p, bool s3, const char *body_hash)
{
    if (s3)
        return s3_payload(p, body_hash);
    if (!body_hash)
        body_hash = wire_header_find(p->req, "x-amz-content-sha256");
    if (!body_hash)
        return malformed(p, "the hash of the body is missing");
    p->sig->body_hash = arena_strdup(p->arena, body_hash);
    return SIGV4_OK;
}

static void canonicalise(struct parser *p, bool s3)
{
    AUTO_STR text = STR_INIT;
    struct canonical c = {.req = p->req,
                          .signed_headers = p->signed_headers,
                          .payload_hash = p->sig->body_hash,
                          .s3 = s3};
    canonical_request(&text, p->arena, &c);
    p->sig->canonical_request = arena_strdup(p->arena, text.data);
    const char *scope = strchr(p->credential, '/') + 1;
    p->sig->string_to_sign = canonical_string_to_sign(p->arena, p->date, scope, &text);
}

/* S3 takes one of them; elsewhere the header counts. */
static bool signed_twice(struct parser *p, bool s3)
{
    return s3 && !p->sig->presigned && parameter(p, "X-Amz-Signature");
}

static enum sigv4_failure parse_rest(struct parser *p, const char *body_hash)
{
    uint8_t digest[32];
    enum sigv4_failure r = parse_credential(p);
    if (r != SIGV4_OK)
        return r;
    bool s3 = streq(p->sig->service, "s3");
    if (signed_twice(p, s3)) {
        *p->text = "";
        return SIGV4_TWO_WAYS;
    }
    if (!canonical_date_parse(p->date, &p->sig->signed_at_ms))
        return malformed(p, "Date must be in ISO-8601 'basic format'.");
    if (strncmp(p->date, p->sig->date, 8) != 0 || strlen(p->sig->date) != 8) {
        *p->text =
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
            "of date from HTTP.";
        return SIGV4_MISMATCH;
    }
    if (!hex_decode(p->sig->signature, digest, sizeof(digest)))
        return malformed(p, "Signature must be 64 hexadecimal digits.");
    r = check_headers(p, s3);
    if (r == SIGV4_OK)
        r = payload(p, s3, body_hash);
    if (r == SIGV4_OK)
        canonicalise(p, s3);
    return r;
}

enum sigv4_failure sigv4_parse(struct arena *a, const struct wire_http_request *req,
                               const char *body_hash, struct sigv4 *ret,
                               const char **ret_text)
{
    const char *ignored = NULL;
    struct parser p = {
        .arena = a, .req = req, .sig = ret, .text = ret_text ? ret_text : &ignored};
    *ret = (struct sigv4){0};
    *p.text = "";
    const char *authorization = wire_header_find(req, "Authorization");
    enum sigv4_failure r;
    if (authorization)
        r = parse_header(&p, authorization);
    else if (parameter(&p, "X-Amz-Signature") || parameter(&p, "X-Amz-Algorithm"))
        r = parse_query(&p);
    else
        return SIGV4_NO_AUTH;
    return r == SIGV4_OK ? parse_rest(&p, body_hash) : r;
}

static enum sigv4_failure check_time(struct arena *a, const struct sigv4 *sig,
                                     int64_t now_ms, const char **text)
{
    int64_t skew = streq(sig->service, "s3") ? SKEW_S3_MS : SKEW_MS;
    int minutes = (int)(skew / 60000);
    char then[CANONICAL_DATE_SIZE], now[CANONICAL_DATE_SIZE], edge[CANONICAL_DATE_SIZE];
    canonical_date(sig->signed_at_ms, then);
    canonical_date(now_ms, now);
    if (sig->signed_at_ms > now_ms + skew) {
        canonical_date(now_ms + skew, edge);
        *text = arena_printf(a,
                             "Signature not yet current: %s is still later than %s "
                             "(%s + %d min.)",
                             then, edge, now, minutes);
        return SIGV4_SKEWED;
    }
    if (sig->presigned) {
        *text = "Request has expired";
        return now_ms > sig->signed_at_ms + sig->expires_seconds * 1000
                   ? SIGV4_EXPIRED_URL
                   : SIGV4_OK;
    }
    if (sig->signed_at_ms >= now_ms - skew)
        return SIGV4_OK;
    canonical_date(now_ms - skew, edge);
    *text = arena_printf(a, "Signature expired: %s is now earlier than %s (%s - %d min.)",
                         then, edge, now, minutes);
    return SIGV4_SKEWED;
}

enum sigv4_failure sigv4_check(struct arena *a, const struct sigv4 *sig,
                               const uint8_t key[static 32], int64_t now_ms,
                               const char **ret_text)
{
    const char *ignored = NULL;
    const char **text = ret_text ? ret_text : &ignored;
    enum sigv4_failure r = check_time(a, sig, now_ms, text);
    if (r != SIGV4_OK)
        return r;
    uint8_t want[32], have[32];
    char hex[65];
    canonical_sign(key, sig->string_to_sign, hex);
    bool same = hex_decode(hex, want, 32) && hex_decode(sig->signature, have, 32) &&
                CRYPTO_memcmp(want, have, 32) == 0;
    if (same) {
        *text = "";
        return SIGV4_OK;
    }
    struct wire_target json = {.protocol = WIRE_JSON_1_1};
    wire_denial_fault(&json, WIRE_DENIED_BAD_SIGNATURE, text);
    return SIGV4_MISMATCH;
}

bool sigv4_is_readable(enum sigv4_failure failure)
{
    return failure != SIGV4_NO_AUTH && failure != SIGV4_MALFORMED &&
           failure != SIGV4_UNSIGNED && failure != SIGV4_TWO_WAYS;
}

enum wire_denial sigv4_denial(const struct sigv4 *sig, enum sigv4_failure failure)
{
    switch (failure) {
    case SIGV4_NO_AUTH:
        return WIRE_DENIED_NO_AUTH;
    case SIGV4_MALFORMED:
        return sig->presigned ? WIRE_DENIED_MALFORMED_URL : WIRE_DENIED_MALFORMED;
    case SIGV4_UNSIGNED:
        return WIRE_DENIED_UNSIGNED;
    case SIGV4_TWO_WAYS:
        return WIRE_DENIED_TWO_WAYS;
    case SIGV4_SKEWED:
        return WIRE_DENIED_SKEWED;
    case SIGV4_EXPIRED_URL:
        return WIRE_DENIED_EXPIRED_URL;
    case SIGV4_OK:
    case SIGV4_BODY_MISMATCH:
    case SIGV4_MISMATCH:
        break;
    }
    return WIRE_DENIED_BAD_SIGNATURE;
}
