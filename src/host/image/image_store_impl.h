/* image_store_impl.h: inside of the image store, shared by image_store.c (life, removal),
 * image_record.c (images, names, pins on disk), image_layer.c (one layer) and image_pull.c
 * (a pull and those who wait for it). Not for other folders. */
#pragma once

#include <pthread.h>

#include "blob.h"
#include "image_store.h"
#include "list.h"
#include "str.h"

#define IMAGE_STORE_MAX_PARALLEL 16

struct image_store {
    struct arena arena;
    const char *dir;
    struct image_store_config config; /* dir is ours */
    struct blob_store *blobs;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct list pulls; /* struct pull, running */
    struct list ended; /* the same, their threads done: pull_reap() */
    struct list busy;  /* struct busy_layer: unpacked by a thread of this process */
};

void store_step(struct image_store *s, const char *name);
/* "<dir>/<folder>/<leaf>" */
void store_path(const struct image_store *s, const char *folder, const char *leaf,
                struct str *ret);
/* The hexadecimal part of a valid digest: what things are named after on disk. */
const char *digest_hex(const char *digest);

/* flock(2) on <dir>/locks/<name>: LOCK_SH or LOCK_EX. wait: until it is free or cancelled;
 * otherwise E_AGAIN. The lock lasts as long as the descriptor. */
int store_lock(struct image_store *s, const char *name, int operation, bool wait,
               struct http_cancel *cancel, int *ret_fd, struct error *err);
/* A fresh directory below tmp/. */
int store_temp(struct image_store *s, struct str *ret, struct error *err);

/* ---- image_record.c ---- */

/* E_NOTFOUND when it is not there, not whole, or one of its layers is missing. */
int image_load(struct image_store *s, const char *manifest_digest, struct image **ret,
               struct error *err);
int image_save(struct image_store *s, const char *manifest_digest,
               const struct str *manifest, const struct str *config, struct error *err);
/* The manifest and config that are here already, verified; E_NOTFOUND. */
int image_read(struct image_store *s, const char *manifest_digest,
               struct str *ret_manifest, struct str *ret_config, struct error *err);

struct image_name {
    const char *reference, *digest, *manifest_digest;
};
int name_save(struct image_store *s, const struct image_name *n, struct error *err);
int name_load(struct image_store *s, struct arena *a, const char *reference,
              struct image_name *ret, struct error *err);
/* All names; unreadable ones are passed over. */
int name_each(struct image_store *s, struct arena *a,
              int (*visit)(void *ctx, const struct image_name *n, struct error *err),
              void *ctx, struct error *err);
int name_remove(struct image_store *s, const char *reference, struct error *err);

unsigned pin_count(struct image_store *s, const char *manifest_digest);

/* ---- image_layer.c ---- */

bool layer_is_here(struct image_store *s, const char *diff_id);
/* Makes the layer local: downloads and unpacks it, or waits for whoever does. */
int layer_ensure(struct image_store *s, struct registry_session *session,
                 const char *diff_id, const struct content_descriptor *blob,
                 struct http_cancel *cancel, registry_progress *progress, void *ctx,
                 struct error *err);

/* ---- image_pull.c ---- */

/* Joins and frees the pulls that have ended and that nobody waits for. */
void pull_reap(struct image_store *s);
