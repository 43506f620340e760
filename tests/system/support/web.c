/* web.c: a web server that is as rude as a test needs: SIGTERM ends it in the middle of
 * whatever it does, so no request survives that a load balancer still sends it by then.
 *   GET /        the host's name          GET /slow    the same, after half a second
 *   GET /health  "ok"                     GET /version what the variable N says
 *   GET /hold    the name, after four seconds, in a process that is called "hold"
 *   Upgrade      101 with X-Version, then every byte comes back
 * A client that upgrades uses the key of the example in RFC 6455.
 * A process a connection; PORT says where. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static char name[65];

static const char *version(void)
{
    return getenv("N") ? getenv("N") : "0";
}

static void answer(int fd, const char *body)
{
    char text[256];
    int n =
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s\n",
                 strlen(body) + 1, body);
    if (write(fd, text, (size_t)n) != n)
        _exit(1);
}

static void echo(int fd)
{
    char buf[4096];
    int len = snprintf(buf, sizeof(buf),
                       "HTTP/1.1 101 Switching Protocols\r\n"
                       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                       "X-Version: %s\r\n"
                       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                       version());
    ssize_t n = write(fd, buf, (size_t)len);
    while (n > 0 && (n = read(fd, buf, sizeof(buf))) > 0)
        n = write(fd, buf, (size_t)n);
    _exit(0);
}

static const char *body_of(const char *request)
{
    if (strncmp(request, "GET /health", 11) == 0)
        return "ok";
    return strncmp(request, "GET /version", 12) == 0 ? version() : name;
}

static void serve(int fd)
{
    char buf[8192];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, buf + len, sizeof(buf) - 1 - len);
        if (n <= 0)
            _exit(0);
        buf[len += (size_t)n] = '\0';
        char *end;
        while ((end = strstr(buf, "\r\n\r\n"))) {
            if (strcasestr(buf, "\r\nupgrade: websocket"))
                echo(fd);
            if (strncmp(buf, "GET /slow", 9) == 0)
                usleep(500000);
            if (strncmp(buf, "GET /hold", 9) == 0) {
                prctl(PR_SET_NAME, "hold");
                sleep(4);
            }
            answer(fd, body_of(buf));
            len -= (size_t)(end + 4 - buf);
            memmove(buf, end + 4, len + 1);
        }
    }
}

int main(void)
{
    int one = 1, port = atoi(getenv("PORT") ? getenv("PORT") : "8080");
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_port = htons((unsigned short)port)};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    gethostname(name, sizeof(name) - 1);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(s, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(s, 1024) < 0)
        return 1;
    for (;;) {
        int fd = accept(s, NULL, NULL);
        if (fd < 0)
            continue;
        if (fork() == 0) {
            close(s);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            serve(fd);
        }
        close(fd);
    }
}
