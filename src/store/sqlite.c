/* The durable map in SQLite.
 *
 * One table in one file: entry(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID, so that a
 * put is one B-tree and load_all in key order is one walk. The settings, and why:
 *   journal_mode=WAL, synchronous=FULL  a commit is one append and one fsync of the log.
 *       NORMAL would skip that fsync and could lose the last commits with the power.
 *   locking_mode=EXCLUSIVE, set before WAL is entered: the WAL index lies in our heap and
 *       not in a shared mapping, and no other process can slip in between two commits.
 *   wal_autocheckpoint=1000 pages (4 MiB): the log is folded back by the commit that
 * passes the mark. journal_size_limit cuts it again after a burst. cache_size=2 MiB:
 * nothing is read after the start, a larger cache only costs memory. Two servers:
 * SQLite's own locks would only fail the second one's first write, late and with a text
 * about a busy database. flock(2) on <dir>/lock says it at once; the kernel drops it with
 * the last descriptor, so kill -9 leaves no stale lock.
 *
 * There is one connection, as the exclusive lock shuts out a second one of our own too; a
 * mutex lets readers of ranges in between two commits.
 *
 * Keys compare as bytes (BINARY collation), which is also strcmp()'s order. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fd.h"
#include "store.h"

#define SCHEMA_VERSION  1
#define APPLICATION_ID  0x676e7472 /* "gntr": file(1) and we know our own */
#define BUSY_TIMEOUT_MS 2000       /* a sqlite3 shell may look at it for a moment */

struct sqlite_store {
    struct store base;
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *rollback, *put, *remove, *load, *up, *down;
    pthread_mutex_t lock_db; /* of the connection and its statements */
    char *dir;
    int lock;
};

static struct sqlite_store *self(struct store *s)
{
    return (struct sqlite_store *)(void *)s;
}

static enum error_code code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return E_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return E_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return E_CONFLICT;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return E_DENIED;
    default:
        return E_IO;
    }
}

/* SQLite reports a full disk as FULL or, from the log, as an I/O error with ENOSPC. */
static int fail_sqlite(struct sqlite_store *s, const char *what, struct error *err)
{
    int rc = sqlite3_extended_errcode(s->db), sys = sqlite3_system_errno(s->db);
    enum error_code code = code_of(rc);
    if (code == E_IO && (sys == ENOSPC || sys == EDQUOT))
        code = E_FULL;
    return fail(err, code, "%s in '%s/state.db': %s", what, s->dir,
                sqlite3_errmsg(s->db));
}

static int exec(struct sqlite_store *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : fail_sqlite(s, sql, err);
}

static int pragma_int(struct sqlite_store *s, const char *sql, int *ret,
                      struct error *err)
{
    sqlite3_stmt *q = NULL;
    int r = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW)
        r = fail_sqlite(s, sql, err);
    else
        *ret = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return r;
}

/* ---- reading ---- */

/* The first key after all that begin with prefix: its last byte raised by one. Keys are
 * UTF-8 or at least text, 0xff never ends a prefix. */
static bool prefix_end(const char *prefix, char *ret, size_t *ret_len)
{
    size_t len = strlen(prefix);
    if (len == 0 || len > STORE_MAX_KEY || (unsigned char)prefix[len - 1] == 0xff)
        return false;
    memcpy(ret, prefix, len);
    ret[len - 1]++;
    *ret_len = len;
    return true;
}

static int visit_rows(struct sqlite_store *s, sqlite3_stmt *q, store_visit *visit,
                      void *ctx, struct error *err)
{
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        const void *value = sqlite3_column_blob(q, 1);
        int r = visit(ctx, (const char *)sqlite3_column_text(q, 0), value ? value : "",
                      (size_t)sqlite3_column_bytes(q, 1), err);
        if (r < 0)
            return r;
    }
    return rc == SQLITE_DONE ? 0 : fail_sqlite(s, "reading", err);
}

static int sqlite_load_all(struct store *base, const char *prefix, store_visit *visit,
                           void *ctx, struct error *err)
{
    struct sqlite_store *s = self(base);
    char end[STORE_MAX_KEY + 1];
    size_t end_len;
    pthread_mutex_lock(&s->lock_db);
    sqlite3_bind_text(s->load, 1, prefix, -1, SQLITE_STATIC);
    if (prefix_end(prefix, end, &end_len))
        sqlite3_bind_text(s->load, 2, end, (int)end_len, SQLITE_STATIC);
    else
        sqlite3_bind_blob(s->load, 2, "", 0,
                          SQLITE_STATIC); /* a blob is above all text */
    int r = visit_rows(s, s->load, visit, ctx, err);
    sqlite3_reset(s->load);
    sqlite3_clear_bindings(s->load);
    pthread_mutex_unlock(&s->lock_db);
    return r;
}

static int sqlite_range(struct store *base, const struct store_range *range,
                        store_visit *visit, void *ctx, struct error *err)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *q = range->newest_first ? s->down : s->up;
    pthread_mutex_lock(&s->lock_db);
    sqlite3_bind_text(q, 1, range->from, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, range->to, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, (sqlite3_int64)range->limit);
    int r = visit_rows(s, q, visit, ctx, err);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    pthread_mutex_unlock(&s->lock_db);
    return r;
}

/* ---- writing ---- */

static int step(sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int apply(struct sqlite_store *s, const struct store_change *c)
{
    sqlite3_stmt *q = c->remove ? s->remove : s->put;
    sqlite3_bind_text(q, 1, c->key, -1, SQLITE_STATIC);
    if (!c->remove)
        sqlite3_bind_blob(q, 2, c->value ? c->value : "", (int)c->len, SQLITE_STATIC);
    return step(q);
}

static int apply_all(struct sqlite_store *s, const struct store_batch *b)
{
    if (step(s->begin) < 0)
        return -1;
    for (size_t i = 0; i < b->n; i++) {
        if (apply(s, &b->v[i]) < 0)
            return -1;
    }
    return step(s->commit);
}

static int sqlite_commit(struct store *base, const struct store_batch *b,
                         struct error *err)
{
    struct sqlite_store *s = self(base);
    pthread_mutex_lock(&s->lock_db);
    int r = apply_all(s, b) == 0 ? 0 : fail_sqlite(s, "writing", err);
    if (r < 0 && !sqlite3_get_autocommit(s->db))
        step(s->rollback);
    pthread_mutex_unlock(&s->lock_db);
    return r;
}

static int sqlite_free_bytes(struct store *base, uint64_t *ret, struct error *err)
{
    struct statvfs v;
    if (statvfs(self(base)->dir, &v) < 0)
        return fail_errno(err, errno, "asking for free space at '%s'", self(base)->dir);
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

/* The copy that VACUUM makes would not fit into memory as other temporary things do. */
static int sqlite_rewrite(struct store *base, struct error *err)
{
    struct sqlite_store *s = self(base);
    pthread_mutex_lock(&s->lock_db);
    int r = exec(s, "PRAGMA temp_store=FILE", err);
    if (r == 0)
        r = exec(s, "VACUUM", err);
    if (r == 0)
        r = exec(s, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    sqlite3_exec(s->db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
    pthread_mutex_unlock(&s->lock_db);
    return r;
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *const all[] = {s->begin,  s->commit, s->rollback, s->put,
                                 s->remove, s->load,   s->up,       s->down};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(s->db);
    pthread_mutex_destroy(&s->lock_db);
    fd_close(&s->lock);
    free(s->dir);
    free(s);
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .load_all = sqlite_load_all,
    .range = sqlite_range,
    .commit = sqlite_commit,
    .free_bytes = sqlite_free_bytes,
    .rewrite = sqlite_rewrite,
    .close = sqlite_close,
};

/* ---- opening ---- */

static int take_lock(struct sqlite_store *s, struct error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/lock", s->dir);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return fail_errno(err, errno, "open '%s'", path);
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return fail(err, E_CONFLICT,
                    "another gantry server uses '%s'; stop it or give another --data-dir",
                    s->dir);
    return fail_errno(err, errno, "lock '%s'", path);
}

static int configure(struct sqlite_store *s, struct error *err)
{
    static const char *const settings[] = {
        "PRAGMA locking_mode=EXCLUSIVE",     "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",           "PRAGMA wal_autocheckpoint=1000",
        "PRAGMA journal_size_limit=8388608", "PRAGMA cache_size=-2048",
        "PRAGMA temp_store=MEMORY",          "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON",
    };
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        int r = exec(s, settings[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int create_schema(struct sqlite_store *s, struct error *err)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "BEGIN IMMEDIATE;"
             "CREATE TABLE entry(key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)"
             " WITHOUT ROWID;"
             "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    return exec(s, sql, err);
}

/* Reading two numbers touches the header, the log's index and the schema: what is broken
 * there is found now, what is broken in a page is found when load_all reads it. */
static int check_schema(struct sqlite_store *s, struct error *err)
{
    int version, id, tables;
    int r = pragma_int(s, "PRAGMA user_version", &version, err);
    if (r == 0)
        r = pragma_int(s, "PRAGMA application_id", &id, err);
    if (r == 0)
        r = pragma_int(s, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r < 0)
        return r;
    if (tables == 0 && version == 0)
        return create_schema(s, err);
    if (id != APPLICATION_ID)
        return fail(err, E_CORRUPT, "'%s/state.db' is not a gantry store", s->dir);
    if (version > SCHEMA_VERSION)
        return fail(err, E_UNSUPPORTED,
                    "'%s/state.db' was written by a newer gantry (schema %d, we know %d)",
                    s->dir, version, SCHEMA_VERSION);
    return 0;
}

static int prepare(struct sqlite_store *s, struct error *err)
{
    const struct {
        sqlite3_stmt **q;
        const char *sql;
    } all[] = {
        {&s->begin, "BEGIN IMMEDIATE"},
        {&s->commit, "COMMIT"},
        {&s->rollback, "ROLLBACK"},
        {&s->put, "INSERT INTO entry(key, value) VALUES(?1, ?2)"
                  " ON CONFLICT(key) DO UPDATE SET value = excluded.value"},
        {&s->remove, "DELETE FROM entry WHERE key = ?1"},
        {&s->load,
         "SELECT key, value FROM entry WHERE key >= ?1 AND key < ?2 ORDER BY key"},
        {&s->up, "SELECT key, value FROM entry WHERE key >= ?1 AND key < ?2"
                 " ORDER BY key LIMIT ?3"},
        {&s->down, "SELECT key, value FROM entry WHERE key >= ?1 AND key < ?2"
                   " ORDER BY key DESC LIMIT ?3"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (sqlite3_prepare_v3(s->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].q,
                               NULL) != SQLITE_OK)
            return fail_sqlite(s, all[i].sql, err);
    }
    return 0;
}

static int open_database(struct sqlite_store *s, struct error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/state.db", s->dir);
    /* Made here, so that nobody else can read it for a moment; SQLite gives its log the
     * same mode. */
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, errno, "open '%s'", path);
    fd_close(&fd);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return fail_sqlite(s, "opening", err);
    int r = configure(s, err);
    if (r == 0)
        r = check_schema(s, err);
    return r < 0 ? r : prepare(s, err);
}

int store_sqlite_open(const char *dir, struct store **ret, struct error *err)
{
    if (strlen(dir) > PATH_MAX - 32)
        return fail(err, E_LIMIT, "the path of the data directory is too long");
    int r = dir_make_all(dir, 0700, err);
    if (r < 0)
        return r;
    struct sqlite_store *s = xcalloc(1, sizeof(*s));
    *s = (struct sqlite_store){.base.ops = &sqlite_ops, .dir = xstrdup(dir), .lock = -1};
    pthread_mutex_init(&s->lock_db, NULL);
    r = take_lock(s, err);
    if (r == 0)
        r = open_database(s, err);
    if (r < 0) {
        sqlite_close(&s->base);
        return r;
    }
    *ret = &s->base;
    return 0;
}

int store_sqlite_check(struct store *base, struct error *err)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *q = NULL;
    int r = 0;
    if (sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &q, NULL) !=
            SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW)
        r = fail_sqlite(s, "checking", err);
    else if (strcmp((const char *)sqlite3_column_text(q, 0), "ok") != 0)
        r = fail(err, E_CORRUPT, "'%s/state.db': %s", s->dir,
                 (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    return r;
}
