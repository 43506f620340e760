#include "legacy.h"

#include "condition_tree.h"
#include "update_tree.h"

#define PARAMETER "One or more parameter values were invalid: "

int legacy_check_alone(const struct expression_parameter *legacy, size_t legacy_count,
                       const struct expression_parameter *expressions, size_t count,
                       struct error *err)
{
    AUTO_STR old = STR_INIT;
    AUTO_STR new = STR_INIT;
    for (size_t i = 0; i < legacy_count; i++)
        if (legacy[i].text)
            str_addf(&old, "%s%s", old.len ? ", " : "", legacy[i].name);
    for (size_t i = 0; i < count; i++)
        if (expressions[i].text)
            str_addf(&new, "%s%s", new.len ? ", " : "", expressions[i].name);
    if (!old.len || !new.len)
        return 0;
    return fail(
        err, E_INVALID,
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {%s} Expression parameters: {%s}",
        old.data, new.data);
}

/* ---- conditions ---- */

#define ONE_OF_ANY 0
#define IS(t)      (1u << ATTRIBUTE_##t)
#define IN_ORDER   (IS(S) | IS(N) | IS(B))

static const struct {
    const char *name;
    size_t least, most;
    unsigned types; /* ONE_OF_ANY: all */
    enum condition_kind kind;
    enum comparison comparison;
    enum condition_function function;
    bool negated, indexable;
} operators[] = {
    [DYNAMODB_COMPARISON_OPERATOR_EQ] = {"EQ", 1, 1, ONE_OF_ANY, CONDITION_COMPARE,
                                         COMPARE_EQUAL, .indexable = true},
    [DYNAMODB_COMPARISON_OPERATOR_NE] = {"NE", 1, 1, ONE_OF_ANY, CONDITION_COMPARE,
                                         COMPARE_NOT_EQUAL},
    [DYNAMODB_COMPARISON_OPERATOR_IN] = {"IN", 1, SIZE_MAX, IN_ORDER, CONDITION_IN},
    [DYNAMODB_COMPARISON_OPERATOR_LE] = {"LE", 1, 1, IN_ORDER, CONDITION_COMPARE,
                                         COMPARE_LESS_EQUAL, .indexable = true},
    [DYNAMODB_COMPARISON_OPERATOR_LT] = {"LT", 1, 1, IN_ORDER, CONDITION_COMPARE,
                                         COMPARE_LESS, .indexable = true},
    [DYNAMODB_COMPARISON_OPERATOR_GE] = {"GE", 1, 1, IN_ORDER, CONDITION_COMPARE,
                                         COMPARE_GREATER_EQUAL, .indexable = true},
    [DYNAMODB_COMPARISON_OPERATOR_GT] = {"GT", 1, 1, IN_ORDER, CONDITION_COMPARE,
                                         COMPARE_GREATER, .indexable = true},
    [DYNAMODB_COMPARISON_OPERATOR_BETWEEN] = {"BETWEEN", 2, 2, IN_ORDER,
                                              CONDITION_BETWEEN, .indexable = true},
    [DYNAMODB_COMPARISON_OPERATOR_NOT_NULL] = {"NOT_NULL", 0, 0, ONE_OF_ANY,
                                               CONDITION_FUNCTION,
                                               .function = FUNCTION_EXISTS},
    [DYNAMODB_COMPARISON_OPERATOR_NULL] = {"NULL", 0, 0, ONE_OF_ANY, CONDITION_FUNCTION,
                                           .function = FUNCTION_NOT_EXISTS},
    [DYNAMODB_COMPARISON_OPERATOR_CONTAINS] = {"CONTAINS", 1, 1, IN_ORDER,
                                               CONDITION_FUNCTION,
                                               .function = FUNCTION_CONTAINS},
    [DYNAMODB_COMPARISON_OPERATOR_NOT_CONTAINS] = {"NOT_CONTAINS", 1, 1, IN_ORDER,
                                                   CONDITION_FUNCTION,
                                                   .function = FUNCTION_CONTAINS,
                                                   .negated = true},
    [DYNAMODB_COMPARISON_OPERATOR_BEGINS_WITH] = {"BEGINS_WITH", 1, 1, IS(S) | IS(B),
                                                  CONDITION_FUNCTION,
                                                  .function = FUNCTION_BEGINS_WITH,
                                                  .indexable = true},
};

/* One attribute and what it is compared with. */
struct test {
    const char *attribute;
    enum dynamodb_comparison_operator op;
    attribute_value *values;
    size_t n;
};

static int values_validate(struct arena *a, const struct test *t, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < t->n && r == 0; i++)
        r = attribute_validate(a, &t->values[i], err);
    return r;
}

static int types_check(const struct test *t, struct error *err)
{
    for (size_t i = 1; i < t->n; i++)
        if (attribute_type(&t->values[i]) != attribute_type(&t->values[0]))
            return fail(err, E_INVALID,
                        PARAMETER
                        "AttributeValues inside AttributeValueList must be of same type");
    unsigned allowed = operators[t->op].types;
    if (t->n == 0 || allowed == ONE_OF_ANY ||
        (allowed & 1u << attribute_type(&t->values[0])))
        return 0;
    return fail(err, E_INVALID,
                PARAMETER "ComparisonOperator %s is not valid for %s AttributeValue type",
                operators[t->op].name,
                attribute_type_name(attribute_type(&t->values[0])));
}

static int test_check(struct arena *a, const struct test *t, struct error *err)
{
    int order, r = values_validate(a, t, err);
    if (r < 0)
        return r;
    if (!t->op)
        return fail(err, E_INVALID, PARAMETER "ComparisonOperator is missing");
    if (t->n < operators[t->op].least || t->n > operators[t->op].most)
        return fail(err, E_INVALID,
                    PARAMETER
                    "Invalid number of argument(s) for the %s ComparisonOperator",
                    operators[t->op].name);
    r = types_check(t, err);
    if (r == 0 && t->op == DYNAMODB_COMPARISON_OPERATOR_BETWEEN &&
        attribute_order(&t->values[0], &t->values[1], &order) && order > 0)
        r = fail(
            err, E_INVALID,
            "The BETWEEN condition was provided a range where the lower bound is greater "
            "than the upper bound");
    return r;
}

static struct path path_of(struct arena *a, const char *attribute)
{
    struct path_step *step = arena_new(a, struct path_step);
    step->name = attribute;
    return (struct path){step, 1};
}

static struct condition *test_condition(struct arena *a, const struct test *t)
{
    struct condition *c = arena_new(a, struct condition);
    *c = (struct condition){.kind = operators[t->op].kind,
                            .name = operators[t->op].name,
                            .comparison = operators[t->op].comparison,
                            .function = operators[t->op].function,
                            .args = arena_new_array(a, struct operand, t->n + 1),
                            .n = t->n + 1};
    c->args[0] = (struct operand){.kind = OPERAND_PATH, .path = path_of(a, t->attribute)};
    for (size_t i = 0; i < t->n; i++)
        c->args[i + 1] = (struct operand){.kind = OPERAND_VALUE, .value = &t->values[i]};
    if (!operators[t->op].negated)
        return c;
    struct condition *not = arena_new(a, struct condition);
    *not = (struct condition){.kind = CONDITION_NOT, .left = c};
    return not ;
}

static int test_join(struct arena *a, const struct test *t,
                     enum dynamodb_conditional_operator joined, struct condition **ret,
                     struct error *err)
{
    int r = test_check(a, t, err);
    if (r < 0)
        return r;
    struct condition *c = test_condition(a, t);
    if (*ret) {
        struct condition *both = arena_new(a, struct condition);
        bool any = joined == DYNAMODB_CONDITIONAL_OPERATOR_OR;
        *both = (struct condition){
            .kind = any ? CONDITION_OR : CONDITION_AND, .left = *ret, .right = c};
        c = both;
    }
    *ret = c;
    return 0;
}

/* As a text may hold so many operators, so may these: what walks them goes as deep. */
static int joined_check(bool given, size_t n, enum dynamodb_conditional_operator joined,
                        struct error *err)
{
    if (n > EXPRESSION_OPERATOR_MAX)
        return fail(err, E_INVALID, PARAMETER "more than %d conditions",
                    EXPRESSION_OPERATOR_MAX);
    if (joined && !given)
        return fail(err, E_INVALID,
                    PARAMETER
                    "ConditionalOperator cannot be used without Filter or Expected");
    if (joined && n < 2)
        return fail(err, E_INVALID,
                    PARAMETER
                    "ConditionalOperator can only be used when Filter or Expected has "
                    "two or more elements");
    return 0;
}

static int refuse_expected(struct error *err, const char *what, const char *attribute)
{
    return fail(err, E_INVALID, PARAMETER "%s for Attribute: %s", what, attribute);
}

static int operator_check(const struct dynamodb_expected_attribute_value *e,
                          const char *attribute, struct error *err)
{
    if (e->exists.set)
        return refuse_expected(
            err, "Exists and ComparisonOperator cannot be used together", attribute);
    if (operators[e->comparison_operator].least > 0 && !e->value &&
        !e->attribute_value_list.set)
        return fail(err, E_INVALID,
                    PARAMETER "Value or AttributeValueList must be used with "
                              "ComparisonOperator: %s for Attribute: %s",
                    operators[e->comparison_operator].name, attribute);
    return 0;
}

static int exists_check(const struct dynamodb_expected_attribute_value *e,
                        const char *attribute, struct error *err)
{
    bool exists = !e->exists.set || e->exists.v;
    if (e->attribute_value_list.set)
        return refuse_expected(
            err, "AttributeValueList can only be used with a ComparisonOperator",
            attribute);
    if (exists && !e->value)
        return refuse_expected(err,
                               e->exists.set
                                   ? "Value must be provided when Exists is true"
                                   : "Value must be provided when Exists is null",
                               attribute);
    if (!exists && e->value)
        return refuse_expected(err, "Value cannot be used when Exists is false",
                               attribute);
    return 0;
}

static int expected_test(const struct dynamodb_expected_attribute_value *e,
                         const char *attribute, struct test *ret, struct error *err)
{
    if (e->value && e->attribute_value_list.set)
        return refuse_expected(
            err, "Value and AttributeValueList cannot be used together", attribute);
    int r = e->comparison_operator ? operator_check(e, attribute, err)
                                   : exists_check(e, attribute, err);
    *ret = (struct test){attribute, e->comparison_operator, e->attribute_value_list.v,
                         e->attribute_value_list.n};
    if (e->value) {
        ret->values = e->value;
        ret->n = 1;
    }
    if (!ret->op)
        ret->op = e->value ? DYNAMODB_COMPARISON_OPERATOR_EQ
                           : DYNAMODB_COMPARISON_OPERATOR_NULL;
    return r;
}

int legacy_expected(struct arena *a,
                    const struct dynamodb_expected_attribute_value_map *expected,
                    enum dynamodb_conditional_operator joined,
                    const struct condition **ret, struct error *err)
{
    struct condition *c = NULL;
    struct test t;
    int r = joined_check(expected->set, expected->n, joined, err);
    for (size_t i = 0; i < expected->n && r == 0; i++) {
        r = expected_test(&expected->v[i].value, expected->v[i].key, &t, err);
        if (r == 0)
            r = test_join(a, &t, joined, &c, err);
    }
    if (r == 0)
        *ret = c;
    return r;
}

static int filter_join(struct arena *a, const struct dynamodb_condition_map *filter,
                       enum dynamodb_conditional_operator joined, struct condition **ret,
                       struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < filter->n && r == 0; i++) {
        const struct dynamodb_condition *c = &filter->v[i].value;
        const struct test t = {filter->v[i].key, c->comparison_operator,
                               c->attribute_value_list.v, c->attribute_value_list.n};
        r = test_join(a, &t, joined, ret, err);
    }
    return r;
}

int legacy_filter(struct arena *a, const struct dynamodb_condition_map *filter,
                  enum dynamodb_conditional_operator joined, const struct condition **ret,
                  struct error *err)
{
    struct condition *c = NULL;
    int r = joined_check(filter->set, filter->n, joined, err);
    if (r == 0)
        r = filter_join(a, filter, joined, &c, err);
    if (r == 0)
        *ret = c;
    return r;
}

int legacy_key_conditions(struct arena *a,
                          const struct dynamodb_condition_map *conditions,
                          const struct key_condition **ret, struct error *err)
{
    struct condition *c = NULL;
    if (conditions->n < 1 || conditions->n > 2)
        return fail(err, E_INVALID, "Conditions can be of length 1 or 2 only");
    int r = filter_join(a, conditions, DYNAMODB_CONDITIONAL_OPERATOR_AND, &c, err);
    for (size_t i = 0; i < conditions->n && r == 0; i++)
        if (!operators[conditions->v[i].value.comparison_operator].indexable)
            r = fail(err, E_INVALID,
                     "Attempted conditional constraint is not an indexable operation");
    return r == 0 ? key_condition_of(a, c, ret, err) : r;
}

/* ---- updates ---- */

static int update_check(struct arena *a, const struct dynamodb_attribute_value_update *u,
                        struct error *err)
{
    if (!u->value) {
        if (u->action == DYNAMODB_ATTRIBUTE_ACTION_DELETE)
            return 0;
        return fail(err, E_INVALID,
                    PARAMETER
                    "Only DELETE action is allowed when no attribute value is specified");
    }
    int r = attribute_validate(a, u->value, err);
    enum attribute_type t = attribute_type(u->value);
    if (r < 0 || attribute_is_set(t))
        return r;
    if (u->action == DYNAMODB_ATTRIBUTE_ACTION_DELETE)
        return fail(err, E_INVALID,
                    PARAMETER "DELETE action with value is not supported for the type %s",
                    attribute_type_name(t));
    if (u->action == DYNAMODB_ATTRIBUTE_ACTION_ADD && t != ATTRIBUTE_N &&
        t != ATTRIBUTE_L)
        return fail(err, E_INVALID,
                    PARAMETER "ADD action is not supported for the type %s",
                    attribute_type_name(t));
    return 0;
}

/* list_append(if_not_exists(path, []), value) */
static struct operand append_operand(struct arena *a, const struct path *path,
                                     const attribute_value *v)
{
    attribute_value *none = arena_new(a, attribute_value);
    struct operand *inner = arena_new_array(a, struct operand, 2);
    struct operand *outer = arena_new_array(a, struct operand, 2);
    none->l.set = true;
    inner[0] = (struct operand){.kind = OPERAND_PATH, .path = *path};
    inner[1] = (struct operand){.kind = OPERAND_VALUE, .value = none};
    outer[0] = (struct operand){
        .kind = OPERAND_FUNCTION, .name = "if_not_exists", .args = inner, .n = 2};
    outer[1] = (struct operand){.kind = OPERAND_VALUE, .value = v};
    return (struct operand){
        .kind = OPERAND_FUNCTION, .name = "list_append", .args = outer, .n = 2};
}

static struct update_clause clause_of(struct arena *a,
                                      const struct dynamodb_attribute_value_update *u,
                                      const struct path *path)
{
    struct update_clause c = {
        .action = UPDATE_SET,
        .value = {.kind = OPERAND_VALUE, .value = u->value},
    };
    if (!u->value)
        c.action = UPDATE_REMOVE;
    else if (u->action == DYNAMODB_ATTRIBUTE_ACTION_DELETE)
        c.action = UPDATE_DELETE;
    else if (u->action == DYNAMODB_ATTRIBUTE_ACTION_ADD && u->value->l.set)
        c.value = append_operand(a, path, u->value);
    else if (u->action == DYNAMODB_ATTRIBUTE_ACTION_ADD)
        c.action = UPDATE_ADD;
    return c;
}

int legacy_updates(struct arena *a,
                   const struct dynamodb_attribute_value_update_map *updates,
                   const struct update **ret, struct error *err)
{
    struct update *u = arena_new(a, struct update);
    u->legacy = true;
    u->clauses = arena_new_array(a, struct update_clause, updates->n);
    u->paths.paths = arena_new_array(a, struct path, updates->n);
    for (size_t i = 0; i < updates->n; i++) {
        int r = update_check(a, &updates->v[i].value, err);
        if (r < 0)
            return r;
        u->paths.paths[i] = path_of(a, updates->v[i].key);
        u->clauses[i] = clause_of(a, &updates->v[i].value, &u->paths.paths[i]);
        u->paths.n++;
    }
    *ret = u;
    return 0;
}
