#include "session_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "fd.h"
#include "server_calls.h"
#include "sigv4.h"
#include "websocket.h"

#define HEAD_MAX 8192

static int wait_for(int fd, short events, const char *whom, struct error *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do
        n = poll(&p, 1, SESSION_LINK_MS);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : fail(err, E_TIMEOUT, "no answer from '%s'", whom);
}

static void set_options(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){30}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){10}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){3}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){60000}, sizeof(int));
}

static int connect_one(const struct addrinfo *ai, const char *whom, int *ret,
                       struct error *err)
{
    AUTO_FD fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int sys = 0, r;
    if (fd < 0)
        return fail_errno(err, errno, "socket");
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
        return fail(err, E_NETWORK, "connecting to '%s': %s", whom, strerror(errno));
    r = wait_for(fd, POLLOUT, whom, err);
    if (r < 0)
        return r;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &(socklen_t){sizeof(sys)});
    if (sys)
        return fail(err, E_NETWORK, "connecting to '%s': %s", whom, strerror(sys));
    set_options(fd);
    *ret = fd_take(&fd);
    return 0;
}

static int connect_to(const struct server_url *u, int *ret, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *all;
    int r = getaddrinfo(u->host, u->port, &hints, &all);
    if (r != 0)
        return fail(err, E_NETWORK, "finding the address of '%s': %s", u->authority,
                    gai_strerror(r));
    r = -E_NETWORK;
    for (struct addrinfo *ai = all; ai && r < 0; ai = ai->ai_next)
        r = connect_one(ai, u->authority, ret, err);
    freeaddrinfo(all);
    return r;
}

static void write_request(const struct agent_config *config,
                          const struct sigv4_credentials *keys,
                          const struct server_url *u, const char *key, struct str *ret)
{
    AUTO_ARENA a = ARENA_INIT;
    struct wire_header host = {"Host", u->authority};
    struct wire_http_request req = {.method = "GET",
                                    .path = u->path,
                                    .headers = &host,
                                    .header_count = 1,
                                    .body = ""};
    const struct wire_header *sig =
        sigv4_sign(&a, &req, keys, config->region, "ecs", clock_wall_ms());
    str_addf(ret, "GET %s HTTP/1.1\r\nHost: %s\r\n", u->path, u->authority);
    for (; sig->name; sig++)
        str_addf(ret, "%s: %s\r\n", sig->name, sig->value);
    str_addf(ret,
             "User-Agent: gantry-agent/" GANTRY_VERSION "\r\n"
             "Upgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
             key);
}

static int read_head(int fd, const char *whom, struct str *ret, struct error *err)
{
    char buf[2048];
    while (!ret->data || !strstr(ret->data, "\r\n\r\n")) {
        int r = wait_for(fd, POLLIN, whom, err);
        if (r < 0)
            return r;
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        if (n <= 0 || ret->len + (size_t)n > HEAD_MAX)
            return fail(err, n <= 0 ? E_NETWORK : E_PROTOCOL, "no answer from '%s'",
                        whom);
        str_addn(ret, buf, (size_t)n);
    }
    return 0;
}

/* The server is ours and known: of its answer only status and proof are of interest. */
static int shake_hands(int fd, const struct server_url *u, const struct str *request,
                       const char *key, struct str *ret_early, struct error *err)
{
    AUTO_STR head = STR_INIT;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    ssize_t n = send(fd, request->data, request->len, MSG_NOSIGNAL);
    if (n != (ssize_t)request->len) /* 2 KiB into an empty socket */
        return fail(err, E_NETWORK, "writing to '%s'", u->authority);
    int r = read_head(fd, u->authority, &head, err);
    if (r < 0)
        return r;
    char *end = strstr(head.data, "\r\n\r\n");
    str_addn(ret_early, end + 4, head.len - (size_t)(end + 4 - head.data));
    *end = 0;
    if (!str_starts(head.data, "HTTP/1.1 101"))
        return fail(err, E_PROTOCOL, "'%s' refuses the session: %.*s", u->authority,
                    (int)strcspn(head.data, "\r\n"), head.data);
    if (!websocket_accept(key, accept) || !strstr(head.data, accept))
        return fail(err, E_PROTOCOL, "'%s' is no WebSocket server", u->authority);
    return 0;
}

int session_link(const struct agent_config *config, const struct sigv4_credentials *keys,
                 const char *session_id, int *ret_fd, struct str *ret_early,
                 struct error *err)
{
    struct server_url u;
    AUTO_STR url = STR_INIT, request = STR_INIT;
    char key[WEBSOCKET_KEY_SIZE];
    AUTO_FD fd = -1;
    str_add(&url, config->server_url);
    while (url.len > 0 && url.data[url.len - 1] == '/')
        url.data[--url.len] = 0;
    str_addf(&url, "/gantry/v1/agent/session/%s", session_id);
    int r = server_url_parse(url.data, &u, err);
    if (r == 0)
        r = connect_to(&u, &fd, err);
    if (r < 0)
        return r;
    websocket_key(key);
    write_request(config, keys, &u, key, &request);
    r = shake_hands(fd, &u, &request, key, ret_early, err);
    if (r == 0)
        *ret_fd = fd_take(&fd);
    return r;
}
