/* local_request.h: one HTTP/1.x request from a container, as bytes come in. Pure.
 *
 * What containers send is hostile: the head is at most LOCAL_HEAD_MAX bytes, a body (only
 * with Content-Length) at most LOCAL_BODY_MAX, and nothing is copied or allocated: the
 * parts point into the buffer, where their ends become NULs.
 *
 * Owns: nothing. Threads: any. Fails: E_AGAIN the request is not whole yet; E_LIMIT it will
 * be too long; E_PROTOCOL it is no request; E_UNSUPPORTED a transfer coding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define LOCAL_HEAD_MAX 8192
#define LOCAL_BODY_MAX 4096

struct local_request {
    const char *method; /* "GET" */
    const char *path;   /* begins with '/'; percent-decoded, no NUL inside */
    const char *query;  /* after '?', as sent; "" when none */
    const char *headers; /* the lines between the first one and the body; no NUL at its end */
    size_t headers_len;
    const char *body;
    size_t body_len;
};

/* `buf` holds `len` bytes and room for one more. It is changed when the whole request is
 * there, and only then. */
int local_request_parse(char *buf, size_t len, struct local_request *ret,
                        struct error *err);

/* The value of the first header of this name (any case), with a NUL into ret; its length.
 * -1: there is none. One that does not fit leaves "". */
long local_request_header(const struct local_request *q, const char *name, char *ret,
                          size_t size);

/* The value of `name` in the query, percent-decoded into ret; false when it is not there
 * or does not fit. */
bool local_query_value(const char *query, const char *name, char *ret, size_t size);
