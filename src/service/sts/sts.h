/* sts.h: AWS Security Token Service: temporary credentials, and who is calling.
 *
 * Owns: keys of identity providers, for an hour; sessions live in their tokens
 * (service/iam/iam_session.h). Threads: state thread. Fails: as the API says. */
#pragma once

#include "access.h"
#include "core.h"
#include "error.h"
#include "operation.h"
#include "str.h"
#include "sts_api.h"
#include "wire.h"

/* How providers of web identities are reached: the server's. */
struct sts_web {
    void *ctx;
    /* GET of one answer with status 200, bounded in size and time, without redirects.
     * The certificate is one that the system trusts, or is that of a thumbprint (SHA-1 in
     * hexadecimal, of the server's own or of one that signed it). Worker threads. E_LIMIT,
     * E_NETWORK, E_TIMEOUT, E_PROTOCOL. */
    int (*fetch)(void *ctx, const char *url, const struct string_list *thumbprints,
                 struct str *ret, struct error *err);
};
/* `web` outlives the core. */
void sts_attach(struct core *core, const struct sts_web *web);

extern const struct operation sts_operations[]; /* generated */
extern const struct access_service sts_access;
