/* load.c: a load generator that costs as little as it can, as it shares the machine with
 * what it measures. Sends the bytes of REQUEST, a complete HTTP/1.1 request that is signed
 * already, over CONNECTIONS kept-alive connections, one request at a time on each, for
 * SECONDS. Prints one line of JSON.
 *
 *   load HOST PORT REQUEST CONNECTIONS SECONDS [PATTERN]
 *
 * PATTERN is text whose presence in an answer is counted ("matched"). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_ANSWER  (256 * 1024)
#define MAX_SAMPLES (4 * 1024 * 1024)

struct connection {
    int fd;
    size_t len, sent;
    uint64_t begun_ns;
    char answer[MAX_ANSWER + 1];
};

static char request[256 * 1024];
static size_t request_len;
static uint32_t *samples_us;
static size_t sample_count;
static uint64_t errors, matched;
static const char *pattern;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void begin(struct connection *c)
{
    c->len = 0;
    c->begun_ns = now_ns();
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
        die("send");
}

static void connect_to(struct connection *c, const struct sockaddr_in *to)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Length of the whole answer once its head is there; 0 before that. */
static size_t answer_length(const struct connection *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL)
        return 0;
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (length == NULL || length > end) {
        fprintf(stderr, "load: an answer without Content-Length\n");
        exit(1);
    }
    return (size_t)(end + 4 - c->answer) + strtoull(length + 17, NULL, 10);
}

/* Reads what is there; true when the answer is whole. */
static bool receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->len, MAX_ANSWER - c->len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0)
        die("the server closed a connection");
    c->len += (size_t)n;
    c->answer[c->len] = '\0';
    size_t whole = answer_length(c);
    if (whole > MAX_ANSWER) {
        fprintf(stderr, "load: an answer of %zu bytes is too large\n", whole);
        exit(1);
    }
    return whole > 0 && c->len >= whole;
}

static void count(struct connection *c, bool measuring)
{
    if (!measuring)
        return;
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0) {
        if (errors++ == 0)
            fprintf(stderr, "load: first error: %.600s\n", c->answer);
    }
    if (pattern != NULL && strstr(c->answer, pattern) != NULL)
        matched++;
    if (sample_count < MAX_SAMPLES)
        samples_us[sample_count++] = (uint32_t)((now_ns() - c->begun_ns) / 1000);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void read_request(const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        die(path);
    request_len = fread(request, 1, sizeof(request), f);
    fclose(f);
}

static void run(struct connection *all, int count_of, int epoll, double seconds)
{
    uint64_t start = now_ns(), warm = start + 500000000U;
    uint64_t end = warm + (uint64_t)(seconds * 1e9);
    struct epoll_event ready[64];
    for (int i = 0; i < count_of; i++)
        begin(&all[i]);
    while (now_ns() < end) {
        int n = epoll_wait(epoll, ready, 64, 1000);
        for (int i = 0; i < n; i++) {
            struct connection *c = ready[i].data.ptr;
            if (receive(c)) {
                count(c, c->begun_ns >= warm);
                begin(c);
            }
        }
    }
    double took = (double)(now_ns() - warm) / 1e9;
    qsort(samples_us, sample_count, sizeof(*samples_us), by_size);
    uint32_t p50 = 0, p99 = 0;
    if (sample_count > 0) {
        p50 = samples_us[sample_count / 2];
        p99 = samples_us[sample_count - 1 - sample_count / 100];
    }
    printf("{\"calls\": %zu, \"per_second\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"errors\": %llu, \"matched\": %llu}\n",
           sample_count, (double)sample_count / took, p50 / 1e3, p99 / 1e3,
           (unsigned long long)errors, (unsigned long long)matched);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: load HOST PORT REQUEST CONNECTIONS SECONDS [PATTERN]\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
    int connections = (int)strtol(argv[4], NULL, 10);
    pattern = argc > 6 ? argv[6] : NULL;
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || connections < 1 ||
        connections > 1000)
        return 2;
    read_request(argv[3]);
    struct connection *all = calloc((size_t)connections, sizeof(*all));
    samples_us = calloc(MAX_SAMPLES, sizeof(*samples_us));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (all == NULL || samples_us == NULL || epoll < 0)
        die("setting up");
    for (int i = 0; i < connections; i++) {
        connect_to(&all[i], &to);
        struct epoll_event want = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &want) < 0)
            die("epoll_ctl");
    }
    run(all, connections, epoll, strtod(argv[5], NULL));
    return 0;
}
