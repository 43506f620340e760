/* expression_read.h: from an expression's text to tokens, paths and operands; for the parsers
 * of this folder only.
 *
 * Parsers read the whole text first and judge what it says afterwards, as the service does:
 * a syntax error is told before any name that is reserved or unknown. Until operand_resolve()
 * or path_resolve() a path holds names as written ("#a").
 *
 * Owns: all lies in the scope's arena. Threads: one at a time.
 * Fails: E_INVALID, "Invalid ConditionExpression: …". */
#pragma once

#include "expression.h"
#include "path.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,  /* an identifier or a keyword */
    TOKEN_NAME,  /* #name */
    TOKEN_VALUE, /* :value */
    TOKEN_INDEX, /* digits */
    TOKEN_SIGN,  /* anything else */
};

struct token {
    enum token_kind kind;
    const char *text;
    size_t from, to; /* in the expression */
};

struct expression {
    struct expression_scope *scope;
    const char *parameter, *text;
    const char *const *keywords; /* words that are no names here; NULL-ended */
    struct token *tokens;        /* the last is TOKEN_END */
    size_t at;
    int depth, operators;
    bool redundant; /* parentheses around parentheses */
    struct error *err;
};

int expression_open(struct expression_scope *scope, const char *parameter, const char *text,
                    const char *const *keywords, struct expression *ret, struct error *err);
int expression_fail(struct expression *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int expression_bad_token(struct expression *e); /* Syntax error; token: …, near: … */

const struct token *expression_token(const struct expression *e);
bool expression_is(const struct expression *e, const char *sign);
bool expression_is_keyword(const struct expression *e, const char *word); /* any case */
bool expression_take(struct expression *e, const char *sign);
int expression_expect(struct expression *e, const char *sign);
/* Counts an operator or a function against the service's limit. */
int expression_operator(struct expression *e);
/* One level deeper; E_INVALID when that is too deep to be anything but a mistake. */
int expression_descend(struct expression *e);

enum operand_kind {
    OPERAND_PATH,
    OPERAND_VALUE,
    OPERAND_FUNCTION, /* also "+" and "-" */
};

struct operand {
    enum operand_kind kind;
    struct path path;
    const char *name;             /* ":x", or the function's */
    const attribute_value *value; /* of ":x", once resolved */
    struct operand *args;
    size_t n;
    bool in_parentheses;
};

int path_read(struct expression *e, struct path *ret);
int operand_read(struct expression *e, struct operand *ret);
/* operand (',' operand)* ')' */
int operands_read(struct expression *e, struct operand **ret, size_t *ret_n);

/* ---- what a parsed expression says ---- */

/* Calls `visit` for the operand and all within, until it fails. */
int operand_walk(struct operand *o, int (*visit)(struct expression *, struct operand *),
                 struct expression *e);
int operand_check_reserved(struct expression *e, struct operand *o);
int path_check_reserved(struct expression *e, const struct path *p);
/* Puts the names of #names and the values of :values in, and notes that they are used. */
int operand_resolve(struct expression *e, struct operand *o);
int path_resolve(struct expression *e, struct path *p);
/* "Two document paths overlap with each other; …" */
int paths_check_apart(struct expression *e, const struct path *paths, size_t n);

/* The type that an operand has whatever the item is; ATTRIBUTE_ABSENT: it depends. */
enum attribute_type operand_constant_type(const struct operand *o);
/* "Incorrect operand type for operator or function; operator or function: …" */
int operand_refuse_type(struct expression *e, const char *operator_name, const char *type);

int path_check_key(const struct path *p, const char *label, const char *key,
                   struct error *err);
