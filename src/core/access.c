/* Questions of a call's row, and what the judge says of them; see access.h. */
#include "access.h"

#include <string.h>
#include <strings.h>

#include "access_context.h"
#include "arn.h"
#include "call.h"
#include "core_private.h"
#include "denial.h"
#include "str.h"

void core_set_judge(struct core *core, const struct access_judge *judge)
{
    core->judge = judge;
}

/* ---- one question ---- */

bool access_decide(struct core *core, struct arena *a, const struct identity *who,
                   struct call *call, struct access *q, struct policy_decision *ret)
{
    *ret = (struct policy_decision){.verdict = POLICY_ALLOW, .reason = POLICY_BY_ROOT};
    if (!core->judge)
        return true;
    if (!q->resource_policy && call && call->access && call->access->policy)
        q->resource_policy = call->access->policy(core, q->resource);
    /* What has no policies of its own is never another account's: its service does not find
     * it there. */
    bool may_be_foreign =
        q->resource_policy || (call && call->access && call->access->policy);
    if (!q->resource_account && !may_be_foreign)
        q->resource_account = who->account_id;
    struct access_context ctx;
    access_context_init(&ctx, core, a, who, call, q);
    *ret = (struct policy_decision){0};
    return core->judge->decide(core, who, q, &ctx.base, ret);
}

/* S3 quotes the resource; AssumeRole does not say why. */
const char *access_sentence(struct arena *a, const struct identity *who,
                            const struct access *q, const struct policy_decision *d)
{
    AUTO_STR text = STR_INIT;
    const char *quote = str_starts(q->action, "s3:") ? "\"" : "";
    str_addf(&text, "User: %s is not authorized to perform: %s on resource: %s%s%s",
             who->arn ? who->arn : "anonymous", q->action, quote, q->resource, quote);
    if (!streq(q->action, "sts:AssumeRole")) {
        str_addc(&text, ' ');
        policy_reason_add(&text, d, q->action);
    }
    return arena_strdup(a, text.data);
}

bool access_permits(struct core *core, struct arena *a, const struct identity *who,
                    struct call *call, const struct access *question,
                    const char **ret_text)
{
    struct access q = *question;
    struct policy_decision d;
    if (access_decide(core, a, who, call, &q, &d))
        return true;
    if (ret_text)
        *ret_text = access_sentence(a, who, &q, &d);
    return false;
}

int access_check(struct call *call, const struct access *question)
{
    struct access q = *question;
    struct policy_decision d;
    if (access_decide(call->core, &call->arena, &call->who, call, &q, &d))
        return 0;
    call->denied = true;
    const char *text = access_sentence(&call->arena, &call->who, &q, &d);
    const struct wire_fault *fault =
        wire_denial_fault(call->target, WIRE_DENIED_BY_POLICY, NULL);
    if (!str_starts(q.action, "ec2:"))
        return call_fault(call, fault, "%s", text);
    return call_fault(call, fault,
                      "You are not authorized to perform this operation. %s. Encoded "
                      "authorization failure message: %s",
                      text, denial_encode(call, &q, &d));
}

/* ---- a row ---- */

static bool is_among(const char *const *v, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (streq(v[i], text))
            return true;
    return false;
}

static void add_type(struct call *call, const char *type, struct string_list *ret)
{
    const struct access_service *s = call->access;
    for (const struct access_rule *r = s->resources; r && r->name; r++) {
        const char *const *arns;
        if (!streq(r->name, type))
            continue;
        size_t n = access_pattern_expand(call, r->pattern, &arns);
        for (size_t i = 0; i < n; i++) {
            const char *arn = s->resolve ? s->resolve(call, type, arns[i]) : arns[i];
            if (!is_among(ret->v, ret->n, arn))
                *LIST_PUSH(&call->arena, ret) = arn;
        }
    }
}

static int check_resources(struct call *call)
{
    const struct operation *op = call->operation;
    struct string_list arns = {0};
    for (const char *const *type = op->resources; type && *type; type++)
        add_type(call, *type, &arns);
    if (arns.n == 0)
        *LIST_PUSH(&call->arena, &arns) = "*";
    for (size_t i = 0; i < arns.n; i++) {
        const struct access q = {.action = op->action, .resource = arns.v[i]};
        if (access_check(call, &q) < 0)
            return -1;
    }
    return 0;
}

static int check_pass(struct call *call, const struct access_pass *pass)
{
    const char *const *roles;
    size_t n = access_pattern_expand(call, pass->pattern, &roles);
    const struct access_value to = {"iam:PassedToService", {.v = &pass->service, .n = 1}};
    for (size_t i = 0; i < n; i++) {
        struct arn arn;
        const struct access q = {.action = "iam:PassRole",
                                 .resource = roles[i],
                                 .resource_account =
                                     arn_parse(&call->arena, roles[i], &arn) ? arn.account
                                                                             : NULL,
                                 .values = &to,
                                 .value_count = 1};
        if (access_check(call, &q) < 0)
            return -1;
    }
    return 0;
}

int access_check_row(struct call *call)
{
    const struct access_service *s = call->access;
    if (!call->core->judge || !s || !call->operation->action)
        return 0;
    int r = s->ask ? s->ask(call, call->in) : 1;
    if (r > 0)
        r = check_resources(call);
    for (const struct access_pass *p = s->passes; r == 0 && p && p->pattern; p++)
        r = check_pass(call, p);
    return r;
}
