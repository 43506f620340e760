#include "dnsmasq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "spawn.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   10000
#define GOOD_LIFE_NS     (10 * INT64_C(1000000000))
#define END_PATIENCE_MS  3000
#define LOG_MAX          (256 << 10)
#define FILE_MAX         (16u << 20)

static void path_of(const char *dir, const char *name, struct str *ret)
{
    str_addf(ret, "%s/%s", dir, name);
}

/* ---- the process of an earlier edge ---- */

/* Is that process a dnsmasq with our settings file? */
static bool is_ours(pid_t pid, const char *dir)
{
    AUTO_STR path = STR_INIT, words = STR_INIT, option = STR_INIT;
    str_addf(&path, "/proc/%d/cmdline", (int)pid);
    str_addf(&option, "--conf-file=%s/dnsmasq.conf", dir);
    if (file_read(AT_FDCWD, path.data, 65536, &words, NULL) < 0)
        return false;
    for (size_t at = 0; at < words.len; at += strlen(words.data + at) + 1)
        if (streq(words.data + at, option.data))
            return true;
    return false;
}

/* A pidfd of it, or -1. */
static int find(const char *dir, pid_t *ret)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    int64_t pid;
    path_of(dir, "dnsmasq.pid", &path);
    if (file_read(AT_FDCWD, path.data, 64, &text, NULL) < 0 || text.len == 0)
        return -1;
    text.data[strcspn(text.data, "\n")] = '\0';
    if (!str_to_i64(text.data, 1, INT32_MAX, &pid))
        return -1;
    int fd = pidfd_open((pid_t)pid, 0);
    if (fd >= 0 && !is_ours((pid_t)pid, dir))
        fd_close(&fd);
    *ret = (pid_t)pid;
    return fd;
}

static bool ended_within(int pidfd, int ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, ms)) < 0 && errno == EINTR)
        ;
    return n > 0;
}

static bool end(int pidfd)
{
    pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
    if (ended_within(pidfd, END_PATIENCE_MS))
        return true;
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    return ended_within(pidfd, END_PATIENCE_MS);
}

int dnsmasq_end(const char *dir, struct error *err)
{
    pid_t pid;
    AUTO_FD fd = find(dir, &pid);
    if (fd >= 0 && !end(fd))
        return fail(err, E_TIMEOUT, "dnsmasq (process %d) does not end", (int)pid);
    return 0;
}

/* ---- start and end ---- */

static void start_later(struct dnsmasq *d)
{
    int64_t now = clock_mono_ns();
    if (now - d->started_ns >= GOOD_LIFE_NS)
        d->backoff_ms = BACKOFF_FIRST_MS;
    d->start_ns = now + d->backoff_ms * 1000000;
    d->backoff_ms =
        2 * d->backoff_ms < BACKOFF_MAX_MS ? 2 * d->backoff_ms : BACKOFF_MAX_MS;
}

static void start(struct dnsmasq *d)
{
    AUTO_STR option = STR_INIT;
    struct error err = ERROR_INIT;
    str_addf(&option, "--conf-file=%s/dnsmasq.conf", d->dir.data);
    const char *argv[] = {d->program.data, option.data, NULL};
    struct spawn s = {
        .path = d->program.data,
        .argv = argv,
        .cwd = "/",
        .fds = {-1, -1, -1},
        .cgroup_fd = -1,
        .new_session = true,
    };
    d->started_ns = clock_mono_ns();
    if (spawn_start(&s, &d->pid, &d->pidfd, &err) < 0) {
        log_line(LOG_ERROR, "dnsmasq can't be started", "error", err.text, NULL);
        d->pid = 0;
        start_later(d);
        return;
    }
    d->child = true;
}

/* What dnsmasq said last, for the log. */
static void last_words(const struct dnsmasq *d, struct str *ret)
{
    AUTO_STR path = STR_INIT, text = STR_INIT;
    path_of(d->dir.data, "dnsmasq.log", &path);
    if (file_read(AT_FDCWD, path.data, FILE_MAX, &text, NULL) < 0)
        return;
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    const char *line = text.len ? strrchr(text.data, '\n') : NULL;
    str_add(ret, line ? line + 1 : str_text(&text));
}

static void gone(struct dnsmasq *d)
{
    if (d->child)
        spawn_reap(d->pid, NULL);
    fd_close(&d->pidfd);
    d->pid = 0;
}

static void on_end(struct dnsmasq *d)
{
    AUTO_STR words = STR_INIT;
    last_words(d, &words);
    log_line(LOG_WARN, "dnsmasq ended and is started again", "said", str_text(&words),
             NULL);
    gone(d);
    start_later(d);
}

int dnsmasq_tick(struct dnsmasq *d)
{
    if (d->pid && ended_within(d->pidfd, 0))
        on_end(d);
    if (d->pid || !d->configured)
        return -1;
    int64_t wait = d->start_ns - clock_mono_ns();
    if (wait > 0)
        return (int)(wait / 1000000) + 1;
    start(d);
    return d->pid ? -1 : dnsmasq_tick(d);
}

/* ---- its files ---- */

static bool same(const char *path, const char *text)
{
    AUTO_STR is = STR_INIT;
    return file_read(AT_FDCWD, path, FILE_MAX, &is, NULL) == 0 &&
           streq(str_text(&is), text);
}

/* True when it was not there like this. */
static bool replace(struct dnsmasq *d, const char *name, const char *text)
{
    AUTO_STR path = STR_INIT;
    struct error err = ERROR_INIT;
    path_of(d->dir.data, name, &path);
    if (same(path.data, text))
        return false;
    if (file_replace(path.data, text, strlen(text), 0644, 0, &err) < 0)
        log_line(LOG_ERROR, "a file for dnsmasq can't be written", "error", err.text,
                 NULL);
    return true;
}

void dnsmasq_configure(struct dnsmasq *d, const char *settings)
{
    bool news = replace(d, "dnsmasq.conf", settings);
    d->configured = true;
    if (!news || !d->pid)
        return;
    end(d->pidfd);
    gone(d);
    d->start_ns = 0;
}

void dnsmasq_names(struct dnsmasq *d, const char *hosts)
{
    AUTO_STR log = STR_INIT;
    struct stat st;
    if (!replace(d, "names", hosts) || !d->pid)
        return;
    path_of(d->dir.data, "dnsmasq.log", &log);
    if (stat(log.data, &st) == 0 && st.st_size > LOG_MAX && truncate(log.data, 0) < 0)
        log_line(LOG_WARN, "dnsmasq's log can't be shortened", NULL);
    pidfd_send_signal(d->pidfd, SIGHUP, NULL, 0);
}

/* ---- life ---- */

int dnsmasq_open(struct dnsmasq *d, const char *dir, const char *program,
                 struct error *err)
{
    *d = (struct dnsmasq){.pidfd = -1, .backoff_ms = BACKOFF_FIRST_MS};
    int r = spawn_find(program ? program : "dnsmasq", &d->program, err);
    if (r < 0) {
        fail(err, E_NOTFOUND,
             "the program 'dnsmasq' is missing: apt-get install "
             "dnsmasq-base");
        return -E_NOTFOUND;
    }
    str_add(&d->dir, dir);
    r = dir_make_all(dir, 0755, err);
    if (r < 0)
        return r;
    AUTO_STR settings = STR_INIT;
    path_of(dir, "dnsmasq.conf", &settings);
    d->configured = access(settings.data, F_OK) == 0;
    pid_t pid = 0;
    d->pidfd = find(dir, &pid);
    d->pid = d->pidfd >= 0 ? pid : 0;
    return 0;
}

void dnsmasq_close(struct dnsmasq *d)
{
    fd_close(&d->pidfd);
    str_free(&d->program);
    str_free(&d->dir);
}
