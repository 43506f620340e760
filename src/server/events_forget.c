/* Old events go a few rows at a time: a worker finds them at the old end of the history, the
 * state thread removes them with its next batch, and so on until the rest is young. */
#include <stdlib.h>

#include "event.h"
#include "log.h"
#include "server_private.h"

#define LOOK_EVERY_MS (60 * 1000)

struct events_forget {
    struct wake wake;
    struct job job; /* one of both is under way, or neither */
    struct core_task task;
    struct server *server;
    struct event_bounds bounds;
    struct arena arena; /* of keys */
    struct string_list keys;
};

/* State thread. */
static void look(struct core *core, struct wake *w)
{
    struct events_forget *f = list_entry(w, struct events_forget, wake);
    core_event_bounds(core, &f->bounds);
    workers_submit(f->server->workers, &f->job);
}

/* The commit is over when this is delivered: the next look finds what is behind. */
static void removed(struct outbound *out)
{
    struct events_forget *f = list_entry(out, struct events_forget, task.reply);
    workers_submit(f->server->workers, &f->job);
}

/* State thread. */
static void forget(struct core *core, struct core_task *task)
{
    struct events_forget *f = list_entry(task, struct events_forget, task);
    core_event_forget(core, &f->keys);
    if (!f->keys.n)
        wake_at(core, &f->wake, core_now_ms(core) + LOOK_EVERY_MS);
    else
        f->task.reply.deliver = removed;
    arena_reset(&f->arena);
    if (f->keys.n)
        core_send(core, &f->task.reply);
}

/* A worker. */
static void find(struct job *job)
{
    struct events_forget *f = list_entry(job, struct events_forget, job);
    struct error err = ERROR_INIT;
    if (event_history_old(f->server->store, &f->bounds, &f->arena, &f->keys, &err) < 0) {
        log_line(LOG_ERROR, "old events can't be read", "error", err.text, NULL);
        f->keys.n = 0;
    }
    f->task.run = forget;
    f->task.reply.deliver = NULL;
    shell_submit(f->server->shell, &f->task);
}

struct events_forget *events_forget_new(struct server *s)
{
    struct events_forget *f = xcalloc(1, sizeof(*f));
    f->server = s;
    f->job.run = find;
    wake_init(&f->wake, look);
    wake_at(s->core, &f->wake, core_now_ms(s->core) + LOOK_EVERY_MS);
    return f;
}

void events_forget_free(struct events_forget *f)
{
    if (!f)
        return;
    wake_cancel(f->server->core, &f->wake);
    arena_free(&f->arena);
    free(f);
}
