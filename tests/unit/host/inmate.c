/* What the tests put into a container: one static program that does as it is told. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void on_term(int signo)
{
    (void)signo;
    _exit(7);
}

static int eat(long mib)
{
    for (long i = 0; i < mib; i++) {
        char *p = malloc(1 << 20);
        if (!p)
            return 3;
        memset(p, (int)i + 1, 1 << 20);
    }
    puts("fed");
    fflush(stdout);
    pause();
    return 0;
}

static int spin(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    long long end = t.tv_sec * 1000LL + t.tv_nsec / 1000000 + ms;
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while (t.tv_sec * 1000LL + t.tv_nsec / 1000000 < end);
    return 0;
}

static int show(const char *path)
{
    char buf[65536];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        printf("%s: %s\n", path, strerror(errno));
        return 1;
    }
    for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
        if (write(1, buf, (size_t)n) < 0)
            return 1;
    return 0;
}

/* "who" for each connection: answers the caller's address, as we see it. */
static int serve(int port, int udp)
{
    int s = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || (!udp && listen(s, 16) < 0))
        return 4;
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct sockaddr_in peer;
        socklen_t n = sizeof(peer);
        char buf[64];
        if (udp) {
            if (recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &n) < 0)
                continue;
            snprintf(buf, sizeof(buf), "%s\n", inet_ntoa(peer.sin_addr));
            sendto(s, buf, strlen(buf), 0, (struct sockaddr *)&peer, n);
            continue;
        }
        int c = accept(s, (struct sockaddr *)&peer, &n);
        if (c < 0)
            continue;
        snprintf(buf, sizeof(buf), "%s\n", inet_ntoa(peer.sin_addr));
        if (write(c, buf, strlen(buf)) < 0)
            return 5;
        close(c);
    }
}

static int call(const char *host, int port)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    struct timeval t = {.tv_sec = 3};
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0) {
        printf("connect: %s\n", strerror(errno));
        return 6;
    }
    char buf[64];
    ssize_t n = read(s, buf, sizeof(buf));
    if (n > 0 && write(1, buf, (size_t)n) < 0)
        return 5;
    return n > 0 ? 0 : 6;
}

static int denied(void)
{
    int bad = 0;
    if (unshare(CLONE_NEWUSER) == 0)
        bad |= 1;
    if (mount("none", "/proc", "tmpfs", 0, NULL) == 0)
        bad |= 2;
    if (syscall(SYS_clone3, NULL, 0) == 0 || errno != ENOSYS)
        bad |= 4;
    if (socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != EPERM)
        bad |= 8;
    return bad;
}

int main(int argc, char **argv)
{
    const char *cmd = argc > 1 ? argv[1] : "";
    if (!strcmp(cmd, "stamp")) { /* when did we begin? */
        struct timespec t;
        char text[32];
        clock_gettime(CLOCK_MONOTONIC, &t);
        int len =
            snprintf(text, sizeof(text), "%lld", t.tv_sec * 1000000000LL + t.tv_nsec);
        int fd = open("/stamp", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        return fd < 0 || write(fd, text, (size_t)len) != len;
    }
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (!strcmp(cmd, "exit"))
        return (int)n;
    if (!strcmp(cmd, "say")) {
        for (int i = 2; i < argc; i++)
            puts(argv[i]);
        fputs("to-stderr\n", stderr);
        return 0;
    }
    if (!strcmp(cmd, "wait")) {
        signal(SIGTERM, SIG_DFL);
        puts("ready");
        fflush(stdout);
        for (;;)
            pause();
    }
    if (!strcmp(cmd, "graceful")) {
        signal(SIGTERM, on_term);
        puts("ready");
        fflush(stdout);
        for (;;)
            pause();
    }
    if (!strcmp(cmd, "eat"))
        return eat(n);
    if (!strcmp(cmd, "spin"))
        return spin(n);
    if (!strcmp(cmd, "show"))
        return show(argv[2]);
    if (!strcmp(cmd, "env"))
        return puts(getenv(argv[2]) ? getenv(argv[2]) : "(unset)") < 0;
    if (!strcmp(cmd, "id")) {
        gid_t extra[64];
        int k = getgroups(64, extra);
        printf("%d %d", getuid(), getgid());
        for (int i = 0; i < k; i++)
            printf(" %d", extra[i]);
        puts("");
        return 0;
    }
    if (!strcmp(cmd, "write"))
        return open(argv[2], O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
    if (!strcmp(cmd, "serve") || !strcmp(cmd, "serve-udp"))
        return serve((int)n, cmd[5] != '\0');
    if (!strcmp(cmd, "call"))
        return call(argv[2], atoi(argv[3]));
    if (!strcmp(cmd, "denied"))
        return denied();
    if (!strcmp(cmd, "fds")) { /* the number of descriptors above the first three */
        int open_fds = 0;
        for (int fd = 3; fd < 256; fd++)
            open_fds += fcntl(fd, F_GETFD) >= 0;
        return open_fds;
    }
    if (!strcmp(cmd, "repeat"))
        for (;;) {
            puts("tick");
            fflush(stdout);
            usleep(2000);
        }
    if (!strcmp(cmd, "chatter"))
        for (long i = 0; i < n; i++)
            printf("line %ld of some length to fill a file\n", i);
    return 0;
}
