/* api_front.h: AWS API requests: from HTTP to an operation and back.
 *
 * On an I/O thread: find the operation, decode, hash, read the signature. On the state
 * thread: check the signature, run the handler. On the commit thread: encode and answer.
 * A request that can't be decoded still goes the whole way, because who is not allowed to
 * ask is told that first.
 *
 * Owns: one struct a request, until its answer was given. Threads: see above.
 * Fails: every failure is an answer in the service's own form. */
#pragma once

#include "access.h"
#include "audit.h"
#include "auth.h"
#include "http.h"
#include "operation.h"
#include "shell.h"
#include "workers.h"

#define API_MAX_BODY (10 * 1024 * 1024)

struct api_service {
    const struct wire_service *wire;
    const struct operation *operations; /* by wire_operation.index */
    const struct access_service *access; /* NULL: everybody may */
};

struct api_front {
    const struct api_service *services;
    size_t service_count;
    const struct authenticator *auth;
    struct shell *shell;
    struct workers *workers;
    struct audit *audit;
    struct store *store; /* asked for room before something is changed */
    const char *region;  /* of unsigned requests */
};

/* begin(): takes the body, or refuses one that is too long. */
void api_front_begin(const struct api_front *front, struct http_request *req);
/* complete(): the body is there. */
void api_front_complete(const struct api_front *front, struct http_request *req);

/* The request as wire and sigv4 read it; arrays in the request's arena. */
void api_wire_request(struct http_request *req, struct wire_http_request *ret);
/* Reads the signature of a request whose body is complete. */
void api_read_credentials(struct arena *a, struct http_request *req,
                          struct credentials *ret);
