/* Downloads a blob into the store. What has arrived stays in the upload, so each try asks
 * for the rest only (Range, RFC 9110 §14); a server that sends everything again is heard
 * out, without the part that is here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "registry_session.h"

struct blob_download {
    struct registry_download base;
    struct registry_session *session;
    const struct content_descriptor *what;
    struct blob_upload *upload;
    uint64_t skip; /* bytes of this answer that are here already */
    registry_progress *progress;
    void *progress_ctx;
};

static int on_headers(void *ctx, const struct http_client_response *resp,
                      struct error *err)
{
    struct blob_download *d = ctx;
    d->skip = 0;
    if (resp->status == 200)
        d->skip = d->base.have;
    if (resp->status != 206)
        return 0;
    const char *range = http_client_header(resp, "Content-Range");
    uint64_t from;
    if (!range || sscanf(range, "bytes %" SCNu64 "-", &from) != 1 || from != d->base.have)
        return fail(err, E_PROTOCOL,
                    "blob %s: the registry sent another range than asked",
                    d->what->digest);
    return 0;
}

static int sink(void *ctx, const void *data, size_t len, struct error *err)
{
    struct blob_download *d = ctx;
    const char *p = data;
    if (d->skip >= len) {
        d->skip -= len;
        return 0;
    }
    p += d->skip;
    len -= (size_t)d->skip;
    d->skip = 0;
    if (len > d->what->size - d->base.have)
        return fail(err, E_CORRUPT,
                    "blob %s is longer than the %llu bytes that the manifest says",
                    d->what->digest, (unsigned long long)d->what->size);
    int r = blob_upload_append(d->upload, d->base.have, p, len, err);
    if (r < 0)
        return r;
    d->base.have += len;
    return d->progress ? d->progress(d->progress_ctx, d->base.have, d->what->size, err)
                       : 0;
}

static int download(struct blob_download *d, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct registry_session *s = d->session;
    str_addf(&path, "/v2/%s/blobs/%s", s->ref.repository, d->what->digest);
    struct registry_request req = {.path = path.data, .download = &d->base};
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    int r = registry_request(s, &req, &resp, err);
    http_client_response_fini(&resp);
    if (r == 0 && d->base.have != d->what->size)
        r = fail(err, E_CORRUPT, "%s: blob %s ended after %llu bytes of %llu", s->shown,
                 d->what->digest, (unsigned long long)d->base.have,
                 (unsigned long long)d->what->size);
    return r;
}

int registry_get_blob(struct registry_session *s, const struct content_descriptor *d,
                      struct blob_store *store, registry_progress *progress, void *ctx,
                      struct error *err)
{
    char id[BLOB_UPLOAD_ID_SIZE];
    struct blob_digest digest;
    struct blob_download dl = {
        .base = {.on_headers = on_headers, .sink = sink, .ctx = &dl},
        .session = s,
        .what = d,
        .progress = progress,
        .progress_ctx = ctx,
    };
    int r = blob_digest_parse(d->digest, &digest, err);
    if (r < 0)
        return r;
    if (blob_open(store, &digest, NULL, NULL, NULL) == 0)
        return progress ? progress(ctx, d->size, d->size, err) : 0;
    if ((r = blob_upload_create(store, digest.algorithm, clock_wall_ms(), id, err)) < 0 ||
        (r = blob_upload_acquire(store, id, &dl.upload, err)) < 0)
        return r;
    r = download(&dl, err);
    if (r < 0) {
        blob_upload_cancel(dl.upload);
        return r;
    }
    r = blob_upload_finish(dl.upload, &digest, err);
    return r < 0 ? wrap(err, "%s: blob %s", s->shown, d->digest) : 0;
}
