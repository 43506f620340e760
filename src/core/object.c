#include "object.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core_private.h"

/* An arena may hold this much more than its record before it is copied: most records are
 * saved a handful of times, and a copy costs as much as an encode. */
#define COMPACT_SLACK_BYTES 8192

static int object_order(const struct object *a, const struct object *b)
{
    return strcmp(a->key, b->key);
}

TREE_GENERATE(object_tree, object, node, object_order)

struct table *table_add(struct core *core, const struct table_type *type)
{
    struct table *t = xcalloc(1, sizeof(*t));
    t->type = type;
    RB_INIT(&t->objects);
    list_append(&core->tables, &t->link);
    return t;
}

static void **record_slot(const struct object *o)
{
    return (void **)(void *)((char *)(uintptr_t)o + o->table->type->record_offset);
}

void *object_record(const struct object *o)
{
    return *record_slot(o);
}

static struct object *object_make(struct table *t, const char *key)
{
    struct object *o = xcalloc(1, t->type->object_size);
    o->table = t;
    o->key = xstrdup(key);
    list_init(&o->dirty);
    *record_slot(o) = arena_alloc(&o->arena, t->type->shape->size);
    o->record_size = o->arena.used_bytes;
    struct object *old = RB_INSERT(object_tree, &t->objects, o);
    assert(!old);
    (void)old;
    t->count++;
    return o;
}

void *object_new(struct core *core, struct table *table, const char *key)
{
    (void)core;
    assert(str_starts(key, table->type->prefix));
    return object_make(table, key);
}

void object_save(struct core *core, struct object *o)
{
    if (list_empty(&o->dirty))
        list_append(&core->dirty, &o->dirty);
}

static void object_release(struct object *o)
{
    RB_REMOVE(object_tree, &o->table->objects, o);
    o->table->count--;
    list_remove(&o->dirty);
    arena_free(&o->arena);
    free(o->key);
    free(o);
}

void object_delete(struct core *core, struct object *o)
{
    if (o->stored)
        store_batch_remove(&core_current_batch(core)->writes, o->key);
    if (o->table->type->unlink)
        o->table->type->unlink(core, o);
    object_release(o);
}

void object_rename(struct core *core, struct object *o, const char *key)
{
    struct table *t = o->table;
    assert(str_starts(key, t->type->prefix));
    if (o->stored)
        store_batch_remove(&core_current_batch(core)->writes, o->key);
    RB_REMOVE(object_tree, &t->objects, o);
    free(o->key);
    o->key = xstrdup(key);
    struct object *old = RB_INSERT(object_tree, &t->objects, o);
    assert(!old);
    (void)old;
    o->stored = false;
    object_save(core, o);
}

static void compact(struct object *o)
{
    if (o->arena.used_bytes <= 2 * o->record_size + COMPACT_SLACK_BYTES)
        return;
    struct arena fresh = ARENA_INIT;
    *record_slot(o) = wire_copy(&fresh, o->table->type->shape, object_record(o));
    arena_free(&o->arena);
    o->arena = fresh;
    o->record_size = fresh.used_bytes;
}

void objects_flush(struct core *core)
{
    if (list_empty(&core->dirty))
        return;
    struct core_batch *batch = core_current_batch(core);
    AUTO_STR text = STR_INIT;
    while (!list_empty(&core->dirty)) {
        struct object *o = list_entry(list_first(&core->dirty), struct object, dirty);
        list_remove(&o->dirty);
        str_clear(&text);
        wire_json_encode(&text, o->table->type->shape, object_record(o));
        store_batch_put(&batch->writes, o->key, text.data, text.len);
        o->stored = true;
        compact(o);
    }
}

void *table_find(const struct table *table, const char *key)
{
    struct object want = {.key = (char *)(uintptr_t)key};
    return RB_FIND(object_tree, (struct object_tree *)(uintptr_t)&table->objects, &want);
}

void *table_next(const struct table *table, const char *prefix, const char *after)
{
    struct object want = {.key = (char *)(uintptr_t)after};
    struct object_tree *tree = (struct object_tree *)(uintptr_t)&table->objects;
    struct object *o = RB_NFIND(object_tree, tree, &want);
    if (o && streq(o->key, after))
        o = RB_NEXT(object_tree, tree, o);
    return o && str_starts(o->key, prefix) ? o : NULL;
}

size_t table_count(const struct table *table)
{
    return table->count;
}

const char *object_name(const struct object *o)
{
    return o->key + strlen(o->table->type->prefix);
}

/* ---- loading and freeing ---- */

struct loader {
    struct table *table;
};

static int load_one(void *ctx, const char *key, const void *value, size_t len,
                    struct error *err)
{
    struct loader *l = ctx;
    struct object *o = object_make(l->table, key);
    struct wire_error why;
    int r = wire_json_decode(&o->arena, l->table->type->shape, value, len, true,
                             record_slot(o), &why);
    if (r < 0)
        return fail(err, E_CORRUPT, "record '%s': %s", key, why.text);
    o->record_size = o->arena.used_bytes;
    o->stored = true;
    return 0;
}

int tables_load(struct core *core, struct store *store, struct error *err)
{
    list_for_each (it, &core->tables) {
        struct loader l = {.table = list_entry(it, struct table, link)};
        int r = store_load_all(store, l.table->type->prefix, load_one, &l, err);
        if (r < 0)
            return wrap(err, "loading '%s'", l.table->type->prefix);
        if (!l.table->type->loaded)
            continue;
        struct object *o, *next;
        RB_FOREACH_SAFE (o, object_tree, &l.table->objects, next) {
            r = l.table->type->loaded(core, o, err);
            if (r < 0)
                return wrap(err, "record '%s'", o->key);
        }
    }
    return 0;
}

static void table_free(struct core *core, struct table *t)
{
    struct object *o, *next;
    RB_FOREACH_SAFE (o, object_tree, &t->objects, next) {
        if (t->type->unlink)
            t->type->unlink(core, o);
        object_release(o);
    }
    free(t);
}

/* Backwards: what was loaded last links to what was loaded before. */
void tables_free(struct core *core)
{
    while (!list_empty(&core->tables)) {
        struct table *t = list_entry(core->tables.prev, struct table, link);
        list_remove(&t->link);
        table_free(core, t);
    }
}
