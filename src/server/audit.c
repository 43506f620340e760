#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "request_id.h"
#include "str.h"

#define COMPLAIN_NS (60 * INT64_C(1000000000))

/* A series of files; the thread's own. */
struct series {
    const char *name;
    int fd;
    int64_t size;
};

/* A line that is ready, for what is no call. */
struct told {
    struct audit_entry entry;
    enum audit_log log;
    struct str line;
};

struct audit {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news, room;
    struct list queue; /* struct audit_entry.link */
    size_t queued;
    bool closing;
    /* the thread's own */
    char *dir;
    struct series series[AUDIT_LOGS];
    uint64_t lost;
    int64_t complained_ns;
};

/* ---- files ---- */

const char *audit_log_name(enum audit_log log)
{
    return log == AUDIT_DATA ? "data" : "audit";
}

static void path_of(const struct audit *a, const struct series *s, unsigned number,
                    struct str *ret)
{
    str_clear(ret);
    if (number)
        str_addf(ret, "%s/%s.%u.jsonl", a->dir, s->name, number);
    else
        str_addf(ret, "%s/%s.jsonl", a->dir, s->name);
}

static int series_open(const struct audit *a, struct series *s, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct stat st;
    path_of(a, s, 0, &path);
    s->fd = open(path.data, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    s->size = fstat(s->fd, &st) == 0 ? st.st_size : 0;
    return 0;
}

static int open_all(struct audit *a, struct error *err)
{
    int r = 0;
    for (int i = 0; i < AUDIT_LOGS && r == 0; i++)
        r = series_open(a, &a->series[i], err);
    return r;
}

static void close_all(struct audit *a)
{
    for (int i = 0; i < AUDIT_LOGS; i++)
        fd_close(&a->series[i].fd);
}

static void rotate(const struct audit *a, struct series *s)
{
    AUTO_STR from = STR_INIT;
    AUTO_STR to = STR_INIT;
    fd_close(&s->fd);
    for (unsigned i = AUDIT_FILES - 1; i > 0; i--) {
        path_of(a, s, i - 1, &from);
        path_of(a, s, i, &to);
        (void)rename(from.data, to.data); /* not there yet: nothing to move */
    }
    (void)series_open(a, s, NULL); /* tried again with the next line */
}

static void complain(struct audit *a, int why)
{
    int64_t now = clock_mono_ns();
    a->lost++;
    if (a->complained_ns && now - a->complained_ns < COMPLAIN_NS)
        return;
    a->complained_ns = now;
    char count[24];
    snprintf(count, sizeof(count), "%llu", (unsigned long long)a->lost);
    log_line(LOG_ERROR, "calls could not be written to the audit log", "dir", a->dir,
             "lost", count, "error", strerror(why), NULL);
}

static void write_line(struct audit *a, struct series *s, const struct str *line)
{
    if (s->size + (int64_t)line->len > AUDIT_FILE_MAX)
        rotate(a, s);
    if (s->fd < 0 && series_open(a, s, NULL) < 0) {
        complain(a, errno);
        return;
    }
    ssize_t n = write(s->fd, line->data, line->len);
    if (n == (ssize_t)line->len) {
        s->size += n;
        return;
    }
    int why = n < 0 ? errno : ENOSPC;
    if (n > 0 && ftruncate(s->fd, s->size) < 0)
        s->size += n; /* half a line stays: readers pass over it */
    complain(a, why);
}

/* ---- the thread ---- */

static void make_line(struct str *ret, const struct audit_event *event)
{
    char id[CALL_REQUEST_ID_SIZE];
    request_id_make(id);
    audit_line(ret, event, id, clock_wall_ms());
}

static void handle_call(struct audit *a, struct audit_entry *e)
{
    AUTO_ARENA arena = ARENA_INIT;
    AUTO_STR line = STR_INIT;
    const struct audit_event event = audit_event_of(&arena, e->call);
    enum audit_log log = event.log;
    make_line(&line, &event);
    e->release(e);
    write_line(a, &a->series[log], &line);
}

static void handle(struct audit *a, struct audit_entry *e)
{
    if (e->call) {
        handle_call(a, e);
        return;
    }
    struct told *t = list_entry(e, struct told, entry);
    write_line(a, &a->series[t->log], &t->line);
    str_free(&t->line);
    free(t);
}

static struct audit_entry *next(struct audit *a)
{
    struct audit_entry *e = NULL;
    pthread_mutex_lock(&a->lock);
    while (list_empty(&a->queue) && !a->closing)
        pthread_cond_wait(&a->news, &a->lock);
    if (!list_empty(&a->queue)) {
        e = list_entry(a->queue.next, struct audit_entry, link);
        list_remove(&e->link);
        a->queued--;
        pthread_cond_signal(&a->room);
    }
    pthread_mutex_unlock(&a->lock);
    return e;
}

static void *run(void *arg)
{
    struct audit *a = arg;
    struct audit_entry *e;
    while ((e = next(a)))
        handle(a, e);
    return NULL;
}

int audit_open(const char *data_dir, struct audit **ret, struct error *err)
{
    struct audit *a = xcalloc(1, sizeof(*a));
    AUTO_STR dir = STR_INIT;
    str_addf(&dir, "%s/audit", data_dir);
    for (int i = 0; i < AUDIT_LOGS; i++)
        a->series[i] = (struct series){.name = audit_log_name(i), .fd = -1};
    list_init(&a->queue);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->news, NULL);
    pthread_cond_init(&a->room, NULL);
    int r = dir_make_all(dir.data, 0700, err);
    a->dir = str_take(&dir);
    if (r == 0)
        r = open_all(a, err);
    if (r == 0 && pthread_create(&a->thread, NULL, run, a) != 0)
        r = fail(err, E_IO, "no thread for the audit log");
    if (r < 0) {
        close_all(a);
        free(a->dir);
        free(a);
        return r;
    }
    *ret = a;
    return 0;
}

static void append(struct audit *a, struct audit_entry *entry)
{
    pthread_mutex_lock(&a->lock);
    while (a->queued >= AUDIT_QUEUE_MAX)
        pthread_cond_wait(&a->room, &a->lock);
    list_append(&a->queue, &entry->link);
    a->queued++;
    pthread_cond_signal(&a->news);
    pthread_mutex_unlock(&a->lock);
}

void audit_add(struct audit *a, struct audit_entry *entry)
{
    if (a)
        append(a, entry);
    else
        entry->release(entry);
}

void audit_tell(struct audit *a, const struct audit_event *event)
{
    if (!a)
        return;
    struct told *t = xcalloc(1, sizeof(*t));
    t->log = event->log;
    make_line(&t->line, event);
    append(a, &t->entry);
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->closing = true;
    pthread_cond_signal(&a->news);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    close_all(a);
    pthread_cond_destroy(&a->news);
    pthread_cond_destroy(&a->room);
    pthread_mutex_destroy(&a->lock);
    free(a->dir);
    free(a);
}
