/* What is the same for every table of an account: where it is reached. */
#include "call.h"
#include "dynamodb.h"
#include "dynamodb_handlers.h"

#define ENDPOINT_CACHE_MINUTES 1440

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
