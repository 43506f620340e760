/* AssumeRoleWithWebIdentity: nobody signs the call; the token in it says who calls, signed by
 * an OpenID Connect provider that the role's account believes.
 *
 * The handler runs twice: first it finds the provider and hands the token to a worker
 * (web_keys.h), then it decides. */
#include <string.h>

#include "access.h"
#include "iam_session.h"
#include "sts_handlers.h"
#include "sts_session.h"
#include "web_keys.h"

#define SKEW_S (5 * 60) /* clocks of providers are not ours */

#define NO_KEY                                                                           \
    "Couldn't retrieve verification key from your identity provider,  please reference " \
    "AssumeRoleWithWebIdentity documentation for requirements"
#define NOT_AUTHORIZED "Not authorized to perform sts:AssumeRoleWithWebIdentity"

static const char service_key;

static void state_free(void *state)
{
    web_keys_free(state);
}

void sts_attach(struct core *core, const struct sts_web *web)
{
    core_set_service(core, &service_key, web_keys_new(web), state_free);
}

/* ---- the token ---- */

static void prepare(struct call *c)
{
    web_question_answer(&c->arena, c->prepared);
}

static int invalid(struct call *c, const char *text)
{
    return call_fault(c, &sts_invalid_identity_token_exception, "%s", text);
}

static int question_begin(struct call *c, const struct iam_role_view *role,
                          const char *token)
{
    struct iam_provider_view provider;
    struct error err;
    struct web_question *q = arena_new(&c->arena, struct web_question);
    if (jwt_parse(&c->arena, token, &q->token, &err) < 0)
        return invalid(c, str_starts(err.text, "Missing a required claim")
                              ? err.text
                              : "The ID Token provided is not a valid JWT. (You may see "
                                "this error if you sent an Access Token)");
    if (!iam_provider_view(c->core, role->account, q->token.issuer, &provider))
        return call_fault(c, &sts_invalid_identity_token_exception,
                          "No OpenIDConnect provider found in your account for %s",
                          q->token.issuer);
    q->keys = core_service(c->core, &service_key);
    q->provider_arn = arena_strdup(&c->arena, provider.arn);
    q->name = arena_strdup(&c->arena, provider.name);
    q->local = provider.local;
    for (size_t i = 0; i < provider.thumbprints->n; i++)
        *LIST_PUSH(&c->arena, &q->thumbprints) =
            arena_strdup(&c->arena, provider.thumbprints->v[i]);
    web_question_begin(c, q);
    c->prepared = q;
    c->prepare = prepare;
    return 0;
}

static int check_answer(struct call *c, const struct web_question *q)
{
    switch (-q->result) {
    case E_OK:
        return 0;
    case E_DENIED:
        return invalid(c, "The signature of the web identity token is not valid");
    case E_NOTFOUND:
    case E_INVALID:
        return invalid(c, NO_KEY);
    default:
        return call_fault(c, &sts_idp_communication_error_exception,
                          "The identity provider could not be reached: %s", q->why.text);
    }
}

static int check_time(struct call *c, const struct jwt *t)
{
    int64_t now = core_now_ms(c->core) / 1000;
    if (now >= t->expires_s)
        return call_fault(c, &sts_expired_token_exception,
                          "Token expired: current date/time %lld must be before the "
                          "expiration date/time %lld",
                          (long long)now, (long long)t->expires_s);
    if (t->issued_s > now + SKEW_S || t->not_before_s > now + SKEW_S)
        return invalid(c, "The web identity token is not valid yet");
    return 0;
}

static bool has(const struct string_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (streq(list->v[i], text))
            return true;
    return false;
}

/* Whom it was made for: the party that asked for it, when it says so, else one of its
 * audiences that the account has registered. NULL: none. */
static const char *audience_of(const struct jwt *t, const struct string_list *client_ids)
{
    if (t->authorized_party)
        return has(client_ids, t->authorized_party) ? t->authorized_party : NULL;
    for (size_t i = 0; i < t->audience.n; i++)
        if (has(client_ids, t->audience.v[i]))
            return t->audience.v[i];
    return NULL;
}

/* ---- the role ---- */

/* The trust policy alone decides: who comes with a token has no policies. */
static bool is_trusted(struct call *c, const struct iam_role_view *role,
                       const struct web_question *q, const char *audience)
{
    const struct jwt *t = &q->token;
    const char *const subject[] = {t->subject}, *const aud[] = {audience},
                      *const arn[] = {q->provider_arn};
    const struct access_value values[] = {
        {"aws:FederatedProvider", {arn, 1, false}},
        {call_printf(c, "%s:sub", q->name), {subject, 1, false}},
        {call_printf(c, "%s:aud", q->name), {aud, 1, false}},
        {call_printf(c, "%s:amr", q->name), {t->amr.v, t->amr.n, true}},
        {call_printf(c, "%s:oaud", q->name),
         {t->audience.v, t->authorized_party ? t->audience.n : 0, t->audience.n > 1}},
    };
    c->who.principal = (struct policy_principal){.type = PRINCIPAL_WEB_IDENTITY,
                                                 .provider = q->provider_arn};
    const struct access question = {
        .action = "sts:AssumeRoleWithWebIdentity",
        .resource = role->arn,
        .resource_account = role->account,
        .resource_policy = role->trust,
        .must_be_trusted = true,
        .values = values,
        .value_count = sizeof(values) / sizeof(values[0]),
    };
    return access_permits(c->core, &c->arena, &c->who, c, &question, NULL);
}

static int refuse(struct call *c)
{
    c->denied = true;
    return sts_refuse(c, NOT_AUTHORIZED);
}

static int session_issue(struct call *c, const struct iam_role_view *role,
                         const struct web_question *q,
                         const struct sts_assume_role_with_web_identity_request *in,
                         struct sts_assume_role_with_web_identity_response *out)
{
    int64_t seconds =
        in->duration_seconds.set ? in->duration_seconds.v : STS_ROLE_DEFAULT_S;
    struct gantry_iam_session_record rec = {
        .kind = SESSION_OF_ROLE,
        .account = role->account,
        .entity_id = role->id,
        .name = in->role_session_name,
        .provider = q->provider_arn,
        .expires_at = SET_TIME(core_now_ms(c->core) + seconds * 1000),
    };
    if (seconds > role->max_session_s)
        return call_fault(c, &sts_validation_fault,
                          "The requested DurationSeconds exceeds the MaxSessionDuration "
                          "set for this role.");
    if (sts_take_policies(c, in->policy, &in->policy_arns, &rec) < 0)
        return -1;
    return sts_issue(c, &rec, &out->credentials, &out->packed_policy_size);
}

static int decide(struct call *c, const struct iam_role_view *role,
                  const struct web_question *q,
                  const struct sts_assume_role_with_web_identity_request *in,
                  struct sts_assume_role_with_web_identity_response *out)
{
    struct iam_provider_view provider;
    web_question_end(c, q);
    if (check_answer(c, q) < 0 || check_time(c, &q->token) < 0)
        return -1;
    /* The provider may have gone meanwhile. */
    const char *audience =
        iam_provider_view(c->core, role->account, q->token.issuer, &provider)
            ? audience_of(&q->token, provider.client_ids)
            : NULL;
    if (!audience)
        return invalid(c, "Incorrect token audience");
    if (!is_trusted(c, role, q, audience))
        return refuse(c);
    if (session_issue(c, role, q, in, out) < 0)
        return -1;
    out->assumed_role_user = sts_assumed_role(c, role, in->role_session_name);
    out->subject_from_web_identity_token = q->token.subject;
    out->provider = q->token.issuer;
    out->audience = audience;
    return 0;
}

int sts_assume_role_with_web_identity(
    struct call *c, const struct sts_assume_role_with_web_identity_request *in,
    struct sts_assume_role_with_web_identity_response *out)
{
    struct iam_role_view role;
    if (in->provider_id)
        return call_fault(c, &sts_validation_fault,
                          "ProviderId is for access tokens of OAuth 2.0, which this "
                          "gantry does not take.");
    if (!iam_role_view(c->core, in->role_arn, &role))
        return refuse(c);
    if (!c->prepared)
        return question_begin(c, &role, in->web_identity_token);
    return decide(c, &role, c->prepared, in, out);
}
