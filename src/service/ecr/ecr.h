/* ecr.h: Amazon ECR: repositories and what is in them, for its API and for the registry.
 *
 * Contents are files in the blob store, found by digest; ecr keeps what they are called:
 * which manifests a repository holds, which tags point at them, which blobs it may show.
 * The registry (src/registry) moves the bytes and asks here before and after.
 *
 * Owns: repositories, manifests, tags and blob links, in the core's tables.
 * Threads: state thread, except ecr_token_check() (any).
 * Fails: with enum ecr_result; nothing was changed then. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "access.h"
#include "arena.h"
#include "core.h"
#include "ecr_api.h"
#include "gantry_api.h"
#include "operation.h"
#include "wire.h"

#define ECR_MAX_MANIFEST (4 * 1024 * 1024)

struct ecr_settings {
    const char *token_secret; /* signs authorisation tokens; the same after a restart */
    const char *endpoint;     /* proxyEndpoint for who says no Host */
    /* Reads a manifest's bytes by digest; worker thread. 0 or negative. */
    int (*read_manifest)(void *ctx, const char *digest, struct str *ret);
    /* No repository names this digest any more: its file may go. Called after the change
     * is durable, on the commit thread. */
    void (*blob_unused)(void *ctx, const char *digest);
    void *ctx;
};

void ecr_attach(struct core *core, const struct ecr_settings *settings);

extern const struct operation ecr_operations[]; /* generated */
extern const struct access_service ecr_access;

/* ---- for the registry ---- */

/* Whose registry: every call names it. */
struct ecr_scope {
    const char *account, *region;
};

enum ecr_result {
    ECR_OK,
    ECR_NO_REPOSITORY,
    ECR_NO_IMAGE,
    ECR_NO_BLOB,
    ECR_TAG_IMMUTABLE,
    ECR_REFERENCED, /* an index in the repository names this manifest */
};

enum ecr_result ecr_repository_check(struct core *core, const struct ecr_scope *scope,
                                     const char *repository);

/* Repository names after `after` (NULL: from the first), at most `limit`. True when there
 * are more. */
bool ecr_catalog(struct core *core, const struct ecr_scope *scope, const char *after,
                 size_t limit, struct arena *a, struct string_list *ret);

/* May the repository show this blob? A blob's bytes can be there without. */
enum ecr_result ecr_blob_find(struct core *core, const struct ecr_scope *scope,
                              const char *repository, const char *digest,
                              int64_t *ret_size);
/* Does any repository of the account and region name it? For mounts without `from`. */
enum ecr_result ecr_blob_anywhere(struct core *core, const struct ecr_scope *scope,
                                  const char *digest, int64_t *ret_size);
enum ecr_result ecr_blob_link(struct core *core, const struct ecr_scope *scope,
                              const char *repository, const char *digest, int64_t size);
enum ecr_result ecr_blob_unlink(struct core *core, const struct ecr_scope *scope,
                                const char *repository, const char *digest);

/* Does any repository of any account name it, as blob or manifest? */
bool ecr_digest_used(const struct core *core, const char *digest);

/* What the registry found in a manifest. */
struct ecr_manifest {
    const char *digest, *media_type;
    int64_t size_bytes; /* of the manifest itself */
    int64_t
        image_size_bytes; /* layers and config, compressed; of an index: largest child */
    const char *artifact_media_type; /* config's media type, or NULL */
    const char *artifact_type;       /* NULL when none */
    const char *subject;             /* digest, NULL when none */
    struct string_list blobs;        /* layers and config */
    struct string_list children;     /* of an index */
    struct string_map annotations;   /* shown by the referrers API */
};

/* `reference` is a tag or a digest. *ret points into the tables: copy what must stay. */
enum ecr_result ecr_manifest_find(struct core *core, const struct ecr_scope *scope,
                                  const char *repository, const char *reference,
                                  const struct gantry_manifest_record **ret);
/* Adds the manifest (again: nothing changes) and moves all of the tags to it, or none: then
 * *ret_immutable is the tag that must stay. */
enum ecr_result ecr_manifest_put(struct core *core, const struct ecr_scope *scope,
                                 const char *repository, const struct ecr_manifest *m,
                                 const struct string_list *tags,
                                 const char **ret_immutable);
/* A tag: only the tag. A digest: the manifest and its tags. */
enum ecr_result ecr_manifest_delete(struct core *core, const struct ecr_scope *scope,
                                    const char *repository, const char *reference);
/* A pull: lastRecordedPullTime, at most once a day. */
void ecr_manifest_pulled(struct core *core, const struct ecr_scope *scope,
                         const char *repository, const char *digest);
/* Tags in byte order after `after` (NULL: from the first), at most `limit`. True when
 * there are more. */
bool ecr_tags(struct core *core, const struct ecr_scope *scope, const char *repository,
              const char *after, size_t limit, struct arena *a, struct string_list *ret);
/* Manifests whose subject is the digest: `visit` once for each, by digest. */
void ecr_referrers(struct core *core, const struct ecr_scope *scope,
                   const char *repository, const char *digest,
                   void (*visit)(void *ctx, const struct gantry_manifest_record *m),
                   void *ctx);

/* ---- authorisation tokens ---- */

struct ecr_token {
    const char *access_key, *account, *region;
    int64_t expires_at_ms;
    const char *session_token; /* of temporary credentials; NULL: none */
};

/* The password half of `AWS:<password>`: opaque, signed, 12 hours. */
const char *ecr_token_make(struct arena *a, const char *secret,
                           const struct ecr_token *t);
/* False: not one of ours, or damaged. Expiry is the caller's to look at. Any thread. */
bool ecr_token_check(struct arena *a, const char *secret, const char *password,
                     struct ecr_token *ret);
