/* registry_manifest.h: reads what a manifest says (image-spec 1.1: manifest.md,
 * image-index.md, descriptor.md; Docker's schema 2 is the same shape).
 *
 * Only facts that the registry acts on are taken out; the bytes themselves are stored and
 * served as they came.
 * Owns: nothing; texts lie in the arena. Threads: any.
 * Fails: E_INVALID with what is wrong; E_UNSUPPORTED for schema 1 and strange types. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "ecr.h"
#include "error.h"

#define MANIFEST_MAX_ENTRIES 10000 /* layers, or manifests of an index */

struct manifest_facts {
    struct ecr_manifest m;       /* digest and size are the caller's to fill */
    struct string_list required; /* blobs that must be there */
    bool is_index;
};

/* content_type may be NULL: then the body's own mediaType counts. */
int registry_manifest_parse(struct arena *a, const char *content_type, const void *data,
                            size_t len, struct manifest_facts *ret, struct error *err);

/* Calls for each descriptor of an index (the fallback tag of referrers): its JSON text and
 * its digest, in the arena. E_INVALID when it is no index. */
int manifest_each_child(struct arena *a, const void *data, size_t len,
                        void (*visit)(void *ctx, const char *digest,
                                      const char *artifact_type, const char *json),
                        void *ctx, struct error *err);
