#include "refusals.h"

int refuse_metrics(struct data_call *d, const struct item_schema *s,
                   enum dynamodb_return_item_collection_metrics asked)
{
    bool local = false;
    for (size_t i = 0; i < s->index_count; i++)
        local |= !s->indexes[i].global;
    if (asked != DYNAMODB_RETURN_ITEM_COLLECTION_METRICS_SIZE || !local)
        return 0;
    return data_refuse(
        d, &dynamodb_validation_fault,
        "ReturnItemCollectionMetrics is not supported here for tables with "
        "local secondary indexes: item collections have no bound");
}
