#include "denial.h"

#include <string.h>

#include "call.h"
#include "seal.h"
#include "str.h"

#define SEAL_PREFIX "sealed:1:"
#define BOUND_TO    "/sts/authorization-message"

static void add_member(struct str *out, const char *name, const char *value,
                       const char *behind)
{
    str_addf(out, "\"%s\":", name);
    json_add_string(out, value ? value : "");
    str_add(out, behind);
}

const char *denial_encode(struct call *call, const struct access *question,
                          const struct policy_decision *decision)
{
    AUTO_STR text = STR_INIT;
    const struct seal_keys *keys = core_seal(call->core);
    str_addf(&text, "{\"allowed\":false,\"explicitDeny\":%s,",
             decision->verdict == POLICY_EXPLICIT_DENY ? "true" : "false");
    str_add(&text, "\"matchedStatements\":{\"items\":[");
    if (decision->source) {
        str_add(&text, "{");
        add_member(&text, "statementId", decision->sid, ",");
        add_member(&text, "sourcePolicyId", decision->source->name, "}");
    }
    str_add(&text, "]},\"failures\":{\"items\":[]},\"context\":{\"principal\":{");
    add_member(&text, "id", call->who.user_id, ",");
    add_member(&text, "arn", call->who.arn, "},");
    add_member(&text, "action", question->action, ",");
    add_member(&text, "resource", question->resource, ",\"conditions\":{\"items\":[]}}}");
    if (!keys)
        return "";
    return seal(keys, &call->arena, text.data, text.len, BOUND_TO) + strlen(SEAL_PREFIX);
}

const char *denial_decode(struct call *call, const char *encoded)
{
    AUTO_STR text = STR_INIT;
    const struct seal_keys *keys = core_seal(call->core);
    if (!keys || seal_open(keys, call_printf(call, SEAL_PREFIX "%s", encoded), BOUND_TO,
                           &text, NULL) < 0)
        return NULL;
    return arena_strdup(&call->arena, str_text(&text));
}
