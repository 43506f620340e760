#include "balancer_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "netns.h"
#include "spawn.h"

#define COMMAND_TIMEOUT_MS 10000
#define START_TIMEOUT_MS   10000
#define RELOAD_TIMEOUT_MS  30000

struct balancer_user balancer_user_find(void)
{
    static const char *const names[] = {"haproxy", "nobody"};
    char buf[4096];
    struct passwd pw, *found = NULL;
    for (int i = 0; i < 2; i++)
        if (getpwnam_r(names[i], &pw, buf, sizeof(buf), &found) == 0 && found)
            return (struct balancer_user){.uid = pw.pw_uid, .gid = pw.pw_gid};
    return (struct balancer_user){.uid = 65534, .gid = 65534};
}

static void path_of(const struct balancer_process *p, const char *name, struct str *ret)
{
    str_clear(ret);
    str_addf(ret, "%s/%s", p->dir, name);
}

static void sleep_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* ---- is it this one? ---- */

/* Field 22 of /proc/<pid>/stat; -1: there is no such process, or it is a zombie. */
static int64_t started_at(pid_t pid)
{
    AUTO_STR text = STR_INIT;
    char path[64], state;
    unsigned long long at;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
        return -1;
    const char *p = strrchr(str_text(&text), ')');
    if (!p || sscanf(p + 1,
                     " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                     "%*d %*d %*d %llu",
                     &state, &at) != 2)
        return -1;
    return state == 'Z' || state == 'X' ? -1 : (int64_t)at;
}

static int note_process(const struct balancer_process *p, struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    path_of(p, "process", &path);
    str_addf(&text, "%d %lld\n", (int)p->pid, (long long)started_at(p->pid));
    return file_replace(str_text(&path), text.data, text.len, 0600, 0, err);
}

static int look_at_workers(struct balancer_process *p, struct balancer_workers *ret,
                           struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    path_of(p, "s/master.sock", &path);
    int r = balancer_master_command(str_text(&path), "show proc", 2000, &text, err);
    if (r < 0)
        return r;
    return balancer_workers_read(str_text(&text), ret)
               ? 0
               : fail(err, E_AGAIN, "HAProxy has no worker");
}

int balancer_process_adopt(struct balancer_process *p, struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    int pid;
    long long at;
    struct balancer_workers w;
    path_of(p, "process", &path);
    int r = file_read(AT_FDCWD, str_text(&path), 256, &text, err);
    if (r < 0)
        return r;
    if (sscanf(str_text(&text), "%d %lld", &pid, &at) != 2 || pid <= 1)
        return fail(err, E_NOTFOUND, "'%s' names no process", str_text(&path));
    AUTO_FD pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0 || started_at(pid) != at)
        return fail(err, E_NOTFOUND, "HAProxy has ended");
    /* In the middle of a reload it does not listen. */
    for (int i = 0; (r = look_at_workers(p, &w, err)) < 0 && i < 200; i++)
        sleep_ms(10);
    if (r < 0) { /* a master without workers, or one that hangs, is of no use */
        kill(pid, SIGKILL);
        return fail(err, E_NOTFOUND, "HAProxy can't be adopted");
    }
    p->pid = pid;
    p->worker = w.current;
    p->pidfd = fd_take(&pidfd);
    return 0;
}

void balancer_process_forget(struct balancer_process *p)
{
    fd_close(&p->pidfd);
    p->pid = 0;
}

bool balancer_process_ended(struct balancer_process *p)
{
    struct pollfd f = {.fd = p->pidfd, .events = POLLIN};
    if (p->pidfd < 0)
        return true;
    if (poll(&f, 1, 0) <= 0)
        return false;
    siginfo_t info;
    waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG); /* when it is our child */
    balancer_process_forget(p);
    return true;
}

/* ---- starting ---- */

/* "[ALERT]  (123) : config : parsing [/x/haproxy.cfg:5] : unknown keyword": from "config". */
static void first_complaint(const char *text, struct str *ret)
{
    const char *line = strstr(text, "[ALERT]");
    const char *p = line ? strstr(line, " : ") : NULL;
    p = p ? p + 3 : text;
    str_addn(ret, p, strcspn(p, "\n"));
}

int balancer_process_check(const struct balancer_process *p, struct error *err)
{
    AUTO_STR config = STR_INIT, out = STR_INIT, said = STR_INIT, why = STR_INIT;
    int status = 0;
    path_of(p, "haproxy.cfg", &config);
    const char *const argv[] = {p->haproxy, "-c", "-f", str_text(&config), NULL};
    int r = spawn_run(p->haproxy, argv, NULL, &out, &said, 20000, &status, err);
    if (r < 0)
        return r;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    first_complaint(str_text(&said), &why);
    return fail(err, E_INVALID, "HAProxy refuses the configuration: %s", str_text(&why));
}

static int spawn_in_namespace(struct balancer_process *p, struct error *err)
{
    AUTO_STR config = STR_INIT, master = STR_INIT, program = STR_INIT;
    AUTO_FD log = -1;
    char uid[16], gid[16];
    int r = spawn_find("setpriv", &program, err);
    if (r == 0)
        r = balancer_log_pipe(p->dir, &log, err);
    if (r < 0)
        return r;
    path_of(p, "haproxy.cfg", &config);
    path_of(p, "s/master.sock", &master);
    snprintf(uid, sizeof(uid), "%u", (unsigned)p->user.uid);
    snprintf(gid, sizeof(gid), "%u", (unsigned)p->user.gid);
    const char *const argv[] = {"setpriv",
                                "--reuid",
                                uid,
                                "--regid",
                                gid,
                                "--clear-groups",
                                "--no-new-privs",
                                "--inh-caps=-all",
                                "--bounding-set=-all",
                                p->haproxy,
                                "-W", /* no -q: it would close the log */
                                "-S",
                                str_text(&master),
                                "-f",
                                str_text(&config),
                                NULL};
    const char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct spawn s = {.path = str_text(&program),
                      .argv = argv,
                      .envp = envp,
                      .cwd = "/",
                      .fds = {-1, log, -1},
                      .cgroup_fd = -1,
                      .new_session = true};
    int back;
    r = netns_enter(p->netns, &back, err);
    if (r < 0)
        return r;
    r = spawn_start(&s, &p->pid, &p->pidfd, err);
    netns_leave(&back);
    return r;
}

/* True when a worker takes commands. */
static bool answers(const struct balancer_process *p)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    path_of(p, "s/admin.sock", &path);
    return balancer_command(str_text(&path), "show version", 1000, &text, NULL) == 0 &&
           text.len > 0;
}

static int wait_for_start(struct balancer_process *p, struct error *err)
{
    int64_t deadline_ns = clock_mono_ns() + START_TIMEOUT_MS * 1000000LL;
    struct balancer_workers w;
    /* The worker may be ready before the master takes commands. */
    while (!answers(p) || look_at_workers(p, &w, err) < 0) {
        if (balancer_process_ended(p))
            return fail(err, E_EXEC, "HAProxy ended at its start");
        if (clock_mono_ns() > deadline_ns)
            return fail(err, E_TIMEOUT, "HAProxy does not answer");
        sleep_ms(3);
    }
    p->worker = w.current;
    return 0;
}

int balancer_process_start(struct balancer_process *p, struct error *err)
{
    AUTO_STR sockets = STR_INIT;
    path_of(p, "s", &sockets);
    int r = dir_remove_all(str_text(&sockets), err);
    if (r == 0 && (mkdir(str_text(&sockets), 0700) < 0 ||
                   lchown(str_text(&sockets), p->user.uid, p->user.gid) < 0))
        r = fail_errno(err, errno, "make '%s'", str_text(&sockets));
    if (r == 0)
        r = spawn_in_namespace(p, err);
    if (r == 0)
        r = note_process(p, err);
    if (r == 0)
        r = wait_for_start(p, err);
    if (r < 0)
        balancer_process_stop(p);
    return r;
}

int balancer_process_reload(struct balancer_process *p, struct error *err)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    struct balancer_workers w;
    int64_t deadline_ns = clock_mono_ns() + RELOAD_TIMEOUT_MS * 1000000LL;
    path_of(p, "s/master.sock", &path);
    int r = look_at_workers(p, &w, err);
    if (r < 0)
        return r;
    int reloads = w.reloads;
    pid_t before = w.current;
    r = balancer_master_command(str_text(&path), "reload", 5000, &text, err);
    /* The master becomes a new program and listens again some 60 ms later. */
    while (r == 0) {
        sleep_ms(5);
        if (balancer_process_ended(p))
            return fail(err, E_EXEC, "HAProxy ended");
        if (look_at_workers(p, &w, err) == 0 && w.reloads != reloads) {
            if (w.failed_reloads)
                return fail(err, E_INVALID, "HAProxy did not take the configuration");
            if (w.current != before && answers(p))
                break;
        }
        if (clock_mono_ns() > deadline_ns)
            return fail(err, E_TIMEOUT, "HAProxy does not come back from a reload");
    }
    if (r == 0)
        p->worker = w.current;
    return r;
}

/* ---- ending ---- */

static bool in_namespace(pid_t pid, const struct stat *ns)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    return stat(path, &st) == 0 && st.st_dev == ns->st_dev && st.st_ino == ns->st_ino;
}

/* Workers, old ones too: nobody else lives in that namespace. */
static void kill_in_namespace(const char *netns)
{
    struct stat ns;
    if (!netns_exists(netns) || stat(netns, &ns) < 0)
        return;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));) {
        int64_t pid;
        if (str_to_i64(e->d_name, 2, INT32_MAX, &pid) && in_namespace((pid_t)pid, &ns))
            kill((pid_t)pid, SIGKILL);
    }
    if (proc)
        closedir(proc);
}

void balancer_process_stop(struct balancer_process *p)
{
    if (p->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
    kill_in_namespace(p->netns);
    for (int i = 0; i < 200 && p->pidfd >= 0 && !balancer_process_ended(p); i++)
        sleep_ms(5);
    balancer_process_forget(p);
}

int balancer_process_command(const struct balancer_process *p, const char *commands,
                             struct str *ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    path_of(p, "s/admin.sock", &path);
    return balancer_command(str_text(&path), commands, COMMAND_TIMEOUT_MS, ret, err);
}

/* "0x7fa988050e70: proto=… srv=<server> …" a line. */
static void end_sessions_of(const char *master, pid_t worker, const char *sessions,
                            const char *server)
{
    AUTO_STR mark = STR_INIT, line = STR_INIT, reply = STR_INIT;
    str_addf(&mark, " srv=%s ", server);
    for (const char *p = sessions; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t len = strcspn(p, "\n"), id = strcspn(p, ":");
        if (id >= len || !memmem(p, len, mark.data, mark.len))
            continue;
        str_clear(&line);
        str_addf(&line, "@!%d shutdown session %.*s", (int)worker, (int)id, p);
        balancer_master_command(master, str_text(&line), 2000, &reply, NULL);
    }
}

void balancer_process_end_in_old_workers(const struct balancer_process *p,
                                         const char *server)
{
    AUTO_STR path = STR_INIT, text = STR_INIT, line = STR_INIT;
    struct balancer_workers w;
    path_of(p, "s/master.sock", &path);
    if (balancer_master_command(str_text(&path), "show proc", 2000, &text, NULL) < 0 ||
        !balancer_workers_read(str_text(&text), &w))
        return;
    for (size_t i = 0; i < w.old_count; i++) {
        str_clear(&line);
        str_addf(&line, "@!%d show sess", (int)w.old[i]);
        if (balancer_master_command(str_text(&path), str_text(&line), 5000, &text,
                                    NULL) == 0)
            end_sessions_of(str_text(&path), w.old[i], str_text(&text), server);
    }
}
