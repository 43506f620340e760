#include "registry_route.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "str.h"

#define MAX_NAME 256
#define MAX_TAG  128

/* NULL when it holds %00 or a broken escape. */
static char *decode(struct arena *a, const char *text, size_t len)
{
    char *out = arena_alloc(a, len + 1), *o = out;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            char hex[3] = {0};
            if (len - i < 3)
                return NULL;
            memcpy(hex, text + i + 1, 2);
            if (!hex_decode(hex, &c, 1) || !c)
                return NULL;
            i += 2;
        }
        *o++ = c;
    }
    return out;
}

/* Cuts the last segment off the path and returns it. */
static char *cut(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

static enum route_kind kind_of(const char *word)
{
    if (streq(word, "manifests"))
        return ROUTE_MANIFEST;
    if (streq(word, "blobs"))
        return ROUTE_BLOB;
    if (streq(word, "referrers"))
        return ROUTE_REFERRERS;
    return streq(word, "tags") ? ROUTE_TAGS : ROUTE_NONE;
}

/* name/blobs/uploads, name/blobs/uploads/, name/blobs/uploads/id */
static bool parse_uploads(struct arena *a, const char *rest, struct route *ret)
{
    char *path = arena_strdup(a, rest), *last = cut(path);
    if (!last)
        return false;
    if (!str_ends(path, "/blobs/uploads")) {
        if (!streq(last, "uploads") || !str_ends(path, "/blobs"))
            return false;
        last = path + strlen(path);
    } else {
        path[strlen(path) - strlen("/uploads")] = '\0';
    }
    path[strlen(path) - strlen("/blobs")] = '\0';
    ret->kind = *last ? ROUTE_UPLOAD : ROUTE_UPLOADS;
    ret->repository = path;
    ret->reference = *last ? last : NULL;
    return true;
}

static void parse_rest(struct arena *a, char *rest, struct route *ret)
{
    if (!*rest) {
        ret->kind = ROUTE_ROOT;
    } else if (streq(rest, "_catalog")) {
        ret->kind = ROUTE_CATALOG;
    } else if (!parse_uploads(a, rest, ret)) {
        char *last = cut(rest), *word = last ? cut(rest) : NULL;
        enum route_kind kind = word ? kind_of(word) : ROUTE_NONE;
        if (kind == ROUTE_NONE || !*last || (kind == ROUTE_TAGS && !streq(last, "list")))
            return;
        *ret = (struct route){kind, rest, last};
    }
}

void route_parse(struct arena *a, const char *path, struct route *ret)
{
    *ret = (struct route){ROUTE_NONE};
    if (!str_starts(path, "/v2") || (path[3] != '/' && path[3] != '\0'))
        return;
    const char *rest = path[3] ? path + 4 : path + 3;
    char *decoded = decode(a, rest, strlen(rest));
    if (decoded)
        parse_rest(a, decoded, ret);
}

/* ---- names ---- */

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of the separator at p, 0 when there is none. */
static size_t separator(const char *p)
{
    if (*p == '-')
        return strspn(p, "-");
    if (*p == '.' || *p == '/')
        return 1;
    return *p == '_' ? (p[1] == '_' ? 2 : 1) : 0;
}

bool route_repository_valid(const char *name)
{
    if (strlen(name) > MAX_NAME)
        return false;
    for (const char *p = name;;) {
        if (!plain(*p))
            return false;
        while (plain(*p))
            p++;
        if (!*p)
            return true;
        size_t n = separator(p);
        if (!n)
            return false;
        p += n;
    }
}

bool route_tag_valid(const char *tag)
{
    size_t n = strlen(tag);
    if (n == 0 || n > MAX_TAG || tag[0] == '.' || tag[0] == '-')
        return false;
    for (; *tag; tag++) {
        if (!isalnum((unsigned char)*tag) && !strchr("._-", *tag))
            return false;
    }
    return true;
}

/* ---- query ---- */

/* The next name=value pair with this name, from *at on; its decoded value. */
static const char *query_next(struct arena *a, const char **at, const char *name)
{
    size_t name_len = strlen(name);
    while (*at && **at) {
        const char *p = *at;
        size_t len = strcspn(p, "&");
        *at = p[len] ? p + len + 1 : NULL;
        if (len < name_len || memcmp(p, name, name_len) != 0)
            continue;
        if (len == name_len)
            return "";
        if (p[name_len] != '=')
            continue;
        const char *value = decode(a, p + name_len + 1, len - name_len - 1);
        return value ? value : "";
    }
    return NULL;
}

const char *query_get(struct arena *a, const char *query, const char *name)
{
    return query_next(a, &query, name);
}

void query_all(struct arena *a, const char *query, const char *name,
               struct string_list *ret)
{
    const char *value;
    ret->set = true;
    while ((value = query_next(a, &query, name)))
        *LIST_PUSH(a, ret) = value;
}

/* ---- ranges ---- */

/* Digits only; stops at the first other character, and at INT64_MAX if there are more. */
static bool number(const char **p, uint64_t *ret)
{
    const char *start = *p;
    *ret = 0;
    while (**p >= '0' && **p <= '9') {
        uint64_t digit = (uint64_t)(*(*p)++ - '0');
        *ret = *ret > (INT64_MAX - digit) / 10 ? INT64_MAX : *ret * 10 + digit;
    }
    return *p > start;
}

bool range_parse_upload(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    return number(&text, ret_first) && *text++ == '-' && number(&text, ret_last) &&
           !*text && *ret_first <= *ret_last && *ret_last < INT64_MAX;
}

enum range_result range_parse_read(const char *text, uint64_t size, uint64_t *ret_first,
                                   uint64_t *ret_length)
{
    uint64_t first = 0, last = 0;
    if (!text || strncasecmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return RANGE_ALL;
    text += 6;
    bool from = number(&text, &first);
    if (*text++ != '-')
        return RANGE_ALL;
    bool to = number(&text, &last);
    if (*text || (!from && !to))
        return RANGE_ALL;
    if (!from) { /* the last so many bytes */
        if (last == 0 || size == 0)
            return RANGE_BAD;
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (!to || last >= size)
        last = size - 1;
    if (first >= size || first > last)
        return RANGE_BAD;
    *ret_first = first;
    *ret_length = last - first + 1;
    return RANGE_PART;
}
