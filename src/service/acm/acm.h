/* acm.h: certificates: AWS Certificate Manager's imported ones, and IAM's server
 * certificates (src/service/iam), for who serves TLS with them.
 *
 * Owns: certificates in the core's tables. Threads: state thread. Fails: as noted. */
#pragma once

#include "arena.h"
#include "core.h"
#include "error.h"
#include "operation.h"
#include "str.h"

/* Before core_load(). */
void acm_attach(struct core *core);

extern const struct operation acm_operations[];

struct acm_certificate {
    const char *arn, *domain_name;
    const char *const *names; /* subject alternative names; NULL-ended */
};
/* By ARN, acm's or iam's. E_NOTFOUND. Texts lie in the arena. */
int acm_certificate_find(struct core *core, const char *arn, struct arena *a,
                         struct acm_certificate *ret, struct error *err);
/* Appends certificate, chain and key as one PEM, as HAProxy reads it. E_NOTFOUND. */
int acm_certificate_pem(struct core *core, const char *arn, struct str *ret,
                        struct error *err);
/* `user` (a load balancer's ARN) uses it or no longer does: shown as InUseBy, and it can't be
 * deleted meanwhile. Rebuilt by the users after a restart. */
void acm_certificate_use(struct core *core, const char *arn, const char *user, bool used);
