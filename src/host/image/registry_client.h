/* registry_client.h: the pull side of the OCI Distribution protocol.
 *
 * One registry_session is one repository at one registry: it remembers the scheme, the
 * authorisation that worked and its end, so that the blobs of an image cost one request
 * each. Authorisation is only sent after the registry asked for it: Basic (ECR and gantry:
 * user "AWS", password the token) or Bearer (RFC 6750 with the token service of the Docker
 * Registry v2 authentication specification). Content is verified against its digest and
 * size whatever the transport said.
 *
 * Every request is tried up to five times with 1.1 to 5 s between tries (what the ECS agent
 * does) when the network, a 429 or a 5xx is to blame; a broken blob goes on where it
 * stopped. Time, waiting and random come from struct registry_env.
 *
 * Owns: a session its strings. Threads: the client and a session: any, at once; calls block.
 * Fails: E_NOTFOUND no such repository, tag or digest; E_DENIED credentials missing or
 * refused; E_NETWORK, E_TIMEOUT not reachable, or not willing, after all tries; E_UNSUPPORTED;
 * E_CORRUPT what
 * came is not what was asked for; E_LIMIT; E_CANCELLED; E_FULL. Texts name the reference. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blob.h"
#include "error.h"
#include "http_client.h"
#include "image_manifest.h"
#include "reference.h"
#include "str.h"

/* What the client takes from outside; NULL members have defaults. */
struct registry_env {
    int64_t (*mono_ns)(void *ctx);
    /* Waits; E_CANCELLED when `cancel` was fired meanwhile. */
    int (*sleep)(void *ctx, int64_t ms, struct http_cancel *cancel, struct error *err);
    uint32_t (*random)(void *ctx);
    void *ctx;
};

struct registry_client_config {
    const char
        *ecr_url; /* gantry's own registry for ECR names: "http://127.0.0.1:4566" */
    const char *ca_file; /* PEM for all registries; NULL: the system's */
    /* NULL-ended registries ("host:port") whose certificates are not checked and which may
     * speak plain HTTP. Loopback addresses may always speak plain HTTP, and without a
     * ca_file their certificates are not checked. NULL: none. */
    const char *const *insecure_registries;
    unsigned idle_timeout_ms; /* no byte for so long; 0: 60 s */
    struct registry_env env;
};

struct registry_client;

int registry_client_new(const struct registry_client_config *config,
                        struct registry_client **ret, struct error *err);
void registry_client_free(
    struct registry_client *c); /* after its sessions; NULL allowed */

struct registry_auth {
    const char *username; /* NULL: anonymous */
    const char *password;
};

struct registry_session;

/* Only notes what to talk to; no request is made. auth may be NULL; it is copied. cancel
 * (may be NULL) ends running and later calls of the session; it outlives the session. */
int registry_session_new(struct registry_client *c, const struct reference *ref,
                         const struct registry_auth *auth, struct http_cancel *cancel,
                         struct registry_session **ret, struct error *err);
void registry_session_free(struct registry_session *s); /* NULL allowed */

/* By digest or tag (reference_manifest()). The bytes are exactly those whose digest is
 * ret_digest; asked for by digest, they were verified against it. */
struct registry_manifest {
    struct str bytes;
    char content_type[256]; /* "" when the registry gave none */
    char digest[BLOB_DIGEST_SIZE];
};
void registry_manifest_fini(struct registry_manifest *m);
int registry_get_manifest(struct registry_session *s, const char *tag_or_digest,
                          struct registry_manifest *ret, struct error *err);

/* Bytes of this blob that are here, from any thread that runs the call. A negative return
 * ends the download with that code. */
typedef int registry_progress(void *ctx, uint64_t done, uint64_t total,
                              struct error *err);

/* Streams a blob into the store: on return it is there, verified. A blob that is there
 * already costs no request. progress may be NULL. */
int registry_get_blob(struct registry_session *s, const struct content_descriptor *d,
                      struct blob_store *store, registry_progress *progress, void *ctx,
                      struct error *err);
/* A small blob (an image config) into memory, verified; E_LIMIT above max_bytes. */
int registry_get_small(struct registry_session *s, const struct content_descriptor *d,
                       size_t max_bytes, struct str *ret, struct error *err);

/* ---- parts with rules of their own, public for their tests ---- */

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
    enum challenge_scheme scheme;
    const char *realm, *service, *scope; /* "" when absent */
};
/* One WWW-Authenticate value (RFC 9110 §11.6.1), possibly with several challenges: the
 * first Bearer with a realm, else the first Basic. E_UNSUPPORTED none of them. */
int challenge_parse(struct arena *a, const char *header, struct challenge *ret,
                    struct error *err);
/* Wait before try n (1 = first repetition): 1100 · 2^(n-1) ms with ±10 % jitter, at least
 * 1100, at most 5000. */
int64_t registry_backoff_ms(unsigned n, uint32_t random);
