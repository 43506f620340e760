/* What comes in: from the socket through the chunk decoder into a file, and on the way all
 * that has to be known of it: MD5 for the ETag, SHA-256 where the signature promises one, a
 * checksum. Memory is what these need, whatever the size. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base64.h"
#include "s3_private.h"

static bool refuse(struct visit *v, const struct wire_fault *fault, const char *text)
{
    answer_fault(v, fault, text ? text : s3_fault_text(fault));
    return false;
}

/* ---- what the headers promise ---- */

static bool read_length(struct visit *v)
{
    const char *text = http_header(v->req, "x-amz-decoded-content-length");
    bool chunked =
        v->sig.failure == SIGV4_OK && v->sig.sigv4.payload >= SIGV4_PAYLOAD_CHUNKED;
    int64_t n = v->req->content_length;
    if (chunked && !str_to_i64(text, 0, INT64_MAX, &n))
        return refuse(v, &s3_missing_length, NULL);
    if (n < 0)
        return refuse(v, &s3_missing_length, NULL);
    if ((uint64_t)n > S3_MAX_OBJECT)
        return refuse(v, &s3_entity_too_large, NULL);
    v->in.declared = (uint64_t)n;
    return true;
}

static bool read_md5(struct visit *v)
{
    uint8_t *raw;
    size_t n;
    v->in.content_md5 = http_header(v->req, "Content-MD5");
    if (!v->in.content_md5)
        return true;
    if (!base64_decode(v->a, v->in.content_md5, strlen(v->in.content_md5), &raw, &n) ||
        n != 16)
        return refuse(v, &s3_invalid_digest, NULL);
    return true;
}

/* The algorithm that the client speaks of, in a header or in a trailer that it announces. */
static enum s3_checksum_algorithm announced(struct visit *v)
{
    static const char prefix[] = "x-amz-checksum-";
    const char *trailer = http_header(v->req, "x-amz-trailer");
    for (size_t i = 0; i < v->req->header_count; i++) {
        const struct http_header *h = &v->req->headers[i];
        if (strncasecmp(h->name, prefix, sizeof(prefix) - 1) != 0)
            continue;
        enum s3_checksum_algorithm a = checksum_by_name(h->name + sizeof(prefix) - 1);
        if (a) {
            v->in.expected = h->value;
            return a;
        }
    }
    if (!trailer || strncasecmp(trailer, prefix, sizeof(prefix) - 1) != 0)
        return S3_CHECKSUM_ALGORITHM_UNSET;
    v->in.in_trailer = true;
    return checksum_by_name(trailer + sizeof(prefix) - 1);
}

static bool expected_is_sound(struct visit *v)
{
    uint8_t *raw;
    size_t n;
    if (!v->in.expected)
        return true;
    return base64_decode(v->a, v->in.expected, strlen(v->in.expected), &raw, &n) &&
           n == checksum_size(v->in.algorithm);
}

static bool read_checksum(struct visit *v, enum s3_checksum_algorithm algorithm)
{
    struct intake *in = &v->in;
    enum s3_checksum_algorithm said = announced(v);
    in->algorithm = said ? said : algorithm;
    if (in->in_trailer && !said)
        return refuse(v, &s3_bad_request,
                      "The value specified in the x-amz-trailer header is not supported");
    if (!said && http_header(v->req, "x-amz-sdk-checksum-algorithm"))
        return refuse(v, &s3_bad_request,
                      "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                      "x-amz-checksum-* or x-amz-trailer headers were found.");
    if (said && algorithm && said != algorithm)
        return refuse(v, &s3_bad_request,
                      arena_printf(v->a,
                                   "Checksum Type mismatch occurred, expected checksum "
                                   "Type: %s, actual checksum Type: %s",
                                   checksum_name(algorithm), checksum_name(said)));
    if (!expected_is_sound(v))
        return refuse(v, &s3_bad_request,
                      arena_printf(v->a, "Value for x-amz-checksum-%s header is invalid.",
                                   checksum_name(in->algorithm)));
    if (!in->algorithm) {
        in->algorithm = S3_CHECKSUM_ALGORITHM_CRC64NVME;
        in->implied = true;
    }
    return true;
}

bool intake_prepare(struct visit *v, enum s3_checksum_algorithm algorithm)
{
    return read_length(v) && read_md5(v) && read_checksum(v, algorithm);
}

/* ---- on the way ---- */

int intake_add(struct intake *in, const void *data, size_t len, struct error *err)
{
    if (len > in->declared - in->size_bytes) {
        in->fault = &s3_incomplete_body;
        return fail(err, E_LIMIT, "the body is longer than was said");
    }
    in->size_bytes += len;
    EVP_DigestUpdate(in->md5, data, len);
    if (in->sha256)
        EVP_DigestUpdate(in->sha256, data, len);
    if (in->checksum)
        checksum_update(in->checksum, data, len);
    if (in->also_sum)
        checksum_update(in->also_sum, data, len);
    return object_writer_add(in->writer, data, len, err);
}

static int emit(void *ctx, const void *data, size_t len, struct error *err)
{
    return intake_add(ctx, data, len, err);
}

static const struct wire_fault *chunk_fault(const struct error *err)
{
    return err->code == E_DENIED ? &s3_wrong_signature : &s3_incomplete_body;
}

int intake_sink(void *ctx, const void *data, size_t len)
{
    struct visit *v = ctx;
    struct intake *in = &v->in;
    int r = in->chunked ? aws_chunked_feed(in->chunked, data, len, &in->error)
                        : intake_add(in, data, len, &in->error);
    if (r < 0 && in->chunked && !in->fault &&
        (r == -E_DENIED || r == -E_INVALID || r == -E_LIMIT))
        in->fault = chunk_fault(&in->error);
    return r;
}

/* ---- begin and end ---- */

static EVP_MD_CTX *hash_new(const EVP_MD *kind)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    EVP_DigestInit_ex(h, kind, NULL);
    return h;
}

/* Line n of the string to sign: the date, the scope. */
static const char *signed_line(struct visit *v, int n)
{
    const char *p = v->sig.sigv4.string_to_sign;
    while (n--)
        p += strcspn(p, "\n") + 1;
    return arena_strndup(v->a, p, strcspn(p, "\n"));
}

static void open_chunks(struct visit *v)
{
    struct aws_chunked_config c = {
        .kind = v->sig.sigv4.payload,
        .check = v->sig.key_known && !v->sig.sigv4.presigned,
        .scope = signed_line(v, 2),
        .date = signed_line(v, 1),
        .seed = v->sig.sigv4.signature,
        .emit = emit,
        .ctx = &v->in,
    };
    memcpy(c.key, v->sig.key, sizeof(c.key));
    v->in.chunked = aws_chunked_new(&c);
    OPENSSL_cleanse(c.key, sizeof(c.key));
}

static bool has_room(struct visit *v)
{
    uint64_t left, need = v->in.declared == UINT64_MAX ? 0 : v->in.declared;
    struct object_store *s = visit_store(v);
    if (s->ops->free_bytes(s, &left, NULL) < 0 ||
        (left > S3_RESERVE && left - S3_RESERVE >= need))
        return true;
    return refuse(v, &s3_slow_down, "The disk of gantry's data directory is full.");
}

bool intake_open(struct visit *v)
{
    struct intake *in = &v->in;
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    if (!has_room(v))
        return false;
    if (s->ops->writer_new(s, &in->writer, &err) < 0) {
        answer_error(v, &err, &s3_internal_error);
        return false;
    }
    v->busy = true;
    in->md5 = hash_new(EVP_md5());
    in->checksum = checksum_new(in->algorithm);
    in->also_sum = checksum_new(in->also);
    return true;
}

void intake_receive(struct visit *v)
{
    bool is_signed = v->sig.failure == SIGV4_OK;
    if (is_signed && v->sig.sigv4.payload >= SIGV4_PAYLOAD_CHUNKED)
        open_chunks(v);
    else if (is_signed && v->sig.sigv4.payload == SIGV4_PAYLOAD_SIGNED)
        v->in.sha256 = hash_new(EVP_sha256());
    /* Chunks of one byte would cost some ninety around them. */
    http_accept_stream(v->req, v->in.declared * 2 + S3_MAX_BODY, intake_sink, v);
}

static const char *checksum_value(struct visit *v, struct checksum *c)
{
    uint8_t digest[CHECKSUM_MAX];
    AUTO_STR text = STR_INIT;
    if (!c)
        return NULL;
    base64_add(&text, digest, checksum_end(c, digest));
    return arena_strdup(v->a, text.data);
}

void intake_finish(struct visit *v)
{
    struct intake *in = &v->in;
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(in->md5, digest, NULL);
    hex_encode(digest, 16, in->etag);
    in->value = checksum_value(v, in->checksum);
    in->also_value = checksum_value(v, in->also_sum);
}

static bool hash_is_right(struct visit *v)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[65];
    if (!v->in.sha256)
        return true;
    EVP_DigestFinal_ex(v->in.sha256, digest, NULL);
    hex_encode(digest, 32, hex);
    return strcasecmp(hex, v->sig.sigv4.body_hash) == 0;
}

static bool md5_is_right(struct visit *v)
{
    uint8_t *given, is[16];
    size_t n;
    if (!v->in.content_md5)
        return true;
    return base64_decode(v->a, v->in.content_md5, strlen(v->in.content_md5), &given,
                         &n) &&
           hex_decode(v->in.etag, is, 16) && memcmp(given, is, 16) == 0;
}

/* The trailer's value, when it was promised there. */
static bool expect_trailer(struct visit *v)
{
    struct intake *in = &v->in;
    const char *name;
    if (!in->in_trailer)
        return true;
    name = arena_printf(v->a, "x-amz-checksum-%s", checksum_name(in->algorithm));
    in->expected =
        in->chunked ? arena_strdup(v->a, aws_chunked_trailer(in->chunked, name)) : NULL;
    return in->expected != NULL;
}

static bool received_whole(struct visit *v)
{
    struct intake *in = &v->in;
    if (http_sink_failed(v->req)) {
        if (in->fault)
            return refuse(v, in->fault, NULL);
        answer_error(v, &in->error, &s3_internal_error);
        return false;
    }
    if (in->chunked && aws_chunked_finish(in->chunked, &in->error) < 0)
        return refuse(v, &s3_incomplete_body, NULL);
    if (in->size_bytes != in->declared)
        return refuse(v, &s3_incomplete_body, NULL);
    return true;
}

bool intake_check(struct visit *v)
{
    struct intake *in = &v->in;
    if (!received_whole(v))
        return false;
    intake_finish(v);
    if (!hash_is_right(v))
        return refuse(v, &s3_wrong_hash, NULL);
    if (!md5_is_right(v))
        return refuse(v, &s3_bad_digest,
                      "The Content-MD5 you specified did not match what we received.");
    if (!expect_trailer(v))
        return refuse(v, &s3_incomplete_body,
                      "The trailer with the checksum is missing.");
    if (in->expected && !streq(in->expected, in->value))
        return refuse(
            v, &s3_bad_digest,
            arena_printf(v->a,
                         "The %s you specified did not match the calculated "
                         "checksum.",
                         wire_enum_name(&s3_checksum_algorithm_shape, in->algorithm)));
    return true;
}

void intake_drop(struct visit *v)
{
    struct intake *in = &v->in;
    if (!v->busy)
        return;
    v->busy = false;
    object_writer_drop(in->writer);
    aws_chunked_free(in->chunked);
    checksum_free(in->checksum);
    checksum_free(in->also_sum);
    EVP_MD_CTX_free(in->md5);
    EVP_MD_CTX_free(in->sha256);
    in->writer = NULL;
    in->chunked = NULL;
    in->checksum = in->also_sum = NULL;
    in->md5 = in->sha256 = NULL;
}

struct object_writer *intake_take(struct visit *v)
{
    struct object_writer *w = v->in.writer;
    v->in.writer = NULL;
    return w;
}
