/* Uploads in parts: create, parts, complete, abort, and the lists of both.
 *
 * The checksum of a whole that came in parts is of one of two kinds ("Checking object
 * integrity" of the Amazon S3 User Guide): COMPOSITE, of the parts' checksums one after the
 * other, with the number of parts behind it; or FULL_OBJECT, of all bytes, which for CRCs
 * follows from the parts' and their lengths without reading a byte again (crc_combine). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base64.h"
#include "s3_private.h"

/* ---- create ---- */

static bool checksum_wanted(struct visit *v, struct gantry_s3_object_record *more)
{
    const struct s3_create_multipart_upload_request *in = v->s.call.in;
    enum s3_checksum_algorithm a = in->checksum_algorithm;
    enum s3_checksum_type type = in->checksum_type;
    more->checksum_implied = SET_BOOL(a == 0);
    if (!a)
        a = S3_CHECKSUM_ALGORITHM_CRC64NVME;
    if (!checksum_size(a)) {
        answer_s3(v, &s3_not_implemented);
        return false;
    }
    if (!type)
        type = checksum_composite(a) ? S3_CHECKSUM_TYPE_COMPOSITE
                                     : S3_CHECKSUM_TYPE_FULL_OBJECT;
    if (type == S3_CHECKSUM_TYPE_FULL_OBJECT ? !checksum_full_object(a)
                                             : !checksum_composite(a)) {
        answer_fault(v, &s3_bad_request,
                     arena_printf(v->a,
                                  "The %s checksum type cannot be used with the %s "
                                  "checksum algorithm.",
                                  wire_enum_name(&s3_checksum_type_shape, type),
                                  checksum_name(a)));
        return false;
    }
    more->checksum_algorithm = a;
    more->checksum_type = type;
    return true;
}

void upload_new_run(struct visit *v)
{
    const struct s3_create_multipart_upload_request *in = v->s.call.in;
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct s3_create_multipart_upload_output out = {.bucket = v->s.bucket,
                                                    .key = v->s.detail.key};
    struct gantry_s3_object_record *more = object_more(v);
    if (!more || !checksum_wanted(v, more))
        return;
    int r = s->ops->upload_new(s, v->a, v->s.bucket_id, v->s.detail.key, s3_now_ms(v),
                               more, &out.upload_id, &err);
    if (r < 0) {
        answer_error(v, &err, &s3_no_such_bucket_found);
        return;
    }
    if (in->checksum_algorithm) {
        out.checksum_algorithm = more->checksum_algorithm;
        out.checksum_type = more->checksum_type;
    }
    answer_output(v, &out);
}

/* ---- parts ---- */

static bool upload_find(struct visit *v, const char *id, struct object_upload *ret)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    if (s->ops->upload_find(s, v->a, v->s.bucket_id, v->s.detail.key, id ? id : "", ret,
                            &err) == 0)
        return true;
    v->s.detail.upload_id = id;
    answer_error(v, &err, &s3_no_such_upload_found);
    return false;
}

bool part_begin(struct visit *v, const char *id, struct opt_int number)
{
    struct object_upload u = {0};
    if (!number.set || number.v < 1 || number.v > S3_MAX_PARTS) {
        answer_fault(v, &s3_invalid_argument,
                     "Part number must be an integer between 1 and 10000, inclusive");
        return false;
    }
    if (!upload_find(v, id, &u))
        return false;
    v->in.algorithm = u.more->checksum_algorithm;
    v->in.implied = u.more->checksum_implied.v;
    return true;
}

bool part_store(struct visit *v, const char *id, int number, struct object_part *ret)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    *ret = (struct object_part){.number = number,
                                .size_bytes = v->in.size_bytes,
                                .modified_ms = s3_now_ms(v),
                                .checksum = v->in.value};
    memcpy(ret->etag, v->in.etag, sizeof(v->in.etag));
    if (s->ops->part_put(s, intake_take(v), v->s.bucket_id, v->s.detail.key, id, ret,
                         &err) == 0)
        return true;
    v->s.detail.upload_id = id;
    answer_error(v, &err, &s3_no_such_upload_found);
    return false;
}

/* A client that does not speak of checksums when it begins may send others with its parts:
 * they are compared, and the upload's own is computed beside. Only one is computed here, so
 * then the part's is what is compared and stored if the upload implied none. */
void part_run(struct visit *v)
{
    const struct s3_upload_part_request *in = v->s.call.in;
    if (!part_begin(v, in->upload_id, in->part_number))
        return;
    bool implied = v->in.implied;
    enum s3_checksum_algorithm algorithm = v->in.algorithm;
    if (!intake_prepare(v, implied ? S3_CHECKSUM_ALGORITHM_UNSET : algorithm))
        return;
    v->in.also = v->in.algorithm != algorithm ? algorithm : S3_CHECKSUM_ALGORITHM_UNSET;
    if (intake_open(v))
        intake_receive(v);
}

void part_received(struct visit *v)
{
    const struct s3_upload_part_request *in = v->s.call.in;
    struct object_part part;
    struct answer_headers h;
    if (!intake_check(v))
        return;
    const char *own = v->in.value;
    enum s3_checksum_algorithm algorithm = v->in.algorithm;
    if (v->in.also)
        v->in.value = v->in.also_value;
    if (!part_store(v, in->upload_id, in->part_number.v, &part))
        return;
    answer_head(v, &h);
    add_etag(v, &h, part.etag);
    answer_add(&h, arena_printf(v->a, "x-amz-checksum-%s", checksum_name(algorithm)),
               own);
    http_reply(v->req, 200, h.v, "", 0, HTTP_ARENA);
}

/* ---- complete ---- */

struct joining {
    struct object_upload upload;
    struct object_part *have; /* what was sent, by number */
    size_t have_count;
    struct object_part *use; /* what the client names, in order */
    size_t count;
    struct object_info info;
};

static const struct object_part *part_of(const struct joining *j, int number)
{
    size_t low = 0, high = j->have_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (j->have[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < j->have_count && j->have[low].number == number ? &j->have[low] : NULL;
}

static bool part_fits(struct visit *v, struct joining *j,
                      const struct s3_completed_part *p, bool last)
{
    const struct object_part *have = part_of(j, p->part_number.v);
    const char *etag = unquoted(v->a, p->e_tag);
    enum s3_checksum_algorithm algorithm;
    const char *sum = checksum_member(&s3_completed_part_shape, p, &algorithm);
    bool same = algorithm == j->upload.more->checksum_algorithm;
    if (!have || !etag || strcasecmp(etag, have->etag) != 0 ||
        (sum && same && !streq(sum, have->checksum))) {
        answer_s3(v, &s3_invalid_part);
        return false;
    }
    if (!last && have->size_bytes < S3_MIN_PART) {
        answer_s3(v, &s3_entity_too_small);
        return false;
    }
    j->use[j->count++] = *have;
    j->info.size_bytes += have->size_bytes;
    return true;
}

static bool choose_parts(struct visit *v, struct joining *j)
{
    const struct s3_complete_multipart_upload_request *in = v->s.call.in;
    const struct s3_completed_part_list *parts =
        in->multipart_upload ? &in->multipart_upload->parts : NULL;
    if (!parts || parts->n == 0 || parts->n > S3_MAX_PARTS) {
        answer_s3(v, &s3_malformed_xml);
        return false;
    }
    for (size_t i = 0; i < parts->n; i++) {
        if (!parts->v[i].part_number.set) {
            answer_s3(v, &s3_malformed_xml);
            return false;
        }
        if (i && parts->v[i].part_number.v <= parts->v[i - 1].part_number.v) {
            answer_s3(v, &s3_invalid_part_order);
            return false;
        }
    }
    j->use = arena_new_array(v->a, struct object_part, parts->n);
    for (size_t i = 0; i < parts->n; i++) {
        if (!part_fits(v, j, &parts->v[i], i + 1 == parts->n))
            return false;
    }
    return true;
}

static void join_etag(struct joining *j)
{
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[33];
    EVP_DigestInit_ex(md5, EVP_md5(), NULL);
    for (size_t i = 0; i < j->count; i++)
        if (hex_decode(j->use[i].etag, digest, 16))
            EVP_DigestUpdate(md5, digest, 16);
    EVP_DigestFinal_ex(md5, digest, NULL);
    EVP_MD_CTX_free(md5);
    hex_encode(digest, 16, hex);
    snprintf(j->info.etag, sizeof(j->info.etag), "%s-%zu", hex, j->count);
}

static bool part_sum(struct visit *v, const struct object_part *p,
                     enum s3_checksum_algorithm algorithm, uint8_t **ret)
{
    size_t n = 0;
    return p->checksum &&
           base64_decode(v->a, p->checksum, strlen(p->checksum), ret, &n) &&
           n == checksum_size(algorithm);
}

static const char *join_composite(struct visit *v, const struct joining *j)
{
    enum s3_checksum_algorithm a = j->upload.more->checksum_algorithm;
    struct checksum *c = checksum_new(a);
    uint8_t digest[CHECKSUM_MAX], *part;
    AUTO_STR text = STR_INIT;
    bool all = true;
    for (size_t i = 0; i < j->count && all; i++) {
        all = part_sum(v, &j->use[i], a, &part);
        if (all)
            checksum_update(c, part, checksum_size(a));
    }
    base64_add(&text, digest, checksum_end(c, digest));
    checksum_free(c);
    str_addf(&text, "-%zu", j->count);
    return all ? arena_strdup(v->a, text.data) : NULL;
}

static const char *join_full(struct visit *v, const struct joining *j)
{
    enum s3_checksum_algorithm a = j->upload.more->checksum_algorithm;
    size_t n = checksum_size(a);
    uint64_t crc = 0;
    uint8_t *part, out[8];
    AUTO_STR text = STR_INIT;
    for (size_t i = 0; i < j->count; i++) {
        uint64_t next = 0;
        if (!part_sum(v, &j->use[i], a, &part))
            return NULL;
        for (size_t k = 0; k < n; k++)
            next = next << 8 | part[k];
        crc = i ? checksum_crc_combine(a, crc, next, j->use[i].size_bytes) : next;
    }
    for (size_t k = 0; k < n; k++)
        out[k] = (uint8_t)(crc >> 8 * (n - 1 - k));
    base64_add(&text, out, n);
    return arena_strdup(v->a, text.data);
}

/* What the client says of the whole. */
static bool whole_fits(struct visit *v, const struct joining *j)
{
    const struct s3_complete_multipart_upload_request *in = v->s.call.in;
    const struct gantry_s3_object_record *more = j->info.more;
    enum s3_checksum_algorithm a;
    const char *sum =
        checksum_member(&s3_complete_multipart_upload_request_shape, in, &a);
    if (in->mpu_object_size.set &&
        (uint64_t)in->mpu_object_size.v != j->info.size_bytes) {
        answer_fault(v, &s3_bad_request,
                     "The provided 'x-amz-mp-object-size' header value does not match "
                     "what was computed.");
        return false;
    }
    if (in->checksum_type && in->checksum_type != more->checksum_type) {
        answer_fault(v, &s3_bad_request,
                     "The upload was created using another checksum type. The complete "
                     "request must use the same checksum type.");
        return false;
    }
    if (sum && (a != more->checksum_algorithm || !streq(sum, more->checksum))) {
        answer_s3(v, &s3_bad_digest);
        return false;
    }
    return true;
}

static void describe_whole(struct visit *v, struct joining *j)
{
    struct gantry_s3_object_record *more = j->upload.more;
    join_etag(j);
    more->checksum = more->checksum_type == S3_CHECKSUM_TYPE_FULL_OBJECT
                         ? join_full(v, j)
                         : join_composite(v, j);
    for (size_t i = 0; i < j->count; i++)
        *LIST_PUSH(v->a, &more->part_sizes) = (int64_t)j->use[i].size_bytes;
    j->info.more = more;
    j->info.key = v->s.detail.key;
    j->info.modified_ms = s3_now_ms(v);
}

static void answer_whole(struct visit *v, const struct joining *j)
{
    const char *host = http_header(v->req, "Host");
    struct s3_complete_multipart_upload_output out = {
        .location = arena_printf(v->a, "http://%s/%s/%s", host ? host : "", v->s.bucket,
                                 v->s.detail.key),
        .bucket = v->s.bucket,
        .key = v->s.detail.key,
        .e_tag = quoted(v->a, j->info.etag),
        .checksum_type = j->info.more->checksum_type,
    };
    checksum_member_set(&s3_complete_multipart_upload_output_shape, &out,
                        j->info.more->checksum_algorithm, j->info.more->checksum);
    answer_output(v, &out);
}

void upload_end_run(struct visit *v)
{
    const struct s3_complete_multipart_upload_request *in = v->s.call.in;
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct joining j = {0};
    struct object_condition k;
    if (!put_condition(v, &k) || !upload_find(v, in->upload_id, &j.upload))
        return;
    int r = s->ops->part_list(s, v->a, v->s.bucket_id, v->s.detail.key, in->upload_id, 0,
                              S3_MAX_PARTS, &j.have, &j.have_count, &err);
    if (r < 0) {
        answer_error(v, &err, &s3_no_such_upload_found);
        return;
    }
    if (!choose_parts(v, &j))
        return;
    describe_whole(v, &j);
    if (!whole_fits(v, &j))
        return;
    r = s->ops->upload_end(s, v->s.bucket_id, in->upload_id, j.use, j.count, &j.info, &k,
                           &err);
    if (r < 0)
        answer_error(v, &err, &s3_no_such_upload_found);
    else
        answer_whole(v, &j);
}

void upload_abort_run(struct visit *v)
{
    const struct s3_abort_multipart_upload_request *in = v->s.call.in;
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct answer_headers h;
    if (s->ops->upload_abort(s, v->s.bucket_id, v->s.detail.key,
                             in->upload_id ? in->upload_id : "", &err) < 0) {
        v->s.detail.upload_id = in->upload_id;
        answer_error(v, &err, &s3_no_such_upload_found);
        return;
    }
    answer_head(v, &h);
    http_reply(v->req, 204, h.v, "", 0, HTTP_ARENA);
}

/* ---- lists ---- */

static size_t limit_of(struct opt_int given)
{
    return given.set && given.v >= 0 && given.v < S3_MAX_LIST ? (size_t)given.v
                                                              : S3_MAX_LIST;
}

void parts_run(struct visit *v)
{
    const struct s3_list_parts_request *in = v->s.call.in;
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct object_upload u = {0};
    struct object_part *parts;
    size_t n, limit = limit_of(in->max_parts);
    int after = in->part_number_marker.set ? in->part_number_marker.v : 0;
    if (!upload_find(v, in->upload_id, &u))
        return;
    if (s->ops->part_list(s, v->a, v->s.bucket_id, v->s.detail.key, in->upload_id, after,
                          limit + 1, &parts, &n, &err) < 0) {
        answer_error(v, &err, &s3_no_such_upload_found);
        return;
    }
    struct s3_list_parts_output out = {
        .bucket = v->s.bucket,
        .key = v->s.detail.key,
        .upload_id = in->upload_id,
        .part_number_marker = SET_INT(after),
        .max_parts = SET_INT((int32_t)limit),
        .is_truncated = SET_BOOL(n > limit),
        .storage_class = S3_STORAGE_CLASS_STANDARD,
    };
    if (!u.more->checksum_implied.v) {
        out.checksum_algorithm = u.more->checksum_algorithm;
        out.checksum_type = u.more->checksum_type;
    }
    for (size_t i = 0; i < n && i < limit; i++) {
        struct s3_part *p = LIST_PUSH(v->a, &out.parts);
        p->part_number = SET_INT(parts[i].number);
        p->last_modified = SET_TIME(parts[i].modified_ms);
        p->e_tag = quoted(v->a, parts[i].etag);
        p->size = SET_LONG((int64_t)parts[i].size_bytes);
        if (!u.more->checksum_implied.v)
            checksum_member_set(&s3_part_shape, p, u.more->checksum_algorithm,
                                parts[i].checksum);
        out.next_part_number_marker = SET_INT(parts[i].number);
    }
    answer_output(v, &out);
}

void uploads_run(struct visit *v)
{
    const struct s3_list_multipart_uploads_request *in = v->s.call.in;
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct object_upload *u;
    size_t n, limit = limit_of(in->max_uploads);
    bool url = in->encoding_type == S3_ENCODING_TYPE_URL;
    const char *after = in->key_marker ? in->key_marker : "";
    /* Without an upload's id everything of the marker's key is behind us. */
    const char *id = in->upload_id_marker ? in->upload_id_marker : *after ? "~" : "";
    if (!str_empty(in->delimiter)) {
        answer_fault(v, &s3_not_implemented,
                     "gantry does not offer delimiters in lists of uploads.");
        return;
    }
    if (s->ops->upload_list(s, v->a, v->s.bucket_id, in->prefix ? in->prefix : "", after,
                            id, limit + 1, &u, &n, &err) < 0) {
        answer_error(v, &err, &s3_no_such_bucket_found);
        return;
    }
    struct s3_list_multipart_uploads_output out = {
        .bucket = v->s.bucket,
        .key_marker = list_encoded(v, after, url),
        .upload_id_marker = in->upload_id_marker ? in->upload_id_marker : "",
        .prefix = list_encoded(v, in->prefix, url),
        .max_uploads = SET_INT((int32_t)limit),
        .is_truncated = SET_BOOL(n > limit),
        .encoding_type = in->encoding_type,
    };
    for (size_t i = 0; i < n && i < limit; i++) {
        struct s3_multipart_upload *row = LIST_PUSH(v->a, &out.uploads);
        row->upload_id = u[i].id;
        row->key = list_encoded(v, u[i].key, url);
        row->initiated = SET_TIME(u[i].started_ms);
        row->storage_class = S3_STORAGE_CLASS_STANDARD;
        if (n > limit) {
            out.next_key_marker = row->key;
            out.next_upload_id_marker = row->upload_id;
        }
    }
    answer_output(v, &out);
}
