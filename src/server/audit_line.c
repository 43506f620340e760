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

static void add_map(struct str *out, const struct string_map *m)
{
    str_addc(out, '{');
    for (size_t i = 0; i < m->n; i++)
        add_text(out, m->v[i].key, m->v[i].value);
    str_addc(out, '}');
}

static void add_parameters(struct str *out, const struct audit_event *e)
{
    size_t before = out->len;
    str_add(out, ",\"requestParameters\":");
    if (e->shape && e->in)
        wire_json_encode_redacted(out, e->shape, e->in);
    else if (e->parameters.n)
        add_map(out, &e->parameters);
    else
        str_add(out, "null");
    if (out->len - before > AUDIT_PARAMETERS_MAX) {
        out->len = before;
        out->data[before] = '\0';
        str_add(out, ",\"requestParameters\":{\"omitted\":\"too long\"}");
    }
}

static void add_resources(struct str *out, const struct audit_event *e)
{
    if (e->bytes_in)
        str_addf(out, ",\"additionalEventData\":{\"bytesTransferredIn\":%llu}",
                 (unsigned long long)e->bytes_in);
    if (!e->resource)
        return;
    str_add(out, ",\"resources\":[{");
    add_text(out, "type", e->resource_type);
    add_text(out, "ARN", e->resource);
    str_add(out, "}]");
}

void audit_line(struct str *ret, const struct audit_event *e, const char *event_id,
                int64_t now_ms)
{
    char time[CLOCK_ISO_SIZE];
    bool data = e->log == AUDIT_DATA;
    clock_format_iso(now_ms, true, time);
    str_addc(ret, '{');
    add_text(ret, "eventVersion", "1.08");
    add_identity(ret, e->who);
    add_text(ret, "eventTime", time);
    str_add(ret, ",\"eventSource\":\"");
    str_addf(ret, "%s.amazonaws.com\"", e->service);
    add_text(ret, "eventName", e->name);
    add_text(ret, "awsRegion", e->region);
    add_text(ret, "sourceIPAddress", e->who->source_ip);
    add_text(ret, "userAgent", e->who->user_agent);
    add_text(ret, "errorCode", e->error_code);
    add_text(ret, "errorMessage", e->error_text);
    add_parameters(ret, e);
    str_add(ret, ",\"responseElements\":null");
    add_resources(ret, e);
    add_text(ret, "requestID", e->request_id);
    add_text(ret, "eventID", event_id);
    add_bool(ret, "readOnly", e->reads);
    add_text(ret, "eventType", "AwsApiCall");
    add_bool(ret, "managementEvent", !data);
    add_text(ret, "recipientAccountId", e->who->account_id);
    add_text(ret, "eventCategory", data ? "Data" : "Management");
    str_add(ret, "}\n");
}

/* ---- calls ---- */

/* Of an item only the table is told. */
static void data_of(struct arena *a, const struct call *c, struct audit_event *e)
{
    const char *const *table;
    e->log = AUDIT_DATA;
    e->reads = str_starts(e->name, "Get") || str_starts(e->name, "BatchGet") ||
               streq(e->name, "Query") || streq(e->name, "Scan");
    e->shape = NULL;
    if (c->in &&
        wire_pick(a, c->operation->wire->input, c->in, "TableName", &table) == 1) {
        struct string_entry *p = LIST_PUSH(a, &e->parameters);
        *p = (struct string_entry){"tableName", table[0]};
    }
}

struct audit_event audit_event_of(struct arena *a, const struct call *c)
{
    const struct wire_service *service = c->target ? c->target->service : NULL;
    struct audit_event e = {.who = &c->who,
                            .service = service ? service->signing_name : "unknown",
                            .name = "Unknown",
                            .region = c->region,
                            .request_id = c->request_id};
    if (c->operation) {
        e.name = c->operation->wire->name;
        e.reads = c->operation->kind == OPERATION_READS;
        e.shape = c->operation->wire->input;
        e.in = c->in;
    }
    if (c->fault) {
        e.error_code = c->fault->code;
        e.error_text = c->fault_text;
    }
    if (c->operation && c->operation->kind == OPERATION_STREAMS)
        data_of(a, c, &e);
    return e;
}
