/* reply.h: reads an HTTP/1.1 response piece by piece (RFC 9112). Pure.
 *
 * The agent talks to its server through this and libuv instead of libcurl: one loop, no
 * thread for the stream, and a process of a few megabytes. Only what our server and proxies
 * in front of one send is understood: content-length, chunked, or until the end of the
 * connection.
 *
 * Owns: nothing but its fixed buffers. Threads: the owner's.
 * Fails: E_PROTOCOL not HTTP, E_LIMIT head too long; what the body's callback returned. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define REPLY_LINE_MAX 8192
#define REPLY_HEAD_MAX 32768

enum reply_state {
    REPLY_STATUS,
    REPLY_HEADER,
    REPLY_BODY, /* `left` bytes */
    REPLY_BODY_TO_END,
    REPLY_CHUNK_SIZE,
    REPLY_CHUNK,     /* `left` bytes */
    REPLY_CHUNK_END, /* the line end behind a chunk */
    REPLY_TRAILER,
    REPLY_DONE,
};

struct reply {
    enum reply_state state;
    int status; /* 0: not yet */
    int64_t left;
    bool chunked, has_length, keep_alive;
    size_t head_bytes, line_len;
    char line[REPLY_LINE_MAX];
    /* Takes the body as it comes; a negative return ends the reading with that code. */
    int (*body)(void *ctx, const char *data, size_t len, struct error *err);
    void *ctx;
};

void reply_init(struct reply *r,
                int (*body)(void *, const char *, size_t, struct error *), void *ctx);
/* 1 when the response is whole (*ret_used bytes of the data belonged to it), 0 when more is
 * to come. */
int reply_feed(struct reply *r, const char *data, size_t len, size_t *ret_used,
               struct error *err);
/* The peer closed: 1 when the response is whole by that, else E_NETWORK. */
int reply_end(struct reply *r, struct error *err);
