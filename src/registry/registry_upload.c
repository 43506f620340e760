/* Uploads (distribution-spec 1.1, "Pushing blobs"): from the socket to a file, hashed on the
 * way; then one fsync on a worker, and a link in the repository on the state thread. The
 * client is told "created" when both are durable. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "registry_private.h"

#define MARK_BYTES 8 /* of an upload's name */

/* Left free for everybody else on that disk. */
#define RESERVE_BYTES (256ULL * 1024 * 1024)

static void answer_error(struct visit *v, const struct error *err)
{
    visit_refuse_error(v, err);
    visit_answer_refusal(v);
}

static void release(struct visit *v)
{
    struct blob_upload *u = v->upload;
    v->upload = NULL;
    blob_upload_release(u, visit_now_ms(v));
}

void upload_gone(struct visit *v)
{
    struct blob_upload *u = v->upload;
    v->upload = NULL;
    if (u && v->goal == UPLOAD_AT_ONCE)
        blob_upload_cancel(u); /* its client knows no name to go on with */
    else if (u)
        blob_upload_release(u, visit_now_ms(v));
}

/* `text` into v->digest. False: answered. */
static bool take_digest(struct visit *v, const char *text)
{
    struct error err = ERROR_INIT;
    if (blob_digest_parse(text, &v->digest, &err) == 0) {
        v->digest_text = text;
        return true;
    }
    answer_error(v, &err);
    return false;
}

static void decide_repository(struct core *core, struct visit *v)
{
    visit_refuse_ecr(v, ecr_repository_check(core, &v->scope, v->route.repository));
}

/* IAM is asked about the repository of the path, so an upload's name carries the mark of the
 * repository that it was begun for: nobody writes to it by way of another one. */
const char *upload_name(struct visit *v)
{
    uint8_t mac[32];
    char hex[2 * MARK_BYTES + 1];
    unsigned n = sizeof(mac);
    const char *key =
        arena_printf(v->a, "registry-upload:%s", v->registry->config.token_secret);
    const char *text = arena_printf(v->a, "%s/%s/%s:%s", v->scope.account,
                                    v->scope.region, v->route.repository, v->upload_id);
    HMAC(EVP_sha256(), key, (int)strlen(key), (const uint8_t *)text, strlen(text), mac,
         &n);
    hex_encode(mac, MARK_BYTES, hex);
    return arena_printf(v->a, "%s.%s", v->upload_id, hex);
}

/* ---- bytes ---- */

static int sink(void *ctx, const void *data, size_t len)
{
    struct visit *v = ctx;
    int r = blob_upload_append(v->upload, v->offset, data, len, &v->sink_error);
    if (r == 0)
        v->offset += len;
    return r;
}

/* Is there room for what was announced? What was not is found out by writing. */
static bool has_room(struct visit *v)
{
    uint64_t left,
        need = v->req->content_length > 0 ? (uint64_t)v->req->content_length : 0;
    if (blob_free_bytes(v->registry->config.blobs, &left, NULL) < 0 ||
        (left > RESERVE_BYTES && left - RESERVE_BYTES >= need))
        return true;
    release(v);
    visit_refuse(v, 507, "UNKNOWN", "the registry's disk is full");
    visit_answer_refusal(v);
    return false;
}

static void receive(struct visit *v)
{
    if (has_room(v))
        http_accept_stream(v->req, MAX_LAYER, sink, v);
}

/* The piece must begin where the upload ends. Content-Range is optional; without it the
 * piece begins there by definition. */
static bool piece_fits(struct visit *v)
{
    const char *range = http_header(v->req, "Content-Range");
    uint64_t first, last;
    v->offset = blob_upload_size(v->upload);
    if (!range)
        return true;
    int64_t len = v->req->content_length;
    if (!range_parse_upload(range, &first, &last)) {
        visit_refuse(v, 416, "BLOB_UPLOAD_INVALID",
                     "Content-Range must be <first>-<last>");
    } else if (len >= 0 && (uint64_t)len != last - first + 1) {
        visit_refuse(v, 400, "SIZE_INVALID", "Content-Range and Content-Length disagree");
    } else if (first == v->offset) {
        return true;
    } else {
        uint64_t size = v->offset;
        release(v);
        visit_answer_range(v, size);
        return false;
    }
    release(v);
    visit_answer_refusal(v);
    return false;
}

static void acquire(struct visit *v)
{
    struct error err = ERROR_INIT;
    uint64_t size = 0;
    int r =
        blob_upload_acquire(v->registry->config.blobs, v->upload_id, &v->upload, &err);
    if (r == -E_AGAIN) { /* another request writes it: out of order, as it were */
        blob_upload_query(v->registry->config.blobs, v->upload_id, &size, NULL);
        visit_answer_range(v, size);
    } else if (r < 0) {
        answer_error(v, &err);
    } else if (piece_fits(v)) {
        receive(v);
    }
}

/* ---- POST: a new upload, a mount, or all at once ---- */

static void answer_created(struct visit *v)
{
    struct head h;
    visit_unpin(v);
    head_init(&h);
    head_add(&h, "Location",
             arena_printf(v->a, "/v2/%s/blobs/%s", v->route.repository, v->digest_text));
    head_add(&h, "Docker-Content-Digest", v->digest_text);
    visit_answer(v, 201, &h);
}

static void create(struct visit *v)
{
    struct error err = ERROR_INIT;
    const char *hint = query_get(v->a, v->req->query, "digest-algorithm");
    enum blob_algorithm algorithm = v->goal == UPLOAD_AT_ONCE       ? v->digest.algorithm
                                    : hint && streq(hint, "sha512") ? BLOB_SHA512
                                                                    : BLOB_SHA256;
    struct blob_store *blobs = v->registry->config.blobs;
    int r = blob_upload_create(blobs, algorithm, visit_now_ms(v), v->upload_id, &err);
    if (r == 0 && v->goal == UPLOAD_AT_ONCE)
        r = blob_upload_acquire(blobs, v->upload_id, &v->upload, &err);
    if (r < 0) {
        answer_error(v, &err);
    } else if (v->goal == UPLOAD_AT_ONCE) {
        receive(v);
    } else {
        struct head h;
        head_init(&h);
        visit_add_upload(v, &h, 0);
        visit_answer(v, 202, &h);
    }
}

/* The source: `from`, if the caller may read it there; without it any repository, but only
 * where no policy could forbid one. What is not found becomes an ordinary upload. */
static bool mount_source(struct core *core, struct visit *v, int64_t *ret_size)
{
    const char *from = query_get(v->a, v->req->query, "from");
    if (!from)
        return !v->registry->config.backend.authorize &&
               ecr_blob_anywhere(core, &v->scope, v->digest_text, ret_size) == ECR_OK;
    if (!route_repository_valid(from))
        return false;
    bool may = visit_authorize(core, v, "ecr:GetDownloadUrlForLayer", from) &&
               visit_authorize(core, v, "ecr:BatchCheckLayerAvailability", from);
    v->refused = 0;
    return may &&
           ecr_blob_find(core, &v->scope, from, v->digest_text, ret_size) == ECR_OK;
}

static void decide_mount(struct core *core, struct visit *v)
{
    int64_t size;
    decide_repository(core, v);
    if (v->refused || !mount_source(core, v, &size))
        return;
    visit_refuse_ecr(
        v, ecr_blob_link(core, &v->scope, v->route.repository, v->digest_text, size));
    v->mounted = true;
}

static void after_post(struct visit *v)
{
    if (v->mounted)
        answer_created(v);
    else
        visit_work(v, create);
}

void upload_post(struct visit *v)
{
    const char *digest = query_get(v->a, v->req->query, "digest");
    const char *mount = query_get(v->a, v->req->query, "mount");
    const char *algorithm = query_get(v->a, v->req->query, "digest-algorithm");
    if (algorithm && !streq(algorithm, "sha256") && !streq(algorithm, "sha512")) {
        visit_refuse(v, 400, "DIGEST_INVALID",
                     "digest-algorithm must be sha256 or sha512");
        visit_answer_refusal(v);
        return;
    }
    if ((digest && !take_digest(v, digest)) ||
        (!digest && mount && !take_digest(v, mount)))
        return;
    if (digest)
        v->goal = UPLOAD_AT_ONCE;
    visit_ask(v, !digest && mount ? decide_mount : decide_repository, after_post);
}

/* ---- PATCH and PUT ---- */

static void work_acquire(struct visit *v)
{
    visit_work(v, acquire);
}

static bool take_id(struct visit *v)
{
    size_t n = sizeof(v->upload_id) - 1;
    if (strlen(v->route.reference) > n) {
        memcpy(v->upload_id, v->route.reference, n);
        if (streq(upload_name(v), v->route.reference))
            return true;
    }
    visit_refuse(v, 404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
    visit_answer_refusal(v);
    return false;
}

void upload_patch(struct visit *v)
{
    v->goal = UPLOAD_APPEND;
    if (take_id(v))
        visit_ask(v, decide_repository, work_acquire);
}

void upload_put(struct visit *v)
{
    const char *digest = query_get(v->a, v->req->query, "digest");
    v->goal = UPLOAD_FINISH;
    if (take_id(v) && take_digest(v, digest ? digest : ""))
        visit_ask(v, decide_repository, work_acquire);
}

static void decide_link(struct core *core, struct visit *v)
{
    visit_refuse_ecr(v, ecr_blob_link(core, &v->scope, v->route.repository,
                                      v->digest_text, (int64_t)v->size));
}

static void finish(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct blob_upload *u = v->upload;
    v->upload = NULL;
    v->size = blob_upload_size(u);
    visit_pin(v);
    if (blob_upload_finish(u, &v->digest, &err) < 0) {
        visit_unpin(v);
        answer_error(v, &err);
        return;
    }
    visit_ask(v, decide_link, answer_created);
}

void upload_complete(struct visit *v)
{
    const char *range = http_header(v->req, "Content-Range");
    uint64_t first, last, size = blob_upload_size(v->upload);
    if (http_sink_failed(v->req)) {
        upload_gone(v);
        answer_error(v, &v->sink_error);
    } else if (range && range_parse_upload(range, &first, &last) && last + 1 != size) {
        release(v);
        visit_refuse(v, 400, "SIZE_INVALID",
                     "the body is not as long as Content-Range says");
        visit_answer_refusal(v);
    } else if (v->goal == UPLOAD_APPEND) {
        struct head h;
        release(v);
        head_init(&h);
        visit_add_upload(v, &h, size);
        visit_answer(v, 202, &h);
    } else {
        visit_work(v, finish);
    }
}

/* ---- GET and DELETE ---- */

static void show_upload(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct head h;
    uint64_t size;
    if (blob_upload_query(v->registry->config.blobs, v->upload_id, &size, &err) < 0) {
        v->goal = UPLOAD_APPEND; /* for the error's code */
        answer_error(v, &err);
        return;
    }
    head_init(&h);
    visit_add_upload(v, &h, size);
    visit_answer(v, 204, &h);
}

void upload_get(struct visit *v)
{
    if (take_id(v))
        visit_ask(v, decide_repository, show_upload);
}

static void cancel(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct head h;
    struct blob_upload *u;
    int r = blob_upload_acquire(v->registry->config.blobs, v->upload_id, &u, &err);
    if (r == -E_AGAIN) {
        visit_refuse(v, 409, "BLOB_UPLOAD_INVALID", "%s", err.text);
        visit_answer_refusal(v);
        return;
    }
    if (r < 0) {
        v->goal = UPLOAD_APPEND;
        answer_error(v, &err);
        return;
    }
    blob_upload_cancel(u);
    head_init(&h);
    visit_answer(v, 204, &h);
}

static void work_cancel(struct visit *v)
{
    visit_work(v, cancel);
}

void upload_cancel(struct visit *v)
{
    if (take_id(v))
        visit_ask(v, decide_repository, work_cancel);
}
