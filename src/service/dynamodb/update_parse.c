/* Updates from text to clauses, and everything about them that can be wrong whatever the item
 * is. The service looks for one kind of mistake after the other, over the whole expression. */
#include "update_tree.h"

static const char *const keywords[] = {"SET", "REMOVE", "ADD", "DELETE", NULL};
static const char *const actions[] = {
    [UPDATE_SET] = "SET",
    [UPDATE_REMOVE] = "REMOVE",
    [UPDATE_ADD] = "ADD",
    [UPDATE_DELETE] = "DELETE",
};

struct reader {
    struct expression e;
    struct update *u;
    bool seen[4];
    const char *twice; /* a section that comes twice */
};

/* ---- parsing ---- */

static int sum_read(struct expression *e, struct operand *ret);

static int sum_in_parentheses(struct expression *e, struct operand *ret)
{
    e->at++;
    int r = sum_read(e, ret);
    e->redundant |= r == 0 && ret->in_parentheses;
    ret->in_parentheses = true;
    return r < 0 ? r : expression_expect(e, ")");
}

static bool is_sum(const struct operand *o)
{
    return o->kind == OPERAND_FUNCTION && (*o->name == '+' || *o->name == '-');
}

/* operand [('+' | '-') operand] */
static int sum_tail(struct expression *e, struct operand *ret)
{
    bool plus = expression_is(e, "+");
    if (is_sum(ret) || (!plus && !expression_is(e, "-")))
        return 0;
    struct operand *args = arena_new_array(e->scope->arena, struct operand, 2);
    args[0] = *ret;
    *ret = (struct operand){
        .kind = OPERAND_FUNCTION, .name = plus ? "+" : "-", .args = args, .n = 2};
    e->at++;
    int r = expression_operator(e);
    return r < 0 ? r : operand_read(e, &args[1]);
}

static int sum_read(struct expression *e, struct operand *ret)
{
    *ret = (struct operand){0};
    int r = expression_descend(e);
    if (r == 0)
        r = expression_is(e, "(") ? sum_in_parentheses(e, ret) : operand_read(e, ret);
    if (r == 0)
        r = sum_tail(e, ret);
    e->depth--;
    return r;
}

static int value_read(struct expression *e, struct operand *ret)
{
    if (expression_token(e)->kind != TOKEN_VALUE)
        return expression_bad_token(e);
    return operand_read(e, ret);
}

static int clause_read(struct reader *r, enum update_action action)
{
    struct expression *e = &r->e;
    struct update_clause *c = &r->u->clauses[r->u->paths.n];
    c->action = action;
    int ret = path_read(e, &r->u->paths.paths[r->u->paths.n++]);
    if (ret < 0 || action == UPDATE_REMOVE)
        return ret;
    if (action != UPDATE_SET)
        return value_read(e, &c->value);
    ret = expression_expect(e, "=");
    return ret < 0 ? ret : sum_read(e, &c->value);
}

static int section_read(struct reader *r)
{
    enum update_action action = UPDATE_SET;
    while (action <= UPDATE_DELETE && !expression_is_keyword(&r->e, actions[action]))
        action++;
    if (action > UPDATE_DELETE)
        return expression_bad_token(&r->e);
    if (r->seen[action] && !r->twice)
        r->twice = actions[action];
    r->seen[action] = true;
    do {
        r->e.at++; /* the keyword, then commas */
        int ret = clause_read(r, action);
        if (ret < 0)
            return ret;
    } while (expression_is(&r->e, ","));
    return 0;
}

/* ---- judging ---- */

static int each_operand(struct reader *r,
                        int (*visit)(struct expression *, struct operand *))
{
    int ret = 0;
    for (size_t i = 0; i < r->u->paths.n && ret == 0; i++)
        if (r->u->clauses[i].action != UPDATE_REMOVE)
            ret = operand_walk(&r->u->clauses[i].value, visit, &r->e);
    return ret;
}

static int names_free(struct reader *r)
{
    int ret = 0;
    for (size_t i = 0; i < r->u->paths.n && ret == 0; i++) {
        ret = path_check_reserved(&r->e, &r->u->paths.paths[i]);
        if (ret == 0 && r->u->clauses[i].action != UPDATE_REMOVE)
            ret = operand_walk(&r->u->clauses[i].value, operand_check_reserved, &r->e);
    }
    return ret;
}

static bool is_function(const struct operand *o, const char *name)
{
    return o->kind == OPERAND_FUNCTION && streq(o->name, name);
}

static int check_known(struct expression *e, struct operand *o)
{
    static const char *const elsewhere[] = {"attribute_exists", "attribute_not_exists",
                                            "attribute_type",   "begins_with",
                                            "contains",         "size"};
    if (o->kind != OPERAND_FUNCTION || is_sum(o) || is_function(o, "if_not_exists") ||
        is_function(o, "list_append"))
        return 0;
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
        if (streq(o->name, elsewhere[i]))
            return expression_fail(
                e, "The function is not allowed in an update expression; function: %s",
                o->name);
    return expression_fail(e, "Invalid function name; function: %s", o->name);
}

static int functions_known(struct reader *r)
{
    return each_operand(r, check_known);
}

static int sections_once(struct reader *r)
{
    if (!r->twice)
        return 0;
    return expression_fail(
        &r->e, "The \"%s\" section can only be used once in an update expression;",
        r->twice);
}

static int resolve_name(struct expression *e, struct operand *o)
{
    return o->kind == OPERAND_PATH ? operand_resolve(e, o) : 0;
}

static int names_resolve(struct reader *r)
{
    int ret = 0;
    for (size_t i = 0; i < r->u->paths.n && ret == 0; i++) {
        ret = path_resolve(&r->e, &r->u->paths.paths[i]);
        if (ret == 0 && r->u->clauses[i].action != UPDATE_REMOVE)
            ret = operand_walk(&r->u->clauses[i].value, resolve_name, &r->e);
    }
    return ret;
}

static int resolve_value(struct expression *e, struct operand *o)
{
    return o->kind == OPERAND_VALUE ? operand_resolve(e, o) : 0;
}

static int values_resolve(struct reader *r)
{
    return each_operand(r, resolve_value);
}

static int paths_apart(struct reader *r)
{
    return paths_check_apart(&r->e, r->u->paths.paths, r->u->paths.n);
}

/* ADD takes a number or a set, DELETE a set. */
static int check_operand(struct expression *e, const struct update_clause *c)
{
    static const char *const names[ATTRIBUTE_TYPE_COUNT] = {
        [ATTRIBUTE_S] = "STRING",     [ATTRIBUTE_N] = "NUMBER", [ATTRIBUTE_B] = "BINARY",
        [ATTRIBUTE_M] = "MAP",        [ATTRIBUTE_L] = "LIST",   [ATTRIBUTE_NULL] = "NULL",
        [ATTRIBUTE_BOOL] = "BOOLEAN",
    };
    enum attribute_type t = operand_constant_type(&c->value);
    if (!names[t] || (c->action == UPDATE_ADD && t == ATTRIBUTE_N))
        return 0;
    return expression_fail(
        e,
        "Incorrect operand type for operator or function; operator: %s, "
        "operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
        actions[c->action], names[t], actions[c->action]);
}

static int operands_right(struct reader *r)
{
    int ret = 0;
    for (size_t i = 0; i < r->u->paths.n && ret == 0; i++)
        if (r->u->clauses[i].action >= UPDATE_ADD)
            ret = check_operand(&r->e, &r->u->clauses[i]);
    return ret;
}

static int check_function(struct expression *e, struct operand *o)
{
    if (o->kind != OPERAND_FUNCTION)
        return 0;
    if (o->n != 2)
        return expression_fail(
            e,
            "Incorrect number of operands for operator or function; operator "
            "or function: %s, number of operands: %zu",
            o->name, o->n);
    if (is_function(o, "if_not_exists")) {
        if (o->args[0].kind == OPERAND_PATH)
            return 0;
        return expression_fail(
            e,
            "Operator or function requires a document path; operator or "
            "function: %s",
            o->name);
    }
    enum attribute_type want = is_sum(o) ? ATTRIBUTE_N : ATTRIBUTE_L;
    for (size_t i = 0; i < o->n; i++) {
        enum attribute_type t = operand_constant_type(&o->args[i]);
        if (t != ATTRIBUTE_ABSENT && t != want)
            return operand_refuse_type(e, o->name, attribute_type_name(t));
    }
    return 0;
}

static int functions_right(struct reader *r)
{
    return each_operand(r, check_function);
}

static int judge(struct reader *r)
{
    static int (*const checks[])(struct reader *) = {
        names_free,     functions_known, sections_once,  names_resolve,
        values_resolve, paths_apart,     operands_right, functions_right};
    int ret = 0;
    if (r->e.redundant)
        ret = expression_fail(&r->e, "The expression has redundant parentheses;");
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks) && ret == 0; i++)
        ret = checks[i](r);
    return ret;
}

int update_parse(struct expression_scope *scope, const char *text,
                 const struct update **ret, struct error *err)
{
    struct reader r = {.u = arena_new(scope->arena, struct update)};
    int e = expression_open(scope, "UpdateExpression", text, keywords, &r.e, err);
    if (e < 0)
        return e;
    size_t most = 0; /* no more clauses than tokens */
    while (r.e.tokens[most].kind != TOKEN_END)
        most++;
    r.u->clauses = arena_new_array(scope->arena, struct update_clause, most + 1);
    r.u->paths.paths = arena_new_array(scope->arena, struct path, most + 1);
    do
        e = section_read(&r);
    while (e == 0 && expression_token(&r.e)->kind != TOKEN_END);
    if (e == 0)
        e = judge(&r);
    if (e == 0)
        *ret = r.u;
    return e;
}
