#include "sts_api.h"
#include "sts_handlers.h"

#include "call.h"

/* Always allowed, to every authenticated caller. */
int sts_get_caller_identity(struct call *c,
                            const struct sts_get_caller_identity_request *in,
                            struct sts_get_caller_identity_response *out)
{
    out->account = c->who.account_id;
    out->arn = c->who.arn;
    out->user_id = c->who.user_id;
    return 0;
}
