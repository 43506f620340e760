/* Paths, names, queries, ranges: tables. */
#include "unit.h"

#include <string.h>

#include "registry_route.h"
#include "str.h"

static void paths_are_read_from_the_right(void **state)
{
    static const struct {
        const char *path;
        enum route_kind kind;
        const char *repository, *reference;
    } rows[] = {
        {"/v2/", ROUTE_ROOT, NULL, NULL},
        {"/v2", ROUTE_ROOT, NULL, NULL},
        {"/v2/_catalog", ROUTE_CATALOG, NULL, NULL},
        {"/v2/web/tags/list", ROUTE_TAGS, "web", "list"},
        {"/v2/a/b/c/manifests/1.0", ROUTE_MANIFEST, "a/b/c", "1.0"},
        {"/v2/manifests/manifests/manifests", ROUTE_MANIFEST, "manifests", "manifests"},
        {"/v2/blobs/uploads/blobs/sha256:ab", ROUTE_BLOB, "blobs/uploads", "sha256:ab"},
        {"/v2/blobs/uploads/manifests/x", ROUTE_MANIFEST, "blobs/uploads", "x"},
        {"/v2/web/blobs/sha256%3Aab", ROUTE_BLOB, "web", "sha256:ab"},
        {"/v2/web/blobs/uploads/", ROUTE_UPLOADS, "web", NULL},
        {"/v2/web/blobs/uploads", ROUTE_UPLOADS, "web", NULL},
        {"/v2/a/b/blobs/uploads/some-id", ROUTE_UPLOAD, "a/b", "some-id"},
        {"/v2/tags/tags/list", ROUTE_TAGS, "tags", "list"},
        {"/v2/web/referrers/sha256:ab", ROUTE_REFERRERS, "web", "sha256:ab"},
        {"/v1/", ROUTE_NONE, NULL, NULL},
        {"/v2x", ROUTE_NONE, NULL, NULL},
        {"/v2/web", ROUTE_NONE, NULL, NULL},
        {"/v2/web/tags/lists", ROUTE_NONE, NULL, NULL},
        {"/v2/web/manifests/", ROUTE_NONE, NULL, NULL},
        {"/v2/manifests/x", ROUTE_NONE, NULL, NULL},
        {"/v2/web/blobs/%00", ROUTE_NONE, NULL, NULL},
        {"/v2/web/blobs/%4", ROUTE_NONE, NULL, NULL},
        {"/v2/web/blobs/%", ROUTE_NONE, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct route r;
        route_parse(&a, rows[i].path, &r);
        if (r.kind != rows[i].kind || !streq(r.repository, rows[i].repository) ||
            !streq(r.reference, rows[i].reference))
            fail_msg("%s: kind %d, '%s', '%s'", rows[i].path, r.kind,
                     r.repository ? r.repository : "-", r.reference ? r.reference : "-");
    }
}

static void names_follow_the_grammar(void **state)
{
    static const char *const good[] = {"a",   "web",  "a/b/c", "a.b",
                                       "a_b", "a__b", "a---b", "0/1"};
    static const char *const bad[] = {"",      "A",    "-a", "a-",    "a..b",
                                      "a___b", "a//b", "/a", "a/",    "a._b",
                                      "a b",   ".",    "..", "a/../b"};
    char longest[258];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(route_repository_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(route_repository_valid(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[256] = '\0';
    assert_true(route_repository_valid(longest));
    longest[256] = 'a';
    longest[257] = '\0';
    assert_false(route_repository_valid(longest));
    assert_true(route_tag_valid("1.0_X-y") && route_tag_valid("_"));
    assert_false(route_tag_valid("") || route_tag_valid(".a") || route_tag_valid("-a") ||
                 route_tag_valid("a b") || route_tag_valid("a:b"));
    longest[128] = '\0';
    assert_true(route_tag_valid(longest));
    longest[128] = 'a';
    longest[129] = '\0';
    assert_false(route_tag_valid(longest));
}

static void queries_are_decoded(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *q = "n=5&digest=sha256%3Aab&empty=&flag&tag=a&tag=b&nn=7&bad=%4";
    assert_string_equal(query_get(&a, q, "n"), "5");
    assert_string_equal(query_get(&a, q, "digest"), "sha256:ab");
    assert_string_equal(query_get(&a, q, "empty"), "");
    assert_string_equal(query_get(&a, q, "flag"), "");
    assert_string_equal(query_get(&a, q, "bad"), "");
    assert_null(query_get(&a, q, "dig"));
    assert_null(query_get(&a, NULL, "n"));
    struct string_list tags = {0};
    query_all(&a, q, "tag", &tags);
    assert_int_equal(tags.n, 2);
    assert_string_equal(tags.v[1], "b");
}

static void ranges_are_cut_to_what_is_there(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
        enum range_result result;
        uint64_t first, length;
    } rows[] = {
        {NULL, 10, RANGE_ALL, 0, 0},
        {"bytes=0-4", 10, RANGE_PART, 0, 5},
        {"bytes=5-", 10, RANGE_PART, 5, 5},
        {"bytes=-3", 10, RANGE_PART, 7, 3},
        {"bytes=-30", 10, RANGE_PART, 0, 10},
        {"bytes=0-999", 10, RANGE_PART, 0, 10},
        {"Bytes=9-9", 10, RANGE_PART, 9, 1},
        {"bytes=10-", 10, RANGE_BAD, 0, 0},
        {"bytes=500-0", 1000, RANGE_BAD, 0, 0},
        {"bytes=-0", 10, RANGE_BAD, 0, 0},
        {"bytes=0-", 0, RANGE_BAD, 0, 0},
        {"bytes=0-0", 0, RANGE_BAD, 0, 0},
        {"bytes=-5", 0, RANGE_BAD, 0, 0},
        {"bytes=0-1,3-4", 10, RANGE_ALL, 0, 0},
        {"bytes=-", 10, RANGE_ALL, 0, 0},
        {"bytes=a-b", 10, RANGE_ALL, 0, 0},
        {"lines=0-1", 10, RANGE_ALL, 0, 0},
        {"bytes=99999999999999999999-", 10, RANGE_BAD, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t first = 0, length = 0;
        enum range_result r =
            range_parse_read(rows[i].text, rows[i].size, &first, &length);
        if (r != rows[i].result || first != rows[i].first || length != rows[i].length)
            fail_msg("%s of %llu: %d %llu %llu", rows[i].text ? rows[i].text : "-",
                     (unsigned long long)rows[i].size, r, (unsigned long long)first,
                     (unsigned long long)length);
    }
    uint64_t a, b;
    assert_true(range_parse_upload("0-0", &a, &b) && range_parse_upload("5-9", &a, &b));
    assert_int_equal(a, 5);
    assert_int_equal(b, 9);
    assert_false(range_parse_upload("bytes 0-5/6", &a, &b) ||
                 range_parse_upload("5-4", &a, &b) || range_parse_upload("-4", &a, &b) ||
                 range_parse_upload("4-", &a, &b) || range_parse_upload("", &a, &b) ||
                 range_parse_upload("1-2x", &a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_read_from_the_right),
        cmocka_unit_test(names_follow_the_grammar),
        cmocka_unit_test(queries_are_decoded),
        cmocka_unit_test(ranges_are_cut_to_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
