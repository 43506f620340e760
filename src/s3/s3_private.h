/* s3_private.h: what the face's own files share.
 *
 * A request is a `struct visit`, from begin() to released(). It moves along one chain:
 *   (body) ─► state thread ─► when durable ─► row->run on a worker ─► answer
 * and the operations that take a stream go from run() through the sink to row->received, on
 * a worker again. At every point one thread has the visit.
 *
 * Owns, threads, fails: see s3_front.h. */
#pragma once

#include "aws_chunked.h"
#include "checksum.h"
#include "s3_fault.h"
#include "s3_front.h"
#include "str.h"

#define S3_MAX_OBJECT (5ULL << 30)          /* bytes of one put or part */
#define S3_MAX_BODY   (4 * 1024 * 1024)     /* of XML: 10,000 parts with checksums */
#define S3_MIN_PART   (5ULL * 1024 * 1024)
#define S3_MAX_PARTS  10000
#define S3_MAX_LIST   1000
#define S3_RESERVE    (256ULL * 1024 * 1024) /* left free for everybody else on the disk */

struct visit;

struct s3_row {
    const char *operation;
    bool streams; /* the body goes through the sink; `received` follows */
    void (*run)(struct visit *v);
    void (*received)(struct visit *v);
};

/* What comes in, and all that is computed of it on the way (s3_intake.c). */
struct intake {
    struct object_writer *writer;
    struct aws_chunked *chunked; /* NULL: the body is the object */
    void *md5, *sha256;          /* EVP_MD_CTX; sha256 NULL: not asked for */
    struct checksum *checksum;
    enum s3_checksum_algorithm algorithm; /* UNSET: none is computed */
    const char *expected;                 /* base64; NULL: none, or in a trailer */
    bool in_trailer, implied; /* implied: the client did not ask for one */
    enum s3_checksum_algorithm also; /* a second one, of the upload; UNSET: none */
    struct checksum *also_sum;
    const char *also_value;
    const char *content_md5;
    uint64_t size_bytes, declared; /* declared: UINT64_MAX when nobody said */
    struct error error;
    const struct wire_fault *fault; /* why the sink gave up */
    char etag[33];
    const char *value; /* base64 of the checksum */
};

struct visit {
    struct s3_call s;
    struct s3_front *front;
    struct http_request *req;
    struct arena *a; /* the call's */
    struct wire_target target;
    struct wire_http_request wire; /* as it came */
    const char *path;              /* in path style */
    struct s3_signature sig;
    const struct s3_row *row;
    bool whole_body;
    bool undecodable;
    struct wire_error why;
    const struct wire_fault *early; /* refused before it was asked who */
    const char *early_text;
    const struct wire_fault *answered; /* with this fault; NULL: it was done */
    const char *answered_text;
    struct intake in;
    bool busy; /* intake holds something */
};

struct s3_front {
    struct s3_front_config config;
};

static inline struct object_store *visit_store(const struct visit *v)
{
    return v->front->config.store;
}

/* ---- s3_route.c ---- */
/* The request as wire reads it: virtual-host style becomes path style. */
void route_request(struct visit *v);
/* What the request asks for and gantry lacks: sets v->early. */
void route_refuse(struct visit *v);
const char *route_query(struct arena *a, const char *query, const char *name);

/* ---- s3_front.c ---- */
void s3_work(struct visit *v, void (*run)(struct visit *v));
int64_t s3_now_ms(const struct visit *v);

/* ---- s3_answer.c ---- */
struct answer_headers {
    struct http_header v[64];
    size_t n;
};
void answer_head(struct visit *v, struct answer_headers *h); /* with what every answer has */
void answer_add(struct answer_headers *h, const char *name, const char *value);
/* An error's document; for HEAD only its status. */
void answer_fault(struct visit *v, const struct wire_fault *fault, const char *text);
void answer_s3(struct visit *v, const struct wire_fault *fault); /* with its usual text */
/* What a store's error means to the client. */
void answer_error(struct visit *v, const struct error *err,
                  const struct wire_fault *not_found);
/* The operation's output by the codec. */
void answer_output(struct visit *v, const void *output);
/* The output of the handler on the state thread. */
void answer_plain(struct visit *v);

const char *quoted(struct arena *a, const char *etag);
/* ETags come quoted or not. */
const char *unquoted(struct arena *a, const char *etag);
/* "ChecksumCRC32" and its like, in any structure that has them. */
void checksum_member_set(const struct wire_shape *shape, void *value,
                         enum s3_checksum_algorithm algorithm, const char *text);
const char *checksum_member(const struct wire_shape *shape, const void *value,
                            enum s3_checksum_algorithm *ret);

/* ---- s3_intake.c ---- */
/* Reads the headers about the body; false: answered. With `algorithm` that is computed
 * whatever the client says of others. */
bool intake_prepare(struct visit *v, enum s3_checksum_algorithm algorithm);
bool intake_open(struct visit *v); /* a writer; false: answered */
/* For what does not come from the socket. */
int intake_add(struct intake *in, const void *data, size_t len, struct error *err);
http_sink intake_sink;
void intake_receive(struct visit *v); /* hands the body to the sink */
/* Everything compared with what was promised; false: answered. */
bool intake_check(struct visit *v);
void intake_finish(struct visit *v); /* ETag and checksum, without comparing */
void intake_drop(struct visit *v);
struct object_writer *intake_take(struct visit *v);

/* ---- the operations ---- */
void put_run(struct visit *v);
void put_received(struct visit *v);
void part_run(struct visit *v);
void part_received(struct visit *v);
void get_run(struct visit *v);
void list_run(struct visit *v);
void list_v2_run(struct visit *v);
void uploads_run(struct visit *v);
void parts_run(struct visit *v);
void remove_run(struct visit *v);
void remove_many_run(struct visit *v);
void tags_get_run(struct visit *v);
void tags_put_run(struct visit *v);
void tags_remove_run(struct visit *v);
void copy_run(struct visit *v);
void part_copy_run(struct visit *v);
void upload_new_run(struct visit *v);
void upload_end_run(struct visit *v);
void upload_abort_run(struct visit *v);

/* ---- s3_list.c ---- */
/* encoding-type=url. NULL gives NULL. */
const char *list_encoded(struct visit *v, const char *text, bool url);

/* ---- s3_multipart.c ---- */
/* The upload is there, and its algorithm in v->in; false: answered. */
bool part_begin(struct visit *v, const char *id, struct opt_int number);
/* What came in becomes the part; false: answered. */
bool part_store(struct visit *v, const char *id, int number, struct object_part *ret);

/* ---- s3_object.c ---- */
/* Headers, metadata and tags of a put, as a record in the call's arena; NULL: answered. */
struct gantry_s3_object_record *object_more(struct visit *v);
bool tags_parse(struct visit *v, const char *text, struct string_map *ret);
/* The object of the call, or an answer: 404, or 403 to whom it may not be told. */
bool object_find(struct visit *v, struct object_info *ret);
/* If-Match and its like against what is there. `prefix` is "" or "x-amz-copy-source-".
 * NULL: go on; or the fault (s3_not_modified: 304). */
const struct wire_fault *object_conditions(struct visit *v, const char *prefix,
                                           const struct object_info *info);
bool put_condition(struct visit *v, struct object_condition *ret);
void add_etag(struct visit *v, struct answer_headers *h, const char *etag);
