/* iam.h: AWS Identity and Access Management: users, groups, roles, their policies and keys;
 * instance profiles, OpenID Connect providers, server certificates.
 *
 * IAM is one for all regions. What other services ask is here; who decides about calls
 * reads iam_state.h, too.
 *
 * Owns: all of these, in the core's tables. Threads: state thread. Fails: as noted. */
#pragma once

#include <stdbool.h>

#include "access.h"
#include "arena.h"
#include "call.h"
#include "core.h"
#include "error.h"
#include "iam_api.h"
#include "operation.h"
#include "str.h"

/* Before core_load(). */
void iam_attach(struct core *core);

extern const struct operation iam_operations[]; /* generated */
extern const struct access_service iam_access;

/* ---- roles, for services that are given one ---- */

/* Is there a role of that ARN? */
bool iam_role_exists(struct core *core, const char *arn);
/* The role in an instance profile, by the profile's ARN, or by the account and its name.
 * E_NOTFOUND: no such profile; E_CONFLICT: it has no role. The ARN lies in the arena. */
int iam_profile_role(struct core *core, const char *account, const char *arn_or_name,
                     struct arena *a, const char **ret_role_arn, struct error *err);
/* The profile's own ARN and id, in the arena. E_NOTFOUND. */
int iam_profile_find(struct core *core, const char *account, const char *arn_or_name,
                     struct arena *a, const char **ret_arn, const char **ret_id,
                     struct error *err);
/* As services do on their first use in an account: the role that is linked to a service
 * ("ecs.amazonaws.com") is made when it is not there. E_NOTFOUND: no such service. */
int iam_linked_role_ensure(struct core *core, const char *account, const char *service,
                           struct error *err);

/* ---- principals in the policies of resources ---- */

/* A grant is bound to who is there now: what comes back has unique ids (AROA…) where the
 * document named users and roles, and is otherwise the same JSON without blanks. The document
 * has passed policy_compile(). E_INVALID, with IAM's words, when it names somebody who is
 * not there. */
int iam_principals_bind(struct core *core, struct arena *a, const char *document,
                        const char **ret, struct error *err);
/* And back, for who reads the document: ids of those who are gone stay. */
const char *iam_principals_show(struct core *core, struct arena *a, const char *bound);

/* ---- server certificates ---- */

struct iam_certificate {
    const char *arn, *body, *chain; /* chain: NULL when there is none */
};
/* By ARN. E_NOTFOUND. Texts lie in the record: copy what must outlive the task. */
int iam_certificate_find(struct core *core, const char *arn, struct iam_certificate *ret,
                         struct error *err);
/* Appends certificate, chain and key as one PEM. E_NOTFOUND. */
int iam_certificate_pem(struct core *core, const char *arn, struct str *ret,
                        struct error *err);
/* `user` uses it or no longer does: it can't be deleted meanwhile. Not stored. */
void iam_certificate_use(struct core *core, const char *arn, const char *user, bool used);

/* ---- temporary credentials (identify.c) ---- */

struct iam_credentials {
    const char *access_key_id, *secret_access_key, *session_token;
    int64_t expires_ms;
};

/* A session of the role for a service ("ecs-tasks.amazonaws.com", "ec2.amazonaws.com").
 * E_NOTFOUND: no such role; E_DENIED: its trust policy says no. Texts lie in the arena. */
int iam_service_session(struct core *core, const char *role_arn, const char *service,
                        const char *session_name, int64_t duration_s, struct arena *a,
                        struct iam_credentials *ret, struct error *err);

/* ---- roles, for service/sts ---- */

struct iam_role_view {
    const char *account, *id, *name, *arn; /* as long as the role is there */
    int32_t max_session_s;
    const struct policy_source *trust;
};
/* False: no such role. */
bool iam_role_view(struct core *core, const char *arn, struct iam_role_view *ret);
/* Of an account, whose tokens it believes. Texts as long as the provider is there. */
struct iam_provider_view {
    const char *arn, *name; /* name: its URL without the scheme */
    bool local;             /* http on this machine, with --dev */
    const struct string_list *client_ids, *thumbprints;
};
/* What is behind "https://", or behind "http://" of this machine; NULL: neither. Any
 * thread. */
const char *iam_provider_name(const char *url);
/* By the issuer that a token names. False: the account has no such provider. */
bool iam_provider_view(struct core *core, const char *account, const char *issuer,
                       struct iam_provider_view *ret);

/* A managed policy of the account, or AWS's own. */
bool iam_policy_exists(struct core *core, const char *account, const char *arn);

/* As who a user, a role (in a session) or root calls, by its ARN. False: there is none. */
bool iam_identity_of(struct core *core, struct arena *a, const char *arn,
                     struct identity *ret);

/* ---- keys (identify.c) ---- */

struct iam_key;
struct iam_signer {
    const char *secret;
    struct identity who; /* but for where the call comes from */
    struct iam_key *key; /* NULL: a session's, which is stored nowhere */
};

enum iam_signer_state {
    IAM_SIGNER_GOOD,
    IAM_SIGNER_UNKNOWN,   /* no such key, or it is Inactive */
    IAM_SIGNER_BAD_TOKEN, /* not this key's session token */
    IAM_SIGNER_EXPIRED,
};

enum iam_signer_state iam_signer_find(struct core *core, struct arena *a,
                                      const char *access_key_id,
                                      const char *session_token, struct iam_signer *ret);
/* A signature by it was good: the key, or the role of the session, was used now for that
 * service ("ecs") in that region. Stored at most every 15 minutes. */
void iam_signer_used(struct core *core, const struct iam_signer *signer,
                     const char *service, const char *region);
