/* Who decides about calls: the caller's policies, its session's, its boundary, and the
 * resource's, put before src/policy. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "iam_policy.h"
#include "iam_session.h"
#include "judge.h"

#define SESSION_POLICIES_MAX 11 /* one inline, ten managed */

static struct iam_entity *entity_of(const struct core *core, const struct identity *who)
{
    const struct policy_principal *p = &who->principal;
    switch (p->type) {
    case PRINCIPAL_USER:
        return iam_entity_by_id(core, p->id);
    case PRINCIPAL_ROLE_SESSION:
    case PRINCIPAL_FEDERATED_USER:
        return p->role_id ? iam_entity_by_id(core, p->role_id) : NULL;
    default:
        return NULL;
    }
}

/* A policy that allows nothing. */
static struct policy_source nothing_of(const struct core *core)
{
    return (struct policy_source){iam_of(core)->nothing, "nothing"};
}

/* A managed policy that is gone allows nothing: an empty one stands for it. */
static size_t session_policies(struct core *core, const struct iam_session *s,
                               struct policy_source ret[SESSION_POLICIES_MAX])
{
    size_t n = 0;
    if (s->policy)
        ret[n++] = s->source;
    for (size_t i = 0; i < s->rec->policy_arns.n && n < SESSION_POLICIES_MAX; i++) {
        const struct iam_managed_policy *p =
            iam_policy_find(core, s->rec->account, s->rec->policy_arns.v[i]);
        ret[n++] = p ? p->source : nothing_of(core);
    }
    return n;
}

/* Sessions without MFA of users and federated users may not call IAM, and of STS only what
 * tells who they are and AssumeRole. */
static bool session_forbids(const struct identity *who, const char *action)
{
    const struct iam_session *s = who->session;
    if (!s || streq(s->rec->kind, SESSION_OF_ROLE))
        return false;
    if (strncasecmp(action, "sts:", 4) == 0)
        return !streq(action, "sts:GetCallerIdentity") &&
               (streq(s->rec->kind, SESSION_FEDERATED) ||
                !streq(action, "sts:AssumeRole"));
    return strncasecmp(action, "iam:", 4) == 0 && !streq(action, "iam:PassRole");
}

static const char *owner_of(struct arena *a, const struct access *q)
{
    struct arn arn;
    if (q->resource_account)
        return q->resource_account;
    return arn_parse(a, q->resource, &arn) && strlen(arn.account) == 12 &&
                   strspn(arn.account, "0123456789") == 12
               ? arn.account
               : NULL;
}

static bool decide(struct core *core, const struct identity *who, const struct access *q,
                   const struct policy_context *context, struct policy_decision *ret)
{
    struct policy_source session[SESSION_POLICIES_MAX];
    struct iam_entity *e = entity_of(core, who);
    struct policy_set set = {.resource = q->resource_policy, .session = session};
    if (e) {
        set.identity = iam_policies_of(e, &set.identity_count);
        set.boundary = iam_boundary_of(e);
    }
    if (who->session)
        set.session_count = session_policies(core, who->session, session);
    /* Federated users have no more than their session gives; those of root, just that. */
    if (who->principal.type == PRINCIPAL_FEDERATED_USER) {
        if (set.session_count == 0)
            session[set.session_count++] = nothing_of(core);
        if (!e) {
            set.identity = session;
            set.identity_count = set.session_count;
        }
    }
    const struct policy_request request = {
        .principal = &who->principal,
        .action = q->action,
        .resource = q->resource,
        .resource_account = owner_of(core_scratch(core), q),
        .context = context,
        .must_be_trusted = q->must_be_trusted,
        .anywhere = q->anywhere,
    };
    policy_decide(&request, &set, ret);
    if (ret->verdict == POLICY_ALLOW && session_forbids(who, q->action))
        *ret = (struct policy_decision){.verdict = POLICY_IMPLICIT_DENY,
                                        .reason = POLICY_BY_SESSION};
    return ret->verdict == POLICY_ALLOW;
}

/* ---- keys about the caller ---- */

static bool one(struct arena *a, const char *text, struct policy_values *ret)
{
    if (!text)
        return false;
    const char **v = arena_new(a, const char *);
    v[0] = text;
    *ret = (struct policy_values){.v = v, .n = 1};
    return true;
}

static const char *type_of(const struct identity *who)
{
    switch (who->principal.type) {
    case PRINCIPAL_ROOT:
        return "Account";
    case PRINCIPAL_USER:
        return "User";
    case PRINCIPAL_ROLE_SESSION:
        return "AssumedRole";
    case PRINCIPAL_FEDERATED_USER:
        return "FederatedUser";
    case PRINCIPAL_ANONYMOUS:
    case PRINCIPAL_WEB_IDENTITY:
        return "Anonymous";
    case PRINCIPAL_SERVICE:
        break;
    }
    return NULL;
}

static const char *principal_tag(const struct core *core, const struct identity *who,
                                 const char *name)
{
    const struct iam_session *s = who->session;
    for (size_t i = 0; s && i < s->rec->tags.n; i++)
        if (strcasecmp(s->rec->tags.v[i].key, name) == 0)
            return s->rec->tags.v[i].value ? s->rec->tags.v[i].value : "";
    const struct iam_entity *e = entity_of(core, who);
    return e ? iam_tag_of(e, name) : NULL;
}

static bool session_key(struct arena *a, const struct iam_session *s, const char *key,
                        struct policy_values *ret)
{
    char text[CLOCK_ISO_SIZE];
    if (streq(key, "aws:multifactorauthpresent"))
        return one(a, "false", ret);
    if (streq(key, "aws:sourceidentity"))
        return one(a, s->rec->source_identity, ret);
    if (streq(key, "aws:federatedprovider"))
        return one(a, s->rec->provider, ret);
    if (!streq(key, "aws:tokenissuetime"))
        return false;
    clock_format_iso(s->rec->issued_at.v, true, text);
    return one(a, arena_strdup(a, text), ret);
}

static bool key(struct core *core, struct arena *a, const struct identity *who,
                const char *name, struct policy_values *ret)
{
    const struct policy_principal *p = &who->principal;
    bool service = p->type == PRINCIPAL_SERVICE;
    if (streq(name, "aws:principalarn"))
        return one(a, p->type == PRINCIPAL_ROLE_SESSION ? p->role_arn : p->arn, ret);
    if (streq(name, "aws:principalaccount"))
        return one(a, p->account, ret);
    if (streq(name, "aws:principaltype"))
        return one(a, type_of(who), ret);
    if (streq(name, "aws:userid"))
        return one(a, who->user_id, ret);
    if (streq(name, "aws:username"))
        return p->type == PRINCIPAL_USER &&
               one(a, iam_entity_by_id(core, p->id)->rec->name, ret);
    if (streq(name, "aws:principalisawsservice"))
        return one(a, service ? "true" : "false", ret);
    if (streq(name, "aws:principalservicename"))
        return service && one(a, p->service, ret);
    if (streq(name, "aws:viaawsservice"))
        return one(a, "false", ret);
    if (str_starts(name, "aws:principaltag/"))
        return one(a, principal_tag(core, who, strchr(name, '/') + 1), ret);
    return who->session && session_key(a, who->session, name, ret);
}

const struct access_judge iam_judge = {.decide = decide, .key = key};
