/* What a request's expressions share, projections, and key conditions. */
#include "items.h"

#include "condition.h"
#include "key_condition.h"
#include "projection.h"
#include "reserved_word.h"
#include "update.h"

#define ITEM                                                                             \
    "{'Item': {'a': {'S': '1'}, 'b': {'M': {'x': {'N': '1'}, 'y': {'L': [{'S': 'p'},"    \
    "  {'M': {'z': {'S': 'q'}, 'w': {'S': 'r'}}}, {'S': 't'}]}}}, 'c': {'SS': ['s']},"   \
    "  'a.b': {'S': 'dotted'}},"
#define NAMES                                                                            \
    " 'ExpressionAttributeNames': {'#a': 'a', '#dot': 'a.b', '#size': 'size', '#z': "    \
    "'z'},"
#define VALUES                                                                           \
    " 'ExpressionAttributeValues': {':s': {'S': 's'}, ':t': {'S': 't'}, ':n': {'N': "    \
    "'5'},"                                                                              \
    "  ':m': {'N': '7'}, ':b': {'B': 'AQ=='}, ':ss': {'SS': ['s']}, ':e': {'S': ''}}}"

struct fixture {
    struct arena arena;
    struct dynamodb_put_item_input *in;
    struct expression_scope scope;
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.arena = ARENA_INIT};
    f->in = items_read(&f->arena, ITEM NAMES VALUES);
    f->scope = scope_of(&f->arena, f->in);
}

/* ---- placeholders ---- */

static void placeholders_are_checked(void **state)
{
    static const char *const rows[][3] = {
        /* names, values, what is wrong */
        {"{}", NULL, "ExpressionAttributeNames must not be empty"},
        {"{'a': 'b'}", NULL,
         "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\""},
        {"{'#': 'b'}", NULL,
         "ExpressionAttributeNames contains invalid key: Syntax error; key: \"#\""},
        {"{'#a-b': 'b'}", NULL,
         "ExpressionAttributeNames contains invalid key: Syntax error; key: \"#a-b\""},
        {NULL, "{}", "ExpressionAttributeValues must not be empty"},
        {NULL, "{'a': {'S': 'x'}}",
         "ExpressionAttributeValues contains invalid key: Syntax error; key: \"a\""},
        {NULL, "{':a': {}}",
         "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is "
         "empty, "
         "must contain exactly one of the supported datatypes for key :a"},
        {NULL, "{':a': {'N': 'x'}}",
         "ExpressionAttributeValues contains invalid value: The parameter cannot be "
         "converted "
         "to a numeric value: x for key :a"},
        {"{'#a': 'a', '#b': 'b', '#c': 'c'}", "{':v': {'S': 'v'}, ':x': {'S': 'x'}}",
         "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b, "
         "#c}"},
        {"{'#a': 'a'}", "{':v': {'S': 'v'}, ':x': {'S': 'x'}, ':y': {'S': 'x'}}",
         "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, "
         ":y}"},
        {"{'#a': 'a'}", "{':v': {'S': 'v'}}", NULL},
    };
    static const struct expression_parameter given[] = {
        {"UpdateExpression", NULL}, {"ConditionExpression", "#a = :v"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct expression_scope scope;
        struct error err = ERROR_INIT;
        const struct condition *c;
        struct dynamodb_put_item_input *in = items_read(
            &a, arena_printf(
                    &a, "{'ExpressionAttributeNames':%s,'ExpressionAttributeValues':%s}",
                    rows[i][0] ? rows[i][0] : "null", rows[i][1] ? rows[i][1] : "null"));
        int r = expression_begin(&a, &in->expression_attribute_names,
                                 &in->expression_attribute_values, given, COUNT(given),
                                 &scope, &err);
        if (r == 0)
            r = condition_parse(&scope, given[1].name, given[1].text, &c, &err);
        if (r == 0)
            r = expression_end(&scope, &err);
        assert_int_equal(r, rows[i][2] ? -E_INVALID : 0);
        if (rows[i][2])
            assert_string_equal(err.text, rows[i][2]);
    }
}

static void placeholders_need_an_expression(void **state)
{
    static const struct expression_parameter none[] = {{"UpdateExpression", NULL},
                                                       {"ConditionExpression", NULL}},
                                             one[] = {{"ConditionExpression", NULL}},
                                             projection[] = {
                                                 {"ProjectionExpression", "a"},
                                                 {"FilterExpression", NULL}};
    AUTO_ARENA a = ARENA_INIT;
    struct expression_scope scope;
    struct error err = ERROR_INIT;
    struct dynamodb_put_item_input *names = items_read(&a, ITEM NAMES "'x': 1}"),
                                   *values = items_read(&a, ITEM VALUES);
    assert_int_equal(expression_begin(&a, &names->expression_attribute_names,
                                      &names->expression_attribute_values, none, 2,
                                      &scope, &err),
                     -E_INVALID);
    assert_string_equal(
        err.text,
        "ExpressionAttributeNames can only be specified when using expressions");
    assert_int_equal(expression_begin(&a, &values->expression_attribute_names,
                                      &values->expression_attribute_values, none, 2,
                                      &scope, &err),
                     -E_INVALID);
    assert_string_equal(err.text,
                        "ExpressionAttributeValues can only be specified when using "
                        "expressions: UpdateExpression and ConditionExpression are null");
    assert_int_equal(expression_begin(&a, &values->expression_attribute_names,
                                      &values->expression_attribute_values, one, 1,
                                      &scope, &err),
                     -E_INVALID);
    assert_string_equal(err.text,
                        "ExpressionAttributeValues can only be specified when using "
                        "expressions: ConditionExpression is null");
    assert_int_equal(expression_begin(&a, &values->expression_attribute_names,
                                      &values->expression_attribute_values, projection, 2,
                                      &scope, &err),
                     -E_INVALID);
    assert_string_equal(err.text,
                        "ExpressionAttributeValues can only be specified when using "
                        "expressions: FilterExpression is null");
}

static void expressions_share_their_placeholders(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct expression_scope scope;
    struct error err = ERROR_INIT;
    const struct update *u;
    const struct condition *c;
    struct dynamodb_put_item_input *in = items_read(
        &a, "{'ExpressionAttributeNames': {'#a': 'a', '#b': 'b'},"
            " 'ExpressionAttributeValues': {':v': {'S': 'v'}, ':w': {'S': 'w'}}}");
    const struct expression_parameter given[] = {{"UpdateExpression", "SET #a = :v"},
                                                 {"ConditionExpression", "#b = :w"}};
    assert_int_equal(expression_begin(&a, &in->expression_attribute_names,
                                      &in->expression_attribute_values, given, 2, &scope,
                                      &err),
                     0);
    assert_int_equal(update_parse(&scope, given[0].text, &u, &err), 0);
    assert_int_equal(expression_end(&scope, &err), -E_INVALID);
    assert_int_equal(condition_parse(&scope, given[1].name, given[1].text, &c, &err), 0);
    assert_int_equal(expression_end(&scope, &err), 0);
}

static void reserved_words_are_known_in_either_case(void **state)
{
    static const char *const yes[] = {"ABORT",    "abort",  "Zone",  "zone",
                                      "flattern", "INNTER", "loged", "status",
                                      "name",     "ttl",    "Set"},
                             *const no[] = {"",      "a",      "abor",     "aborts",
                                            "zonee", "remove", "contains", "id",
                                            "email", "sizes",  "#name"};
    for (size_t i = 0; i < COUNT(yes); i++)
        assert_true(reserved_word(yes[i]));
    for (size_t i = 0; i < COUNT(no); i++)
        assert_false(reserved_word(no[i]));
}

/* ---- projections ---- */

static void projections_give_parts(void **state)
{
    static const char *const rows[][2] = {
        {"a", "{'a':{'S':'1'}}"},
        {"c, a", "{'a':{'S':'1'},'c':{'SS':['s']}}"},
        {"#a", "{'a':{'S':'1'}}"},
        {"#dot", "{'a.b':{'S':'dotted'}}"},
        {"gone", "{}"},
        {"a.b", "{}"},
        {"b.x", "{'b':{'M':{'x':{'N':'1'}}}}"},
        {"b.gone, b.y[9], c[0], a[0]", "{}"},
        {"b.y[0]", "{'b':{'M':{'y':{'L':[{'S':'p'}]}}}}"},
        {"b.y[2], b.y[0]", "{'b':{'M':{'y':{'L':[{'S':'p'},{'S':'t'}]}}}}"},
        {"b.y[1].#z, b.x",
         "{'b':{'M':{'x':{'N':'1'},'y':{'L':[{'M':{'z':{'S':'q'}}}]}}}}"},
        {"b.y[1].#z, b.y[1].w, b.y[0]",
         "{'b':{'M':{'y':{'L':[{'S':'p'},{'M':{'z':{'S':'q'},'w':{'S':'r'}}}]}}}}"},
        {" a ,\tgone ", "{'a':{'S':'1'}}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        const struct projection *p = NULL;
        struct error err = ERROR_INIT;
        attribute_map got;
        open_fixture(&f);
        if (projection_parse(&f.scope, rows[i][0], &p, &err) < 0)
            fail_msg("%s: %s", rows[i][0], err.text);
        projection_apply(&f.arena, p, &f.in->item, &got);
        assert_string_equal(item_text(&f.arena, &got), rows[i][1]);
        arena_free(&f.arena);
    }
}

static void other_projections_are_refused(void **state)
{
#define PATHS(how, one, two)                                                             \
    "Two document paths " how                                                            \
    " with each other; must remove or rewrite one of these paths; "                      \
    "path one: " one ", path two: " two
    static const char *const rows[][2] = {
        {"", "The expression can not be empty;"},
        {"a,", "Syntax error; token: \"<EOF>\", near: \",\""},
        {"a b", "Syntax error; token: \"b\", near: \"a b\""},
        {"(a)", "Syntax error; token: \"(\", near: \"(a\""},
        {":s", "Syntax error; token: \":s\", near: \":s\""},
        {"sort-key", "Syntax error; token: \"-\", near: \"sort-key\""},
        {"a.remove", "Syntax error; token: \"remove\", near: \".remove\""},
        {"a, name", "Attribute name is a reserved keyword; reserved keyword: name"},
        {"#q", "An expression attribute name used in the document path is not defined; "
               "attribute "
               "name: #q"},
        {"a, a", PATHS("overlap", "[a]", "[a]")},
        {"b.x, #a, b", PATHS("overlap", "[b, x]", "[b]")},
        {"b.y[1].w, b.y[1]", PATHS("overlap", "[b, y, [1], w]", "[b, y, [1]]")},
        {"b.y, b[0]", PATHS("conflict", "[b, y]", "[b, [0]]")},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        const struct projection *p = NULL;
        struct error err = ERROR_INIT;
        open_fixture(&f);
        assert_int_equal(projection_parse(&f.scope, rows[i][0], &p, &err), -E_INVALID);
        assert_string_equal(
            err.text,
            arena_printf(&f.arena, "Invalid ProjectionExpression: %s", rows[i][1]));
        arena_free(&f.arena);
    }
}

static void a_projection_into_a_key_is_refused(void **state)
{
    struct fixture f;
    const struct projection *p = NULL;
    struct error err = ERROR_INIT;
    open_fixture(&f);
    assert_int_equal(projection_parse(&f.scope, "a, b.x", &p, &err), 0);
    assert_int_equal(projection_check_key(p, "Key", "a", &err), 0);
    assert_int_equal(projection_check_key(p, "IndexKey", "b", &err), -E_INVALID);
    assert_string_equal(err.text,
                        "Key attributes must be scalars; list random access '[]' and "
                        "map lookup '.' are not allowed: IndexKey: b");
    arena_free(&f.arena);
}

/* ---- key conditions ---- */

static const struct key_schema both = {{"pk", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                       {"sk", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_N}},
                               text_range = {{"pk", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S},
                                             {"sk", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S}},
                               alone = {{"pk", DYNAMODB_SCALAR_ATTRIBUTE_TYPE_S}, {0}};

static int bind(struct fixture *f, const char *text, const struct key_schema *schema,
                struct key_range *ret, struct error *err)
{
    const struct key_condition *k = NULL;
    int r = key_condition_parse(&f->scope, text, &k, err);
    return r < 0 ? r : key_condition_bind(k, schema, ret, err);
}

static void key_conditions_become_ranges(void **state)
{
    static const struct {
        const char *text;
        const struct key_schema *schema;
        enum key_comparison comparison;
        const char *first, *second;
    } rows[] = {
        {"pk = :s", &alone, KEY_ANY, NULL, NULL},
        {":s = pk", &both, KEY_ANY, NULL, NULL},
        {"(pk = :s)", &both, KEY_ANY, NULL, NULL},
        {"pk = :s AND sk = :n", &both, KEY_EQUAL, "5", NULL},
        {"sk = :n AND pk = :s", &both, KEY_EQUAL, "5", NULL},
        {"(sk < :n) AND (pk = :s)", &both, KEY_LESS, "5", NULL},
        {"pk = :s and sk <= :n", &both, KEY_LESS_EQUAL, "5", NULL},
        {"pk = :s AND sk > :n", &both, KEY_GREATER, "5", NULL},
        {"pk = :s AND sk >= :n", &both, KEY_GREATER_EQUAL, "5", NULL},
        {"pk = :s AND :n < sk", &both, KEY_GREATER, "5", NULL}, /* turned round */
        {"pk = :s AND :n >= sk", &both, KEY_LESS_EQUAL, "5", NULL},
        {"pk = :s AND sk BETWEEN :n AND :m", &both, KEY_BETWEEN, "5", "7"},
        {"pk = :s AND begins_with(sk, :t)", &text_range, KEY_BEGINS_WITH, "t", NULL},
        {"begins_with(sk, :e) AND pk = :s", &text_range, KEY_BEGINS_WITH, "", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct key_range got;
        struct error err = ERROR_INIT;
        open_fixture(&f);
        if (bind(&f, rows[i].text, rows[i].schema, &got, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_string_equal(got.hash->s, "s");
        assert_int_equal(got.comparison, rows[i].comparison);
        const char *const want[] = {rows[i].first, rows[i].second};
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(got.range[k] != NULL, want[k] != NULL);
            if (want[k])
                assert_string_equal(got.range[k]->s ? got.range[k]->s : got.range[k]->n,
                                    want[k]);
        }
        arena_free(&f.arena);
    }
}

static void other_key_conditions_are_refused(void **state)
{
    static const struct {
        const char *text;
        const struct key_schema *schema;
        const char *why;
    } rows[] = {
        {"pk =", &both,
         "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"=\""},
        {"key = :s", &both,
         "Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved "
         "keyword: key"},
        {"pk = :q", &both,
         "Invalid KeyConditionExpression: An expression attribute value used in "
         "expression is "
         "not defined; attribute value: :q"},
        {"begins_with(sk, :n) AND pk = :s", &both,
         "Invalid KeyConditionExpression: Incorrect operand type for operator or "
         "function; "
         "operator or function: begins_with, operand type: N"},
        {"pk = :s AND sk BETWEEN :m AND :n", &both,
         "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to "
         "be "
         "greater than or equal to lower bound; lower bound operand: AttributeValue: "
         "{N:7}, "
         "upper bound operand: AttributeValue: {N:5}"},
        {"pk = :s OR sk = :n", &both,
         "Invalid operator used in KeyConditionExpression: OR"},
        {"pk = :s AND NOT sk = :n", &both,
         "Invalid operator used in KeyConditionExpression: NOT"},
        {"pk IN (:s)", &both, "Invalid operator used in KeyConditionExpression: IN"},
        {"pk <> :s", &both, "Invalid operator used in KeyConditionExpression: <>"},
        {"attribute_exists(pk)", &both,
         "Invalid operator used in KeyConditionExpression: attribute_exists"},
        {"pk = :s AND contains(sk, :t)", &both,
         "Invalid operator used in KeyConditionExpression: contains"},
        {"pk = :s AND size(sk) = :n", &both,
         "KeyConditionExpressions cannot contain nested operations"},
        {"pk = sk", &both,
         "Invalid condition in KeyConditionExpression: Multiple attribute names used in "
         "one "
         "condition"},
        {":s = :t", &both,
         "Invalid condition in KeyConditionExpression: No key attribute specified"},
        {"pk.x = :s", &both,
         "KeyConditionExpressions cannot have conditions on nested attributes"},
        {":n BETWEEN sk AND :m", &both,
         "Invalid condition in KeyConditionExpression: BETWEEN operator must have the "
         "key "
         "attribute as its first operand"},
        {"begins_with(:s, pk)", &both,
         "Invalid condition in KeyConditionExpression: begins_with operator must have "
         "the key "
         "attribute as its first operand"},
        {"pk = :s AND pk = :t", &both,
         "KeyConditionExpressions must only contain one condition per key"},
        {"pk = :s AND sk = :n AND x = :t", &both,
         "Conditions can be of length 1 or 2 only"},
        {"sk = :n", &both, "Query condition missed key schema element: pk"},
        {"x = :n", &alone, "Query condition missed key schema element: pk"},
        {"pk = :s AND x = :n", &both, "Query condition missed key schema element: sk"},
        {"pk = :s AND x = :n", &alone, "Query key condition not supported"},
        {"pk > :s", &both, "Query key condition not supported"},
        {"begins_with(pk, :s)", &both, "Query key condition not supported"},
        {"pk = :n", &both,
         "One or more parameter values were invalid: Condition parameter type does not "
         "match "
         "schema type"},
        {"pk = :s AND sk = :s", &both,
         "One or more parameter values were invalid: Condition parameter type does not "
         "match "
         "schema type"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct key_range got;
        struct error err = ERROR_INIT;
        open_fixture(&f);
        if (bind(&f, rows[i].text, rows[i].schema, &got, &err) == 0)
            fail_msg("%s: is taken", rows[i].text);
        assert_string_equal(err.text, rows[i].why);
        arena_free(&f.arena);
    }
}

static void ranges_hold_or_not(void **state)
{
    static const struct {
        const char *text, *key;
        bool want;
    } rows[] = {
        {"pk = :s", "{'N': '1'}", true},
        {"pk = :s AND sk = :n", "{'N': '5.0'}", true},
        {"pk = :s AND sk < :n", "{'N': '5'}", false},
        {"pk = :s AND sk < :n", "{'N': '-50'}", true},
        {"pk = :s AND sk <= :n", "{'N': '5'}", true},
        {"pk = :s AND sk > :n", "{'N': '10'}", true},
        {"pk = :s AND sk >= :n", "{'N': '4'}", false},
        {"pk = :s AND sk BETWEEN :n AND :m", "{'N': '7'}", true},
        {"pk = :s AND sk BETWEEN :n AND :m", "{'N': '5'}", true},
        {"pk = :s AND sk BETWEEN :n AND :m", "{'N': '7.1'}", false},
        {"pk = :s AND begins_with(sk, :t)", "{'S': 'tee'}", true},
        {"pk = :s AND begins_with(sk, :t)", "{'S': 'see'}", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct key_range got;
        struct error err = ERROR_INIT;
        open_fixture(&f);
        const attribute_value *key = value_read(&f.arena, rows[i].key);
        assert_int_equal(bind(&f, rows[i].text, key->s ? &text_range : &both, &got, &err),
                         0);
        if (key_range_holds(&got, key) != rows[i].want)
            fail_msg("%s: %s", rows[i].text, rows[i].key);
        arena_free(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_are_checked),
        cmocka_unit_test(placeholders_need_an_expression),
        cmocka_unit_test(expressions_share_their_placeholders),
        cmocka_unit_test(reserved_words_are_known_in_either_case),
        cmocka_unit_test(projections_give_parts),
        cmocka_unit_test(other_projections_are_refused),
        cmocka_unit_test(a_projection_into_a_key_is_refused),
        cmocka_unit_test(key_conditions_become_ranges),
        cmocka_unit_test(other_key_conditions_are_refused),
        cmocka_unit_test(ranges_hold_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
