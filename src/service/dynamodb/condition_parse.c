/* Conditions from text to tree, and everything about them that can be wrong whatever the item
 * is. The service looks for one kind of mistake after the other, over the whole expression:
 * syntax, parentheses, unknown functions, functions where none may be, reserved words; and
 * then each simple condition's names, values and types. */
#include "condition_tree.h"

/* REMOVE is a keyword of the language, if not of this part, and no reserved word. */
static const char *const keywords[] = {"AND",     "OR",     "NOT", "IN",
                                       "BETWEEN", "REMOVE", NULL};

static const struct {
    const char *sign;
    enum comparison comparison;
} comparisons[] = {
    {"=", COMPARE_EQUAL},       {"<>", COMPARE_NOT_EQUAL}, {"<", COMPARE_LESS},
    {"<=", COMPARE_LESS_EQUAL}, {">", COMPARE_GREATER},    {">=", COMPARE_GREATER_EQUAL},
};

static const struct {
    const char *name;
    size_t operands;
} functions[FUNCTION_COUNT] = {
    [FUNCTION_EXISTS] = {"attribute_exists", 1},
    [FUNCTION_NOT_EXISTS] = {"attribute_not_exists", 1},
    [FUNCTION_TYPE] = {"attribute_type", 2},
    [FUNCTION_BEGINS_WITH] = {"begins_with", 2},
    [FUNCTION_CONTAINS] = {"contains", 2},
    [FUNCTION_SIZE] = {"size", 1},
};

/* ---- parsing ---- */

static int or_read(struct expression *e, struct condition **ret);

static struct condition *condition_new(struct expression *e, enum condition_kind kind,
                                       const char *name)
{
    struct condition *c = arena_new(e->scope->arena, struct condition);
    c->kind = kind;
    c->name = name;
    return c;
}

static int compare_read(struct expression *e, struct condition *c, size_t which)
{
    c->kind = CONDITION_COMPARE;
    c->name = comparisons[which].sign;
    c->comparison = comparisons[which].comparison;
    c->n = 2;
    e->at++;
    return operand_read(e, &c->args[1]);
}

static int between_read(struct expression *e, struct condition *c)
{
    c->kind = CONDITION_BETWEEN;
    c->name = "BETWEEN";
    c->n = 3;
    e->at++;
    int r = operand_read(e, &c->args[1]);
    if (r == 0 && !expression_is_keyword(e, "AND"))
        r = expression_bad_token(e);
    if (r < 0)
        return r;
    e->at++;
    return operand_read(e, &c->args[2]);
}

static int in_read(struct expression *e, struct condition *c)
{
    struct operand *list = NULL;
    size_t n = 0;
    c->kind = CONDITION_IN;
    c->name = "IN";
    e->at++;
    int r = expression_expect(e, "(");
    if (r == 0)
        r = operands_read(e, &list, &n);
    if (r < 0)
        return r;
    if (n > EXPRESSION_IN_MAX)
        return expression_fail(
            e,
            "The IN operator is provided with too many operands; number of "
            "operands: %zu",
            n);
    struct operand *all = arena_new_array(e->scope->arena, struct operand, n + 1);
    all[0] = c->args[0];
    for (size_t i = 0; i < n; i++)
        all[i + 1] = list[i];
    c->args = all;
    c->n = n + 1;
    return 0;
}

static int tail_read(struct expression *e, struct condition *c)
{
    int r = expression_operator(e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++)
        if (expression_is(e, comparisons[i].sign))
            return compare_read(e, c, i);
    if (expression_is_keyword(e, "BETWEEN"))
        return between_read(e, c);
    if (expression_is_keyword(e, "IN"))
        return in_read(e, c);
    return expression_bad_token(e);
}

static bool at_operator(const struct expression *e)
{
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++)
        if (expression_is(e, comparisons[i].sign))
            return true;
    return expression_is_keyword(e, "BETWEEN") || expression_is_keyword(e, "IN");
}

/* A comparison, BETWEEN, IN or a function alone. */
static int simple_read(struct expression *e, struct condition **ret)
{
    struct condition *c = condition_new(e, CONDITION_FUNCTION, NULL);
    c->args = arena_new_array(e->scope->arena, struct operand, 3);
    c->n = 1;
    *ret = c;
    int r = operand_read(e, &c->args[0]);
    if (r < 0)
        return r;
    if (at_operator(e) || c->args[0].kind != OPERAND_FUNCTION)
        return tail_read(e, c);
    return 0;
}

/* Does the parenthesis here hold an operand, "(a) = :b", and not a condition? What follows
 * its end tells. */
static bool holds_operand(struct expression *e)
{
    struct expression ahead = *e;
    for (int depth = 0; expression_token(&ahead)->kind != TOKEN_END; ahead.at++) {
        depth += expression_is(&ahead, "(");
        depth -= expression_is(&ahead, ")");
        if (depth == 0)
            break;
    }
    if (expression_token(&ahead)->kind == TOKEN_END)
        return false;
    ahead.at++;
    return at_operator(&ahead);
}

static int group_read(struct expression *e, struct condition **ret)
{
    e->at++;
    int r = or_read(e, ret);
    if (r < 0)
        return r;
    e->redundant |= (*ret)->in_parentheses;
    (*ret)->in_parentheses = true;
    return expression_expect(e, ")");
}

static int not_read(struct expression *e, struct condition **ret);

static int negation_read(struct expression *e, struct condition **ret)
{
    struct condition *c = condition_new(e, CONDITION_NOT, "NOT");
    e->at++;
    *ret = c;
    int r = expression_operator(e);
    return r < 0 ? r : not_read(e, &c->left);
}

static int not_read(struct expression *e, struct condition **ret)
{
    int r = expression_descend(e);
    if (r < 0)
        return r;
    if (expression_is_keyword(e, "NOT"))
        r = negation_read(e, ret);
    else if (expression_is(e, "(") && !holds_operand(e))
        r = group_read(e, ret);
    else
        r = simple_read(e, ret);
    e->depth--;
    return r;
}

/* Left to right: "a AND b AND c" is "(a AND b) AND c", however long, without going deeper. */
static int chain_read(struct expression *e, const char *word, enum condition_kind kind,
                      int (*part)(struct expression *, struct condition **),
                      struct condition **ret)
{
    int r = part(e, ret);
    while (r == 0 && expression_is_keyword(e, word)) {
        struct condition *c = condition_new(e, kind, word);
        c->left = *ret;
        *ret = c;
        e->at++;
        r = expression_operator(e);
        if (r == 0)
            r = part(e, &c->right);
    }
    return r;
}

static int and_read(struct expression *e, struct condition **ret)
{
    return chain_read(e, "AND", CONDITION_AND, not_read, ret);
}

static int or_read(struct expression *e, struct condition **ret)
{
    return chain_read(e, "OR", CONDITION_OR, and_read, ret);
}

/* ---- judging ---- */

typedef int condition_check(struct expression *e, struct condition *c);

/* Calls it for every simple condition, from left to right. */
static int each_simple(struct expression *e, struct condition *c, condition_check *check)
{
    if (c->kind > CONDITION_NOT)
        return check(e, c);
    int r = each_simple(e, c->left, check);
    return r == 0 && c->right ? each_simple(e, c->right, check) : r;
}

static int each_operand(struct expression *e, struct condition *c,
                        int (*visit)(struct expression *, struct operand *))
{
    int r = 0;
    for (size_t i = 0; i < c->n && r == 0; i++)
        r = operand_walk(&c->args[i], visit, e);
    return r;
}

static enum condition_function function_find(const char *name)
{
    enum condition_function f = FUNCTION_EXISTS;
    while (f < FUNCTION_COUNT && !streq(functions[f].name, name))
        f++;
    return f;
}

static int check_known(struct expression *e, struct operand *o)
{
    if (o->kind != OPERAND_FUNCTION || function_find(o->name) != FUNCTION_COUNT)
        return 0;
    if (streq(o->name, "if_not_exists") || streq(o->name, "list_append"))
        return expression_fail(
            e, "The function is not allowed in a condition expression; function: %s",
            o->name);
    return expression_fail(e, "Invalid function name; function: %s", o->name);
}

static int functions_known(struct expression *e, struct condition *c)
{
    return each_operand(e, c, check_known);
}

static int refuse_use(struct expression *e, const struct operand *o)
{
    return expression_fail(
        e,
        "The function is not allowed to be used this way in an expression; function: %s",
        o->name);
}

/* Only size() is a value, and it is nothing else. */
static int check_arguments(struct expression *e, struct operand *o)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->args[i].kind == OPERAND_FUNCTION && !streq(o->args[i].name, "size"))
            return refuse_use(e, &o->args[i]);
    return 0;
}

static int functions_in_place(struct expression *e, struct condition *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct operand *o = &c->args[i];
        if (o->kind == OPERAND_FUNCTION &&
            (c->kind == CONDITION_FUNCTION) == streq(o->name, "size"))
            return refuse_use(e, o);
    }
    return each_operand(e, c, check_arguments);
}

static int names_free(struct expression *e, struct condition *c)
{
    return each_operand(e, c, operand_check_reserved);
}

static int check_count(struct expression *e, struct operand *o)
{
    if (o->kind != OPERAND_FUNCTION || functions[function_find(o->name)].operands == o->n)
        return 0;
    return expression_fail(
        e,
        "Incorrect number of operands for operator or function; operator "
        "or function: %s, number of operands: %zu",
        o->name, o->n);
}

static int check_distinct(struct expression *e, const char *name, const struct operand *v,
                          size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (v[0].kind != OPERAND_PATH || v[i].kind != OPERAND_PATH ||
            !path_equal(&v[0].path, &v[i].path))
            continue;
        AUTO_STR path = STR_INIT;
        path_describe(&v[0].path, &path);
        return expression_fail(
            e,
            "The first operand must be distinct from the remaining operands "
            "for this operator or function; operator: %s, first operand: "
            "%s",
            name, path.data);
    }
    return 0;
}

static enum attribute_type static_type(const struct operand *o)
{
    return o->kind == OPERAND_FUNCTION ? ATTRIBUTE_N : operand_constant_type(o);
}

static bool is_text(enum attribute_type t)
{
    return t == ATTRIBUTE_S || t == ATTRIBUTE_B;
}

static int check_type_name(struct expression *e, const struct operand *o)
{
    const struct operand *name = &o->args[1];
    if (static_type(name) == ATTRIBUTE_ABSENT)
        return operand_refuse_type(e, o->name, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}");
    if (static_type(name) != ATTRIBUTE_S)
        return operand_refuse_type(e, o->name, attribute_type_name(static_type(name)));
    if (attribute_type_find(name->value->s) == ATTRIBUTE_ABSENT)
        return expression_fail(
            e,
            "Invalid attribute type name found; type: %s, valid types: "
            "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
            name->value->s);
    return 0;
}

static int check_types(struct expression *e, struct operand *o)
{
    enum attribute_type t;
    if (o->kind != OPERAND_FUNCTION)
        return 0;
    switch (function_find(o->name)) {
    case FUNCTION_EXISTS:
    case FUNCTION_NOT_EXISTS:
        if (o->args[0].kind != OPERAND_PATH)
            return expression_fail(
                e,
                "Operator or function requires a document path; operator "
                "or function: %s",
                o->name);
        return 0;
    case FUNCTION_TYPE:
        return check_type_name(e, o);
    case FUNCTION_BEGINS_WITH:
        for (size_t i = 0; i < o->n; i++)
            if ((t = static_type(&o->args[i])) != ATTRIBUTE_ABSENT && !is_text(t))
                return operand_refuse_type(e, o->name, attribute_type_name(t));
        return 0;
    case FUNCTION_SIZE:
        t = static_type(&o->args[0]);
        if (t == ATTRIBUTE_N || t == ATTRIBUTE_NULL || t == ATTRIBUTE_BOOL)
            return operand_refuse_type(e, o->name, attribute_type_name(t));
        return 0;
    default:
        return 0;
    }
}

/* What has no order can't be asked whether it comes first. */
static int check_ordered(struct expression *e, const struct condition *c)
{
    bool ordering = c->kind == CONDITION_BETWEEN ||
                    (c->kind == CONDITION_COMPARE && c->comparison >= COMPARE_LESS);
    for (size_t i = 0; i < c->n && ordering; i++) {
        enum attribute_type t = static_type(&c->args[i]);
        if (t != ATTRIBUTE_ABSENT && t != ATTRIBUTE_N && !is_text(t))
            return operand_refuse_type(e, c->name, attribute_type_name(t));
    }
    return 0;
}

static int refuse_bounds(struct expression *e, const struct condition *c,
                         const char *rule)
{
    AUTO_STR low = STR_INIT;
    AUTO_STR high = STR_INIT;
    attribute_describe(c->args[1].value, &low);
    attribute_describe(c->args[2].value, &high);
    return expression_fail(e,
                           "The BETWEEN operator requires %s; lower bound operand: "
                           "AttributeValue: %s, upper bound operand: AttributeValue: %s",
                           rule, low.data, high.data);
}

static int check_bounds(struct expression *e, const struct condition *c)
{
    if (c->kind != CONDITION_BETWEEN || c->args[1].kind != OPERAND_VALUE ||
        c->args[2].kind != OPERAND_VALUE)
        return 0;
    int order = 0;
    if (!attribute_order(c->args[1].value, c->args[2].value, &order))
        return refuse_bounds(e, c, "same data type for lower and upper bounds");
    if (order > 0)
        return refuse_bounds(e, c,
                             "upper bound to be greater than or equal to lower bound");
    return 0;
}

static int check_distinct_arguments(struct expression *e, struct operand *o)
{
    return o->kind == OPERAND_FUNCTION ? check_distinct(e, o->name, o->args, o->n) : 0;
}

static int simple_right(struct expression *e, struct condition *c)
{
    int r = each_operand(e, c, operand_resolve);
    if (r == 0)
        r = each_operand(e, c, check_count);
    if (r == 0)
        r = check_distinct(e, c->name, c->args, c->n);
    if (r == 0)
        r = each_operand(e, c, check_distinct_arguments);
    if (r == 0)
        r = each_operand(e, c, check_types);
    if (r == 0)
        r = check_ordered(e, c);
    if (r == 0)
        r = check_bounds(e, c);
    return r;
}

/* A function alone becomes a condition of its own. */
static int function_unwrap(struct expression *e, struct condition *c)
{
    if (c->kind != CONDITION_FUNCTION)
        return 0;
    const struct operand call = c->args[0];
    c->name = call.name;
    c->function = function_find(call.name);
    c->args = call.args;
    c->n = call.n;
    return 0;
}

int condition_tree_parse(struct expression_scope *scope, const char *parameter,
                         const char *text, struct condition **ret, struct error *err)
{
    static condition_check *const checks[] = {functions_known, functions_in_place,
                                              names_free, simple_right, function_unwrap};
    struct expression e;
    int r = expression_open(scope, parameter, text, keywords, &e, err);
    if (r == 0)
        r = or_read(&e, ret);
    if (r == 0 && expression_token(&e)->kind != TOKEN_END)
        r = expression_bad_token(&e);
    if (r == 0 && e.redundant)
        r = expression_fail(&e, "The expression has redundant parentheses;");
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks) && r == 0; i++)
        r = each_simple(&e, *ret, checks[i]);
    return r;
}
