#include "object_index.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "str.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS object(bucket TEXT, key BLOB, file TEXT, size INTEGER,"
    " etag TEXT, modified INTEGER, more TEXT, PRIMARY KEY(bucket, key)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX IF NOT EXISTS object_file ON object(file);"
    "CREATE TABLE IF NOT EXISTS upload(bucket TEXT, key BLOB, id TEXT, started INTEGER,"
    " more TEXT, PRIMARY KEY(bucket, key, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS part(upload TEXT, number INTEGER, file TEXT, size "
    "INTEGER,"
    " etag TEXT, modified INTEGER, checksum TEXT, PRIMARY KEY(upload, number))"
    " WITHOUT ROWID;"
    "CREATE UNIQUE INDEX IF NOT EXISTS part_file ON part(file);"
    "CREATE TABLE IF NOT EXISTS closed(bucket TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS trash(file TEXT PRIMARY KEY) WITHOUT ROWID;";

/* Statements, prepared when a connection first needs them. Parameters are ?1 bucket, ?2 key,
 * ?3 id or file, …, as each says. */
enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    FIND,
    PUT,
    REMOVE,
    LIST,
    ANY,
    SET_MORE,
    UPLOAD_PUT,
    UPLOAD_FIND,
    UPLOAD_REMOVE,
    UPLOAD_LIST,
    UPLOADS_FORGET,
    PART_FIND,
    PART_PUT,
    PART_LIST,
    PARTS_REMOVE,
    CLOSE,
    IS_CLOSED,
    REOPEN,
    BUCKETS,
    UPLOADS_OF,
    TRASH_ADD,
    TRASH_LIST,
    TRASH_REMOVE,
    NAMED,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [FIND] = "SELECT key, file, size, etag, modified, more FROM object"
             " WHERE bucket = ?1 AND key = ?2",
    [PUT] = "INSERT OR REPLACE INTO object(bucket, key, file, size, etag, modified, more)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [REMOVE] = "DELETE FROM object WHERE bucket = ?1 AND key = ?2",
    [LIST] = "SELECT key, file, size, etag, modified, more FROM object"
             " WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT ?3",
    [ANY] = "SELECT 1 FROM object WHERE bucket = ?1 LIMIT 1",
    [SET_MORE] = "UPDATE object SET more = ?3 WHERE bucket = ?1 AND key = ?2",
    [UPLOAD_PUT] = "INSERT INTO upload(bucket, key, id, started, more)"
                   " VALUES(?1, ?2, ?3, ?4, ?5)",
    [UPLOAD_FIND] = "SELECT key, id, started, more FROM upload"
                    " WHERE bucket = ?1 AND key = ?2 AND id = ?3",
    [UPLOAD_REMOVE] = "DELETE FROM upload WHERE bucket = ?1 AND key = ?2 AND id = ?3",
    [UPLOAD_LIST] = "SELECT key, id, started, more FROM upload WHERE bucket = ?1 AND"
                    " (key, id) > (?2, ?3) ORDER BY key, id LIMIT ?4",
    [UPLOADS_FORGET] = "DELETE FROM upload WHERE bucket = ?1",
    [PART_FIND] = "SELECT file FROM part WHERE upload = ?1 AND number = ?2",
    [PART_PUT] = "INSERT OR REPLACE INTO part(upload, number, file, size, etag, modified,"
                 " checksum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [PART_LIST] = "SELECT number, file, size, etag, modified, checksum FROM part"
                  " WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    [PARTS_REMOVE] = "DELETE FROM part WHERE upload = ?1",
    [CLOSE] = "INSERT OR IGNORE INTO closed(bucket) VALUES(?1)",
    [IS_CLOSED] = "SELECT 1 FROM closed WHERE bucket = ?1",
    [REOPEN] = "DELETE FROM closed WHERE bucket = ?1",
    [BUCKETS] =
        "SELECT bucket FROM object GROUP BY bucket UNION"
        " SELECT bucket FROM upload GROUP BY bucket UNION SELECT bucket FROM closed",
    [UPLOADS_OF] = "SELECT id FROM upload WHERE bucket = ?1",
    [TRASH_ADD] = "INSERT OR IGNORE INTO trash(file) VALUES(?1)",
    [TRASH_LIST] = "SELECT file FROM trash",
    [TRASH_REMOVE] = "DELETE FROM trash WHERE file = ?1",
    [NAMED] = "SELECT 1 FROM object WHERE file = ?1 UNION ALL"
              " SELECT 1 FROM part WHERE file = ?1",
};

struct connection {
    struct list node;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
};

struct object_index {
    char *path;
    pthread_mutex_t write_lock, idle_lock;
    struct connection *writer;
    struct list idle; /* readers that nobody uses */
};

/* ---- connections ---- */

static int fail_sqlite(struct connection *c, const char *what, struct error *err)
{
    int rc = sqlite3_extended_errcode(c->db), sys = sqlite3_system_errno(c->db);
    enum error_code code = E_IO;
    if ((rc & 0xff) == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT)
        code = E_FULL;
    else if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        code = E_CORRUPT;
    return fail(err, code, "%s in the index of objects: %s", what, sqlite3_errmsg(c->db));
}

static void connection_free(struct connection *c)
{
    if (!c)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(c->statements[i]);
    sqlite3_close(c->db);
    free(c);
}

static int connection_open(const char *path, bool writes, struct connection **ret,
                           struct error *err)
{
    struct connection *c = xcalloc(1, sizeof(*c));
    list_init(&c->node);
    int flags = SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                              : SQLITE_OPEN_READWRITE);
    if (sqlite3_open_v2(path, &c->db, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(c->db, 5000) == SQLITE_OK &&
        sqlite3_exec(c->db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "PRAGMA cache_size=-2048; PRAGMA wal_autocheckpoint=1000;"
                     "PRAGMA journal_size_limit=16777216;",
                     NULL, NULL, NULL) == SQLITE_OK &&
        (!writes || sqlite3_exec(c->db, schema, NULL, NULL, NULL) == SQLITE_OK)) {
        *ret = c;
        return 0;
    }
    int r = fail_sqlite(c, "opening", err);
    connection_free(c);
    return r;
}

static sqlite3_stmt *statement(struct connection *c, enum statement which)
{
    sqlite3_stmt **s = &c->statements[which];
    if (!*s)
        sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    return *s;
}

static int reader_take(struct object_index *x, struct connection **ret, struct error *err)
{
    pthread_mutex_lock(&x->idle_lock);
    struct connection *c = NULL;
    if (!list_empty(&x->idle)) {
        c = list_entry(list_first(&x->idle), struct connection, node);
        list_remove(&c->node);
    }
    pthread_mutex_unlock(&x->idle_lock);
    if (!c)
        return connection_open(x->path, false, ret, err);
    *ret = c;
    return 0;
}

static void reader_give(struct object_index *x, struct connection *c)
{
    pthread_mutex_lock(&x->idle_lock);
    list_append(&x->idle, &c->node);
    pthread_mutex_unlock(&x->idle_lock);
}

int object_index_open(const char *path, struct object_index **ret, struct error *err)
{
    struct object_index *x = xcalloc(1, sizeof(*x));
    x->path = xstrdup(path);
    pthread_mutex_init(&x->write_lock, NULL);
    pthread_mutex_init(&x->idle_lock, NULL);
    list_init(&x->idle);
    int r = connection_open(path, true, &x->writer, err);
    if (r < 0) {
        object_index_close(x);
        return r;
    }
    *ret = x;
    return 0;
}

void object_index_close(struct object_index *x)
{
    if (!x)
        return;
    list_for_each_safe (it, &x->idle)
        connection_free(list_entry(it, struct connection, node));
    connection_free(x->writer);
    pthread_mutex_destroy(&x->write_lock);
    pthread_mutex_destroy(&x->idle_lock);
    free(x->path);
    free(x);
}

/* ---- one statement ---- */

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(q, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, at);
}

static void bind_key(sqlite3_stmt *q, int at, const char *key)
{
    sqlite3_bind_blob(q, at, key, (int)strlen(key), SQLITE_STATIC);
}

static char *column(struct arena *a, sqlite3_stmt *q, int at)
{
    const void *p = sqlite3_column_blob(q, at);
    return p ? arena_strndup(a, p, (size_t)sqlite3_column_bytes(q, at))
             : arena_strdup(a, sqlite3_column_type(q, at) == SQLITE_NULL ? NULL : "");
}

/* Runs a statement without rows. */
static int run(struct connection *c, sqlite3_stmt *q, const char *what, struct error *err)
{
    int rc = q ? sqlite3_step(q) : SQLITE_ERROR;
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : fail_sqlite(c, what, err);
    if (q) {
        sqlite3_reset(q);
        sqlite3_clear_bindings(q);
    }
    return r;
}

/* 1: there is a row; 0: none. The caller resets. */
static int row(struct connection *c, sqlite3_stmt *q, struct error *err)
{
    int rc = q ? sqlite3_step(q) : SQLITE_ERROR;
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : fail_sqlite(c, "reading", err);
}

static void done(sqlite3_stmt *q)
{
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
}

static bool exists(struct connection *c, enum statement which, const char *bucket)
{
    sqlite3_stmt *q = statement(c, which);
    bind_text(q, 1, bucket);
    int r = row(c, q, NULL);
    done(q);
    return r != 0; /* cautious when it can't be read */
}

/* ---- records ---- */

static struct gantry_s3_object_record *more_read(struct arena *a, const char *text)
{
    void *ret = NULL;
    struct wire_error why;
    if (!text || wire_json_decode(a, &gantry_s3_object_record_shape, text, strlen(text),
                                  true, &ret, &why) < 0)
        ret = arena_new(a, struct gantry_s3_object_record);
    return ret;
}

static void more_write(struct str *out, const struct gantry_s3_object_record *more)
{
    static const struct gantry_s3_object_record none;
    wire_json_encode(out, &gantry_s3_object_record_shape, more ? more : &none);
}

static void etag_set(char ret[OBJECT_ETAG_SIZE], const char *text)
{
    size_t n = text ? strlen(text) : 0;
    if (n >= OBJECT_ETAG_SIZE)
        n = OBJECT_ETAG_SIZE - 1;
    memcpy(ret, text ? text : "", n);
    ret[n] = '\0';
}

static void info_read(struct arena *a, sqlite3_stmt *q, struct object_info *ret)
{
    ret->key = column(a, q, 0);
    ret->place = column(a, q, 1);
    ret->size_bytes = (uint64_t)sqlite3_column_int64(q, 2);
    etag_set(ret->etag, (const char *)sqlite3_column_text(q, 3));
    ret->modified_ms = sqlite3_column_int64(q, 4);
    ret->more = more_read(a, (const char *)sqlite3_column_text(q, 5));
}

static int find_in(struct connection *c, struct arena *a, const char *bucket,
                   const char *key, struct object_info *ret, struct error *err)
{
    sqlite3_stmt *q = statement(c, FIND);
    bind_text(q, 1, bucket);
    bind_key(q, 2, key);
    int r = row(c, q, err);
    if (r > 0)
        info_read(a, q, ret);
    done(q);
    return r > 0 ? 0 : r == 0 ? fail(err, E_NOTFOUND, "no such object") : r;
}

int object_index_find(struct object_index *x, struct arena *a, const char *bucket,
                      const char *key, struct object_info *ret, struct error *err)
{
    struct connection *c;
    int r = reader_take(x, &c, err);
    if (r < 0)
        return r;
    r = find_in(c, a, bucket, key, ret, err);
    reader_give(x, c);
    return r;
}

/* ---- changes: begin, change, commit; or nothing ---- */

static int change_begin(struct object_index *x, struct error *err)
{
    pthread_mutex_lock(&x->write_lock);
    int r = run(x->writer, statement(x->writer, BEGIN), "beginning", err);
    if (r < 0)
        pthread_mutex_unlock(&x->write_lock);
    return r;
}

static int change_end(struct object_index *x, int r, struct error *err)
{
    struct connection *c = x->writer;
    if (r == 0)
        r = run(c, statement(c, COMMIT), "writing", err);
    if (!sqlite3_get_autocommit(c->db))
        run(c, statement(c, ROLLBACK), "undoing", NULL);
    pthread_mutex_unlock(&x->write_lock);
    return r;
}

static int trash(struct connection *c, struct arena *a, const char *file,
                 struct string_list *ret, struct error *err)
{
    sqlite3_stmt *q = statement(c, TRASH_ADD);
    if (!file)
        return 0;
    *LIST_PUSH(a, ret) = arena_strdup(a, file);
    bind_text(q, 1, file);
    return run(c, q, "writing", err);
}

static int check_condition(const struct object_condition *k, bool there, const char *etag,
                           struct error *err)
{
    if (!k)
        return 0;
    if (k->if_absent && there)
        return fail(err, E_CONFLICT, "If-None-Match");
    if (k->if_match && !there)
        return fail(err, E_NOTFOUND, "no such object");
    if (k->if_match && !streq(k->if_match, "*") && !streq(k->if_match, etag))
        return fail(err, E_CONFLICT, "If-Match");
    return 0;
}

static int put_in(struct connection *c, struct arena *a, const char *bucket,
                  const struct object_info *info,
                  const struct object_condition *condition, struct string_list *ret_trash,
                  struct error *err)
{
    struct object_info old = {0};
    AUTO_STR more = STR_INIT;
    if (exists(c, IS_CLOSED, bucket))
        return fail(err, E_NOTFOUND, "the bucket is being deleted");
    int r = find_in(c, a, bucket, info->key, &old, err);
    bool there = r == 0;
    if (r == 0 || r == -E_NOTFOUND)
        r = check_condition(condition, there, old.etag, err);
    if (r == 0)
        r = trash(c, a, old.place, ret_trash, err);
    if (r < 0)
        return r;
    sqlite3_stmt *q = statement(c, PUT);
    more_write(&more, info->more);
    bind_text(q, 1, bucket);
    bind_key(q, 2, info->key);
    bind_text(q, 3, info->place);
    sqlite3_bind_int64(q, 4, (sqlite3_int64)info->size_bytes);
    bind_text(q, 5, info->etag);
    sqlite3_bind_int64(q, 6, info->modified_ms);
    bind_text(q, 7, more.data);
    return run(c, q, "writing", err);
}

int object_index_put(struct object_index *x, struct arena *a, const char *bucket,
                     const struct object_info *info,
                     const struct object_condition *condition,
                     struct string_list *ret_trash, struct error *err)
{
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    return change_end(x, put_in(x->writer, a, bucket, info, condition, ret_trash, err),
                      err);
}

static int remove_in(struct connection *c, struct arena *a, const char *bucket,
                     const char *key, const char *if_match, struct string_list *ret_trash,
                     struct error *err)
{
    struct object_info old = {0};
    const struct object_condition k = {.if_match = if_match};
    int r = find_in(c, a, bucket, key, &old, err);
    if (r == -E_NOTFOUND && !if_match)
        return 0;
    if (r == 0)
        r = check_condition(&k, true, old.etag, err);
    if (r == 0)
        r = trash(c, a, old.place, ret_trash, err);
    if (r < 0)
        return r;
    sqlite3_stmt *q = statement(c, REMOVE);
    bind_text(q, 1, bucket);
    bind_key(q, 2, key);
    return run(c, q, "deleting", err);
}

int object_index_remove(struct object_index *x, struct arena *a, const char *bucket,
                        const char *const *keys, size_t count, const char *if_match,
                        struct string_list *ret_trash, struct error *err)
{
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count && r == 0; i++)
        r = remove_in(x->writer, a, bucket, keys[i], if_match, ret_trash, err);
    return change_end(x, r, err);
}

int object_index_set_tags(struct object_index *x, const char *bucket, const char *key,
                          const struct string_map *tags, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR more = STR_INIT;
    struct object_info info = {0};
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    r = find_in(x->writer, &a, bucket, key, &info, err);
    if (r == 0) {
        sqlite3_stmt *q = statement(x->writer, SET_MORE);
        info.more->tags = *tags;
        more_write(&more, info.more);
        bind_text(q, 1, bucket);
        bind_key(q, 2, key);
        bind_text(q, 3, more.data);
        r = run(x->writer, q, "writing", err);
    }
    return change_end(x, r, err);
}

/* ---- listing ----
 *
 * Rows come in order from behind a key. What shares a common prefix with the row before is
 * skipped by a jump behind the last key that could begin with it, so a listing costs as many
 * steps as it has rows, however many objects lie below each prefix. */

#define BATCH 1001

struct walk {
    struct connection *c;
    struct arena *a;
    const char *bucket;
    const struct object_list *list;
    struct object_page *page;
    struct str from; /* inclusive */
};

static bool starts(const char *key, size_t len, const char *prefix, size_t prefix_len)
{
    return len >= prefix_len && memcmp(key, prefix, prefix_len) == 0;
}

/* The common prefix that the key falls under; 0: none. */
static size_t common_len(const struct object_list *l, const char *key)
{
    size_t n = strlen(l->prefix);
    const char *at = str_empty(l->delimiter) ? NULL : strstr(key + n, l->delimiter);
    return at ? (size_t)(at - key) + strlen(l->delimiter) : 0;
}

/* Behind everything that begins with the prefix: no key has a byte 0xff, which is not UTF-8. */
static void jump(struct walk *w, const char *prefix, size_t len)
{
    str_clear(&w->from);
    str_addn(&w->from, prefix, len);
    str_addc(&w->from, (char)0xff);
}

/* The least text behind the key. */
static void behind(struct walk *w, const char *key)
{
    str_clear(&w->from);
    str_addn(&w->from, key, strlen(key) + 1);
}

static struct object_row *page_push(struct walk *w)
{
    struct object_page *p = w->page;
    if (p->n == w->list->limit) {
        p->more = true;
        return NULL;
    }
    return &p->v[p->n++];
}

/* 1: go on with the next row; 2: ask anew from w->from; 0: done. */
static int take_row(struct walk *w, sqlite3_stmt *q)
{
    const struct object_list *l = w->list;
    const char *blob = sqlite3_column_blob(q, 0);
    size_t len = (size_t)sqlite3_column_bytes(q, 0), prefix = strlen(l->prefix);
    if (!starts(blob ? blob : "", len, l->prefix, prefix))
        return 0;
    const char *key = arena_strndup(w->a, blob, len);
    size_t common = common_len(l, key);
    /* A page that ended with a common prefix goes on behind it. */
    if (common && strlen(l->after) == common && memcmp(l->after, key, common) == 0) {
        jump(w, key, common);
        return 2;
    }
    struct object_row *r = page_push(w);
    if (!r)
        return 0;
    if (!common) {
        info_read(w->a, q, &r->info);
        behind(w, key);
        return 1;
    }
    r->common_prefix = arena_strndup(w->a, key, common);
    jump(w, key, common);
    return 2;
}

/* 0: done; 1: there may be more behind w->from. */
static int walk_batch(struct walk *w, struct error *err)
{
    sqlite3_stmt *q = statement(w->c, LIST);
    int r, rows = 0, next = 1;
    bind_text(q, 1, w->bucket);
    sqlite3_bind_blob(q, 2, str_text(&w->from), (int)w->from.len, SQLITE_TRANSIENT);
    sqlite3_bind_int(q, 3, BATCH);
    while (next == 1 && (r = row(w->c, q, err)) > 0) {
        rows++;
        next = take_row(w, q);
    }
    done(q);
    if (r < 0)
        return r;
    return next == 2 || (next == 1 && rows == BATCH);
}

int object_index_list(struct object_index *x, struct arena *a, const char *bucket,
                      const struct object_list *list, struct object_page *ret,
                      struct error *err)
{
    struct walk w = {.a = a, .bucket = bucket, .list = list, .page = ret};
    *ret =
        (struct object_page){.v = arena_new_array(a, struct object_row, list->limit + 1)};
    int r = reader_take(x, &w.c, err);
    if (r < 0)
        return r;
    if (strcmp(list->after, list->prefix) >= 0 && *list->after)
        behind(&w, list->after);
    else
        str_add(&w.from, list->prefix);
    do
        r = walk_batch(&w, err);
    while (r > 0);
    str_free(&w.from);
    reader_give(x, w.c);
    return r;
}

/* ---- uploads in parts ---- */

int object_index_upload_new(struct object_index *x, const char *bucket, const char *key,
                            const char *id, int64_t now_ms,
                            const struct gantry_s3_object_record *more, struct error *err)
{
    AUTO_STR text = STR_INIT;
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    if (exists(x->writer, IS_CLOSED, bucket))
        return change_end(x, fail(err, E_NOTFOUND, "the bucket is being deleted"), err);
    sqlite3_stmt *q = statement(x->writer, UPLOAD_PUT);
    more_write(&text, more);
    bind_text(q, 1, bucket);
    bind_key(q, 2, key);
    bind_text(q, 3, id);
    sqlite3_bind_int64(q, 4, now_ms);
    bind_text(q, 5, text.data);
    return change_end(x, run(x->writer, q, "writing", err), err);
}

static void upload_read(struct arena *a, sqlite3_stmt *q, struct object_upload *ret)
{
    ret->key = column(a, q, 0);
    ret->id = column(a, q, 1);
    ret->started_ms = sqlite3_column_int64(q, 2);
    ret->more = more_read(a, (const char *)sqlite3_column_text(q, 3));
}

static int upload_find_in(struct connection *c, struct arena *a, const char *bucket,
                          const char *key, const char *id, struct object_upload *ret,
                          struct error *err)
{
    sqlite3_stmt *q = statement(c, UPLOAD_FIND);
    bind_text(q, 1, bucket);
    bind_key(q, 2, key);
    bind_text(q, 3, id);
    int r = row(c, q, err);
    if (r > 0)
        upload_read(a, q, ret);
    done(q);
    return r > 0 ? 0 : r == 0 ? fail(err, E_NOTFOUND, "no such upload") : r;
}

int object_index_upload_find(struct object_index *x, struct arena *a, const char *bucket,
                             const char *key, const char *id, struct object_upload *ret,
                             struct error *err)
{
    struct connection *c;
    int r = reader_take(x, &c, err);
    if (r < 0)
        return r;
    r = upload_find_in(c, a, bucket, key, id, ret, err);
    reader_give(x, c);
    return r;
}

static int part_trash(struct connection *c, struct arena *a, const char *id, int number,
                      struct string_list *ret_trash, struct error *err)
{
    sqlite3_stmt *q = statement(c, PART_FIND);
    bind_text(q, 1, id);
    sqlite3_bind_int(q, 2, number);
    int r = row(c, q, err);
    const char *old = r > 0 ? column(a, q, 0) : NULL;
    done(q);
    return r < 0 ? r : trash(c, a, old, ret_trash, err);
}

static int part_put_in(struct connection *c, struct arena *a, const char *bucket,
                       const char *key, const char *id, const struct object_part *part,
                       struct string_list *ret_trash, struct error *err)
{
    struct object_upload upload;
    int r = upload_find_in(c, a, bucket, key, id, &upload, err);
    if (r == 0)
        r = part_trash(c, a, id, part->number, ret_trash, err);
    if (r < 0)
        return r;
    sqlite3_stmt *q = statement(c, PART_PUT);
    bind_text(q, 1, id);
    sqlite3_bind_int(q, 2, part->number);
    bind_text(q, 3, part->place);
    sqlite3_bind_int64(q, 4, (sqlite3_int64)part->size_bytes);
    bind_text(q, 5, part->etag);
    sqlite3_bind_int64(q, 6, part->modified_ms);
    bind_text(q, 7, part->checksum);
    return run(c, q, "writing", err);
}

int object_index_part_put(struct object_index *x, struct arena *a, const char *bucket,
                          const char *key, const char *id, const struct object_part *part,
                          struct string_list *ret_trash, struct error *err)
{
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    return change_end(x, part_put_in(x->writer, a, bucket, key, id, part, ret_trash, err),
                      err);
}

static int part_list_in(struct connection *c, struct arena *a, const char *id, int after,
                        size_t limit, struct object_part **ret, size_t *ret_count,
                        struct error *err)
{
    struct {
        struct object_part *v;
        size_t n;
        bool set;
    } list = {0};
    sqlite3_stmt *q = statement(c, PART_LIST);
    int r;
    bind_text(q, 1, id);
    sqlite3_bind_int(q, 2, after);
    sqlite3_bind_int64(q, 3, (sqlite3_int64)limit);
    while ((r = row(c, q, err)) > 0) {
        struct object_part *p = LIST_PUSH(a, &list);
        p->number = sqlite3_column_int(q, 0);
        p->place = column(a, q, 1);
        p->size_bytes = (uint64_t)sqlite3_column_int64(q, 2);
        etag_set(p->etag, (const char *)sqlite3_column_text(q, 3));
        p->modified_ms = sqlite3_column_int64(q, 4);
        p->checksum = column(a, q, 5);
    }
    done(q);
    *ret = list.v;
    *ret_count = list.n;
    return r;
}

int object_index_part_list(struct object_index *x, struct arena *a, const char *id,
                           int after, size_t limit, struct object_part **ret,
                           size_t *ret_count, struct error *err)
{
    struct connection *c;
    int r = reader_take(x, &c, err);
    if (r < 0)
        return r;
    r = part_list_in(c, a, id, after, limit, ret, ret_count, err);
    reader_give(x, c);
    return r;
}

/* Is `place` the next of the places that make up *rest ("id:size,id:size")? Parts come in the
 * order in which they were joined. */
static bool is_joined(const char *place, const char **rest)
{
    size_t n = strlen(place);
    if (!*rest || strncmp(*rest, place, n) != 0 || (*rest)[n] != ':')
        return false;
    *rest += strcspn(*rest, ",");
    *rest += **rest == ',';
    return true;
}

/* The upload and its parts; their files go to the trash, but for those that `joined` (NULL:
 * none) is made of. */
static int upload_drop(struct connection *c, struct arena *a, const char *bucket,
                       const char *key, const char *id, const char *joined,
                       struct string_list *ret_trash, struct error *err)
{
    struct object_part *parts;
    size_t n;
    int r = part_list_in(c, a, id, 0, SIZE_MAX / 2, &parts, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (!is_joined(parts[i].place, &joined))
            r = trash(c, a, parts[i].place, ret_trash, err);
    if (r < 0)
        return r;
    sqlite3_stmt *q = statement(c, PARTS_REMOVE);
    bind_text(q, 1, id);
    r = run(c, q, "deleting", err);
    if (r < 0 || !key)
        return r;
    q = statement(c, UPLOAD_REMOVE);
    bind_text(q, 1, bucket);
    bind_key(q, 2, key);
    bind_text(q, 3, id);
    return run(c, q, "deleting", err);
}

int object_index_upload_end(struct object_index *x, struct arena *a, const char *bucket,
                            const char *id, const struct object_info *info,
                            const struct object_condition *condition,
                            struct string_list *ret_trash, struct error *err)
{
    struct object_upload upload;
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    r = upload_find_in(x->writer, a, bucket, info->key, id, &upload, err);
    if (r == 0)
        r = upload_drop(x->writer, a, bucket, info->key, id, info->place, ret_trash, err);
    if (r == 0)
        r = put_in(x->writer, a, bucket, info, condition, ret_trash, err);
    return change_end(x, r, err);
}

int object_index_upload_abort(struct object_index *x, struct arena *a, const char *bucket,
                              const char *key, const char *id,
                              struct string_list *ret_trash, struct error *err)
{
    struct object_upload upload;
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    r = upload_find_in(x->writer, a, bucket, key, id, &upload, err);
    if (r == 0)
        r = upload_drop(x->writer, a, bucket, key, id, NULL, ret_trash, err);
    return change_end(x, r, err);
}

int object_index_upload_list(struct object_index *x, struct arena *a, const char *bucket,
                             const char *prefix, const char *key_after,
                             const char *id_after, size_t limit,
                             struct object_upload **ret, size_t *ret_count,
                             struct error *err)
{
    struct {
        struct object_upload *v;
        size_t n;
        bool set;
    } list = {0};
    struct connection *c;
    int r = reader_take(x, &c, err);
    if (r < 0)
        return r;
    sqlite3_stmt *q = statement(c, UPLOAD_LIST);
    bind_text(q, 1, bucket);
    bind_key(q, 2, key_after);
    bind_text(q, 3, id_after);
    sqlite3_bind_int64(q, 4, -1);
    while (list.n < limit && (r = row(c, q, err)) > 0) {
        struct object_upload u;
        upload_read(a, q, &u);
        if (str_starts(u.key, prefix))
            *LIST_PUSH(a, &list) = u;
    }
    done(q);
    reader_give(x, c);
    *ret = list.v;
    *ret_count = list.n;
    return r < 0 ? r : 0;
}

/* ---- buckets ---- */

int object_index_bucket_close(struct object_index *x, const char *bucket,
                              struct error *err)
{
    struct connection *c = x->writer;
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    if (exists(c, ANY, bucket))
        return change_end(x, fail(err, E_CONFLICT, "the bucket is not empty"), err);
    sqlite3_stmt *q = statement(c, CLOSE);
    bind_text(q, 1, bucket);
    return change_end(x, run(c, q, "writing", err), err);
}

int object_index_bucket_reopen(struct object_index *x, const char *bucket,
                               struct error *err)
{
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    sqlite3_stmt *q = statement(x->writer, REOPEN);
    bind_text(q, 1, bucket);
    return change_end(x, run(x->writer, q, "writing", err), err);
}

/* Column 0 of all rows; `bucket` is parameter 1 or NULL. */
static int texts(struct connection *c, struct arena *a, enum statement which,
                 const char *bucket, struct string_list *ret, struct error *err)
{
    sqlite3_stmt *q = statement(c, which);
    int r;
    if (bucket)
        bind_text(q, 1, bucket);
    while ((r = row(c, q, err)) > 0)
        *LIST_PUSH(a, ret) = column(a, q, 0);
    done(q);
    return r;
}

static int forget_objects(struct connection *c, struct arena *a, const char *bucket,
                          struct string_list *ret_trash, struct error *err)
{
    for (;;) {
        struct object_info info;
        sqlite3_stmt *q = statement(c, LIST);
        bind_text(q, 1, bucket);
        sqlite3_bind_blob(q, 2, "", 0, SQLITE_STATIC);
        sqlite3_bind_int(q, 3, 1);
        int r = row(c, q, err);
        if (r > 0)
            info_read(a, q, &info);
        done(q);
        if (r <= 0)
            return r;
        r = remove_in(c, a, bucket, info.key, NULL, ret_trash, err);
        if (r < 0)
            return r;
    }
}

static int forget_in(struct connection *c, struct arena *a, const char *bucket,
                     struct string_list *ret_trash, struct error *err)
{
    struct string_list uploads = {0};
    int r = forget_objects(c, a, bucket, ret_trash, err);
    if (r == 0)
        r = texts(c, a, UPLOADS_OF, bucket, &uploads, err);
    for (size_t i = 0; r == 0 && i < uploads.n; i++)
        r = upload_drop(c, a, bucket, NULL, uploads.v[i], NULL, ret_trash, err);
    static const enum statement last[] = {UPLOADS_FORGET, REOPEN};
    for (size_t i = 0; r == 0 && i < 2; i++) {
        sqlite3_stmt *q = statement(c, last[i]);
        bind_text(q, 1, bucket);
        r = run(c, q, "deleting", err);
    }
    return r;
}

int object_index_bucket_forget(struct object_index *x, struct arena *a,
                               const char *bucket, struct string_list *ret_trash,
                               struct error *err)
{
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    return change_end(x, forget_in(x->writer, a, bucket, ret_trash, err), err);
}

int object_index_buckets(struct object_index *x, struct arena *a, struct string_list *ret,
                         struct error *err)
{
    pthread_mutex_lock(&x->write_lock);
    int r = texts(x->writer, a, BUCKETS, NULL, ret, err);
    pthread_mutex_unlock(&x->write_lock);
    return r;
}

/* ---- files that nothing names ---- */

int object_index_trash(struct object_index *x, struct arena *a, struct string_list *ret,
                       struct error *err)
{
    pthread_mutex_lock(&x->write_lock);
    int r = texts(x->writer, a, TRASH_LIST, NULL, ret, err);
    pthread_mutex_unlock(&x->write_lock);
    return r;
}

int object_index_emptied(struct object_index *x, const struct string_list *files,
                         struct error *err)
{
    if (files->n == 0)
        return 0;
    int r = change_begin(x, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < files->n; i++) {
        sqlite3_stmt *q = statement(x->writer, TRASH_REMOVE);
        bind_text(q, 1, files->v[i]);
        r = run(x->writer, q, "deleting", err);
    }
    return change_end(x, r, err);
}

bool object_index_names(struct object_index *x, const char *file)
{
    pthread_mutex_lock(&x->write_lock);
    bool yes = exists(x->writer, NAMED, file);
    pthread_mutex_unlock(&x->write_lock);
    return yes;
}
