/* sigv4.h: AWS Signature Version 4, both sides.
 *
 * The server's side is split in two. On an I/O thread sigv4_parse() reads the signature,
 * makes the canonical request from what was received and hashes it: all that costs time
 * and needs no secret. On the state thread sigv4_check() looks at the clock and compares
 * with the signing key of who the caller found. Between the two the request may be
 * gone: struct sigv4 holds copies.
 *
 * Rules: "Signature Version 4 signing process" of the AWS General Reference; S3's own
 * (path encoded once, payload hash from a header, clock skew 15 instead of 5 minutes) for
 * scopes of service s3.
 *
 * Owns: texts of struct sigv4 lie in the caller's arena. Threads: any.
 * Fails: sigv4_parse() and sigv4_check() with an enum sigv4_failure. */
#pragma once

#include "arena.h"
#include "protocol.h"
#include "str.h"

enum sigv4_failure {
    SIGV4_OK,
    SIGV4_NO_AUTH,       /* not signed */
    SIGV4_MALFORMED,     /* the text says what is missing */
    SIGV4_BODY_MISMATCH, /* x-amz-content-sha256 is not the body's hash */
    SIGV4_MISMATCH,      /* the signature is not this request's under this secret */
    SIGV4_SKEWED,        /* too old, or from the future */
    SIGV4_EXPIRED_URL,   /* presigned, past its X-Amz-Expires */
    SIGV4_UNSIGNED,      /* a header that acts is not part of the signature */
    SIGV4_TWO_WAYS,      /* S3: signed by a header and in the query */
};

/* How the body takes part. */
enum sigv4_payload {
    SIGV4_PAYLOAD_SIGNED,
    SIGV4_PAYLOAD_UNSIGNED,         /* UNSIGNED-PAYLOAD */
    SIGV4_PAYLOAD_CHUNKED,          /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    SIGV4_PAYLOAD_CHUNKED_TRAILER,  /* …-PAYLOAD-TRAILER */
    SIGV4_PAYLOAD_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

struct sigv4 {
    const char *access_key_id;
    const char *date; /* 20150830 */
    const char *region;
    const char *service;
    const char *session_token; /* NULL: none */
    const char *string_to_sign;
    const char *canonical_request; /* shown to nobody; kept for a maintainer's log */
    const char *signature;         /* 64 hexadecimal digits */
    const char *body_hash;         /* as it entered the canonical request */
    enum sigv4_payload payload;
    int64_t signed_at_ms;
    int64_t expires_seconds; /* presigned only */
    bool presigned;
};

/* Is it clear who signed, and for when, though it may be wrong? */
bool sigv4_is_readable(enum sigv4_failure failure);

/* `body_hash` is the hexadecimal SHA-256 of the body as received, NULL when the body is not
 * there (yet): then S3's header counts, and the caller compares later. On SIGV4_MALFORMED
 * and SIGV4_BODY_MISMATCH *ret_text says why (static or in the arena). */
enum sigv4_failure sigv4_parse(struct arena *a, const struct wire_http_request *req,
                               const char *body_hash, struct sigv4 *ret,
                               const char **ret_text);

/* `key` is sigv4_key() of the scope, see sigv4_keys.h. Constant time in key and signature.
 * `*ret_text` as above, in `a`. */
enum sigv4_failure sigv4_check(struct arena *a, const struct sigv4 *sig,
                               const uint8_t key[static 32], int64_t now_ms,
                               const char **ret_text);

enum wire_denial sigv4_denial(const struct sigv4 *sig, enum sigv4_failure failure);

/* ---- the client's side ---- */

struct sigv4_credentials {
    const char *access_key_id, *secret;
    const char *session_token; /* NULL: none */
};

/* Headers to add to the request, which must already hold Host: X-Amz-Date,
 * X-Amz-Security-Token if there is a token, x-amz-content-sha256 for s3 (when the request has
 * one, that is the body's hash, and the body need not be there), Authorization.
 * All headers of the request are signed, except those that proxies change. The array lies
 * in the arena and ends with a NULL name. */
const struct wire_header *sigv4_sign(struct arena *a, const struct wire_http_request *req,
                                     const struct sigv4_credentials *credentials,
                                     const char *region, const char *service,
                                     int64_t now_ms);

/* Query string (without '?') that presigns the request for `expires_seconds`. */
const char *sigv4_presign(struct arena *a, const struct wire_http_request *req,
                          const struct sigv4_credentials *credentials, const char *region,
                          const char *service, int64_t expires_seconds, int64_t now_ms);

/* Lower-case hexadecimal SHA-256. */
#define SIGV4_HASH_SIZE 65
void sigv4_hash(const void *data, size_t len, char ret[static SIGV4_HASH_SIZE]);

/* The signing key of a day: 32 bytes; also for signed chunks. */
void sigv4_key(const char *secret, const char *date, const char *region,
               const char *service, uint8_t ret[static 32]);
