/* Values: which are taken and in which form, what is equal, their order, their size. */
#include "items.h"

#include <stdlib.h>

#define PARAMETER "One or more parameter values were invalid: "

static void values_are_taken_in_one_form(void **state)
{
    static const char *const rows[][2] = {
        {"{'S': ''}", "{'S':''}"},
        {"{'N': '01.50'}", "{'N':'1.5'}"},
        {"{'NS': ['1e2', '-0.0']}", "{'NS':['100','0']}"},
        {"{'SS': ['b', 'a', '']}", "{'SS':['b','a','']}"},
        {"{'BS': ['AA==', '']}", "{'BS':['AA==','']}"},
        {"{'B': ''}", "{'B':''}"},
        {"{'L': []}", "{'L':[]}"},
        {"{'M': {}}", "{'M':{}}"},
        {"{'NULL': true}", "{'NULL':true}"},
        {"{'BOOL': false}", "{'BOOL':false}"},
        {"{'L': [{'M': {'n': {'N': '+3'}}}]}", "{'L':[{'M':{'n':{'N':'3'}}}]}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        attribute_map item = {0};
        attribute_value *v = value_read(&a, rows[i][0]);
        if (attribute_validate(&a, v, &err) < 0)
            fail_msg("%s: %s", rows[i][0], err.text);
        item_set(&a, &item, "v", v);
        assert_string_equal(item_text(&a, &item),
                            arena_printf(&a, "{'v':%s}", rows[i][1]));
    }
}

static const char *nested(struct arena *a, int depth)
{
    AUTO_STR out = STR_INIT;
    for (int i = 0; i < depth; i++)
        str_add(&out, i % 2 ? "{'L':[" : "{'M':{'x':");
    str_add(&out, "{'S':'x'}");
    for (int i = depth; i-- > 0;)
        str_add(&out, i % 2 ? "]}" : "}}");
    return arena_strdup(a, out.data);
}

static void others_are_refused_in_the_service_s_words(void **state)
{
    static const char *const rows[][2] = {
        {"{}",
         "Supplied AttributeValue is empty, must contain exactly one of the supported "
         "datatypes"},
        {"{'S': 'a', 'N': '1'}",
         "Supplied AttributeValue has more than one datatypes set, must "
         "contain exactly one of the supported datatypes"},
        {"{'L': [{'S': 'a', 'BOOL': true}]}",
         "Supplied AttributeValue has more than one datatypes set, must contain exactly "
         "one of "
         "the supported datatypes"},
        {"{'M': {'x': {}}}",
         "Supplied AttributeValue is empty, must contain exactly one of "
         "the supported datatypes"},
        {"{'NULL': false}",
         PARAMETER "Null attribute value types must have the value of true"},
        {"{'SS': []}", PARAMETER "An string set  may not be empty"},
        {"{'NS': []}", PARAMETER "An number set  may not be empty"},
        {"{'BS': []}", PARAMETER "Binary sets should not be empty"},
        {"{'SS': ['a', 'b', 'a']}",
         PARAMETER "Input collection [a, b, a] contains duplicates."},
        {"{'NS': ['1', '2', '1.0']}", "Input collection contains duplicates"},
        {"{'BS': ['Yg==', 'Yg==']}",
         PARAMETER "Input collection [Yg==, Yg==]of type BS contains duplicates."},
        {"{'N': ''}", "The parameter cannot be converted to a numeric value"},
        {"{'N': 'b'}", "The parameter cannot be converted to a numeric value: b"},
        {"{'NS': ['1', 'b']}", "The parameter cannot be converted to a numeric value: b"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        assert_int_equal(attribute_validate(&a, value_read(&a, rows[i][0]), &err),
                         -E_INVALID);
        assert_string_equal(err.text, rows[i][1]);
    }
}

static void depth_is_bounded(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    attribute_value *v = value_read(&a, nested(&a, ATTRIBUTE_DEPTH_MAX));
    assert_int_equal(attribute_depth(v), ATTRIBUTE_DEPTH_MAX);
    assert_int_equal(attribute_validate(&a, v, &err), 0);
    v = value_read(&a, nested(&a, ATTRIBUTE_DEPTH_MAX + 1));
    assert_int_equal(attribute_validate(&a, v, &err), -E_INVALID);
    assert_string_equal(
        err.text, "Nesting Levels have exceeded supported limits: Attributes in the item "
                  "have nested levels beyond supported limit");
}

static void values_are_equal_by_what_they_say(void **state)
{
    static const struct {
        const char *a, *b;
        bool want;
    } rows[] = {
        {"{'S': 'a'}", "{'S': 'a'}", true},
        {"{'S': 'a'}", "{'S': 'b'}", false},
        {"{'S': '1'}", "{'N': '1'}", false},
        {"{'N': '1'}", "{'N': '1.0'}", true},
        {"{'B': 'AA=='}", "{'B': 'AAA='}", false},
        {"{'SS': ['a', 'b']}", "{'SS': ['b', 'a']}", true},
        {"{'SS': ['a', 'b']}", "{'SS': ['b']}", false},
        {"{'SS': ['a', 'b']}", "{'SS': ['b', 'c']}", false},
        {"{'BS': ['AA==', 'AQ==']}", "{'BS': ['AQ==', 'AA==']}", true},
        {"{'NS': ['1', '2']}", "{'NS': ['2', '1']}", true},
        {"{'NS': ['1', '2']}", "{'SS': ['2', '1']}", false},
        {"{'L': [{'S': 'a'}, {'S': 'b'}]}", "{'L': [{'S': 'b'}, {'S': 'a'}]}", false},
        {"{'L': [{'S': 'a'}]}", "{'L': [{'S': 'a'}]}", true},
        {"{'L': []}", "{'L': []}", true},
        {"{'L': []}", "{'M': {}}", false},
        {"{'M': {'x': {'N': '1'}, 'y': {'S': ''}}}",
         "{'M': {'y': {'S': ''}, 'x': {'N': '1'}}}", true},
        {"{'M': {'x': {'N': '1'}}}", "{'M': {'x': {'N': '2'}}}", false},
        {"{'M': {'x': {'N': '1'}}}", "{'M': {'y': {'N': '1'}}}", false},
        {"{'BOOL': true}", "{'BOOL': true}", true},
        {"{'BOOL': true}", "{'BOOL': false}", false},
        {"{'NULL': true}", "{'NULL': true}", true},
        {"{'NULL': true}", "{'BOOL': true}", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        const attribute_value *x = value_read(&a, rows[i].a),
                              *y = value_read(&a, rows[i].b);
        if (attribute_equal(x, y) != rows[i].want ||
            attribute_equal(y, x) != rows[i].want)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

/* In ascending order; each against each. */
static void keys_are_in_the_order_of_values(void **state)
{
    static const char *const texts[] = {"{'S': ''}",  "{'S': ' '}",       "{'S': 'A'}",
                                        "{'S': 'a'}", "{'S': 'a '}",      "{'S': 'ab'}",
                                        "{'S': 'b'}", "{'S': '\xc3\xa9'}"};
    static const char *const bytes[] = {"{'B': ''}",     "{'B': 'AA=='}", "{'B': 'AAA='}",
                                        "{'B': 'AQ=='}", "{'B': 'fw=='}", "{'B': 'gA=='}",
                                        "{'B': '/w=='}", "{'B': '//8='}"};
    static const char *const numbers[] = {
        "{'N': '-9.9e125'}", "{'N': '-100'}", "{'N': '-99.5'}",  "{'N': '-1'}",
        "{'N': '-1e-130'}",  "{'N': '0'}",    "{'N': '1e-130'}", "{'N': '0.09'}"};
    static const char *const *const kinds[] = {texts, bytes, numbers};
    for (size_t kind = 0; kind < COUNT(kinds); kind++) {
        for (size_t i = 0; i < 64; i++) {
            AUTO_ARENA a = ARENA_INIT;
            AUTO_STR left = STR_INIT;
            AUTO_STR right = STR_INIT;
            const attribute_value *x = value_read(&a, kinds[kind][i / 8]);
            const attribute_value *y = value_read(&a, kinds[kind][i % 8]);
            int order = 0, want = (i / 8 > i % 8) - (i / 8 < i % 8);
            attribute_key(x, &left);
            attribute_key(y, &right);
            assert_true(attribute_order(x, y, &order));
            assert_int_equal((order > 0) - (order < 0), want);
            size_t n = left.len < right.len ? left.len : right.len;
            order = n ? memcmp(left.data, right.data, n) : 0;
            if (order == 0)
                order = (left.len > right.len) - (left.len < right.len);
            assert_int_equal((order > 0) - (order < 0), want);
        }
    }
}

static void what_has_no_order_says_so(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    int order = 7;
    assert_false(attribute_order(value_read(&a, "{'S': 'a'}"),
                                 value_read(&a, "{'N': '1'}"), &order));
    assert_false(attribute_order(value_read(&a, "{'BOOL': true}"),
                                 value_read(&a, "{'BOOL': true}"), &order));
    assert_int_equal(order, 7);
}

static void sizes_are_those_that_the_guide_tells(void **state)
{
    static const struct {
        const char *value;
        size_t size;
    } rows[] = {
        {"{'S': ''}", 0},           {"{'S': 'h\xc3\xa9'}", 3},
        {"{'N': '0'}", 1},          {"{'N': '5'}", 2},
        {"{'N': '1000000'}", 2},    {"{'N': '27'}", 2},
        {"{'N': '-1.5'}", 2},       {"{'N': '461'}", 3},
        {"{'B': 'AAEC'}", 3},       {"{'SS': ['a', 'bc']}", 3},
        {"{'NS': ['1', '27']}", 4}, {"{'BS': ['AA==', 'AAEC']}", 4},
        {"{'NULL': true}", 1},      {"{'BOOL': false}", 1},
        {"{'L': []}", 3},           {"{'L': [{'S': 'ab'}, {'BOOL': true}]}", 8},
        {"{'M': {}}", 3},           {"{'M': {'name': {'S': 'ab'}}}", 10},
    };
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(attribute_size(value_read(&a, rows[i].value)), rows[i].size);
    assert_int_equal(item_size(item_read(&a, "{'id': {'S': 'ab'}, 'n': {'N': '5'}}")), 7);
}

static void items_are_read_and_changed(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    attribute_map *item =
        item_read(&a, "{'a': {'S': '1'}, 'b': {'S': '2'}, 'c': {'S': '3'}}");
    assert_null(item_get(item, "x"));
    assert_true(item_remove(item, "b"));
    assert_false(item_remove(item, "b"));
    item_set(&a, item, "a", value_read(&a, "{'N': '9'}"));
    for (int i = 0; i < 10; i++)
        item_set(&a, item, arena_printf(&a, "k%d", i), value_read(&a, "{'NULL': true}"));
    assert_int_equal(item->n, 12);
    assert_string_equal(item_get(item, "a")->n, "9");
    assert_null(item_get(item, "a")->s);
    assert_string_equal(item->v[1].key, "c");
    assert_string_equal(item->v[11].key, "k9");
}

static void sets_are_added_to_and_taken_from(void **state)
{
    static const char *const rows[][4] = {
        {"{'SS': ['a', 'b']}", "{'SS': ['b', 'c']}", "{'SS':['a','b','c']}",
         "{'SS':['a']}"},
        {"{'NS': ['1', '2']}", "{'NS': ['2']}", "{'NS':['1','2']}", "{'NS':['1']}"},
        {"{'BS': ['AA==']}", "{'BS': ['AQ==']}", "{'BS':['AA==','AQ==']}",
         "{'BS':['AA==']}"},
        {"{'SS': ['a']}", "{'SS': ['a']}", "{'SS':['a']}", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        attribute_map item = {0};
        attribute_value more, less;
        const attribute_value *set = value_read(&a, rows[i][0]);
        attribute_set_add(&a, set, value_read(&a, rows[i][1]), &more);
        attribute_set_remove(&a, set, value_read(&a, rows[i][1]), &less);
        item_set(&a, &item, "v", &more);
        assert_string_equal(item_text(&a, &item),
                            arena_printf(&a, "{'v':%s}", rows[i][2]));
        assert_int_equal(attribute_type(&less) == ATTRIBUTE_ABSENT, !rows[i][3]);
        if (!rows[i][3])
            continue;
        item_set(&a, &item, "v", &less);
        assert_string_equal(item_text(&a, &item),
                            arena_printf(&a, "{'v':%s}", rows[i][3]));
    }
}

static void types_have_the_service_s_names(void **state)
{
    for (enum attribute_type t = ATTRIBUTE_S; t < ATTRIBUTE_TYPE_COUNT; t++)
        assert_int_equal(attribute_type_find(attribute_type_name(t)), t);
    assert_int_equal(attribute_type_find("X"), ATTRIBUTE_ABSENT);
    assert_int_equal(attribute_type_find("s"), ATTRIBUTE_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_in_one_form),
        cmocka_unit_test(others_are_refused_in_the_service_s_words),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(values_are_equal_by_what_they_say),
        cmocka_unit_test(keys_are_in_the_order_of_values),
        cmocka_unit_test(what_has_no_order_says_so),
        cmocka_unit_test(sizes_are_those_that_the_guide_tells),
        cmocka_unit_test(items_are_read_and_changed),
        cmocka_unit_test(sets_are_added_to_and_taken_from),
        cmocka_unit_test(types_have_the_service_s_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
