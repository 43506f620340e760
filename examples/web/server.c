/* server.c: the demo's web server. Small enough to be an image of one file, yet it behaves
 * as a service should: it takes its port from the environment, answers health checks, and
 * finishes what it is doing when it is told to stop.
 *
 *   GET /        who answers: container, host name, count of requests, ECS's environment
 *   GET /health  "ok"
 *   PORT         port to listen on, 8080 when absent
 *
 * One thread and poll(2); connections are kept alive, bounded in number, size and time. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 128
#define MAX_REQUEST     8192
#define IDLE_SECONDS    15
#define GRACE_SECONDS   5

struct connection {
    int fd; /* -1: free */
    size_t len;
    time_t last;
    char request[MAX_REQUEST + 1];
};

static struct connection connections[MAX_CONNECTIONS];
static volatile sig_atomic_t stopping;
static unsigned long served;
static char hostname[HOST_NAME_MAX + 1];

static void stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static time_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static int listen_on(int port)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, zero = 0;
    if (fd >= 0) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)port)};
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
        if (bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 512) == 0)
            return fd;
        close(fd);
    }
    /* A kernel without IPv6. */
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 512) == 0)
        return fd;
    close(fd);
    return -1;
}

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : "-";
}

static int make_body(const char *path, char *body, size_t size, const char **status)
{
    *status = "200 OK";
    if (strcmp(path, "/health") == 0)
        return snprintf(body, size, "ok\n");
    if (strcmp(path, "/") == 0)
        return snprintf(body, size,
                        "Hello from container %s\n"
                        "  request   %lu of this container\n"
                        "  listening %s (PORT)\n"
                        "  metadata  %s\n"
                        "  greeting  %s\n",
                        hostname, served, env("PORT"),
                        env("ECS_CONTAINER_METADATA_URI_V4"), env("GREETING"));
    *status = "404 Not Found";
    return snprintf(body, size, "there is nothing at this address\n");
}

/* Answers one request; false when the connection is to be closed. */
static bool answer(struct connection *c)
{
    char method[8] = "", path[256] = "", body[2048], head[512];
    const char *status;
    bool keep = stopping == 0 && strstr(c->request, "HTTP/1.1") != NULL &&
                strcasestr(c->request, "\nConnection: close") == NULL;

    served++;
    int body_len;
    if (sscanf(c->request, "%7s %255s", method, path) == 2 &&
        (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)) {
        path[strcspn(path, "?#")] = '\0';
        body_len = make_body(path, body, sizeof(body), &status);
    } else {
        status = "405 Method Not Allowed";
        body_len = snprintf(body, sizeof(body), "only GET and HEAD\n");
        keep = false; /* a body may follow that nobody reads */
    }
    if (body_len >= (int)sizeof(body))
        body_len = sizeof(body) - 1;
    int head_len = snprintf(head, sizeof(head),
                            "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                            "Content-Length: %d\r\nConnection: %s\r\n\r\n",
                            status, body_len, keep ? "keep-alive" : "close");
    if (strcmp(method, "HEAD") == 0)
        body_len = 0;
    /* Both fit any socket buffer: a short write means that the peer is gone. */
    struct iovec parts[2] = {{head, (size_t)head_len}, {body, (size_t)body_len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(c->fd, &message, MSG_NOSIGNAL) == head_len + body_len && keep;
}

static void drop(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    c->len = 0;
}

static void serve(struct connection *c)
{
    ssize_t n = recv(c->fd, c->request + c->len, MAX_REQUEST - c->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->len += (size_t)n;
    c->request[c->len] = '\0';
    c->last = now();

    /* Requests may come several at a time, or in pieces. */
    char *end;
    while ((end = strstr(c->request, "\r\n\r\n")) != NULL) {
        size_t used = (size_t)(end + 4 - c->request);
        end[2] = '\0';
        if (!answer(c)) {
            drop(c);
            return;
        }
        memmove(c->request, c->request + used, c->len - used + 1);
        c->len -= used;
    }
    if (c->len == MAX_REQUEST)
        drop(c);
}

static void admit(int listener)
{
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        if (connections[i].fd >= 0)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        connections[i] = (struct connection){.fd = fd, .last = now()};
    }
}

/* One round of waiting and serving; returns how many connections are open. */
static int turn(int listener)
{
    struct pollfd polled[MAX_CONNECTIONS + 1];
    struct connection *of[MAX_CONNECTIONS + 1];
    nfds_t n = 0;
    int open = 0;

    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *c = &connections[i];
        /* While stopping, a connection without a request begun has nothing to wait for. */
        if (c->fd >= 0 && (now() - c->last > IDLE_SECONDS || (stopping && c->len == 0)))
            drop(c);
        if (c->fd < 0)
            continue;
        open++;
        of[n] = c;
        polled[n++] = (struct pollfd){.fd = c->fd, .events = POLLIN};
    }
    bool full = open == MAX_CONNECTIONS;
    if (listener >= 0 && !full) {
        of[n] = NULL;
        polled[n++] = (struct pollfd){.fd = listener, .events = POLLIN};
    }
    if (n == 0 || poll(polled, n, 1000) <= 0)
        return open;
    for (nfds_t i = 0; i < n; i++) {
        if (polled[i].revents == 0)
            continue;
        if (of[i] == NULL)
            admit(listener);
        else
            serve(of[i]);
    }
    return open;
}

int main(void)
{
    const char *text = getenv("PORT");
    char *end = NULL;
    long port = text != NULL && *text != '\0' ? strtol(text, &end, 10) : 8080;
    if (port < 1 || port > 65535 || (end != NULL && *end != '\0')) {
        fprintf(stderr, "PORT must be 1 to 65535, not '%s'\n", text);
        return 2;
    }
    /* The first process of a container gets no default handlers from the kernel. */
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    gethostname(hostname, sizeof(hostname) - 1);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        connections[i].fd = -1;

    int listener = listen_on((int)port);
    if (listener < 0) {
        fprintf(stderr, "can't listen on port %ld: %s\n", port, strerror(errno));
        return 1;
    }
    printf("%s listens on port %ld\n", hostname, port);
    fflush(stdout);

    while (!stopping)
        turn(listener);

    close(listener);
    time_t deadline = now() + GRACE_SECONDS;
    while (turn(-1) > 0 && now() < deadline)
        ;
    printf("%s served %lu requests and stops\n", hostname, served);
    return 0;
}
