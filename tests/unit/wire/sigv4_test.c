/* SigV4: published and measured vectors, and everything that must not pass. Random requests
 * are compared with botocore's signer in tests/api. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "sigv4.h"
#include "sigv4_keys.h"

#define KEY    "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NOW    1440938160000 /* 2015-08-30T12:36:00Z */
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define CREDENTIAL(service)                                                              \
    "AWS4-HMAC-SHA256 Credential=" KEY "/20150830/us-east-1/" service "/aws4_request, "
#define HEADERS(...) ((const struct wire_header[]){__VA_ARGS__, {NULL, NULL}})

static struct wire_http_request with(const struct wire_header *headers, const char *path)
{
    struct wire_http_request req = {.method = "GET", .path = path, .headers = headers};
    while (headers[req.header_count].name)
        req.header_count++;
    return req;
}

static enum sigv4_failure check_with(struct arena *a, const struct sigv4 *sig,
                                     const char *secret, int64_t now, const char **text)
{
    uint8_t key[32];
    sigv4_keys_get(NULL, sig, secret, key);
    return sigv4_check(a, sig, key, now, text);
}

static enum sigv4_failure verify(struct wire_http_request req, int64_t now,
                                 const char **text)
{
    AUTO_ARENA a = ARENA_INIT;
    struct sigv4 sig;
    char hash[SIGV4_HASH_SIZE];
    static char kept[500];
    sigv4_hash(req.body, req.body_len, hash);
    enum sigv4_failure f = sigv4_parse(&a, &req, hash, &sig, text);
    if (f == SIGV4_OK)
        f = check_with(&a, &sig, SECRET, now, text);
    strncpy(kept, *text, sizeof(kept) - 1);
    *text = kept;
    return f;
}

static void get_vanilla_of_the_published_suite(void **state)
{
    const char *text;
    struct wire_http_request req = with(
        HEADERS({"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"},
                {"Authorization",
                 CREDENTIAL("service") "SignedHeaders=host;x-amz-date, Signature="
                                       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9"
                                       "b8aae1d763fbf31"}),
        "/");
    assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
    assert_int_equal(verify(req, NOW + 299000, &text), SIGV4_OK);
    assert_int_equal(verify(req, NOW + 301000, &text), SIGV4_SKEWED);
    assert_string_equal(text, "Signature expired: 20150830T123600Z is now earlier than "
                              "20150830T123601Z (20150830T124101Z - 5 min.)");
    assert_int_equal(verify(req, NOW - 301000, &text), SIGV4_SKEWED);
    req.method = "POST";
    assert_int_equal(verify(req, NOW, &text), SIGV4_MISMATCH);
}

static void an_ecs_call_verifies(void **state)
{
    const char *text;
    struct wire_http_request req =
        with(HEADERS({"Host", "ecs.us-east-1.amazonaws.com"},
                     {"X-Amz-Date", "20150830T123600Z"},
                     {"Content-Type", "application/x-amz-json-1.1"},
                     {"X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters"},
                     {"Authorization",
                      CREDENTIAL("ecs") "SignedHeaders=content-type;host;x-amz-date;"
                                        "x-amz-target, Signature="
                                        "72ef431968ce01533229ae66dc760665e3b0498d448583c7"
                                        "bb848a233b3ccb0d"}),
             "/");
    req.method = "POST";
    req.body = "{}";
    req.body_len = 2;
    assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
    req.body = "{ ";
    assert_int_equal(verify(req, NOW, &text), SIGV4_MISMATCH);
}

static void s3_encodes_once_and_keeps_dots(void **state)
{
    const char *text;
    struct wire_http_request req = with(
        HEADERS({"Host", "b.s3.us-east-1.amazonaws.com"},
                {"x-amz-date", "20150830T123600Z"}, {"x-amz-content-sha256", EMPTY},
                {"Authorization",
                 CREDENTIAL("s3") "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
                                  "Signature="
                                  "abc152e9907bf3c76c30cd8b3211a97157e4bf8a43c68f62608539"
                                  "cb4d2346ab"}),
        "/a%20b/../c");
    req.query = "list-type=2&prefix=a%2Fb&empty";
    assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
    assert_int_equal(verify(req, NOW + 899000, &text),
                     SIGV4_OK); /* S3 allows 15 minutes */
    assert_int_equal(verify(req, NOW + 901000, &text), SIGV4_SKEWED);
    req.query = "empty=&prefix=a/b&list-type=2"; /* the same, written in another way */
    assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
    req.body = "x";
    req.body_len = 1;
    assert_int_equal(verify(req, NOW, &text), SIGV4_BODY_MISMATCH);
}

static void s3_takes_no_unsigned_amz_header(void **state)
{
    const char *text;
    struct wire_http_request req = with(
        HEADERS({"Host", "b.s3.us-east-1.amazonaws.com"},
                {"x-amz-date", "20150830T123600Z"}, {"x-amz-content-sha256", EMPTY},
                {"x-amz-acl", "public-read"},
                {"Authorization",
                 CREDENTIAL("s3") "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
                                  "Signature="
                                  "abc152e9907bf3c76c30cd8b3211a97157e4bf8a43c68f62608539"
                                  "cb4d2346ab"}),
        "/a%20b/../c");
    assert_int_equal(verify(req, NOW, &text), SIGV4_UNSIGNED);
}

static const struct sigv4_credentials credentials = {KEY, SECRET, "session+token/="};

/* Signs with our client's side; the result is added to the request. */
static struct wire_http_request
signed_request(struct arena *a, struct wire_http_request req, const char *service)
{
    const struct wire_header *more =
        sigv4_sign(a, &req, &credentials, "eu-west-1", service, NOW);
    size_t n = req.header_count, extra = 0;
    while (more[extra].name)
        extra++;
    struct wire_header *all = arena_new_array(a, struct wire_header, n + extra + 1);
    memcpy(all, req.headers, n * sizeof(*all));
    memcpy(all + n, more, extra * sizeof(*all));
    req.headers = all;
    req.header_count = n + extra;
    return req;
}

static struct wire_http_request sample(void)
{
    static const struct wire_header headers[] = {
        {"Host", "localhost:4566"}, {"Content-Type", "application/x-amz-json-1.1"},
        {"X-Thing", " a  b\tc "},   {"x-thing", "second"},
        {"User-Agent", "me"},       {NULL, NULL},
    };
    struct wire_http_request req = with(headers, "/x//y/../z%20/");
    req.method = "POST";
    req.query = "b=2&a=1&a=%20&c+d=+&e";
    req.body = "{\"a\":1}";
    req.body_len = 7;
    return req;
}

static void what_we_sign_we_accept(void **state)
{
    static const char *const names[] = {"ecs", "s3"};
    for (size_t i = 0; i < 2; i++) {
        AUTO_ARENA a = ARENA_INIT;
        const char *text;
        struct wire_http_request req = signed_request(&a, sample(), names[i]);
        assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
        struct sigv4 sig;
        char hash[SIGV4_HASH_SIZE];
        sigv4_hash(req.body, req.body_len, hash);
        assert_int_equal(sigv4_parse(&a, &req, hash, &sig, &text), SIGV4_OK);
        assert_string_equal(sig.access_key_id, KEY);
        assert_string_equal(sig.session_token, credentials.session_token);
        assert_string_equal(sig.service, names[i]);
        assert_string_equal(sig.region, "eu-west-1");
        assert_int_equal(check_with(&a, &sig, "other", NOW, &text), SIGV4_MISMATCH);
    }
}

/* Kept keys are those that would be made, whatever came before them. */
static void kept_keys_are_the_right_ones(void **state)
{
    struct sigv4_keys *keys = sigv4_keys_new();
    static const char *const secrets[] = {"one", "two"};
    static const char *const services[] = {"ecs", "s3", "sts"};
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 6000; i++) {
            char id[200];
            memset(id, 'a', sizeof(id)); /* one in six is too long to be kept */
            snprintf(id + (i % 6 ? 0 : 180), 20, "%d", i / 6);
            const struct sigv4 sig = {.access_key_id = id,
                                      .date = "20261122",
                                      .region = "us-east-1",
                                      .service = services[i % 3]};
            const char *secret = secrets[(i + round) % 2];
            uint8_t kept[32], made[32];
            sigv4_keys_get(keys, &sig, secret, kept);
            sigv4_key(secret, sig.date, sig.region, sig.service, made);
            assert_memory_equal(kept, made, sizeof(made));
        }
    sigv4_keys_free(keys);
}

static void any_change_breaks_it(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct wire_http_request good = signed_request(&a, sample(), "ecs");
    const char *text;
    for (int i = 0; i < 8; i++) {
        struct wire_http_request req = good;
        struct wire_header *headers =
            arena_copy(&a, good.headers, good.header_count * sizeof(*headers));
        req.headers = headers;
        switch (i) {
        case 0:
            req.path = "/x/y/z%20/";
            break;
        case 1:
            req.query = "b=2&a=1&a=%20&c+d=+&f";
            break;
        case 2:
            req.body = "{\"a\":2}";
            break;
        case 3:
            headers[0].value = "localhost:4567";
            break;
        case 4:
            headers[3].value = "third";
            break;
        case 5:
            req.query = NULL;
            break;
        case 6:
            headers[6].value = "another token"; /* X-Amz-Security-Token */
            break;
        case 7:
            req.method = "PUT";
            break;
        }
        assert_int_equal(verify(req, NOW, &text), SIGV4_MISMATCH);
        assert_non_null(strstr(text, "does not match the signature you provided"));
    }
    /* what proxies may change is not covered */
    struct wire_http_request req = good;
    struct wire_header *headers =
        arena_copy(&a, good.headers, good.header_count * sizeof(*headers));
    headers[4].value = "somebody else";
    req.headers = headers;
    req.path = "/x/./q/../y/../z%20/";
    assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
}

static void presigned_urls_last_as_long_as_they_say(void **state)
{
    static const char *const names[] = {"sts", "s3"};
    for (size_t i = 0; i < 2; i++) {
        AUTO_ARENA a = ARENA_INIT;
        const char *text;
        struct wire_http_request req = with(HEADERS({"Host", "localhost"}), "/a b");
        req.query = "Action=GetCallerIdentity&Version=2011-06-15";
        req.query = sigv4_presign(&a, &req, &credentials, "us-east-1", names[i], 60, NOW);
        assert_int_equal(verify(req, NOW, &text), SIGV4_OK);
        assert_int_equal(verify(req, NOW + 60000, &text), SIGV4_OK);
        assert_int_equal(verify(req, NOW + 60001, &text), SIGV4_EXPIRED_URL);
        assert_int_equal(verify(req, NOW - 1000000, &text), SIGV4_SKEWED);
        req.query = arena_printf(&a, "%s&x=1", req.query);
        assert_int_equal(verify(req, NOW, &text), SIGV4_MISMATCH);
    }
}

static void malformed_signatures_are_told_apart(void **state)
{
#define SIGN "SignedHeaders=host;x-amz-date, Signature=" EMPTY
    static const struct {
        const char *authorization, *date, *query;
        enum sigv4_failure want;
    } rows[] = {
        {NULL, "20150830T123600Z", NULL, SIGV4_NO_AUTH},
        {NULL, NULL, "a=b", SIGV4_NO_AUTH},
        {"", "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {"Basic QVdTOng=", "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256", "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256 Credential=a", "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") "SignedHeaders=host", "20150830T123600Z", NULL,
         SIGV4_MALFORMED},
        {CREDENTIAL("ecs") "Signature=" EMPTY, "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") SIGN, NULL, NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") SIGN, "2015-08-30T12:36:00Z", NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") SIGN, "20150830T123600Zx", NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") SIGN, "20151330T123600Z", NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") SIGN, "20150831T000000Z", NULL, SIGV4_MISMATCH},
        {CREDENTIAL("ecs") SIGN, "20150830T123600Z", NULL, SIGV4_MISMATCH},
        {CREDENTIAL("ecs") "SignedHeaders=x-amz-date, Signature=" EMPTY,
         "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") "SignedHeaders=Host, Signature=" EMPTY, "20150830T123600Z",
         NULL, SIGV4_MALFORMED},
        {CREDENTIAL("ecs") "SignedHeaders=host, Signature=abc", "20150830T123600Z", NULL,
         SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256 Credential=AK/20150830/r/aws4_request, " SIGN,
         "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256 Credential=AK/20150830/r/s/x/aws4_request, " SIGN,
         "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256 Credential=AK/20150830/r/s/aws4_requesx, " SIGN,
         "20150830T123600Z", NULL, SIGV4_MALFORMED},
        {"AWS4-HMAC-SHA256 Credential=AK//r/s/aws4_request, " SIGN, "20150830T123600Z",
         NULL, SIGV4_MALFORMED},
        {NULL, NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256", SIGV4_MALFORMED},
        {NULL, NULL,
         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=b&X-Amz-Expires="
         "604801&X-Amz-SignedHeaders=host&X-Amz-Signature=c",
         SIGV4_MALFORMED},
        {NULL, NULL, "X-Amz-Signature=%zz", SIGV4_NO_AUTH},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text;
        struct wire_header headers[4] = {{"Host", "h"}};
        size_t n = 1;
        if (rows[i].date)
            headers[n++] = (struct wire_header){"X-Amz-Date", rows[i].date};
        if (rows[i].authorization)
            headers[n++] = (struct wire_header){"Authorization", rows[i].authorization};
        struct wire_http_request req = with(headers, "/");
        req.query = rows[i].query;
        enum sigv4_failure f = verify(req, NOW, &text);
        if (f != rows[i].want)
            print_error("row %zu: %d %s\n", i, f, text);
        assert_int_equal(f, rows[i].want);
    }
}

static void failures_become_denials(void **state)
{
    static const struct {
        enum sigv4_failure failure;
        enum wire_denial header, url;
    } rows[] = {
        {SIGV4_NO_AUTH, WIRE_DENIED_NO_AUTH, WIRE_DENIED_NO_AUTH},
        {SIGV4_MALFORMED, WIRE_DENIED_MALFORMED, WIRE_DENIED_MALFORMED_URL},
        {SIGV4_UNSIGNED, WIRE_DENIED_UNSIGNED, WIRE_DENIED_UNSIGNED},
        {SIGV4_TWO_WAYS, WIRE_DENIED_TWO_WAYS, WIRE_DENIED_TWO_WAYS},
        {SIGV4_MISMATCH, WIRE_DENIED_BAD_SIGNATURE, WIRE_DENIED_BAD_SIGNATURE},
        {SIGV4_BODY_MISMATCH, WIRE_DENIED_BAD_SIGNATURE, WIRE_DENIED_BAD_SIGNATURE},
        {SIGV4_SKEWED, WIRE_DENIED_SKEWED, WIRE_DENIED_SKEWED},
        {SIGV4_EXPIRED_URL, WIRE_DENIED_EXPIRED_URL, WIRE_DENIED_EXPIRED_URL},
    };
    const struct sigv4 header = {0}, url = {.presigned = true};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(sigv4_denial(&header, rows[i].failure), rows[i].header);
        assert_int_equal(sigv4_denial(&url, rows[i].failure), rows[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_vanilla_of_the_published_suite),
        cmocka_unit_test(an_ecs_call_verifies),
        cmocka_unit_test(s3_encodes_once_and_keeps_dots),
        cmocka_unit_test(s3_takes_no_unsigned_amz_header),
        cmocka_unit_test(what_we_sign_we_accept),
        cmocka_unit_test(kept_keys_are_the_right_ones),
        cmocka_unit_test(any_change_breaks_it),
        cmocka_unit_test(presigned_urls_last_as_long_as_they_say),
        cmocka_unit_test(malformed_signatures_are_told_apart),
        cmocka_unit_test(failures_become_denials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
