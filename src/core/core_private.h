/* core_private.h: what core.c, object.c and wake.c share: the core's inside.
 * Nobody outside src/core includes this. Threads: state thread. Fails: never. */
#pragma once

#include "core.h"
#include "object.h"

RB_HEAD(timer_tree, wake);
RB_HEAD(object_tree, object);

struct table {
    const struct table_type *type;
    struct object_tree objects;
    size_t count;
    struct list link;
};

struct core_service {
    const void *key;
    void *state;
    void (*free_state)(void *state);
};

#define CORE_MAX_SERVICES 64

struct core {
    struct core_config config;
    struct outside outside;
    int64_t now_ms;
    struct arena scratch;
    struct list tables; /* struct table.link, in order of table_add() */
    struct list dirty;  /* struct object.dirty */
    struct list ready;  /* struct wake.ready */
    struct timer_tree timers;
    uint64_t wake_seq;
    struct core_batch *batch; /* being filled; NULL when empty */
    struct core_service services[CORE_MAX_SERVICES];
    unsigned service_count;
    void (*account_begins)(struct core *, const char *account, const char *region);
    const struct access_judge *judge; /* NULL: everything is allowed */
    const struct role_ops *role_ops;   /* NULL: no role can be had */
    struct list subscribers; /* struct event_subscriber.link */
    int64_t event_ms;        /* of the last event: the next one is not earlier */
    uint64_t event_number;   /* same: the next one has the next number */
};

/* The batch being filled, made on first use. */
struct core_batch *core_current_batch(struct core *core);
/* Encodes every dirty object into the current batch. */
void objects_flush(struct core *core);
void tables_free(struct core *core);
int tables_load(struct core *core, struct store *store, struct error *err);
/* Where the history goes on. */
int events_load(struct core *core, struct store *store, struct error *err);
