#include "balancer_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define REPLY_MAX_BYTES (16 * 1024 * 1024)

static int connect_to(const char *path, int *ret, struct error *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(to.sun_path))
        return fail(err, E_LIMIT, "'%s' is too long for a socket", path);
    memcpy(to.sun_path, path, strlen(path) + 1);
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) < 0)
        return fail(err, E_NETWORK, "connect to '%s': %s", path, strerror(errno));
    *ret = fd_take(&fd);
    return 0;
}

static int read_all(int fd, int64_t deadline_ns, struct str *ret, struct error *err)
{
    char buf[16384];
    str_clear(ret);
    for (;;) {
        int64_t left_ms = (deadline_ns - clock_mono_ns()) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
            return fail(err, E_TIMEOUT, "HAProxy does not answer a command");
        ssize_t n = read(fd, buf, sizeof(buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(err, E_NETWORK, "HAProxy's socket: %s", strerror(errno));
        if (n == 0)
            return 0;
        if (ret->len + (size_t)n > REPLY_MAX_BYTES)
            return fail(err, E_LIMIT, "HAProxy's reply is too long");
        str_addn(ret, buf, (size_t)n);
    }
}

static int exchange(const char *path, const char *commands, bool half_close,
                    int timeout_ms, struct str *ret, struct error *err)
{
    int64_t deadline_ns = clock_mono_ns() + timeout_ms * 1000000LL;
    AUTO_FD fd = -1;
    int r = connect_to(path, &fd, err);
    if (r < 0)
        return r;
    struct timeval tv = {.tv_sec = timeout_ms / 1000 + 1};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    size_t len = strlen(commands);
    if (send(fd, commands, len, MSG_NOSIGNAL) != (ssize_t)len ||
        send(fd, "\n", 1, MSG_NOSIGNAL) != 1)
        return fail(err, E_NETWORK, "HAProxy takes no command: %s", strerror(errno));
    if (half_close)
        shutdown(fd, SHUT_WR);
    return read_all(fd, deadline_ns, ret, err);
}

int balancer_command(const char *path, const char *commands, int timeout_ms,
                     struct str *ret, struct error *err)
{
    return exchange(path, commands, false, timeout_ms, ret, err);
}

int balancer_master_command(const char *path, const char *commands, int timeout_ms,
                            struct str *ret, struct error *err)
{
    /* The master stays in the conversation until its client has ended it. */
    return exchange(path, commands, true, timeout_ms, ret, err);
}

/* Opened for both directions: so it opens without the other end, and has no end of file. */
int balancer_log_pipe(const char *dir, int *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    str_addf(&path, "%s/log", dir);
    if (mkfifo(str_text(&path), 0600) < 0 && errno != EEXIST)
        return fail_errno(err, errno, "make '%s'", str_text(&path));
    AUTO_FD fd = open(str_text(&path), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", str_text(&path));
    if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
        return fail(err, E_CONFLICT, "'%s' is no pipe", str_text(&path));
    fcntl(fd, F_SETPIPE_SZ, BALANCER_LOG_PIPE_BYTES); /* better with than without */
    *ret = fd_take(&fd);
    return 0;
}

bool balancer_workers_read(const char *text, struct balancer_workers *ret)
{
    *ret = (struct balancer_workers){0};
    for (const char *line = text; line && *line;) {
        long pid;
        int reloads, failed;
        char type[16];
        if (sscanf(line, "%ld master %d [failed: %d]", &pid, &reloads, &failed) == 3) {
            ret->failed_reloads = failed;
            ret->reloads = reloads;
        } else if (sscanf(line, "%ld %15s %d", &pid, type, &reloads) == 3 &&
                   streq(type, "worker")) {
            if (!ret->current)
                ret->current = (pid_t)pid;
            else if (ret->old_count < BALANCER_WORKERS_MAX)
                ret->old[ret->old_count++] = (pid_t)pid;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return ret->current > 0;
}
