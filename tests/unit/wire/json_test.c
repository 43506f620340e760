/* JSON: what is refused and in which words; what is written. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "ecs_api.h"
#include "json.h"
#include "probe_api.h"

static int decode_n(const char *text, size_t len, struct wire_error *e)
{
    AUTO_ARENA a = ARENA_INIT;
    void *out = (void *)1;
    memset(e, 0, sizeof(*e));
    int r = wire_json_decode(&a, &probe_thing_shape, text, len, false, &out, e);
    if (r < 0) {
        assert_int_equal(r, -E_INVALID);
        assert_ptr_equal(out, (void *)1);
        assert_true(e->text[0]);
    }
    return r;
}

static int decode(const char *text, struct wire_error *e)
{
    return decode_n(text, strlen(text), e);
}

static void refused_as(enum wire_error_kind kind, const char *text)
{
    struct wire_error e;
    int r = decode(text, &e);
    if (r == 0 || e.kind != kind)
        print_error("%s: %d, kind %d: %s\n", text, r, e.kind, e.text);
    assert_int_equal(r, -E_INVALID);
    assert_int_equal(e.kind, kind);
}

static void broken_grammar_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "{\"name\"}",
        "{\"name\":}",
        "{\"name\":\"ab\",}",
        "{\"name\":\"ab\"}x",
        "{\"name\":\"ab\"} {}",
        "{'name':\"ab\"}",
        "{name:\"ab\"}",
        "{\"name\":\"ab\",\"x\":01}",
        "{\"name\":\"ab\",\"x\":1.}",
        "{\"name\":\"ab\",\"x\":.5}",
        "{\"name\":\"ab\",\"x\":1e}",
        "{\"name\":\"ab\",\"x\":+1}",
        "{\"name\":\"ab\",\"x\":NaN}",
        "{\"name\":\"ab\",\"x\":nul}",
        "{\"name\":\"ab\",\"x\":\"\\x\"}",
        "{\"name\":\"ab\",\"x\":[1,]}",
        "{\"name\":\"ab\",\"x\":[1 2]}",
        "{\"name\":\"ab\\u0000\"}",
        "{\"name\":\"\\ud800x\"}",
        "{\"name\":\"\\udc00\"}",
        "{\"name\":\"\\ud800\\u0041\"}",
        "{\"name\":\"\\u12g4\"}",
        "{\"name\":\"ab",
        "{\"name\":\"ab\\",
        "{\"name\":\"a\nb\"}",
        "{\"name\":\"a\tb\"}",
        "{\"name\":\"\xff\xfe\"}",
        "{\"name\":\"\xc0\xaf\"}",
        "{\"name\":\"\xed\xa0\x80\"}",
        "\xef\xbb\xbf{\"name\":\"ab\"}",
        "{\"name\":\"ab\",\"size\":}",
        "{\"name\":\"ab\",\"size\":x}",
        "{\"name\":\"ab\" \"size\":1}",
        "{,}",
        "{\"name\":\"ab\",\"name\":\"cd\"}",
        "{\"name\":\"ab\",\"tags\":{\"a\":\"1\",\"a\":\"2\"}}",
        "{\"name\":\"ab\",\"free\":{\"a\":}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused_as(WIRE_BAD_SYNTAX, bad[i]);
    struct wire_error e;
    assert_true(decode_n("{\"name\":\"a\0b\"}", 14, &e) < 0); /* a raw NUL byte */
}

static void wrong_types_are_refused(void **state)
{
    static const char *const bad[] = {
        "[]",
        "\"x\"",
        "1",
        "null",
        "{\"name\":1}",
        "{\"name\":[]}",
        "{\"name\":{}}",
        "{\"name\":true}",
        "{\"flag\":\"true\"}",
        "{\"flag\":1}",
        "{\"size\":\"1\"}",
        "{\"size\":1.5}",
        "{\"size\":2147483648}",
        "{\"size\":-2147483649}",
        "{\"size\":1e99}",
        "{\"big\":9223372036854775808}",
        "{\"big\":1e19}",
        "{\"size\":true}",
        "{\"ratio\":\"1.5\"}",
        "{\"ratio\":1e999}",
        "{\"color\":1}",
        "{\"when\":\"2026-01-01T00:00:00Z\"}",
        "{\"when\":1e20}",
        "{\"isoWhen\":\"today\"}",
        "{\"data\":\"a\"}",
        "{\"data\":\"a===\"}",
        "{\"data\":\"AA=A\"}",
        "{\"data\":\"AB==\"}",
        "{\"data\":1}",
        "{\"part\":[]}",
        "{\"parts\":{}}",
        "{\"parts\":[1]}",
        "{\"parts\":[null]}",
        "{\"names\":[null]}",
        "{\"tags\":[]}",
        "{\"tags\":{\"a\":null}}",
        "{\"tags\":{\"a\":1}}",
        "{\"matrix\":[1]}",
        "{\"size\":1111111111111111111111111111111111111111111111111111111111111111111}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused_as(WIRE_BAD_TYPE, bad[i]);
}

static void a_type_error_says_where(void **state)
{
    struct wire_error e;
    decode("{\"name\":\"ab\",\"parts\":[{\"id\":\"ab\"},{\"id\":7}]}", &e);
    assert_string_equal(
        e.text, "NUMBER_VALUE cannot be converted to String at 'parts.2.member.id'");
    decode("{\"name\":{}}", &e);
    assert_string_equal(e.text,
                        "Start of structure or map found where not expected. at 'name'");
}

static void bad_values_are_worded_as_coral_does(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{}", "1 validation error detected: Value null at 'name' failed to satisfy "
               "constraint: "
               "Member must not be null"},
        {"{\"name\":null}", "1 validation error detected: Value null at 'name' failed to "
                            "satisfy constraint: "
                            "Member must not be null"},
        {"{\"name\":\"abcde\"}",
         "1 validation error detected: Value 'abcde' at 'name' failed to satisfy "
         "constraint: Member must have length less than or equal to 4"},
        {"{\"name\":\"a\",\"size\":-6}",
         "2 validation errors detected: Value 'a' at 'name' failed to satisfy "
         "constraint: "
         "Member must have length greater than or equal to 2; Value '-6' at 'size' "
         "failed "
         "to satisfy constraint: Member must have value greater than or equal to -5"},
        {"{\"name\":\"ab\",\"color\":\"blue\"}",
         "1 validation error detected: Value 'blue' at 'color' failed to satisfy "
         "constraint: Member must satisfy enum value set: [RED, green, t2.micro, a b]"},
        {"{\"name\":\"ab\",\"numbers\":[]}",
         "1 validation error detected: Value '[]' at 'numbers' failed to satisfy "
         "constraint: Member must have length greater than or equal to 1"},
        {"{\"name\":\"ab\",\"parts\":[{\"id\":\"ab\",\"parts\":[{}]}]}",
         "1 validation error detected: Value null at 'parts.1.member.parts.1.member.id' "
         "failed to satisfy constraint: Member must not be null"},
        {"{\"name\":\"ab\",\"partMap\":{\"Key\":{\"id\":\"x\"}}}",
         "1 validation error detected: Value 'x' at 'partMap.Key.member.id' failed to "
         "satisfy constraint: Member must have length greater than or equal to 2"},
        {"{\"name\":\"ab\",\"colors\":[\"RED\",\"x\"]}",
         "1 validation error detected: Value 'x' at 'colors.2.member' failed to satisfy "
         "constraint: Member must satisfy enum value set: [RED, green, t2.micro, a b]"},
        {"{\"name\":\"ab\",\"ratio\":-10.5}",
         "1 validation error detected: Value '-10.5' at 'ratio' failed to satisfy "
         "constraint: Member must have value greater than or equal to -10"},
        {"{\"name\":\"ab\",\"attribute\":{}}",
         "1 validation error detected: Value '{}' at 'attribute' failed to satisfy "
         "constraint: Member must have exactly one of its members set"},
        {"{\"name\":\"ab\",\"part\":{\"id\":\"ab\",\"secret\":\"x\"}}",
         "1 validation error detected: Value '***' at 'part.secret' failed to satisfy "
         "constraint: Member must have length greater than or equal to 2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_error e;
        assert_true(decode(rows[i].text, &e) < 0);
        assert_int_equal(e.kind, WIRE_BAD_VALUE);
        assert_string_equal(e.text, rows[i].message);
    }
}

static void patterns_mean_the_whole_text(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"{\"name\":\"ab\",\"dashed\":\"a-b__c.d\"}", true},
        {"{\"name\":\"ab\",\"dashed\":\"a--------b\"}", true},
        {"{\"name\":\"ab\",\"dashed\":\"\xc3\xa9 9\"}", true},
        {"{\"name\":\"ab\",\"dashed\":\"12x\"}", true},
        {"{\"name\":\"ab\",\"dashed\":\"12X\"}", true},
        {"{\"name\":\"ab\",\"dashed\":\"a-\"}", false},
        {"{\"name\":\"ab\",\"dashed\":\"A-b\"}", false},
        {"{\"name\":\"ab\",\"dashed\":\"a._b\"}", false},
        {"{\"name\":\"ab\",\"dashed\":\"\"}", false},
        {"{\"name\":\"ab\",\"dashed\":\"ab\\n\"}", false},
        {"{\"name\":\"ab\",\"evil\":\"ababaac\"}", true},
        {"{\"name\":\"ab\",\"evil\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad\"}",
         false},
        {"{\"name\":\"ab\",\"ahead\":\"x\"}", true}, /* can't be checked */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_error e;
        int r = decode(rows[i].text, &e);
        if ((r == 0) != rows[i].good)
            print_error("%s\n", rows[i].text);
        assert_int_equal(r == 0, rows[i].good);
        if (r < 0)
            assert_non_null(strstr(
                e.text,
                "failed to satisfy constraint: Member must satisfy regular expression "
                "pattern: "));
    }
}

static void lengths_count_characters(void **state)
{
    struct wire_error e;
    assert_int_equal(
        decode("{\"name\":\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\"}", &e), 0);
    assert_true(decode("{\"name\":\"\xe2\x82\xac\"}", &e) < 0);
    assert_int_equal(decode("{\"name\":\"\\ud83d\\ude00\\u20ac\"}", &e), 0);
}

static void trusted_text_is_not_checked(void **state)
{
    static const char text[] = "{\"size\":-99,\"color\":\"later\",\"name\":\"longer\"}";
    AUTO_ARENA a = ARENA_INIT;
    struct probe_thing *t = NULL;
    assert_int_equal(wire_json_decode(&a, &probe_thing_shape, text, sizeof(text) - 1,
                                      true, (void **)&t, NULL),
                     0);
    assert_int_equal(t->size.v, -99);
    assert_int_equal(t->color, PROBE_COLOR_UNSET);
}

static void unknown_members_and_nulls_are_skipped(void **state)
{
    struct wire_error e;
    assert_int_equal(
        decode(" { \"name\" : \"ab\" , \"new\":{\"a\":[{},[],\"\\\"\",1.5e-3,"
               "true,false,null]},\"size\":null,\"parts\":null}\r\n\t",
               &e),
        0);
    assert_int_equal(decode("{\"n\\u0061me\":\"ab\",\"size\":5.0,\"big\":5e0}", &e), 0);
}

static char *nested(const char *open, const char *inner, const char *close, size_t depth)
{
    AUTO_STR s = STR_INIT;
    str_add(&s, "{\"name\":\"ab\",\"x\":");
    for (size_t i = 0; i < depth; i++)
        str_add(&s, open);
    str_add(&s, inner);
    for (size_t i = 0; i < depth; i++)
        str_add(&s, close);
    str_addc(&s, '}');
    return str_take(&s);
}

static void depth_is_bounded(void **state)
{
    static const struct {
        const char *name, *open, *inner, *close;
        size_t fits;
    } rows[] = {{"x", "[", "1", "]", 50}, {"x", "{\"y\":", "1", "}", 50}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_error e;
        char *ok = nested(rows[i].open, rows[i].inner, rows[i].close, rows[i].fits);
        char *bomb = nested(rows[i].open, rows[i].inner, rows[i].close, 1000000);
        assert_int_equal(decode(ok, &e), 0);
        assert_true(decode(bomb, &e) < 0);
        assert_non_null(strstr(e.text, "nested too deeply"));
        free(ok);
        free(bomb);
    }
    /* and through a shape that contains itself */
    AUTO_STR s = STR_INIT;
    str_add(&s, "{\"name\":\"ab\",\"attribute\":");
    for (int i = 0; i < 100000; i++)
        str_add(&s, "{\"L\":[");
    struct wire_error e;
    assert_true(decode(s.data, &e) < 0);
    assert_non_null(strstr(e.text, "nested too deeply"));
}

static void small_text_can_not_take_much_memory(void **state)
{
    AUTO_STR s = STR_INIT;
    str_add(&s, "{\"containerDefinitions\":[");
    for (int i = 0; i < 500000; i++)
        str_add(&s, i ? ",{}" : "{}");
    str_add(&s, "]}");
    AUTO_ARENA a = ARENA_INIT;
    struct wire_error e;
    void *out;
    assert_true(wire_json_decode(&a, &ecs_register_task_definition_request_shape, s.data,
                                 s.len, false, &out, &e) < 0);
    assert_string_equal(e.text, "too many members for a body of its size");
    assert_true(a.used_bytes < (size_t)64 << 20);
}

static void ten_megabytes_are_read(void **state)
{
    AUTO_STR s = STR_INIT;
    str_add(&s, "{\"name\":\"ab\",\"names\":[\"");
    for (int i = 0; i < 10 << 17; i++)
        str_add(&s, "01234567");
    str_add(&s, "\"]}");
    struct wire_error e;
    assert_int_equal(decode(s.data, &e), 0);
    s.data[s.len - 4] = '\x80';
    assert_true(decode(s.data, &e) < 0);
}

static void writes(const struct probe_thing *t, bool reply, const char *want)
{
    AUTO_STR s = STR_INIT;
    (reply ? json_encode_reply : wire_json_encode)(&s, &probe_thing_shape, t);
    assert_string_equal(str_text(&s), want);
}

static void values_are_written(void **state)
{
    struct probe_thing t = {.name = "a\"\\\n\x01/\xc3\xa9",
                            .when = SET_TIME(1700000000123)};
    writes(&t, false,
           "{\"name\":\"a\\\"\\\\\\n\\u0001/\xc3\xa9\",\"when\":1700000000.123}");
    t = (struct probe_thing){.when = SET_TIME(1700000000000),
                             .iso_when = SET_TIME(1767323045000),
                             .ratio = SET_DOUBLE(0.1)};
    writes(&t, false,
           "{\"ratio\":0.1,\"when\":1700000000,\"isoWhen\":\"2026-01-02T03:04:05Z\"}");
    t = (struct probe_thing){.when = SET_TIME(-1500), .big = SET_LONG(INT64_MIN)};
    writes(&t, false, "{\"big\":-9223372036854775808,\"when\":-1.500}");
    writes(NULL, false, "{}");
}

static void unboxed_members_are_written_in_replies_only(void **state)
{
    struct probe_thing t = {0};
    writes(&t, false, "{}");
    writes(&t, true, "{\"flag\":false,\"count\":0}");
}

static void doubles_survive(void **state)
{
    static const double values[] = {0.1,    1.0 / 3, 1e300,
                                    5e-324, -2.5,    123456789012345680.0};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        AUTO_STR s = STR_INIT;
        struct probe_thing t = {.ratio = SET_DOUBLE(values[i])}, *back = NULL;
        wire_json_encode(&s, &probe_thing_shape, &t);
        assert_int_equal(wire_json_decode(&a, &probe_thing_shape, s.data, s.len, true,
                                          (void **)&back, NULL),
                         0);
        assert_true(back->ratio.v == values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_grammar_is_refused),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(a_type_error_says_where),
        cmocka_unit_test(bad_values_are_worded_as_coral_does),
        cmocka_unit_test(patterns_mean_the_whole_text),
        cmocka_unit_test(lengths_count_characters),
        cmocka_unit_test(trusted_text_is_not_checked),
        cmocka_unit_test(unknown_members_and_nulls_are_skipped),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(small_text_can_not_take_much_memory),
        cmocka_unit_test(ten_megabytes_are_read),
        cmocka_unit_test(values_are_written),
        cmocka_unit_test(unboxed_members_are_written_in_replies_only),
        cmocka_unit_test(doubles_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
