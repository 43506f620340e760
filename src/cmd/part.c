#include "part.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "signal_action.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   2000
#define GOOD_LIFE_NS     (10 * INT64_C(1000000000))

void part_init(struct part *p, enum part_id id)
{
    *p = (struct part){.id = id, .pidfd = -1, .pipe = -1, .backoff_ms = BACKOFF_FIRST_MS};
}

bool part_runs(const struct part *p)
{
    return p->process.pid != 0;
}

/* In the child: only calls that are safe between fork and exec. */
static void become(const char **args, int write_end, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    fcntl(write_end, F_SETFD, 0);
    signal_action(SIGPIPE, SIG_DFL);
    signal_action(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", (char *const *)args);
    _exit(127);
}

int part_start(struct part *p, const char **args, size_t count, struct error *err)
{
    int ends[2];
    char option[32];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(err, errno, "pipe");
    AUTO_FD read_end = ends[0];
    AUTO_FD write_end = ends[1];
    fcntl(read_end, F_SETFL, O_NONBLOCK);
    snprintf(option, sizeof(option), "--ready-fd=%d", write_end);
    args[count] = option;
    args[count + 1] = NULL;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return fail_errno(err, errno, "fork");
    if (pid == 0)
        become(args, write_end, parent);
    fd_close(&p->pipe);
    str_clear(&p->said);
    p->process = process_identify(pid);
    p->pidfd =
        pidfd_open(pid, 0); /* not reaped yet, so it can only fail for lack of room */
    p->pipe = fd_take(&read_end);
    p->started_ns = clock_mono_ns();
    p->restart_ns = 0;
    if (p->pidfd < 0) {
        int saved = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        p->process.pid = 0;
        return fail_errno(err, saved, "pidfd_open");
    }
    return 0;
}

enum part_word part_read(struct part *p, const char **ret_text)
{
    char buf[READY_LINE_MAX];
    ssize_t n = p->pipe < 0 ? 0 : read(p->pipe, buf, sizeof(buf));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return PART_SAID_NOTHING;
    if (n > 0 && p->said.len + (size_t)n <= READY_LINE_MAX)
        str_addn(&p->said, buf, (size_t)n);
    char *end = p->said.len ? memchr(p->said.data, '\n', p->said.len) : NULL;
    if (n > 0 && !end)
        return PART_SAID_NOTHING;
    fd_close(&p->pipe);
    if (!end)
        return PART_SAID_NOTHING;
    *end = '\0';
    if (str_starts(p->said.data, "ready ")) {
        *ret_text = p->said.data + strlen("ready ");
        p->said_ready = true;
        return PART_SAID_READY;
    }
    *ret_text = str_starts(p->said.data, "failed ") ? p->said.data + strlen("failed ")
                                                    : p->said.data;
    return PART_SAID_FAILED;
}

void part_ended(struct part *p, struct str *ret_how)
{
    siginfo_t info = {0};
    while (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    if (info.si_code == CLD_EXITED)
        str_addf(ret_how, "exit status %d", info.si_status);
    else
        str_addf(ret_how, "signal %d", info.si_status);
    int64_t now = clock_mono_ns();
    if (now - p->started_ns >= GOOD_LIFE_NS)
        p->backoff_ms = BACKOFF_FIRST_MS;
    p->restart_ns = now + p->backoff_ms * 1000000;
    p->backoff_ms =
        p->backoff_ms * 2 < BACKOFF_MAX_MS ? p->backoff_ms * 2 : BACKOFF_MAX_MS;
    fd_close(&p->pidfd);
    p->process = (struct process_id){0};
}

void part_signal(struct part *p, int signo)
{
    if (part_runs(p))
        pidfd_send_signal(p->pidfd, signo, NULL, 0);
}
