/* condition.h: ConditionExpression and FilterExpression.
 *
 * Precedence: comparisons, IN, BETWEEN and functions, then NOT, AND, OR (API reference,
 * Comparison operator and function reference). A comparison of two types is false, and so is
 * one with an attribute that is not there; only <> is true for both.
 *
 * Owns: nothing; a condition lies in its scope's arena. Threads: any.
 * Fails: condition_parse() with E_INVALID, see expression.h; asking never fails. */
#pragma once

#include "expression.h"

struct condition;

/* `parameter` is "ConditionExpression" or "FilterExpression". */
int condition_parse(struct expression_scope *scope, const char *parameter, const char *text,
                    const struct condition **ret, struct error *err);

/* `item` NULL: there is none, so no attribute exists. */
bool condition_holds(const struct condition *c, const attribute_map *item);

/* Does a path of the condition begin with this attribute? (A filter of Query must not.) */
bool condition_names(const struct condition *c, const char *attribute);
/* Refuses paths into a key attribute, which is a scalar; label: "Key" or "IndexKey". */
int condition_check_key(const struct condition *c, const char *label, const char *key,
                        struct error *err);
