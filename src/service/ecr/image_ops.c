/* ListImages, DescribeImages, BatchGetImage, BatchDeleteImage. */
#include <string.h>

#include "ecr_state.h"
#include "page.h"

#define BATCH_MAX_BYTES (16 * 1024 * 1024)

static int invalid_token(struct call *c)
{
    return call_fault(c, &ecr_invalid_parameter_exception,
                      "Invalid parameter at 'nextToken' failed to satisfy constraint: "
                      "'must be a token that this operation returned'");
}

/* Page tokens are positions in the manifests' keys; in lists of tags, a manifest's key and
 * the last tag that was shown, behind a line feed. */
static int start_of(struct call *c, const char *token, const char *prefix,
                    const char **ret_at)
{
    *ret_at = prefix;
    if (token &&
        (!page_position(&c->arena, token, ret_at) || !str_starts(*ret_at, prefix)))
        return invalid_token(c);
    return 0;
}

static bool wanted(int status, bool tagged)
{
    return status == ECR_TAG_STATUS_TAGGED     ? tagged
           : status == ECR_TAG_STATUS_UNTAGGED ? !tagged
                                               : true;
}

/* ---- ListImages: one row a tag; untagged ones have a digest only ---- */

/* False: the page is full; *ret_at says behind what. */
static bool list_rows(struct call *c, const struct manifest *m, const char *after_tag,
                      size_t limit, int status, struct ecr_image_identifier_list *ret,
                      const char **ret_at)
{
    struct string_list tags = {0};
    manifest_tags(m, &c->arena, &tags);
    if (!wanted(status, tags.n > 0) || (after_tag && tags.n == 0))
        return true;
    for (size_t i = 0; i < (tags.n ? tags.n : 1); i++) {
        const char *tag = tags.n ? tags.v[i] : NULL;
        if (after_tag && strcmp(tag, after_tag) <= 0)
            continue;
        if (ret->n == limit)
            return false;
        struct ecr_image_identifier *id = LIST_PUSH(&c->arena, ret);
        id->image_digest = arena_strdup(&c->arena, m->rec->digest);
        id->image_tag = tag;
        *ret_at = tag ? call_printf(c, "%s\n%s", m->o.key, tag) : m->o.key;
    }
    return true;
}

static void list_from(struct call *c, const struct ecr_list_images_request *in,
                      const char *prefix, const char *at,
                      struct ecr_list_images_response *out)
{
    struct table *table = ecr_of(c->core)->manifests;
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : 100;
    int status = in->filter ? (int)in->filter->tag_status : 0;
    const char *line = strchr(at, '\n'), *after_tag = line ? line + 1 : NULL;
    const char *key = line ? arena_strndup(&c->arena, at, (size_t)(line - at)) : at;
    struct manifest *m = after_tag ? table_find(table, key) : NULL;
    if (!m)
        m = table_next(table, prefix, key);
    for (; m; m = table_next(table, prefix, m->o.key)) {
        const char *after = after_tag && streq(m->o.key, key) ? after_tag : NULL;
        if (!list_rows(c, m, after, limit, status, &out->image_ids, &at)) {
            out->next_token = page_token(&c->arena, at);
            return;
        }
    }
}

int ecr_list_images(struct call *c, const struct ecr_list_images_request *in,
                    struct ecr_list_images_response *out)
{
    struct repository *r;
    struct ecr_scope scope = call_scope(c);
    const char *name = in->repository_name, *at;
    if (repository_require(c, in->registry_id, name, &r) < 0)
        return -1;
    const char *prefix = ecr_part_key(&c->arena, "manifest", &scope, name, "");
    if (start_of(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->image_ids.set = true;
    list_from(c, in, prefix, at, out);
    return 0;
}

/* ---- DescribeImages ---- */

static void describe(struct call *c, const struct repository *r, const struct manifest *m,
                     const struct string_list *tags, struct ecr_image_detail *d)
{
    const struct gantry_manifest_record *rec = m->rec;
    struct arena *a = &c->arena;
    d->registry_id = arena_strdup(a, r->rec->repository->registry_id);
    d->repository_name = arena_strdup(a, r->rec->repository->repository_name);
    d->image_digest = arena_strdup(a, rec->digest);
    d->image_tags = *tags;
    d->image_size_in_bytes = rec->image_size_bytes;
    d->image_pushed_at = rec->pushed_at;
    d->image_manifest_media_type = arena_strdup(a, rec->media_type);
    d->artifact_media_type = arena_strdup(a, rec->artifact_media_type);
    d->last_recorded_pull_time = rec->last_pulled_at;
    d->subject_manifest_digest = arena_strdup(a, rec->subject);
}

static const char *id_digest(struct call *c, const char *repository,
                             const struct ecr_image_identifier *id)
{
    struct ecr_scope scope = call_scope(c);
    if (id->image_digest)
        return id->image_digest;
    const struct image_tag *t =
        id->image_tag ? tag_find(c->core, &scope, repository, id->image_tag) : NULL;
    return t ? t->rec->digest : NULL;
}

/* Where both are given, the tag must be the digest's. */
static bool id_fits(struct call *c, const char *repository,
                    const struct ecr_image_identifier *id, const char *digest)
{
    struct ecr_scope scope = call_scope(c);
    if (!id->image_tag || !id->image_digest)
        return true;
    const struct image_tag *t = tag_find(c->core, &scope, repository, id->image_tag);
    return t && streq(t->rec->digest, digest);
}

static int not_found(struct call *c, const char *repository,
                     const struct ecr_image_identifier *id)
{
    return call_fault(
        c, &ecr_image_not_found_exception,
        "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not "
        "exist within the repository with name '%s' in the registry with id "
        "'%s'",
        id->image_digest ? id->image_digest : "null",
        id->image_tag ? id->image_tag : "null", repository, c->who.account_id);
}

static int describe_named(struct call *c, const struct ecr_describe_images_request *in,
                          const struct repository *r, struct ecr_image_detail_list *ret)
{
    struct ecr_scope scope = call_scope(c);
    for (size_t i = 0; i < in->image_ids.n; i++) {
        const struct ecr_image_identifier *id = &in->image_ids.v[i];
        const char *digest = id_digest(c, in->repository_name, id);
        struct manifest *m =
            digest ? manifest_find(c->core, &scope, in->repository_name, digest) : NULL;
        struct string_list tags = {0};
        if (!m || !id_fits(c, in->repository_name, id, digest))
            return not_found(c, in->repository_name, id);
        manifest_tags(m, &c->arena, &tags);
        describe(c, r, m, &tags, LIST_PUSH(&c->arena, ret));
    }
    return 0;
}

static void describe_from(struct call *c, const struct ecr_describe_images_request *in,
                          const struct repository *r, const char *prefix, const char *at,
                          struct ecr_describe_images_response *out)
{
    size_t limit = in->max_results.set ? (size_t)in->max_results.v : 100;
    int status = in->filter ? (int)in->filter->tag_status : 0;
    struct manifest *m;
    for (; (m = table_next(ecr_of(c->core)->manifests, prefix, at)); at = m->o.key) {
        struct string_list tags = {0};
        manifest_tags(m, &c->arena, &tags);
        if (!wanted(status, tags.n > 0))
            continue;
        if (out->image_details.n == limit) {
            out->next_token = page_token(&c->arena, at);
            return;
        }
        describe(c, r, m, &tags, LIST_PUSH(&c->arena, &out->image_details));
    }
}

int ecr_describe_images(struct call *c, const struct ecr_describe_images_request *in,
                        struct ecr_describe_images_response *out)
{
    struct repository *r;
    struct ecr_scope scope = call_scope(c);
    const char *name = in->repository_name, *at;
    if (repository_require(c, in->registry_id, name, &r) < 0)
        return -1;
    const char *prefix = ecr_part_key(&c->arena, "manifest", &scope, name, "");
    if (start_of(c, in->next_token, prefix, &at) < 0)
        return -1;
    out->image_details.set = true;
    if (in->image_ids.n > 0)
        return describe_named(c, in, r, &out->image_details);
    describe_from(c, in, r, prefix, at, out);
    return 0;
}

/* ---- batches ---- */

static void failure(struct call *c, struct ecr_image_failure_list *ret,
                    const struct ecr_image_identifier *id, int code, const char *reason)
{
    struct ecr_image_failure *f = LIST_PUSH(&c->arena, ret);
    f->image_id = wire_copy(&c->arena, &ecr_image_identifier_shape, id);
    f->failure_code = (enum ecr_image_failure_code)code;
    f->failure_reason = reason;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* `[a-zA-Z0-9_+.-]+:[a-fA-F0-9]+` */
static bool digest_valid(const char *text)
{
    size_t n = strspn(text, LOWER UPPER DIGIT "_+.-");
    size_t hex = text[n] == ':' ? strspn(text + n + 1, DIGIT "abcdefABCDEF") : 0;
    return n > 0 && hex > 0 && text[n + 1 + hex] == '\0';
}

static bool tag_valid(const char *text)
{
    return strspn(text, LOWER UPPER DIGIT "_") > 0 &&
           text[strspn(text, LOWER UPPER DIGIT "_.-")] == '\0';
}

/* False after a failure was noted. */
static bool id_valid(struct call *c, const struct ecr_image_identifier *id,
                     struct ecr_image_failure_list *failures)
{
    if (!id->image_digest && !id->image_tag)
        failure(c, failures, id, ECR_IMAGE_FAILURE_CODE_MISSING_DIGEST_AND_TAG,
                "Invalid request parameters: both tag and digest cannot be null");
    else if (id->image_digest && !digest_valid(id->image_digest))
        failure(c, failures, id, ECR_IMAGE_FAILURE_CODE_INVALID_IMAGE_DIGEST,
                "Invalid request parameters: the image digest is not valid");
    else if (id->image_tag && !tag_valid(id->image_tag))
        failure(c, failures, id, ECR_IMAGE_FAILURE_CODE_INVALID_IMAGE_TAG,
                "Invalid request parameters: the image tag is not valid");
    else
        return true;
    return false;
}

/* The manifest that an image id names; NULL after a failure was noted. */
static struct manifest *resolve(struct call *c, const char *repository,
                                const struct ecr_image_identifier *id,
                                struct ecr_image_failure_list *failures)
{
    struct ecr_scope scope = call_scope(c);
    if (!id_valid(c, id, failures))
        return NULL;
    const char *digest = id_digest(c, repository, id);
    struct manifest *m =
        digest ? manifest_find(c->core, &scope, repository, digest) : NULL;
    if (!m) {
        failure(c, failures, id, ECR_IMAGE_FAILURE_CODE_IMAGE_NOT_FOUND,
                "Requested image not found");
        return NULL;
    }
    if (!id_fits(c, repository, id, digest)) {
        failure(c, failures, id, ECR_IMAGE_FAILURE_CODE_IMAGE_TAG_DOES_NOT_MATCH_DIGEST,
                "Tag does not match digest");
        return NULL;
    }
    return m;
}

/* Worker: the manifests' texts come from disk. */
static void read_manifests(struct call *c)
{
    struct ecr_batch_get_image_response *out = c->out;
    const struct ecr_settings *settings = &ecr_of(c->core)->settings;
    size_t total = 0, kept = 0;
    for (size_t i = 0; i < out->images.n; i++) {
        struct ecr_image *image = &out->images.v[i];
        AUTO_STR text = STR_INIT;
        if (total > BATCH_MAX_BYTES ||
            settings->read_manifest(settings->ctx, image->image_id->image_digest, &text) <
                0) {
            failure(c, &out->failures, image->image_id,
                    ECR_IMAGE_FAILURE_CODE_IMAGE_INACCESSIBLE,
                    total > BATCH_MAX_BYTES
                        ? "The reply would be too large; ask for fewer "
                          "images"
                        : "The image's manifest can't be read");
            continue;
        }
        image->image_manifest = arena_strndup(&c->arena, str_text(&text), text.len);
        total += text.len;
        out->images.v[kept++] = *image;
    }
    out->images.n = kept;
}

static bool accepted(const struct string_list *types, const char *type)
{
    bool any = types->n == 0;
    for (size_t i = 0; i < types->n && !any; i++)
        any = streq(types->v[i], type);
    return any;
}

int ecr_batch_get_image(struct call *c, const struct ecr_batch_get_image_request *in,
                        struct ecr_batch_get_image_response *out)
{
    struct repository *r;
    const char *name = in->repository_name;
    struct ecr_scope scope = call_scope(c);
    if (repository_require(c, in->registry_id, name, &r) < 0)
        return -1;
    out->images.set = out->failures.set = true;
    for (size_t i = 0; i < in->image_ids.n; i++) {
        const struct ecr_image_identifier *id = &in->image_ids.v[i];
        struct manifest *m = resolve(c, name, id, &out->failures);
        if (!m)
            continue;
        if (!accepted(&in->accepted_media_types, m->rec->media_type)) {
            failure(c, &out->failures, id, ECR_IMAGE_FAILURE_CODE_IMAGE_NOT_FOUND,
                    "Requested image not found");
            continue;
        }
        struct ecr_image *image = LIST_PUSH(&c->arena, &out->images);
        image->registry_id = c->who.account_id;
        image->repository_name = name;
        image->image_id = arena_new(&c->arena, struct ecr_image_identifier);
        image->image_id->image_digest = arena_strdup(&c->arena, m->rec->digest);
        image->image_id->image_tag = id->image_tag;
        image->image_manifest_media_type = arena_strdup(&c->arena, m->rec->media_type);
        ecr_manifest_pulled(c->core, &scope, name, m->rec->digest);
    }
    c->finish = read_manifests;
    return 0;
}

static void deleted(struct call *c, struct ecr_image_identifier_list *ret,
                    const char *digest, const char *tag)
{
    struct ecr_image_identifier *id = LIST_PUSH(&c->arena, ret);
    id->image_digest = arena_strdup(&c->arena, digest);
    id->image_tag = tag;
}

/* By tag: the tag goes, and the image with its last one. By digest: one row a tag. */
static void delete_one(struct call *c, const struct repository *r, struct manifest *m,
                       const struct ecr_image_identifier *id,
                       struct ecr_batch_delete_image_response *out)
{
    struct ecr_scope scope = call_scope(c);
    struct string_list tags = {0};
    const char *repository = r->rec->repository->repository_name;
    const char *digest = arena_strdup(&c->arena, m->rec->digest);
    manifest_tags(m, &c->arena, &tags);
    bool whole = !id->image_tag || tags.n == 1;
    if (whole && manifest_parent(r, digest)) {
        failure(c, &out->failures, id,
                ECR_IMAGE_FAILURE_CODE_IMAGE_REFERENCED_BY_MANIFEST_LIST,
                "Requested image referenced by manifest list");
        return;
    }
    if (id->image_tag) {
        deleted(c, &out->image_ids, digest, id->image_tag);
        ecr_manifest_delete(c->core, &scope, repository, id->image_tag);
    }
    for (size_t i = 0; !id->image_tag && i < tags.n; i++)
        deleted(c, &out->image_ids, digest, tags.v[i]);
    if (!id->image_tag && tags.n == 0)
        deleted(c, &out->image_ids, digest, NULL);
    if (whole)
        manifest_remove(c->core, &scope, repository, m);
}

int ecr_batch_delete_image(struct call *c,
                           const struct ecr_batch_delete_image_request *in,
                           struct ecr_batch_delete_image_response *out)
{
    struct repository *r;
    const char *name = in->repository_name;
    if (repository_require(c, in->registry_id, name, &r) < 0)
        return -1;
    out->image_ids.set = out->failures.set = true;
    for (size_t i = 0; i < in->image_ids.n; i++) {
        struct manifest *m = resolve(c, name, &in->image_ids.v[i], &out->failures);
        if (m)
            delete_one(c, r, m, &in->image_ids.v[i], out);
    }
    return 0;
}
