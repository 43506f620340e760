#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define SAY_MAX     4096
#define SAY_SECONDS 5

static bool runnable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool program_find(const char *name, struct str *ret)
{
    AUTO_STR path = STR_INIT;
    const char *dirs = getenv("PATH");
    if (strchr(name, '/'))
        dirs = "";
    else if (str_empty(dirs))
        dirs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const char *p = dirs;; p++) {
        size_t len = strcspn(p, ":");
        str_clear(&path);
        str_addn(&path, p, len);
        if (len)
            str_addc(&path, '/');
        str_add(&path, name);
        if (runnable(path.data)) {
            if (ret)
                str_add(ret, path.data);
            return true;
        }
        p += len;
        if (!*p)
            return false;
    }
}

/* Reads until the end, the bound or the deadline. */
static bool read_output(int fd, struct str *ret)
{
    int64_t until = clock_mono_ns() + SAY_SECONDS * INT64_C(1000000000);
    char buf[512];
    for (;;) {
        int64_t left = (until - clock_mono_ns()) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        ssize_t n = read(fd, buf, sizeof(buf));
        if (n <= 0)
            return n == 0;
        if (ret->len < SAY_MAX)
            str_addn(ret, buf, (size_t)n);
    }
}

static void become(const char *const *args, int output)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(args[0], (char *const *)args);
    _exit(127);
}

bool program_say(const char *const *args, struct str *ret)
{
    int ends[2], status = -1;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid = fork();
    if (pid == 0)
        become(args, ends[1]);
    fd_close(&ends[1]);
    bool ok = pid > 0 && read_output(ends[0], ret);
    fd_close(&ends[0]);
    if (pid > 0) {
        if (!ok)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
