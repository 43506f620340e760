/* What is done for a table in the background: a new index is filled with the items that are
 * there, and items whose time is over are removed.
 *
 * One piece of work a table at a time, in steps between the writes of others. A step of a
 * filling takes some items in the order of their keys and enters them into the index; what is
 * written meanwhile enters the index by itself, so it does not matter on which side of the
 * filling an item lies. A restart fills again from the beginning, which finds most entries
 * there.
 *
 * Whenever the table's description changes, the work under way ends before its next step, as it
 * would not know of a new index; what is needed then begins anew. Both go through the writer's
 * queue in the order of the changes, so no step of the old work comes behind that. */
#include <stdatomic.h>
#include <stdlib.h>

#include "item_key.h"
#include "item_row.h"
#include "item_table.h"

#define STEP_ITEMS (100)
#define STEP_BYTES (2 * 1024 * 1024)
#define SWEEP_MS   (2 * 1000)
#define AGAIN_MS   (30 * 1000) /* after the disk said no */

enum upkeep_kind { FILL_INDEX, FILL_EXPIRY, SWEEP };

struct upkeep_work {
    enum upkeep_kind kind;
    struct dynamodb *service;
    struct item_schema *schema;
    size_t index; /* of FILL_INDEX, in the schema */
    int64_t now_s;
    char *table_key; /* of the core's table */
    struct outbound begin;
    struct item_job job;
    struct core_task ended;
    atomic_bool cancelled;
    struct str cursor; /* the next key */
    bool more, failed;
};

/* ---- a step: the store's thread ---- */

struct step {
    struct arena arena;
    struct upkeep_work *work;
    struct item_bytes keys[STEP_ITEMS];
    attribute_map items[STEP_ITEMS];
    size_t n, size;
};

static int take_item(void *ctx, struct item_bytes key, struct item_bytes value,
                     struct error *err)
{
    struct step *s = ctx;
    s->keys[s->n] =
        (struct item_bytes){arena_copy(&s->arena, key.data, key.size), key.size};
    int r = item_row_decode(&s->arena, value, &s->items[s->n], err);
    s->n++;
    s->size += value.size;
    return r < 0 ? r : s->n == STEP_ITEMS || s->size > STEP_BYTES;
}

static int take_expired(void *ctx, struct item_bytes key, struct item_bytes value,
                        struct error *err)
{
    struct step *s = ctx;
    struct item_bytes item = expiry_key_item(key);
    s->keys[s->n++] =
        (struct item_bytes){arena_copy(&s->arena, item.data, item.size), item.size};
    return s->n == STEP_ITEMS;
}

static int fill(struct step *s, struct item_tx *tx, struct error *err)
{
    struct upkeep_work *w = s->work;
    struct key_bounds all = {0};
    key_bounds_scan(0, 1, &all);
    if (w->cursor.len == 0)
        str_addn(&w->cursor, all.from.data, all.from.len);
    const struct item_range range = {
        .space = w->schema->space,
        .from = {(const uint8_t *)w->cursor.data, w->cursor.len},
        .to = {(const uint8_t *)all.to.data, all.to.len},
    };
    int r = rows_walk(tx, &range, take_item, s, err);
    key_bounds_free(&all);
    for (size_t i = 0; i < s->n && r == 0; i++)
        r = item_row_enter(tx, w->schema,
                           w->kind == FILL_INDEX ? &w->schema->indexes[w->index] : NULL,
                           &s->items[i], err);
    return r;
}

static int sweep(struct step *s, struct item_tx *tx, struct error *err)
{
    const struct item_schema *schema = s->work->schema;
    AUTO_STR from = STR_INIT;
    AUTO_STR to = STR_INIT;
    expiry_key_bound(s->work->now_s - EXPIRY_PAST_SECONDS, &from);
    expiry_key_bound(s->work->now_s + 1, &to);
    const struct item_range range = {
        .space = schema->expiry_space,
        .from = {(const uint8_t *)from.data, from.len},
        .to = {(const uint8_t *)to.data, to.len},
        .entries = true,
    };
    int r = rows_walk(tx, &range, take_expired, s, err);
    for (size_t i = 0; i < s->n && r == 0; i++) {
        struct write_cost cost = {0};
        attribute_map old;
        r = item_row_read(tx, schema, s->keys[i], &s->arena, &old, err);
        if (r == 0)
            r = item_row_write(tx, schema, s->keys[i], &old, NULL, &cost, err);
    }
    return r;
}

static int step(struct item_job *job, struct item_tx *tx, struct error *err)
{
    struct upkeep_work *w = list_entry(job, struct upkeep_work, job);
    struct step s = {.work = w};
    if (atomic_load(&w->cancelled))
        return 0;
    int r = w->kind == SWEEP ? sweep(&s, tx, err) : fill(&s, tx, err);
    w->more = r == 0 && s.n > 0;
    if (w->more && w->kind != SWEEP) { /* not kept when the commit fails: then it ends */
        str_clear(&w->cursor);
        str_addn(&w->cursor, s.keys[s.n - 1].data, s.keys[s.n - 1].size);
        str_addc(&w->cursor, '\0');
    }
    arena_free(&s.arena);
    return r;
}

static void step_done(struct item_job *job, int result, const struct error *err)
{
    struct upkeep_work *w = list_entry(job, struct upkeep_work, job);
    w->failed = result < 0;
    if (!w->failed && w->more && !atomic_load(&w->cancelled))
        item_store_write(w->service->settings.items, job);
    else
        w->service->settings.submit(w->service->settings.ctx, &w->ended);
}

static void begin(struct outbound *out)
{
    struct upkeep_work *w = list_entry(out, struct upkeep_work, begin);
    item_store_write(w->service->settings.items, &w->job);
}

/* ---- the state thread ---- */

static void work_free(struct upkeep_work *w)
{
    item_schema_unref(w->schema);
    str_free(&w->cursor);
    free(w->table_key);
    free(w);
}

static void index_filled(struct item_table *t, const char *name)
{
    struct dynamodb_global_secondary_index_description_list *l =
        &t->rec->table->global_secondary_indexes;
    for (size_t i = 0; i < t->rec->indexes.n; i++)
        if (streq(t->rec->indexes.v[i].name, name))
            t->rec->indexes.v[i].filled = SET_BOOL(true);
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i].index_name, name)) {
            l->v[i].index_status = DYNAMODB_INDEX_STATUS_ACTIVE;
            l->v[i].backfilling = (struct opt_bool){0};
        }
    t->rec->table->table_status = DYNAMODB_TABLE_STATUS_ACTIVE;
}

static void ended(struct core *core, struct core_task *task)
{
    struct upkeep_work *w = list_entry(task, struct upkeep_work, ended);
    struct item_table *t = table_find(w->service->tables, w->table_key);
    if (t && t->work == w) { /* and not another one by now */
        t->work = NULL;
        if (w->failed) {
            wake_at(core, &t->upkeep, core_now_ms(core) + AGAIN_MS);
        } else if (w->kind == SWEEP) {
            wake_at(core, &t->upkeep, core_now_ms(core) + SWEEP_MS);
        } else {
            if (w->kind == FILL_INDEX)
                index_filled(t, w->schema->indexes[w->index].name);
            else
                t->rec->expiry->filled = SET_BOOL(true);
            item_table_changed(core, t);
        }
    }
    work_free(w);
}

static void work_begin(struct core *core, struct item_table *t, enum upkeep_kind kind,
                       size_t index)
{
    struct upkeep_work *w = xcalloc(1, sizeof(*w));
    w->kind = kind;
    w->index = index;
    w->service = dynamodb_of(core);
    w->schema = item_schema_ref(t->schema);
    w->now_s = core_now_ms(core) / 1000;
    w->table_key = xstrdup(t->o.key);
    w->begin.deliver = begin;
    w->job = (struct item_job){.run = step, .done = step_done, .frees = kind == SWEEP};
    w->ended = (struct core_task){.run = ended};
    atomic_init(&w->cancelled, false);
    t->work = w;
    core_send(core, &w->begin);
}

static void run(struct core *core, struct wake *wake)
{
    struct item_table *t = list_entry(wake, struct item_table, upkeep);
    const struct item_schema *s = t->schema;
    if (t->work)
        return;
    for (size_t i = 0; i < s->index_count; i++)
        if (!s->indexes[i].filled) {
            work_begin(core, t, FILL_INDEX, i);
            return;
        }
    if (s->expiry_attribute)
        work_begin(core, t, s->expiry_filled ? SWEEP : FILL_EXPIRY, 0);
}

void table_upkeep_stop(struct core *core, struct item_table *t)
{
    if (t->work)
        atomic_store(&t->work->cancelled, true); /* it frees itself when it ends */
    t->work = NULL;
    if (t->upkeep.run)
        wake_cancel(core, &t->upkeep);
}

void table_upkeep_start(struct core *core, struct item_table *t)
{
    table_upkeep_stop(core, t);
    wake_init(&t->upkeep, run);
    wake_now(core, &t->upkeep);
}
