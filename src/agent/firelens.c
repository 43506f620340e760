#include "firelens.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "container_log.h"
#include "fd.h"
#include "firelens_config.h"
#include "fluent_record.h"
#include "log.h"
#include "str.h"
#include "task_space.h"

#define RETRY_MS 200 /* a router that is not there yet, a log that is not made yet */

struct source {
    struct fluent_source names;
    const char *log_path, *sent_path;
    struct log_reader *reader;
    int64_t sent_ns;
    bool dirty;
};

struct forwarder {
    struct forwarder *next;
    struct arena arena;
    char *task_id, *socket_dir;
    struct source *sources;
    size_t n;
    int socket, wake;
    bool complained;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t at_end;
    bool stop;               /* under lock */
    uint64_t asked, reached; /* rounds: a drain waits until its number is reached */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct forwarder *all;

void firelens_socket_dir(const struct host *h, const char *task_id, struct str *ret)
{
    task_space_dir(h, task_id, ret);
    str_add(ret, "/firelens");
}

static bool is_stopped(struct forwarder *f)
{
    pthread_mutex_lock(&f->lock);
    bool stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return stop;
}

/* ---- the socket ---- */

/* By the directory's descriptor: the whole path may be longer than an address holds. */
static int connect_socket(const struct forwarder *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    AUTO_FD dir = open(f->socket_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" FIRELENS_SOCKET, dir);
    if (dir < 0 || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return -1;
    return fd_take(&fd);
}

/* Until something happens to the socket or to us, at most so long. */
static void pause_on(struct forwarder *f, int fd, short events, int timeout_ms)
{
    struct pollfd p[2] = {{.fd = f->wake, .events = POLLIN},
                          {.fd = fd, .events = events}};
    uint64_t n;
    poll(p, 2, timeout_ms);
    if ((p[0].revents & POLLIN) && read(f->wake, &n, sizeof(n)) < 0)
        return; /* somebody else's wake-up: as good as ours */
}

static void lose_socket(struct forwarder *f)
{
    if (!f->complained)
        log_line(LOG_WARN, "the log router does not listen; lines wait", "task",
                 f->task_id, NULL);
    f->complained = true;
    fd_close(&f->socket);
    pause_on(f, -1, 0, RETRY_MS);
}

/* Whole or, when the forwarder is stopped, not: 0 or 1. */
static int send_all(struct forwarder *f, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        if (is_stopped(f))
            return 1;
        if (f->socket < 0 && (f->socket = connect_socket(f)) < 0) {
            lose_socket(f);
            continue;
        }
        ssize_t n = send(f->socket, data + at, len - at, MSG_NOSIGNAL);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            pause_on(f, f->socket, POLLOUT, RETRY_MS);
        } else if (errno != EINTR) {
            lose_socket(f);
            at = 0; /* a new connection begins with a whole message */
        }
    }
    f->complained = false;
    return 0;
}

/* ---- the logs ---- */

struct sending {
    struct forwarder *f;
    struct source *s;
};

static int send_entry(void *arg, const struct log_entry *e)
{
    struct sending *x = arg;
    AUTO_STR message = STR_INIT;
    fluent_record_write(&x->s->names, e, &message);
    if (send_all(x->f, message.data, message.len))
        return 1;
    x->s->sent_ns = e->time_ns;
    x->s->dirty = true;
    return 0;
}

static void note_sent(struct source *s)
{
    char text[32];
    if (!s->dirty)
        return;
    snprintf(text, sizeof(text), "%lld", (long long)s->sent_ns);
    if (file_replace(s->sent_path, text, strlen(text), 0600, 0, NULL) >= 0)
        s->dirty = false;
}

/* Entries with the time of the last one sent come again: lines written at once have one
 * time, and twice is better than never. */
static void open_source(struct source *s)
{
    AUTO_STR text = STR_INIT;
    int64_t since = 0;
    if (file_read(AT_FDCWD, s->sent_path, 64, &text, NULL) < 0 ||
        !str_to_i64(str_text(&text), 0, INT64_MAX, &since))
        since = 0;
    struct log_options o = {.since_ns = since, .tail = -1};
    if (log_reader_open(s->log_path, &o, &s->reader, NULL) < 0)
        s->reader = NULL;
}

/* All that is there; the number of lines. */
static int read_all(struct forwarder *f)
{
    int lines = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct source *s = &f->sources[i];
        struct sending x = {f, s};
        if (!s->reader)
            open_source(s);
        int n = s->reader ? log_reader_read(s->reader, send_entry, &x, NULL) : 0;
        lines += n > 0 ? n : 0;
        note_sent(s);
    }
    return lines;
}

static void wait_for_more(struct forwarder *f)
{
    struct pollfd *p = xcalloc(f->n + 1, sizeof(*p));
    bool missing = false;
    uint64_t n;
    p[0] = (struct pollfd){.fd = f->wake, .events = POLLIN};
    for (size_t i = 0; i < f->n; i++) {
        struct log_reader *r = f->sources[i].reader;
        missing = missing || !r;
        p[i + 1] = (struct pollfd){.fd = r ? log_reader_fd(r) : -1, .events = POLLIN};
    }
    poll(p, f->n + 1, missing ? RETRY_MS : -1);
    if ((p[0].revents & POLLIN) && read(f->wake, &n, sizeof(n)) < 0)
        missing = true; /* taken already */
    free(p);
}

static void *forward(void *arg)
{
    struct forwarder *f = arg;
    for (;;) {
        pthread_mutex_lock(&f->lock);
        uint64_t round = f->asked;
        bool stop = f->stop;
        pthread_mutex_unlock(&f->lock);
        if (stop)
            return NULL;
        if (read_all(f) > 0)
            continue;
        pthread_mutex_lock(&f->lock);
        f->reached = round;
        pthread_cond_broadcast(&f->at_end);
        bool more = f->asked != round || f->stop;
        pthread_mutex_unlock(&f->lock);
        if (!more)
            wait_for_more(f);
    }
}

/* ---- life ---- */

static struct forwarder *find(const char *task_id)
{
    for (struct forwarder *f = all; f; f = f->next)
        if (streq(f->task_id, task_id))
            return f;
    return NULL;
}

static void add_source(struct forwarder *f, const struct container *c)
{
    struct arena *a = &f->arena;
    const struct task *t = c->task;
    f->sources[f->n++] = (struct source){
        .names = {.tag = firelens_tag(a, c->name, t->id),
                  .container_id = arena_strdup(a, c->id),
                  .container_name = arena_printf(
                      a, "/%s", container_display_name(a, t->host, c->name, c->id))},
        .log_path = arena_strdup(a, c->log_path),
        .sent_path = arena_printf(a, "%s/logs/%s.sent", t->dir, c->name)};
}

static void forwarder_free(struct forwarder *f)
{
    for (size_t i = 0; i < f->n; i++)
        log_reader_free(f->sources[i].reader);
    fd_close(&f->socket);
    fd_close(&f->wake);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->at_end);
    arena_free(&f->arena);
    free(f);
}

static struct forwarder *forwarder_new(struct host *h, const struct task *t)
{
    struct forwarder *f = xcalloc(1, sizeof(*f));
    AUTO_STR dir = STR_INIT;
    firelens_socket_dir(h, t->id, &dir);
    f->task_id = arena_strdup(&f->arena, t->id);
    f->socket_dir = arena_strdup(&f->arena, dir.data);
    f->sources = arena_new_array(&f->arena, struct source, t->container_count + 1);
    f->socket = -1;
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->at_end, &attr);
    pthread_condattr_destroy(&attr);
    for (size_t i = 0; i < t->container_count; i++)
        if (firelens_sends(t->containers[i].def) && t->containers[i].log_path)
            add_source(f, &t->containers[i]);
    return f;
}

void firelens_start(struct host *h, const struct task *t)
{
    pthread_mutex_lock(&all_lock);
    struct forwarder *f = find(t->id) ? NULL : forwarder_new(h, t);
    if (f && pthread_create(&f->thread, NULL, forward, f) == 0) {
        f->next = all;
        all = f;
    } else if (f) {
        log_line(LOG_ERROR, "no thread for the logs of a task", "task", t->arn, NULL);
        forwarder_free(f);
    }
    pthread_mutex_unlock(&all_lock);
}

static void kick(struct forwarder *f)
{
    uint64_t one = 1;
    if (write(f->wake, &one, sizeof(one)) < 0)
        return; /* it is full of wake-ups already */
}

void firelens_drain(const char *task_id, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    pthread_mutex_lock(&all_lock);
    struct forwarder *f = find(task_id);
    pthread_mutex_unlock(&all_lock);
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    uint64_t mine = ++f->asked;
    kick(f);
    while (f->reached < mine && !f->stop &&
           pthread_cond_timedwait(&f->at_end, &f->lock, &until) == 0)
        continue;
    pthread_mutex_unlock(&f->lock);
}

static void end(struct forwarder *f)
{
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_mutex_unlock(&f->lock);
    kick(f);
    pthread_join(f->thread, NULL);
    forwarder_free(f);
}

void firelens_stop(const char *task_id)
{
    pthread_mutex_lock(&all_lock);
    struct forwarder *f = find(task_id);
    for (struct forwarder **at = &all; *at && f; at = &(*at)->next) {
        if (*at == f) {
            *at = f->next;
            break;
        }
    }
    pthread_mutex_unlock(&all_lock);
    if (f)
        end(f);
}

void firelens_stop_all(void)
{
    while (all)
        firelens_stop(all->task_id);
}
