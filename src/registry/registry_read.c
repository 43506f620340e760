/* Reading and deleting: blobs, manifests, lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "registry_private.h"

#define REFERRERS_MAX_BYTES (4 * 1024 * 1024) /* of one page */

static bool parse_digest(struct visit *v, const char *text)
{
    struct error err = ERROR_INIT;
    if (blob_digest_parse(text, &v->digest, &err) < 0) {
        visit_refuse(v, 400, "DIGEST_INVALID", "%s", err.text);
        visit_answer_refusal(v);
        return false;
    }
    v->digest_text = text; /* strict syntax: what was parsed is canonical */
    return true;
}

/* ---- blobs ---- */

static void decide_blob(struct core *core, struct visit *v)
{
    int64_t size = 0;
    visit_refuse_ecr(
        v, ecr_blob_find(core, &v->scope, v->route.repository, v->digest_text, &size));
    v->size = (uint64_t)size;
}

static void blob_head(struct visit *v, struct head *h)
{
    head_init(h);
    head_add(h, "Content-Type", "application/octet-stream");
    head_add(h, "Docker-Content-Digest", v->digest_text);
    head_add(h, "Accept-Ranges", "bytes");
}

static void send_blob(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct head h;
    int fd = -1;
    uint64_t size = 0, first = 0, length;
    if (blob_open(v->registry->config.blobs, &v->digest, &fd, &size, &err) < 0) {
        visit_refuse_error(v, &err);
        visit_answer_refusal(v);
        return;
    }
    blob_head(v, &h);
    length = size;
    enum range_result range =
        range_parse_read(http_header(v->req, "Range"), size, &first, &length);
    if (range == RANGE_PART)
        head_add(&h, "Content-Range",
                 arena_printf(v->a, "bytes %llu-%llu/%llu", (unsigned long long)first,
                              (unsigned long long)(first + length - 1),
                              (unsigned long long)size));
    if (range == RANGE_BAD) {
        head_add(&h, "Content-Range",
                 arena_printf(v->a, "bytes */%llu", (unsigned long long)size));
        length = 0;
    }
    http_reply_file(v->req,
                    range == RANGE_ALL    ? 200
                    : range == RANGE_PART ? 206
                                          : 416,
                    h.v, fd, first, length);
}

static void show_blob(struct visit *v)
{
    struct head h;
    if (!v->req->is_head) {
        visit_work(v, send_blob);
        return;
    }
    blob_head(v, &h);
    http_reply_head(v->req, 200, h.v, v->size);
}

void blob_get(struct visit *v)
{
    if (parse_digest(v, v->route.reference))
        visit_ask(v, decide_blob, show_blob);
}

static void decide_unlink(struct core *core, struct visit *v)
{
    visit_refuse_ecr(
        v, ecr_blob_unlink(core, &v->scope, v->route.repository, v->digest_text));
}

static void accepted(struct visit *v)
{
    struct head h;
    head_init(&h);
    visit_answer(v, 202, &h);
}

void blob_remove(struct visit *v)
{
    if (parse_digest(v, v->route.reference))
        visit_ask(v, decide_unlink, accepted);
}

/* ---- manifests ---- */

static void decide_manifest(struct core *core, struct visit *v)
{
    const struct gantry_manifest_record *m;
    enum ecr_result found =
        ecr_manifest_find(core, &v->scope, v->route.repository, v->route.reference, &m);
    if (found != ECR_OK) {
        visit_refuse_ecr(v, found);
        return;
    }
    v->digest_text = arena_strdup(v->a, m->digest);
    v->media_type = arena_strdup(v->a, m->media_type);
    v->size = (uint64_t)m->size_bytes.v;
    if (!v->req->is_head)
        ecr_manifest_pulled(core, &v->scope, v->route.repository, v->digest_text);
}

static void manifest_head(struct visit *v, struct head *h)
{
    head_init(h);
    head_add(h, "Content-Type", v->media_type);
    head_add(h, "Docker-Content-Digest", v->digest_text);
}

static void send_manifest(struct visit *v)
{
    struct error err = ERROR_INIT;
    struct head h;
    int fd = -1;
    uint64_t size = 0;
    int r = blob_digest_parse(v->digest_text, &v->digest, &err);
    if (r == 0)
        r = blob_open(v->registry->config.blobs, &v->digest, &fd, &size, &err);
    if (r < 0) {
        visit_refuse_error(v, &err);
        visit_answer_refusal(v);
        return;
    }
    manifest_head(v, &h);
    http_reply_file(v->req, 200, h.v, fd, 0, size);
}

static void show_manifest(struct visit *v)
{
    struct head h;
    if (!v->req->is_head) {
        visit_work(v, send_manifest);
        return;
    }
    manifest_head(v, &h);
    http_reply_head(v->req, 200, h.v, v->size);
}

/* A tag or a digest; whatever else it is, there is no such manifest. */
static bool reference_valid(struct visit *v)
{
    struct blob_digest d;
    if (strchr(v->route.reference, ':')
            ? blob_digest_parse(v->route.reference, &d, NULL) == 0
            : route_tag_valid(v->route.reference))
        return true;
    visit_refuse(v, 404, "MANIFEST_UNKNOWN",
                 "the reference is neither a tag nor a digest");
    visit_answer_refusal(v);
    return false;
}

void manifest_get(struct visit *v)
{
    if (reference_valid(v))
        visit_ask(v, decide_manifest, show_manifest);
}

static void decide_remove(struct core *core, struct visit *v)
{
    visit_refuse_ecr(
        v, ecr_manifest_delete(core, &v->scope, v->route.repository, v->route.reference));
}

void manifest_remove_one(struct visit *v)
{
    if (reference_valid(v))
        visit_ask(v, decide_remove, accepted);
}

/* ---- tags and catalog ---- */

/* n and last of the query. False: answered. */
static bool read_page(struct visit *v)
{
    const char *n = query_get(v->a, v->req->query, "n");
    int64_t limit = PAGE;
    if (n && !str_to_i64(n, 0, INT32_MAX, &limit)) {
        visit_refuse(v, 400, "PAGINATION_NUMBER_INVALID", "n must be a number");
        visit_answer_refusal(v);
        return false;
    }
    v->limit = limit < PAGE ? (size_t)limit : PAGE;
    v->last = query_get(v->a, v->req->query, "last");
    return true;
}

/* RFC 8288. Names hold nothing that a URL would need escaped; a filter is taken
 * from the request's own query, escaped as it came. */
static void add_link(struct visit *v, struct head *h, const char *path, const char *last)
{
    const char *type = v->req->query ? strstr(v->req->query, "artifactType=") : NULL;
    if (v->more && v->limit)
        head_add(h, "Link",
                 arena_printf(v->a, "<%s?last=%s&n=%zu%s%.*s>; rel=\"next\"", path, last,
                              v->limit, type ? "&" : "",
                              type ? (int)strcspn(type, "&<>") : 0, type ? type : ""));
}

static void add_names(struct visit *v, struct str *body)
{
    str_addc(body, '[');
    for (size_t i = 0; i < v->tags.n; i++) {
        if (i)
            str_addc(body, ',');
        json_add_string(body, v->tags.v[i]);
    }
    str_addc(body, ']');
}

static void decide_tags(struct core *core, struct visit *v)
{
    visit_refuse_ecr(v, ecr_repository_check(core, &v->scope, v->route.repository));
    if (!v->refused)
        v->more = ecr_tags(core, &v->scope, v->route.repository, v->last, v->limit, v->a,
                           &v->tags);
}

static void show_tags(struct visit *v)
{
    struct head h;
    AUTO_STR body = STR_INIT;
    head_init(&h);
    if (v->tags.n)
        add_link(v, &h, arena_printf(v->a, "/v2/%s/tags/list", v->route.repository),
                 v->tags.v[v->tags.n - 1]);
    str_add(&body, "{\"name\":");
    json_add_string(&body, v->route.repository);
    str_add(&body, ",\"tags\":");
    add_names(v, &body);
    str_addc(&body, '}');
    visit_answer_json(v, &h, &body);
}

void tags_list(struct visit *v)
{
    if (read_page(v))
        visit_ask(v, decide_tags, show_tags);
}

static void decide_catalog(struct core *core, struct visit *v)
{
    v->more = ecr_catalog(core, &v->scope, v->last, v->limit, v->a, &v->tags);
}

static void show_catalog(struct visit *v)
{
    struct head h;
    AUTO_STR body = STR_INIT;
    head_init(&h);
    if (v->tags.n)
        add_link(v, &h, "/v2/_catalog", v->tags.v[v->tags.n - 1]);
    str_add(&body, "{\"repositories\":");
    add_names(v, &body);
    str_addc(&body, '}');
    visit_answer_json(v, &h, &body);
}

void catalog_list(struct visit *v)
{
    if (read_page(v))
        visit_ask(v, decide_catalog, show_catalog);
}

/* ---- referrers ---- */

static bool referrer_known(const struct visit *v, const char *digest)
{
    for (size_t i = 0; i < v->referrer_count; i++) {
        if (streq(v->referrers[i].digest, digest))
            return true;
    }
    return false;
}

/* Keeps those behind `last`, sorted as they come; one more than fits tells that more are
 * there. */
static void add_referrer(struct visit *v, const char *digest, const char *json)
{
    if (v->last && strcmp(digest, v->last) <= 0)
        return;
    if (v->referrer_count == v->limit || v->referrer_bytes > REFERRERS_MAX_BYTES) {
        v->more = true;
        return;
    }
    v->referrer_bytes += strlen(json);
    if (!v->referrers)
        v->referrers = arena_new_array(v->a, struct referrer, v->limit);
    v->referrers[v->referrer_count++] = (struct referrer){digest, json};
}

static void visit_referrer(void *ctx, const struct gantry_manifest_record *m)
{
    struct visit *v = ctx;
    const char *type = query_get(v->a, v->req->query, "artifactType");
    const char *is = m->artifact_type ? m->artifact_type : m->artifact_media_type;
    if (type && !streq(type, is))
        return;
    AUTO_STR j = STR_INIT;
    str_add(&j, "{\"mediaType\":");
    json_add_string(&j, m->media_type);
    str_addf(&j, ",\"digest\":\"%s\",\"size\":%lld", m->digest,
             (long long)m->size_bytes.v);
    if (is) {
        str_add(&j, ",\"artifactType\":");
        json_add_string(&j, is);
    }
    for (size_t i = 0; i < m->annotations.n; i++) {
        str_add(&j, i ? "," : ",\"annotations\":{");
        json_add_string(&j, m->annotations.v[i].key);
        str_addc(&j, ':');
        json_add_string(&j, m->annotations.v[i].value);
    }
    str_add(&j, m->annotations.n ? "}}" : "}");
    add_referrer(v, arena_strdup(v->a, m->digest), arena_strdup(v->a, str_text(&j)));
}

static void decide_referrers(struct core *core, struct visit *v)
{
    const struct gantry_manifest_record *m;
    char tag[BLOB_DIGEST_SIZE];
    visit_refuse_ecr(v, ecr_repository_check(core, &v->scope, v->route.repository));
    if (v->refused)
        return;
    ecr_referrers(core, &v->scope, v->route.repository, v->digest_text, visit_referrer,
                  v);
    /* What clients kept under the tag <algorithm>-<first 64 digits> before this API. */
    snprintf(tag, sizeof(tag), "%.6s-%.64s", v->digest_text, v->digest_text + 7);
    if (ecr_manifest_find(core, &v->scope, v->route.repository, tag, &m) == ECR_OK)
        v->fallback = arena_strdup(v->a, m->digest);
}

static void visit_fallback(void *ctx, const char *digest, const char *artifact_type,
                           const char *json)
{
    struct visit *v = ctx;
    const char *type = query_get(v->a, v->req->query, "artifactType");
    if ((!type || streq(type, artifact_type)) && !referrer_known(v, digest))
        add_referrer(v, digest, json);
}

static void show_referrers(struct visit *v)
{
    struct head h;
    AUTO_STR body = STR_INIT, index = STR_INIT;
    if (v->fallback && registry_read_manifest(v->registry, v->fallback, &index) == 0)
        manifest_each_child(v->a, index.data, index.len, visit_fallback, v, NULL);
    head_init(&h);
    if (query_get(v->a, v->req->query, "artifactType"))
        head_add(&h, "OCI-Filters-Applied", "artifactType");
    if (v->referrer_count)
        add_link(v, &h,
                 arena_printf(v->a, "/v2/%s/referrers/%s", v->route.repository,
                              v->digest_text),
                 v->referrers[v->referrer_count - 1].digest);
    str_add(&body,
            "{\"schemaVersion\":2,"
            "\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[");
    for (size_t i = 0; i < v->referrer_count; i++) {
        if (i)
            str_addc(&body, ',');
        str_add(&body, v->referrers[i].json);
    }
    str_add(&body, "]}");
    head_add(&h, "Content-Type", "application/vnd.oci.image.index.v1+json");
    size_t len = body.len;
    http_reply(v->req, 200, h.v, str_take(&body), len, HTTP_TAKE);
}

static void work_referrers(struct visit *v)
{
    visit_work(v, show_referrers);
}

void referrers_list(struct visit *v)
{
    if (read_page(v) && parse_digest(v, v->route.reference))
        visit_ask(v, decide_referrers, work_referrers);
}
