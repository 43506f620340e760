/* A connection. One file for all tables of all accounts; the settings, and why:
 *   journal_mode=WAL, synchronous=FULL  readers and the writer do not wait for each other; a
 *       commit is one append and one fsync of the log.
 *   wal_autocheckpoint=4000 pages (16 MiB): the log is folded back by the commit that passes
 *       the mark, so that it does not happen every few commits under load.
 *   mmap_size: readers take pages out of the page cache without a copy. */
#include "item_tx.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "str.h"

#define BUSY_TIMEOUT_MS 10000

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, space INTEGER NOT NULL,"
    " key BLOB NOT NULL, value BLOB NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS item_key ON item(space, key);"
    "CREATE TABLE IF NOT EXISTS entry(space INTEGER, key BLOB, PRIMARY KEY(space, key))"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS totals(space INTEGER PRIMARY KEY, items INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL);";

static const char settings[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                               "PRAGMA cache_size=-4096; PRAGMA mmap_size=1073741824;"
                               "PRAGMA wal_autocheckpoint=4000;"
                               "PRAGMA journal_size_limit=67108864;";

/* Prepared when a connection first needs them. */
enum statement {
    BEGIN,
    BEGIN_WRITE,
    COMMIT,
    ROLLBACK,
    SAVE,
    RELEASE,
    UNDO,
    ITEM_GET,
    ITEM_PUT,
    ITEM_REMOVE,
    ITEMS_UP,
    ITEMS_DOWN,
    ITEMS_FORGET,
    ENTRY_PUT,
    ENTRY_REMOVE,
    ENTRIES_UP,
    ENTRIES_DOWN,
    ENTRIES_FORGET,
    TOTALS_ADD,
    TOTALS_GET,
    TOTALS_FORGET,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN",
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SAVE] = "SAVEPOINT job",
    [RELEASE] = "RELEASE job",
    [UNDO] = "ROLLBACK TO job",
    [ITEM_GET] = "SELECT value FROM item WHERE space = ?1 AND key = ?2",
    [ITEM_PUT] = "INSERT INTO item(space, key, value) VALUES(?1, ?2, ?3)"
                 " ON CONFLICT(space, key) DO UPDATE SET value = excluded.value",
    [ITEM_REMOVE] = "DELETE FROM item WHERE space = ?1 AND key = ?2",
    [ITEMS_UP] = "SELECT key, value FROM item WHERE space = ?1 AND key >= ?2"
                 " AND key < ?3 ORDER BY key",
    [ITEMS_DOWN] = "SELECT key, value FROM item WHERE space = ?1 AND key >= ?2"
                   " AND key < ?3 ORDER BY key DESC",
    [ITEMS_FORGET] = "DELETE FROM item WHERE id IN"
                     " (SELECT id FROM item WHERE space = ?1 LIMIT ?2)",
    [ENTRY_PUT] = "INSERT OR IGNORE INTO entry(space, key) VALUES(?1, ?2)",
    [ENTRY_REMOVE] = "DELETE FROM entry WHERE space = ?1 AND key = ?2",
    [ENTRIES_UP] = "SELECT key FROM entry WHERE space = ?1 AND key >= ?2"
                   " AND key < ?3 ORDER BY key",
    [ENTRIES_DOWN] = "SELECT key FROM entry WHERE space = ?1 AND key >= ?2"
                     " AND key < ?3 ORDER BY key DESC",
    [ENTRIES_FORGET] = "DELETE FROM entry WHERE space = ?1 AND key IN"
                       " (SELECT key FROM entry WHERE space = ?1 LIMIT ?2)",
    [TOTALS_ADD] = "INSERT INTO totals(space, items, bytes) VALUES(?1, ?2, ?3)"
                   " ON CONFLICT(space) DO UPDATE SET items = items + excluded.items,"
                   " bytes = bytes + excluded.bytes",
    [TOTALS_GET] = "SELECT items, bytes FROM totals WHERE space = ?1",
    [TOTALS_FORGET] = "DELETE FROM totals WHERE space = ?1",
};

struct item_tx {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    bool writes;
    size_t written;
};

/* ---- the connection ---- */

static int fail_sqlite(struct item_tx *tx, const char *what, struct error *err)
{
    int rc = sqlite3_extended_errcode(tx->db), sys = sqlite3_system_errno(tx->db);
    enum error_code code = E_IO;
    if ((rc & 0xff) == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT)
        code = E_FULL;
    else if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        code = E_CORRUPT;
    return fail(err, code, "%s in the store of items: %s", what, sqlite3_errmsg(tx->db));
}

void item_tx_close(struct item_tx *tx)
{
    if (!tx)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(tx->statements[i]);
    sqlite3_close(tx->db);
    free(tx);
}

int item_tx_open(const char *path, bool writes, struct item_tx **ret, struct error *err)
{
    struct item_tx *tx = xcalloc(1, sizeof(*tx));
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
    tx->writes = writes;
    if (sqlite3_open_v2(path, &tx->db, flags | (writes ? SQLITE_OPEN_CREATE : 0), NULL) ==
            SQLITE_OK &&
        sqlite3_busy_timeout(tx->db, BUSY_TIMEOUT_MS) == SQLITE_OK &&
        sqlite3_exec(tx->db, settings, NULL, NULL, NULL) == SQLITE_OK &&
        (!writes || sqlite3_exec(tx->db, schema, NULL, NULL, NULL) == SQLITE_OK)) {
        *ret = tx;
        return 0;
    }
    int r = fail_sqlite(tx, "opening", err);
    item_tx_close(tx);
    return r;
}

/* NULL when it can't be prepared; stepping NULL is a misuse that SQLite answers. */
static sqlite3_stmt *statement(struct item_tx *tx, enum statement which)
{
    sqlite3_stmt **s = &tx->statements[which];
    if (!*s)
        sqlite3_prepare_v3(tx->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    return *s;
}

/* Steps once and leaves the statement ready for the next use. */
static int run(struct item_tx *tx, enum statement which, const char *what,
               struct error *err)
{
    sqlite3_stmt *q = statement(tx, which);
    int rc = sqlite3_step(q);
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : fail_sqlite(tx, what, err);
    sqlite3_reset(q);
    return r;
}

static void bind(sqlite3_stmt *q, int at, struct item_bytes b)
{
    sqlite3_bind_blob(q, at, b.data ? (const void *)b.data : "", (int)b.size,
                      SQLITE_STATIC);
}

static sqlite3_stmt *keyed(struct item_tx *tx, enum statement which, uint64_t space,
                           struct item_bytes key)
{
    sqlite3_stmt *q = statement(tx, which);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)space);
    bind(q, 2, key);
    return q;
}

static struct item_bytes column(sqlite3_stmt *q, int at)
{
    const void *data = sqlite3_column_blob(q, at);
    return (struct item_bytes){data, (size_t)sqlite3_column_bytes(q, at)};
}

/* ---- transactions ---- */

int item_tx_begin(struct item_tx *tx, struct error *err)
{
    tx->written = 0;
    return run(tx, tx->writes ? BEGIN_WRITE : BEGIN, "beginning", err);
}

int item_tx_commit(struct item_tx *tx, struct error *err)
{
    return run(tx, COMMIT, "committing", err);
}

bool item_tx_is_open(const struct item_tx *tx)
{
    return !sqlite3_get_autocommit(tx->db);
}

void item_tx_rollback(struct item_tx *tx)
{
    if (item_tx_is_open(tx))
        (void)run(tx, ROLLBACK, "rolling back", NULL);
}

int item_tx_save(struct item_tx *tx, struct error *err)
{
    return run(tx, SAVE, "saving", err);
}

int item_tx_release(struct item_tx *tx, struct error *err)
{
    return run(tx, RELEASE, "releasing", err);
}

/* ROLLBACK TO keeps the savepoint itself. */
int item_tx_undo(struct item_tx *tx, struct error *err)
{
    int r = run(tx, UNDO, "undoing", err);
    return r < 0 ? r : item_tx_release(tx, err);
}

size_t item_tx_written(const struct item_tx *tx)
{
    return tx->written;
}

/* ---- items and entries ---- */

int row_get(struct item_tx *tx, uint64_t space, struct item_bytes key, struct arena *a,
            struct item_bytes *ret, struct error *err)
{
    sqlite3_stmt *q = keyed(tx, ITEM_GET, space, key);
    int rc = sqlite3_step(q), r = 0;
    if (rc == SQLITE_ROW) {
        struct item_bytes found = column(q, 0);
        ret->data = arena_copy(a, found.data, found.size);
        ret->size = found.size;
    } else {
        r = rc == SQLITE_DONE ? fail(err, E_NOTFOUND, "no such item")
                              : fail_sqlite(tx, "reading", err);
    }
    sqlite3_reset(q);
    return r;
}

int row_put(struct item_tx *tx, uint64_t space, struct item_bytes key,
            struct item_bytes value, struct error *err)
{
    bind(keyed(tx, ITEM_PUT, space, key), 3, value);
    tx->written += key.size + value.size;
    return run(tx, ITEM_PUT, "writing", err);
}

static int changed(struct item_tx *tx, enum statement which, uint64_t space,
                   struct item_bytes key, struct error *err)
{
    keyed(tx, which, space, key);
    tx->written += key.size;
    int r = run(tx, which, "writing", err);
    return r < 0 ? r : sqlite3_changes(tx->db) > 0;
}

int row_remove(struct item_tx *tx, uint64_t space, struct item_bytes key,
               struct error *err)
{
    return changed(tx, ITEM_REMOVE, space, key, err);
}

int entry_put(struct item_tx *tx, uint64_t space, struct item_bytes key,
              struct error *err)
{
    return changed(tx, ENTRY_PUT, space, key, err);
}

int entry_remove(struct item_tx *tx, uint64_t space, struct item_bytes key,
                 struct error *err)
{
    return changed(tx, ENTRY_REMOVE, space, key, err);
}

int rows_walk(struct item_tx *tx, const struct item_range *range, rows_visit *visit,
              void *ctx, struct error *err)
{
    static const enum statement ways[2][2] = {{ITEMS_UP, ITEMS_DOWN},
                                              {ENTRIES_UP, ENTRIES_DOWN}};
    sqlite3_stmt *q =
        keyed(tx, ways[range->entries][range->backward], range->space, range->from);
    bind(q, 3, range->to);
    int rc, r = 0;
    while (r == 0 && (rc = sqlite3_step(q)) != SQLITE_DONE)
        r = rc != SQLITE_ROW
                ? fail_sqlite(tx, "reading", err)
                : visit(ctx, column(q, 0),
                        range->entries ? (struct item_bytes){0} : column(q, 1), err);
    sqlite3_reset(q);
    return r < 0 ? r : 0;
}

/* ---- a space ---- */

static int forget(struct item_tx *tx, enum statement which, uint64_t space,
                  unsigned limit, struct error *err)
{
    sqlite3_stmt *q = statement(tx, which);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)space);
    sqlite3_bind_int64(q, 2, limit);
    int r = run(tx, which, "removing", err);
    return r < 0 ? r : sqlite3_changes(tx->db);
}

int rows_forget(struct item_tx *tx, uint64_t space, unsigned limit, struct error *err)
{
    int items = forget(tx, ITEMS_FORGET, space, limit, err);
    int entries = items < 0 ? items : forget(tx, ENTRIES_FORGET, space, limit, err);
    if (entries < 0)
        return entries;
    if (items == (int)limit || entries == (int)limit)
        return 1;
    sqlite3_bind_int64(statement(tx, TOTALS_FORGET), 1, (sqlite3_int64)space);
    return run(tx, TOTALS_FORGET, "removing", err);
}

int totals_add(struct item_tx *tx, uint64_t space, const struct item_totals *more,
               struct error *err)
{
    if (!more->rows && !more->bytes)
        return 0;
    sqlite3_stmt *q = statement(tx, TOTALS_ADD);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)space);
    sqlite3_bind_int64(q, 2, more->rows);
    sqlite3_bind_int64(q, 3, more->bytes);
    return run(tx, TOTALS_ADD, "counting", err);
}

int totals_get(struct item_tx *tx, uint64_t space, struct item_totals *ret,
               struct error *err)
{
    sqlite3_stmt *q = statement(tx, TOTALS_GET);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)space);
    int rc = sqlite3_step(q), r = 0;
    *ret = (struct item_totals){0};
    if (rc == SQLITE_ROW)
        *ret = (struct item_totals){.rows = sqlite3_column_int64(q, 0),
                                    .bytes = sqlite3_column_int64(q, 1)};
    else if (rc != SQLITE_DONE)
        r = fail_sqlite(tx, "counting", err);
    sqlite3_reset(q);
    return r;
}
