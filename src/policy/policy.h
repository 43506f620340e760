/* policy.h: the policy language of IAM: compiled once, asked often.
 *
 * A policy document is compiled when it is stored; a decision then touches no JSON, takes no
 * memory and costs a few microseconds with twenty policies. What a request says of itself
 * (its condition keys) is fetched through a callback, so that a key which no statement names
 * is never computed.
 *
 * Rules: "IAM JSON policy elements reference" and "Policy evaluation logic" of the IAM User
 * Guide. In short: an explicit deny anywhere wins; then session policies and boundary, where
 * there are any, must allow; then the identity's own policies or, in the same account, the
 * resource's must. Where a rule is easily got wrong it is told at the code.
 *
 * Owns: a compiled policy owns all that it points to; requests and sets are the caller's.
 * Threads: compiled policies are constant: any. Fails: policy_compile() with E_INVALID and
 * IAM's own words for a MalformedPolicyDocument. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct policy;

enum policy_kind {
    POLICY_IDENTITY, /* of a user, group or role; boundaries and session policies */
    POLICY_RESOURCE, /* of a bucket, repository, secret, …: names principals and resources */
    POLICY_TRUST,    /* of a role: names principals, no resources */
};

#define POLICY_MAX_BYTES (64 * 1024)

/* `text` need not end with NUL and is not kept. */
int policy_compile(const char *text, size_t len, enum policy_kind kind,
                   struct policy **ret, struct error *err);
void policy_free(struct policy *policy); /* NULL allowed */

/* The principals that the document names as AWS: ARNs, in order, for the one who stores it
 * and has to see whether they exist. NULL behind the last. */
const char *policy_principal_arn(const struct policy *policy, size_t index);

/* A statement as JSON without blanks, for who explains a decision. */
const char *policy_statement_text(const struct policy *policy, size_t index);

/* Lines and columns count from 1, as the simulator of IAM has them: behind the statement's
 * first brace, and behind its last. False: there is no such statement, or the document
 * hides it (an escape in "Statement"). */
struct policy_position {
    int line, column;
};
bool policy_statement_position(const struct policy *policy, size_t index,
                               struct policy_position *ret_start,
                               struct policy_position *ret_end);

/* A condition key as the document writes it, of how requests name it; NULL: not in it. */
const char *policy_key_text(const struct policy *policy, const char *key);

/* Characters that count against IAM's quotas: all but white space. */
size_t policy_size(const char *text, size_t len);

/* ---- a request ---- */

enum policy_principal_type {
    PRINCIPAL_ANONYMOUS,
    PRINCIPAL_ROOT,
    PRINCIPAL_USER,
    PRINCIPAL_ROLE_SESSION,
    PRINCIPAL_FEDERATED_USER, /* sts:GetFederationToken */
    PRINCIPAL_WEB_IDENTITY,   /* before it has a role */
    PRINCIPAL_SERVICE,        /* ecs-tasks.amazonaws.com */
};

struct policy_principal {
    enum policy_principal_type type;
    const char *account; /* 12 digits; NULL: anonymous and services */
    const char *arn;     /* of the user, session, federated user or root; NULL: none */
    const char *role_arn;              /* of a session: its role, path and all */
    const char *id, *role_id;          /* AIDA…, AROA…: what stored grants name; or NULL */
    const char *service;               /* PRINCIPAL_SERVICE */
    const char *provider;              /* PRINCIPAL_WEB_IDENTITY: ARN or host of it */
};

struct policy_values {
    const char *const *v;
    size_t n;
    bool multi; /* the key is of a kind that holds several (aws:TagKeys) */
};

struct policy_context {
    /* The values of a key, named in lower case ("aws:sourceip", "aws:resourcetag/env": what
     * is behind a '/' keeps its case). False: the request has no such key. The texts live
     * as long as the decision. */
    bool (*find)(const struct policy_context *, const char *key,
                 struct policy_values *ret);
};

struct policy_request {
    const struct policy_principal *principal;
    const char *action;           /* "ecs:RunTask" */
    const char *resource;         /* ARN, or "*" */
    const char *resource_account; /* its owner; NULL: the principal's */
    const struct policy_context *context; /* NULL: no keys at all */
    /* The resource policy itself must allow: trust policies never delegate implicitly. */
    bool must_be_trusted;
    /* Is there any resource that it would be allowed for? `resource` does not matter: a
     * statement that denies counts when it is about all of them. */
    bool anywhere;
};

/* ---- what decides ---- */

struct policy_source {
    const struct policy *policy;
    const char *name; /* shown by whoever explains: its ARN or name */
};

struct policy_set {
    const struct policy_source *identity; /* the principal's own, its groups' */
    size_t identity_count;
    const struct policy_source *session; /* of the session; all of them must… none deny */
    size_t session_count;                /* …and one allow, when there are any */
    const struct policy_source *boundary; /* NULL: none */
    const struct policy_source *resource; /* NULL: none; a trust policy for sts:AssumeRole */
};

enum policy_verdict { POLICY_IMPLICIT_DENY, POLICY_EXPLICIT_DENY, POLICY_ALLOW };

/* Which kind of policy decided, or was missing. */
enum policy_reason {
    POLICY_BY_IDENTITY,
    POLICY_BY_RESOURCE,
    POLICY_BY_BOUNDARY,
    POLICY_BY_SESSION,
    POLICY_BY_ROOT, /* allowed: the account's own root */
};

struct policy_decision {
    enum policy_verdict verdict;
    enum policy_reason reason;
    const struct policy_source *source; /* NULL: no statement matched */
    size_t statement;                   /* index in its document */
    const char *sid;                    /* NULL: none */
};

void policy_decide(const struct policy_request *request, const struct policy_set *set,
                   struct policy_decision *ret);

/* One policy alone, as simulators ask it: its own verdict. */
enum policy_verdict policy_ask(const struct policy_source *source,
                               const struct policy_request *request,
                               struct policy_decision *ret);

/* The next statement of the policy from index `from` on that gives this verdict (allow or
 * explicit deny); SIZE_MAX: no more. */
size_t policy_next_match(const struct policy *policy,
                         const struct policy_request *request, enum policy_verdict verdict,
                         size_t from);

/* "… because no identity-based policy allows the ecs:RunTask action": the end of AWS's
 * sentence about a denial, for struct str. */
struct str;
void policy_reason_add(struct str *ret, const struct policy_decision *decision,
                       const char *action);
