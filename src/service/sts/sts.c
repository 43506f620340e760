/* Temporary credentials: AssumeRole and its like, and who is who. Sessions themselves are
 * service/iam's (session.h). */
#include "sts.h"

#include <string.h>
#include <strings.h>

#include "access.h"
#include "arn.h"
#include "call.h"
#include "denial.h"
#include "iam.h"
#include "iam_id.h"
#include "iam_session.h"
#include "sts_api.h"
#include "sts_handlers.h"
#include "sts_session.h"

#define CHAINED_MAX_S    3600
#define DEFAULT_TOKEN_S  43200
#define ROOT_TOKEN_MAX_S 3600
#define INLINE_MAX       2048
#define POLICY_ARNS_MAX  10

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

/* The query protocol's own fault, which no model names. */
const struct wire_fault sts_validation_fault = {.code = "ValidationError",
                                                .status = 400,
                                                .sender = true};

int sts_refuse(struct call *c, const char *text)
{
    return call_fault(c, wire_denial_fault(c->target, WIRE_DENIED_BY_POLICY, NULL), "%s",
                      text);
}

int sts_get_access_key_info(struct call *c,
                            const struct sts_get_access_key_info_request *in,
                            struct sts_get_access_key_info_response *out)
{
    char account[IAM_ACCOUNT_SIZE];
    if (!iam_id_account(in->access_key_id, account))
        return call_fault(c, &sts_validation_fault,
                          "The access key id is not a valid one.");
    out->account = arena_strdup(&c->arena, account);
    return 0;
}

int sts_decode_authorization_message(
    struct call *c, const struct sts_decode_authorization_message_request *in,
    struct sts_decode_authorization_message_response *out)
{
    out->decoded_message = denial_decode(c, in->encoded_message);
    return out->decoded_message
               ? 0
               : call_fault(c, &sts_invalid_authorization_message_exception,
                            "Invalid authorization message");
}

/* ---- what sessions have in common ---- */

int sts_issue(struct call *c, const struct gantry_iam_session_record *what,
              struct sts_credentials **ret, struct opt_int *ret_packed)
{
    struct iam_credentials made;
    struct error err;
    int r = iam_session_issue(c->core, &c->arena, what, &made, &err);
    if (r == -E_LIMIT)
        return call_fault(c, &sts_packed_policy_too_large_exception, "%s", err.text);
    if (r < 0)
        return call_fault(c, &sts_malformed_policy_document_exception, "%s", err.text);
    struct sts_credentials *x = arena_new(&c->arena, struct sts_credentials);
    x->access_key_id = made.access_key_id;
    x->secret_access_key = made.secret_access_key;
    x->session_token = made.session_token;
    x->expiration = SET_TIME(made.expires_ms);
    *ret = x;
    if (ret_packed && (what->policy || what->policy_arns.n || what->tags.n))
        *ret_packed =
            SET_INT((int32_t)(strlen(made.session_token) * 100 / SESSION_TOKEN_MAX));
    return 0;
}

int sts_take_policies(struct call *c, const char *policy,
                      const struct sts_policy_descriptor_type_list *arns,
                      struct gantry_iam_session_record *rec)
{
    if (policy && strlen(policy) > INLINE_MAX)
        return call_fault(c, &sts_validation_fault,
                          "1 validation error detected: Value at 'policy' failed to "
                          "satisfy constraint: Member must have length less than or "
                          "equal to 2048");
    if (arns->n > POLICY_ARNS_MAX)
        return call_fault(c, &sts_validation_fault,
                          "The number of policy ARNs exceeds the limit of 10.");
    rec->policy = policy;
    for (size_t i = 0; i < arns->n; i++) {
        const char *arn = arns->v[i].arn;
        if (str_empty(arn) || !iam_policy_exists(c->core, rec->account, arn))
            return call_fault(c, &sts_validation_fault, "PolicyArn %s does not exist.",
                              arn ? arn : "");
        *LIST_PUSH(&c->arena, &rec->policy_arns) = arn;
    }
    return 0;
}

static int take_tags(struct call *c, const struct sts_tag_list *tags,
                     struct gantry_iam_session_record *rec)
{
    for (size_t i = 0; i < tags->n; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(tags->v[k].key, tags->v[i].key) == 0)
                return call_fault(c, &sts_validation_fault,
                                  "Duplicate tag keys found. Please note that Tag keys "
                                  "are case insensitive.");
        struct gantry_iam_session_tag *t = LIST_PUSH(&c->arena, &rec->tags);
        t->key = tags->v[i].key;
        t->value = tags->v[i].value;
    }
    return 0;
}

/* ---- AssumeRole ---- */

static bool is_chained(const struct call *c)
{
    return c->who.principal.type == PRINCIPAL_ROLE_SESSION;
}

static int check_duration(struct call *c, int64_t seconds, int32_t max)
{
    if (seconds > max)
        return call_fault(c, &sts_validation_fault,
                          "The requested DurationSeconds exceeds the MaxSessionDuration "
                          "set for this role.");
    if (is_chained(c) && seconds > CHAINED_MAX_S)
        return call_fault(
            c, &sts_validation_fault,
            "The requested DurationSeconds exceeds the 1 hour session limit "
            "for roles assumed by role chaining.");
    return 0;
}

/* Transitive tags of the caller's own session stay, whatever the request says. */
static void inherit_tags(struct call *c, struct gantry_iam_session_record *rec)
{
    const struct gantry_iam_session_record *old =
        is_chained(c) ? c->who.session->rec : NULL;
    for (size_t i = 0; old && i < old->transitive_tag_keys.n; i++) {
        const char *key = old->transitive_tag_keys.v[i];
        *LIST_PUSH(&c->arena, &rec->transitive_tag_keys) = key;
        for (size_t k = 0; k < old->tags.n; k++)
            if (strcasecmp(old->tags.v[k].key, key) == 0)
                *LIST_PUSH(&c->arena, &rec->tags) = old->tags.v[k];
    }
}

static int take_role_request(struct call *c, const struct sts_assume_role_request *in,
                             struct gantry_iam_session_record *rec)
{
    if (sts_take_policies(c, in->policy, &in->policy_arns, rec) < 0)
        return -1;
    inherit_tags(c, rec);
    if (take_tags(c, &in->tags, rec) < 0)
        return -1;
    for (size_t i = 0; i < in->transitive_tag_keys.n; i++)
        *LIST_PUSH(&c->arena, &rec->transitive_tag_keys) = in->transitive_tag_keys.v[i];
    rec->source_identity = in->source_identity;
    if (is_chained(c) && c->who.session->rec->source_identity)
        rec->source_identity = c->who.session->rec->source_identity;
    return 0;
}

struct sts_assumed_role_user *
sts_assumed_role(struct call *c, const struct iam_role_view *role, const char *name)
{
    struct sts_assumed_role_user *ret =
        arena_new(&c->arena, struct sts_assumed_role_user);
    ret->arn = call_printf(c, "arn:aws:sts::%s:assumed-role/%s/%s", role->account,
                           role->name, name);
    ret->assumed_role_id = call_printf(c, "%s:%s", role->id, name);
    return ret;
}

int sts_assume_role(struct call *c, const struct sts_assume_role_request *in,
                    struct sts_assume_role_response *out)
{
    struct iam_role_view role;
    if (!iam_role_view(c->core, in->role_arn, &role))
        return sts_refuse(c, "The role does not exist."); /* without a judge only */
    int64_t seconds =
        in->duration_seconds.set ? in->duration_seconds.v : STS_ROLE_DEFAULT_S;
    struct gantry_iam_session_record rec = {
        .kind = SESSION_OF_ROLE,
        .account = role.account,
        .entity_id = role.id,
        .name = in->role_session_name,
        .expires_at = SET_TIME(core_now_ms(c->core) + seconds * 1000),
    };
    if (check_duration(c, seconds, role.max_session_s) < 0 ||
        take_role_request(c, in, &rec) < 0 ||
        sts_issue(c, &rec, &out->credentials, &out->packed_policy_size) < 0)
        return -1;
    out->assumed_role_user = sts_assumed_role(c, &role, rec.name);
    out->source_identity = rec.source_identity;
    return 0;
}

/* ---- GetSessionToken, GetFederationToken ---- */

static bool is_root(const struct call *c)
{
    return c->who.principal.type == PRINCIPAL_ROOT;
}

/* Root's sessions last an hour at most, silently, as on AWS. */
static int64_t token_end(const struct call *c, struct opt_int seconds)
{
    int64_t s = seconds.set ? seconds.v : DEFAULT_TOKEN_S;
    if (is_root(c) && s > ROOT_TOKEN_MAX_S)
        s = ROOT_TOKEN_MAX_S;
    return core_now_ms(c->core) + s * 1000;
}

int sts_get_session_token(struct call *c, const struct sts_get_session_token_request *in,
                          struct sts_get_session_token_response *out)
{
    if (c->who.session)
        return sts_refuse(c, "Cannot call GetSessionToken with session credentials");
    if (in->serial_number || in->token_code)
        return sts_refuse(c, "MultiFactorAuthentication failed with invalid MFA one time "
                             "pass code.");
    const struct gantry_iam_session_record rec = {
        .kind = SESSION_OF_USER,
        .account = c->who.account_id,
        .entity_id = c->who.principal.id,
        .expires_at = SET_TIME(token_end(c, in->duration_seconds)),
    };
    return sts_issue(c, &rec, &out->credentials, NULL);
}

int sts_get_federation_token(struct call *c,
                             const struct sts_get_federation_token_request *in,
                             struct sts_get_federation_token_response *out)
{
    if (c->who.session)
        return sts_refuse(c, "Cannot call GetFederationToken with session credentials");
    struct gantry_iam_session_record rec = {
        .kind = SESSION_FEDERATED,
        .account = c->who.account_id,
        .entity_id = c->who.principal.id,
        .name = in->name,
        .expires_at = SET_TIME(token_end(c, in->duration_seconds)),
    };
    if (sts_take_policies(c, in->policy, &in->policy_arns, &rec) < 0 ||
        take_tags(c, &in->tags, &rec) < 0 ||
        sts_issue(c, &rec, &out->credentials, &out->packed_policy_size) < 0)
        return -1;
    out->federated_user = arena_new(&c->arena, struct sts_federated_user);
    out->federated_user->arn =
        call_printf(c, "arn:aws:sts::%s:federated-user/%s", rec.account, in->name);
    out->federated_user->federated_user_id =
        call_printf(c, "%s:%s", rec.account, in->name);
    return 0;
}
