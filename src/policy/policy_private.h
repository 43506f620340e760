/* policy_private.h: a compiled policy, for the files of this folder.
 *
 * Owns: everything lies in the policy's arena. Threads: constant after policy_compile().
 * Fails: see policy.h. */
#pragma once

#include <stdint.h>

#include "arena.h"
#include "glob.h"
#include "policy.h"

/* "ecs:Run*": taken apart, in lower case. */
struct action_pattern {
    struct glob service, name;
};

enum principal_form {
    FORM_ANY,     /* "*" */
    FORM_ACCOUNT, /* 12 digits */
    FORM_AWS,     /* an ARN or a unique id */
    FORM_SERVICE,
    FORM_FEDERATED,
    FORM_CANONICAL, /* canonical users of S3: nobody here is one */
};

struct principal_pattern {
    enum principal_form form;
    const char *text;
};

enum set_form { SET_NONE, SET_ALL, SET_ANY };

enum operator_kind {
    OP_STRING_EQUALS,
    OP_STRING_EQUALS_NO_CASE,
    OP_STRING_LIKE,
    OP_NUMBER,
    OP_DATE,
    OP_BOOL,
    OP_BINARY,
    OP_IP,
    OP_ARN,
    OP_NULL,
};

enum comparison { CMP_EQ, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct condition_operator {
    const char *name; /* lower case */
    enum operator_kind kind;
    enum comparison comparison;
    bool negated;
};

struct condition {
    const struct condition_operator *op;
    enum set_form set;
    bool if_exists;
    const char *key, *key_text; /* in lower case but for what is behind '/'; as written */
    struct glob *values;
    size_t value_count;
};

struct statement {
    const char *text; /* as it was written, without blanks */
    struct policy_position start, end; /* in the document; line 0: not known */
    const char *sid; /* NULL: none */
    bool deny, not_action, not_resource, not_principal;
    struct action_pattern *actions;
    size_t action_count;
    struct glob *resources;
    size_t resource_count;
    struct principal_pattern *principals;
    size_t principal_count;
    struct condition *conditions;
    size_t condition_count;
};

struct policy {
    struct arena arena;
    enum policy_kind kind;
    bool variables; /* version 2012-10-17 */
    struct statement *statements;
    size_t statement_count;
};

/* NULL: no such operator. `name` is lower case, without set form and IfExists. */
const struct condition_operator *condition_operator_find(const char *name);

/* Is the value good for the operator? Numbers, dates, addresses must be such. */
bool condition_value_valid(enum operator_kind kind, const char *text);

/* Fills in where its statements are in the text that it was compiled from. */
void positions_find(const char *text, size_t len, struct policy *p);

/* All conditions of a statement. */
bool conditions_hold(const struct statement *s, const struct policy_context *context);
