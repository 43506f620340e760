/* The client's side of SigV4: headers or a query that sign a request. */
#include <stdlib.h>
#include <strings.h>

#include "codec.h"
#include "sigv4.h"
#include "sigv4_canonical.h"

/* Set or changed on the way, or hop by hop: never signed. */
static const char *const unsigned_headers[] = {
    "authorization", "connection",      "expect",
    "user-agent",    "x-amzn-trace-id", "transfer-encoding",
};

static bool is_signable(const char *name)
{
    for (size_t i = 0; i < sizeof(unsigned_headers) / sizeof(unsigned_headers[0]); i++)
        if (strcasecmp(name, unsigned_headers[i]) == 0)
            return false;
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "host;x-amz-date": each name once, in lower case, sorted. */
static const char *signed_headers(struct arena *a, const struct wire_http_request *req)
{
    struct string_list names = {0};
    for (size_t i = 0; i < req->header_count; i++) {
        char *name = arena_strdup(a, req->headers[i].name);
        for (char *p = name; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        if (is_signable(name))
            *LIST_PUSH(a, &names) = name;
    }
    if (names.n > 1)
        qsort(names.v, names.n, sizeof(*names.v), compare_texts);
    AUTO_STR out = STR_INIT;
    for (size_t i = 0; i < names.n; i++)
        if (i == 0 || strcmp(names.v[i - 1], names.v[i]) != 0)
            str_addf(&out, "%s%s", out.len ? ";" : "", names.v[i]);
    return arena_strdup(a, str_text(&out));
}

static void add(struct arena *a, struct header_list *list, const char *name,
                const char *value)
{
    *LIST_PUSH(a, list) = (struct wire_header){name, value};
}

static const char *signature(struct arena *a, const struct canonical *c,
                             const char *secret, const char *date, const char *region,
                             const char *service)
{
    AUTO_STR text = STR_INIT;
    uint8_t key[32];
    char day[9] = {0}, *hex = arena_alloc(a, 65);
    memcpy(day, date, 8);
    canonical_request(&text, a, c);
    const char *scope = arena_printf(a, "%s/%s/%s/aws4_request", day, region, service);
    sigv4_key(secret, day, region, service, key);
    canonical_sign(key, canonical_string_to_sign(a, date, scope, &text), hex);
    return hex;
}

const struct wire_header *sigv4_sign(struct arena *a, const struct wire_http_request *req,
                                     const struct sigv4_credentials *credentials,
                                     const char *region, const char *service,
                                     int64_t now_ms)
{
    bool s3 = streq(service, "s3");
    char *date = arena_alloc(a, CANONICAL_DATE_SIZE),
         *hash = arena_alloc(a, SIGV4_HASH_SIZE);
    struct header_list added = {0}, all = {0};
    canonical_date(now_ms, date);
    const char *given = s3 ? wire_header_find(req, "x-amz-content-sha256") : NULL;
    if (given && strlen(given) < SIGV4_HASH_SIZE)
        memcpy(hash, given, strlen(given) + 1);
    else
        sigv4_hash(req->body, req->body_len, hash);
    add(a, &added, "X-Amz-Date", date);
    if (credentials->session_token)
        add(a, &added, "X-Amz-Security-Token", credentials->session_token);
    if (s3 && !given)
        add(a, &added, "x-amz-content-sha256", hash);
    for (size_t i = 0; i < req->header_count; i++)
        *LIST_PUSH(a, &all) = req->headers[i];
    for (size_t i = 0; i < added.n; i++)
        *LIST_PUSH(a, &all) = added.v[i];
    struct wire_http_request full = *req;
    full.headers = all.v;
    full.header_count = all.n;
    struct canonical c = {.req = &full,
                          .signed_headers = signed_headers(a, &full),
                          .payload_hash = hash,
                          .s3 = s3};
    const char *hex = signature(a, &c, credentials->secret, date, region, service);
    add(a, &added, "Authorization",
        arena_printf(a,
                     "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, "
                     "SignedHeaders=%s, Signature=%s",
                     credentials->access_key_id, date, region, service, c.signed_headers,
                     hex));
    add(a, &added, NULL, NULL);
    return added.v;
}

static void add_parameter(struct str *query, const char *name, const char *value)
{
    str_addf(query, "%s%s=", query->len ? "&" : "", name);
    canonical_encode(query, value, strlen(value), false);
}

const char *sigv4_presign(struct arena *a, const struct wire_http_request *req,
                          const struct sigv4_credentials *credentials, const char *region,
                          const char *service, int64_t expires_seconds, int64_t now_ms)
{
    char date[CANONICAL_DATE_SIZE], hash[SIGV4_HASH_SIZE];
    AUTO_STR query = STR_INIT;
    bool s3 = streq(service, "s3");
    canonical_date(now_ms, date);
    sigv4_hash(req->body, req->body_len, hash);
    str_add(&query, req->query);
    struct canonical c = {.signed_headers = signed_headers(a, req),
                          .payload_hash = s3 ? "UNSIGNED-PAYLOAD" : hash,
                          .s3 = s3};
    add_parameter(&query, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    add_parameter(&query, "X-Amz-Credential",
                  arena_printf(a, "%s/%.8s/%s/%s/aws4_request",
                               credentials->access_key_id, date, region, service));
    add_parameter(&query, "X-Amz-Date", date);
    add_parameter(&query, "X-Amz-Expires",
                  arena_printf(a, "%lld", (long long)expires_seconds));
    add_parameter(&query, "X-Amz-SignedHeaders", c.signed_headers);
    if (credentials->session_token)
        add_parameter(&query, "X-Amz-Security-Token", credentials->session_token);
    struct wire_http_request full = *req;
    full.query = query.data;
    c.req = &full;
    const char *hex = signature(a, &c, credentials->secret, date, region, service);
    add_parameter(&query, "X-Amz-Signature", hex);
    return arena_strndup(a, query.data, query.len);
}
