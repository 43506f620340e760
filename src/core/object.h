/* object.h: stored objects in memory: one record of a generated shape under one key.
 *
 * A table holds the objects whose keys begin with its prefix, in key order: a listing is a
 * walk from a key, a page token is the last key. A service embeds `struct object` as the
 * first member of its own struct (struct task, struct cluster) and adds links and
 * counters there, which the table's `loaded` hook rebuilds after a restart.
 *
 * Memory. The record and all that it points at lie in the object's arena. A change that
 * makes a new string or list allocates it there, so old ones pile up; object_save()
 * copies the record into a fresh arena when too much has (then pointers into the old
 * record are dead: keep none across a save).
 *
 * Owns: a table owns its objects. Threads: state thread. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "list.h"
#include "tree.h"
#include "wire.h"

struct core;

struct object {
    RB_ENTRY(object) node;
    struct table *table;
    char *key;          /* the store's key; in the heap */
    struct arena arena; /* of the record */
    size_t record_size; /* arena bytes when the record was last compacted */
    struct list dirty;  /* linked when its record waits to be encoded */
    bool stored;        /* the store has, or is about to get, this key */
};

struct table_type {
    const char *prefix;             /* "/ecs/task/": unique, ends with '/' */
    const struct wire_shape *shape; /* of the record */
    size_t object_size;             /* sizeof the service's struct */
    size_t record_offset;           /* of the `struct <record> *rec` in it */
    /* After the object was loaded from the store: link it to others. Tables load in the
     * order in which they were added, so that earlier ones can be looked up. May be NULL. */
    int (*loaded)(struct core *, struct object *, struct error *err);
    /* Before the object's memory goes away: unlink it. May be NULL. */
    void (*unlink)(struct core *, struct object *);
};

struct table *table_add(struct core *core, const struct table_type *type);

/* A new object with an empty record, not yet stored. The key must be free. */
void *object_new(struct core *core, struct table *table, const char *key);
/* Its record will be written with the batch of the running task. */
void object_save(struct core *core, struct object *o);
/* It is stored under another key of its table from now on; the key must be free. What was
 * sealed under the old one (seal.h) has to be sealed again. */
void object_rename(struct core *core, struct object *o, const char *key);
/* Removes it from table and store and frees it. */
void object_delete(struct core *core, struct object *o);
void *object_record(const struct object *o);

void *table_find(const struct table *table, const char *key);
/* The first object whose key is greater than `after` and begins with `prefix`; NULL when
 * there is none. With after == prefix it is the first below the prefix. */
void *table_next(const struct table *table, const char *prefix, const char *after);
size_t table_count(const struct table *table);

/* The text after the table's prefix. */
const char *object_name(const struct object *o);
