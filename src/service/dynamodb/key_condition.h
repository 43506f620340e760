/* key_condition.h: KeyConditionExpression: which part of an index a Query reads.
 *
 * Parsed first (that needs no table), then bound to the keys of the table or index.
 *
 * Owns: nothing; it lies in its scope's arena. Threads: any.
 * Fails: E_INVALID with the text that the service gives its ValidationException. */
#pragma once

#include "expression.h"
#include "key_schema.h"

enum key_comparison {
    KEY_ANY, /* nothing is said about the range key */
    KEY_EQUAL,
    KEY_LESS,
    KEY_LESS_EQUAL,
    KEY_GREATER,
    KEY_GREATER_EQUAL,
    KEY_BETWEEN, /* range[0] <= key <= range[1] */
    KEY_BEGINS_WITH,
};

struct key_range {
    const attribute_value *hash;
    enum key_comparison comparison;
    const attribute_value *range[2];
};

struct key_condition;

int key_condition_parse(struct expression_scope *scope, const char *text,
                        const struct key_condition **ret, struct error *err);
int key_condition_bind(const struct key_condition *c, const struct key_schema *schema,
                       struct key_range *ret, struct error *err);

/* Is this range key's value within the range? (The hash key is the caller's look-up.) */
bool key_range_holds(const struct key_range *r, const attribute_value *range_key);
