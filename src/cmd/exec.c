/* `gantry exec`: a program in a running container, with our own standard streams. The OCI
 * runtime holds the terminal (raw mode, window size); we pass signals on and see to it that
 * the terminal is as it was afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "agent_settings.h"
#include "command.h"
#include "fd.h"
#include "here.h"
#include "runtime.h"
#include "str.h"

static int open_runtime(struct options *o, const struct here *here, struct runtime **ret,
                        struct error *err)
{
    struct agent_config agent;
    struct runtime_config config = {.run_dir = here->layout.agent_run_dir,
                                    .runtime_path = o->runtime};
    int r = agent_settings_fill(o, &here->layout, &agent, err);
    if (r == 0)
        r = agent_prepare(&agent, err);
    if (r >= 0)
        r = cgroups_open(CGROUP_ROOT, here->layout.agent_run, &config.cgroups, err);
    return r == 0 ? runtime_open(&config, ret, err) : r;
}

static int open_signals(struct error *err)
{
    static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    return fd < 0 ? fail_errno(err, errno, "signalfd") : fd;
}

/* The runtime takes our window's size at the start only. The program's own terminal is its
 * standard input, which we reach through the program's pid. */
static void resize(const struct exec_process *p)
{
    struct winsize size;
    AUTO_STR path = STR_INIT, pid = STR_INIT;
    str_addf(&path, "%s.pid", p->file);
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 ||
        file_read(AT_FDCWD, path.data, 64, &pid, NULL) < 0)
        return;
    str_clear(&path);
    str_addf(&path, "/proc/%ld/fd/0", strtol(str_text(&pid), NULL, 10));
    AUTO_FD terminal = open(path.data, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal >= 0 && isatty(terminal))
        (void)ioctl(terminal, TIOCSWINSZ, &size);
}

/* The terminal sends its signals to the whole group; a runtime in another one needs us. */
static void pass_on(const struct exec_process *p, int signo)
{
    if (signo == SIGWINCH) {
        resize(p);
        return;
    }
    if (getpgid(p->pid) != getpgrp() || signo == SIGTERM)
        pidfd_send_signal(p->pidfd, signo, NULL, 0);
}

static int wait_for(struct exec_process *p, int signals, int *ret_code, struct error *err)
{
    for (;;) {
        struct pollfd fds[] = {{p->pidfd, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo info;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return fail_errno(err, errno, "poll");
        if (fds[0].revents)
            return exec_wait(p, -1, ret_code, err);
        if (fds[1].revents && read(signals, &info, sizeof(info)) == sizeof(info))
            pass_on(p, (int)info.ssi_signo);
    }
}

static int run(struct options *o, struct runtime *rt, const char *id, struct error *err)
{
    struct exec_process p;
    struct termios before;
    const char *const *args = o->args + 1;
    int code = 0;
    struct exec_request req = {
        .args = args,
        .env = o->exec_env.count ? o->exec_env.items : NULL,
        .cwd = o->workdir,
        .user = o->exec_user,
        .terminal = o->tty,
        .fds = {o->interactive || o->tty ? STDIN_FILENO : -1, STDOUT_FILENO,
                STDERR_FILENO},
    };
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    AUTO_FD signals = open_signals(err);
    if (signals < 0)
        return signals;
    int r = runtime_exec(rt, id, &req, &p, err);
    if (r == 0)
        r = wait_for(&p, signals, &code, err);
    if (terminal && o->tty)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    return r < 0 ? r : code;
}

int exec_command(struct options *o, struct error *err)
{
    struct here here;
    struct agent_container c = {0};
    struct runtime *rt = NULL;
    if (geteuid() != 0)
        return fail(err, E_DENIED,
                    "exec enters containers and needs root: sudo gantry exec");
    if (o->tty && !isatty(STDIN_FILENO))
        return fail(err, E_INVALID, "--tty needs a terminal as standard input");
    int r = here_find(o, &here, err);
    if (r == 0)
        r = here_find_container(o, &here, o->container, &c, err);
    if (r < 0)
        return r;
    if (!streq(c.status, "RUNNING"))
        return fail(err, E_CONFLICT, "container '%s' is %s, not RUNNING", c.name,
                    c.status);
    r = open_runtime(o, &here, &rt, err);
    if (r == 0)
        r = run(o, rt, c.id, err);
    runtime_free(rt);
    return r;
}
