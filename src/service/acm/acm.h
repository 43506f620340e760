/* acm.h: certificates: AWS Certificate Manager's imported ones, and IAM's server
 * certificates (src/service/iam), for who serves TLS with them.
 *
 * Owns: certificates in the core's tables. Threads: state thread. Fails: as noted. */
#pragma once

#include <stdbool.h>

#include "access.h"
#include "arena.h"
#include "core.h"
#include "error.h"
#include "operation.h"
#include "str.h"
#include "wire.h"

/* After iam_attach(), before core_load(). */
void acm_attach(struct core *core);

extern const struct operation acm_operations[]; /* generated */
extern const struct access_service acm_access;

struct acm_certificate {
    const char *arn, *domain_name;
    const char *const *names; /* subject alternative names; NULL-ended */
};
/* By ARN, acm's or iam's. E_NOTFOUND. Texts lie in the arena. */
int acm_certificate_find(struct core *core, const char *arn, struct arena *a,
                         struct acm_certificate *ret, struct error *err);
/* Is it of the account and, as IAM's are of all, of the region? Others' may not be used. */
bool acm_certificate_belongs(struct arena *a, const char *arn, const char *account,
                             const char *region);
/* Appends certificate, chain and key as one PEM, as HAProxy reads it. E_NOTFOUND; E_CORRUPT
 * the key does not open (seal.h). */
int acm_certificate_pem(struct core *core, const char *arn, struct str *ret,
                        struct error *err);
/* `user` (a load balancer's ARN) uses it or no longer does: shown as InUseBy, and it can't be
 * deleted meanwhile. A set: to say it twice is to say it once. Rebuilt by the users after a
 * restart. */
void acm_certificate_use(struct core *core, const char *arn, const char *user, bool used);

/* A certificate that somebody uses was imported again: who serves TLS with it takes the new
 * one. `users` as told by acm_certificate_use(). One listener a service. */
struct acm_watch {
    void (*changed)(void *ctx, struct core *core, const char *arn,
                    const struct string_list *users);
    void *ctx;
    struct acm_watch *next; /* set by acm_watch_add() */
};
void acm_watch_add(struct core *core, struct acm_watch *w);
