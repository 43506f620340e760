/* A call as CloudTrail records it; see audit.h. */
#include "audit.h"

#include <string.h>

#include "clock.h"
#include "json.h"
#include "str.h"

static void add_text(struct str *out, const char *name, const char *value)
{
    if (!value)
        return;
    if (out->data[out->len - 1] != '{')
        str_addc(out, ',');
    str_addf(out, "\"%s\":", name);
    json_add_string(out, value);
}

static void add_bool(struct str *out, const char *name, bool value)
{
    str_addf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static const char *type_of(const struct policy_principal *p)
{
    static const char *const names[] = {
        [PRINCIPAL_ANONYMOUS] = "Unknown",
        [PRINCIPAL_ROOT] = "Root",
        [PRINCIPAL_USER] = "IAMUser",
        [PRINCIPAL_ROLE_SESSION] = "AssumedRole",
        [PRINCIPAL_FEDERATED_USER] = "FederatedUser",
        [PRINCIPAL_WEB_IDENTITY] = "WebIdentityUser",
        [PRINCIPAL_SERVICE] = "AWSService",
    };
    return names[p->type];
}

/* sessionContext.sessionIssuer: the role behind a session. */
static void add_issuer(struct str *out, const struct policy_principal *p)
{
    if (p->type != PRINCIPAL_ROLE_SESSION)
        return;
    const char *slash = strrchr(p->role_arn, '/');
    str_add(out, ",\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\"");
    add_text(out, "principalId", p->role_id);
    add_text(out, "arn", p->role_arn);
    add_text(out, "accountId", p->account);
    add_text(out, "userName", slash ? slash + 1 : p->role_arn);
    str_add(out, "}}");
}

static void add_identity(struct str *out, const struct identity *who)
{
    const struct policy_principal *p = &who->principal;
    str_add(out, ",\"userIdentity\":{");
    add_text(out, "type", type_of(p));
    add_text(out, "principalId", who->user_id);
    add_text(out, "arn", who->arn);
    add_text(out, "accountId", who->account_id);
    add_text(out, "accessKeyId", who->access_key);
    if (p->type == PRINCIPAL_USER && who->arn)
        add_text(out, "userName", strrchr(who->arn, '/') + 1);
    add_issuer(out, p);
    str_addc(out, '}');
}

static void add_parameters(struct str *out, const struct call *c)
{
    size_t before = out->len;
    str_add(out, ",\"requestParameters\":");
    if (c->operation && c->in && c->operation->wire->input)
        wire_json_encode_redacted(out, c->operation->wire->input, c->in);
    else
        str_add(out, "null");
    if (out->len - before > AUDIT_PARAMETERS_MAX) {
        out->len = before;
        out->data[before] = '\0';
        str_add(out, ",\"requestParameters\":{\"omitted\":\"too long\"}");
    }
}

void audit_line(struct str *ret, const struct call *c, const char *event_id,
                int64_t now_ms)
{
    char time[CLOCK_ISO_SIZE];
    const struct wire_service *service = c->target ? c->target->service : NULL;
    clock_format_iso(now_ms, true, time);
    str_addc(ret, '{');
    add_text(ret, "eventVersion", "1.08");
    add_identity(ret, &c->who);
    add_text(ret, "eventTime", time);
    str_add(ret, ",\"eventSource\":\"");
    str_addf(ret, "%s.amazonaws.com\"", service ? service->signing_name : "unknown");
    add_text(ret, "eventName", c->operation ? c->operation->wire->name : "Unknown");
    add_text(ret, "awsRegion", c->region);
    add_text(ret, "sourceIPAddress", c->who.source_ip);
    add_text(ret, "userAgent", c->who.user_agent);
    if (c->fault) {
        add_text(ret, "errorCode", c->fault->code);
        add_text(ret, "errorMessage", c->fault_text);
    }
    add_parameters(ret, c);
    str_add(ret, ",\"responseElements\":null");
    add_text(ret, "requestID", c->request_id);
    add_text(ret, "eventID", event_id);
    add_bool(ret, "readOnly", c->operation && c->operation->kind == OPERATION_READS);
    add_text(ret, "eventType", "AwsApiCall");
    add_bool(ret, "managementEvent", true);
    add_text(ret, "recipientAccountId", c->who.account_id);
    add_text(ret, "eventCategory", "Management");
    str_add(ret, "}\n");
}
