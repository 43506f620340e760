/* capacity.h: capacity units: what a request would have cost. Nothing is throttled by them.
 *
 * Rules: "DynamoDB read and write operations" of the Developer Guide: a read of 4 KB is one
 * unit, half of one when it may be stale; a write of 1 KB is one; twice that in transactions.
 *
 * Owns: results lie in the caller's arena. Threads: any. Fails: never. */
#pragma once

#include "dynamodb_api.h"
#include "item_row.h"
#include "item_schema.h"

double write_units(size_t bytes);
double read_units(size_t bytes, bool consistent);

/* What is spent on one table by one request. */
struct spending {
    const struct item_schema *schema;
    double table;
    double *indexes; /* as in the schema */
};

struct spending spending_new(struct arena *a, const struct item_schema *s);
/* What was written, `times` its price. */
void spending_add(struct spending *s, const struct write_cost *cost, double times);

enum spending_kind { SPENT, SPENT_READING, SPENT_WRITING }; /* the latter in transactions */

/* Is anything to be told? */
bool spending_asked(enum dynamodb_return_consumed_capacity asked);
void spending_tell(struct arena *a, const struct spending *s,
                   enum dynamodb_return_consumed_capacity asked, enum spending_kind kind,
                   struct dynamodb_consumed_capacity *ret);
