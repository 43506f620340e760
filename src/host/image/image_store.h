/* image_store.h: the images of a host: pulled once, unpacked once, kept until unused.
 *
 *   <dir>/blobs/, uploads/           compressed layers on their way (blob.h)
 *   <dir>/layers/<hex>               unpacked, named after their diff_id
 *   <dir>/unsynced/<hex>             boot id: this layer may not have reached the disk yet
 *   <dir>/images/<hex>/              manifest and config; named after the manifest's digest
 *   <dir>/names/<hex>                reference → image; named after sha256 of its spelling
 *   <dir>/pins/<hex>.<owner>         the image is in use
 *   <dir>/locks/, tmp/
 *
 * Everything appears by rename(2) after it is whole, so kill -9 at any point leaves either
 * nothing or the thing; what was under way is in tmp/ and goes when the store is opened.
 * After a power cut, layers that were not settled (image_store_settle) in an earlier boot
 * are dropped and pulled again; so a pull never waits for the disk's cache.
 *
 * Two callers that want the same image share one pull, and two images that share a layer
 * unpack it once; several processes may use one directory (flock).
 *
 * Owns: the directory. Threads: any; pull blocks for long, the others for the disk.
 * Fails: as registry_client.h and layer.h; E_NOTFOUND; E_CONFLICT pinned; E_AGAIN a pull is
 * under way; E_UNSUPPORTED platform. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "image_manifest.h"
#include "layer.h"
#include "registry_client.h"

struct image_store;

struct image_store_config {
    const char *dir;
    struct registry_client *registry; /* borrowed; may be NULL when nothing is pulled */
    unsigned parallel;                /* layers of one pull at once, 0: 3, at most 16 */
    bool keep_blobs;                  /* keep compressed layers after unpacking */
    uint64_t max_layer_bytes;         /* 0: LAYER_MAX_BYTES */
    /* Tests only: called between steps with the step's name, to be killed there. */
    void (*step)(void *ctx, const char *name);
    void *step_ctx;
};

int image_store_open(const struct image_store_config *config, struct image_store **ret,
                     struct error *err);
void image_store_close(struct image_store *s); /* no call may be running; NULL allowed */

/* A local image. Its layers stay while it is pinned. Freed with image_free(). */
struct image {
    struct arena arena;
    const char *reference;       /* the spelling that was asked for, normalised */
    const char *digest;          /* what the name stood for: ECS's imageDigest; an index's
                                  * digest when it is one */
    const char *manifest_digest; /* of this platform's manifest: the key of pins */
    const char *config_digest;   /* Docker's image id */
    struct image_config config;
    const char **layers; /* absolute directories, bottom first */
    size_t layer_count;
    uint64_t size_bytes; /* compressed layers together, as the registry gives them */
};
void image_free(struct image *i); /* NULL allowed */

struct image_progress {
    uint64_t bytes_done,
        bytes_total; /* compressed; total is 0 until the manifest is known */
    unsigned layers_done, layers_total;
};
/* Called by the waiting caller's own thread. A negative return ends this caller's wait with
 * that code; the pull itself ends when nobody waits for it. */
typedef int image_pull_progress(void *ctx, const struct image_progress *p,
                                struct error *err);

struct image_pull {
    const char *reference;
    const struct registry_auth *auth; /* NULL: anonymous */
    const char *pin_owner;         /* pinned for it on return (as image_pin); or NULL */
    image_pull_progress *progress; /* may be NULL; at most about ten calls a second */
    void *ctx;
    struct http_cancel *cancel; /* may be NULL */
};

/* Asks the registry what the reference stands for now and makes it local. */
int image_pull(struct image_store *s, const struct image_pull *pull, struct image **ret,
               struct error *err);
/* What a reference stands for here; E_NOTFOUND when it was never pulled. */
int image_find(struct image_store *s, const char *reference, struct image **ret,
               struct error *err);

/* A pin outlives processes. owner: up to 128 of [A-Za-z0-9_-]; pinning twice is once. */
int image_pin(struct image_store *s, const char *manifest_digest, const char *owner,
              struct error *err);
int image_unpin(struct image_store *s, const char *manifest_digest, const char *owner,
                struct error *err);
/* Removes the pins whose owner `alive` denies: after a crash, with what really runs. */
int image_unpin_dead(struct image_store *s, bool (*alive)(void *ctx, const char *owner),
                     void *ctx, struct error *err);

struct image_entry {
    const char *manifest_digest;
    const char *const *references; /* NULL-ended: the names that stand for it */
    uint64_t size_bytes;
    int64_t pulled_at_ms, used_at_ms; /* used: pulled, found or pinned */
    unsigned pins;
};
/* Least recently used first. A negative return of visit ends it with that code. */
int image_list(struct image_store *s,
               int (*visit)(void *ctx, const struct image_entry *e, struct error *err),
               void *ctx, struct error *err);

/* Forgets the image and its names, and removes the layers that no other image has.
 * E_CONFLICT while pinned; E_AGAIN while a pull runs. */
int image_remove(struct image_store *s, const char *manifest_digest, struct error *err);

/* Puts everything unpacked so far on the disk (syncfs); call it when idle. */
int image_store_settle(struct image_store *s, struct error *err);
/* Removes what nobody needs: tmp/, and of what is older than before_ms (wall clock) layers
 * without an image, blobs and uploads (younger ones may serve the pull that comes after a
 * crash). E_AGAIN while a pull runs. */
int image_store_sweep(struct image_store *s, int64_t before_ms, struct error *err);
