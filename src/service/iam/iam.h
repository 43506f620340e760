/* iam.h: AWS Identity and Access Management, of which there are server certificates only:
 * what a load balancer takes besides ACM's.
 *
 * Owns: server certificates, in the core's table. Threads: state thread. Fails: as noted. */
#pragma once

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

/* ---- keys (identify.c) ---- */

struct iam_signer {
    const char *secret;
    struct identity who; /* but for where the call comes from */
};

enum iam_signer_state {
    IAM_SIGNER_GOOD,
    IAM_SIGNER_UNKNOWN,   /* no such key, or it is Inactive */
    IAM_SIGNER_BAD_TOKEN, /* not this key's session token */
    IAM_SIGNER_EXPIRED,
};

enum iam_signer_state iam_signer_find(struct core *core, struct arena *a,
                                const char *access_key_id, const char *session_token,
                                struct iam_signer *ret);
