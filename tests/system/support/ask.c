/* ask.c: one HTTP request, for containers that have nothing else: static, no libcurl.
 *
 *     ask URL [METHOD [BODY]]
 * Prints the status on one line and the body after it; ends with 0 when there was an
 * answer at all. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int dial(const char *host, int port)
{
    struct timeval wait = {.tv_sec = 8};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    return connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ? -1 : fd;
}

static void print_answer(char *text)
{
    char *body = strstr(text, "\r\n\r\n");
    int status = 0;
    sscanf(text, "HTTP/1.1 %d", &status);
    printf("%d\n%s\n", status, body ? body + 4 : "");
}

int main(int argc, char **argv)
{
    static char request[16384], answer[1 << 20];
    char host[64] = "", path[1024] = "/";
    int port = 80;
    size_t len = 0;
    ssize_t n;
    if (argc < 2 || (sscanf(argv[1], "http://%63[^:/]:%d%1023s", host, &port, path) < 2 &&
                     sscanf(argv[1], "http://%63[^/]%1023s", host, path) < 1))
        return 2;
    const char *method = argc > 2 ? argv[2] : "GET", *body = argc > 3 ? argv[3] : "";
    int fd = dial(host, port);
    if (fd < 0) {
        perror("connect");
        return 1;
    }
    int out = snprintf(request, sizeof(request),
                       "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ask\r\nAccept: */*\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       method, path, host, strlen(body), body);
    if (write(fd, request, (size_t)out) != out)
        return 1;
    while (len < sizeof(answer) - 1 &&
           (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
        len += (size_t)n;
    if (len == 0)
        return 1;
    print_answer(answer);
    return 0;
}
