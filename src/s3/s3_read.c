/* GetObject and HeadObject: conditions, ranges, parts, and the headers of an answer. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "s3_private.h"

enum range { RANGE_ALL, RANGE_PART, RANGE_BAD };

/* RFC 9110 §14.2: a range that can't be read counts as none; several are sent whole. */
static enum range range_read(const char *text, uint64_t size, uint64_t *ret_first,
                             uint64_t *ret_length)
{
    uint64_t first = 0, last = 0;
    char *end;
    *ret_first = 0;
    *ret_length = size;
    if (!text || strncasecmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return RANGE_ALL;
    text += 6;
    bool from_end = *text == '-';
    const char *digits = text + from_end;
    if (*digits < '0' || *digits > '9')
        return RANGE_ALL;
    first = strtoull(digits, &end, 10);
    if (from_end) {
        if (*end)
            return RANGE_ALL;
        if (first == 0 || size == 0)
            return RANGE_BAD;
        *ret_length = first < size ? first : size;
        *ret_first = size - *ret_length;
        return RANGE_PART;
    }
    if (*end++ != '-')
        return RANGE_ALL;
    last = size ? size - 1 : 0;
    if (*end) {
        if (*end < '0' || *end > '9')
            return RANGE_ALL;
        uint64_t given = strtoull(end, &end, 10);
        if (*end || given < first)
            return RANGE_ALL;
        last = given < last ? given : last;
    }
    if (first >= size)
        return RANGE_BAD;
    *ret_first = first;
    *ret_length = last - first + 1;
    return RANGE_PART;
}

static const char *http_date(struct visit *v, int64_t ms)
{
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    char text[64];
    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return arena_strdup(v->a, text);
}

/* ---- what is sent ---- */

struct extent {
    uint64_t first, length;
    int status;
    size_t parts; /* of the object, when one was asked for; 0: not */
};

/* ?partNumber=: of an object that was put whole there is one part. */
static bool part_extent(struct visit *v, const struct object_info *info, int number,
                        struct extent *ret)
{
    const struct long_list *sizes = &info->more->part_sizes;
    size_t n = sizes->n ? sizes->n : 1;
    if (number < 1 || number > S3_MAX_PARTS) {
        answer_fault(v, &s3_invalid_argument,
                     "Part number must be an integer between 1 and 10000, inclusive");
        return false;
    }
    if ((size_t)number > n) {
        answer_fault(v, &s3_invalid_range, "The requested partnumber is not satisfiable");
        return false;
    }
    *ret = (struct extent){.length = info->size_bytes, .status = 206, .parts = sizes->n};
    for (size_t i = 0; i < sizes->n && i < (size_t)number; i++) {
        ret->first += i ? (uint64_t)sizes->v[i - 1] : 0;
        ret->length = (uint64_t)sizes->v[i];
    }
    return true;
}

static bool find_extent(struct visit *v, const struct object_info *info,
                        struct extent *ret)
{
    const char *range = http_header(v->req, "Range");
    const char *text = route_query(v->a, v->req->query, "partNumber");
    int64_t number = 0;
    *ret = (struct extent){.length = info->size_bytes, .status = 200};
    if (text) {
        if (range || !str_to_i64(text, 1, S3_MAX_PARTS, &number)) {
            answer_fault(v, range ? &s3_bad_request : &s3_invalid_argument,
                         range ? "Cannot specify both Range header and partNumber query "
                                 "parameter"
                               : "Part number must be an integer between 1 and 10000, "
                                 "inclusive");
            return false;
        }
        return part_extent(v, info, (int)number, ret);
    }
    switch (range_read(range, info->size_bytes, &ret->first, &ret->length)) {
    case RANGE_ALL:
        return true;
    case RANGE_PART:
        ret->status = 206;
        return true;
    case RANGE_BAD:
        break;
    }
    answer_s3(v, &s3_invalid_range);
    return false;
}

/* response-content-type and its like: only who signed may have them. */
static const char *overridden(struct visit *v, const char *header)
{
    static const char *const names[][2] = {
        {"Cache-Control", "ResponseCacheControl"},
        {"Content-Disposition", "ResponseContentDisposition"},
        {"Content-Encoding", "ResponseContentEncoding"},
        {"Content-Language", "ResponseContentLanguage"},
        {"Content-Type", "ResponseContentType"},
        {"Expires", "ResponseExpires"},
    };
    const struct wire_shape *shape = v->target.operation->input;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *const *text;
        if (!streq(names[i][0], header))
            continue;
        if (streq(header, "Expires")) {
            const char *raw = route_query(v->a, v->req->query, "response-expires");
            const struct s3_get_object_request *in = v->s.call.in;
            bool get = streq(v->target.operation->name, "GetObject");
            return raw && get && in->response_expires.set
                       ? http_date(v, in->response_expires.v)
                       : NULL;
        }
        return wire_pick(v->a, shape, v->s.call.in, names[i][1], &text) ? text[0] : NULL;
    }
    return NULL;
}

static bool has_overrides(struct visit *v)
{
    return v->req->query && strstr(v->req->query, "response-");
}

static void add_stored(struct visit *v, struct answer_headers *h,
                       const struct gantry_s3_object_record *more)
{
    static const char *const names[] = {"Cache-Control",    "Content-Disposition",
                                        "Content-Encoding", "Content-Language",
                                        "Content-Type",     "Expires"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = overridden(v, names[i]);
        for (size_t k = 0; k < more->headers.n && !value; k++)
            if (streq(more->headers.v[k].key, names[i]))
                value = more->headers.v[k].value;
        if (!value && streq(names[i], "Content-Type"))
            value = "binary/octet-stream";
        answer_add(h, names[i], value);
    }
    for (size_t i = 0; i < more->metadata.n; i++)
        answer_add(h, arena_printf(v->a, "x-amz-meta-%s", more->metadata.v[i].key),
                   more->metadata.v[i].value);
    if (more->tags.n)
        answer_add(h, "x-amz-tagging-count", arena_printf(v->a, "%zu", more->tags.n));
}

static void add_checksum(struct visit *v, struct answer_headers *h,
                         const struct gantry_s3_object_record *more, bool whole)
{
    const char *mode = http_header(v->req, "x-amz-checksum-mode");
    if (!mode || strcasecmp(mode, "ENABLED") != 0 || !more->checksum || !whole)
        return;
    answer_add(
        h,
        arena_printf(v->a, "x-amz-checksum-%s", checksum_name(more->checksum_algorithm)),
        more->checksum);
    answer_add(h, "x-amz-checksum-type",
               wire_enum_name(&s3_checksum_type_shape, more->checksum_type));
}

static void make_head(struct visit *v, const struct object_info *info,
                      const struct extent *e, struct answer_headers *h)
{
    answer_head(v, h);
    add_etag(v, h, info->etag);
    answer_add(h, "Last-Modified", http_date(v, info->modified_ms));
    answer_add(h, "Accept-Ranges", "bytes");
    add_stored(v, h, info->more);
    add_checksum(v, h, info->more, e->length == info->size_bytes);
    if (e->status == 206 && info->size_bytes)
        answer_add(h, "Content-Range",
                   arena_printf(v->a, "bytes %llu-%llu/%llu",
                                (unsigned long long)e->first,
                                (unsigned long long)(e->first + e->length - 1),
                                (unsigned long long)info->size_bytes));
    if (e->parts)
        answer_add(h, "x-amz-mp-parts-count", arena_printf(v->a, "%zu", e->parts));
}

/* ---- the operation ---- */

static void not_modified(struct visit *v, const struct object_info *info)
{
    struct answer_headers h;
    answer_head(v, &h);
    add_etag(v, &h, info->etag);
    answer_add(&h, "Last-Modified", http_date(v, info->modified_ms));
    http_reply(v->req, 304, h.v, "", 0, HTTP_ARENA);
}

/* 1: it changed between finding and opening. */
static int send_object(struct visit *v, const struct object_info *info)
{
    struct error err = ERROR_INIT;
    struct object_store *s = visit_store(v);
    struct extent e;
    struct answer_headers h;
    int fd = -1;
    uint64_t offset = 0;
    if (!find_extent(v, info, &e))
        return 0;
    make_head(v, info, &e, &h);
    if (v->req->is_head) {
        http_reply_head(v->req, e.status, h.v, e.length);
        return 0;
    }
    int r = s->ops->open(s, v->s.bucket_id, info, e.first, e.length, &fd, &offset, &err);
    if (r == -E_NOTFOUND)
        return 1;
    if (r < 0)
        answer_error(v, &err, &s3_no_such_key_found);
    else
        http_reply_file(v->req, e.status, h.v, fd, offset, e.length);
    return 0;
}

void get_run(struct visit *v)
{
    if (v->s.anonymous && has_overrides(v)) {
        answer_fault(v, &s3_bad_request,
                     "Request specific response headers cannot be used for anonymous GET "
                     "requests.");
        return;
    }
    for (int i = 0; i < 3; i++) {
        struct object_info info = {0};
        if (!object_find(v, &info))
            return;
        const struct wire_fault *fault = object_conditions(v, "", &info);
        if (fault == &s3_not_modified)
            not_modified(v, &info);
        else if (fault)
            answer_s3(v, fault);
        if (fault || send_object(v, &info) == 0)
            return;
    }
    answer_s3(v, &s3_slow_down);
}
