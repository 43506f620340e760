/* GET /gantry/v1/policy: who decides about a request that nobody makes, see policy_page.h. */
#include "policy_page.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "arn.h"
#include "iam.h"
#include "json.h"

#define VALUES_MAX 32

struct policy_call {
    struct core_task task;
    struct arena arena;
    struct server *server;
    struct http_request *req;
    struct credentials credentials;
    const char *principal, *action, *resource;
    struct access_value values[VALUES_MAX];
    size_t value_count;
    int status;
    const char *text;
};

static void deliver(struct outbound *out)
{
    struct policy_call *c = list_entry(out, struct policy_call, task.reply);
    http_reply_text(c->req, c->status, c->text);
    arena_free(&c->arena);
    free(c);
}

static void add_text(struct str *out, const char *name, const char *value)
{
    str_addf(out, ",\"%s\":", name);
    if (value)
        json_add_string(out, value);
    else
        str_add(out, "null");
}

static const char *answer(struct policy_call *c, const struct identity *who,
                          const struct access *q, const struct policy_decision *d)
{
    static const char *const verdicts[] = {[POLICY_ALLOW] = "allowed",
                                           [POLICY_EXPLICIT_DENY] = "explicitDeny",
                                           [POLICY_IMPLICIT_DENY] = "implicitDeny"};
    static const char *const kinds[] = {[POLICY_BY_IDENTITY] = "identity-based policy",
                                        [POLICY_BY_RESOURCE] = "resource-based policy",
                                        [POLICY_BY_BOUNDARY] = "permissions boundary",
                                        [POLICY_BY_SESSION] = "session policy",
                                        [POLICY_BY_ROOT] = "root of the account"};
    AUTO_STR out = STR_INIT;
    str_addf(&out, "{\"decision\":\"%s\"", verdicts[d->verdict]);
    add_text(&out, "by", kinds[d->reason]);
    add_text(&out, "policy", d->source ? d->source->name : NULL);
    add_text(&out, "sid", d->sid);
    str_addf(&out, ",\"statement\":%s",
             d->source ? policy_statement_text(d->source->policy, d->statement) : "null");
    add_text(&out, "message",
             d->verdict == POLICY_ALLOW ? NULL : access_sentence(&c->arena, who, q, d));
    str_add(&out, "}");
    return arena_strdup(&c->arena, out.data);
}

/* The policy of what the ARN names, if its service has such. */
static const struct policy_source *resource_policy(const struct policy_call *c,
                                                   struct core *core)
{
    struct arn arn;
    const struct server *s = c->server;
    if (!arn_parse(core_scratch(core), c->resource, &arn))
        return NULL;
    for (size_t i = 0; i < s->api.service_count; i++)
        if (streq(s->services[i].wire->signing_name, arn.service) &&
            s->services[i].access && s->services[i].access->policy)
            return s->services[i].access->policy(core, c->resource);
    return NULL;
}

static int explain(struct core *core, struct policy_call *c)
{
    struct identity caller, who;
    struct policy_decision d;
    if (!auth_permits(&c->server->auth, core, &c->arena, &c->credentials,
                      "iam:SimulatePrincipalPolicy", c->principal, &caller, &c->text))
        return 403;
    if (!iam_identity_of(core, &c->arena, c->principal, &who)) {
        c->text = arena_printf(&c->arena, "no user, role or root '%s'\n", c->principal);
        return 404;
    }
    struct access q = {.action = c->action,
                       .resource = c->resource,
                       .resource_policy = resource_policy(c, core),
                       .values = c->values,
                       .value_count = c->value_count};
    (void)access_decide(core, &c->arena, &who, NULL, &q, &d);
    c->text = answer(c, &who, &q, &d);
    return 200;
}

static void run(struct core *core, struct core_task *task)
{
    struct policy_call *c = list_entry(task, struct policy_call, task);
    c->status = explain(core, c);
    c->task.reply.deliver = deliver;
    core_send(core, &c->task.reply);
}

/* "key=name=value" as often as needed. */
static void take_values(struct policy_call *c, const char *query)
{
    for (const char *p = query; p && c->value_count < VALUES_MAX;
         p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL) {
        if (!str_starts(p, "key="))
            continue;
        const char *one = query_parameter(&c->arena, p, "key");
        const char *equals = one ? strchr(one, '=') : NULL;
        if (!equals)
            continue;
        const char **v = arena_new(&c->arena, const char *);
        v[0] = equals + 1;
        c->values[c->value_count++] = (struct access_value){
            arena_strndup(&c->arena, one, (size_t)(equals - one)), {.v = v, .n = 1}};
    }
}

void policy_page_open(struct server *s, struct http_request *req)
{
    struct policy_call *c = xcalloc(1, sizeof(*c));
    c->server = s;
    c->req = req;
    c->principal = query_parameter(&c->arena, req->query, "principal");
    c->action = query_parameter(&c->arena, req->query, "action");
    c->resource = query_parameter(&c->arena, req->query, "resource");
    if (str_empty(c->resource))
        c->resource = "*";
    if (str_empty(c->principal) || str_empty(c->action) || !strchr(c->action, ':')) {
        http_reply_text(req, 400, "principal and action (service:Name) must be given.\n");
        arena_free(&c->arena);
        free(c);
        return;
    }
    take_values(c, req->query);
    api_read_credentials(&c->arena, req, &c->credentials);
    c->task.run = run;
    shell_submit(s->shell, &c->task);
}
