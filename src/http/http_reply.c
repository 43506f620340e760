/* Answers: from the handler's words to a response of libmicrohttpd. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_server.h"

static void add_headers(struct MHD_Response *m, const struct http_header *headers)
{
    for (const struct http_header *h = headers; h && h->name; h++)
        mhd.MHD_add_response_header(m, h->name, h->value);
}

static void unref_request(void *cls)
{
    request_unref(cls);
}

static struct MHD_Response *response_buffer(struct request *r, const void *body,
                                            size_t len, enum http_memory memory)
{
    void *bytes = (void *)(uintptr_t)body;
    if (memory == HTTP_TAKE)
        return mhd.MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
    if (memory == HTTP_COPY || !len)
        return mhd.MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_COPY);
    request_ref(r); /* the arena stays until the last byte left */
    return mhd.MHD_create_response_from_buffer_with_free_callback_cls(len, bytes,
                                                                      unref_request, r);
}

void http_reply(struct http_request *req, int status, const struct http_header *headers,
                const void *body, size_t len, enum http_memory memory)
{
    struct request *r = request_of(req);
    struct MHD_Response *m = response_buffer(r, len ? body : "", len, memory);
    if (memory == HTTP_TAKE && !len)
        free((void *)(uintptr_t)body);
    add_headers(m, headers);
    request_answer(r, status, m, NULL);
}

struct MHD_Response *response_text(int status, const char *text)
{
    struct MHD_Response *m = mhd.MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    mhd.MHD_add_response_header(m, "Content-Type", "text/plain; charset=utf-8");
    if (status == 503)
        mhd.MHD_add_response_header(m, "Retry-After", "1");
    return m;
}

void http_reply_text(struct http_request *req, int status, const char *text)
{
    request_answer(request_of(req), status, response_text(status, text), NULL);
}

void http_reply_file(struct http_request *req, int status,
                     const struct http_header *headers, int fd, uint64_t offset,
                     uint64_t length)
{
    struct MHD_Response *m =
        mhd.MHD_create_response_from_fd_at_offset64(length, fd, offset);
    if (!m) { /* beyond what off_t holds: not a file of ours */
        close(fd);
        http_reply_text(req, 500, "the file's range can't be sent");
        return;
    }
    add_headers(m, headers);
    request_answer(request_of(req), status, m, NULL);
}

static ssize_t never_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

void http_reply_head(struct http_request *req, int status,
                     const struct http_header *headers, uint64_t content_length)
{
    struct MHD_Response *m = mhd.MHD_create_response_from_callback(
        content_length, 1024, never_read, NULL, NULL);
    add_headers(m, headers);
    request_answer(request_of(req), status, m, NULL);
}
