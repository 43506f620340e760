/* store.h: the durable map: what gantry remembers when its process ends.
 *
 * Keys are text ("/ecs/task/<account>/…"), values are bytes (one JSON object each). The
 * core loads everything once at its start and from then on only commits batches: a batch
 * becomes durable as a whole or not at all.
 *
 * Owns: its directory (locked: a second opener is refused) and its connection.
 * Threads: load_all and commit block on the disk and belong to one thread at a time (the
 * commit thread). store_room() and store_range() may be called from any thread while
 * another commits.
 * Fails: E_CONFLICT another process has the directory; E_FULL no room, nothing of the
 * batch was kept; E_CORRUPT the data does not pass its checks; E_UNSUPPORTED written by a
 * newer gantry; E_LIMIT key or value too long; E_IO anything else that the disk said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

#define STORE_MAX_KEY   1024              /* bytes, at least 1, no NUL */
#define STORE_MAX_VALUE (4 * 1024 * 1024) /* bytes */

/* ---- a batch: what one commit changes ---- */

struct store_change {
    const char *key;
    const void *value; /* NULL with remove; may be NULL with len 0 */
    size_t len;
    bool remove;
};

struct store_batch {
    struct arena *arena; /* holds the array and the copies; the caller's */
    struct store_change *v;
    size_t n, cap;
    size_t size_bytes; /* sum of keys and values */
};

void store_batch_init(struct store_batch *b, struct arena *a);
/* Copies key and value into the arena. Later changes of the same key win. */
void store_batch_put(struct store_batch *b, const char *key, const void *value,
                     size_t len);
/* As above without copying: both must stay until the commit returned. */
void store_batch_put_ref(struct store_batch *b, const char *key, const void *value,
                         size_t len);
void store_batch_remove(struct store_batch *b,
                        const char *key); /* absent key: no error */

/* ---- a store ---- */

struct store;

/* Called for each entry; key and value are valid during the call only. A negative return
 * ends the loading, which then returns it (fill *err). */
typedef int store_visit(void *ctx, const char *key, const void *value, size_t len,
                        struct error *err);

/* Some entries, in byte order of their keys. */
struct store_range {
    const char *from, *to; /* from <= key < to */
    bool newest_first;     /* backwards */
    size_t limit;          /* entries at most; a commit waits for as long as they take */
};

/* A backend. The contract suite in tests/unit/store runs over all of them. */
struct store_ops {
    const char *name; /* "sqlite" */

    /* Visits every entry whose key begins with prefix ("" is all), in byte order of keys,
     * as of one moment. The visitor does not call the store. */
    int (*load_all)(struct store *s, const char *prefix, store_visit *visit, void *ctx,
                    struct error *err);

    /* Visits the range as of one moment, which is between two commits. The visitor does not
     * call the store. */
    int (*range)(struct store *s, const struct store_range *range, store_visit *visit,
                 void *ctx, struct error *err);

    /* Applies the changes in order, all or nothing. After 0 they survive kill -9 and loss
     * of power. After an error the store holds what it held before, and the next commit
     * may succeed. An empty batch is success and touches nothing. */
    int (*commit)(struct store *s, const struct store_batch *b, struct error *err);

    /* Bytes that can still be written by us, as the file system sees it now. */
    int (*free_bytes)(struct store *s, uint64_t *ret, struct error *err);

    /* Writes its files anew, so that nothing that was replaced or removed is left in them.
     * Takes as long as all entries do, and their room beside them; no commit meanwhile. */
    int (*rewrite)(struct store *s, struct error *err);

    void (*close)(struct store *s); /* releases the lock and the struct */
};

struct store { /* every backend's struct begins like this */
    const struct store_ops *ops;
};

/* Opens or creates `<dir>/state.db` (SQLite); makes the directory (0700) when missing.
 * The check at open is cheap: it reads the header and schema version and not every page.
 */
int store_sqlite_open(const char *dir, struct store **ret, struct error *err);

/* Reads every page and every index (PRAGMA integrity_check): minutes on a large store, so
 * for `gantry doctor` and tests. E_CORRUPT with SQLite's first finding. */
int store_sqlite_check(struct store *s, struct error *err);

/* ---- the calls that users make ---- */

int store_load_all(struct store *s, const char *prefix, store_visit *visit, void *ctx,
                   struct error *err);
int store_commit(struct store *s, const struct store_batch *b, struct error *err);
/* Any thread. For what is read now and then and not kept in memory. */
int store_range(struct store *s, const struct store_range *range, store_visit *visit,
                void *ctx, struct error *err);

/* Is there room for need_bytes more and the reserve that a store keeps for itself
 * (STORE_RESERVE: log, checkpoint, deletes)? 0 or -E_FULL. Any thread; one statvfs(2).
 * The core asks this before it accepts what will be written, so that a full disk refuses
 * new work instead of failing what was accepted. */
#define STORE_RESERVE (16ULL * 1024 * 1024)
int store_room(struct store *s, uint64_t need_bytes, struct error *err);

/* After something that must not be read any more was replaced. */
int store_rewrite(struct store *s, struct error *err);

void store_close(struct store *s); /* NULL allowed */

/* ---- the twin in memory, for tests and the simulator ---- */

int store_memory_open(struct store **ret, struct error *err);
/* The nth commit from now (1 is the next) fails with `code` and changes nothing; 0 takes
 * the order back. */
void store_memory_fail(struct store *s, unsigned nth, enum error_code code);
/* What free_bytes answers from now on (default: 1 TiB). */
void store_memory_set_free(struct store *s, uint64_t bytes);
/* Number of commits that succeeded. */
uint64_t store_memory_commits(const struct store *s);
/* Opens a second store with the content of the first: a restart, as the disk would show
 * it. */
struct store *store_memory_clone(const struct store *s);
