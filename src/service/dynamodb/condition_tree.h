/* condition_tree.h: a parsed condition; for those of this folder who read or walk it.
 * Owns: it lies in its scope's arena. Threads: any. Fails: see expression_read.h. */
#pragma once

#include "condition.h"
#include "expression_read.h"
#include "key_condition.h"

enum condition_kind {
    CONDITION_AND,
    CONDITION_OR,
    CONDITION_NOT, /* left alone */
    CONDITION_COMPARE,
    CONDITION_BETWEEN, /* args: value, low, high */
    CONDITION_IN,      /* args: value, then those that it may be */
    CONDITION_FUNCTION,
};

enum comparison {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL,
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL,
};

enum condition_function {
    FUNCTION_EXISTS,
    FUNCTION_NOT_EXISTS,
    FUNCTION_TYPE,
    FUNCTION_BEGINS_WITH,
    FUNCTION_CONTAINS,
    FUNCTION_SIZE,
    FUNCTION_COUNT,
};

struct condition {
    enum condition_kind kind;
    struct condition *left, *right;
    const char *name; /* of the operator or function, as the service names it */
    enum comparison comparison;
    enum condition_function function;
    struct operand *args;
    size_t n;
    bool in_parentheses;
};

/* As condition_parse(); the key condition is written in the same language. */
int condition_tree_parse(struct expression_scope *scope, const char *parameter,
                         const char *text, struct condition **ret, struct error *err);

/* What a tree says of keys; for key_condition_parse() and for legacy.c. */
int key_condition_of(struct arena *a, const struct condition *tree,
                     const struct key_condition **ret, struct error *err);
