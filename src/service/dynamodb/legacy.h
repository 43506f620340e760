/* legacy.h: the parameters from before there were expressions (Expected, AttributeUpdates,
 * KeyConditions, QueryFilter, ScanFilter), turned into what expressions become. Older programs
 * and the Kinesis client still send them (API reference, "Legacy conditional parameters").
 *
 * Owns: results lie in the arena and point at the request's values, which are validated and
 * canonicalised in place. Threads: any.
 * Fails: E_INVALID with the text that the service gives its ValidationException. */
#pragma once

#include "condition.h"
#include "key_condition.h"
#include "update.h"

/* Refuses legacy parameters beside expressions. A parameter whose text is not NULL was sent. */
int legacy_check_alone(const struct expression_parameter *legacy, size_t legacy_count,
                       const struct expression_parameter *expressions, size_t count,
                       struct error *err);

/* *ret stays NULL when nothing is expected. */
int legacy_expected(struct arena *a,
                    const struct dynamodb_expected_attribute_value_map *expected,
                    enum dynamodb_conditional_operator joined, const struct condition **ret,
                    struct error *err);
int legacy_filter(struct arena *a, const struct dynamodb_condition_map *filter,
                  enum dynamodb_conditional_operator joined, const struct condition **ret,
                  struct error *err);
int legacy_key_conditions(struct arena *a, const struct dynamodb_condition_map *conditions,
                          const struct key_condition **ret, struct error *err);
int legacy_updates(struct arena *a, const struct dynamodb_attribute_value_update_map *updates,
                   const struct update **ret, struct error *err);
