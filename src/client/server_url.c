#include <string.h>

#include "server_calls.h"
#include "str.h"

static int copy(char *ret, size_t cap, const char *from, size_t len, struct error *err)
{
    if (len >= cap)
        return fail(err, E_INVALID, "a part of the URL is too long");
    memcpy(ret, from, len);
    ret[len] = 0;
    return 0;
}

/* "host", "host:port", "[::1]:port" */
static int read_authority(struct server_url *u, struct error *err)
{
    const char *host = u->authority, *end = strrchr(host, ':');
    if (host[0] == '[') {
        const char *close = strchr(host, ']');
        if (!close)
            return fail(err, E_INVALID, "'%s' is not a host", host);
        end = close[1] == ':' ? close + 1 : NULL;
        int r = copy(u->host, sizeof(u->host), host + 1, (size_t)(close - host - 1), err);
        return r < 0 ? r
                     : copy(u->port, sizeof(u->port), end ? end + 1 : "80",
                            strlen(end ? end + 1 : "80"), err);
    }
    int r = copy(u->host, sizeof(u->host), host,
                 end ? (size_t)(end - host) : strlen(host), err);
    return r < 0 ? r
                 : copy(u->port, sizeof(u->port), end ? end + 1 : "80",
                        strlen(end ? end + 1 : "80"), err);
}

int server_url_parse(const char *url, struct server_url *ret, struct error *err)
{
    memset(ret, 0, sizeof(*ret));
    if (str_starts(url, "https://"))
        return fail(err, E_UNSUPPORTED,
                    "'%s': agents and edges speak plain HTTP to their server; put both "
                    "on a network "
                    "of their own, or a TLS tunnel between them",
                    url);
    if (!str_starts(url, "http://"))
        return fail(err, E_INVALID, "'%s' is not an http:// URL", url);
    const char *authority = url + 7;
    size_t n = strcspn(authority, "/?");
    int r = copy(ret->authority, sizeof(ret->authority), authority, n, err);
    if (r >= 0)
        r = read_authority(ret, err);
    if (r < 0)
        return r;
    int64_t port;
    if (!ret->host[0] || !str_to_i64(ret->port, 1, 65535, &port))
        return fail(err, E_INVALID, "'%s' has no host or a bad port", url);
    ret->port_number = (int)port;
    const char *path = authority + n;
    size_t path_len = strcspn(path, "?");
    ret->query = path[path_len] == '?' ? path + path_len + 1 : NULL;
    if (path_len == 0)
        return copy(ret->path, sizeof(ret->path), "/", 1, err);
    return copy(ret->path, sizeof(ret->path), path, path_len, err);
}
