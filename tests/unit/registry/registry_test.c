/* The registry's HTTP face, over real sockets and the real ecr. */
#include "unit.h"

#include <pthread.h>

#include "base64.h"
#include "http_client.h"
#include "registry_private.h"
#include "world.h"

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX    "application/vnd.oci.image.index.v1+json"

struct t {
    struct world w;
    struct http_client *c;
    struct arena a;
    const char *auth; /* NULL: none is sent */
    struct http_client_response r;
};

static const char *basic(struct t *t, const char *user, const char *password)
{
    AUTO_STR s = STR_INIT;
    const char *pair = arena_printf(&t->a, "%s:%s", user, password);
    str_add(&s, "Basic ");
    base64_add(&s, pair, strlen(pair));
    return arena_strdup(&t->a, str_text(&s));
}

static int setup_as(void **state, bool dev)
{
    struct t *t = xcalloc(1, sizeof(*t));
    strcpy(t->w.dir, "/tmp/gantry-registry-XXXXXX");
    assert_non_null(mkdtemp(t->w.dir));
    assert_int_equal(store_memory_open(&t->w.store, NULL), 0);
    world_start(&t->w, "127.0.0.1:0", dev, false);
    repository_make(&t->w, "web");
    repository_make(&t->w, "team/api");
    http_client_new(&(struct http_client_config){0}, &t->c, NULL);
    t->auth = basic(t, "AWS", world_token(&t->a, clock_wall_ms() + 3600000));
    *state = t;
    return 0;
}

static int setup(void **state)
{
    return setup_as(state, false);
}

static int setup_dev(void **state)
{
    return setup_as(state, true);
}

static int teardown(void **state)
{
    struct t *t = *state;
    http_client_response_fini(&t->r);
    http_client_free(t->c);
    world_stop(&t->w);
    store_close(t->w.store);
    dir_remove_all(t->w.dir, NULL);
    arena_free(&t->a);
    free(t);
    return 0;
}

/* ---- asking ---- */

static int ask(struct t *t, const char *method, const char *path, const char *header,
               const char *value, const void *body, size_t len)
{
    struct error err = ERROR_INIT;
    struct http_header h[4] = {{0}};
    size_t n = 0;
    if (t->auth)
        h[n++] = (struct http_header){"Authorization", t->auth};
    if (header)
        h[n++] = (struct http_header){header, value};
    struct http_client_request req = {
        .method = method,
        .url = str_starts(path, "http:")
                   ? path
                   : arena_printf(&t->a, "http://%s%s", http_server_address(t->w.http),
                                  path),
        .headers = h,
        .body = body,
        .body_len = len,
    };
    http_client_response_fini(&t->r);
    int r = http_client_do(t->c, &req, &t->r, &err);
    if (r < 0)
        print_message("%s %s: %s\n", method, path, err.text);
    return r < 0 ? r : t->r.status;
}

static int get(struct t *t, const char *path)
{
    return ask(t, "GET", path, NULL, NULL, NULL, 0);
}

static const char *head(struct t *t, const char *name)
{
    const char *v = http_client_header(&t->r, name);
    return arena_strdup(&t->a, v ? v : "(none)");
}

static bool has_code(struct t *t, const char *code)
{
    return strstr(str_text(&t->r.body), arena_printf(&t->a, "\"code\":\"%s\"", code)) !=
           NULL;
}

static const char *digest_text(struct t *t, enum blob_algorithm algorithm,
                               const void *data, size_t len)
{
    struct blob_digest d;
    char text[BLOB_DIGEST_SIZE];
    blob_digest_of(algorithm, data, len, &d);
    blob_digest_format(&d, text);
    return arena_strdup(&t->a, text);
}

static const char *sha256(struct t *t, const char *text)
{
    return digest_text(t, BLOB_SHA256, text, strlen(text));
}

#define F(...) arena_printf(&t->a, __VA_ARGS__)

static const char *start_upload(struct t *t, const char *repository)
{
    assert_int_equal(
        ask(t, "POST", F("/v2/%s/blobs/uploads/", repository), NULL, NULL, NULL, 0), 202);
    assert_string_equal(head(t, "Range"), "0-0");
    return head(t, "Location");
}

static const char *push_blob(struct t *t, const char *repository, const char *text)
{
    const char *d = sha256(t, text);
    assert_int_equal(ask(t, "POST", F("/v2/%s/blobs/uploads/?digest=%s", repository, d),
                         NULL, NULL, text, strlen(text)),
                     201);
    return d;
}

static const char *image(struct t *t, const char *config, const char *layer,
                         const char *more)
{
    return F("{\"schemaVersion\":2,\"mediaType\":\"" OCI_MANIFEST
             "\",\"config\":{\"mediaType\":"
             "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":2},"
             "\"layers\":[{\"mediaType\":\"application/"
             "vnd.oci.image.layer.v1.tar\",\"digest\":"
             "\"%s\",\"size\":5}]%s}",
             config, layer, more);
}

static int put_manifest(struct t *t, const char *repository, const char *reference,
                        const char *type, const char *text)
{
    return ask(t, "PUT", F("/v2/%s/manifests/%s", repository, reference), "Content-Type",
               type, text, strlen(text));
}

static const char *push_image(struct t *t, const char *repository, const char *tag,
                              const char *layer)
{
    const char *m =
        image(t, push_blob(t, repository, "{}"), push_blob(t, repository, layer), "");
    assert_int_equal(put_manifest(t, repository, tag, OCI_MANIFEST, m), 201);
    return m;
}

/* ---- who may ---- */

static void a_token_is_needed(void **state)
{
    struct t *t = *state;
    assert_int_equal(get(t, "/v2/"), 200);
    assert_string_equal(str_text(&t->r.body), "{}");
    assert_string_equal(head(t, "Docker-Distribution-Api-Version"), "registry/2.0");
    static const char *const bad[] = {NULL, "Basic !", "Bearer abc",
                                      "Basic QVdTOg==", "Basic"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        t->auth = bad[i];
        assert_int_equal(get(t, "/v2/"), 401);
        assert_string_equal(head(t, "WWW-Authenticate"),
                            "Basic realm=\"https://" ACCOUNT ".dkr.ecr." REGION
                            ".amazonaws.com/\",service=\"ecr.amazonaws.com\"");
        assert_string_equal(str_text(&t->r.body), "Not Authorized\n");
    }
    t->auth = basic(t, "root", world_token(&t->a, INT64_MAX));
    assert_int_equal(get(t, "/v2/"), 401);
    t->auth = basic(t, "AWS", world_token(&t->a, clock_wall_ms() - 1));
    assert_int_equal(get(t, "/v2/"), 403);
    assert_true(has_code(t, "DENIED"));
    assert_non_null(
        strstr(str_text(&t->r.body),
               "Your authorization token has expired. Reauthenticate and try again."));
}

static void iam_is_asked_for_every_request(void **state)
{
    struct t *t = *state;
    push_image(t, "web", "1", "layer");
    const char *d = sha256(t, "layer");
    static const struct {
        const char *action, *method, *path;
    } rows[] = {
        {"ecr:BatchGetImage", "GET", "/v2/web/manifests/1"},
        {"ecr:BatchGetImage", "HEAD", "/v2/web/manifests/1"},
        {"ecr:BatchGetImage", "GET", "/v2/web/referrers/D"},
        {"ecr:GetDownloadUrlForLayer", "GET", "/v2/web/blobs/D"},
        {"ecr:BatchCheckLayerAvailability", "HEAD", "/v2/web/blobs/D"},
        {"ecr:InitiateLayerUpload", "POST", "/v2/web/blobs/uploads/"},
        {"ecr:ListImages", "GET", "/v2/web/tags/list"},
        {"ecr:DescribeRepositories", "GET", "/v2/_catalog"},
        {"ecr:BatchDeleteImage", "DELETE", "/v2/web/manifests/1"},
        {"ecr:BatchDeleteImage", "DELETE", "/v2/web/blobs/D"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *path = rows[i].path, *mark = strchr(path, 'D');
        if (mark && mark[1] == '\0')
            path = F("%.*s%s", (int)(mark - path), path, d);
        atomic_store(&t->w.denied, rows[i].action);
        assert_int_equal(ask(t, rows[i].method, path, NULL, NULL, NULL, 0), 403);
        if (!streq(rows[i].method, "HEAD"))
            assert_non_null(strstr(str_text(&t->r.body), rows[i].action));
        atomic_store(&t->w.denied, NULL);
        assert_true(ask(t, rows[i].method, path, NULL, NULL, NULL, 0) < 300);
    }
    atomic_store(&t->w.denied, "ecr:UploadLayerPart");
    const char *location = start_upload(t, "web");
    assert_int_equal(ask(t, "PATCH", location, NULL, NULL, "abc", 3), 403);
    atomic_store(&t->w.denied, "ecr:PutImage");
    assert_int_equal(put_manifest(t, "web", "2", OCI_MANIFEST, "{}"), 400);
    assert_int_equal(
        put_manifest(t, "web", "2", OCI_MANIFEST, image(t, sha256(t, "{}"), d, "")), 403);
}

static void dev_needs_no_token(void **state)
{
    struct t *t = *state;
    t->auth = NULL;
    assert_int_equal(get(t, "/v2/web/tags/list"), 200);
    t->auth = basic(t, "anybody", "anything");
    assert_int_equal(get(t, "/v2/web/tags/list"), 200);
    /* The host's name chooses the registry; there this account has no repository. */
    assert_int_equal(ask(t, "GET", "/v2/web/tags/list", "Host",
                         "999999999999.dkr.ecr." REGION ".amazonaws.com", NULL, 0),
                     404);
    assert_non_null(strstr(str_text(&t->r.body), "registry with id '999999999999'"));
}

/* ---- blobs ---- */

static void a_blob_goes_up_and_comes_down(void **state)
{
    struct t *t = *state;
    const char *d = push_blob(t, "web", "hello world");
    assert_string_equal(head(t, "Location"), F("/v2/web/blobs/%s", d));
    assert_string_equal(head(t, "Docker-Content-Digest"), d);
    const char *path = F("/v2/web/blobs/%s", d);
    assert_int_equal(get(t, path), 200);
    assert_string_equal(str_text(&t->r.body), "hello world");
    assert_string_equal(head(t, "Docker-Content-Digest"), d);
    assert_string_equal(head(t, "Accept-Ranges"), "bytes");
    assert_int_equal(ask(t, "HEAD", path, NULL, NULL, NULL, 0), 200);
    assert_string_equal(head(t, "Content-Length"), "11");
    assert_int_equal(ask(t, "GET", path, "Range", "bytes=6-", NULL, 0), 206);
    assert_string_equal(str_text(&t->r.body), "world");
    assert_string_equal(head(t, "Content-Range"), "bytes 6-10/11");
    assert_int_equal(ask(t, "GET", path, "Range", "bytes=500-0", NULL, 0), 416);
    assert_int_equal(ask(t, "GET", path, "Range", "bytes=11-", NULL, 0), 416);
    assert_string_equal(head(t, "Content-Range"), "bytes */11");
}

static void a_blob_is_seen_only_where_it_is_linked(void **state)
{
    struct t *t = *state;
    const char *d = push_blob(t, "web", "secret");
    assert_int_equal(get(t, F("/v2/team/api/blobs/%s", d)), 404);
    assert_true(has_code(t, "BLOB_UNKNOWN"));
    assert_int_equal(get(t, F("/v2/none/blobs/%s", d)), 404);
    assert_true(has_code(t, "NAME_UNKNOWN"));
    assert_int_equal(get(t, "/v2/web/blobs/sha256:abc"), 400);
    assert_true(has_code(t, "DIGEST_INVALID"));
    assert_int_equal(ask(t, "DELETE", F("/v2/web/blobs/%s", d), NULL, NULL, NULL, 0),
                     202);
    assert_int_equal(get(t, F("/v2/web/blobs/%s", d)), 404);
    assert_int_equal(ask(t, "DELETE", F("/v2/web/blobs/%s", d), NULL, NULL, NULL, 0),
                     404);
}

static void an_upload_takes_pieces(void **state)
{
    struct t *t = *state;
    const char *location = start_upload(t, "web");
    assert_int_equal(get(t, location), 204);
    assert_string_equal(head(t, "Range"), "0-0");
    assert_int_equal(ask(t, "PATCH", location, "Content-Range", "0-4", "hello", 5), 202);
    assert_string_equal(head(t, "Range"), "0-4");
    location = head(t, "Location");
    /* Out of order, in two ways; the upload survives both. */
    assert_int_equal(ask(t, "PATCH", location, "Content-Range", "9-13", "world", 5), 416);
    assert_string_equal(head(t, "Range"), "0-4");
    assert_int_equal(ask(t, "PATCH", location, "Content-Range", "0-4", "hello", 5), 416);
    assert_int_equal(ask(t, "PATCH", location, "Content-Range", "5-20", "short", 5), 400);
    assert_true(has_code(t, "SIZE_INVALID"));
    assert_int_equal(
        ask(t, "PATCH", location, "Content-Range", "bytes 5-9/10", "world", 5), 416);
    assert_int_equal(get(t, location), 204);
    assert_string_equal(head(t, "Range"), "0-4");
    assert_int_equal(ask(t, "PATCH", location, NULL, NULL, " wor", 4), 202);
    const char *d = sha256(t, "hello world");
    assert_int_equal(
        ask(t, "PUT", F("%s?digest=%s", location, d), "Content-Range", "9-10", "ld", 2),
        201);
    assert_int_equal(get(t, F("/v2/web/blobs/%s", d)), 200);
    assert_string_equal(str_text(&t->r.body), "hello world");
    assert_int_equal(get(t, location), 404);
    assert_true(has_code(t, "BLOB_UPLOAD_UNKNOWN"));
}

struct pieces {
    size_t left;
};

static int64_t give(void *ctx, void *buf, size_t cap, struct error *err)
{
    struct pieces *p = ctx;
    size_t n = cap < p->left ? cap : p->left;
    memset(buf, 'z', n);
    p->left -= n;
    return (int64_t)n;
}

/* As docker, podman, buildah and skopeo do it. */
static void an_upload_of_unknown_length_is_streamed(void **state)
{
    struct t *t = *state;
    enum { SIZE = 8000000 };
    const char *location = start_upload(t, "team/api");
    struct pieces p = {SIZE};
    struct http_header h[] = {{"Authorization", t->auth}, {0}};
    struct http_client_request req = {
        .method = "PATCH",
        .url = F("http://%s%s", http_server_address(t->w.http), location),
        .headers = h,
        .read = give,
        .read_ctx = &p,
        .read_len = -1,
    };
    assert_int_equal(http_client_do(t->c, &req, &t->r, NULL), 0);
    assert_int_equal(t->r.status, 202);
    assert_string_equal(head(t, "Range"), F("0-%d", SIZE - 1));
    char *all = arena_alloc(&t->a, SIZE);
    memset(all, 'z', SIZE);
    const char *d = digest_text(t, BLOB_SHA256, all, SIZE);
    assert_int_equal(
        ask(t, "PUT", F("%s?digest=%s", head(t, "Location"), d), NULL, NULL, "", 0), 201);
    assert_int_equal(get(t, F("/v2/team/api/blobs/%s", d)), 200);
    assert_int_equal(t->r.body.len, SIZE);
    assert_memory_equal(t->r.body.data, all, SIZE);
}

static void wrong_digests_are_refused(void **state)
{
    struct t *t = *state;
    const char *location = start_upload(t, "web"), *other = sha256(t, "other");
    assert_int_equal(
        ask(t, "PUT", F("%s?digest=%s", location, other), NULL, NULL, "hello", 5), 400);
    assert_true(has_code(t, "DIGEST_INVALID"));
    assert_int_equal(get(t, location), 404); /* gone with its bytes */
    assert_int_equal(ask(t, "POST", F("/v2/web/blobs/uploads/?digest=%s", other), NULL,
                         NULL, "hello", 5),
                     400);
    location = start_upload(t, "web");
    static const char *const bad[] = {"", "?digest=", "?digest=sha256:baddigeststring",
                                      "?digest=md5:abcdef"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ask(t, "PUT", F("%s%s", location, bad[i]), NULL, NULL, "", 0),
                         400);
        assert_true(has_code(t, "DIGEST_INVALID"));
    }
    assert_int_equal(get(t, location), 204); /* those did not touch it */
    assert_int_equal(ask(t, "POST", "/v2/web/blobs/uploads/?digest-algorithm=md5", NULL,
                         NULL, NULL, 0),
                     400);
}

static void sha512_works_throughout(void **state)
{
    struct t *t = *state;
    const char *d = digest_text(t, BLOB_SHA512, "hello", 5);
    assert_int_equal(ask(t, "POST", "/v2/web/blobs/uploads/?digest-algorithm=sha512",
                         NULL, NULL, NULL, 0),
                     202);
    const char *location = head(t, "Location");
    assert_int_equal(ask(t, "PATCH", location, NULL, NULL, "hello", 5), 202);
    assert_int_equal(ask(t, "PUT", F("%s?digest=%s", location, d), NULL, NULL, NULL, 0),
                     201);
    assert_int_equal(get(t, F("/v2/web/blobs/%s", d)), 200);
    const char *m = image(t, push_blob(t, "web", "{}"), d, "");
    const char *md = digest_text(t, BLOB_SHA512, m, strlen(m));
    assert_int_equal(put_manifest(t, "web", md, OCI_MANIFEST, m), 201);
    assert_string_equal(head(t, "Docker-Content-Digest"), md);
    assert_int_equal(get(t, F("/v2/web/manifests/%s", md)), 200);
    assert_string_equal(str_text(&t->r.body), m);
}

static void uploads_can_be_cancelled(void **state)
{
    struct t *t = *state;
    const char *location = start_upload(t, "web");
    assert_int_equal(ask(t, "DELETE", location, NULL, NULL, NULL, 0), 204);
    assert_int_equal(get(t, location), 404);
    assert_int_equal(ask(t, "DELETE", location, NULL, NULL, NULL, 0), 404);
    assert_int_equal(ask(t, "PATCH", location, NULL, NULL, "x", 1), 404);
    assert_int_equal(
        ask(t, "PATCH", "/v2/web/blobs/uploads/nonsense", NULL, NULL, "x", 1), 404);
    assert_int_equal(ask(t, "POST", "/v2/none/blobs/uploads/", NULL, NULL, NULL, 0), 404);
    assert_true(has_code(t, "NAME_UNKNOWN"));
}

static void empty_blobs_are_legal(void **state)
{
    struct t *t = *state;
    const char *d = push_blob(t, "web", "");
    assert_int_equal(get(t, F("/v2/web/blobs/%s", d)), 200);
    assert_int_equal(t->r.body.len, 0);
    const char *location = start_upload(t, "team/api");
    assert_int_equal(ask(t, "PUT", F("%s?digest=%s", location, d), NULL, NULL, NULL, 0),
                     201);
}

static void blobs_are_mounted_or_uploaded(void **state)
{
    struct t *t = *state;
    const char *d = push_blob(t, "web", "shared"), *none = sha256(t, "none");
    const char *mount = F("/v2/team/api/blobs/uploads/?mount=%s&from=web", d);
    atomic_store(&t->w.denied, "ecr:GetDownloadUrlForLayer");
    assert_int_equal(ask(t, "POST", mount, NULL, NULL, NULL, 0),
                     202); /* not readable there */
    atomic_store(&t->w.denied, NULL);
    assert_int_equal(ask(t, "POST", mount, NULL, NULL, NULL, 0), 201);
    assert_string_equal(head(t, "Location"), F("/v2/team/api/blobs/%s", d));
    assert_int_equal(get(t, F("/v2/team/api/blobs/%s", d)), 200);
    assert_int_equal(ask(t, "POST",
                         F("/v2/web/blobs/uploads/?mount=%s&from=team/api", none), NULL,
                         NULL, NULL, 0),
                     202);
    assert_int_equal(ask(t, "POST", F("/v2/web/blobs/uploads/?mount=%s&from=nowhere", d),
                         NULL, NULL, NULL, 0),
                     202);
    assert_true(str_starts(head(t, "Location"), "/v2/web/blobs/uploads/"));
}

/* ---- manifests ---- */

static void a_manifest_is_kept_byte_for_byte(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "1.0", "layer"), *d = sha256(t, m);
    assert_string_equal(head(t, "Docker-Content-Digest"), d);
    assert_string_equal(head(t, "Location"), F("/v2/web/manifests/%s", d));
    const char *const paths[] = {"/v2/web/manifests/1.0", F("/v2/web/manifests/%s", d)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(t, paths[i]), 200);
        assert_string_equal(str_text(&t->r.body), m);
        assert_string_equal(head(t, "Content-Type"), OCI_MANIFEST);
        assert_string_equal(head(t, "Docker-Content-Digest"), d);
        assert_int_equal(ask(t, "HEAD", paths[i], NULL, NULL, NULL, 0), 200);
        assert_string_equal(head(t, "Content-Length"), F("%zu", strlen(m)));
    }
    assert_int_equal(get(t, "/v2/web/manifests/2.0"), 404);
    assert_true(has_code(t, "MANIFEST_UNKNOWN"));
    assert_int_equal(get(t, "/v2/web/manifests/sha256:bad"), 404);
    assert_int_equal(get(t, "/v2/none/manifests/1.0"), 404);
    assert_true(has_code(t, "NAME_UNKNOWN"));
}

static void bad_manifests_are_refused(void **state)
{
    struct t *t = *state;
    const char *config = push_blob(t, "web", "{}"), *layer = push_blob(t, "web", "layer");
    const char *good = image(t, config, layer, "");
    const struct {
        const char *reference, *type, *text, *code;
    } rows[] = {
        {"1", OCI_MANIFEST, "", "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, "[]", "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, "{\"schemaVersion\":1}", "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, "{\"schemaVersion\":2}", "MANIFEST_INVALID"},
        {"1", OCI_INDEX, good, "MANIFEST_INVALID"}, /* mediaType differs */
        {"1", "application/vnd.docker.distribution.manifest.v1+prettyjws", "{}",
         "MANIFEST_INVALID"},
        {"1", "text/plain", "{\"schemaVersion\":2}", "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, image(t, config, layer, ",\"manifests\":[]"),
         "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, image(t, config, layer, ",\"annotations\":{\"a\":1}"),
         "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, image(t, config, layer, ",\"subject\":{}"),
         "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, image(t, config, "sha256:abc", ""), "MANIFEST_INVALID"},
        {"1", OCI_MANIFEST, image(t, config, sha256(t, "nowhere"), ""),
         "MANIFEST_BLOB_UNKNOWN"},
        {"1", OCI_MANIFEST, image(t, sha256(t, "nowhere"), layer, ""),
         "MANIFEST_BLOB_UNKNOWN"},
        {sha256(t, "x"), OCI_MANIFEST, good, "DIGEST_INVALID"},
        {"sha256:baddigeststring", OCI_MANIFEST, good, "DIGEST_INVALID"},
        {".bad", OCI_MANIFEST, good, "TAG_INVALID"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status =
            put_manifest(t, "web", rows[i].reference, rows[i].type, rows[i].text);
        if (status != 400 || !has_code(t, rows[i].code))
            fail_msg("row %zu: %d %s", i, status, str_text(&t->r.body));
    }
    assert_int_equal(put_manifest(t, "none", "1", OCI_MANIFEST, good), 404);
    char *big = arena_alloc(&t->a, ECR_MAX_MANIFEST + 2);
    memset(big, ' ', ECR_MAX_MANIFEST + 1);
    assert_int_equal(put_manifest(t, "web", "1", OCI_MANIFEST, big), 413);
    assert_int_equal(get(t, "/v2/web/tags/list"), 200);
    assert_string_equal(str_text(&t->r.body), "{\"name\":\"web\",\"tags\":[]}");
}

static void layers_elsewhere_need_not_be_here(void **state)
{
    struct t *t = *state;
    const char *m =
        F("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x\",\"digest\":\"%s\","
          "\"size\":2},\"layers\":[{\"mediaType\":\"application/vnd.docker.image.roo"
          "tfs.foreign.diff.tar.gzip\",\"digest\":\"%s\",\"size\":5},{\"mediaType\":"
          "\"y\",\"digest\":\"%s\",\"size\":5,\"urls\":[\"https://x/\"]}]}",
          push_blob(t, "web", "{}"), sha256(t, "a"), sha256(t, "b"));
    assert_int_equal(put_manifest(t, "web", "1", OCI_MANIFEST "; charset=utf-8", m), 201);
}

static void an_index_names_what_is_there(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "amd64", "layer");
    const char *index = F("{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
                          "\",\"manifests\":[{\"mediaType\":"
                          "\"" OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu}]}",
                          sha256(t, m), strlen(m));
    assert_int_equal(put_manifest(t, "web", "latest", OCI_INDEX, index), 201);
    assert_int_equal(get(t, "/v2/web/manifests/latest"), 200);
    assert_string_equal(head(t, "Content-Type"), OCI_INDEX);
    assert_int_equal(put_manifest(t, "team/api", "latest", OCI_INDEX, index), 400);
    assert_true(has_code(t, "MANIFEST_BLOB_UNKNOWN"));
}

static void tags_are_listed_in_pages(void **state)
{
    struct t *t = *state;
    static const char *const tags[] = {"b", "a", "C", "1.0", "_x"};
    const char *m = push_image(t, "web", "b", "layer");
    for (int i = 0; i < 5; i++)
        assert_int_equal(put_manifest(t, "web", tags[i], OCI_MANIFEST, m), 201);
    assert_int_equal(get(t, "/v2/web/tags/list"), 200);
    assert_string_equal(str_text(&t->r.body),
                        "{\"name\":\"web\",\"tags\":[\"1.0\",\"C\",\"_x\",\"a\",\"b\"]}");
    assert_string_equal(head(t, "Link"), "(none)");
    assert_int_equal(get(t, "/v2/web/tags/list?n=2"), 200);
    assert_string_equal(str_text(&t->r.body),
                        "{\"name\":\"web\",\"tags\":[\"1.0\",\"C\"]}");
    assert_string_equal(head(t, "Link"), "</v2/web/tags/list?last=C&n=2>; rel=\"next\"");
    assert_int_equal(get(t, "/v2/web/tags/list?last=_x"), 200);
    assert_string_equal(str_text(&t->r.body),
                        "{\"name\":\"web\",\"tags\":[\"a\",\"b\"]}");
    assert_int_equal(get(t, "/v2/web/tags/list?n=0"), 200);
    assert_string_equal(str_text(&t->r.body), "{\"name\":\"web\",\"tags\":[]}");
    assert_string_equal(head(t, "Link"), "(none)");
    assert_int_equal(get(t, "/v2/web/tags/list?n=x"), 400);
    assert_int_equal(get(t, "/v2/none/tags/list"), 404);
    assert_int_equal(get(t, "/v2/_catalog?n=1"), 200);
    assert_string_equal(str_text(&t->r.body), "{\"repositories\":[\"team/api\"]}");
    assert_string_equal(head(t, "Link"),
                        "</v2/_catalog?last=team/api&n=1>; rel=\"next\"");
}

static void several_tags_in_one_put(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "x", "layer");
    assert_int_equal(
        put_manifest(t, "web", F("%s?tag=one&tag=two", sha256(t, m)), OCI_MANIFEST, m),
        201);
    assert_string_equal(head(t, "OCI-Tag"), "one");
    assert_int_equal(get(t, "/v2/web/manifests/two"), 200);
    assert_int_equal(
        put_manifest(t, "web", F("%s?tag=-bad", sha256(t, m)), OCI_MANIFEST, m), 400);
}

static void deleting_a_tag_and_an_image(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "one", "layer"), *d = sha256(t, m);
    assert_int_equal(put_manifest(t, "web", "two", OCI_MANIFEST, m), 201);
    assert_int_equal(ask(t, "DELETE", "/v2/web/manifests/one", NULL, NULL, NULL, 0), 202);
    assert_int_equal(get(t, "/v2/web/manifests/one"), 404);
    assert_int_equal(get(t, "/v2/web/manifests/two"), 200);
    assert_int_equal(ask(t, "DELETE", F("/v2/web/manifests/%s", d), NULL, NULL, NULL, 0),
                     202);
    assert_int_equal(get(t, "/v2/web/manifests/two"), 404);
    assert_int_equal(ask(t, "DELETE", F("/v2/web/manifests/%s", d), NULL, NULL, NULL, 0),
                     404);
    assert_int_equal(ask(t, "DELETE", "/v2/web/manifests/two", NULL, NULL, NULL, 0), 404);
}

static void immutable_tags_stay(void **state)
{
    struct t *t = *state;
    struct make_repository fixed = {.name = "fixed",
                                    .mutability = ECR_IMAGE_TAG_MUTABILITY_IMMUTABLE};
    repository_do(&t->w, &fixed);
    const char *m = push_image(t, "fixed", "1", "layer");
    assert_int_equal(put_manifest(t, "fixed", "1", OCI_MANIFEST, m),
                     201); /* the same again */
    const char *other =
        image(t, push_blob(t, "fixed", "{}"), push_blob(t, "fixed", "other"), "");
    assert_int_equal(put_manifest(t, "fixed", "1", OCI_MANIFEST, other), 400);
    assert_true(has_code(t, "TAG_INVALID"));
    assert_int_equal(get(t, "/v2/fixed/manifests/1"), 200);
    assert_string_equal(str_text(&t->r.body), m);
}

/* ---- referrers ---- */

static const char *referrer(struct t *t, const char *subject, const char *type)
{
    return image(
        t, sha256(t, "{}"), sha256(t, "layer"),
        F(",\"subject\":{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}"
          ",\"artifactType\":\"%s\",\"annotations\":{\"note\":\"a \\\"quote\\\"\"}",
          subject, type));
}

static void referrers_are_listed(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "1", "layer"), *d = sha256(t, m);
    const char *path = F("/v2/web/referrers/%s", d);
    assert_int_equal(get(t, path), 200);
    assert_string_equal(str_text(&t->r.body),
                        "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
                        "\",\"manifests\":[]}");
    assert_string_equal(head(t, "Content-Type"), OCI_INDEX);
    const char *sbom = referrer(t, d, "application/sbom"),
               *sig = referrer(t, d, "application/sig");
    assert_int_equal(put_manifest(t, "web", sha256(t, sbom), OCI_MANIFEST, sbom), 201);
    assert_string_equal(head(t, "OCI-Subject"), d);
    assert_int_equal(put_manifest(t, "web", sha256(t, sig), OCI_MANIFEST, sig), 201);
    assert_int_equal(get(t, path), 200);
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, sbom)));
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, sig)));
    assert_non_null(strstr(str_text(&t->r.body), "\"note\":\"a \\\"quote\\\"\""));
    assert_int_equal(get(t, F("%s?artifactType=application%%2Fsbom", path)), 200);
    assert_string_equal(head(t, "OCI-Filters-Applied"), "artifactType");
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, sbom)));
    assert_null(strstr(str_text(&t->r.body), sha256(t, sig)));
    assert_int_equal(get(t, F("%s?n=1&artifactType=application/sbom", path)), 200);
    assert_int_equal(get(t, F("%s?n=1", path)), 200);
    const char *link = head(t, "Link");
    assert_true(str_starts(link, F("<%s?last=sha256:", path)));
    assert_int_equal(get(t, "/v2/web/referrers/nonsense"), 400);
    assert_int_equal(get(t, F("/v2/none/referrers/%s", d)), 404);
}

static void subjects_may_come_later_and_fallback_tags_count(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "1", "layer"), *later = sha256(t, "comes later");
    const char *early = referrer(t, later, "application/early");
    assert_int_equal(put_manifest(t, "web", sha256(t, early), OCI_MANIFEST, early), 201);
    assert_int_equal(get(t, F("/v2/web/referrers/%s", later)), 200);
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, early)));
    /* A client without the API kept its list under a tag. */
    const char *index = F("{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
                          "\",\"manifests\":[{\"mediaType\":"
                          "\"" OCI_MANIFEST
                          "\",\"digest\":\"%s\",\"size\":%zu,\"artifactType\":\"old\"}]}",
                          sha256(t, m), strlen(m));
    assert_int_equal(put_manifest(t, "web", F("sha256-%s", later + 7), OCI_INDEX, index),
                     201);
    assert_int_equal(get(t, F("/v2/web/referrers/%s", later)), 200);
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, early)));
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, m)));
    assert_int_equal(get(t, F("/v2/web/referrers/%s?artifactType=old", later)), 200);
    assert_null(strstr(str_text(&t->r.body), sha256(t, early)));
    assert_non_null(strstr(str_text(&t->r.body), sha256(t, m)));
}

/* ---- files that nobody names ---- */

static bool file_there(struct t *t, const char *digest)
{
    struct blob_digest d;
    blob_digest_parse(digest, &d, NULL);
    return blob_open(t->w.blobs, &d, NULL, NULL, NULL) == 0;
}

#define WAIT_FOR(cond)                                                                   \
    do {                                                                                 \
        int64_t until_ = clock_mono_ns() + 10000000000LL;                                \
        while (!(cond) && clock_mono_ns() < until_)                                      \
            usleep(500);                                                                 \
        assert_true(cond);                                                               \
    } while (0)

static void unnamed_files_go(void **state)
{
    struct t *t = *state;
    const char *d = push_blob(t, "web", "once");
    push_blob(t, "team/api", "once");
    assert_int_equal(ask(t, "DELETE", F("/v2/web/blobs/%s", d), NULL, NULL, NULL, 0),
                     202);
    assert_int_equal(get(t, F("/v2/team/api/blobs/%s", d)), 200); /* named there still */
    assert_int_equal(ask(t, "DELETE", F("/v2/team/api/blobs/%s", d), NULL, NULL, NULL, 0),
                     202);
    WAIT_FOR(!file_there(t, d));
    push_blob(t, "web", "once"); /* and back */
    assert_int_equal(get(t, F("/v2/web/blobs/%s", d)), 200);
    assert_true(file_there(t, d));
}

/* Pushes and deletions of the same content, at once: what is linked can be read. */
struct churn {
    struct t *t;
    const char *repository;
    int failed;
};

static void *churn(void *arg)
{
    struct churn *c = arg;
    struct t mine = {.auth = c->t->auth, .c = c->t->c}, *t = &mine;
    mine.w.http = c->t->w.http;
    const char *d = sha256(t, "churn");
    for (int i = 0; i < 60; i++) {
        c->failed +=
            ask(t, "POST", F("/v2/%s/blobs/uploads/?digest=%s", c->repository, d), NULL,
                NULL, "churn", 5) != 201;
        c->failed += get(t, F("/v2/%s/blobs/%s", c->repository, d)) != 200;
        c->failed += ask(t, "DELETE", F("/v2/%s/blobs/%s", c->repository, d), NULL, NULL,
                         NULL, 0) != 202;
    }
    http_client_response_fini(&t->r);
    arena_free(&t->a);
    return NULL;
}

static void pushing_what_is_being_deleted_is_safe(void **state)
{
    struct t *t = *state;
    struct churn c[] = {{t, "web", 0}, {t, "team/api", 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, &c[i]);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(c[i].failed, 0);
    }
    assert_true(atomic_load(&t->w.unused) > 0);
    WAIT_FOR(!file_there(t, sha256(t, "churn")));
}

/* The file of a digest is about to be deleted when somebody pushes the same content. */
static void a_push_between_question_and_deletion_wins(void **state)
{
    struct t *t = *state;
    const char *d = push_blob(t, "web", "content");
    atomic_store(&t->w.hold_next, true);
    assert_int_equal(ask(t, "DELETE", F("/v2/web/blobs/%s", d), NULL, NULL, NULL, 0),
                     202);
    WAIT_FOR(atomic_load(&t->w.held) != NULL); /* "nobody names it": the deletion waits */
    push_blob(t, "web", "content");
    world_release(&t->w);
    push_blob(t, "web", "later"); /* jobs run in order: that one is through */
    push_blob(t, "web", "later still");
    assert_int_equal(get(t, F("/v2/web/blobs/%s", d)), 200);
    assert_string_equal(str_text(&t->r.body), "content");
}

static bool no_pins(struct registry *r)
{
    pthread_mutex_lock(&r->pin_lock);
    bool none = list_empty(&r->pins);
    pthread_mutex_unlock(&r->pin_lock);
    return none;
}

/* Told unused while pinned, named again when unpinned: it stays. Named by nobody: it goes. */
static void a_doomed_file_is_asked_about_again(void **state)
{
    struct t *t = *state;
    const char *kept = push_blob(t, "web", "kept"), *gone = sha256(t, "gone");
    blob_put(t->w.blobs, "gone", 4, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct visit v = {.registry = t->w.registry};
        assert_int_equal(blob_digest_parse(i ? gone : kept, &v.digest, NULL), 0);
        visit_pin(&v);
        registry_blob_unused(t->w.registry, i ? gone : kept);
        assert_true(file_there(t, i ? gone : kept));
        visit_unpin(&v);
        WAIT_FOR(no_pins(t->w.registry));
    }
    assert_true(file_there(t, kept));
    assert_false(file_there(t, gone));
}

static void housekeeping_finds_what_a_crash_left(void **state)
{
    struct t *t = *state;
    const char *kept = push_blob(t, "web", "kept"), *orphan = sha256(t, "orphan");
    const char *location = start_upload(t, "web");
    assert_int_equal(blob_put(t->w.blobs, "orphan", 6, NULL, NULL), 0);
    registry_housekeeping(t->w.registry);
    assert_int_equal(get(t, location), 204);
    assert_true(file_there(t, orphan)); /* too young */
    atomic_store(&t->w.later_ms, REGISTRY_UPLOAD_IDLE_MS + 1000);
    registry_housekeeping(t->w.registry);
    WAIT_FOR(!file_there(t, orphan));
    assert_true(file_there(t, kept));
    atomic_store(&t->w.later_ms, 0);
    assert_int_equal(get(t, location), 404);
}

static void a_restart_keeps_images_and_uploads(void **state)
{
    struct t *t = *state;
    const char *m = push_image(t, "web", "1", "layer");
    const char *location = start_upload(t, "web");
    assert_int_equal(ask(t, "PATCH", location, NULL, NULL, "hello", 5), 202);
    world_stop(&t->w);
    world_start(&t->w, "127.0.0.1:0", false, false);
    assert_int_equal(get(t, "/v2/web/manifests/1"), 200);
    assert_string_equal(str_text(&t->r.body), m);
    assert_int_equal(get(t, location), 204);
    assert_string_equal(head(t, "Range"), "0-4");
    assert_int_equal(ask(t, "PUT", F("%s?digest=%s", location, sha256(t, "hello!")), NULL,
                         NULL, "!", 1),
                     201);
}

static void what_is_not_there_is_said(void **state)
{
    struct t *t = *state;
    assert_int_equal(get(t, "/v2/nothing"), 404);
    assert_int_equal(ask(t, "POST", "/v2/web/tags/list", NULL, NULL, NULL, 0), 405);
    assert_true(has_code(t, "UNSUPPORTED"));
    assert_int_equal(get(t, "/v2/Web/tags/list"), 400);
    assert_true(has_code(t, "NAME_INVALID"));
    assert_int_equal(get(t, "/v2/a..b/manifests/1"), 400);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_token_is_needed),
        CASE(iam_is_asked_for_every_request),
        cmocka_unit_test_setup_teardown(dev_needs_no_token, setup_dev, teardown),
        CASE(a_blob_goes_up_and_comes_down),
        CASE(a_blob_is_seen_only_where_it_is_linked),
        CASE(an_upload_takes_pieces),
        CASE(an_upload_of_unknown_length_is_streamed),
        CASE(wrong_digests_are_refused),
        CASE(sha512_works_throughout),
        CASE(uploads_can_be_cancelled),
        CASE(empty_blobs_are_legal),
        CASE(blobs_are_mounted_or_uploaded),
        CASE(a_manifest_is_kept_byte_for_byte),
        CASE(bad_manifests_are_refused),
        CASE(layers_elsewhere_need_not_be_here),
        CASE(an_index_names_what_is_there),
        CASE(tags_are_listed_in_pages),
        CASE(several_tags_in_one_put),
        CASE(deleting_a_tag_and_an_image),
        CASE(immutable_tags_stay),
        CASE(referrers_are_listed),
        CASE(subjects_may_come_later_and_fallback_tags_count),
        CASE(unnamed_files_go),
        CASE(pushing_what_is_being_deleted_is_safe),
        CASE(a_push_between_question_and_deletion_wins),
        CASE(a_doomed_file_is_asked_about_again),
        CASE(housekeeping_finds_what_a_crash_left),
        CASE(a_restart_keeps_images_and_uploads),
        CASE(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
