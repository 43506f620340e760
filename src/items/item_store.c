/* The threads of the store.
 *
 * A group is one transaction of the writer: what waits when it begins and what comes while it
 * runs, up to GROUP_JOBS jobs and about GROUP_BYTES. When the transaction as a whole is lost
 * (the commit failed, or the disk ended it), all of the group fails, also who was refused: that
 * refusal may have been caused by a write which is gone. */
#include "item_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "fd.h"
#include "item_tx.h"
#include "str.h"

#define READERS_MAX 16
#define GROUP_JOBS  512
#define GROUP_BYTES (8 * 1024 * 1024)

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct list jobs; /* struct item_job.link */
    bool closing;
    uint64_t count, commits;
};

struct worker {
    struct item_store *store;
    struct queue *queue;
    struct item_tx *tx;
    pthread_t thread;
    bool started;
};

struct item_store {
    struct queue reads, writes;
    struct worker writer, readers[READERS_MAX];
    unsigned reader_count;
    char *dir;
    uint64_t reserve_bytes;
};

/* ---- queues ---- */

static void queue_init(struct queue *q)
{
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->news, NULL);
    list_init(&q->jobs);
}

static void queue_fini(struct queue *q)
{
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->news);
}

static void queue_add(struct queue *q, struct item_job *job)
{
    pthread_mutex_lock(&q->lock);
    list_append(&q->jobs, &job->link);
    q->count++;
    pthread_cond_signal(&q->news);
    pthread_mutex_unlock(&q->lock);
}

/* NULL: none is there (without `wait`), or the store closes. */
static struct item_job *queue_take(struct queue *q, bool wait)
{
    pthread_mutex_lock(&q->lock);
    while (wait && list_empty(&q->jobs) && !q->closing)
        pthread_cond_wait(&q->news, &q->lock);
    struct list *first = list_first(&q->jobs);
    if (first)
        list_remove(first);
    pthread_mutex_unlock(&q->lock);
    return first ? list_entry(first, struct item_job, link) : NULL;
}

static void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    pthread_cond_broadcast(&q->news);
    pthread_mutex_unlock(&q->lock);
}

/* ---- readers ---- */

static void read_one(struct item_tx *tx, struct item_job *job)
{
    struct error err = ERROR_INIT;
    int r = item_tx_begin(tx, &err);
    if (r == 0) {
        r = job->run(job, tx, &err);
        item_tx_rollback(tx);
    }
    job->done(job, r, &err);
}

static void *reader_main(void *arg)
{
    struct worker *w = arg;
    struct item_job *job;
    while ((job = queue_take(w->queue, true)))
        read_one(w->tx, job);
    return NULL;
}

/* ---- the writer ---- */

/* A group and the reasons of those in it that failed, beside it: few do. */
struct group {
    struct list jobs;
    struct error *errors; /* by number of the job */
    size_t n, cap;
};

/* What the file system does not tell counts as room: the writing itself will say. */
static bool has_room(const struct item_store *s)
{
    struct statvfs v;
    return statvfs(s->dir, &v) < 0 ||
           (uint64_t)v.f_bavail * v.f_frsize >= s->reserve_bytes;
}

/* Runs it in a savepoint. Negative: the transaction itself is gone. */
static int run_one(struct item_tx *tx, struct item_job *job, struct error *job_err,
                   struct error *err)
{
    int r = item_tx_save(tx, err);
    if (r < 0)
        return r;
    job->result = job->run(job, tx, job_err);
    if (!item_tx_is_open(tx))
        return fail(err, job->result == -E_FULL ? E_FULL : E_IO,
                    "a transaction was lost: %s", job_err->text);
    return job->result < 0 ? item_tx_undo(tx, err) : item_tx_release(tx, err);
}

static struct error *group_add(struct group *g, struct item_job *job)
{
    list_append(&g->jobs, &job->link);
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 8;
        g->errors = xrealloc(g->errors, g->cap * sizeof(*g->errors));
    }
    struct error *e = &g->errors[g->n++];
    e->code = E_OK;
    e->sys_errno = 0;
    e->text[0] = '\0';
    return e;
}

static int run_group(struct worker *w, struct item_job *job, struct group *g,
                     struct error *err)
{
    bool room = has_room(w->store);
    int r = item_tx_begin(w->tx, err);
    bool open = r == 0;
    while (job) {
        struct error *job_err = group_add(g, job);
        if (r == 0 && !room && !job->frees)
            job->result =
                fail(job_err, E_FULL, "no room for items in '%s'", w->store->dir);
        else if (r == 0)
            r = run_one(w->tx, job, job_err, err);
        bool more = r == 0 && g->n < GROUP_JOBS && item_tx_written(w->tx) < GROUP_BYTES;
        job = more ? queue_take(w->queue, false) : NULL;
    }
    if (r == 0)
        r = item_tx_commit(w->tx, err);
    if (open)
        item_tx_rollback(w->tx);
    return r;
}

static void end_group(struct group *g, int r, const struct error *err)
{
    size_t i = 0;
    list_for_each_safe (it, &g->jobs) {
        struct item_job *job = list_entry(it, struct item_job, link);
        list_remove(it);
        if (r < 0)
            job->done(job, r, err);
        else
            job->done(job, job->result, &g->errors[i]);
        i++;
    }
    g->n = 0;
}

static void *writer_main(void *arg)
{
    struct worker *w = arg;
    struct group g = {0};
    struct item_job *job;
    list_init(&g.jobs);
    while ((job = queue_take(w->queue, true))) {
        struct error err = ERROR_INIT;
        int r = run_group(w, job, &g, &err);
        pthread_mutex_lock(&w->queue->lock);
        w->queue->commits += r == 0;
        pthread_mutex_unlock(&w->queue->lock);
        end_group(&g, r, &err);
    }
    free(g.errors);
    return NULL;
}

/* ---- life ---- */

static int worker_start(struct item_store *s, struct worker *w, struct queue *queue,
                        const char *path, void *(*main)(void *), const char *name,
                        struct error *err)
{
    w->store = s;
    w->queue = queue;
    int r = item_tx_open(path, main == writer_main, &w->tx, err);
    if (r < 0)
        return r;
    r = pthread_create(&w->thread, NULL, main, w);
    if (r != 0)
        return fail_errno(err, r, "start a thread of the store of items");
    w->started = true;
    pthread_setname_np(w->thread, name);
    return 0;
}

int item_store_open(const char *dir, unsigned readers, struct item_store **ret,
                    struct error *err)
{
    AUTO_STR path = STR_INIT;
    struct item_store *s = xcalloc(1, sizeof(*s));
    queue_init(&s->reads);
    queue_init(&s->writes);
    s->dir = xstrdup(dir);
    s->reserve_bytes = ITEM_RESERVE;
    str_addf(&path, "%s/dynamodb.db", dir);
    int r = dir_make_all(dir, 0700, err);
    if (r == 0)
        r = worker_start(s, &s->writer, &s->writes, path.data, writer_main, "item-writer",
                         err);
    while (r == 0 && s->reader_count < readers && s->reader_count < READERS_MAX)
        r = worker_start(s, &s->readers[s->reader_count++], &s->reads, path.data,
                         reader_main, "item-reader", err);
    if (r < 0) {
        item_store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void item_store_set_reserve(struct item_store *s, uint64_t bytes)
{
    s->reserve_bytes = bytes;
}

void item_store_read(struct item_store *s, struct item_job *job)
{
    queue_add(&s->reads, job);
}

void item_store_write(struct item_store *s, struct item_job *job)
{
    queue_add(&s->writes, job);
}

static void worker_stop(struct worker *w)
{
    if (w->started)
        pthread_join(w->thread, NULL);
    item_tx_close(w->tx);
}

void item_store_close(struct item_store *s)
{
    if (!s)
        return;
    queue_close(&s->reads);
    queue_close(&s->writes);
    for (unsigned i = 0; i < s->reader_count; i++)
        worker_stop(&s->readers[i]);
    worker_stop(&s->writer); /* last, so that its log is folded back */
    queue_fini(&s->reads);
    queue_fini(&s->writes);
    free(s->dir);
    free(s);
}

void item_store_counters(struct item_store *s, struct item_counters *ret)
{
    pthread_mutex_lock(&s->reads.lock);
    ret->reads = s->reads.count;
    pthread_mutex_unlock(&s->reads.lock);
    pthread_mutex_lock(&s->writes.lock);
    ret->writes = s->writes.count;
    ret->commits = s->writes.commits;
    pthread_mutex_unlock(&s->writes.lock);
}
