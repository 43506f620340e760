/* Upload, Get, List, Update and DeleteServerCertificate, and their tags. */
#include "iam_reply.h"
#include "page.h"
#include "seal.h"
#include "x509.h"

#define PAGE_SIZE               100
#define SERVER_CERTIFICATES_MAX 1000 /* of all accounts here */

static struct server_certificate *require(struct call *c, const char *name)
{
    struct server_certificate *x =
        server_certificate_find(c->core, c->who.account_id, name);
    if (!x)
        call_fault(c, &iam_no_such_entity_exception,
                   "The Server Certificate with name %s cannot be found.", name);
    return x;
}

/* ---- checks ---- */

/* Certificate, chain, key: in the order in which a person would look. */
static int certificate_check(struct call *c,
                             const struct iam_upload_server_certificate_request *in,
                             struct x509_info *ret)
{
    const char *body = in->certificate_body, *chain = in->certificate_chain,
               *key = in->private_key;
    struct error err;
    if (x509_certificate_read(body, strlen(body), &c->arena, ret, &err) < 0)
        return call_fault(
            c, &iam_malformed_certificate_exception,
            "Unable to parse certificate: %s. Please ensure the certificate "
            "is in PEM format.",
            err.text);
    if (chain && x509_chain_check(body, strlen(body), chain, strlen(chain), &err) < 0)
        return call_fault(c, &iam_malformed_certificate_exception,
                          "Unable to validate certificate chain: %s. The certificate "
                          "chain must start with the immediate signing certificate, "
                          "followed by any intermediaries in order.",
                          err.text);
    int r = x509_key_check(body, strlen(body), key, strlen(key), &err);
    if (r == -E_CONFLICT)
        return call_fault(
            c, &iam_key_pair_mismatch_exception,
            "Private key does not match the public key of the certificate.");
    if (r < 0)
        return call_fault(c, &iam_malformed_certificate_exception,
                          "Invalid private key: %s. A key must be in PEM format and "
                          "unencrypted.",
                          err.text);
    return 0;
}

/* ---- UploadServerCertificate ---- */

static const char *new_id(struct call *c, struct arena *a)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    char id[22] = "ASCA";
    for (size_t i = 4; i < 21; i++)
        id[i] = letters[core_random_below(c->core, 32)];
    return arena_strdup(a, id);
}

static const char *arn_of(struct arena *a, const char *account, const char *path,
                          const char *name)
{
    return arena_printf(a, "arn:aws:iam::%s:server-certificate%s%s", account, path, name);
}

static void fill(struct call *c, struct server_certificate *x,
                 const struct iam_upload_server_certificate_request *in,
                 const struct x509_info *info)
{
    struct arena *a = &x->o.arena;
    struct iam_server_certificate_metadata *m = x->rec->metadata =
        arena_new(a, struct iam_server_certificate_metadata);
    m->path = arena_strdup(a, in->path ? in->path : "/");
    m->server_certificate_name = arena_strdup(a, in->server_certificate_name);
    m->server_certificate_id = new_id(c, a);
    m->arn = arn_of(a, c->who.account_id, m->path, m->server_certificate_name);
    m->upload_date = SET_TIME(core_now_ms(c->core));
    m->expiration = SET_TIME(info->not_after_ms);
    x->rec->certificate_body = arena_strdup(a, in->certificate_body);
    x->rec->certificate_chain = arena_strdup(a, in->certificate_chain);
    x->rec->private_key =
        seal(core_seal(c->core), a, in->private_key, strlen(in->private_key), x->o.key);
    iam_tags_set(a, &x->rec->tags, &in->tags);
}

int iam_upload_server_certificate(struct call *c,
                                  const struct iam_upload_server_certificate_request *in,
                                  struct iam_upload_server_certificate_response *out)
{
    const char *name = in->server_certificate_name, *account = c->who.account_id;
    struct table *table = iam_of(c->core)->server_certificates;
    struct x509_info info;
    if (iam_path_check(c, in->path) < 0 || iam_tags_check(c, &in->tags) < 0)
        return -1;
    if (server_certificate_find(c->core, account, name))
        return call_fault(c, &iam_entity_already_exists_exception,
                          "The Server Certificate with name %s already exists.", name);
    if (table_count(table) >= SERVER_CERTIFICATES_MAX)
        return call_fault(c, &iam_limit_exceeded_exception,
                          "Cannot exceed quota for ServerCertificatesPerAccount: %d",
                          SERVER_CERTIFICATES_MAX);
    if (certificate_check(c, in, &info) < 0)
        return -1;
    struct server_certificate *x = object_new(
        c->core, table, server_certificate_key(core_scratch(c->core), account, name));
    fill(c, x, in, &info);
    object_save(c->core, &x->o);
    out->server_certificate_metadata = x->rec->metadata;
    out->tags = x->rec->tags;
    return 0;
}

/* ---- GetServerCertificate, ListServerCertificates ---- */

int iam_get_server_certificate(struct call *c,
                               const struct iam_get_server_certificate_request *in,
                               struct iam_get_server_certificate_response *out)
{
    const struct server_certificate *x = require(c, in->server_certificate_name);
    if (!x)
        return -1;
    out->server_certificate = arena_new(&c->arena, struct iam_server_certificate);
    *out->server_certificate = (struct iam_server_certificate){
        .server_certificate_metadata = x->rec->metadata,
        .certificate_body = x->rec->certificate_body,
        .certificate_chain = x->rec->certificate_chain,
        .tags = x->rec->tags,
    };
    return 0;
}

static int bad_marker(struct call *c)
{
    return call_fault(c, &iam_invalid_input_exception, "Invalid Marker.");
}

int iam_list_server_certificates(struct call *c,
                                 const struct iam_list_server_certificates_request *in,
                                 struct iam_list_server_certificates_response *out)
{
    const char *prefix = server_certificate_key(&c->arena, c->who.account_id, ""),
               *after = prefix;
    size_t limit = in->max_items.set ? (size_t)in->max_items.v : PAGE_SIZE;
    if (in->marker &&
        (!page_position(&c->arena, in->marker, &after) || !str_starts(after, prefix)))
        return bad_marker(c);
    const char *last = NULL;
    out->server_certificate_metadata_list.set = true;
    out->is_truncated = SET_BOOL(false);
    for (const struct server_certificate *x;
         (x = table_next(iam_of(c->core)->server_certificates, prefix, after));
         after = x->o.key) {
        if (in->path_prefix && !str_starts(x->rec->metadata->path, in->path_prefix))
            continue;
        if (out->server_certificate_metadata_list.n == limit) {
            out->is_truncated = SET_BOOL(true);
            out->marker = page_token(&c->arena, last);
            return 0;
        }
        *LIST_PUSH(&c->arena, &out->server_certificate_metadata_list) = *x->rec->metadata;
        last = x->o.key;
    }
    return 0;
}

/* ---- UpdateServerCertificate ---- */

/* A sealed key opens below its own object's key only. */
static int reseal(struct call *c, const struct server_certificate *x, const char *key,
                  const char **ret)
{
    AUTO_SECRET plain = STR_INIT;
    struct error err;
    const struct seal_keys *keys = core_seal(c->core);
    if (seal_open(keys, x->rec->private_key, x->o.key, &plain, &err) < 0)
        return call_fault(c, &iam_service_failure_exception, "%s", err.text);
    *ret = seal(keys, &c->arena, plain.data, plain.len, key);
    return 0;
}

/* Name and path are the key and the ARN: it becomes another object. */
static int move(struct call *c, struct server_certificate *x, const char *name,
                const char *path)
{
    const char *account = c->who.account_id;
    const char *key = server_certificate_key(&c->arena, account, name);
    struct gantry_server_certificate_record *rec =
        wire_copy(&c->arena, &gantry_server_certificate_record_shape, x->rec);
    if (reseal(c, x, key, &rec->private_key) < 0)
        return -1;
    rec->metadata->server_certificate_name = name;
    rec->metadata->path = path;
    rec->metadata->arn = arn_of(&c->arena, account, path, name);
    if (!streq(key, x->o.key)) {
        object_delete(c->core, &x->o);
        x = object_new(c->core, iam_of(c->core)->server_certificates, key);
    }
    wire_copy_into(&x->o.arena, &gantry_server_certificate_record_shape, rec, x->rec);
    object_save(c->core, &x->o);
    return 0;
}

/* Load balancers know it by its ARN, which would be another one afterwards. */
int iam_update_server_certificate(struct call *c,
                                  const struct iam_update_server_certificate_request *in,
                                  void *out)
{
    struct server_certificate *x = require(c, in->server_certificate_name);
    if (!x || iam_path_check(c, in->new_path) < 0)
        return -1;
    const char *old = x->rec->metadata->server_certificate_name;
    const char *name =
        in->new_server_certificate_name ? in->new_server_certificate_name : old;
    const char *path = in->new_path ? in->new_path : x->rec->metadata->path;
    if (!streq(name, old) && server_certificate_find(c->core, c->who.account_id, name))
        return call_fault(c, &iam_entity_already_exists_exception,
                          "The Server Certificate with name %s already exists.", name);
    if (x->users.n && (!streq(name, old) || !streq(path, x->rec->metadata->path)))
        return call_fault(c, &iam_invalid_input_exception,
                          "Certificate %s is used by %s: to rename a certificate in use "
                          "is not offered by this gantry.",
                          old, x->users.v[0]);
    return move(c, x, arena_strdup(&c->arena, name), arena_strdup(&c->arena, path));
}

/* ---- DeleteServerCertificate ---- */

int iam_delete_server_certificate(struct call *c,
                                  const struct iam_delete_server_certificate_request *in,
                                  void *out)
{
    struct server_certificate *x = require(c, in->server_certificate_name);
    if (!x)
        return -1;
    if (x->users.n)
        return call_fault(c, &iam_delete_conflict_exception,
                          "Certificate: %s is currently in use by %s. Please remove it "
                          "first before deleting it from IAM.",
                          x->rec->metadata->server_certificate_id, x->users.v[0]);
    object_delete(c->core, &x->o);
    return 0;
}

/* ---- tags ---- */

int iam_tag_server_certificate(struct call *c,
                               const struct iam_tag_server_certificate_request *in,
                               void *out)
{
    struct server_certificate *x = require(c, in->server_certificate_name);
    return x ? iam_tags_add(c, &x->o, &x->rec->tags, &in->tags) : -1;
}

int iam_untag_server_certificate(struct call *c,
                                 const struct iam_untag_server_certificate_request *in,
                                 void *out)
{
    struct server_certificate *x = require(c, in->server_certificate_name);
    return x ? iam_tags_remove(c, &x->o, &x->rec->tags, &in->tag_keys) : -1;
}

/* Their marker is how many have been told. */
int iam_list_server_certificate_tags(
    struct call *c, const struct iam_list_server_certificate_tags_request *in,
    struct iam_list_server_certificate_tags_response *out)
{
    const struct server_certificate *x = require(c, in->server_certificate_name);
    const char *position;
    int64_t from = 0;
    if (!x)
        return -1;
    const struct iam_tag_list *tags = &x->rec->tags;
    if (in->marker && (!page_position(&c->arena, in->marker, &position) ||
                       !str_to_i64(position, 0, IAM_TAGS_MAX, &from)))
        return bad_marker(c);
    size_t limit = in->max_items.set ? (size_t)in->max_items.v : PAGE_SIZE;
    size_t end = tags->n < (size_t)from + limit ? tags->n : (size_t)from + limit;
    for (size_t i = (size_t)from; i < end; i++)
        *LIST_PUSH(&c->arena, &out->tags) = tags->v[i];
    out->tags.set = true;
    out->is_truncated = SET_BOOL(end < tags->n);
    if (end < tags->n)
        out->marker = page_token(&c->arena, call_printf(c, "%zu", end));
    return 0;
}
