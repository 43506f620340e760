/* CopyObject and UploadPartCopy: the source is read through the same intake that an upload
 * goes through, so a copy has the ETag and checksum that a put of these bytes would have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fd.h"
#include "s3_private.h"

#define PIECE (256 * 1024)

static int pump(struct visit *v, int fd, uint64_t offset, uint64_t length,
                struct error *err)
{
    char *buf = xmalloc(PIECE);
    int r = 0;
    while (length && r == 0) {
        ssize_t n =
            pread(fd, buf, length < PIECE ? (size_t)length : PIECE, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? fail_errno(err, errno, "reading the source")
                      : fail(err, E_CORRUPT, "the source is shorter than it was");
            break;
        }
        r = intake_add(&v->in, buf, (size_t)n, err);
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    free(buf);
    return r;
}

/* The source as found, or answered. */
static bool source_find(struct visit *v, struct object_info *ret)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    if (s->ops->find(s, v->a, v->s.source_id, v->s.source_key, ret, &err) < 0) {
        v->s.detail.key = v->s.source_key;
        answer_error(v, &err, &s3_no_such_key_found);
        return false;
    }
    const struct wire_fault *fault = object_conditions(v, "x-amz-copy-source-", ret);
    if (fault)
        answer_s3(v, fault);
    return !fault;
}

/* Its bytes through the intake. */
static bool source_read(struct visit *v, const struct object_info *source, uint64_t first,
                        uint64_t length)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    AUTO_FD fd = -1;
    uint64_t offset = 0;
    v->in.declared = length;
    if (length > S3_MAX_OBJECT) {
        answer_fault(
            v, &s3_bad_request,
            "The specified copy source is larger than the maximum allowable size "
            "for a copy source: 5368709120");
        return false;
    }
    if (!intake_open(v))
        return false;
    int r = s->ops->open(s, v->s.source_id, source, first, length, &fd, &offset, &err);
    if (r == 0)
        r = pump(v, fd, offset, length, &err);
    if (r < 0) {
        answer_error(v, &err, &s3_no_such_key_found);
        return false;
    }
    intake_finish(v);
    return true;
}

/* ---- CopyObject ---- */

static bool same_object(const struct visit *v)
{
    return streq(v->s.source_id, v->s.bucket_id) &&
           streq(v->s.source_key, v->s.detail.key);
}

static struct gantry_s3_object_record *copied_more(struct visit *v,
                                                   const struct object_info *source)
{
    const struct s3_copy_object_request *in = v->s.call.in;
    struct gantry_s3_object_record *more = object_more(v);
    if (!more)
        return NULL;
    if (in->metadata_directive != S3_METADATA_DIRECTIVE_REPLACE) {
        more->headers = source->more->headers;
        more->metadata = source->more->metadata;
    }
    if (in->tagging_directive != S3_TAGGING_DIRECTIVE_REPLACE)
        more->tags = source->more->tags;
    return more;
}

static enum s3_checksum_algorithm copy_algorithm(const struct visit *v,
                                                 const struct object_info *source)
{
    const struct s3_copy_object_request *in = v->s.call.in;
    if (checksum_size(in->checksum_algorithm))
        return in->checksum_algorithm;
    enum s3_checksum_algorithm a = source->more->checksum_algorithm;
    return checksum_size(a) ? a : S3_CHECKSUM_ALGORITHM_CRC64NVME;
}

static void answer_copy(struct visit *v, const struct object_info *info)
{
    struct s3_copy_object_result result = {
        .e_tag = quoted(v->a, info->etag),
        .last_modified = SET_TIME(info->modified_ms),
        .checksum_type = info->more->checksum_type,
    };
    struct s3_copy_object_output out = {.copy_object_result = &result};
    checksum_member_set(&s3_copy_object_result_shape, &result,
                        info->more->checksum_algorithm, info->more->checksum);
    answer_output(v, &out);
}

void copy_run(struct visit *v)
{
    const struct s3_copy_object_request *in = v->s.call.in;
    struct error err = ERROR_INIT;
    struct object_info source = {0};
    struct object_condition k;
    struct object_store *s = visit_store(v);
    if (!put_condition(v, &k) || !source_find(v, &source))
        return;
    if (same_object(v) && in->metadata_directive != S3_METADATA_DIRECTIVE_REPLACE &&
        in->tagging_directive != S3_TAGGING_DIRECTIVE_REPLACE) {
        answer_fault(
            v, &s3_bad_request,
            "This copy request is illegal because it is trying to copy an object "
            "to itself without changing the object's metadata, storage class, "
            "website redirect location or encryption attributes.");
        return;
    }
    struct object_info info = {.key = v->s.detail.key, .size_bytes = source.size_bytes};
    info.more = copied_more(v, &source);
    if (!info.more)
        return;
    v->in.algorithm = copy_algorithm(v, &source);
    if (!source_read(v, &source, 0, source.size_bytes))
        return;
    memcpy(info.etag, v->in.etag, sizeof(v->in.etag));
    info.modified_ms = s3_now_ms(v);
    info.more->checksum_algorithm = v->in.algorithm;
    info.more->checksum_type = S3_CHECKSUM_TYPE_FULL_OBJECT;
    info.more->checksum = v->in.value;
    int r = s->ops->put(s, intake_take(v), v->s.bucket_id, &info, &k, &err);
    if (r < 0)
        answer_error(v, &err, &s3_no_such_bucket_found);
    else
        answer_copy(v, &info);
}

/* ---- UploadPartCopy ---- */

/* "bytes=first-last", both said and inside of the source. */
static bool part_range(struct visit *v, const struct object_info *source,
                       uint64_t *ret_first, uint64_t *ret_length)
{
    const struct s3_upload_part_copy_request *in = v->s.call.in;
    unsigned long long first, last;
    int end = 0;
    *ret_first = 0;
    *ret_length = source->size_bytes;
    if (!in->copy_source_range)
        return true;
    if (sscanf(in->copy_source_range, "bytes=%llu-%llu%n", &first, &last, &end) != 2 ||
        in->copy_source_range[end] || first > last) {
        answer_fault(
            v, &s3_invalid_argument,
            "The x-amz-copy-source-range value must be of the form "
            "bytes=first-last where first and last are the zero-based offsets of "
            "the first and last bytes to copy");
        return false;
    }
    if (last >= source->size_bytes) {
        answer_fault(
            v, &s3_invalid_argument,
            arena_printf(v->a,
                         "Range specified is not valid for source object of size: "
                         "%llu",
                         (unsigned long long)source->size_bytes));
        return false;
    }
    *ret_first = first;
    *ret_length = last - first + 1;
    return true;
}

void part_copy_run(struct visit *v)
{
    const struct s3_upload_part_copy_request *in = v->s.call.in;
    struct object_info source = {0};
    struct object_part part = {0};
    uint64_t first, length;
    if (!part_begin(v, in->upload_id, in->part_number) || !source_find(v, &source) ||
        !part_range(v, &source, &first, &length) ||
        !source_read(v, &source, first, length) ||
        !part_store(v, in->upload_id, in->part_number.v, &part))
        return;
    struct s3_copy_part_result result = {
        .e_tag = quoted(v->a, part.etag),
        .last_modified = SET_TIME(part.modified_ms),
    };
    struct s3_upload_part_copy_output out = {.copy_part_result = &result};
    if (!v->in.implied)
        checksum_member_set(&s3_copy_part_result_shape, &result, v->in.algorithm,
                            part.checksum);
    answer_output(v, &out);
}
