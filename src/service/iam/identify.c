/* Whose key is it: a user's, an account's root's, or a session's. */
#include "iam_policy.h"

#include "iam_session.h"

static void identify_root(struct arena *a, const char *account, struct identity *ret)
{
    ret->account_id = account;
    ret->arn = arena_printf(a, "arn:aws:iam::%s:root", account);
    ret->user_id = account;
    ret->principal = (struct policy_principal){
        .type = PRINCIPAL_ROOT, .account = account, .arn = ret->arn, .id = account};
}

static void identify_user(const struct iam_user_entity *user, struct identity *ret)
{
    ret->account_id = user->e.account->id;
    ret->arn = user->e.arn;
    ret->user_id = user->e.id;
    ret->principal = (struct policy_principal){.type = PRINCIPAL_USER,
                                               .account = ret->account_id,
                                               .arn = user->e.arn,
                                               .id = user->e.id};
}

static bool identify_role(struct core *core, struct arena *a,
                          const struct gantry_iam_session_record *rec,
                          struct identity *ret)
{
    struct iam_entity *e = iam_entity_by_id(core, rec->entity_id);
    if (!e || e->kind != IAM_ROLE)
        return false;
    ret->account_id = e->account->id;
    ret->arn = arena_printf(a, "arn:aws:sts::%s:assumed-role/%s/%s", ret->account_id,
                            e->rec->name, rec->name);
    ret->user_id = arena_printf(a, "%s:%s", e->id, rec->name);
    ret->principal = (struct policy_principal){.type = PRINCIPAL_ROLE_SESSION,
                                               .account = ret->account_id,
                                               .arn = ret->arn,
                                               .role_arn = e->arn,
                                               .id = ret->user_id,
                                               .role_id = e->id};
    return true;
}

/* Sessions of users and of root: themselves, or a federated user with a name of its own. */
static bool identify_user_session(struct core *core, struct arena *a,
                                  const struct gantry_iam_session_record *rec,
                                  struct identity *ret)
{
    struct iam_entity *e = NULL;
    bool root = streq(rec->entity_id, rec->account);
    if (root)
        identify_root(a, arena_strdup(a, rec->account), ret);
    else if ((e = iam_entity_by_id(core, rec->entity_id)) && e->kind == IAM_USER)
        identify_user(iam_user_of(e), ret);
    else
        return false;
    if (!streq(rec->kind, SESSION_FEDERATED))
        return true;
    ret->arn =
        arena_printf(a, "arn:aws:sts::%s:federated-user/%s", ret->account_id, rec->name);
    ret->user_id = arena_printf(a, "%s:%s", ret->account_id, rec->name);
    ret->principal = (struct policy_principal){.type = PRINCIPAL_FEDERATED_USER,
                                               .account = ret->account_id,
                                               .arn = ret->arn,
                                               .id = ret->user_id,
                                               .role_arn = e ? e->arn : NULL,
                                               .role_id = e ? e->id : NULL};
    return true;
}

static enum iam_signer_state find_session(struct core *core, struct arena *a,
                                          const char *key, const char *token,
                                          struct iam_signer *ret)
{
    const struct iam_session *s = iam_session_open(core, key, token);
    if (!s)
        return IAM_SIGNER_BAD_TOKEN;
    if (core_now_ms(core) >= s->rec->expires_at.v)
        return IAM_SIGNER_EXPIRED;
    bool there = streq(s->rec->kind, SESSION_OF_ROLE)
                     ? identify_role(core, a, s->rec, &ret->who)
                     : identify_user_session(core, a, s->rec, &ret->who);
    ret->secret = s->rec->secret;
    ret->who.session = s;
    ret->who.session_token = s->token;
    return there ? IAM_SIGNER_GOOD : IAM_SIGNER_UNKNOWN;
}

enum iam_signer_state iam_signer_find(struct core *core, struct arena *a,
                                      const char *access_key_id,
                                      const char *session_token, struct iam_signer *ret)
{
    *ret = (struct iam_signer){.who.access_key = arena_strdup(a, access_key_id)};
    if (session_token)
        return find_session(core, a, access_key_id, session_token, ret);
    struct iam_key *key = iam_access_key_find(core, access_key_id);
    if (!key || !iam_key_active(key) || iam_key_secret(core, key, &ret->secret, NULL) < 0)
        return IAM_SIGNER_UNKNOWN;
    ret->key = key;
    if (key->user)
        identify_user(key->user, &ret->who);
    else
        identify_root(a, key->account->id, &ret->who);
    return IAM_SIGNER_GOOD;
}

void iam_signer_used(struct core *core, const struct iam_signer *signer,
                     const char *service, const char *region)
{
    const struct policy_principal *p = &signer->who.principal;
    if (signer->key)
        iam_key_used(core, signer->key, service, region);
    else if (p->type == PRINCIPAL_ROLE_SESSION)
        iam_role_used(core, iam_role_of(iam_entity_by_id(core, p->role_id)), region);
}

bool iam_role_view(struct core *core, const char *arn, struct iam_role_view *ret)
{
    struct iam_entity *e = iam_entity_by_arn(core, arn);
    if (!e || e->kind != IAM_ROLE)
        return false;
    *ret = (struct iam_role_view){e->account->id,
                                  e->id,
                                  e->rec->name,
                                  e->arn,
                                  e->rec->max_session_duration.v,
                                  &iam_role_of(e)->trust};
    return true;
}

bool iam_policy_exists(struct core *core, const char *account, const char *arn)
{
    return iam_policy_find(core, account, arn) != NULL;
}

bool iam_identity_of(struct core *core, struct arena *a, const char *text,
                     struct identity *ret)
{
    struct arn arn;
    *ret = (struct identity){0};
    if (!arn_parse(a, text, &arn))
        return false;
    if (streq(arn.service, "iam") && streq(arn.resource, "root")) {
        identify_root(a, arn.account, ret);
        return true;
    }
    struct iam_entity *e = iam_entity_by_arn(core, text);
    if (!e || e->kind == IAM_GROUP)
        return false;
    if (e->kind == IAM_USER) {
        identify_user(iam_user_of(e), ret);
        return true;
    }
    const struct gantry_iam_session_record rec = {.entity_id = e->id, .name = "explain"};
    return identify_role(core, a, &rec, ret);
}

int iam_service_session(struct core *core, const char *role_arn, const char *service,
                        const char *session_name, int64_t duration_s, struct arena *a,
                        struct iam_credentials *ret, struct error *err)
{
    struct iam_entity *e = iam_entity_by_arn(core, role_arn);
    if (!e || e->kind != IAM_ROLE)
        return fail(err, E_NOTFOUND, "no role '%s'", role_arn);
    const struct identity who = {
        .principal = {.type = PRINCIPAL_SERVICE, .service = service}};
    struct arn arn;
    const char *account = arn_parse(a, role_arn, &arn) ? arn.account : "";
    const struct access_value values[] = {{"aws:SourceAccount", ACCESS_ONE(account)}};
    const struct access question = {.action = "sts:AssumeRole",
                                    .resource = e->arn,
                                    .resource_policy = &iam_role_of(e)->trust,
                                    .must_be_trusted = true,
                                    .values = values,
                                    .value_count = 1};
    if (!access_permits(core, a, &who, NULL, &question, NULL))
        return fail(err, E_DENIED, "the trust policy of '%s' does not let %s assume it",
                    role_arn, service);
    const struct gantry_iam_session_record rec = {
        .kind = SESSION_OF_ROLE,
        .account = e->account->id,
        .entity_id = e->id,
        .name = session_name,
        .expires_at = SET_TIME(core_now_ms(core) + duration_s * 1000),
    };
    return iam_session_issue(core, a, &rec, ret, err);
}
