/* The chain that a request takes; see s3_private.h. */
#include "s3_front.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base64.h"
#include "s3_private.h"

static const struct s3_row rows[] = {
    {"AbortMultipartUpload", false, upload_abort_run, NULL},
    {"CompleteMultipartUpload", false, upload_end_run, NULL},
    {"CopyObject", false, copy_run, NULL},
    {"CreateMultipartUpload", false, upload_new_run, NULL},
    {"DeleteObject", false, remove_run, NULL},
    {"DeleteObjectTagging", false, tags_remove_run, NULL},
    {"DeleteObjects", false, remove_many_run, NULL},
    {"GetObject", false, get_run, NULL},
    {"GetObjectTagging", false, tags_get_run, NULL},
    {"HeadObject", false, get_run, NULL},
    {"ListMultipartUploads", false, uploads_run, NULL},
    {"ListObjects", false, list_run, NULL},
    {"ListObjectsV2", false, list_v2_run, NULL},
    {"ListParts", false, parts_run, NULL},
    {"PutObject", true, put_run, put_received},
    {"PutObjectTagging", false, tags_put_run, NULL},
    {"UploadPart", true, part_run, part_received},
    {"UploadPartCopy", false, part_copy_run, NULL},
};
/* Those that are not here are done when the state thread has decided. */
static const struct s3_row plain = {.run = answer_plain};

static const struct s3_row *find_row(const struct visit *v)
{
    for (size_t i = 0; v->target.operation && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (streq(rows[i].operation, v->target.operation->name))
            return &rows[i];
    return &plain;
}

/* ---- workers ---- */

struct work {
    struct visit *v;
    void (*run)(struct visit *v);
};

static void run_work(void *arg)
{
    struct work w = *(struct work *)arg;
    free(arg);
    w.run(w.v);
}

void s3_work(struct visit *v, void (*run)(struct visit *v))
{
    struct work *w = xcalloc(1, sizeof(*w));
    *w = (struct work){v, run};
    v->front->config.backend.work(v->front->config.backend.ctx, run_work, w);
}

int64_t s3_now_ms(const struct visit *v)
{
    return v->front->config.backend.now_ms(v->front->config.backend.ctx);
}

/* ---- state thread ---- */

static struct visit *visit_of(struct call *c)
{
    return list_entry(c, struct visit, s.call);
}

/* What is wrong inside of the document, and not in path or headers. */
static bool wrong_document(const struct visit *v)
{
    const char *payload = v->target.operation->input->payload;
    return v->why.kind == WIRE_BAD_VALUE && v->wire.body_len && payload &&
           strncasecmp(v->why.member, payload, strlen(payload)) == 0;
}

static int refuse_undecodable(struct visit *v)
{
    const char *text;
    if (wrong_document(v))
        return call_fault(&v->s.call, &s3_malformed_xml, "%s",
                          s3_fault_text(&s3_malformed_xml));
    const struct wire_fault *fault = wire_error_fault(v->a, &v->target, &v->why, &text);
    return call_fault(&v->s.call, fault, "%s", text);
}

static int check_caller(struct call *c)
{
    struct visit *v = visit_of(c);
    const struct s3_backend *b = &v->front->config.backend;
    enum wire_denial denial;
    const char *text = NULL;
    if (v->sig.failure == SIGV4_NO_AUTH) {
        v->s.anonymous = true;
        c->who = (struct identity){.principal.type = PRINCIPAL_ANONYMOUS,
                                   .source_ip = v->sig.source_ip,
                                   .user_agent = v->sig.user_agent,
                                   .tls = v->sig.tls};
    } else if (b->authenticate(b->ctx, c->core, v->a, &v->sig, &c->who, &denial, &text) <
               0) {
        const char *usual;
        const struct wire_fault *fault = wire_denial_fault(&v->target, denial, &usual);
        return call_fault(c, fault, "%s", str_empty(text) ? usual : text);
    }
    if (v->early)
        return call_fault(c, v->early, "%s", v->early_text);
    return v->undecodable ? refuse_undecodable(v) : 0;
}

static void submit(struct visit *v);

/* ---- behind the state thread ---- */

static void prepare(struct visit *v)
{
    v->s.call.prepare(&v->s.call);
    v->s.call.prepare = NULL;
    submit(v);
}

static void fetch_tags(struct visit *v)
{
    struct object_info info = {0};
    if (v->s.bucket_id && v->s.key &&
        visit_store(v)->ops->find(visit_store(v), v->a, v->s.bucket_id, v->s.key, &info,
                                  NULL) == 0)
        v->s.tags = info.more->tags;
    v->s.tags_known = true;
    v->s.call.fault = NULL;
    v->s.call.denied = false;
    submit(v);
}

static void refused(struct visit *v)
{
    s3_call_refused(&v->s.call);
    answer_fault(v, v->s.call.fault, v->s.call.fault_text);
}

static void finish(struct visit *v)
{
    v->s.call.finish(&v->s.call);
    answer_plain(v);
}

static void deliver(struct outbound *out)
{
    struct visit *v = list_entry(out, struct visit, s.call.task.reply);
    struct call *c = &v->s.call;
    if (v->s.tags_wanted && !v->s.tags_known && v->s.bucket_id)
        s3_work(v, fetch_tags);
    else if (c->fault && c->prepared)
        s3_work(v, refused);
    else if (c->fault)
        answer_fault(v, c->fault, c->fault_text);
    else if (c->prepare)
        s3_work(v, prepare);
    else if (c->finish)
        s3_work(v, finish);
    else if (v->row == &plain)
        answer_plain(v);
    else
        s3_work(v, v->row->run);
}

static void submit(struct visit *v)
{
    const struct s3_backend *b = &v->front->config.backend;
    struct call *c = &v->s.call;
    c->task = (struct core_task){.run = call_run, .reply.deliver = deliver};
    b->submit(b->ctx, &c->task);
}

/* ---- I/O threads ---- */

static void request_id_make(char ret[CALL_REQUEST_ID_SIZE])
{
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char raw[16];
    RAND_bytes(raw, sizeof(raw));
    for (int i = 0; i < 16; i++)
        ret[i] = letters[raw[i] & 31];
    ret[16] = '\0';
}

/* "127.0.0.1:40123", "[::1]:40123" without the port. */
static const char *address_of(struct arena *a, const char *peer)
{
    const char *colon = peer ? strrchr(peer, ':') : NULL;
    if (!colon)
        return NULL;
    bool v6 = peer[0] == '[' && colon[-1] == ']';
    return arena_strndup(a, peer + v6, (size_t)(colon - peer) - 2u * v6);
}

static void read_signature(struct visit *v)
{
    v->sig.failure =
        sigv4_parse(v->a, &v->wire, NULL, &v->sig.sigv4, &v->sig.failure_text);
    v->sig.source_ip = address_of(v->a, v->req->peer);
    v->sig.user_agent = arena_strdup(v->a, http_header(v->req, "User-Agent"));
    v->sig.tls = streq(http_header(v->req, "X-Forwarded-Proto"), "https");
    const char *region = v->sig.sigv4.region;
    v->s.call.region = str_empty(region) ? v->front->config.region : region;
}

static void ask(struct visit *v)
{
    struct wire_http_request req = v->wire;
    void *in = NULL;
    if (v->target.operation) {
        req.path = v->path;
        v->s.call.operation = &s3_operations[v->target.operation->index];
        v->undecodable = wire_request_decode(v->a, &v->target, &req, &in, &v->why) < 0;
        v->s.call.in = in;
    }
    v->s.call.access = &s3_access;
    v->s.call.target = &v->target;
    v->s.call.authenticate = check_caller;
    submit(v);
}

void s3_front_begin(struct s3_front *f, struct http_request *req)
{
    struct visit *v = xcalloc(1, sizeof(*v));
    v->front = f;
    v->req = req;
    v->a = &v->s.call.arena;
    req->ctx = v;
    request_id_make(v->s.call.request_id);
    route_request(v);
    read_signature(v);
    route_refuse(v);
    v->row = find_row(v);
    if (v->row->streams || v->early) {
        ask(v);
    } else if (req->content_length > S3_MAX_BODY) {
        answer_s3(v, &s3_entity_too_large);
    } else {
        v->whole_body = true;
        http_accept_body(req, S3_MAX_BODY);
    }
}

/* ---- bodies that are collected: XML and JSON ---- */

static bool md5_is(const void *data, size_t len, const char *text, struct arena *a)
{
    uint8_t digest[16], *given;
    size_t n;
    return base64_decode(a, text, strlen(text), &given, &n) && n == 16 &&
           EVP_Digest(data, len, digest, NULL, EVP_md5(), NULL) &&
           memcmp(digest, given, 16) == 0;
}

static bool checksum_is(struct visit *v, enum s3_checksum_algorithm algorithm,
                        const char *text)
{
    uint8_t digest[CHECKSUM_MAX];
    AUTO_STR value = STR_INIT;
    struct checksum *c = checksum_new(algorithm);
    checksum_update(c, v->req->body, v->req->body_len);
    base64_add(&value, digest, checksum_end(c, digest));
    checksum_free(c);
    return streq(str_text(&value), text);
}

static bool body_missing(const struct visit *v)
{
    const struct wire_shape *in = v->target.operation->input;
    for (uint32_t i = 0; in && in->payload && i < in->member_count; i++)
        if (streq(in->members[i].name, in->payload))
            return in->members[i].flags & WIRE_REQUIRED && !v->req->body_len;
    return false;
}

static void check_body(struct visit *v)
{
    const char *md5 = http_header(v->req, "Content-MD5");
    const char *hash = v->sig.sigv4.body_hash;
    char is[SIGV4_HASH_SIZE];
    bool summed = md5 != NULL;
    sigv4_hash(v->req->body, v->req->body_len, is);
    if (v->sig.failure == SIGV4_OK && v->sig.sigv4.payload == SIGV4_PAYLOAD_SIGNED &&
        strcasecmp(hash, is) != 0)
        v->early = &s3_wrong_hash;
    else if (v->sig.failure == SIGV4_OK && v->sig.sigv4.payload >= SIGV4_PAYLOAD_CHUNKED)
        v->early = &s3_not_implemented; /* nobody sends documents in chunks */
    else if (body_missing(v))
        v->early = &s3_missing_body;
    else if (md5 && !md5_is(v->req->body, v->req->body_len, md5, v->a))
        v->early = &s3_bad_digest;
    for (size_t i = 0; i < v->req->header_count && !v->early; i++) {
        const struct http_header *h = &v->req->headers[i];
        enum s3_checksum_algorithm a = strncasecmp(h->name, "x-amz-checksum-", 15) == 0
                                           ? checksum_by_name(h->name + 15)
                                           : 0;
        summed |= a != 0;
        /* Of CompleteMultipartUpload it is the object's and not the body's. */
        if (a && !streq(v->target.operation->name, "CompleteMultipartUpload") &&
            !checksum_is(v, a, h->value))
            v->early = &s3_bad_digest;
    }
    if (!v->early && !summed && streq(v->target.operation->name, "DeleteObjects")) {
        v->early = &s3_bad_request;
        v->early_text = "Missing required header for this request: Content-MD5";
    }
    if (v->early && !v->early_text)
        v->early_text = s3_fault_text(v->early);
}

void s3_front_complete(struct http_request *req)
{
    struct visit *v = req->ctx;
    if (!v->whole_body) {
        s3_work(v, v->row->received);
        return;
    }
    v->wire.body = req->body;
    v->wire.body_len = req->body_len;
    if (!v->early && v->target.operation)
        check_body(v);
    ask(v);
}

void s3_front_aborted(struct http_request *req)
{
    if (req->ctx)
        intake_drop(req->ctx);
}

/* Not of what never got so far as to be asked who it is. */
static void record(const struct visit *v)
{
    const struct s3_backend *b = &v->front->config.backend;
    if (b->record && v->s.call.operation && v->s.call.core)
        b->record(b->ctx, &v->s, v->answered, v->answered_text, v->in.size_bytes);
}

void s3_front_released(struct http_request *req)
{
    struct visit *v = req->ctx;
    if (!v)
        return;
    record(v);
    intake_drop(v);
    req->ctx = NULL;
    OPENSSL_cleanse(v->sig.key, sizeof(v->sig.key));
    arena_free(v->a);
    free(v);
}

/* ---- life ---- */

struct s3_front *s3_front_new(const struct s3_front_config *config)
{
    struct s3_front *f = xcalloc(1, sizeof(*f));
    f->config = *config;
    f->config.region = xstrdup(config->region);
    return f;
}

void s3_front_free(struct s3_front *f)
{
    if (!f)
        return;
    free((char *)(uintptr_t)f->config.region);
    free(f);
}

int s3_front_bucket_close(void *store, const char *id, struct error *err)
{
    struct object_store *s = store;
    return s->ops->bucket_close(s, id, err);
}

void s3_front_bucket_reopen(void *store, const char *id)
{
    struct object_store *s = store;
    s->ops->bucket_reopen(s, id);
}

void s3_front_bucket_forget(void *store, const char *id)
{
    struct object_store *s = store;
    s->ops->bucket_forget(s, id);
}

struct ids {
    struct arena *a;
    struct string_list list;
};

static void add_id(void *ctx, const char *id)
{
    struct ids *ids = ctx;
    *LIST_PUSH(ids->a, &ids->list) = arena_strdup(ids->a, id);
}

int s3_front_start(struct core *core, struct object_store *store, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct ids ids = {.a = &a};
    s3_bucket_ids(core, add_id, &ids);
    return store->ops->begin(store, ids.list.v, ids.list.n, err);
}
