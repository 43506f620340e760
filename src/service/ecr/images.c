/* What repositories hold: manifests, tags, blob links. The registry's questions. */
#include <string.h>

#include "ecr_state.h"

#define PULL_TIME_STEP_MS (24 * 60 * 60 * 1000LL)

/* ---- keys ---- */

const char *ecr_key(struct arena *a, const char *kind, const struct ecr_scope *s,
                    const char *rest)
{
    return arena_printf(a, "/ecr/%s/%s/%s/%s", kind, s->account, s->region, rest);
}

const char *ecr_part_key(struct arena *a, const char *kind, const struct ecr_scope *s,
                         const char *repository, const char *what)
{
    return arena_printf(a, "/ecr/%s/%s/%s/%s:%s", kind, s->account, s->region, repository,
                        what);
}

const char *ecr_part_name(const struct object *o)
{
    return strchr(o->key, ':') + 1;
}

static bool is_digest(const char *reference)
{
    return strchr(reference, ':') != NULL;
}

/* ---- lookups ---- */

struct repository *repository_find(struct core *core, const struct ecr_scope *s,
                                   const char *name)
{
    return table_find(ecr_of(core)->repositories,
                      ecr_key(core_scratch(core), "repository", s, name));
}

struct manifest *manifest_find(struct core *core, const struct ecr_scope *s,
                               const char *repository, const char *digest)
{
    return table_find(
        ecr_of(core)->manifests,
        ecr_part_key(core_scratch(core), "manifest", s, repository, digest));
}

struct image_tag *tag_find(struct core *core, const struct ecr_scope *s,
                           const char *repository, const char *tag)
{
    return table_find(ecr_of(core)->tags,
                      ecr_part_key(core_scratch(core), "tag", s, repository, tag));
}

static struct blob_link *link_find(struct core *core, const struct ecr_scope *s,
                                   const char *repository, const char *digest)
{
    return table_find(ecr_of(core)->links,
                      ecr_part_key(core_scratch(core), "blob", s, repository, digest));
}

enum ecr_result ecr_repository_check(struct core *core, const struct ecr_scope *scope,
                                     const char *repository)
{
    return repository_find(core, scope, repository) ? ECR_OK : ECR_NO_REPOSITORY;
}

bool ecr_catalog(struct core *core, const struct ecr_scope *scope, const char *after,
                 size_t limit, struct arena *a, struct string_list *ret)
{
    struct table *table = ecr_of(core)->repositories;
    const char *prefix = ecr_key(core_scratch(core), "repository", scope, "");
    const char *at =
        after ? ecr_key(core_scratch(core), "repository", scope, after) : prefix;
    struct repository *r;
    ret->set = true;
    while ((r = table_next(table, prefix, at))) {
        if (ret->n == limit)
            return true;
        *LIST_PUSH(a, ret) = arena_strdup(a, r->rec->repository->repository_name);
        at = r->o.key;
    }
    return false;
}

/* ---- blobs ---- */

enum ecr_result ecr_blob_find(struct core *core, const struct ecr_scope *scope,
                              const char *repository, const char *digest,
                              int64_t *ret_size)
{
    if (!repository_find(core, scope, repository))
        return ECR_NO_REPOSITORY;
    const struct blob_link *l = link_find(core, scope, repository, digest);
    if (!l)
        return ECR_NO_BLOB;
    *ret_size = l->rec->size_bytes.v;
    return ECR_OK;
}

enum ecr_result ecr_blob_anywhere(struct core *core, const struct ecr_scope *scope,
                                  const char *digest, int64_t *ret_size)
{
    struct table *table = ecr_of(core)->links;
    const char *prefix = ecr_key(core_scratch(core), "blob", scope, "");
    struct blob_use *use;
    HASH_FIND_STR(ecr_of(core)->uses, digest, use);
    if (!use)
        return ECR_NO_BLOB;
    struct blob_link *l;
    for (const char *at = prefix; (l = table_next(table, prefix, at)); at = l->o.key)
        if (streq(ecr_part_name(&l->o), digest)) {
            *ret_size = l->rec->size_bytes.v;
            return ECR_OK;
        }
    return ECR_NO_BLOB;
}

enum ecr_result ecr_blob_link(struct core *core, const struct ecr_scope *scope,
                              const char *repository, const char *digest, int64_t size)
{
    if (!repository_find(core, scope, repository))
        return ECR_NO_REPOSITORY;
    if (link_find(core, scope, repository, digest))
        return ECR_OK;
    struct blob_link *l =
        object_new(core, ecr_of(core)->links,
                   ecr_part_key(core_scratch(core), "blob", scope, repository, digest));
    l->rec->size_bytes = SET_LONG(size);
    l->rec->linked_at = SET_TIME(core_now_ms(core));
    blob_use_add(ecr_of(core), digest);
    object_save(core, &l->o);
    return ECR_OK;
}

static void link_remove(struct core *core, struct blob_link *l)
{
    const char *digest = arena_strdup(core_scratch(core), ecr_part_name(&l->o));
    object_delete(core, &l->o);
    blob_use_drop(core, digest);
}

enum ecr_result ecr_blob_unlink(struct core *core, const struct ecr_scope *scope,
                                const char *repository, const char *digest)
{
    if (!repository_find(core, scope, repository))
        return ECR_NO_REPOSITORY;
    struct blob_link *l = link_find(core, scope, repository, digest);
    if (!l)
        return ECR_NO_BLOB;
    link_remove(core, l);
    return ECR_OK;
}

/* ---- manifests ---- */

enum ecr_result ecr_manifest_find(struct core *core, const struct ecr_scope *scope,
                                  const char *repository, const char *reference,
                                  const struct gantry_manifest_record **ret)
{
    if (!repository_find(core, scope, repository))
        return ECR_NO_REPOSITORY;
    const char *digest = reference;
    if (!is_digest(reference)) {
        const struct image_tag *t = tag_find(core, scope, repository, reference);
        if (!t)
            return ECR_NO_IMAGE;
        digest = t->rec->digest;
    }
    const struct manifest *m = manifest_find(core, scope, repository, digest);
    if (!m)
        return ECR_NO_IMAGE;
    *ret = m->rec;
    return ECR_OK;
}

static struct manifest *manifest_add(struct core *core, const struct ecr_scope *scope,
                                     struct repository *r, const struct ecr_manifest *in)
{
    const char *repository = r->rec->repository->repository_name;
    struct manifest *m = object_new(
        core, ecr_of(core)->manifests,
        ecr_part_key(core_scratch(core), "manifest", scope, repository, in->digest));
    struct gantry_manifest_record rec = {
        .digest = in->digest,
        .media_type = in->media_type,
        .size_bytes = SET_LONG(in->size_bytes),
        .image_size_bytes = SET_LONG(in->image_size_bytes),
        .pushed_at = SET_TIME(core_now_ms(core)),
        .artifact_media_type = in->artifact_media_type,
        .artifact_type = in->artifact_type,
        .subject = in->subject,
        .blobs = in->blobs,
        .children = in->children,
        .annotations = in->annotations,
    };
    wire_copy_into(&m->o.arena, &gantry_manifest_record_shape, &rec, m->rec);
    manifest_link(r, m);
    blob_use_add(ecr_of(core), in->digest);
    object_save(core, &m->o);
    return m;
}

static void tag_move(struct core *core, const struct ecr_scope *scope,
                     const char *repository, const char *tag, struct manifest *m)
{
    struct image_tag *t = tag_find(core, scope, repository, tag);
    if (!t) {
        t = object_new(core, ecr_of(core)->tags,
                       ecr_part_key(core_scratch(core), "tag", scope, repository, tag));
        list_init(&t->at);
    }
    tag_link(t, m);
    t->rec->digest = arena_strdup(&t->o.arena, m->rec->digest);
    t->rec->updated_at = SET_TIME(core_now_ms(core));
    object_save(core, &t->o);
}

/* Is the tag at the digest already? False also when there is no such tag. */
static bool tag_is_at(struct core *core, const struct ecr_scope *scope,
                      const char *repository, const char *tag, const char *digest)
{
    const struct image_tag *t = tag_find(core, scope, repository, tag);
    return t && streq(t->rec->digest, digest);
}

enum ecr_result ecr_manifest_put(struct core *core, const struct ecr_scope *scope,
                                 const char *repository, const struct ecr_manifest *m,
                                 const struct string_list *tags,
                                 const char **ret_immutable)
{
    struct repository *r = repository_find(core, scope, repository);
    if (!r)
        return ECR_NO_REPOSITORY;
    for (size_t i = 0; i < tags->n; i++) {
        const char *tag = tags->v[i];
        *ret_immutable = tag;
        if (tag_find(core, scope, repository, tag) &&
            !tag_is_at(core, scope, repository, tag, m->digest) &&
            !tag_may_move(r->rec->repository, tag))
            return ECR_TAG_IMMUTABLE;
    }
    struct manifest *at = manifest_find(core, scope, repository, m->digest);
    if (!at)
        at = manifest_add(core, scope, r, m);
    for (size_t i = 0; i < tags->n; i++)
        if (!tag_is_at(core, scope, repository, tags->v[i], m->digest))
            tag_move(core, scope, repository, tags->v[i], at);
    return ECR_OK;
}

void manifest_remove(struct core *core, const struct ecr_scope *s, const char *repository,
                     struct manifest *m)
{
    const char *digest = arena_strdup(core_scratch(core), m->rec->digest);
    struct repository *r = repository_find(core, s, repository);
    if (r)
        repository_sweep_later(core, r);
    list_for_each_safe (it, &m->tags)
        object_delete(core, &list_entry(it, struct image_tag, at)->o);
    object_delete(core, &m->o);
    blob_use_drop(core, digest);
}

enum ecr_result ecr_manifest_delete(struct core *core, const struct ecr_scope *scope,
                                    const char *repository, const char *reference)
{
    if (!repository_find(core, scope, repository))
        return ECR_NO_REPOSITORY;
    if (!is_digest(reference)) {
        struct image_tag *t = tag_find(core, scope, repository, reference);
        if (!t)
            return ECR_NO_IMAGE;
        object_delete(core, &t->o);
        return ECR_OK;
    }
    struct manifest *m = manifest_find(core, scope, repository, reference);
    if (!m)
        return ECR_NO_IMAGE;
    manifest_remove(core, scope, repository, m);
    return ECR_OK;
}

void ecr_manifest_pulled(struct core *core, const struct ecr_scope *scope,
                         const char *repository, const char *digest)
{
    struct manifest *m = manifest_find(core, scope, repository, digest);
    int64_t now = core_now_ms(core);
    if (!m || (m->rec->last_pulled_at.set &&
               now - m->rec->last_pulled_at.v < PULL_TIME_STEP_MS))
        return;
    m->rec->last_pulled_at = SET_TIME(now);
    object_save(core, &m->o);
}

bool ecr_tags(struct core *core, const struct ecr_scope *scope, const char *repository,
              const char *after, size_t limit, struct arena *a, struct string_list *ret)
{
    struct table *table = ecr_of(core)->tags;
    const char *prefix = ecr_part_key(core_scratch(core), "tag", scope, repository, "");
    const char *at =
        after ? ecr_part_key(core_scratch(core), "tag", scope, repository, after)
              : prefix;
    struct object *o;
    ret->set = true;
    for (; (o = table_next(table, prefix, at)); at = o->key) {
        if (ret->n == limit)
            return true;
        *LIST_PUSH(a, ret) = arena_strdup(a, ecr_part_name(o));
    }
    return false;
}

void ecr_referrers(struct core *core, const struct ecr_scope *scope,
                   const char *repository, const char *digest,
                   void (*visit)(void *ctx, const struct gantry_manifest_record *m),
                   void *ctx)
{
    const struct repository *r = repository_find(core, scope, repository);
    if (!r)
        return;
    list_for_each (it, &r->referrers) {
        const struct manifest *m = list_entry(it, struct manifest, referrer);
        if (streq(m->rec->subject, digest))
            visit(ctx, m->rec);
    }
}
