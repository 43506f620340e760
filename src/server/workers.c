#include "workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "arena.h"

#define MAX_THREADS 64

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wakes;
    struct list jobs;
    bool stopping;
    unsigned count;
    pthread_t threads[MAX_THREADS];
};

static void *worker_main(void *arg)
{
    struct workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (list_empty(&w->jobs) && !w->stopping)
            pthread_cond_wait(&w->wakes, &w->lock);
        if (list_empty(&w->jobs))
            break;
        struct job *job = list_entry(list_first(&w->jobs), struct job, link);
        list_remove(&job->link);
        pthread_mutex_unlock(&w->lock);
        job->run(job);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int workers_start(unsigned threads, struct workers **ret, struct error *err)
{
    struct workers *w = xcalloc(1, sizeof(*w));
    list_init(&w->jobs);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wakes, NULL);
    while (w->count < threads && w->count < MAX_THREADS) {
        int r = pthread_create(&w->threads[w->count], NULL, worker_main, w);
        if (r != 0) {
            workers_stop(w);
            return fail_errno(err, r, "start a worker thread");
        }
        pthread_setname_np(w->threads[w->count++], "worker");
    }
    *ret = w;
    return 0;
}

void workers_submit(struct workers *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    list_append(&w->jobs, &job->link);
    pthread_cond_signal(&w->wakes);
    pthread_mutex_unlock(&w->lock);
}

void workers_stop(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->wakes);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->wakes);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
