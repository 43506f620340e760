/* Bytes as objects of a bucket elsewhere, each under an id of its own below a prefix.
 *
 *   <dir>/incoming/<id>       on its way there, or just arrived
 *   <upstream>/<id>           at rest
 *
 * A put is: write incoming/<id> · send it · the index names it · answer · unlink the file. So a
 * file that is left in incoming/ after a crash says which id may lie there without a name. Uploads
 * in parts send each part as an object; the whole is made of them where they are, its place is
 * "id:size,id:size".
 *
 * Reading fetches the wanted range into a file without a name: memory stays small, and an
 * upstream that breaks off is an error before the first byte was answered. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "clock.h"
#include "fd.h"
#include "http_client.h"
#include "object_bytes.h"
#include "sigv4.h"

#define TRIES   3
#define HEADERS 16

struct upstream_bytes {
    struct object_bytes base;
    struct http_client *http;
    char *incoming;
    int incoming_fd;
    char *origin; /* "http://host:port" */
    char *host;
    char *path; /* "/bucket/prefix/" */
    char *region, *access_key_id, *secret;
};

static struct upstream_bytes *self(struct object_bytes *b)
{
    return (struct upstream_bytes *)(void *)b;
}

/* ---- requests ---- */

struct exchange {
    const char *method, *id;
    int fd; /* PUT: what is sent */
    uint64_t size, sent;
    uint64_t first, length;   /* GET: what is wanted */
    struct object_writer *to; /* GET: where it goes */
    uint64_t got;
    char hash[SIGV4_HASH_SIZE]; /* of what is sent */
};

static int64_t send_more(void *ctx, void *buf, size_t cap, struct error *err)
{
    struct exchange *x = ctx;
    ssize_t n = pread(x->fd, buf, cap, (off_t)x->sent);
    if (n < 0)
        return fail_errno(err, errno, "reading what is to be sent");
    x->sent += (uint64_t)n;
    return n;
}

static int take_more(void *ctx, const void *data, size_t len, struct error *err)
{
    struct exchange *x = ctx;
    x->got += len;
    return x->got > x->length
               ? fail(err, E_PROTOCOL, "the upstream sent more than was asked for")
               : object_writer_add(x->to, data, len, err);
}

static int hash_file(struct exchange *x, struct error *err)
{
    char buf[65536];
    unsigned n;
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int r = 0;
    EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    for (uint64_t at = 0; r == 0 && at < x->size;) {
        ssize_t got = pread(x->fd, buf, sizeof(buf), (off_t)at);
        if (got <= 0)
            r = fail_errno(err, got < 0 ? errno : EIO, "reading what is to be sent");
        else
            EVP_DigestUpdate(md, buf, (size_t)got);
        at += got > 0 ? (uint64_t)got : 0;
    }
    EVP_DigestFinal_ex(md, digest, &n);
    EVP_MD_CTX_free(md);
    hex_encode(digest, 32, x->hash);
    return r;
}

/* The headers of the request, signed. */
static const struct http_header *headers_of(const struct upstream_bytes *s,
                                            struct arena *a, const struct exchange *x)
{
    struct wire_header given[4] = {{"Host", s->host}};
    size_t n = 1;
    if (x->fd >= 0)
        given[n++] = (struct wire_header){"x-amz-content-sha256", x->hash};
    if (x->to)
        given[n++] = (struct wire_header){
            "Range", arena_printf(a, "bytes=%llu-%llu", (unsigned long long)x->first,
                                  (unsigned long long)(x->first + x->length - 1))};
    const struct wire_http_request req = {.method = x->method,
                                          .path = arena_printf(a, "%s%s", s->path, x->id),
                                          .headers = given,
                                          .header_count = n};
    const struct sigv4_credentials keys = {s->access_key_id, s->secret, NULL};
    const struct wire_header *more =
        sigv4_sign(a, &req, &keys, s->region, "s3", clock_wall_ms());
    struct http_header *all = arena_new_array(a, struct http_header, HEADERS);
    size_t count = 0;
    for (size_t i = 1; i < n; i++) /* Host is the client's own */
        all[count++] = (struct http_header){given[i].name, given[i].value};
    for (; more->name && count + 1 < HEADERS; more++)
        all[count++] = (struct http_header){more->name, more->value};
    return all;
}

static int refusal(const struct http_client_response *resp, struct error *err)
{
    enum error_code code = resp->status == 404   ? E_NOTFOUND
                           : resp->status == 403 ? E_DENIED
                           : resp->status >= 500 ? E_NETWORK
                                                 : E_PROTOCOL;
    return fail(err, code, "the upstream answered %d: %.*s", resp->status,
                (int)(resp->body.len > 300 ? 300 : resp->body.len),
                str_text(&resp->body));
}

static int exchange_once(struct upstream_bytes *s, struct exchange *x, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct http_client_response resp = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request req = {
        .method = x->method,
        .url = arena_printf(&a, "%s%s%s", s->origin, s->path, x->id),
        .headers = headers_of(s, &a, x),
        .read = x->fd >= 0 ? send_more : NULL,
        .read_ctx = x,
        .read_len = (int64_t)x->size,
    };
    x->sent = x->got = 0;
    if (x->to) {
        resp.sink = take_more;
        resp.ctx = x;
    }
    int r = http_client_do(s->http, &req, &resp, err);
    if (r == 0 && (resp.status < 200 || resp.status > 299))
        r = refusal(&resp, err);
    if (r == 0 && x->to && x->got != x->length)
        r = fail(err, E_NETWORK, "the upstream sent %llu bytes of %llu",
                 (unsigned long long)x->got, (unsigned long long)x->length);
    http_client_response_fini(&resp);
    return r;
}

/* Trouble that passes is tried again, as long as nothing was written down. */
static int exchange(struct upstream_bytes *s, struct exchange *x, struct error *err)
{
    int r = 0;
    for (int i = 0; i < TRIES; i++) {
        r = exchange_once(s, x, err);
        if (r != -E_NETWORK || (x->to && x->got))
            break;
    }
    return r;
}

/* ---- places ---- */

struct place {
    char id[OBJECT_ID_SIZE];
    uint64_t size; /* UINT64_MAX: all there is */
};

/* The next of "id:size,id:size" or "id". False: no more, or nonsense. */
static bool place_next(const char **rest, struct place *ret)
{
    size_t n = strcspn(*rest, ":,");
    char *end;
    if (n != OBJECT_ID_SIZE - 1)
        return false;
    memcpy(ret->id, *rest, n);
    ret->id[n] = '\0';
    *rest += n;
    ret->size = UINT64_MAX;
    if (**rest == ':') {
        ret->size = strtoull(*rest + 1, &end, 10);
        *rest = end;
    }
    *rest += **rest == ',';
    return true;
}

static int fetch(struct upstream_bytes *s, const struct place *p, uint64_t first,
                 uint64_t length, struct object_writer *to, struct error *err)
{
    struct exchange x = {.method = "GET",
                         .id = p->id,
                         .fd = -1,
                         .first = first,
                         .length = length,
                         .to = to};
    return length ? exchange(s, &x, err) : 0;
}

static int fetch_all(struct upstream_bytes *s, const char *place, uint64_t first,
                     uint64_t length, struct object_writer *to, struct error *err)
{
    struct place p;
    int r = 0;
    while (r == 0 && length && place_next(&place, &p)) {
        if (first >= p.size) {
            first -= p.size;
            continue;
        }
        uint64_t n = p.size - first < length ? p.size - first : length;
        r = fetch(s, &p, first, n, to, err);
        length -= n;
        first = 0;
    }
    return r == 0 && length ? fail(err, E_CORRUPT, "an object lacks its end") : r;
}

static int upstream_open(struct object_bytes *b, const char *place, uint64_t first,
                         uint64_t length, int *ret_fd, uint64_t *ret_offset,
                         struct error *err)
{
    struct upstream_bytes *s = self(b);
    struct object_writer *w;
    int r = object_writer_make(s->incoming, true, &w, err);
    if (r < 0)
        return r;
    r = fetch_all(s, place, first, length, w, err);
    if (r == 0) {
        *ret_fd = w->fd;
        *ret_offset = 0;
        w->fd = -1;
    }
    object_writer_drop(w);
    return r;
}

static int upstream_drop(struct object_bytes *b, const char *place, struct error *err)
{
    struct place p;
    int r = 0;
    while (r == 0 && place_next(&place, &p)) {
        struct exchange x = {.method = "DELETE", .id = p.id, .fd = -1};
        r = exchange(self(b), &x, err);
        if (r == -E_NOTFOUND)
            r = 0;
    }
    return r;
}

/* ---- writing ---- */

static int upstream_writer_new(struct object_bytes *b, struct object_writer **ret,
                               struct error *err)
{
    return object_writer_make(self(b)->incoming, false, ret, err);
}

static int upstream_keep(struct object_bytes *b, const struct object_writer *w,
                         struct error *err)
{
    struct exchange x = {
        .method = "PUT", .id = w->id, .fd = w->fd, .size = w->size_bytes};
    if (fsync(self(b)->incoming_fd) < 0)
        return fail_errno(err, errno, "writing the folder of objects");
    int r = hash_file(&x, err);
    return r < 0 ? r : exchange(self(b), &x, err);
}

static void upstream_settle(struct object_bytes *b, struct object_writer *w)
{
    object_writer_drop(w);
}

/* When it can't be dropped now, its file stays, and the next start tries again. */
static void upstream_discard(struct object_bytes *b, struct object_writer *w)
{
    if (upstream_drop(b, w->id, NULL) < 0)
        w->dir = NULL;
    object_writer_drop(w);
}

static int upstream_join(struct object_bytes *b, struct arena *a,
                         const struct object_part *parts, size_t count,
                         const char **ret_place, struct object_writer **ret_writer,
                         struct error *err)
{
    AUTO_STR place = STR_INIT;
    for (size_t i = 0; i < count; i++)
        str_addf(&place, "%s%s:%llu", i ? "," : "", parts[i].place,
                 (unsigned long long)parts[i].size_bytes);
    *ret_place = arena_strdup(a, str_text(&place));
    return 0;
}

/* ---- life ---- */

/* An upstream that is away does not keep the server from starting. */
static int upstream_sweep(struct object_bytes *b, struct object_index *index,
                          struct error *err)
{
    struct upstream_bytes *s = self(b);
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR path = STR_INIT;
    struct string_list left = {0};
    int r = object_writers_left(s->incoming, &a, &left, err);
    for (size_t i = 0; i < left.n; i++) {
        str_clear(&path);
        str_addf(&path, "%s/%s", s->incoming, left.v[i]);
        if (object_index_names(index, left.v[i]) ||
            upstream_drop(b, left.v[i], NULL) == 0)
            unlink(path.data);
    }
    return r;
}

static int upstream_free_bytes(struct object_bytes *b, uint64_t *ret, struct error *err)
{
    struct statvfs v;
    if (statvfs(self(b)->incoming, &v) < 0)
        return fail_errno(err, errno, "asking for free space");
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

static void upstream_close(struct object_bytes *b)
{
    struct upstream_bytes *s = self(b);
    if (s->secret)
        OPENSSL_cleanse(s->secret, strlen(s->secret));
    http_client_free(s->http);
    fd_close(&s->incoming_fd);
    char *const texts[] = {s->incoming, s->origin,        s->host,  s->path,
                           s->region,   s->access_key_id, s->secret};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    free(s);
}

static const struct object_bytes_ops upstream_ops = {
    .name = "upstream",
    .writer_new = upstream_writer_new,
    .keep = upstream_keep,
    .settle = upstream_settle,
    .discard = upstream_discard,
    .open = upstream_open,
    .join = upstream_join,
    .drop = upstream_drop,
    .sweep = upstream_sweep,
    .free_bytes = upstream_free_bytes,
    .close = upstream_close,
};

static char *cut(const char *text, size_t len)
{
    struct str s = STR_INIT;
    str_addn(&s, text, len);
    return str_take(&s);
}

/* http(s)://host[:port]/bucket[/prefix] */
static int read_url(struct upstream_bytes *s, const char *url, struct error *err)
{
    const char *host = strstr(url, "://");
    size_t scheme = host ? (size_t)(host - url) : 0;
    size_t n = host ? strcspn(host + 3, "/?#") : 0;
    const char *path = host ? host + 3 + n : "";
    size_t len = strlen(path);
    while (len && path[len - 1] == '/')
        len--;
    bool known = (scheme == 4 && memcmp(url, "http", 4) == 0) ||
                 (scheme == 5 && memcmp(url, "https", 5) == 0);
    if (!known || n == 0 || len < 2 || strcspn(path, "?#%") != strlen(path))
        return fail(err, E_INVALID,
                    "'%s' is no upstream: expected http(s)://host[:port]/bucket[/prefix]",
                    url);
    s->host = cut(host + 3, n);
    s->origin = cut(url, scheme + 3 + n);
    AUTO_STR text = STR_INIT;
    str_addn(&text, path, len);
    str_addc(&text, '/');
    s->path = str_take(&text);
    return 0;
}

int upstream_bytes_open(const char *dir, const struct object_upstream *upstream,
                        struct object_bytes **ret, struct error *err)
{
    struct upstream_bytes *s = xcalloc(1, sizeof(*s));
    AUTO_STR path = STR_INIT;
    s->base.ops = &upstream_ops;
    s->incoming_fd = -1;
    s->region = xstrdup(upstream->region);
    s->access_key_id = xstrdup(upstream->access_key_id);
    s->secret = xstrdup(upstream->secret);
    str_addf(&path, "%s/incoming", dir);
    s->incoming = xstrdup(path.data);
    int r = read_url(s, upstream->url, err);
    if (r == 0)
        r = dir_make_all(s->incoming, 0700, err);
    if (r == 0) {
        s->incoming_fd = open(s->incoming, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = s->incoming_fd < 0 ? fail_errno(err, errno, "opening '%s'", s->incoming) : 0;
    }
    if (r == 0)
        r = http_client_new(&(struct http_client_config){0}, &s->http, err);
    if (r < 0) {
        upstream_close(&s->base);
        return r;
    }
    *ret = &s->base;
    return 0;
}
