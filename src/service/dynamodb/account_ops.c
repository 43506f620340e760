/* What is the same for every table of an account: where it is reached, and its quotas. */
#include "call.h"
#include "item_table.h"

#define ENDPOINT_CACHE_MINUTES 1440
/* As AWS has them; nothing is throttled here. */
#define ACCOUNT_UNITS 80000
#define TABLE_UNITS   40000

int dynamodb_describe_endpoints(struct call *c,
                                const struct dynamodb_describe_endpoints_request *in,
                                struct dynamodb_describe_endpoints_response *out)
{
    struct dynamodb_endpoint *e = LIST_PUSH(&c->arena, &out->endpoints);
    e->address =
        c->host ? c->host : call_printf(c, "dynamodb.%s.amazonaws.com", c->region);
    e->cache_period_in_minutes = SET_LONG(ENDPOINT_CACHE_MINUTES);
    return 0;
}

int dynamodb_describe_limits(struct call *c,
                             const struct dynamodb_describe_limits_input *in,
                             struct dynamodb_describe_limits_output *out)
{
    out->account_max_read_capacity_units = SET_LONG(ACCOUNT_UNITS);
    out->account_max_write_capacity_units = SET_LONG(ACCOUNT_UNITS);
    out->table_max_read_capacity_units = SET_LONG(TABLE_UNITS);
    out->table_max_write_capacity_units = SET_LONG(TABLE_UNITS);
    return 0;
}
