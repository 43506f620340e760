#include "reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "str.h"

void reply_init(struct reply *r,
                int (*body)(void *, const char *, size_t, struct error *), void *ctx)
{
    memset(r, 0, offsetof(struct reply, line));
    r->keep_alive = true;
    r->body = body;
    r->ctx = ctx;
}

static int read_status(struct reply *r, struct error *err)
{
    const char *s = r->line;
    if (strncmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') || s[8] != ' ' ||
        strspn(s + 9, "0123456789") != 3)
        return fail(err, E_PROTOCOL, "not an HTTP response: '%.40s'", s);
    r->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    r->keep_alive = s[7] == '1';
    r->state = REPLY_HEADER;
    return 0;
}

static bool has_word(const char *value, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = value; *p; p += strcspn(p, ","), p += *p == ',') {
        p += strspn(p, " \t");
        if (strncasecmp(p, word, n) == 0 && strchr(" \t,;", p[n] ? p[n] : ','))
            return true;
    }
    return false;
}

static int read_header(struct reply *r, struct error *err)
{
    char *colon = strchr(r->line, ':');
    if (!colon)
        return fail(err, E_PROTOCOL, "not a header: '%.40s'", r->line);
    *colon = 0;
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t n = strlen(value);
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        value[--n] = 0;
    if (strcasecmp(r->line, "content-length") == 0) {
        if (!str_to_i64(value, 0, INT64_MAX / 2, &r->left))
            return fail(err, E_PROTOCOL, "content-length '%.40s'", value);
        r->has_length = true;
    } else if (strcasecmp(r->line, "transfer-encoding") == 0) {
        r->chunked = has_word(value, "chunked");
    } else if (strcasecmp(r->line, "connection") == 0 && has_word(value, "close")) {
        r->keep_alive = false;
    }
    return 0;
}

static void after_head(struct reply *r)
{
    if (r->status >= 100 && r->status < 200) { /* 100 Continue: the real one follows */
        r->state = REPLY_STATUS;
    } else if (r->status == 204 || r->status == 304) {
        r->state = REPLY_DONE;
    } else if (r->chunked) {
        r->state = REPLY_CHUNK_SIZE;
    } else if (r->has_length) {
        r->state = r->left > 0 ? REPLY_BODY : REPLY_DONE;
    } else {
        r->state = REPLY_BODY_TO_END;
        r->keep_alive = false;
    }
}

static int read_chunk_size(struct reply *r, struct error *err)
{
    size_t digits = strspn(r->line, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 15 ||
        (r->line[digits] && !strchr("; \t", r->line[digits])))
        return fail(err, E_PROTOCOL, "chunk size '%.40s'", r->line);
    r->left = (int64_t)strtoull(r->line, NULL, 16);
    r->state = r->left > 0 ? REPLY_CHUNK : REPLY_TRAILER;
    return 0;
}

static int take_line(struct reply *r, struct error *err)
{
    if (r->line_len > 0 && r->line[r->line_len - 1] == '\r')
        r->line_len--;
    r->line[r->line_len] = 0;
    bool empty = r->line_len == 0;
    r->line_len = 0;
    switch (r->state) {
    case REPLY_STATUS:
        return empty ? 0 : read_status(r, err);
    case REPLY_HEADER:
        if (!empty)
            return read_header(r, err);
        after_head(r);
        return 0;
    case REPLY_CHUNK_SIZE:
        r->head_bytes = 0;
        return read_chunk_size(r, err);
    case REPLY_CHUNK_END:
        r->state = REPLY_CHUNK_SIZE;
        return empty ? 0 : fail(err, E_PROTOCOL, "a chunk is longer than it said");
    default:
        if (empty)
            r->state = REPLY_DONE;
        return 0;
    }
}

static bool wants_line(enum reply_state s)
{
    return s != REPLY_BODY && s != REPLY_BODY_TO_END && s != REPLY_CHUNK;
}

static int feed_line(struct reply *r, const char *data, size_t len, size_t *used,
                     struct error *err)
{
    const char *end = memchr(data, '\n', len);
    size_t n = end ? (size_t)(end - data) : len;
    r->head_bytes += n + 1;
    if (r->line_len + n >= REPLY_LINE_MAX || r->head_bytes > REPLY_HEAD_MAX)
        return fail(err, E_LIMIT, "the head of an HTTP response is too long");
    memcpy(r->line + r->line_len, data, n);
    r->line_len += n;
    *used = end ? n + 1 : n;
    return end ? take_line(r, err) : 0;
}

static int feed_body(struct reply *r, const char *data, size_t len, size_t *used,
                     struct error *err)
{
    size_t n = len;
    if (r->state != REPLY_BODY_TO_END && (int64_t)n > r->left)
        n = (size_t)r->left;
    *used = n;
    int result = r->body(r->ctx, data, n, err);
    if (result < 0 || r->state == REPLY_BODY_TO_END)
        return result;
    r->left -= (int64_t)n;
    if (r->left == 0)
        r->state = r->state == REPLY_BODY ? REPLY_DONE : REPLY_CHUNK_END;
    return 0;
}

int reply_feed(struct reply *r, const char *data, size_t len, size_t *ret_used,
               struct error *err)
{
    size_t at = 0;
    while (at < len && r->state != REPLY_DONE) {
        size_t used = 0;
        int result = wants_line(r->state) ? feed_line(r, data + at, len - at, &used, err)
                                          : feed_body(r, data + at, len - at, &used, err);
        at += used;
        if (result < 0)
            return result;
    }
    *ret_used = at;
    return r->state == REPLY_DONE;
}

int reply_end(struct reply *r, struct error *err)
{
    if (r->state == REPLY_BODY_TO_END || r->state == REPLY_DONE)
        return 1;
    return fail(err, E_NETWORK, "the server closed the connection in the middle");
}
