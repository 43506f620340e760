/* Answers: from the handler's words to a response of libmicrohttpd. */
#include <errno.h>
#include <fcntl.h>
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

/* An answer may hold a secret, so its bytes are overwritten when it left. */
struct taken {
    void *bytes;
    size_t len;
};

static void release_taken(void *cls)
{
    struct taken *t = cls;
    explicit_bzero(t->bytes, t->len);
    free(t->bytes);
    free(t);
}

static struct MHD_Response *response_taken(void *bytes, size_t len)
{
    struct taken *t = xmalloc(sizeof(*t));
    *t = (struct taken){bytes, len};
    return mhd.MHD_create_response_from_buffer_with_free_callback_cls(len, bytes,
                                                                      release_taken, t);
}

static struct MHD_Response *response_buffer(struct request *r, const void *body,
                                            size_t len, enum http_memory memory)
{
    void *bytes = (void *)(uintptr_t)body;
    if (memory == HTTP_TAKE && len)
        return response_taken(bytes, len);
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

/* ---- files ----
 *
 * Read and sent in pieces through a buffer: on the loopback device, and where the peer is
 * on this machine, that is a third faster than sendfile(2), whose pages the peer takes one
 * by one. Buffers stay for as long as their peer takes; so only a limited number of
 * answers get one, and those beyond are sent by sendfile. */

struct file_reader { /* in the request's arena, which the response keeps alive */
    struct request *req;
    int fd;
    uint64_t offset;
};

static ssize_t read_file(void *cls, uint64_t pos, char *buf, size_t max)
{
    const struct file_reader *f = cls;
    ssize_t n;
    do
        n = pread(f->fd, buf, max, (off_t)(f->offset + pos));
    while (n < 0 && errno == EINTR);
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void reader_done(void *cls)
{
    struct file_reader *f = cls;
    close(f->fd);
    atomic_fetch_sub(&f->req->server->file_buffers, 1);
    request_unref(f->req);
}

/* NULL: too many are at it. */
static struct MHD_Response *response_by_buffer(struct request *r, int fd, uint64_t offset,
                                               uint64_t length)
{
    if (atomic_fetch_add(&r->server->file_buffers, 1) >= HTTP_FILE_BUFFERS) {
        atomic_fetch_sub(&r->server->file_buffers, 1);
        return NULL;
    }
    struct file_reader *f = arena_new(&r->pub.arena, struct file_reader);
    *f = (struct file_reader){r, fd, offset};
    request_ref(r);
    posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_SEQUENTIAL);
    size_t piece = length < HTTP_FILE_PIECE ? (size_t)length : HTTP_FILE_PIECE;
    return mhd.MHD_create_response_from_callback(length, piece ? piece : 1, read_file, f,
                                                 reader_done);
}

void http_reply_file(struct http_request *req, int status,
                     const struct http_header *headers, int fd, uint64_t offset,
                     uint64_t length)
{
    struct request *r = request_of(req);
    if (offset > INT64_MAX || length > INT64_MAX - offset) { /* not a file of ours */
        close(fd);
        http_reply_text(req, 500, "the file's range can't be sent");
        return;
    }
    struct MHD_Response *m = response_by_buffer(r, fd, offset, length);
    if (!m)
        m = mhd.MHD_create_response_from_fd_at_offset64(length, fd, offset);
    add_headers(m, headers);
    request_answer(r, status, m, NULL);
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
