/* REST-JSON and REST-XML: which operation a path means, and the members that travel in
 * the path, the query, the headers or the status. */
#include <stdlib.h>
#include <strings.h>

#include "codec.h"
#include "scalar.h"
#include "slot.h"

struct span {
    const char *p;
    size_t len;
};

/* The next segment of a path, without its slash; false at the end. */
static bool segment(const char **p, const char *end, struct span *ret)
{
    if (*p >= end || **p != '/')
        return false;
    const char *start = *p + 1;
    const char *slash = memchr(start, '/', (size_t)(end - start));
    *ret = (struct span){start, (size_t)((slash ? slash : end) - start)};
    *p = start + ret->len;
    return true;
}

static bool is_label(struct span s)
{
    return s.len > 2 && s.p[0] == '{' && s.p[s.len - 1] == '}';
}

static bool is_greedy(struct span s)
{
    return is_label(s) && s.p[s.len - 2] == '+';
}

static const char *template_end(const char *uri)
{
    const char *query = strchr(uri, '?');
    return query ? query : uri + strlen(uri);
}

typedef int label_fn(void *ctx, struct span name, struct span value);

/* Walks template and path side by side. Returns the number of literal segments, -1 when
 * they differ, or what `label` returned when it was negative. */
static int walk_path(const char *uri, const char *path, label_fn *label, void *ctx)
{
    const char *end = template_end(uri), *path_end = path + strlen(path);
    struct span want, have;
    int literals = 0;
    while (segment(&uri, end, &want)) {
        if (!want.len) /* "/" alone, or a slash at the end */
            break;
        if (!segment(&path, path_end, &have))
            return -1;
        if (is_greedy(want)) {
            have.len = (size_t)(path_end - have.p);
            path = path_end;
        }
        if (is_label(want)) {
            want = (struct span){want.p + 1, want.len - 2 - is_greedy(want)};
            if (!have.len)
                return -1;
            int r = label ? label(ctx, want, have) : 0;
            if (r < 0)
                return r;
        } else if (want.len != have.len || memcmp(want.p, have.p, want.len) != 0) {
            return -1;
        } else {
            literals++;
        }
    }
    return path == path_end || streq(path, "/") ? literals : -1;
}

/* Finds `name` in a raw query; the raw value ("" without '='). */
static bool query_find(const char *query, struct span name, struct span *ret)
{
    for (const char *p = query; p && *p;) {
        size_t n = strcspn(p, "&"), key = strcspn(p, "=&");
        if (key == name.len && memcmp(p, name.p, key) == 0) {
            *ret =
                key < n ? (struct span){p + key + 1, n - key - 1} : (struct span){"", 0};
            return true;
        }
        p += n + (p[n] == '&');
    }
    return false;
}

/* The template's own query: "?list-type=2", "?uploads". Number of pairs, -1 when one is
 * not in the request. */
static int match_query(const char *uri, const char *query)
{
    const char *p = strchr(uri, '?');
    int count = 0;
    for (p = p ? p + 1 : NULL; p && *p; count++) {
        size_t n = strcspn(p, "&"), key = strcspn(p, "=&");
        struct span value;
        if (!query_find(query, (struct span){p, key}, &value))
            return -1;
        if (key < n &&
            (value.len != n - key - 1 || memcmp(value.p, p + key + 1, value.len) != 0))
            return -1;
        p += n + (p[n] == '&');
    }
    return count;
}

/* Required members in query and headers tell operations of one path apart (S3). */
static int match_required(const struct wire_shape *input,
                          const struct wire_http_request *req)
{
    int score = 0;
    for (uint32_t i = 0; input && i < input->member_count; i++) {
        const struct wire_member *m = &input->members[i];
        struct span value;
        bool there;
        if (!(m->flags & WIRE_REQUIRED))
            continue;
        if (m->location == WIRE_IN_QUERY)
            there = query_find(req->query,
                               (struct span){m->wire_name, strlen(m->wire_name)}, &value);
        else if (m->location == WIRE_IN_HEADER)
            there = wire_header_find(req, m->wire_name) != NULL;
        else
            continue;
        score += there ? 2 : -50;
    }
    return score;
}

/* How well the request fits: -1000 not at all; the best of a service's operations wins. */
int rest_match(const struct wire_operation *op, const struct wire_http_request *req)
{
    if (!streq(op->method, req->method))
        return -1000;
    int literals = walk_path(op->uri, req->path, NULL, NULL);
    int query = literals < 0 ? -1 : match_query(op->uri, req->query);
    if (literals < 0 || query < 0)
        return -1000;
    return 100 * literals + 10 * query + match_required(op->input, req);
}

struct reader {
    struct wire_report *report;
    struct arena *arena;
    const struct wire_shape *shape;
    const struct wire_http_request *req;
    void *root;
};

static int read_one(struct reader *r, const struct wire_member *m,
                    const struct wire_shape *shape, enum wire_timestamp_format format,
                    const char *text, void *slot)
{
    struct wire_path path = {.name = m->name, .sensitive = m->flags & WIRE_SENSITIVE};
    if (!text)
        return report_syntax(r->report, "'%s' is not valid percent-encoded UTF-8",
                             m->wire_name);
    return scalar_read(r->report, &path, r->arena, shape,
                       scalar_time_format(m, shape, format), text, slot);
}

static int on_label(void *ctx, struct span name, struct span value)
{
    struct reader *r = ctx;
    for (uint32_t i = 0; i < r->shape->member_count; i++) {
        const struct wire_member *m = &r->shape->members[i];
        if (m->location != WIRE_IN_URI || strlen(m->wire_name) != name.len ||
            memcmp(m->wire_name, name.p, name.len) != 0)
            continue;
        int e = read_one(r, m, m->shape, WIRE_TIME_ISO8601,
                         percent_decode(r->arena, value.p, value.len, false),
                         slot_make(r->arena, m, r->root));
        return e < 0 ? e : 0;
    }
    return 0;
}

static const struct wire_member *query_member(struct reader *r, const char *key,
                                              size_t len, bool *ret_rest)
{
    const struct wire_member *rest = NULL;
    for (uint32_t i = 0; i < r->shape->member_count; i++) {
        const struct wire_member *m = &r->shape->members[i];
        if (m->location != WIRE_IN_QUERY)
            continue;
        if (m->shape->type == WIRE_MAP)
            rest = m; /* takes all parameters that no other member names */
        else if (strlen(m->wire_name) == len && memcmp(m->wire_name, key, len) == 0)
            return m;
    }
    *ret_rest = rest != NULL;
    return rest;
}

static int read_parameter(struct reader *r, const char *key, size_t key_len,
                          const char *value, size_t value_len)
{
    bool rest = false;
    const struct wire_member *m = query_member(r, key, key_len, &rest);
    if (!m)
        return 0;
    const struct wire_shape *shape = m->shape;
    bool list = shape->type == WIRE_LIST;
    if (!rest && !list && slot_get(m, r->root))
        return report_syntax(r->report, "parameter '%s' appears twice", m->wire_name);
    void *slot = slot_make(r->arena, m, r->root);
    if (rest) {
        void *entry = wire_list_push(r->arena, slot, shape->entry_size);
        *(const char **)entry = percent_decode(r->arena, key, key_len, true);
        if (!slot_key(entry))
            return report_syntax(r->report, "a parameter's name is not valid UTF-8");
        slot = slot_map_value(shape, entry);
        shape = shape->element;
        list = shape->type == WIRE_LIST;
    }
    if (list) {
        slot = wire_list_push(r->arena, slot, shape->entry_size);
        shape = shape->element;
    }
    return read_one(r, m, shape, WIRE_TIME_ISO8601,
                    percent_decode(r->arena, value, value_len, true), slot);
}

static int read_query(struct reader *r)
{
    for (const char *p = r->req->query; p && *p;) {
        size_t n = strcspn(p, "&"), key = strcspn(p, "=&");
        size_t value = key < n ? key + 1 : n;
        int e = n ? read_parameter(r, p, key, p + value, n - value) : 0;
        if (e < 0)
            return e;
        p += n + (p[n] == '&');
    }
    return 0;
}

/* A list in a header: values behind commas. */
static int read_header_list(struct reader *r, const struct wire_member *m,
                            const char *text, struct wire_list *list)
{
    list->set = true;
    while (*text) {
        text += strspn(text, " \t,");
        size_t n = strcspn(text, ","), end = n;
        while (end && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        if (!end)
            break;
        void *slot = wire_list_push(r->arena, list, m->shape->entry_size);
        int e = read_one(r, m, m->shape->element, WIRE_TIME_RFC822,
                         arena_strndup(r->arena, text, end), slot);
        if (e < 0)
            return e;
        text += n;
    }
    return 0;
}

static int read_header_map(struct reader *r, const struct wire_member *m)
{
    size_t prefix = strlen(m->wire_name);
    struct wire_list *map = slot_make(r->arena, m, r->root);
    for (size_t i = 0; i < r->req->header_count; i++) {
        const struct wire_header *h = &r->req->headers[i];
        if (strncasecmp(h->name, m->wire_name, prefix) != 0)
            continue;
        if (!utf8_valid(h->name, strlen(h->name)) ||
            !utf8_valid(h->value, strlen(h->value)))
            return report_syntax(r->report, "a header is not valid UTF-8");
        void *entry = wire_list_push(r->arena, map, m->shape->entry_size);
        *(char **)entry = arena_strdup(r->arena, h->name + prefix);
        int e = read_one(r, m, m->shape->element, WIRE_TIME_RFC822, h->value,
                         slot_map_value(m->shape, entry));
        if (e < 0)
            return e;
    }
    return 0;
}

static int read_headers(struct reader *r)
{
    for (uint32_t i = 0; i < r->shape->member_count; i++) {
        const struct wire_member *m = &r->shape->members[i];
        int e = 0;
        if (m->location == WIRE_IN_HEADERS)
            e = read_header_map(r, m);
        const char *text =
            m->location == WIRE_IN_HEADER ? wire_header_find(r->req, m->wire_name) : NULL;
        if (text && !utf8_valid(text, strlen(text)))
            return report_syntax(r->report, "header '%s' is not valid UTF-8",
                                 m->wire_name);
        if (text && m->shape->type == WIRE_LIST)
            e = read_header_list(r, m, text, slot_make(r->arena, m, r->root));
        else if (text)
            e = read_one(r, m, m->shape, WIRE_TIME_RFC822, text,
                         slot_make(r->arena, m, r->root));
        if (e < 0)
            return e;
    }
    return 0;
}

int rest_read(struct wire_report *report, struct arena *a,
              const struct wire_operation *op, const struct wire_http_request *req,
              void *root)
{
    struct reader r = {
        .report = report, .arena = a, .shape = op->input, .req = req, .root = root};
    int e = walk_path(op->uri, req->path, on_label, &r);
    if (e >= 0)
        e = read_query(&r);
    return e < 0 ? e : read_headers(&r);
}

const struct wire_member *rest_payload(const struct wire_shape *shape)
{
    for (uint32_t i = 0; i < shape->member_count; i++)
        if (shape->members[i].location == WIRE_IN_PAYLOAD)
            return &shape->members[i];
    return NULL;
}

static void add_header(struct arena *a, struct header_list *headers, const char *name,
                       const char *value)
{
    struct wire_header *h = LIST_PUSH(a, headers);
    h->name = name;
    h->value = value;
}

/* A header's value must not end the header. */
static const char *header_text(struct arena *a, const struct wire_member *m,
                               const struct wire_shape *shape, const void *value)
{
    AUTO_STR text = STR_INIT;
    scalar_write(&text, shape, scalar_time_format(m, shape, WIRE_TIME_RFC822), value);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n')
            text.data[i] = ' ';
    return arena_strdup(a, str_text(&text));
}

static const char *header_list_text(struct arena *a, const struct wire_member *m,
                                    const struct wire_list *list)
{
    AUTO_STR text = STR_INIT;
    for (size_t i = 0; i < list->n; i++) {
        str_add(&text, i ? ", " : "");
        str_add(&text,
                header_text(a, m, m->shape->element, slot_entry(m->shape, list, i)));
    }
    return arena_strdup(a, str_text(&text));
}

int rest_write(struct arena *a, const struct wire_shape *shape, const void *value,
               struct header_list *headers)
{
    int status = 0;
    for (uint32_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *m = &shape->members[i];
        const void *v = slot_get(m, value);
        if (!v)
            continue;
        if (m->location == WIRE_IN_STATUS) {
            status = *(const int32_t *)v;
        } else if (m->location == WIRE_IN_HEADER) {
            add_header(a, headers, m->wire_name,
                       m->shape->type == WIRE_LIST ? header_list_text(a, m, v)
                                                   : header_text(a, m, m->shape, v));
        } else if (m->location == WIRE_IN_HEADERS) {
            const struct wire_list *map = v;
            for (size_t k = 0; k < map->n; k++) {
                const void *entry = slot_entry(m->shape, map, k);
                add_header(a, headers,
                           arena_printf(a, "%s%s", m->wire_name, slot_key(entry)),
                           header_text(a, m, m->shape->element,
                                       slot_map_value(m->shape, entry)));
            }
        }
    }
    return status;
}
