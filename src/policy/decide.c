/* The evaluation logic; see policy.h. Rules: "Policy evaluation logic" of the IAM User
 * Guide. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "policy_private.h"
#include "str.h"

#define ACTION_MAX 160

/* A request as statements are asked. */
struct question {
    const struct policy_request *request;
    char service[ACTION_MAX]; /* lower case */
    const char *name;         /* behind its colon */
};

static bool question_init(struct question *q, const struct policy_request *request)
{
    size_t n = strlen(request->action);
    q->request = request;
    if (n >= sizeof(q->service))
        return false;
    for (size_t i = 0; i <= n; i++)
        q->service[i] = (char)tolower((unsigned char)request->action[i]);
    char *colon = strchr(q->service, ':');
    q->name = colon ? colon + 1 : "";
    if (colon)
        *colon = '\0';
    return true;
}

/* ---- parts of a statement ---- */

static bool glob_is(const struct glob *g, const char *text)
{
    return g->any || (g->plain ? streq(g->text, text) : glob_match(g->text, text));
}

static bool action_matches(const struct statement *s, const struct question *q)
{
    for (size_t i = 0; i < s->action_count; i++)
        if (glob_is(&s->actions[i].service, q->service) &&
            glob_is(&s->actions[i].name, q->name))
            return !s->not_action;
    return s->not_action;
}

static bool resource_matches(const struct statement *s, const struct question *q)
{
    char buf[GLOB_MAX];
    if (q->request->anywhere && !s->deny)
        return true;
    for (size_t i = 0; i < s->resource_count; i++) {
        const struct glob *g = &s->resources[i];
        if (g->any)
            return !s->not_resource;
        if (q->request->anywhere)
            continue;
        const char *text = glob_text(g, q->request->context, buf);
        if (text && glob_match(text, q->request->resource))
            return !s->not_resource;
    }
    return s->not_resource && !q->request->anywhere;
}

/* How directly a statement names the caller. */
enum grant { GRANT_NONE, GRANT_ACCOUNT, GRANT_ROLE, GRANT_DIRECT };

static enum grant grant_aws(const char *text, const struct policy_principal *p)
{
    if (streq(text, p->arn) || streq(text, p->id))
        return GRANT_DIRECT;
    return (p->role_arn && streq(text, p->role_arn)) ||
                   (p->role_id && streq(text, p->role_id))
               ? GRANT_ROLE
               : GRANT_NONE;
}

static enum grant grant_of(const struct principal_pattern *x,
                           const struct policy_principal *p)
{
    switch (x->form) {
    case FORM_ANY:
        return GRANT_DIRECT;
    case FORM_ACCOUNT:
        return p->account && streq(x->text, p->account) ? GRANT_ACCOUNT : GRANT_NONE;
    case FORM_AWS:
        return grant_aws(x->text, p);
    case FORM_SERVICE:
        return p->type == PRINCIPAL_SERVICE && streq(x->text, p->service) ? GRANT_DIRECT
                                                                          : GRANT_NONE;
    case FORM_FEDERATED:
        return p->type == PRINCIPAL_WEB_IDENTITY && streq(x->text, p->provider)
                   ? GRANT_DIRECT
                   : GRANT_NONE;
    case FORM_CANONICAL:
        break;
    }
    return GRANT_NONE;
}

static enum grant principal_grant(const struct statement *s,
                                  const struct policy_principal *p)
{
    enum grant best = GRANT_NONE;
    for (size_t i = 0; i < s->principal_count; i++) {
        enum grant g = grant_of(&s->principals[i], p);
        best = g > best ? g : best;
    }
    if (s->not_principal)
        return best == GRANT_NONE ? GRANT_DIRECT : GRANT_NONE;
    return best;
}

/* ---- a policy ---- */

struct finding {
    bool denied;
    enum grant grant; /* of the best Allow; GRANT_DIRECT for identity policies */
    const struct policy_source *source;
    size_t statement;
    const char *sid;
};

static void note(struct finding *f, const struct policy_source *source, size_t i)
{
    f->source = source;
    f->statement = i;
    f->sid = source->policy->statements[i].sid;
}

/* How directly it grants, or denies. */
static enum grant statement_says(const struct policy *p, const struct statement *s,
                                 const struct question *q)
{
    enum grant g = GRANT_DIRECT;
    if (!action_matches(s, q))
        return GRANT_NONE;
    if (p->kind != POLICY_IDENTITY)
        g = principal_grant(s, q->request->principal);
    if (g == GRANT_NONE || (p->kind != POLICY_TRUST && !resource_matches(s, q)) ||
        !conditions_hold(s, q->request->context))
        return GRANT_NONE;
    return g;
}

/* Adds what `source` says to *f; true when it denies, which ends everything. */
static bool consult(const struct policy_source *source, const struct question *q,
                    struct finding *f)
{
    const struct policy *p = source->policy;
    for (size_t i = 0; i < p->statement_count; i++) {
        const struct statement *s = &p->statements[i];
        if (!s->deny && f->grant == GRANT_DIRECT)
            continue;
        enum grant g = statement_says(p, s, q);
        if (g == GRANT_NONE)
            continue;
        if (s->deny) {
            f->denied = true;
            note(f, source, i);
            return true;
        }
        if (g > f->grant) {
            f->grant = g;
            note(f, source, i);
        }
    }
    return false;
}

/* ---- all of them ---- */

struct findings {
    struct finding identity, session, boundary, resource;
};

static bool deny(struct policy_decision *ret, enum policy_reason reason,
                 const struct finding *f)
{
    *ret = (struct policy_decision){.verdict = f && f->denied ? POLICY_EXPLICIT_DENY
                                                              : POLICY_IMPLICIT_DENY,
                                    .reason = reason};
    if (f && f->denied) {
        ret->source = f->source;
        ret->statement = f->statement;
        ret->sid = f->sid;
    }
    return true;
}

static void allow(struct policy_decision *ret, enum policy_reason reason,
                  const struct finding *f)
{
    *ret = (struct policy_decision){.verdict = POLICY_ALLOW,
                                    .reason = reason,
                                    .source = f->source,
                                    .statement = f->statement,
                                    .sid = f->sid};
}

static bool denied_by_any(const struct policy_set *set, const struct question *q,
                          struct findings *f, struct policy_decision *ret)
{
    for (size_t i = 0; i < set->identity_count; i++)
        if (consult(&set->identity[i], q, &f->identity))
            return deny(ret, POLICY_BY_IDENTITY, &f->identity);
    if (set->boundary && consult(set->boundary, q, &f->boundary))
        return deny(ret, POLICY_BY_BOUNDARY, &f->boundary);
    for (size_t i = 0; i < set->session_count; i++)
        if (consult(&set->session[i], q, &f->session))
            return deny(ret, POLICY_BY_SESSION, &f->session);
    if (set->resource && consult(set->resource, q, &f->resource))
        return deny(ret, POLICY_BY_RESOURCE, &f->resource);
    return false;
}

/* Boundary and session policies only ever take away. */
static bool is_bounded(const struct policy_set *set, const struct findings *f,
                       struct policy_decision *ret)
{
    if (set->session_count && !f->session.grant)
        return deny(ret, POLICY_BY_SESSION, NULL);
    if (set->boundary && !f->boundary.grant)
        return deny(ret, POLICY_BY_BOUNDARY, NULL);
    return false;
}

static bool is_foreign(const struct policy_request *r)
{
    return r->resource_account && r->principal->account &&
           !streq(r->resource_account, r->principal->account);
}

/* Those who have no identity policies: what the resource says is all there is. */
static bool has_no_identity(const struct policy_principal *p)
{
    return p->type == PRINCIPAL_ANONYMOUS || p->type == PRINCIPAL_SERVICE ||
           p->type == PRINCIPAL_WEB_IDENTITY;
}

static void decide_own(const struct policy_request *r, const struct policy_set *set,
                       const struct findings *f, struct policy_decision *ret)
{
    enum grant g = f->resource.grant;
    if (g == GRANT_DIRECT) {
        allow(ret, POLICY_BY_RESOURCE, &f->resource);
    } else if (r->must_be_trusted && g == GRANT_NONE) {
        deny(ret, POLICY_BY_RESOURCE, NULL);
    } else if (g == GRANT_ROLE) {
        if (!is_bounded(set, f, ret))
            allow(ret, POLICY_BY_RESOURCE, &f->resource);
    } else if (r->principal->type == PRINCIPAL_ROOT) {
        *ret = (struct policy_decision){POLICY_ALLOW, POLICY_BY_ROOT, NULL, 0, NULL};
    } else if (!f->identity.grant) {
        deny(ret, POLICY_BY_IDENTITY, NULL);
    } else if (!is_bounded(set, f, ret)) {
        allow(ret, POLICY_BY_IDENTITY, &f->identity);
    }
}

static void decide_foreign(const struct policy_request *r, const struct policy_set *set,
                           const struct findings *f, struct policy_decision *ret)
{
    bool root = r->principal->type == PRINCIPAL_ROOT;
    if (!root && !f->identity.grant)
        deny(ret, POLICY_BY_IDENTITY, NULL);
    else if (!f->resource.grant)
        deny(ret, POLICY_BY_RESOURCE, NULL);
    else if (!is_bounded(set, f, ret))
        allow(ret, POLICY_BY_RESOURCE, &f->resource);
}

void policy_decide(const struct policy_request *request, const struct policy_set *set,
                   struct policy_decision *ret)
{
    struct question q;
    struct findings f = {0};
    deny(ret, POLICY_BY_IDENTITY, NULL);
    if (!question_init(&q, request) || denied_by_any(set, &q, &f, ret))
        return;
    if (has_no_identity(request->principal)) {
        if (f.resource.grant)
            allow(ret, POLICY_BY_RESOURCE, &f.resource);
        else
            deny(ret, POLICY_BY_RESOURCE, NULL);
    } else if (is_foreign(request)) {
        decide_foreign(request, set, &f, ret);
    } else {
        decide_own(request, set, &f, ret);
    }
}

enum policy_verdict policy_ask(const struct policy_source *source,
                               const struct policy_request *request,
                               struct policy_decision *ret)
{
    struct question q;
    struct finding f = {0};
    deny(ret, POLICY_BY_IDENTITY, NULL);
    if (!question_init(&q, request))
        return POLICY_IMPLICIT_DENY;
    if (consult(source, &q, &f))
        deny(ret, POLICY_BY_IDENTITY, &f);
    else if (f.grant)
        allow(ret, POLICY_BY_IDENTITY, &f);
    return ret->verdict;
}

size_t policy_next_match(const struct policy *policy,
                         const struct policy_request *request,
                         enum policy_verdict verdict, size_t from)
{
    struct question q;
    if (!question_init(&q, request))
        return SIZE_MAX;
    for (size_t i = from; i < policy->statement_count; i++) {
        const struct statement *s = &policy->statements[i];
        if (s->deny == (verdict == POLICY_EXPLICIT_DENY) &&
            statement_says(policy, s, &q) != GRANT_NONE)
            return i;
    }
    return SIZE_MAX;
}

/* ---- words ---- */

void policy_reason_add(struct str *ret, const struct policy_decision *d,
                       const char *action)
{
    static const char *const kinds[] = {
        [POLICY_BY_IDENTITY] = "identity-based policy",
        [POLICY_BY_RESOURCE] = "resource-based policy",
        [POLICY_BY_BOUNDARY] = "permissions boundary",
        [POLICY_BY_SESSION] = "session policy",
        [POLICY_BY_ROOT] = "identity-based policy",
    };
    const char *kind = kinds[d->reason];
    if (d->verdict == POLICY_EXPLICIT_DENY)
        str_addf(ret, "with an explicit deny in %s %s",
                 d->reason == POLICY_BY_IDENTITY ? "an" : "a", kind);
    else
        str_addf(ret, "because no %s allows the %s action", kind, action);
}
