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

struct audit {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news, room;
    struct list queue; /* struct audit_entry.link */
    size_t queued;
    bool closing;
    /* the thread's own */
    char *dir;
    int fd;
    int64_t size;
    uint64_t lost;
    int64_t complained_ns;
};

/* ---- files ---- */

static void path_of(const struct audit *a, unsigned number, struct str *ret)
{
    str_clear(ret);
    if (number)
        str_addf(ret, "%s/audit.%u.jsonl", a->dir, number);
    else
        str_addf(ret, "%s/audit.jsonl", a->dir);
}

static int file_open(struct audit *a, struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct stat st;
    path_of(a, 0, &path);
    a->fd = open(path.data, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (a->fd < 0)
        return fail_errno(err, errno, "open '%s'", path.data);
    a->size = fstat(a->fd, &st) == 0 ? st.st_size : 0;
    return 0;
}

static void rotate(struct audit *a)
{
    AUTO_STR from = STR_INIT;
    AUTO_STR to = STR_INIT;
    fd_close(&a->fd);
    for (unsigned i = AUDIT_FILES - 1; i > 0; i--) {
        path_of(a, i - 1, &from);
        path_of(a, i, &to);
        (void)rename(from.data, to.data); /* not there yet: nothing to move */
    }
    (void)file_open(a, NULL); /* tried again with the next line */
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

static void write_line(struct audit *a, const struct str *line)
{
    if (a->size + (int64_t)line->len > AUDIT_FILE_MAX)
        rotate(a);
    if (a->fd < 0 && file_open(a, NULL) < 0) {
        complain(a, errno);
        return;
    }
    ssize_t n = write(a->fd, line->data, line->len);
    if (n == (ssize_t)line->len) {
        a->size += n;
        return;
    }
    int why = n < 0 ? errno : ENOSPC;
    if (n > 0 && ftruncate(a->fd, a->size) < 0)
        a->size += n; /* half a line stays: readers pass over it */
    complain(a, why);
}

/* ---- the thread ---- */

static void handle(struct audit *a, struct audit_entry *e)
{
    AUTO_STR line = STR_INIT;
    char id[CALL_REQUEST_ID_SIZE];
    request_id_make(id);
    audit_line(&line, e->call, id, clock_wall_ms());
    e->release(e);
    write_line(a, &line);
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
    a->fd = -1;
    list_init(&a->queue);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->news, NULL);
    pthread_cond_init(&a->room, NULL);
    int r = dir_make_all(dir.data, 0700, err);
    a->dir = str_take(&dir);
    if (r == 0)
        r = file_open(a, err);
    if (r == 0 && pthread_create(&a->thread, NULL, run, a) != 0)
        r = fail(err, E_IO, "no thread for the audit log");
    if (r < 0) {
        fd_close(&a->fd);
        free(a->dir);
        free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void audit_add(struct audit *a, struct audit_entry *entry)
{
    if (!a) {
        entry->release(entry);
        return;
    }
    pthread_mutex_lock(&a->lock);
    while (a->queued >= AUDIT_QUEUE_MAX)
        pthread_cond_wait(&a->room, &a->lock);
    list_append(&a->queue, &entry->link);
    a->queued++;
    pthread_cond_signal(&a->news);
    pthread_mutex_unlock(&a->lock);
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
    fd_close(&a->fd);
    pthread_cond_destroy(&a->news);
    pthread_cond_destroy(&a->room);
    pthread_mutex_destroy(&a->lock);
    free(a->dir);
    free(a);
}
