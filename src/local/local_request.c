#include "local_request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "str.h"

/* ---- percent-encoding ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes [p, end) to `to`, which may be p; returns the length, -1 for a bad escape. */
static long decode(const char *p, const char *end, char *to)
{
    char *out = to;
    while (p < end) {
        if (*p != '%') {
            *out++ = *p++;
            continue;
        }
        int high = end - p > 2 ? hex_digit(p[1]) : -1;
        int low = end - p > 2 ? hex_digit(p[2]) : -1;
        if (high < 0 || low < 0 || high * 16 + low == 0)
            return -1;
        *out++ = (char)(high * 16 + low);
        p += 3;
    }
    return out - to;
}

bool local_query_value(const char *query, const char *name, char *ret, size_t size)
{
    size_t n = strlen(name);
    while (*query) {
        size_t len = strcspn(query, "&");
        if (len > n && memcmp(query, name, n) == 0 && query[n] == '=') {
            if (len - n > size)
                return false;
            long out = decode(query + n + 1, query + len, ret);
            if (out >= 0)
                ret[out] = '\0';
            return out >= 0;
        }
        query += len + (query[len] == '&');
    }
    return false;
}

/* ---- the head ---- */

/* The length of the head with its empty line; 0 when that has not come yet. */
static size_t head_length(const char *buf, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (buf[i] != '\n')
            continue;
        if (buf[i + 1] == '\n')
            return i + 2;
        if (i + 2 < len && buf[i + 1] == '\r' && buf[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

/* A header's value: its beginning, without blanks; NULL when this line is another one. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *ret)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return NULL;
    const char *p = line + n + 1, *end = line + len;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    *ret = (size_t)(end - p);
    return p;
}

static int take_length(const char *value, size_t len, bool *seen, size_t *ret,
                       struct error *err)
{
    size_t n = 0;
    if (len == 0 || len > 9 || *seen)
        return fail(err, len > 9 ? E_LIMIT : E_PROTOCOL, "a bad Content-Length");
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)value[i]))
            return fail(err, E_PROTOCOL, "a bad Content-Length");
        n = n * 10 + (size_t)(value[i] - '0');
    }
    *seen = true;
    *ret = n;
    return n > LOCAL_BODY_MAX ? fail(err, E_LIMIT, "the body is too long") : 0;
}

long local_request_header(const struct local_request *q, const char *name, char *ret,
                          size_t size)
{
    const char *p = q->headers, *end = p + q->headers_len;
    size_t n;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((newline ? newline : end) - p);
        const char *value = value_of(p, len, name, &n);
        if (value) {
            bool fits = n < size;
            memcpy(ret, value, fits ? n : 0);
            ret[fits ? n : 0] = '\0';
            return (long)n;
        }
        p += len + 1;
    }
    return -1;
}

/* What the headers say about the body; all else in them means nothing here. */
static int read_headers(const char *p, const char *end, size_t *ret, struct error *err)
{
    bool seen = false;
    int r = 0;
    *ret = 0;
    while (p < end && r >= 0) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((newline ? newline : end) - p), n;
        const char *value = value_of(p, len, "Content-Length", &n);
        if (value)
            r = take_length(value, n, &seen, ret, err);
        else if (value_of(p, len, "Transfer-Encoding", &n))
            r = fail(err, E_UNSUPPORTED, "no transfer coding is understood here");
        p += len + 1;
    }
    return r;
}

/* "GET /path?query HTTP/1.1" is cut into its parts. */
static int read_line(char *line, size_t len, struct local_request *ret, struct error *err)
{
    char *end = line + len;
    char *method_end = memchr(line, ' ', len);
    if (!method_end || method_end == line || method_end - line > 15)
        return fail(err, E_PROTOCOL, "no HTTP request");
    for (const char *p = line; p < method_end; p++)
        if (!isupper((unsigned char)*p))
            return fail(err, E_PROTOCOL, "no HTTP request");
    char *path = method_end + 1;
    char *path_end = memchr(path, ' ', (size_t)(end - path));
    if (*path != '/' || !path_end || end - path_end < 8 ||
        memcmp(path_end + 1, "HTTP/1.", 7) != 0)
        return fail(err, E_PROTOCOL, "no HTTP request");
    char *query = memchr(path, '?', (size_t)(path_end - path));
    long n = decode(path, query ? query : path_end, path);
    if (n < 0)
        return fail(err, E_PROTOCOL, "a path with a bad escape");
    *method_end = '\0';
    *path_end = '\0';
    path[n] = '\0';
    ret->method = line;
    ret->path = path;
    ret->query = query ? query + 1 : "";
    return 0;
}

int local_request_parse(char *buf, size_t len, struct local_request *ret,
                        struct error *err)
{
    size_t head = head_length(buf, len < LOCAL_HEAD_MAX ? len : LOCAL_HEAD_MAX), body;
    if (head == 0)
        return len >= LOCAL_HEAD_MAX ? fail(err, E_LIMIT, "the head is too long")
                                     : -E_AGAIN;
    if (memchr(buf, '\0', head))
        return fail(err, E_PROTOCOL, "a NUL in the head");
    size_t line = (size_t)((char *)memchr(buf, '\n', head) - buf);
    int r = read_headers(buf + line + 1, buf + head, &body, err);
    if (r < 0)
        return r;
    if (len - head < body)
        return -E_AGAIN;
    struct local_request q = {.headers = buf + line + 1,
                              .headers_len = head - line - 1,
                              .body = buf + head,
                              .body_len = body};
    r = read_line(buf, line, &q, err);
    if (r < 0)
        return r;
    buf[head + body] = '\0';
    *ret = q;
    return 0;
}
