#include "shell.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* Tasks between two looks at the commit thread: keeps batches and pauses bounded. */
#define TASKS_A_ROUND 256

struct shell {
    struct core *core;
    struct store *store;
    pthread_t state_thread, commit_thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t state_wakes, commit_wakes;
    struct list inbox;            /* struct core_task.link */
    struct core_batch *in_commit; /* NULL: the commit thread is idle */
    bool stopping, state_done;
    struct shell_counters counters;
};

/* ---- commit thread ---- */

static void commit(struct shell *sh, struct core_batch *batch)
{
    struct error err;
    int64_t began = clock_mono_ns();
    core_batch_encode(batch);
    if (batch->writes.n > 0 && store_commit(sh->store, &batch->writes, &err) < 0) {
        log_line(LOG_ERROR, "state could not be made durable; the server ends", "error",
                 err.text, NULL);
        _exit(70);
    }
    pthread_mutex_lock(&sh->lock);
    sh->counters.commits += batch->writes.n > 0;
    sh->counters.writes += batch->writes.n;
    sh->counters.batch_bytes += batch->writes.size_bytes;
    sh->counters.commit_ns += (uint64_t)(clock_mono_ns() - began);
    pthread_mutex_unlock(&sh->lock);
    core_batch_deliver(batch);
}

static void *commit_main(void *arg)
{
    struct shell *sh = arg;
    pthread_mutex_lock(&sh->lock);
    for (;;) {
        while (!sh->in_commit && !sh->state_done)
            pthread_cond_wait(&sh->commit_wakes, &sh->lock);
        struct core_batch *batch = sh->in_commit;
        if (!batch)
            break;
        pthread_mutex_unlock(&sh->lock);
        commit(sh, batch);
        pthread_mutex_lock(&sh->lock);
        sh->in_commit = NULL;
        pthread_cond_signal(&sh->state_wakes);
    }
    pthread_mutex_unlock(&sh->lock);
    return NULL;
}

/* ---- state thread ---- */

/* Takes up to a round of tasks from the inbox. */
static void take_round(struct shell *sh, struct list *ret)
{
    list_init(ret);
    for (int i = 0; i < TASKS_A_ROUND && !list_empty(&sh->inbox); i++) {
        struct list *first = list_first(&sh->inbox);
        list_remove(first);
        list_append(ret, first);
        sh->counters.tasks++;
    }
}

static void hand_over(struct shell *sh)
{
    if (sh->in_commit || !core_has_batch(sh->core))
        return;
    sh->in_commit = core_take_batch(sh->core);
    pthread_cond_signal(&sh->commit_wakes);
}

/* Sleeps until there is something to do; the lock is held. */
static void wait_for_work(struct shell *sh)
{
    int64_t due_ms = core_next_wake_ms(sh->core);
    if (due_ms == INT64_MAX) {
        pthread_cond_wait(&sh->state_wakes, &sh->lock);
        return;
    }
    int64_t left_ms = due_ms - clock_wall_ms();
    if (left_ms <= 0)
        return;
    /* Wall time may be set back while we wait: look again at least once a minute. */
    if (left_ms > 60 * 1000)
        left_ms = 60 * 1000;
    int64_t until_ns = clock_mono_ns() + left_ms * 1000000;
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_cond_timedwait(&sh->state_wakes, &sh->lock, &until);
}

static void *state_main(void *arg)
{
    struct shell *sh = arg;
    bool more = true;
    pthread_mutex_lock(&sh->lock);
    for (;;) {
        struct list round;
        take_round(sh, &round);
        if (list_empty(&round) && !more) {
            if (sh->stopping && !core_has_batch(sh->core) && !sh->in_commit)
                break;
            wait_for_work(sh);
            take_round(sh, &round);
        }
        pthread_mutex_unlock(&sh->lock);
        list_for_each_safe (it, &round) {
            list_remove(it);
            core_execute(sh->core, list_entry(it, struct core_task, link));
        }
        more = core_react(sh->core, 0);
        pthread_mutex_lock(&sh->lock);
        hand_over(sh);
    }
    sh->state_done = true;
    pthread_cond_signal(&sh->commit_wakes);
    pthread_mutex_unlock(&sh->lock);
    return NULL;
}

/* ---- */

int shell_start(struct core *core, struct store *store, struct shell **ret,
                struct error *err)
{
    struct shell *sh = xcalloc(1, sizeof(*sh));
    pthread_condattr_t attr;
    sh->core = core;
    sh->store = store;
    list_init(&sh->inbox);
    pthread_mutex_init(&sh->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&sh->state_wakes, &attr);
    pthread_cond_init(&sh->commit_wakes, &attr);
    pthread_condattr_destroy(&attr);
    *ret = sh; /* before the first task runs: it may already want to submit another */
    int r = pthread_create(&sh->commit_thread, NULL, commit_main, sh);
    if (r == 0)
        r = pthread_create(&sh->state_thread, NULL, state_main, sh);
    if (r != 0) /* the process ends soon after; a lone commit thread just sleeps */
        return fail_errno(err, r, "start the state thread");
    pthread_setname_np(sh->state_thread, "state");
    pthread_setname_np(sh->commit_thread, "commit");
    return 0;
}

void shell_submit(struct shell *sh, struct core_task *task)
{
    pthread_mutex_lock(&sh->lock);
    list_append(&sh->inbox, &task->link);
    pthread_cond_signal(&sh->state_wakes);
    pthread_mutex_unlock(&sh->lock);
}

void shell_stop(struct shell *sh)
{
    if (!sh)
        return;
    pthread_mutex_lock(&sh->lock);
    sh->stopping = true;
    pthread_cond_signal(&sh->state_wakes);
    pthread_mutex_unlock(&sh->lock);
    pthread_join(sh->state_thread, NULL);
    pthread_join(sh->commit_thread, NULL);
}

void shell_free(struct shell *sh)
{
    if (!sh)
        return;
    pthread_cond_destroy(&sh->state_wakes);
    pthread_cond_destroy(&sh->commit_wakes);
    pthread_mutex_destroy(&sh->lock);
    free(sh);
}

void shell_counters(struct shell *sh, struct shell_counters *ret)
{
    pthread_mutex_lock(&sh->lock);
    *ret = sh->counters;
    pthread_mutex_unlock(&sh->lock);
}
