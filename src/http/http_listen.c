/* Where the server listens: text to socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "http_server.h"

#define BACKLOG 1024

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

static int bad(const char *listen, struct error *err)
{
    return fail(err, E_INVALID,
                "'%s' is no address to listen on; write 127.0.0.1:4566, [::1]:4566 or "
                "unix:/path",
                listen);
}

/* "1.2.3.4:80" or "[::1]:80". */
static int parse_ip(const char *listen, union address *ret, socklen_t *ret_len,
                    struct error *err)
{
    const char *colon = strrchr(listen, ':');
    char host[64];
    int64_t port;
    if (!colon || (size_t)(colon - listen) >= sizeof(host) ||
        !str_to_i64(colon + 1, 0, 65535, &port))
        return bad(listen, err);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - listen), listen);
    size_t len = strlen(host);
    if (streq(host, "localhost"))
        snprintf(host, sizeof(host), "127.0.0.1");
    if (inet_pton(AF_INET, host, &ret->in.sin_addr) == 1) {
        ret->in.sin_family = AF_INET;
        ret->in.sin_port = htons((uint16_t)port);
        *ret_len = sizeof(ret->in);
        return 0;
    }
    if (len < 2 || host[0] != '[' || host[len - 1] != ']')
        return bad(listen, err);
    host[len - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &ret->in6.sin6_addr) != 1)
        return bad(listen, err);
    ret->in6.sin6_family = AF_INET6;
    ret->in6.sin6_port = htons((uint16_t)port);
    *ret_len = sizeof(ret->in6);
    return 0;
}

static int parse_unix(struct http_server *s, const char *path, union address *ret,
                      socklen_t *ret_len, struct error *err)
{
    if (strlen(path) == 0 || strlen(path) >= sizeof(ret->un.sun_path))
        return fail(err, E_INVALID,
                    "'%s' is too long for a socket's path (at most %zu bytes)", path,
                    sizeof(ret->un.sun_path) - 1);
    ret->un.sun_family = AF_UNIX;
    snprintf(ret->un.sun_path, sizeof(ret->un.sun_path), "%s", path);
    snprintf(s->unix_path, sizeof(s->unix_path), "%s", path);
    *ret_len = sizeof(ret->un);
    return 0;
}

/* A path that nobody listens on is what a killed server left. */
static void remove_stale(const union address *a)
{
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &a->any, sizeof(a->un)) < 0 && errno == ECONNREFUSED)
        unlink(a->un.sun_path);
}

static int bind_error(const char *listen, struct error *err)
{
    int sys = errno;
    if (sys == EADDRINUSE)
        return fail(
            err, E_CONFLICT,
            "somebody else listens on %s already; stop it or choose another --listen",
            listen);
    return fail_errno(err, sys, "listening on %s", listen);
}

static void note_address(struct http_server *s, int fd)
{
    union address a = {0};
    socklen_t len = sizeof(a);
    char ip[INET6_ADDRSTRLEN] = "";
    getsockname(fd, &a.any, &len);
    if (a.any.sa_family == AF_UNIX) {
        snprintf(s->address, sizeof(s->address), "unix:%s", s->unix_path);
    } else if (a.any.sa_family == AF_INET6) {
        s->port = ntohs(a.in6.sin6_port);
        inet_ntop(AF_INET6, &a.in6.sin6_addr, ip, sizeof(ip));
        snprintf(s->address, sizeof(s->address), "[%s]:%u", ip, s->port);
    } else {
        s->port = ntohs(a.in.sin_port);
        inet_ntop(AF_INET, &a.in.sin_addr, ip, sizeof(ip));
        snprintf(s->address, sizeof(s->address), "%s:%u", ip, s->port);
    }
}

int http_listen(struct http_server *s, const char *text, int *ret_fd, struct error *err)
{
    union address a = {0};
    socklen_t len = 0;
    bool local = str_starts(text, "unix:");
    int r =
        local ? parse_unix(s, text + 5, &a, &len, err) : parse_ip(text, &a, &len, err);
    if (r < 0)
        return r;
    AUTO_FD fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(err, errno, "a socket for %s", text);
    if (local)
        remove_stale(&a);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, &a.any, len) < 0 || listen(fd, BACKLOG) < 0) {
        s->unix_path[0] = '\0'; /* not ours to remove */
        return bind_error(text, err);
    }
    note_address(s, fd);
    *ret_fd = fd_take(&fd);
    return 0;
}
