/* probe.c: the program in the test containers; its first argument says what it does.
 * Static, so it is the whole image. Prints lines or JSON on stdout, nothing else. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const char *arg(int i);
static int arg_count;
static char **arg_list;

static const char *arg(int i)
{
    return i < arg_count ? arg_list[i] : "";
}

static void say(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void on_term(int signo)
{
    _exit(0);
}

static void be_polite(void)
{
    signal(SIGTERM, on_term);
}

/* ---- serving one text ---- */

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((unsigned short)port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0) {
        say("listen: %s", strerror(errno));
        exit(9);
    }
    return fd;
}

static int serve(int port, const char *text)
{
    int fd = listen_on(port);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        if (c < 0)
            continue;
        if (write(c, text, strlen(text)) < 0)
            say("write: %s", strerror(errno));
        close(c);
    }
}

static int fetch(const char *host, int port)
{
    char buf[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((unsigned short)port)};
    struct timeval patience = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    inet_pton(AF_INET, host, &a.sin_addr);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        say("connect: %s", strerror(errno));
        return 1;
    }
    ssize_t n = read(fd, buf, sizeof(buf) - 1);
    buf[n > 0 ? n : 0] = 0;
    say("%s", buf);
    return 0;
}

/* ---- being there exactly once ----
 * Writes one line to DIR/starts, and holds a lock of its own name as long as it lives. A
 * second life under the same name is seen by its line, a second one at the same time by
 * the lock. */
static int hold(const char *dir, int port)
{
    char name[128], path[512], line[256];
    be_polite();
    gethostname(name, sizeof(name));
    snprintf(path, sizeof(path), "%s/lock.%s", dir, name);
    int lock = open(path, O_RDWR | O_CREAT, 0666);
    const char *word =
        lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 ? "start" : "twice";
    snprintf(path, sizeof(path), "%s/starts", dir);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    int n = snprintf(line, sizeof(line), "%s %s\n", word, name);
    if (write(fd, line, (size_t)n) != n)
        return 8;
    return serve(port, name);
}

/* ---- what a process sees of itself, as JSON ---- */

static void json_text(const char *s, size_t n)
{
    putchar('"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 32 || c > 126)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void json_file(const char *name, const char *path)
{
    static char buf[65536];
    size_t n = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY);
    while (fd >= 0 && n < sizeof(buf) && (got = read(fd, buf + n, sizeof(buf) - n)) > 0)
        n += (size_t)got;
    if (fd >= 0)
        close(fd);
    printf(",\"%s\":", name);
    json_text(buf, n);
}

static void json_words(const char *name, char **words)
{
    printf(",\"%s\":[", name);
    for (char **w = words; *w; w++) {
        if (w > words)
            putchar(',');
        json_text(*w, strlen(*w));
    }
    putchar(']');
}

static int dump(void)
{
    char cwd[1024] = "", name[128] = "";
    if (!getcwd(cwd, sizeof(cwd)))
        snprintf(cwd, sizeof(cwd), "%s", strerror(errno));
    gethostname(name, sizeof(name));
    printf("{\"uid\":%d,\"gid\":%d,\"pid\":%d", (int)getuid(), (int)getgid(),
           (int)getpid());
    printf(",\"hostname\":");
    json_text(name, strlen(name));
    printf(",\"cwd\":");
    json_text(cwd, strlen(cwd));
    json_words("args", arg_list);
    json_words("env", environ);
    json_file("limits", "/proc/self/limits");
    json_file("status", "/proc/self/status");
    json_file("mounts", "/proc/self/mountinfo");
    json_file("cgroup", "/proc/self/cgroup");
    json_file("routes", "/proc/net/route");
    json_file("interfaces", "/proc/net/dev");
    json_file("memory_v1", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    json_file("memory_v2", "/sys/fs/cgroup/memory.max");
    json_file("quota_v1", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    json_file("shares_v1", "/sys/fs/cgroup/cpu/cpu.shares");
    json_file("weight_v2", "/sys/fs/cgroup/cpu.weight");
    printf("}\n");
    fflush(stdout);
    return 0;
}

/* ---- files ---- */

static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        say("%s: %s", path, strerror(errno));
        return 1;
    }
    close(fd);
    say("%s: written", path);
    return 0;
}

static int show(const char *path)
{
    char buf[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
    if (n < 0) {
        say("%s: %s", path, strerror(errno));
        return 1;
    }
    buf[n] = 0;
    say("%s", buf);
    return 0;
}

static int eat(long mib)
{
    for (long i = 0; i < mib; i++) {
        char *p = malloc(1 << 20);
        if (!p)
            return 7;
        memset(p, (int)i + 1, 1 << 20);
    }
    say("ate %ld MiB", mib);
    for (;;)
        pause();
}

/* A first process that ends well although the kernel took its child for its memory. */
static int eat_in_child(long mib)
{
    int status;
    if (fork() == 0)
        _exit(eat(mib));
    wait(&status);
    return 0;
}

static int one(int i)
{
    const char *what = arg(i);
    if (!strcmp(what, "exit"))
        return atoi(arg(i + 1));
    if (!strcmp(what, "dump"))
        return dump();
    if (!strcmp(what, "hold"))
        return hold(arg(i + 1), atoi(arg(i + 2)));
    if (!strcmp(what, "serve")) {
        be_polite();
        return serve(atoi(arg(i + 1)), arg(i + 2));
    }
    if (!strcmp(what, "fetch"))
        return fetch(arg(i + 1), atoi(arg(i + 2)));
    if (!strcmp(what, "put"))
        return put(arg(i + 1), arg(i + 2));
    if (!strcmp(what, "show"))
        return show(arg(i + 1));
    if (!strcmp(what, "eat"))
        return eat(atol(arg(i + 1)));
    if (!strcmp(what, "eat-in-child"))
        return eat_in_child(atol(arg(i + 1)));
    if (!strcmp(what, "say")) {
        say("%s", arg(i + 1));
        return 0;
    }
    if (!strcmp(what, "sleep-ms")) {
        struct timespec t = {atol(arg(i + 1)) / 1000, atol(arg(i + 1)) % 1000 * 1000000};
        nanosleep(&t, NULL);
        return 0;
    }
    if (!strcmp(what, "polite") || !strcmp(what, "deaf")) {
        if (!strcmp(what, "polite"))
            be_polite();
        say("ready");
        for (;;)
            pause();
    }
    say("probe: what is '%s'?", what);
    return 99;
}

/* Several things one after the other: probe put /a x + show /a + exit 3. The last one's
 * result is the exit code. */
int main(int argc, char **argv)
{
    int result = 99;
    arg_count = argc;
    arg_list = argv;
    for (int i = 1; i < argc; i++) {
        result = one(i);
        while (i < argc && strcmp(argv[i], "+") != 0)
            i++;
    }
    return result;
}
