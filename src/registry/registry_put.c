/* PUT of a manifest: read what it says, see that what it names is there, keep the bytes,
 * then add it to the repository. The last step looks again: blobs may have gone while the
 * bytes were written. */
#include <stdlib.h>
#include <string.h>

#include "registry_private.h"

#define MAX_TAGS 20 /* of one PUT */

/* ---- what it names ---- */

static void refuse_missing(struct visit *v, const char *what, const char *digest)
{
    visit_refuse(v, 400, "MANIFEST_BLOB_UNKNOWN", "%s %s is not in the repository '%s'",
                 what, digest, v->route.repository);
}

static void check_children(struct core *core, struct visit *v)
{
    int64_t largest = 0;
    for (size_t i = 0; i < v->facts.m.children.n; i++) {
        const struct gantry_manifest_record *child;
        const char *digest = v->facts.m.children.v[i];
        if (ecr_manifest_find(core, &v->scope, v->route.repository, digest, &child) ==
            ECR_OK) {
            if (child->image_size_bytes.v > largest)
                largest = child->image_size_bytes.v;
        } else if (!v->registry->config.sparse_indexes) {
            refuse_missing(v, "the manifest", digest);
            return;
        }
    }
    if (v->facts.is_index)
        v->facts.m.image_size_bytes = largest;
}

static void decide_check(struct core *core, struct visit *v)
{
    int64_t size;
    visit_refuse_ecr(v, ecr_repository_check(core, &v->scope, v->route.repository));
    for (size_t i = 0; !v->refused && i < v->facts.required.n; i++) {
        const char *digest = v->facts.required.v[i];
        if (ecr_blob_find(core, &v->scope, v->route.repository, digest, &size) != ECR_OK)
            refuse_missing(v, "the blob", digest);
    }
    if (!v->refused)
        check_children(core, v);
}

/* ---- adding it ---- */

static void decide_put(struct core *core, struct visit *v)
{
    const char *immutable;
    decide_check(core, v);
    if (v->refused)
        return;
    enum ecr_result r = ecr_manifest_put(core, &v->scope, v->route.repository,
                                         &v->facts.m, &v->tags, &immutable);
    if (r == ECR_TAG_IMMUTABLE)
        visit_refuse(
            v, 400, "TAG_INVALID",
            "The image tag '%s' already exists in the '%s' repository and cannot "
            "be overwritten because the tag is immutable.",
            immutable, v->route.repository);
    visit_refuse_ecr(v, r);
}

static void answer_put(struct visit *v)
{
    struct head h;
    visit_unpin(v);
    head_init(&h);
    head_add(
        &h, "Location",
        arena_printf(v->a, "/v2/%s/manifests/%s", v->route.repository, v->digest_text));
    head_add(&h, "Docker-Content-Digest", v->digest_text);
    if (v->facts.m.subject)
        head_add(&h, "OCI-Subject", v->facts.m.subject);
    for (size_t i = 0; query_get(v->a, v->req->query, "tag") && i < v->tags.n; i++)
        head_add(&h, "OCI-Tag", v->tags.v[i]);
    visit_answer(v, 201, &h);
}

static void keep(struct visit *v)
{
    struct error err = ERROR_INIT;
    visit_pin(v);
    if (blob_put(v->registry->config.blobs, v->req->body, v->req->body_len, &v->digest,
                 &err) < 0) {
        visit_unpin(v);
        visit_refuse_error(v, &err);
        visit_answer_refusal(v);
        return;
    }
    visit_ask(v, decide_put, answer_put);
}

static void work_keep(struct visit *v)
{
    visit_work(v, keep);
}

/* ---- reading it ---- */

/* The reference is a digest, which must be the body's, or a tag. */
static bool name_it(struct visit *v, struct error *err)
{
    const char *reference = v->route.reference;
    bool by_digest = strchr(reference, ':') != NULL;
    struct blob_digest given = {.algorithm = BLOB_SHA256};
    char text[BLOB_DIGEST_SIZE];
    if (by_digest && blob_digest_parse(reference, &given, err) < 0)
        return false;
    blob_digest_of(given.algorithm, v->req->body, v->req->body_len, &v->digest);
    blob_digest_format(&v->digest, text);
    v->digest_text = arena_strdup(v->a, text);
    if (by_digest && !blob_digest_equal(&given, &v->digest)) {
        fail(err, E_CORRUPT, "the manifest that came has the digest %s", text);
        return false;
    }
    if (!by_digest)
        *LIST_PUSH(v->a, &v->tags) = reference;
    return true;
}

static void read_manifest(struct visit *v)
{
    struct error err = ERROR_INIT;
    if (!name_it(v, &err)) {
        visit_refuse(v, 400, "DIGEST_INVALID", "%s", err.text);
    } else if (registry_manifest_parse(v->a, http_header(v->req, "Content-Type"),
                                       v->req->body, v->req->body_len, &v->facts,
                                       &err) < 0) {
        visit_refuse(v, 400, "MANIFEST_INVALID", "%s", err.text);
    } else {
        v->facts.m.digest = v->digest_text;
        v->facts.m.size_bytes = (int64_t)v->req->body_len;
        visit_ask(v, decide_check, work_keep);
        return;
    }
    visit_answer_refusal(v);
}

void manifest_complete(struct visit *v)
{
    visit_work(v, read_manifest);
}

static bool tags_valid(struct visit *v)
{
    for (size_t i = 0; i < v->tags.n; i++) {
        if (!route_tag_valid(v->tags.v[i]))
            return false;
    }
    return v->tags.n <= MAX_TAGS;
}

void manifest_put(struct visit *v)
{
    const char *reference = v->route.reference;
    bool by_digest = strchr(reference, ':') != NULL;
    if (by_digest)
        query_all(v->a, v->req->query, "tag", &v->tags);
    if ((!by_digest && !route_tag_valid(reference)) || !tags_valid(v)) {
        visit_refuse(v, 400, "TAG_INVALID",
                     "a tag is not valid, or there are more than %d", MAX_TAGS);
        visit_answer_refusal(v);
        return;
    }
    if (v->req->content_length > ECR_MAX_MANIFEST) {
        visit_refuse(v, 413, "MANIFEST_INVALID", "a manifest has at most %d bytes",
                     ECR_MAX_MANIFEST);
        visit_answer_refusal(v);
        return;
    }
    http_accept_body(v->req, ECR_MAX_MANIFEST);
}
