/* Legacy parameters become what expressions become. */
#include "items.h"

#include "legacy.h"

#define ITEM                                                                             \
    "{'s': {'S': 'hello'}, 'n': {'N': '10'}, 'ss': {'SS': ['a', 'b']}, 'a.b': {'S': "    \
    "'d'},"                                                                              \
    " 'l': {'L': [{'S': 'x'}]}}"

static void *read_as(struct arena *a, const struct wire_shape *shape, const char *json)
{
    char *text = arena_strdup(a, json);
    void *in = NULL;
    struct wire_error e = {0};
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    if (wire_json_decode(a, shape, text, strlen(text), true, &in, &e) < 0)
        fail_msg("%s: %s", json, e.text);
    return in;
}

static struct dynamodb_update_item_input *asked(struct arena *a, const char *json)
{
    return read_as(a, &dynamodb_update_item_input_shape, json);
}

static void what_is_expected_holds_or_not(void **state)
{
    static const struct {
        const char *expected;
        bool all, any;
    } rows[] = {
        {"{'s': {'Value': {'S': 'hello'}}, 'x': {'Exists': false}}", true, true},
        {"{'s': {'Exists': false}, 'n': {'Value': {'N': '1e1'}}}", false, true},
        {"{'a.b': {'Value': {'S': 'd'}}, 'a': {'ComparisonOperator': 'NOT_NULL'}}", false,
         true},
        {"{'ss': {'ComparisonOperator': 'NOT_CONTAINS', 'Value': {'S': 'z'}},"
         " 'x': {'ComparisonOperator': 'NOT_CONTAINS', 'Value': {'S': 'z'}}}",
         true, true},
        {"{'n': {'ComparisonOperator': 'BETWEEN', 'AttributeValueList': [{'N': '1'}, "
         "{'N': '10.0'}]}, 's': {'ComparisonOperator': 'IN', 'AttributeValueList': "
         "[{'S': 'x'}, {'S': 'hello'}]}}",
         true, true},
        {"{'n': {'ComparisonOperator': 'LT', 'Value': {'N': '1'}},"
         " 's': {'ComparisonOperator': 'BEGINS_WITH', 'Value': {'S': 'x'}}}",
         false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        const struct condition *all = NULL, *any = NULL;
        const attribute_map *item = item_read(&a, ITEM);
        const struct dynamodb_update_item_input *in =
            asked(&a, arena_printf(&a, "{'Expected': %s}", rows[i].expected));
        assert_int_equal(legacy_expected(&a, &in->expected,
                                         DYNAMODB_CONDITIONAL_OPERATOR_UNSET, &all, &err),
                         0);
        assert_int_equal(legacy_expected(&a, &in->expected,
                                         DYNAMODB_CONDITIONAL_OPERATOR_OR, &any, &err),
                         0);
        assert_int_equal(condition_holds(all, item), rows[i].all);
        assert_int_equal(condition_holds(any, item), rows[i].any);
    }
}

static void nothing_expected_is_no_condition(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    const struct condition *c = NULL;
    const struct dynamodb_update_item_input *in = asked(&a, "{}");
    assert_int_equal(
        legacy_expected(&a, &in->expected, DYNAMODB_CONDITIONAL_OPERATOR_UNSET, &c, &err),
        0);
    assert_null(c);
    assert_int_equal(
        legacy_expected(&a, &in->expected, DYNAMODB_CONDITIONAL_OPERATOR_OR, &c, &err),
        -E_INVALID);
}

static void updates_change_the_item(void **state)
{
    static const struct {
        const char *updates, *item;
        bool creates;
    } rows[] = {
        {"{'s': {'Value': {'S': 'x'}}, 'ss': {'Action': 'DELETE', 'Value': {'SS': ['a', "
         "'b']}},"
         " 'a.b': {'Action': 'DELETE'}, 'l': {'Action': 'DELETE'}}",
         "{'s':{'S':'x'},'n':{'N':'10'}}", true},
        {"{'n': {'Action': 'ADD', 'Value': {'N': '0.5'}}, 'l': {'Action': 'ADD', "
         "'Value': "
         "{'L': [{'S': 'y'}]}}, 'ss': {'Action': 'DELETE'}, 's': {'Action': 'DELETE'},"
         " 'a.b': {'Action': 'PUT', 'Value': {'N': '01'}}}",
         "{'n':{'N':'10.5'},'a.b':{'N':'1'},'l':{'L':[{'S':'x'},{'S':'y'}]}}", true},
        {"{'s': {'Action': 'DELETE'}, 'ss': {'Action': 'DELETE', 'Value': {'SS': ['a']}},"
         " 'l': {'Action': 'DELETE'}, 'x': {'Action': 'DELETE'}}",
         "{'n':{'N':'10'},'ss':{'SS':['b']},'a.b':{'S':'d'}}", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        const struct update *u = NULL;
        attribute_map got;
        const struct dynamodb_update_item_input *in =
            asked(&a, arena_printf(&a, "{'AttributeUpdates': %s}", rows[i].updates));
        assert_int_equal(legacy_updates(&a, &in->attribute_updates, &u, &err), 0);
        assert_int_equal(update_apply(&a, u, item_read(&a, ITEM), &got, &err), 0);
        assert_string_equal(item_text(&a, &got), rows[i].item);
        assert_int_equal(update_creates(u), rows[i].creates);
    }
}

static void types_must_match(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    const struct update *u = NULL;
    attribute_map got;
    const struct dynamodb_update_item_input *in =
        asked(&a, "{'AttributeUpdates': {'s': {'Action': 'ADD', 'Value': {'N': '1'}}}}");
    assert_int_equal(legacy_updates(&a, &in->attribute_updates, &u, &err), 0);
    assert_int_equal(update_apply(&a, u, item_read(&a, ITEM), &got, &err), -E_INVALID);
    assert_string_equal(err.text, "Type mismatch for attribute to update");
}

static void key_conditions_become_ranges(void **state)
{
    static const struct key_schema schema = {{"k", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                             {"r", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_N}};
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    const struct key_condition *k = NULL;
    struct key_range range;
    const struct dynamodb_query_input *in = read_as(
        &a, &dynamodb_query_input_shape,
        "{'KeyConditions': {'r': {'ComparisonOperator': 'BETWEEN', 'AttributeValueList': "
        "[{'N': '1.0'}, {'N': '5'}]}, 'k': {'ComparisonOperator': 'EQ', "
        "'AttributeValueList': "
        "[{'S': 'x'}]}}}");
    assert_int_equal(legacy_key_conditions(&a, &in->key_conditions, &k, &err), 0);
    assert_int_equal(key_condition_bind(k, &schema, &range, &err), 0);
    assert_string_equal(range.hash->s, "x");
    assert_int_equal(range.comparison, KEY_BETWEEN);
    assert_string_equal(range.range[0]->n, "1");
    assert_string_equal(range.range[1]->n, "5");
}

/* What walks conditions goes as deep as there are. */
static void conditions_are_bounded(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    for (size_t n = EXPRESSION_OPERATOR_MAX; n <= EXPRESSION_OPERATOR_MAX + 1; n++) {
        struct dynamodb_condition_map filter = {.set = true};
        struct error err = ERROR_INIT;
        const struct condition *c = NULL;
        for (size_t i = 0; i < n; i++) {
            struct dynamodb_condition_map_entry *e = LIST_PUSH(&a, &filter);
            e->key = "s";
            e->value.comparison_operator = DYNAMODB_COMPARISON_OPERATOR_NOT_NULL;
        }
        int r = legacy_filter(&a, &filter, DYNAMODB_CONDITIONAL_OPERATOR_UNSET, &c, &err);
        assert_int_equal(r, n > EXPRESSION_OPERATOR_MAX ? -E_INVALID : 0);
        if (c)
            assert_true(condition_holds(c, item_read(&a, ITEM)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_expected_holds_or_not),
        cmocka_unit_test(nothing_expected_is_no_condition),
        cmocka_unit_test(updates_change_the_item),
        cmocka_unit_test(types_must_match),
        cmocka_unit_test(key_conditions_become_ranges),
        cmocka_unit_test(conditions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
