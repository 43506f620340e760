/* A long answer, read line by line. */
#include <string.h>

#include "http_client.h"

struct lines {
    struct str part; /* the line that has no end yet */
    size_t max_line;
    http_client_line *line;
    void *ctx;
};

static int too_long(const struct lines *l, struct error *err)
{
    return fail(err, E_LIMIT, "a line of the answer is longer than %zu bytes",
                l->max_line);
}

static int take(void *ctx, const void *data, size_t len, struct error *err)
{
    struct lines *l = ctx;
    const char *p = data, *end = p + len;
    for (const char *newline; (newline = memchr(p, '\n', (size_t)(end - p)));
         p = newline + 1) {
        if ((size_t)(newline - p) > l->max_line - l->part.len)
            return too_long(l, err);
        str_addn(&l->part, p, (size_t)(newline - p));
        int r = l->line(l->ctx, str_text(&l->part), l->part.len, err);
        str_clear(&l->part);
        if (r < 0)
            return r;
    }
    if ((size_t)(end - p) > l->max_line - l->part.len)
        return too_long(l, err);
    str_addn(&l->part, p, (size_t)(end - p));
    return 0;
}

int http_client_lines(struct http_client *c, const struct http_client_request *req,
                      size_t max_line, http_client_line *line, void *ctx, int *ret_status,
                      struct error *err)
{
    struct lines l = {.max_line = max_line, .line = line, .ctx = ctx};
    struct http_client_response resp = {.sink = take, .ctx = &l};
    int r = http_client_do(c, req, &resp, err);
    if (ret_status)
        *ret_status = resp.status;
    if (r == 0 && resp.status / 100 != 2)
        r = fail(err, E_PROTOCOL, "%s answered %d: %.300s", req->url, resp.status,
                 str_text(&resp.body));
    str_free(&l.part);
    http_client_response_fini(&resp);
    return r;
}
