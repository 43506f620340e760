/* protocol.h: from an HTTP request to an operation's input, and from its output, or a
 * fault, to an HTTP response: AWS JSON 1.0 and 1.1, query, EC2 query, REST-JSON, REST-XML,
 * RPC v2 CBOR.
 *
 *     wire_request_find()     which operation, in which protocol
 *     wire_request_decode()   the body (and for REST path, query, headers) into the input
 *     … the operation runs …
 *     wire_response_encode()  or wire_fault_encode()
 *
 * Whatever goes wrong before the operation runs is a struct wire_error; wire_error_fault()
 * turns it into the fault that this service would answer. A service that nobody knows is
 * answered in the protocol that the request looks like.
 *
 * Owns: inputs and headers lie in the caller's arena; a response's body is the caller's to
 * free (wire_response_free, or str_take() to hand it on).
 * Threads: any; nothing here has state. Fails: with struct wire_error; encoding never. */
#pragma once

#include "wire.h"

struct wire_header {
    const char *name, *value;
};

/* As it came: path and query undecoded. The body must stay as long as the input is used
 * only for blobs that are a whole body (REST); everything else is copied. */
struct wire_http_request {
    const char *method;
    const char *path;
    const char *query; /* behind '?'; NULL when there was none */
    const struct wire_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
};

/* What a request is about; also how to answer it. Filled as far as it could be told. */
struct wire_target {
    const struct wire_service *service;     /* NULL: unknown */
    const struct wire_operation *operation; /* NULL: unknown or not offered */
    enum wire_protocol protocol;
};

struct wire_response {
    int status;
    const struct wire_header *headers; /* ended by a NULL name */
    struct str body;
};

/* `scope` is the service in the signature's credential scope, NULL without signature. It
 * decides between services that would accept the same request (REST), and must fit the
 * service that the request names. Returns 0 or -E_INVALID. */
int wire_request_find(const struct wire_service *const *services, size_t count,
                      const struct wire_http_request *req, const char *scope,
                      struct wire_target *ret, struct wire_error *ret_error);

/* *ret is NULL for an operation without input. Returns 0 or -E_INVALID. */
int wire_request_decode(struct arena *a, const struct wire_target *target,
                        const struct wire_http_request *req, void **ret,
                        struct wire_error *ret_error);

/* `output` is a struct of the operation's output shape, NULL when it has none. */
void wire_response_encode(struct arena *a, const struct wire_target *target,
                          const void *output, const char *request_id,
                          struct wire_response *ret);

/* `details` is NULL or a struct of fault->shape with the members beside the message. */
void wire_fault_encode(struct arena *a, const struct wire_target *target,
                       const struct wire_fault *fault, const char *message,
                       const void *details, const char *request_id,
                       struct wire_response *ret);

void wire_response_free(struct wire_response *response);

/* The service's fault for a refused request; *ret_message (in the arena) is its text. */
const struct wire_fault *wire_error_fault(struct arena *a,
                                          const struct wire_target *target,
                                          const struct wire_error *error,
                                          const char **ret_message);

/* First value of the header, any case of name; NULL when absent. */
const char *wire_header_find(const struct wire_http_request *req, const char *name);

/* ---- why a caller was refused, in the words of each protocol ---- */

enum wire_denial {
    WIRE_DENIED_NO_AUTH,       /* no signature at all */
    WIRE_DENIED_MALFORMED,     /* a signature that can't be read */
    WIRE_DENIED_MALFORMED_URL, /* the same of a presigned URL */
    WIRE_DENIED_UNSIGNED,      /* a header that acts is not part of the signature */
    WIRE_DENIED_TWO_WAYS,      /* signed by a header and in the query */
    WIRE_DENIED_UNKNOWN_KEY,   /* no such access key */
    WIRE_DENIED_BAD_TOKEN,     /* the session token is not this key's */
    WIRE_DENIED_BAD_SIGNATURE, /* does not match; wrong scope; body differs from its hash */
    WIRE_DENIED_SKEWED,        /* signed too long ago or in the future */
    WIRE_DENIED_EXPIRED_URL,   /* a presigned URL past its time */
    WIRE_DENIED_EXPIRED,       /* the session is over */
    WIRE_DENIED_BY_POLICY,     /* IAM says no */
    WIRE_DENIAL_COUNT,
};

/* `*ret_message` (may be NULL) is the usual text, static; the caller may say more. */
const struct wire_fault *wire_denial_fault(const struct wire_target *target,
                                           enum wire_denial denial,
                                           const char **ret_message);

/* A change can't be taken now, and it is not the caller's fault: the model's own 5xx, or
 * what the protocol has. */
const struct wire_fault *wire_unavailable_fault(const struct wire_target *target);

/* Faults that every service may answer without having them in its model. */
extern const struct wire_fault wire_throttling_fault;       /* 400 ThrottlingException */
extern const struct wire_fault wire_internal_failure_fault; /* 500 InternalFailure */
extern const struct wire_fault wire_too_large_fault; /* 413 RequestEntityTooLarge… */
