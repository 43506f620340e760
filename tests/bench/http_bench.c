/* Round trips of small requests that another thread answers: `http_bench [CLIENTS] [STREAMS]`.
 * STREAMS idle long answers lie beside them. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"

#define REQUESTS 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct http_request *queue[65536];
static unsigned head, tail;

static void *answer(void *arg)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (head == tail)
            pthread_cond_wait(&changed, &lock);
        struct http_request *req = queue[head++ % 65536];
        pthread_mutex_unlock(&lock);
        if (strcmp(req->path, "/stream") == 0)
            http_reply_stream(req, 200, NULL, NULL, NULL);
        else
            http_reply(req, 200, NULL, "{\"clusters\":[]}", 15, HTTP_ARENA);
        pthread_mutex_lock(&lock);
    }
}

static void begin(struct http_request *req)
{
    http_accept_body(req, 1 << 20);
}

static void complete(struct http_request *req)
{
    pthread_mutex_lock(&lock);
    queue[tail++ % 65536] = req;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static unsigned port;

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        perror("connect");
    return fd;
}

static void *client(void *arg)
{
    int64_t *took = arg;
    int fd = dial();
    static const char req[] = "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: A.B\r\n"
                              "Content-Length: 2\r\n\r\n{}";
    char buf[4096];
    for (int i = 0; i < REQUESTS; i++) {
        int64_t t = clock_mono_ns();
        (void)!write(fd, req, sizeof(req) - 1);
        (void)!read(fd, buf, sizeof(buf));
        took[i] = clock_mono_ns() - t;
    }
    close(fd);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    size_t clients = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    size_t streams = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct http_config c = {.listen = "127.0.0.1:0",
                            .handler = {.begin = begin, .complete = complete}};
    struct http_server *s;
    struct error err = ERROR_INIT;
    if (http_server_start(&c, &s, &err) < 0)
        return 1;
    port = http_server_port(s);
    pthread_t t, all[256];
    pthread_create(&t, NULL, answer, NULL);
    for (size_t i = 0; i < streams; i++)
        (void)!write(dial(), "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", 34);
    int64_t *took = xcalloc(clients * REQUESTS, sizeof(*took)), start = clock_mono_ns();
    for (size_t i = 0; i < clients; i++)
        pthread_create(&all[i], NULL, client, took + i * REQUESTS);
    for (size_t i = 0; i < clients; i++)
        pthread_join(all[i], NULL);
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    size_t n = clients * REQUESTS;
    qsort(took, n, sizeof(*took), compare);
    printf(
        "%3zu clients, %5zu idle streams: %8.0f requests/s  p50 %4.0f us  p99 %4.0f us\n",
        clients, streams, (double)n / seconds, (double)took[n / 2] / 1e3,
        (double)took[n * 99 / 100] / 1e3);
    return 0;
}
