/* The registry client's rules: challenges and waiting. What goes over the wire is tested in
 * tests/system/test_images.py. */
#include "unit.h"

#include "registry_client.h"

static void challenges_are_read(void **state)
{
    static const struct {
        const char *header;
        enum challenge_scheme scheme;
        const char *realm, *service, *scope;
    } table[] = {
        {"Basic realm=\"x\"", CHALLENGE_BASIC, "x", "", ""},
        {"basic", CHALLENGE_BASIC, "", "", ""},
        {"BASIC REALM=plain,service = \"ecr.amazonaws.com\"", CHALLENGE_BASIC, "plain",
         "ecr.amazonaws.com", ""},
        {"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a/b:pull,push\"",
         CHALLENGE_BEARER, "https://a/t", "s", "repository:a/b:pull,push"},
        {"Basic realm=\"x\", Bearer realm=\"https://a/t\"", CHALLENGE_BEARER,
         "https://a/t", "", ""},
        {"Negotiate, Basic realm=\"a\\\"b\"", CHALLENGE_BASIC, "a\"b", "", ""},
        {"Bearer scope=\"no realm\", Basic realm=\"x\"", CHALLENGE_BASIC, "x", "", ""},
        {"Bearer realm=\"https://a/t\",error=\"insufficient_scope\"", CHALLENGE_BEARER,
         "https://a/t", "", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct challenge c;
        struct error err = ERROR_INIT;
        if (challenge_parse(&a, table[i].header, &c, &err) < 0)
            fail_msg("%s: %s", table[i].header, err.text);
        assert_int_equal(c.scheme, table[i].scheme);
        assert_string_equal(c.realm, table[i].realm);
        assert_string_equal(c.service, table[i].service);
        assert_string_equal(c.scope, table[i].scope);
    }
}

static void other_challenges_are_not_supported(void **state)
{
    static const char *const table[] = {"",          ",",
                                        "Negotiate", "Digest realm=\"x\"",
                                        "\"Basic\"", "Bearer realm=\"open",
                                        "=",         "Bearer service=\"s\""};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct challenge c;
        struct error err = ERROR_INIT;
        if (challenge_parse(&a, table[i], &c, &err) != -E_UNSUPPORTED)
            fail_msg("'%s' was taken", table[i]);
    }
}

static void waits_grow_between_their_bounds(void **state)
{
    for (uint32_t random = 0; random < 100000; random += 997) {
        int64_t last = 0;
        for (unsigned n = 0; n < 100; n++) {
            int64_t ms = registry_backoff_ms(n, random);
            assert_in_range(ms, 1100, 5000);
            assert_true(n < 2 || ms >= last);
            last = ms;
        }
    }
    assert_in_range(registry_backoff_ms(2, 5), 1980, 2420);
    assert_in_range(registry_backoff_ms(3, 1999), 3960, 4840);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenges_are_read),
        cmocka_unit_test(other_challenges_are_not_supported),
        cmocka_unit_test(waits_grow_between_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
