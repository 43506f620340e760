/* The grammar of image names, as tables. */
#include "unit.h"

#include <stdio.h>

#include "reference.h"

static void good_names_have_one_spelling(void **state)
{
    static const struct {
        const char *text, *spelling;
    } table[] = {
        {"nginx", "docker.io/library/nginx:latest"},
        {"nginx:1.25", "docker.io/library/nginx:1.25"},
        {"docker.io/nginx", "docker.io/library/nginx:latest"},
        {"index.docker.io/nginx", "docker.io/library/nginx:latest"},
        {"library/nginx", "docker.io/library/nginx:latest"},
        {"team/app", "docker.io/team/app:latest"},
        {"a__b/c-d---e/f.g", "docker.io/a__b/c-d---e/f.g:latest"},
        {"localhost/app", "localhost/app:latest"},
        {"localhost:4566/app:v1", "localhost:4566/app:v1"},
        {"host:5000/a/b/c", "host:5000/a/b/c:latest"},
        {"[::1]:5000/app:x", "[::1]:5000/app:x"},
        {"quay.io/a/b:T_a-g.1", "quay.io/a/b:T_a-g.1"},
        {"HOST/app", "HOST/app:latest"},
        {"app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "docker.io/library/app@sha256:"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {"r.io/"
         "app:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "r.io/app:1@sha256:"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {"123456789012.dkr.ecr.eu-west-1.amazonaws.com/a/b:c",
         "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a/b:c"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        AUTO_STR out = STR_INIT;
        struct reference r;
        struct error err = ERROR_INIT;
        if (reference_parse(&a, table[i].text, &r, &err) < 0)
            fail_msg("%s: %s", table[i].text, err.text);
        reference_print(&r, &out);
        assert_string_equal(out.data, table[i].spelling);
        str_clear(&out);
        /* A spelling stands for itself. */
        assert_int_equal(reference_parse(&a, table[i].spelling, &r, &err), 0);
        reference_print(&r, &out);
        assert_string_equal(out.data, table[i].spelling);
    }
}

static void bad_names_are_refused(void **state)
{
    static const char *const table[] = {
        "",
        ":",
        "@",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a:",
        "a:-x",
        "a:.x",
        "a: ",
        "a b",
        "a@sha256:12",
        "a@md5:0123",
        "a@",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        "host:0/a",
        "host:65536/a",
        "host:x/a",
        "ho_st.x/a",
        "-h.x/a",
        "h..x/a",
        "[::1/a",
        "[x]/a",
        "docker.io",
        "docker.io/",
        "a/../b",
        "a.b/./c",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        "a\n",
        "a:b\n",
        "a/b\xc3\xa9",
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct reference r;
        struct error err = ERROR_INIT;
        /* "docker.io" alone is a repository of that name. */
        if (streq(table[i], "docker.io"))
            continue;
        if (reference_parse(&a, table[i], &r, &err) == 0)
            fail_msg("'%s' was taken", table[i]);
        assert_true(err.code == E_INVALID || err.code == E_UNSUPPORTED);
    }
}

static void long_names_are_refused(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct reference r;
    char name[400] = {0};
    memset(name, 'a', sizeof(name) - 1);
    name[REFERENCE_NAME_MAX - strlen("docker.io/library/")] = '\0';
    assert_int_equal(reference_parse(&a, name, &r, NULL), 0);
    name[REFERENCE_NAME_MAX - strlen("docker.io/library/")] = 'a';
    assert_int_equal(reference_parse(&a, name, &r, NULL), -E_INVALID);
    char tag[3 + REFERENCE_TAG_MAX + 1] = "r:";
    memset(tag + 2, 't', REFERENCE_TAG_MAX);
    assert_int_equal(reference_parse(&a, tag, &r, NULL), 0);
    tag[2 + REFERENCE_TAG_MAX] = 't';
    assert_int_equal(reference_parse(&a, tag, &r, NULL), -E_INVALID);
}

static void ecr_names_keep_account_and_region(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct reference r;
    assert_int_equal(
        reference_parse(&a, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/r", &r, NULL),
        0);
    assert_true(r.ecr);
    assert_string_equal(r.account, "123456789012");
    assert_string_equal(r.region, "eu-west-1");
    assert_string_equal(r.repository, "r");
    static const char *const others[] = {
        "12345678901.dkr.ecr.eu-west-1.amazonaws.com/r",
        "123456789012.dkr.ecr.eu.west.amazonaws.com/r",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example/r",
        "x123456789012.dkr.ecr.eu-west-1.amazonaws.com/r",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(reference_parse(&a, others[i], &r, NULL), 0);
        assert_false(r.ecr);
    }
}

static void loopback_is_an_address_not_a_prefix(void **state)
{
    assert_true(reference_host_is_loopback("localhost"));
    assert_true(reference_host_is_loopback("localhost:4566"));
    assert_true(reference_host_is_loopback("x.localhost:1"));
    assert_true(reference_host_is_loopback("127.0.0.1:5000"));
    assert_true(reference_host_is_loopback("127.9.9.9"));
    assert_true(reference_host_is_loopback("[::1]:5000"));
    assert_false(reference_host_is_loopback("127.evil.example:5000"));
    assert_false(reference_host_is_loopback("localhost.example"));
    assert_false(reference_host_is_loopback("10.0.0.1"));
    assert_false(reference_host_is_loopback("[::2]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_names_have_one_spelling),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(ecr_names_keep_account_and_region),
        cmocka_unit_test(loopback_is_an_address_not_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
