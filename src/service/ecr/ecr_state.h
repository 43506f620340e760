/* ecr_state.h: ECR's objects in memory.
 *
 * Repository names may hold '/', never ':'; so the keys of what a repository holds,
 * <name>:<digest or tag>, are contiguous and cannot be taken for another repository's.
 *
 * Owns: see object.h. Threads: state thread. Fails: lookups return NULL. */
#pragma once

#include <uthash.h>

#include "arn.h"
#include "call.h"
#include "ecr.h"
#include "ecr_api.h"
#include "ecr_handlers.h"
#include "gantry_api.h"
#include "object.h"
#include "wake.h"

/* How many repositories name a digest, as blob or manifest. */
struct blob_use {
    char *digest;
    uint32_t count;
    UT_hash_handle hh;
};

struct ecr {
    struct ecr_settings settings;
    struct table *repositories, *manifests, *tags, *links;
    struct blob_use *uses;
};

struct repository {
    struct object o;
    struct gantry_repository_record *rec;
    struct wake sweep; /* sweep.c */
    /* image_links.c: manifests that name others; referrers by digest */
    struct list indexes, referrers;
};
struct manifest {
    struct object o;
    struct gantry_manifest_record *rec;
    struct list tags;            /* image_tag.at */
    struct list index, referrer; /* in the repository's */
};
struct image_tag {
    struct object o;
    struct gantry_image_tag_record *rec;
    struct list at; /* in the manifest's */
};
struct blob_link {
    struct object o;
    struct gantry_blob_link_record *rec;
};

struct ecr *ecr_of(const struct core *core);

/* "/ecr/<kind>/<account>/<region>/<rest>" */
const char *ecr_key(struct arena *a, const char *kind, const struct ecr_scope *s,
                    const char *rest);
/* The same with "<repository>:<what>" as the rest. */
const char *ecr_part_key(struct arena *a, const char *kind, const struct ecr_scope *s,
                         const char *repository, const char *what);
/* Behind the repository's colon: a digest or a tag. */
const char *ecr_part_name(const struct object *o);

struct repository *repository_find(struct core *core, const struct ecr_scope *s,
                                   const char *name);
struct manifest *manifest_find(struct core *core, const struct ecr_scope *s,
                               const char *repository, const char *digest);
struct image_tag *tag_find(struct core *core, const struct ecr_scope *s,
                           const char *repository, const char *tag);
/* Deletes with everything that names it. */
void manifest_remove(struct core *core, const struct ecr_scope *s, const char *repository,
                     struct manifest *m);
/* Counting of digests, so that unused files can go. */
void blob_use_add(struct ecr *ecr, const char *digest);
void blob_use_drop(struct core *core, const char *digest);

/* ---- layers that nothing names (sweep.c) ---- */

void repository_init(struct repository *r);
int repository_loaded(struct core *core, struct object *o, struct error *err);
void repository_unlink(struct core *core, struct object *o);
/* An image was deleted: look through the links in an hour. */
void repository_sweep_later(struct core *core, struct repository *r);

/* ---- who points at whom (image_links.c) ---- */

void manifest_link(struct repository *r, struct manifest *m); /* a new one */
int manifest_loaded(struct core *core, struct object *o, struct error *err);
void manifest_unlink(struct core *core, struct object *o);
void tag_link(struct image_tag *t, struct manifest *m); /* away from where it was */
int tag_loaded(struct core *core, struct object *o, struct error *err);
void tag_unlink(struct core *core, struct object *o);
/* All tags of the manifest, in byte order. */
void manifest_tags(const struct manifest *m, struct arena *a, struct string_list *ret);
/* An index in the repository that names the digest; NULL: none. */
struct manifest *manifest_parent(const struct repository *r, const char *digest);

int link_loaded(struct core *core, struct object *o, struct error *err);

/* The caller's registry, or the one that registryId names. */
struct ecr_scope call_scope(const struct call *c);
int repository_require(struct call *c, const char *registry_id, const char *name,
                       struct repository **ret);
bool tag_may_move(const struct ecr_repository *r, const char *tag);
