/* http_client.h: HTTP requests to others: registries, our own server, metadata endpoints.
 *
 * Blocking calls for worker threads and the command line. A client keeps connections open
 * for reuse and may be used by many threads at once. Plain http:// is spoken by our own
 * hands. libcurl is loaded when something else is first asked for (TLS, redirects to follow,
 * a proxy): it and its libraries cost 5.5 MB, and a process that only talks to our server
 * never pays.
 *
 * Owns: the client its connections; a response its arena (http_client_response_fini).
 * Threads: any; http_cancel_now() may come from any thread while a call blocks.
 * Fails: E_NETWORK can't connect, name unknown, broken off, certificate refused;
 * E_TIMEOUT; E_CANCELLED; E_PROTOCOL the answer is not HTTP; E_LIMIT body longer than
 * allowed; E_INVALID URL; what a callback returned. An HTTP status of any kind is not a
 * failure. Texts say what was tried and what to do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "http.h"
#include "str.h"

struct http_client;
struct http_cancel;

struct http_client_config {
    const char *ca_file;     /* PEM; NULL: the system's */
    bool insecure;           /* accept any certificate */
    const char *user_agent;  /* NULL: "gantry/VERSION" */
    const char *unix_socket; /* connect here whatever the URL's host says; or NULL */
    bool curl_only;          /* also for plain http:// (tests) */
};

int http_client_new(const struct http_client_config *config, struct http_client **ret,
                    struct error *err);
void http_client_free(struct http_client *c); /* no call may be running; NULL allowed */

/* Fills buf with up to cap bytes of the body: count, 0 at the end, negative code. */
typedef int64_t http_client_read(void *ctx, void *buf, size_t cap, struct error *err);

struct http_client_request {
    const char *method;                /* "GET" when NULL */
    const char *url;                   /* http:// or https:// */
    const struct http_header *headers; /* ended by {NULL}; or NULL */
    const void *body;                  /* sent with its length … */
    size_t body_len;
    http_client_read *read; /* … or, when set, read piece by piece */
    void *read_ctx;
    int64_t read_len; /* its length; -1: chunked */

    int64_t range_from; /* with ranged: bytes from…, to the end or to range_to */
    int64_t range_to;   /* inclusive; -1: to the end */
    bool ranged;

    unsigned connect_timeout_ms; /* 0: 10 s */
    unsigned timeout_ms;         /* the whole call; 0: none */
    unsigned idle_timeout_ms;    /* no byte for so long; 0: 60 s; rounded up to seconds */
    unsigned max_redirects; /* 0: a redirect is an answer like any other. When they are
                             * followed, Authorization is not sent to another host. */
    size_t max_body_bytes;  /* for a collected body; 0: 16 MiB */
    const char *ca_pem;     /* certificates that are trusted, too; or NULL */
    /* Takes any certificate, and shows them in resp->chain: for who looks at them, and
     * believes nothing else of the answer. */
    bool show_chain;
    struct http_cancel *cancel; /* may be NULL */
};

struct http_client_response {
    struct arena arena;
    int status;
    struct http_header *headers; /* of the last answer; ended by {NULL} */
    size_t header_count;
    struct str body;       /* empty when a sink took it */
    const char *final_url; /* after redirects */
    const char **chain; /* PEM, the server's own first, NULL behind the last; or NULL */

    /* Set before the call: takes the body of a 2xx answer (others are collected, they are
     * error texts). A negative return ends the call with that code. */
    int (*sink)(void *ctx, const void *data, size_t len, struct error *err);
    /* Set before the call, may be NULL: sees status and headers before the first byte. */
    int (*on_headers)(void *ctx, const struct http_client_response *resp,
                      struct error *err);
    void *ctx;
};

#define HTTP_CLIENT_RESPONSE_INIT                                                        \
    {                                                                                    \
        .status = 0                                                                      \
    }

int http_client_do(struct http_client *c, const struct http_client_request *req,
                   struct http_client_response *resp, struct error *err);
const char *http_client_header(const struct http_client_response *resp, const char *name);
void http_client_response_fini(struct http_client_response *resp);

/* A long-lived answer, line by line: calls `line` (without the newline, NUL-terminated)
 * until the peer ends the answer (0), the callback returns negative (that code), the call
 * is cancelled, or nothing at all came for req->idle_timeout_ms (E_TIMEOUT). An answer
 * that is not 2xx ends it with E_PROTOCOL and its text; its status is in *ret_status (may
 * be NULL). Lines longer than max_line end it with E_LIMIT. */
typedef int http_client_line(void *ctx, const char *line, size_t len, struct error *err);
int http_client_lines(struct http_client *c, const struct http_client_request *req,
                      size_t max_line, http_client_line *line, void *ctx, int *ret_status,
                      struct error *err);

/* ---- ending a call from another thread ---- */

struct http_cancel *http_cancel_new(void);
/* The running call, and every later one with this object, ends with E_CANCELLED. */
void http_cancel_now(struct http_cancel *x);
bool http_cancelled(struct http_cancel *x);
void http_cancel_free(struct http_cancel *x); /* NULL allowed */
