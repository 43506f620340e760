/* From text to tree: a scanner and a recursive-descent parser. */
#include "query.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "clock.h"
#include "query_program.h"
#include "str.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a bare word: keyword, subject or literal */
    TOKEN_QUOTED, /* 'literal' */
    TOKEN_SIGN,   /* an operator, a parenthesis, a bracket, a comma */
};

struct parser {
    const char *text, *at;
    struct query *q;
    struct error *err;
    enum token_kind kind;
    const char *token; /* NUL-ended, in the arena */
    size_t token_at;   /* where it begins, for messages */
    int terms, depth;
};

/* ---- the scanner ---- */

/* Longest first. */
static const char *const signs[] = {
    "!exists", "!in", "==", "!=", ">=", "<=", "=~", "!~", "&&",
    "||",      ">",   "<",  "!",  "(",  ")",  "[",  "]",  ","};

static bool is_word(char c)
{
    return c && !isspace((unsigned char)c) && !strchr("()[],'=!<>&|~\"", c);
}

static const char *sign_at(const char *at)
{
    for (size_t k = 0; k < sizeof(signs) / sizeof(signs[0]); k++) {
        size_t n = strlen(signs[k]);
        bool word = isalpha((unsigned char)signs[k][n - 1]);
        if (strncmp(at, signs[k], n) == 0 && !(word && is_word(at[n])))
            return signs[k];
    }
    return NULL;
}

static int bad(struct parser *p, const char *what)
{
    return fail(p->err, E_INVALID, "Invalid expression: %s at position %zu", what,
                p->token_at + 1);
}

static int next(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
    p->token_at = (size_t)(p->at - p->text);
    const char *from = p->at, *sign = sign_at(from);
    if (!*from) {
        p->kind = TOKEN_END;
        p->token = "";
    } else if (sign) {
        p->kind = TOKEN_SIGN;
        p->token = sign;
        p->at += strlen(sign);
    } else if (*from == '\'') {
        const char *end = strchr(from + 1, '\'');
        if (!end)
            return bad(p, "quote is not closed");
        p->kind = TOKEN_QUOTED;
        p->token = arena_strndup(&p->q->arena, from + 1, (size_t)(end - from - 1));
        p->at = end + 1;
    } else {
        while (is_word(*p->at))
            p->at++;
        if (p->at == from)
            return bad(p, "unexpected character");
        p->kind = TOKEN_WORD;
        p->token = arena_strndup(&p->q->arena, from, (size_t)(p->at - from));
    }
    return 0;
}

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->kind == TOKEN_SIGN && strcmp(p->token, sign) == 0;
}

static bool is_keyword(const struct parser *p, const char *word)
{
    return p->kind == TOKEN_WORD && strcasecmp(p->token, word) == 0;
}

/* ---- terms ---- */

static const struct {
    const char *sign, *word;
    enum query_operator op;
    bool negated;
} operators[] = {
    {"==", "equals", OP_EQUAL, false},
    {"!=", "not_equals", OP_EQUAL, true},
    {">", "greater_than", OP_GREATER, false},
    {">=", "greater_than_equal", OP_GREATER_EQUAL, false},
    {"<", "less_than", OP_LESS, false},
    {"<=", "less_than_equal", OP_LESS_EQUAL, false},
    {NULL, "exists", OP_EXISTS, false},
    {"!exists", "not_exists", OP_EXISTS, true},
    {NULL, "in", OP_IN, false},
    {"!in", "not_in", OP_IN, true},
    {"=~", "matches", OP_MATCHES, false},
    {"!~", "not_matches", OP_MATCHES, true},
};

static const struct {
    const char *name;
    enum query_subject_kind kind;
} subjects[] = {
    {"agentConnected", SUBJECT_AGENT_CONNECTED},  {"agentVersion", SUBJECT_AGENT_VERSION},
    {"ec2InstanceId", SUBJECT_EC2_INSTANCE_ID},   {"registeredAt", SUBJECT_REGISTERED_AT},
    {"runningTasksCount", SUBJECT_RUNNING_TASKS}, {"task:group", SUBJECT_TASK_GROUP},
};

static int parse_subject(struct parser *p, struct query_term *t)
{
    if (p->kind != TOKEN_WORD)
        return bad(p, p->kind == TOKEN_END ? "unexpected end" : "a subject is expected");
    if (str_starts(p->token, "attribute:") && p->token[10]) {
        t->subject = SUBJECT_ATTRIBUTE;
        t->attribute = p->token + 10;
        return next(p);
    }
    for (size_t k = 0; k < sizeof(subjects) / sizeof(subjects[0]); k++) {
        if (strcmp(p->token, subjects[k].name) == 0) {
            t->subject = subjects[k].kind;
            return next(p);
        }
    }
    return bad(p, "unknown subject");
}

static int parse_operator(struct parser *p, struct query_term *t)
{
    for (size_t k = 0; k < sizeof(operators) / sizeof(operators[0]); k++) {
        if ((operators[k].sign && is_sign(p, operators[k].sign)) ||
            is_keyword(p, operators[k].word)) {
            t->op = operators[k].op;
            t->negated = operators[k].negated;
            return next(p);
        }
    }
    return bad(p, "an operator is expected");
}

static int parse_literal(struct parser *p, const char **ret)
{
    if (p->kind != TOKEN_WORD && p->kind != TOKEN_QUOTED)
        return bad(p, "a value is expected");
    *ret = p->token;
    return next(p);
}

static int parse_list(struct parser *p, struct query_term *t)
{
    if (!is_sign(p, "["))
        return bad(p, "'[' is expected");
    /* No more values than the text has commas. */
    size_t cap = 1;
    for (const char *c = p->at; *c; c++)
        cap += *c == ',';
    const char **args = arena_new_array(&p->q->arena, const char *, cap);
    t->args = args;
    do {
        int r = next(p);
        if (r == 0)
            r = parse_literal(p, &args[t->arg_count]);
        if (r < 0)
            return r;
        t->arg_count++;
    } while (is_sign(p, ","));
    return is_sign(p, "]") ? next(p) : bad(p, "']' is expected");
}

static int parse_arguments(struct parser *p, struct query_term *t)
{
    if (t->op == OP_EXISTS)
        return 0;
    if (t->op == OP_IN)
        return parse_list(p, t);
    const char **arg = arena_new(&p->q->arena, const char *);
    t->args = arg;
    t->arg_count = 1;
    return parse_literal(p, arg);
}

bool query_version(const char *text, int64_t *ret)
{
    int64_t version = 0;
    if (*text == 'v')
        text++;
    for (int part = 0; part < 3; part++) {
        int64_t n = 0;
        int digits = 0;
        for (; isdigit((unsigned char)*text) && digits < 6; text++, digits++)
            n = n * 10 + (*text - '0');
        if (digits == 0 || isdigit((unsigned char)*text))
            return false;
        version = version * 1000000 + n;
        if (*text == '.' && part < 2)
            text++;
        else if (*text)
            return false;
        else
            for (; part < 2; part++)
                version *= 1000000;
    }
    *ret = version;
    return true;
}

/* A date is the beginning of that day, UTC. */
static bool parse_date(const char *text, int64_t *ret_ms)
{
    char whole[CLOCK_ISO_SIZE + 16];
    if (strlen(text) > CLOCK_ISO_SIZE)
        return false;
    if (clock_parse_iso(text, ret_ms))
        return true;
    snprintf(whole, sizeof(whole), "%s%s", text, strchr(text, 'T') ? "Z" : "T00:00:00Z");
    return clock_parse_iso(whole, ret_ms);
}

static bool is_ordering(enum query_operator op)
{
    return op == OP_EQUAL || (op >= OP_GREATER && op <= OP_LESS_EQUAL);
}

/* Which operators and values suit which subject. */
static int check_term(struct parser *p, struct query_term *t)
{
    const char *arg = t->arg_count ? t->args[0] : "";
    switch (t->subject) {
    case SUBJECT_AGENT_CONNECTED:
        if (t->op != OP_EQUAL || (strcmp(arg, "true") != 0 && strcmp(arg, "false") != 0))
            return bad(p, "agentConnected takes == or != and true or false");
        t->number = strcmp(arg, "true") == 0;
        return 0;
    case SUBJECT_RUNNING_TASKS:
        if (!is_ordering(t->op) || !str_to_i64(arg, 0, INT32_MAX, &t->number))
            return bad(p, "runningTasksCount is compared with a number");
        return 0;
    case SUBJECT_REGISTERED_AT:
        if (!is_ordering(t->op) || !parse_date(arg, &t->number))
            return bad(p, "registeredAt is compared with a date");
        return 0;
    case SUBJECT_AGENT_VERSION:
        if (is_ordering(t->op) && !query_version(arg, &t->number))
            return bad(p, "agentVersion is compared with a version");
        return 0;
    case SUBJECT_EC2_INSTANCE_ID:
    case SUBJECT_TASK_GROUP:
        if (t->op >= OP_GREATER && t->op <= OP_LESS_EQUAL)
            return bad(p, "this subject has no order");
        return 0;
    default:
        return 0;
    }
}

static int parse_term(struct parser *p, const struct query_node **ret)
{
    if (++p->terms > QUERY_MAX_TERMS)
        return fail(p->err, E_LIMIT, "Invalid expression: more than %d terms",
                    QUERY_MAX_TERMS);
    struct query_node *node = arena_new(&p->q->arena, struct query_node);
    node->kind = QUERY_TERM;
    int r = parse_subject(p, &node->term);
    if (r == 0)
        r = parse_operator(p, &node->term);
    if (r == 0)
        r = parse_arguments(p, &node->term);
    if (r == 0)
        r = check_term(p, &node->term);
    if (r == 0 && node->term.op == OP_MATCHES)
        r = query_regex_compile(p->q, node->term.args[0], &node->term.regex, p->err);
    *ret = node;
    return r;
}

/* ---- expressions ---- */

static int parse_or(struct parser *p, const struct query_node **ret);

static int parse_group(struct parser *p, const struct query_node **ret)
{
    int r = next(p);
    if (r == 0)
        r = parse_or(p, ret);
    if (r < 0)
        return r;
    return is_sign(p, ")") ? next(p) : bad(p, "')' is expected");
}

static const struct query_node *join(struct parser *p, enum query_node_kind kind,
                                     const struct query_node *left,
                                     const struct query_node *right)
{
    struct query_node *node = arena_new(&p->q->arena, struct query_node);
    node->kind = kind;
    node->left = left;
    node->right = right;
    return node;
}

static int parse_unary(struct parser *p, const struct query_node **ret)
{
    if (++p->depth > QUERY_MAX_DEPTH)
        return fail(p->err, E_LIMIT, "Invalid expression: nested too deeply");
    int r;
    if (is_sign(p, "!") || is_keyword(p, "not")) {
        const struct query_node *inner = NULL;
        r = next(p);
        if (r == 0)
            r = parse_unary(p, &inner);
        *ret = join(p, QUERY_NOT, inner, NULL);
    } else if (is_sign(p, "(")) {
        r = parse_group(p, ret);
    } else {
        r = parse_term(p, ret);
    }
    p->depth--;
    return r;
}

static int parse_and(struct parser *p, const struct query_node **ret)
{
    int r = parse_unary(p, ret);
    while (r == 0 && (is_sign(p, "&&") || is_keyword(p, "and"))) {
        const struct query_node *right = NULL;
        r = next(p);
        if (r == 0)
            r = parse_unary(p, &right);
        *ret = join(p, QUERY_AND, *ret, right);
    }
    return r;
}

static int parse_or(struct parser *p, const struct query_node **ret)
{
    int r = parse_and(p, ret);
    while (r == 0 && (is_sign(p, "||") || is_keyword(p, "or"))) {
        const struct query_node *right = NULL;
        r = next(p);
        if (r == 0)
            r = parse_and(p, &right);
        *ret = join(p, QUERY_OR, *ret, right);
    }
    return r;
}

static uint64_t text_signature(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

/* NULL: the right side of a "not". */
static bool asks_attributes_only(const struct query_node *n)
{
    if (!n || n->kind == QUERY_TERM)
        return !n || n->term.subject == SUBJECT_ATTRIBUTE;
    return asks_attributes_only(n->left) && asks_attributes_only(n->right);
}

static bool node_asks_for(const struct query_node *n, const char *attribute)
{
    if (!n || n->kind == QUERY_TERM)
        return n && n->term.subject == SUBJECT_ATTRIBUTE &&
               strcmp(n->term.attribute, attribute) == 0;
    return node_asks_for(n->left, attribute) || node_asks_for(n->right, attribute);
}

bool query_asks_for(const struct query *q, const char *attribute)
{
    return node_asks_for(q->root, attribute);
}

int query_compile(const char *text, struct query **ret, struct error *err)
{
    size_t len = strlen(text);
    if (!utf8_valid(text, len))
        return fail(err, E_INVALID, "Invalid expression: not UTF-8");
    if (utf8_length(text) > QUERY_MAX_LENGTH)
        return fail(err, E_LIMIT, "Invalid expression: more than %d characters",
                    QUERY_MAX_LENGTH);
    struct query *q = xcalloc(1, sizeof(*q));
    struct parser p = {.text = text, .at = text, .q = q, .err = err};
    int r = next(&p);
    if (r == 0)
        r = parse_or(&p, &q->root);
    if (r == 0 && p.kind != TOKEN_END)
        r = bad(&p, "'and' or 'or' is expected");
    if (r < 0) {
        query_free(q);
        return r;
    }
    q->signature = text_signature(text);
    q->attributes_only = asks_attributes_only(q->root);
    *ret = q;
    return 0;
}

void query_free(struct query *q)
{
    if (!q)
        return;
    for (struct query_regex *x = q->regexes; x; x = x->next)
        regfree(&x->compiled);
    arena_free(&q->arena);
    free(q);
}
