/* expression.h: what the expressions of one request share: their placeholders.
 *
 *   expression_begin(&scope, …)      checks ExpressionAttributeNames and …Values
 *   update_parse(&scope, …)          each expression, in this order: update, condition,
 *   condition_parse(&scope, …)       key condition, filter, projection
 *   expression_end(&scope, …)        refuses placeholders that none of them used
 *
 * An expression is parsed once and may then be asked about many items. It lies in the
 * scope's arena and points at the request's values, so it lives as long as both.
 *
 * Owns: nothing outside the arena. Threads: one at a time.
 * Fails: E_INVALID with the text that the service gives its ValidationException. */
#pragma once

#include "attribute.h"

#define EXPRESSION_LENGTH_MAX   4096 /* bytes (Quotas: Expression parameters) */
#define EXPRESSION_OPERATOR_MAX 300
#define EXPRESSION_IN_MAX       100
#define EXPRESSION_DEPTH_MAX    320 /* parentheses and NOT; operators come to their end first */

struct expression_scope {
    struct arena *arena;
    const struct string_map *names;
    const attribute_map *values;
    bool *name_used, *value_used; /* one each entry */
};

/* One of a request's parameters: its name and its text, NULL when it was not sent. */
struct expression_parameter {
    const char *name; /* "ConditionExpression" */
    const char *text;
};

/* `parameters` are those that the operation knows, `count` of them; placeholders without an
 * expression that could use them are refused. Values are validated and canonicalised. */
int expression_begin(struct arena *a, const struct string_map *names, attribute_map *values,
                     const struct expression_parameter *parameters, size_t count,
                     struct expression_scope *ret, struct error *err);
int expression_end(const struct expression_scope *scope, struct error *err);
