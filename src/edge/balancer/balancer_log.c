#include "balancer_log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <uthash.h>
#include <zlib.h>

#include "balancer_access.h"
#include "balancer_attribute.h"
#include "balancer_config.h"
#include "balancer_traffic.h"
#include "clock.h"
#include "fd.h"
#include "log.h"

#define READ_GAP_MS 20
#define READ_BYTES  (64 * 1024) /* more than a line */
#define SOURCES_MAX 500

struct source {
    char *id; /* key */
    int fd;
    bool closed; /* the thread takes it away */
    size_t unread_len;
    char unread[READ_BYTES];
    struct arena arena; /* of what follows */
    const char *arn;
    const char **groups; /* ARNs */
    size_t group_count;
    bool access;
    struct access_settings settings;
    struct str lines;
    int64_t since_ms;
    struct traffic traffic;
    pid_t worker;
    int64_t worker_total;
    UT_hash_handle hh;
};

struct balancer_log {
    char *log_dir;
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t lock; /* of all below, but not while waiting or writing files */
    struct source *sources;
    bool ends;
    int64_t access_ms; /* when files are next written, monotonic */
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static void wake(struct balancer_log *log)
{
    uint64_t one = 1;
    ssize_t n = write(log->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake */
}

/* ---- access log files ---- */

static int write_gzip(const char *path, const struct str *text, struct error *err)
{
    AUTO_STR folder = STR_INIT;
    str_addn(&folder, path, (size_t)(strrchr(path, '/') - path));
    int r = dir_make_all(str_text(&folder), 0755, err);
    if (r < 0)
        return r;
    gzFile f = gzopen(path, "wbe");
    if (!f)
        return fail_errno(err, errno, "open '%s'", path);
    bool good = gzwrite(f, text->data, (unsigned)text->len) == (int)text->len;
    good = gzclose(f) == Z_OK && good;
    return good ? 0 : fail(err, E_IO, "write '%s'", path);
}

static void write_access(struct balancer_log *log, const struct access_settings *settings,
                         struct str *lines)
{
    struct error err = ERROR_INIT;
    AUTO_STR path = STR_INIT;
    uint8_t bytes[4] = {0};
    char random[9];
    if (getrandom(bytes, sizeof(bytes), 0) < 0)
        bytes[0] = (uint8_t)clock_mono_ns();
    hex_encode(bytes, sizeof(bytes), random);
    str_addf(&path, "%s/", log->log_dir);
    access_path(&path, settings, clock_wall_ms(), random);
    if (write_gzip(str_text(&path), lines, &err) < 0)
        log_line(LOG_WARN, "an access log is lost", "error", err.text, NULL);
}

/* Taken under the lock, written without it. */
static void flush_access(struct balancer_log *log, struct source *s)
{
    if (s->lines.len == 0)
        return;
    struct arena keep = ARENA_INIT;
    struct str lines = s->lines;
    struct access_settings settings = {.bucket = arena_strdup(&keep, s->settings.bucket),
                                       .prefix = arena_strdup(&keep, s->settings.prefix),
                                       .arn = arena_strdup(&keep, s->settings.arn),
                                       .address =
                                           arena_strdup(&keep, s->settings.address)};
    s->lines = (struct str)STR_INIT;
    pthread_mutex_unlock(&log->lock);
    write_access(log, &settings, &lines);
    str_free(&lines);
    arena_free(&keep);
    pthread_mutex_lock(&log->lock);
}

/* ---- lines ---- */

static const char *group_arn(const struct source *s, const char *backend)
{
    for (size_t i = 0; i < s->group_count; i++) {
        char name[BALANCER_NAME_SIZE];
        balancer_backend_name(s->groups[i], name);
        if (streq(name, backend))
            return s->groups[i];
    }
    return NULL;
}

static void on_line(struct source *s, char *text)
{
    struct balancer_log_line l;
    if (!balancer_log_read(text, &l))
        return;
    traffic_note(&s->traffic, &l);
    if (!s->access || !l.access)
        return;
    s->settings.group_arn = group_arn(s, l.backend);
    access_line(&s->lines, &s->settings, &l);
}

/* Whole lines of `s->unread`; what follows the last one stays. */
static void on_text(struct source *s)
{
    char *begin = s->unread, *limit = s->unread + s->unread_len, *end;
    while ((end = memchr(begin, '\n', (size_t)(limit - begin)))) {
        *end = '\0';
        on_line(s, begin);
        begin = end + 1;
    }
    s->unread_len = (size_t)(limit - begin);
    if (s->unread_len == READ_BYTES)
        s->unread_len = 0; /* no line of ours */
    memmove(s->unread, begin, s->unread_len);
}

/* Up to what the pipe holds. */
static void receive(struct balancer_log *log, struct source *s)
{
    for (size_t got = 0; got < BALANCER_LOG_PIPE_BYTES;) {
        ssize_t n = read(s->fd, s->unread + s->unread_len, READ_BYTES - s->unread_len);
        if (n <= 0)
            break;
        got += (size_t)n;
        s->unread_len += (size_t)n;
        on_text(s);
        if (s->lines.len > ACCESS_BYTES_MAX)
            flush_access(log, s);
    }
}

/* ---- the thread ---- */

static void source_free(struct balancer_log *log, struct source *s)
{
    HASH_DEL(log->sources, s);
    fd_close(&s->fd);
    traffic_fini(&s->traffic);
    str_free(&s->lines);
    arena_free(&s->arena);
    free(s->id);
    free(s);
}

static size_t collect_fds(struct balancer_log *log, struct pollfd *fds)
{
    size_t n = 0;
    struct source *s, *next;
    fds[n++] = (struct pollfd){.fd = log->wake_fd, .events = POLLIN};
    HASH_ITER (hh, log->sources, s, next) {
        if (s->closed) {
            flush_access(log, s);
            source_free(log, s);
        } else if (n <= SOURCES_MAX) {
            fds[n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
        }
    }
    return n;
}

static struct source *source_of(struct balancer_log *log, int fd)
{
    for (struct source *s = log->sources; s; s = s->hh.next)
        if (s->fd == fd)
            return s;
    return NULL;
}

static void serve(struct balancer_log *log, const struct pollfd *fds, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct source *s = fds[i].revents & POLLIN ? source_of(log, fds[i].fd) : NULL;
        if (s)
            receive(log, s);
    }
    if (now_ms() < log->access_ms)
        return;
    log->access_ms = now_ms() + ACCESS_PERIOD_MS;
    for (struct source *s = log->sources; s; s = s->hh.next)
        flush_access(log, s);
}

/* Nothing is looked at for a while: what comes in it is read at once. */
static void pause_reading(const struct balancer_log *log)
{
    struct pollfd p = {.fd = log->wake_fd, .events = POLLIN};
    poll(&p, 1, READ_GAP_MS);
}

static void *log_main(void *arg)
{
    struct balancer_log *log = arg;
    struct pollfd *fds = xcalloc(SOURCES_MAX + 1, sizeof(*fds));
    pthread_mutex_lock(&log->lock);
    while (!log->ends) {
        size_t n = collect_fds(log, fds);
        int64_t wait = log->access_ms - now_ms();
        pthread_mutex_unlock(&log->lock);
        poll(fds, n, wait < 0 ? 0 : (int)wait);
        if (fds[0].revents & POLLIN) {
            uint64_t count;
            ssize_t got = read(log->wake_fd, &count, sizeof(count));
            (void)got;
        } else {
            pause_reading(log);
        }
        pthread_mutex_lock(&log->lock);
        serve(log, fds, n);
    }
    for (struct source *s = log->sources; s; s = s->hh.next) {
        receive(log, s);
        flush_access(log, s);
    }
    pthread_mutex_unlock(&log->lock);
    free(fds);
    return NULL;
}

/* ---- for callers ---- */

int balancer_log_new(const char *log_dir, struct balancer_log **ret, struct error *err)
{
    struct balancer_log *log = xcalloc(1, sizeof(*log));
    log->log_dir = log_dir ? xstrdup(log_dir) : NULL;
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    log->access_ms = now_ms() + ACCESS_PERIOD_MS;
    pthread_mutex_init(&log->lock, NULL);
    if (log->wake_fd < 0 || pthread_create(&log->thread, NULL, log_main, log) != 0) {
        fd_close(&log->wake_fd);
        free(log->log_dir);
        free(log);
        return fail(err, E_IO, "the thread of logs can't begin");
    }
    *ret = log;
    return 0;
}

static void take_over(struct balancer_log *log, struct source *s,
                      const struct gantry_edge_balancer *b)
{
    const char **arns;
    arena_free(&s->arena);
    struct arena *a = &s->arena;
    s->arn = arena_strdup(a, b->load_balancer->load_balancer_arn);
    s->group_count = balancer_config_groups(a, b, &arns);
    s->groups = arena_new_array(a, const char *, s->group_count + 1);
    for (size_t i = 0; i < s->group_count; i++)
        s->groups[i] = arena_strdup(a, arns[i]);
    s->settings = (struct access_settings){
        .arn = s->arn,
        .bucket = arena_strdup(
            a, balancer_attribute(&b->attributes, "access_logs.s3.bucket", "logs")),
        .prefix = arena_strdup(
            a, balancer_attribute(&b->attributes, "access_logs.s3.prefix", NULL)),
        .address = b->interfaces.n
                       ? arena_strdup(a, b->interfaces.v[0].private_ip_address)
                       : NULL};
    s->access = log->log_dir && attribute_true(balancer_attribute(
                                    &b->attributes, "access_logs.s3.enabled", NULL));
}

int balancer_log_open(struct balancer_log *log, const char *id, const char *dir,
                      const struct gantry_edge_balancer *b, struct error *err)
{
    int r = 0, fd = -1;
    struct source *s;
    pthread_mutex_lock(&log->lock);
    HASH_FIND_STR(log->sources, id, s);
    if (!s || s->closed)
        r = balancer_log_pipe(dir, &fd, err);
    if (r == 0 && s && s->closed) {
        fd_close(&s->fd);
        s->fd = fd;
        s->unread_len = 0;
        s->closed = false;
    } else if (r == 0 && !s) {
        s = xcalloc(1, sizeof(*s));
        s->id = xstrdup(id);
        s->fd = fd;
        s->since_ms = clock_wall_ms();
        HASH_ADD_KEYPTR(hh, log->sources, s->id, strlen(s->id), s);
    }
    if (r == 0)
        take_over(log, s, b);
    pthread_mutex_unlock(&log->lock);
    wake(log);
    return r;
}

void balancer_log_close(struct balancer_log *log, const char *id)
{
    struct source *s;
    pthread_mutex_lock(&log->lock);
    HASH_FIND_STR(log->sources, id, s);
    if (s)
        s->closed = true;
    pthread_mutex_unlock(&log->lock);
    wake(log);
}

void balancer_log_take(struct balancer_log *log, const char *id, pid_t worker,
                       int64_t active, int64_t total,
                       void (*report)(void *ctx, const struct gantry_edge_traffic *t),
                       void *ctx)
{
    AUTO_ARENA a = ARENA_INIT;
    struct source *s;
    pthread_mutex_lock(&log->lock);
    HASH_FIND_STR(log->sources, id, s);
    size_t n = s && !s->closed ? s->traffic.group_count + 1 : 0;
    struct gantry_edge_traffic *reports =
        arena_new_array(&a, struct gantry_edge_traffic, n + 1);
    for (size_t i = 0; i < n; i++) {
        traffic_report(&a, i ? &s->traffic.groups[i - 1].counts : &s->traffic.all,
                       &reports[i]);
        reports[i].load_balancer_arn = arena_strdup(&a, s->arn);
        reports[i].since = SET_TIME(s->since_ms);
        if (i)
            reports[i].target_group_arn =
                arena_strdup(&a, group_arn(s, s->traffic.groups[i - 1].backend));
    }
    if (n) {
        /* A new worker counts from nothing. */
        int64_t before = worker == s->worker ? s->worker_total : 0;
        reports[0].connections = SET_LONG(total > before ? total - before : 0);
        reports[0].active_connections = SET_LONG(active);
        s->worker = worker;
        s->worker_total = total;
        s->since_ms = clock_wall_ms();
        traffic_clear(&s->traffic);
    }
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; report && i < n; i++)
        if (i == 0 || reports[i].target_group_arn) /* else it is a group that is gone */
            report(ctx, &reports[i]);
}

void balancer_log_free(struct balancer_log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->ends = true;
    pthread_mutex_unlock(&log->lock);
    wake(log);
    pthread_join(log->thread, NULL);
    struct source *s, *next;
    HASH_ITER (hh, log->sources, s, next)
        source_free(log, s);
    fd_close(&log->wake_fd);
    pthread_mutex_destroy(&log->lock);
    free(log->log_dir);
    free(log);
}
