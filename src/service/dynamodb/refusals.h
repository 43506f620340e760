/* refusals.h: what several operations on items refuse in the same words.
 *
 * Owns: nothing. Threads: as noted. Fails: after a fault of the call. */
#pragma once

#include "data_call.h"

/* ReturnItemCollectionMetrics: there is nothing to tell of a table without local indexes, and
 * of others it can't be. In run(). */
int refuse_metrics(struct data_call *d, const struct item_schema *s,
                   enum dynamodb_return_item_collection_metrics asked);
