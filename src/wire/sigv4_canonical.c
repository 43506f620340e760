#include "sigv4_canonical.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "sigv4.h"

void sigv4_hash(const void *data, size_t len, char ret[static SIGV4_HASH_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_Digest(data ? data : "", len, digest, &n, EVP_sha256(), NULL);
    hex_encode(digest, 32, ret);
}

static void hmac(const void *key, size_t key_len, const char *text,
                 uint8_t ret[static 32])
{
    unsigned n = 0;
    HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), ret, &n);
}

void sigv4_key(const char *secret, const char *date, const char *region,
               const char *service, uint8_t ret[static 32])
{
    AUTO_STR first = STR_INIT;
    str_addf(&first, "AWS4%s", secret);
    hmac(first.data, first.len, date, ret);
    hmac(ret, 32, region, ret);
    hmac(ret, 32, service, ret);
    hmac(ret, 32, "aws4_request", ret);
    OPENSSL_cleanse(first.data, first.len);
}

void canonical_sign(const uint8_t key[static 32], const char *text, char ret[static 65])
{
    uint8_t digest[32];
    hmac(key, 32, text, digest);
    hex_encode(digest, sizeof(digest), ret);
}

void canonical_date(int64_t ms, char ret[static CANONICAL_DATE_SIZE])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    strftime(ret, CANONICAL_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* The number in `len` digits. */
static int digits(const char *text, int len)
{
    int v = 0;
    while (len--)
        v = v * 10 + (*text++ - '0');
    return v;
}

bool canonical_date_parse(const char *text, int64_t *ret_ms)
{
    static const char shape[] = "ddddddddTddddddZ";
    for (size_t i = 0; i < sizeof(shape); i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    struct tm tm = {.tm_year = digits(text, 4) - 1900,
                    .tm_mon = digits(text + 4, 2) - 1,
                    .tm_mday = digits(text + 6, 2),
                    .tm_hour = digits(text + 9, 2),
                    .tm_min = digits(text + 11, 2),
                    .tm_sec = digits(text + 13, 2)};
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

void canonical_encode(struct str *out, const char *text, size_t len, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (unreserved(text[i]) || (c == '/' && keep_slash)) {
            str_addc(out, text[i]);
            continue;
        }
        char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        str_addn(out, escape, sizeof(escape));
    }
}

/* Decodes what is validly encoded and leaves the rest, then encodes: one form for all ways
 * of writing the same bytes. '+' is not a blank here. */
static void encode_again(struct str *out, const char *text, size_t len, bool keep_slash)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i], digits[3] = {0};
        if (c == '%' && len - i >= 3) {
            memcpy(digits, text + i + 1, 2);
            if (hex_decode(digits, &c, 1))
                i += 2;
        }
        canonical_encode(out, &c, 1, keep_slash);
    }
}

/* RFC 3986 section 5.2.4, and runs of slashes become one. */
static void normalise(struct str *out, const char *path)
{
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && memcmp(p, "..", 2) == 0) {
            while (out->len && out->data[out->len - 1] != '/')
                out->data[--out->len] = '\0';
            if (out->len)
                out->data[--out->len] = '\0';
        } else if (n && !(n == 1 && *p == '.')) {
            str_addc(out, '/');
            str_addn(out, p, n);
        }
        p += n + (p[n] == '/');
    }
    if (!out->len || str_ends(path, "/"))
        str_addc(out, '/');
}

static void add_path(struct str *out, const char *path, bool s3)
{
    if (str_empty(path)) {
        str_addc(out, '/');
    } else if (s3) {
        encode_again(out, path, strlen(path), true);
    } else {
        AUTO_STR clean = STR_INIT;
        normalise(&clean, path);
        canonical_encode(out, clean.data, clean.len,
                         true); /* encoded for a second time */
    }
}

struct pair {
    const char *key, *value;
};
struct pair_list {
    struct pair *v;
    size_t n;
    bool set;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int r = strcmp(x->key, y->key);
    return r ? r : strcmp(x->value, y->value);
}

static const char *encoded(struct arena *a, const char *text, size_t len)
{
    AUTO_STR s = STR_INIT;
    encode_again(&s, text, len, false);
    return arena_strndup(a, str_text(&s), s.len);
}

/* As it is written, in no other encoding: what is left out here must be what is read there. */
static bool is_signature(const char *key, size_t len)
{
    static const char name[] = "X-Amz-Signature";
    return len == sizeof(name) - 1 && memcmp(key, name, len) == 0;
}

static void add_query(struct str *out, struct arena *a, const char *query)
{
    struct pair_list list = {0};
    for (const char *p = query; p && *p;) {
        size_t n = strcspn(p, "&"), key = strcspn(p, "=&");
        if (n && !is_signature(p, key)) {
            struct pair *one = LIST_PUSH(a, &list);
            one->key = encoded(a, p, key);
            one->value = key < n ? encoded(a, p + key + 1, n - key - 1) : "";
        }
        p += n + (p[n] == '&');
    }
    if (list.n > 1)
        qsort(list.v, list.n, sizeof(*list.v), compare_pairs);
    for (size_t i = 0; i < list.n; i++)
        str_addf(out, "%s%s=%s", i ? "&" : "", list.v[i].key, list.v[i].value);
}

/* Trimmed, and inner runs of blanks as one. */
static void add_value(struct str *out, const char *value)
{
    size_t start = out->len;
    while (*value) {
        value += strspn(value, " \t");
        size_t n = strcspn(value, " \t");
        if (n && out->len > start)
            str_addc(out, ' ');
        str_addn(out, value, n);
        value += n;
    }
}

static void add_header(struct str *out, const struct wire_http_request *req,
                       const char *name, size_t len)
{
    bool first = true;
    str_addn(out, name, len);
    str_addc(out, ':');
    for (size_t i = 0; i < req->header_count; i++) {
        const struct wire_header *h = &req->headers[i];
        if (strncasecmp(h->name, name, len) != 0 || h->name[len])
            continue;
        if (!first)
            str_addc(out, ',');
        first = false;
        add_value(out, h->value);
    }
    str_addc(out, '\n');
}

void canonical_request(struct str *out, struct arena *a, const struct canonical *c)
{
    str_add(out, c->req->method);
    str_addc(out, '\n');
    add_path(out, c->req->path, c->s3);
    str_addc(out, '\n');
    add_query(out, a, c->req->query);
    str_addc(out, '\n');
    for (const char *p = c->signed_headers; *p;) {
        size_t n = strcspn(p, ";");
        add_header(out, c->req, p, n);
        p += n + (p[n] == ';');
    }
    str_addf(out, "\n%s\n%s", c->signed_headers, c->payload_hash);
}

char *canonical_string_to_sign(struct arena *a, const char *date, const char *scope,
                               const struct str *canonical)
{
    char hash[SIGV4_HASH_SIZE];
    sigv4_hash(canonical->data, canonical->len, hash);
    return arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hash);
}
