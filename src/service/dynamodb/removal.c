/* Rows of tables and indexes that are gone: removed a few at a time, between the writes of
 * others, and after a restart from where they are. */
#include <stdio.h>
#include <stdlib.h>

#include "item_table.h"

#define STEP_ROWS 250
#define AGAIN_MS  (30 * 1000) /* after the disk said no */

struct removal {
    struct object o;
    struct gantry_dynamodb_removal_record *rec;
    struct wake wake;
    struct dynamodb *service;
    int64_t *spaces; /* as of rec, for the store's thread */
    size_t n, at;
    struct outbound begin;
    struct item_job job;
    bool failed;
    struct core_task ended;
};

/* ---- the store's thread ---- */

static int step(struct item_job *job, struct item_tx *tx, struct error *err)
{
    struct removal *m = list_entry(job, struct removal, job);
    if (m->at == m->n)
        return 0;
    int r = rows_forget(tx, (uint64_t)m->spaces[m->at], STEP_ROWS, err);
    m->at += r == 0;
    return r < 0 ? r : 0;
}

static void step_done(struct item_job *job, int result, const struct error *err)
{
    struct removal *m = list_entry(job, struct removal, job);
    m->failed = result < 0;
    if (!m->failed && m->at < m->n)
        item_store_write(m->service->settings.items, job);
    else
        m->service->settings.submit(m->service->settings.ctx, &m->ended);
}

/* ---- commit thread ---- */

static void begin(struct outbound *out)
{
    struct removal *m = list_entry(out, struct removal, begin);
    item_store_write(m->service->settings.items, &m->job);
}

/* ---- state thread ---- */

static void ended(struct core *core, struct core_task *task)
{
    struct removal *m = list_entry(task, struct removal, ended);
    if (m->failed)
        wake_at(core, &m->wake, core_now_ms(core) + AGAIN_MS);
    else
        object_delete(core, &m->o);
}

static void run(struct core *core, struct wake *w)
{
    struct removal *m = list_entry(w, struct removal, wake);
    m->at = 0;
    m->begin.deliver = begin;
    m->job = (struct item_job){.run = step, .done = step_done, .frees = true};
    m->ended = (struct core_task){.run = ended};
    core_send(core, &m->begin);
}

static void start(struct core *core, struct removal *m)
{
    m->service = dynamodb_of(core);
    m->n = m->rec->spaces.n;
    m->spaces = xcalloc(m->n + 1, sizeof(*m->spaces));
    for (size_t i = 0; i < m->n; i++)
        m->spaces[i] = m->rec->spaces.v[i];
    wake_init(&m->wake, run);
}

static int removal_loaded(struct core *core, struct object *o, struct error *err)
{
    struct removal *m = (struct removal *)o;
    start(core, m);
    wake_now(core, &m->wake);
    return 0;
}

static void removal_unlink(struct core *core, struct object *o)
{
    struct removal *m = (struct removal *)o;
    wake_cancel(core, &m->wake);
    free(m->spaces);
}

const struct table_type removal_table = {
    .prefix = "/dynamodb/removal/",
    .shape = &gantry_dynamodb_removal_record_shape,
    .object_size = sizeof(struct removal),
    .record_offset = offsetof(struct removal, rec),
    .loaded = removal_loaded,
    .unlink = removal_unlink,
};

/* It begins within the batch of what it is about: behind all calls that were before it. */
void removal_new(struct core *core, const int64_t *spaces, size_t n)
{
    char key[64];
    snprintf(key, sizeof(key), "%s%lld", removal_table.prefix, (long long)spaces[0]);
    struct removal *m = object_new(core, dynamodb_of(core)->removals, key);
    for (size_t i = 0; i < n; i++)
        *LIST_PUSH(&m->o.arena, &m->rec->spaces) = spaces[i];
    object_save(core, &m->o);
    start(core, m);
    run(core, &m->wake);
}
