/* The first process of a container with initProcessEnabled: starts the command, forwards
 * every signal to it, reaps whoever becomes its child, and ends as the command ended: with
 * its code, or 128 + the signal. 126: the command can't be executed, 127: it is not there.
 *
 *     init [--] COMMAND [ARGUMENT ...]
 *     init --                            no command: keeps a pid namespace for others,
 *                                        reaping what they leave, until SIGTERM
 *
 * The image may hold nothing that it could lean on, and every container has one; so it is
 * static and uses system calls only: no C library, no memory but the stack. All signals
 * stay blocked and are taken one by one, so none can come at a bad moment; the command gets
 * the mask that was there before.
 *
 * Threads: none. */
#include <asm/unistd.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define PATH_BYTES     4096
#define CANNOT_EXECUTE 126
#define NOT_FOUND      127
#define WAIT_NO_HANG   1
#define KILLED_BASE    128

typedef uint64_t mask; /* the kernel's sigset_t */

/* ---- the kernel ---- */

#if defined(__x86_64__)
static long call(long n, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".text\n.globl _start\n_start:\n"
        "xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall run\n");
#elif defined(__aarch64__)
static long call(long n, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
    return x0;
}
__asm__(".text\n.globl _start\n_start:\n"
        "mov x29, xzr\nmov x0, sp\nand sp, x0, #-16\nbl run\n");
#else
#error "init.c: the system call of this architecture is missing"
#endif

static long at(const void *p)
{
    return (long)(uintptr_t)p;
}

__attribute__((noreturn)) static void leave(int code)
{
    for (;;)
        call(__NR_exit_group, code, 0, 0, 0, 0);
}

static long change_mask(int how, const mask *set, mask *old)
{
    return call(__NR_rt_sigprocmask, how, at(set), at(old), sizeof(mask), 0);
}

/* ---- texts ---- */

static size_t length(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

/* In one call, as each call may become a log line of its own. */
static void complain(const char *command, const char *why)
{
    const char *const parts[] = {"init: ", command, ": ", why, "\n"};
    struct iovec v[sizeof(parts) / sizeof(parts[0])];
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        v[i].iov_base = (void *)(uintptr_t)parts[i];
        v[i].iov_len = length(parts[i]);
    }
    call(__NR_writev, 2, at(v), sizeof(parts) / sizeof(parts[0]), 0, 0);
}

static int has_slash(const char *s)
{
    while (*s && *s != '/')
        s++;
    return *s == '/';
}

/* ---- the command ---- */

/* "PATH=" of the environment, without these words. */
static const char *search_path(char *const *env)
{
    for (; *env; env++) {
        const char *e = *env;
        if (e[0] == 'P' && e[1] == 'A' && e[2] == 'T' && e[3] == 'H' && e[4] == '=')
            return e + 5;
    }
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* The next folder of `path` and the command into `ret`; an empty folder is the working
 * directory. Returns where to go on, NULL at the end. */
static const char *next_candidate(const char *path, const char *command, char *ret)
{
    size_t n = 0;
    size_t fits = PATH_BYTES - 2;
    for (; *path && *path != ':'; path++) {
        if (n < fits)
            ret[n++] = *path;
    }
    if (n)
        ret[n++] = '/';
    for (; *command && n < PATH_BYTES - 1; command++)
        ret[n++] = *command;
    ret[n] = '\0';
    return *path ? path + 1 : NULL;
}

/* Only returns when it failed: why. What is there and can't be executed is told rather
 * than that it is in no other folder either. */
static long execute(char *const *argv, char *const *env)
{
    if (has_slash(argv[0]))
        return call(__NR_execve, at(argv[0]), at(argv), at(env), 0, 0);
    char file[PATH_BYTES];
    long why = -ENOENT;
    const char *path = argv[0][0] ? search_path(env) : NULL;
    while (path) {
        path = next_candidate(path, argv[0], file);
        long r = call(__NR_execve, at(file), at(argv), at(env), 0, 0);
        if (r != -ENOENT && r != -ENOTDIR)
            why = r;
    }
    return why;
}

__attribute__((noreturn)) static void be_command(char *const *argv, char *const *env,
                                                 const mask *before)
{
    /* A group of its own, in front of the terminal if there is one: its keys reach the
     * command once, and not through us again. SIGTTOU is blocked still. */
    int group = (int)call(__NR_getpid, 0, 0, 0, 0, 0);
    call(__NR_setpgid, 0, 0, 0, 0, 0);
    call(__NR_ioctl, 0, TIOCSPGRP, at(&group), 0, 0);
    change_mask(SIG_SETMASK, before, NULL);
    long why = execute(argv, env);
    complain(argv[0], why == -ENOENT || why == -ENOTDIR ? "not found"
                      : why == -EACCES                  ? "permission denied"
                      : why == -ENOEXEC                 ? "not a program for this machine"
                                                        : "can't be executed");
    leave(why == -ENOENT || why == -ENOTDIR ? NOT_FOUND : CANNOT_EXECUTE);
}

/* ---- the first process ---- */

static int code_of(int status)
{
    int killed_by = status & 0x7f;
    return killed_by ? KILLED_BASE + killed_by : status >> 8 & 0xff;
}

/* All who ended. Leaves when the command did, after the others. */
static void reap(long command)
{
    int status = 0, code = -1;
    for (;;) {
        long pid = call(__NR_wait4, -1, at(&status), WAIT_NO_HANG, 0, 0);
        if (pid == -EINTR)
            continue;
        if (pid <= 0)
            break;
        if (pid == command)
            code = code_of(status);
    }
    if (code >= 0)
        leave(code);
}

static void forget_children_ignored(void)
{
    /* struct sigaction of the kernel: the default, no flags, no mask. A parent that
     * ignores SIGCHLD would have our children vanish unseen. */
    const unsigned long action[4] = {0};
    call(__NR_rt_sigaction, SIGCHLD, at(action), 0, sizeof(mask), 0);
}

__attribute__((noreturn)) static void hold(const mask *all)
{
    for (;;) {
        int signal = (int)call(__NR_rt_sigtimedwait, at(all), 0, 0, sizeof(mask), 0);
        if (signal == SIGCHLD)
            reap(-1);
        else if (signal == SIGTERM)
            leave(0);
    }
}

__attribute__((noreturn, used)) void run(long *stack);
void run(long *stack)
{
    char **argv = (char **)(stack + 1);
    char **env = argv + stack[0] + 1;
    const mask all = ~(mask)0;
    mask before = 0;
    int dashes = stack[0] > 1 && argv[1][0] == '-' && argv[1][1] == '-' && !argv[1][2];
    if (dashes)
        argv++;
    if (stack[0] < 1 || !argv[0] || (!argv[1] && !dashes)) {
        complain("usage", "init [--] COMMAND [ARGUMENT ...]");
        leave(NOT_FOUND);
    }
    change_mask(SIG_SETMASK, &all, &before);
    forget_children_ignored();
    if (!argv[1])
        hold(&all);
    call(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* where we are not the first */
    long command = call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (command == 0)
        be_command(argv + 1, env, &before);
    if (command < 0) {
        complain(argv[1], "no process could be made for it");
        leave(CANNOT_EXECUTE);
    }
    for (;;) {
        int signal = (int)call(__NR_rt_sigtimedwait, at(&all), 0, 0, sizeof(mask), 0);
        if (signal == SIGCHLD)
            reap(command);
        else if (signal > 0)
            call(__NR_kill, command, signal, 0, 0, 0);
    }
}
