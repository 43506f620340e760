/* Credentials from an instance's metadata: what is read, and when they are asked for again. */
#include "unit.h"

#include <string.h>

#include "instance_role.h"
#include "str.h"

#define MINUTE_MS (60 * 1000)

static void asked_again_before_they_end(void **state)
{
    static const struct {
        int64_t left_ms, in_ms;
    } rows[] = {
        {6 * 60 * MINUTE_MS, (6 * 60 - 15) * MINUTE_MS},
        {60 * MINUTE_MS, 45 * MINUTE_MS},
        {30 * MINUTE_MS, 15 * MINUTE_MS},
        {20 * MINUTE_MS, 10 * MINUTE_MS},
        {2000, 1000},
        {100, 200}, /* never without a pause */
        {0, 200},
        {-5000, 200},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(instance_role_refresh_ms(rows[i].left_ms), rows[i].in_ms);
}

static int parse(const char *text, struct role_keys *ret, struct error *err)
{
    return role_keys_parse(text, strlen(text), ret, err);
}

static void what_the_service_says(void **state)
{
    struct role_keys k;
    struct error err = ERROR_INIT;
    assert_int_equal(
        parse("{\"Code\":\"Success\",\"LastUpdated\":\"2026-01-01T00:00:00Z\",\"Type\":"
              "\"AWS-HMAC\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":"
              "\"T\","
              "\"Expiration\":\"1970-01-01T00:01:00Z\"}",
              &k, &err),
        0);
    assert_string_equal(k.access_key_id, "A");
    assert_string_equal(k.secret, "S");
    assert_string_equal(k.token, "T");
    assert_int_equal(k.expires_ms, 60000);
    role_keys_free(&k);
    assert_null(k.secret);
}

static void what_it_can_not_say(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":"
        "\"soon\"}",
        "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":"
        "\"1970-01-01T00:01:00Z\"}",
        "{\"AccessKeyId\":5,\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":"
        "\"1970-01-01T00:01:00Z\"}",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct role_keys k;
        struct error err = ERROR_INIT;
        assert_int_equal(parse(rows[i], &k, &err), -E_PROTOCOL);
    }
}

static void why_there_are_none(void **state)
{
    struct role_keys k;
    struct error err = ERROR_INIT;
    assert_int_equal(parse("{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"no "
                           "trust\"}",
                           &k, &err),
                     -E_NOTFOUND);
    assert_string_equal(err.text, "AssumeRoleUnauthorizedAccess: no trust");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_again_before_they_end),
        cmocka_unit_test(what_the_service_says),
        cmocka_unit_test(what_it_can_not_say),
        cmocka_unit_test(why_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
