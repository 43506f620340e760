#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define STACK_BYTES (64 * 1024)
#define OUTPUT_MAX  (4 * 1024 * 1024)

extern char **environ;

struct child {
    const struct spawn *s;
    sigset_t mask; /* to be restored */
    pid_t parent;
    volatile int failed_errno;
};

/* Runs in the child: only system calls from here on, memory may be the parent's. */
static int child_main(void *arg)
{
    struct child *c = arg;
    const struct spawn *s = c->s;
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &dfl, NULL);
    if (s->die_with_us) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != c->parent)
            _exit(127);
    }
    if (s->new_session)
        setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* Sources first move above 2, so that no dup2 overwrites one that is still needed. */
    int from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = fcntl(s->fds[i] < 0 ? null : s->fds[i], F_DUPFD_CLOEXEC, 3);
        if (from[i] < 0)
            goto failed;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(from[i], i) < 0)
            goto failed;
    for (size_t i = 0; i < s->keep_count; i++)
        if (fcntl(s->keep[i], F_SETFD, 0) < 0)
            goto failed;
    if (s->cwd && chdir(s->cwd) < 0)
        goto failed;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(s->path, (char *const *)s->argv, s->envp ? (char *const *)s->envp : environ);
failed:
    c->failed_errno = errno;
    _exit(127);
}

/* The group is joined at birth; memory is copied on write, as clone3 with shared memory
 * needs a stack switch that C can't express. CLONE_VFORK holds us until it executes. */
static pid_t clone_into_group(struct child *shared, int cgroup_fd, int *pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PIDFD | CLONE_INTO_CGROUP | CLONE_VFORK,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)cgroup_fd,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        child_main(shared);
    return pid;
}

static pid_t clone_sharing(struct child *c, int *pidfd)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -1;
    pid_t pid = clone(child_main, stack + STACK_BYTES,
                      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c, pidfd);
    int saved = errno;
    munmap(stack, STACK_BYTES);
    errno = saved;
    return pid;
}

int spawn_start(const struct spawn *s, pid_t *ret, int *ret_pidfd, struct error *err)
{
    struct child *c =
        mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return fail_errno(err, errno, "start '%s'", s->path);
    c->s = s;
    c->parent = getpid();
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &c->mask);
    int pidfd = -1;
    pid_t pid = -1;
    if (s->cgroup_fd >= 0)
        pid = clone_into_group(c, s->cgroup_fd, &pidfd);
    if (pid < 0)
        pid = clone_sharing(c, &pidfd);
    int e = pid < 0 ? errno : c->failed_errno;
    pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
    munmap(c, sizeof(*c));
    if (pid > 0 && e)
        spawn_reap(pid, NULL);
    if (e) {
        fd_close(&pidfd);
        fail_errno(err, e, "start '%s'", s->path);
        if (err)
            err->code = E_EXEC;
        return -E_EXEC;
    }
    *ret = pid;
    if (ret_pidfd)
        *ret_pidfd = pidfd;
    else
        fd_close(&pidfd);
    return 0;
}

int spawn_reap(pid_t pid, int *ret_code)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -E_NOTFOUND;
    if (ret_code)
        *ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

struct stream {
    int fd;
    struct str *to;
};

/* False at the end of the stream. */
static bool stream_read(struct stream *st)
{
    char buf[8192];
    ssize_t n = read(st->fd, buf, sizeof(buf));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0) {
        fd_close(&st->fd);
        return false;
    }
    if (st->to && st->to->len + (size_t)n <= OUTPUT_MAX)
        str_addn(st->to, buf, (size_t)n);
    return true;
}

static int write_input(int *fd, const char **input, size_t *left)
{
    ssize_t n = write(*fd, *input, *left);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        n = (ssize_t)*left; /* it does not want more */
    if (n > 0) {
        *input += n;
        *left -= (size_t)n;
    }
    if (*left == 0)
        fd_close(fd);
    return 0;
}

/* Feeds and drains until both outputs and the process ended. */
static int pump(int pidfd, int *in, const char *input, struct stream st[2],
                int64_t deadline_ns)
{
    size_t left = input ? strlen(input) : 0;
    bool ended = false;
    while (!ended || st[0].fd >= 0 || st[1].fd >= 0) {
        struct pollfd p[4] = {
            {.fd = st[0].fd, .events = POLLIN},
            {.fd = st[1].fd, .events = POLLIN},
            {.fd = *in, .events = POLLOUT},
            {.fd = ended ? -1 : pidfd, .events = POLLIN},
        };
        int64_t left_ms = (deadline_ns - clock_mono_ns() + 999999) / 1000000;
        if (left_ms <= 0)
            return -E_TIMEOUT;
        if (poll(p, 4, (int)(left_ms > 60000 ? 60000 : left_ms)) < 0 && errno != EINTR)
            return -E_IO;
        for (int i = 0; i < 2; i++)
            if (p[i].revents)
                stream_read(&st[i]);
        if (p[2].revents)
            write_input(in, &input, &left);
        if (p[3].revents)
            ended = true;
        /* A background child may hold the pipes: what is buffered is read, no more. */
        if (ended && !p[0].revents && !p[1].revents)
            break;
    }
    return 0;
}

static int open_pipe(int fds[2], bool wanted, struct error *err)
{
    fds[0] = fds[1] = -1;
    if (wanted && pipe2(fds, O_CLOEXEC) < 0)
        return fail_errno(err, errno, "pipe");
    return 0;
}

int spawn_run(const char *path, const char *const argv[], const char *input,
              struct str *ret_out, struct str *ret_err, int timeout_ms, int *ret_status,
              struct error *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, er[2] = {-1, -1};
    int pidfd = -1;
    pid_t pid = 0;
    int r = open_pipe(in, input != NULL, err);
    if (r == 0)
        r = open_pipe(out, ret_out != NULL, err);
    if (r == 0)
        r = open_pipe(er, ret_err != NULL, err);
    struct spawn s = {
        .path = path, .argv = argv, .fds = {in[0], out[1], er[1]}, .cgroup_fd = -1};
    if (r == 0)
        r = spawn_start(&s, &pid, &pidfd, err);
    fd_close(&in[0]);
    fd_close(&out[1]);
    fd_close(&er[1]);
    if (r == 0) {
        struct stream st[2] = {{out[0], ret_out}, {er[0], ret_err}};
        if (in[1] >= 0)
            fcntl(in[1], F_SETFL, O_NONBLOCK);
        r = pump(pidfd, &in[1], input, st, clock_mono_ns() + timeout_ms * 1000000LL);
        out[0] = st[0].fd;
        er[0] = st[1].fd;
        if (r < 0) {
            syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
            r = fail(err, r == -E_TIMEOUT ? E_TIMEOUT : E_IO,
                     "'%s' did not end within %d ms", path, timeout_ms);
        }
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        *ret_status = status;
    }
    fd_close(&in[1]);
    fd_close(&out[0]);
    fd_close(&er[0]);
    fd_close(&pidfd);
    return r;
}

int spawn_find(const char *name, struct str *ret, struct error *err)
{
    str_clear(ret);
    if (strchr(name, '/')) {
        str_add(ret, name);
        if (access(name, X_OK) == 0)
            return 0;
        return fail(err, E_NOTFOUND, "program '%s' is missing", name);
    }
    AUTO_STR dirs = STR_INIT;
    const char *path = getenv("PATH");
    str_addf(&dirs, "%s:/usr/sbin:/usr/bin:/sbin:/bin", path ? path : "");
    char *save = NULL;
    for (char *d = strtok_r(dirs.data, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
        str_clear(ret);
        str_addf(ret, "%s/%s", d, name);
        if (ret->data[0] == '/' && access(ret->data, X_OK) == 0)
            return 0;
    }
    return fail(err, E_NOTFOUND, "program '%s' is missing", name);
}
