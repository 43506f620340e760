/* item_store.h: rows in the order of their keys, on disk: many readers, one writer that
 * makes what waits durable together.
 *
 * Work is a struct item_job: its run() is called on a thread of the store with a transaction,
 * its done() after that transaction ended. Work that writes runs in the order in which it was
 * handed over; what is read sees all of the work whose done() was called before.
 *
 * Owns: <dir>/dynamodb.db and its threads; jobs are the caller's, from item_store_read() or
 * item_store_write() until done().
 * What waits is bounded by who hands it over: a job is an HTTP request, of which there are so
 * many at most, or the one piece of background work of a table.
 * Threads: any may hand over work; the functions below take the transaction of the running job.
 * Fails: as noted; E_FULL no room, E_CORRUPT the file is damaged, E_IO else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "list.h"

struct item_store;
struct item_tx;

struct item_bytes {
    const uint8_t *data;
    size_t size;
};

struct item_job {
    struct list link;
    /* 0, or negative: what it wrote is taken back, and nothing that others wrote. */
    int (*run)(struct item_job *, struct item_tx *, struct error *err);
    /* What it wrote is durable (0) or taken back (negative, as run() or the commit said). On
     * the store's thread, once; the job is the caller's again. */
    void (*done)(struct item_job *, int result, const struct error *err);
    bool frees; /* it makes room: done on a full disk, too */
    int result; /* the store's own */
};

/* So much of the disk is left to others (the state of the server lies beside): work that writes
 * is refused with E_FULL when less is free. */
#define ITEM_RESERVE (64ULL * 1024 * 1024)

int item_store_open(const char *dir, unsigned readers, struct item_store **ret,
                    struct error *err);
void item_store_read(struct item_store *s, struct item_job *job);
void item_store_write(struct item_store *s, struct item_job *job);
/* Another reserve than ITEM_RESERVE, for tests. Before work is handed over. */
void item_store_set_reserve(struct item_store *s, uint64_t bytes);
/* What was handed over is done before. NULL allowed. */
void item_store_close(struct item_store *s);

struct item_counters {
    uint64_t reads, writes; /* jobs */
    uint64_t commits;       /* transactions that wrote */
};
void item_store_counters(struct item_store *s, struct item_counters *ret);

/* ---- in a job: items ---- */

/* The value, copied into the arena. -E_NOTFOUND. */
int row_get(struct item_tx *tx, uint64_t space, struct item_bytes key, struct arena *a,
             struct item_bytes *ret, struct error *err);
int row_put(struct item_tx *tx, uint64_t space, struct item_bytes key,
             struct item_bytes value, struct error *err);
/* 1: it was there; 0: it was not. */
int row_remove(struct item_tx *tx, uint64_t space, struct item_bytes key,
                struct error *err);

/* ---- entries ---- */

/* 1: it is new; 0: it was there. */
int entry_put(struct item_tx *tx, uint64_t space, struct item_bytes key,
                   struct error *err);
/* 1: it was there; 0: it was not. */
int entry_remove(struct item_tx *tx, uint64_t space, struct item_bytes key,
                      struct error *err);

/* ---- both, in order ---- */

/* from <= key < to */
struct item_range {
    uint64_t space;
    struct item_bytes from, to;
    bool backward;
    bool entries; /* and not items */
};

/* Key and value (of entries: empty) are valid during the call, in which no other walk may
 * begin; rows may be got, but not written. 0 goes on, 1 ends the walk, negative fails it. */
typedef int rows_visit(void *ctx, struct item_bytes key, struct item_bytes value,
                       struct error *err);
int rows_walk(struct item_tx *tx, const struct item_range *range, rows_visit *visit,
              void *ctx, struct error *err);

/* Removes at most `limit` rows of the space, and with the last ones its totals. 1: there are
 * more. */
int rows_forget(struct item_tx *tx, uint64_t space, unsigned limit, struct error *err);

/* ---- what a space holds, as its user counts ---- */

struct item_totals {
    int64_t rows, bytes;
};
int totals_add(struct item_tx *tx, uint64_t space, const struct item_totals *more,
                    struct error *err);
int totals_get(struct item_tx *tx, uint64_t space, struct item_totals *ret,
                    struct error *err);
