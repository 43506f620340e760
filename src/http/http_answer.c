#include "http_answer.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define MAX_BODY         (16 * 1024 * 1024)
#define MAX_HEADERS      200
#define MAX_HEADER_BYTES (64 * 1024)

static void add_header(struct http_client_response *resp, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || resp->header_count >= MAX_HEADERS)
        return;
    struct http_header *h = &resp->headers[resp->header_count++];
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    h->name = arena_strndup(&resp->arena, line, (size_t)(colon - line));
    h->value = arena_strndup(&resp->arena, value, (size_t)(end - value));
}

/* A status line: also after 1xx and after a redirect, so what was there is forgotten. */
static void start(struct http_client_response *resp, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    char digits[4] = "";
    int64_t status = 0;
    if (space && line + len - space > 3)
        memcpy(digits, space + 1, 3);
    str_to_i64(digits, 0, 999, &status);
    resp->status = (int)status;
    if (!resp->headers)
        resp->headers =
            arena_new_array(&resp->arena, struct http_header, MAX_HEADERS + 1);
    memset(resp->headers, 0, (MAX_HEADERS + 1) * sizeof(*resp->headers));
    resp->header_count = 0;
    str_clear(&resp->body);
}

/* Is this answer one that the caller gets to see? */
static bool is_last(const struct answer *t)
{
    if (t->resp->status < 200)
        return false;
    return !(t->req->max_redirects && t->resp->status >= 300 && t->resp->status < 400 &&
             http_client_header(t->resp, "Location"));
}

int answer_line(struct answer *t, const char *line, size_t len)
{
    t->last_byte_ns = clock_mono_ns();
    t->header_bytes += len + 2;
    if (t->header_bytes > MAX_HEADER_BYTES)
        return t->failed = fail(t->err, E_LIMIT,
                                "%s %s: the answer's headers are longer than %d bytes",
                                request_method(t->req), t->req->url, MAX_HEADER_BYTES);
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
        start(t->resp, line, len);
    } else if (len && t->resp->headers) {
        add_header(t->resp, line, len);
    } else if (t->resp->on_headers && !t->told_headers && is_last(t)) {
        t->told_headers = true;
        t->failed = t->resp->on_headers(t->resp->ctx, t->resp, t->err);
    }
    return t->failed < 0 ? t->failed : 0;
}

int answer_body(struct answer *t, const void *data, size_t len)
{
    struct http_client_response *resp = t->resp;
    size_t max = t->req->max_body_bytes ? t->req->max_body_bytes : MAX_BODY;
    t->last_byte_ns = clock_mono_ns();
    if (resp->sink && resp->status / 100 == 2)
        t->failed = resp->sink(resp->ctx, data, len, t->err);
    else if (len > max - resp->body.len)
        t->failed = fail(t->err, E_LIMIT, "%s %s: the answer is longer than %zu bytes",
                         request_method(t->req), t->req->url, max);
    else
        str_addn(&resp->body, data, len);
    return t->failed < 0 ? t->failed : 0;
}
