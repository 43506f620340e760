#include "expression_read.h"

#include <ctype.h>
#include <strings.h>

#include "reserved_word.h"

/* ---- failing ---- */

int expression_fail(struct expression *e, const char *fmt, ...)
{
    AUTO_STR text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    return fail(e->err, E_INVALID, "Invalid %s: %s", e->parameter, text.data);
}

/* "near" is the token with its neighbours, as written. */
int expression_bad_token(struct expression *e)
{
    const struct token *t = &e->tokens[e->at];
    size_t from = e->at > 0 ? t[-1].from : t->from;
    size_t to = t->kind == TOKEN_END ? t->to : t[1].to;
    return expression_fail(e, "Syntax error; token: \"%s\", near: \"%.*s\"", t->text,
                           (int)(to - from), e->text + from);
}

/* ---- tokens ---- */

static size_t name_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

static size_t sign_length(const char *p)
{
    if ((p[0] == '<' && (p[1] == '>' || p[1] == '=')) || (p[0] == '>' && p[1] == '='))
        return 2;
    size_t n = 1; /* a character that has no business here is shown whole */
    while (((unsigned char)p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static enum token_kind scan(const char *p, size_t *ret_length)
{
    *ret_length = 0;
    if (!*p)
        return TOKEN_END;
    if (isalpha((unsigned char)*p)) {
        *ret_length = name_length(p);
        return TOKEN_WORD;
    }
    if (isdigit((unsigned char)*p)) {
        *ret_length = strspn(p, "0123456789");
        return TOKEN_INDEX;
    }
    if ((*p == '#' || *p == ':') && name_length(p + 1) > 0) {
        *ret_length = 1 + name_length(p + 1);
        return *p == '#' ? TOKEN_NAME : TOKEN_VALUE;
    }
    *ret_length = sign_length(p);
    return TOKEN_SIGN;
}

int expression_open(struct expression_scope *scope, const char *parameter,
                    const char *text, const char *const *keywords, struct expression *ret,
                    struct error *err)
{
    size_t length = strlen(text), count = 0, n;
    struct token *t = NULL;
    *ret = (struct expression){.scope = scope,
                               .parameter = parameter,
                               .text = text,
                               .keywords = keywords,
                               .err = err};
    if (length > EXPRESSION_LENGTH_MAX)
        return expression_fail(ret,
                               "Expression size has exceeded the maximum allowed size; "
                               "expression size: %zu",
                               length);
    if (length == 0)
        return expression_fail(ret, "The expression can not be empty;");
    ret->tokens = arena_new_array(scope->arena, struct token, length + 1);
    const char *p = text;
    do {
        p += strspn(p, " \t\r\n");
        t = &ret->tokens[count++];
        t->kind = scan(p, &n);
        t->from = (size_t)(p - text);
        t->to = t->from + n;
        t->text = t->kind == TOKEN_END ? "<EOF>" : arena_strndup(scope->arena, p, n);
        p += n;
    } while (t->kind != TOKEN_END);
    return 0;
}

const struct token *expression_token(const struct expression *e)
{
    return &e->tokens[e->at];
}

bool expression_is(const struct expression *e, const char *sign)
{
    const struct token *t = expression_token(e);
    return t->kind == TOKEN_SIGN && streq(t->text, sign);
}

bool expression_is_keyword(const struct expression *e, const char *word)
{
    const struct token *t = expression_token(e);
    return t->kind == TOKEN_WORD && strcasecmp(t->text, word) == 0;
}

bool expression_take(struct expression *e, const char *sign)
{
    if (!expression_is(e, sign))
        return false;
    e->at++;
    return true;
}

int expression_expect(struct expression *e, const char *sign)
{
    return expression_take(e, sign) ? 0 : expression_bad_token(e);
}

int expression_operator(struct expression *e)
{
    if (++e->operators <= EXPRESSION_OPERATOR_MAX)
        return 0;
    return expression_fail(
        e, "The expression contains too many operators; operator count: %d",
        e->operators);
}

/* What is nested deeper than there may be operators has parentheses too many. */
int expression_descend(struct expression *e)
{
    if (++e->depth <= EXPRESSION_DEPTH_MAX)
        return 0;
    return expression_fail(e, "The expression has redundant parentheses;");
}

/* ---- paths ---- */

static bool is_name(const struct expression *e)
{
    const struct token *t = expression_token(e);
    if (t->kind != TOKEN_WORD)
        return t->kind == TOKEN_NAME;
    for (const char *const *k = e->keywords; *k; k++)
        if (strcasecmp(*k, t->text) == 0)
            return false;
    return true;
}

static int index_read(struct expression *e, struct path_step *ret)
{
    const struct token *t = expression_token(e);
    int64_t index;
    if (t->kind != TOKEN_INDEX)
        return expression_bad_token(e);
    if (!str_to_i64(t->text, 0, INT32_MAX, &index))
        return expression_fail(
            e, "List index is not within the allowable range; index: [%s]", t->text);
    *ret = (struct path_step){.index = (uint32_t)index};
    e->at++;
    return expression_expect(e, "]");
}

static int name_read(struct expression *e, struct path_step *ret)
{
    if (!is_name(e))
        return expression_bad_token(e);
    *ret = (struct path_step){.name = expression_token(e)->text};
    e->at++;
    return 0;
}

static int step_read(struct expression *e, struct path_step *ret)
{
    if (expression_take(e, "."))
        return name_read(e, ret);
    e->at++; /* [ */
    return index_read(e, ret);
}

int path_read(struct expression *e, struct path *ret)
{
    struct path_step steps[PATH_DEPTH_MAX];
    size_t n = 0;
    int r = name_read(e, &steps[n++]);
    while (r == 0 && (expression_is(e, ".") || expression_is(e, "["))) {
        if (n == PATH_DEPTH_MAX)
            return expression_fail(
                e,
                "The document path has too many nesting elements; nesting "
                "levels: %zu",
                n + 1);
        r = step_read(e, &steps[n]);
        n++;
    }
    if (r == 0)
        *ret = (struct path){arena_copy(e->scope->arena, steps, n * sizeof(*steps)), n};
    return r;
}

/* ---- operands ---- */

/* Twice the room, with what is there. */
static struct operand *operands_grow(struct expression *e, const struct operand *v,
                                     size_t n)
{
    struct operand *more = arena_new_array(e->scope->arena, struct operand, 2 * n);
    memcpy(more, v, n * sizeof(*v));
    return more;
}

int operands_read(struct expression *e, struct operand **ret, size_t *ret_n)
{
    size_t n = 0, cap = 2;
    struct operand *v = arena_new_array(e->scope->arena, struct operand, cap);
    do {
        if (n == cap) {
            v = operands_grow(e, v, n);
            cap *= 2;
        }
        int r = operand_read(e, &v[n]);
        if (r < 0)
            return r;
        n++;
    } while (expression_take(e, ","));
    *ret = v;
    *ret_n = n;
    return expression_expect(e, ")");
}

static int function_read(struct expression *e, struct operand *ret)
{
    ret->kind = OPERAND_FUNCTION;
    ret->name = expression_token(e)->text;
    e->at += 2;
    int r = expression_operator(e);
    return r < 0 ? r : operands_read(e, &ret->args, &ret->n);
}

static int parentheses_read(struct expression *e, struct operand *ret)
{
    e->at++;
    int r = operand_read(e, ret);
    e->redundant |= r == 0 && ret->in_parentheses;
    ret->in_parentheses = true;
    return r < 0 ? r : expression_expect(e, ")");
}

static int plain_read(struct expression *e, struct operand *ret)
{
    const struct token *t = expression_token(e);
    if (expression_is(e, "("))
        return parentheses_read(e, ret);
    if (t->kind == TOKEN_VALUE) {
        ret->kind = OPERAND_VALUE;
        ret->name = t->text;
        e->at++;
        return 0;
    }
    if (t->kind == TOKEN_WORD && is_name(e) && t[1].kind == TOKEN_SIGN &&
        streq(t[1].text, "("))
        return function_read(e, ret);
    ret->kind = OPERAND_PATH;
    return path_read(e, &ret->path);
}

int operand_read(struct expression *e, struct operand *ret)
{
    *ret = (struct operand){0};
    int r = expression_descend(e);
    if (r == 0)
        r = plain_read(e, ret);
    e->depth--;
    return r;
}

/* ---- what it says ---- */

int operand_walk(struct operand *o, int (*visit)(struct expression *, struct operand *),
                 struct expression *e)
{
    int r = visit(e, o);
    for (size_t i = 0; i < o->n && r == 0; i++)
        r = operand_walk(&o->args[i], visit, e);
    return r;
}

int path_check_reserved(struct expression *e, const struct path *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->steps[i].name && reserved_word(p->steps[i].name))
            return expression_fail(
                e, "Attribute name is a reserved keyword; reserved keyword: %s",
                p->steps[i].name);
    return 0;
}

int operand_check_reserved(struct expression *e, struct operand *o)
{
    return o->kind == OPERAND_PATH ? path_check_reserved(e, &o->path) : 0;
}

static int name_resolve(struct expression *e, const char **name)
{
    const struct expression_scope *scope = e->scope;
    for (size_t i = 0; i < scope->names->n; i++) {
        if (!streq(scope->names->v[i].key, *name))
            continue;
        scope->name_used[i] = true;
        *name = scope->names->v[i].value;
        return 0;
    }
    return expression_fail(
        e,
        "An expression attribute name used in the document path is not "
        "defined; attribute name: %s",
        *name);
}

int path_resolve(struct expression *e, struct path *p)
{
    struct path_step *steps =
        arena_copy(e->scope->arena, p->steps, p->n * sizeof(*steps));
    int r = 0;
    for (size_t i = 0; i < p->n && r == 0; i++)
        if (steps[i].name && *steps[i].name == '#')
            r = name_resolve(e, &steps[i].name);
    p->steps = steps;
    return r;
}

static int value_resolve(struct expression *e, struct operand *o)
{
    const struct expression_scope *scope = e->scope;
    for (size_t i = 0; i < scope->values->n; i++) {
        if (!streq(scope->values->v[i].key, o->name))
            continue;
        scope->value_used[i] = true;
        o->value = &scope->values->v[i].value;
        return 0;
    }
    return expression_fail(
        e,
        "An expression attribute value used in expression is not defined; "
        "attribute value: %s",
        o->name);
}

int operand_resolve(struct expression *e, struct operand *o)
{
    return o->kind == OPERAND_PATH    ? path_resolve(e, &o->path)
           : o->kind == OPERAND_VALUE ? value_resolve(e, o)
                                      : 0;
}

static int refuse_paths(struct expression *e, const char *how, const struct path *one,
                        const struct path *two)
{
    AUTO_STR text = STR_INIT;
    path_describe(one, &text);
    str_add(&text, ", path two: ");
    path_describe(two, &text);
    return expression_fail(
        e,
        "Two document paths %s with each other; must remove or rewrite one "
        "of these paths; path one: %s",
        how, text.data);
}

static int check_relation(struct expression *e, const struct path *paths, size_t n,
                          enum path_relation unwanted, const char *how)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (path_relation(&paths[k], &paths[i]) == unwanted)
                return refuse_paths(e, how, &paths[k], &paths[i]);
    return 0;
}

int paths_check_apart(struct expression *e, const struct path *paths, size_t n)
{
    int r = check_relation(e, paths, n, PATH_OVERLAP, "overlap");
    return r == 0 ? check_relation(e, paths, n, PATH_CONFLICT, "conflict") : r;
}

enum attribute_type operand_constant_type(const struct operand *o)
{
    return o->kind == OPERAND_VALUE ? attribute_type(o->value) : ATTRIBUTE_ABSENT;
}

int operand_refuse_type(struct expression *e, const char *operator_name, const char *type)
{
    return expression_fail(e,
                           "Incorrect operand type for operator or function; operator or "
                           "function: %s, operand type: %s",
                           operator_name, type);
}

int path_check_key(const struct path *p, const char *label, const char *key,
                   struct error *err)
{
    if (p->n < 2 || !streq(p->steps[0].name, key))
        return 0;
    return fail(
        err, E_INVALID,
        "Key attributes must be scalars; list random access '[]' and map lookup '.' "
        "are not allowed: %s: %s",
        label, key);
}
