/* aws_chunked.h: Content-Encoding aws-chunked: an S3 upload in pieces, each with a signature
 * or not, checksums behind the last one.
 *
 *     <hex size>[;chunk-signature=<64 hex>]\r\n <bytes> \r\n  …
 *     0[;chunk-signature=…]\r\n  [name:value\r\n …]  [x-amz-trailer-signature:…\r\n]  \r\n
 *
 * Bytes are handed on as they come, before the signature of their chunk could be checked: so
 * what was received counts only when aws_chunked_finish() says that it was all right.
 *
 * Rules: "Signature calculations for the Authorization header: transferring payload in
 * multiple chunks" of the Amazon S3 API Reference.
 *
 * Owns: hash state and trailers, until aws_chunked_free(). Threads: one at a time; pure.
 * Fails: E_INVALID the framing is broken; E_DENIED a signature does not match; E_LIMIT
 * trailers or a line too long; what `emit` returned. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "sigv4.h"

#define AWS_CHUNKED_MAX_LINE     1024
#define AWS_CHUNKED_MAX_TRAILERS 16

typedef int aws_chunked_emit(void *ctx, const void *data, size_t len, struct error *err);

struct aws_chunked_config {
    enum sigv4_payload kind; /* one of the three STREAMING-… */
    bool check;              /* false: signatures are read and not compared */
    uint8_t key[32];         /* the day's signing key */
    const char *scope;       /* "20150830/us-east-1/s3/aws4_request" */
    const char *date;        /* "20150830T123600Z" */
    const char *seed;        /* signature of the request's headers */
    aws_chunked_emit *emit;
    void *ctx;
};

struct aws_chunked;

struct aws_chunked *aws_chunked_new(const struct aws_chunked_config *config); /* copies */
void aws_chunked_free(struct aws_chunked *c); /* NULL allowed */
int aws_chunked_feed(struct aws_chunked *c, const void *data, size_t len,
                     struct error *err);
/* 0 when the last byte of the encoding has been fed. */
int aws_chunked_finish(const struct aws_chunked *c, struct error *err);
/* A trailer's value, any case of name; NULL: there was none. */
const char *aws_chunked_trailer(const struct aws_chunked *c, const char *name);
