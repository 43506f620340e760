/* The store's twin in memory. A sorted array is enough: tests and the simulator hold some
 * thousand objects, and a commit that fails must leave no trace, which an array that is
 * only touched after the decision gives for free. Values are copied in and out, so that a
 * caller who keeps a pointer too long is found by ASan. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

struct entry {
    char *key;
    void *value;
    size_t len;
};

struct memory_store {
    struct store base;
    struct entry *v; /* sorted by key */
    size_t n, cap;
    unsigned fail_in; /* 1: the next commit; 0: none */
    enum error_code fail_code;
    uint64_t free_bytes, commits;
    pthread_mutex_t lock; /* of the array: readers of ranges come from other threads */
};

static struct memory_store *self(struct store *s)
{
    return (struct memory_store *)(void *)s;
}

/* Position of the key, or where it belongs. */
static size_t position(const struct memory_store *m, const char *key, bool *ret_found)
{
    size_t lo = 0, hi = m->n;
    *ret_found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(m->v[mid].key, key);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void entry_fini(struct entry *e)
{
    free(e->key);
    free(e->value);
}

static void remove_at(struct memory_store *m, size_t i)
{
    entry_fini(&m->v[i]);
    memmove(&m->v[i], &m->v[i + 1], (m->n - i - 1) * sizeof(*m->v));
    m->n--;
}

static struct entry *insert_at(struct memory_store *m, size_t i, const char *key)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->v = xrealloc(m->v, m->cap * sizeof(*m->v));
    }
    memmove(&m->v[i + 1], &m->v[i], (m->n - i) * sizeof(*m->v));
    m->n++;
    m->v[i] = (struct entry){.key = xstrdup(key)};
    return &m->v[i];
}

static void put(struct memory_store *m, const char *key, const void *value, size_t len)
{
    bool found;
    size_t i = position(m, key, &found);
    struct entry *e = found ? &m->v[i] : insert_at(m, i, key);
    void *copy = xmalloc(len);
    if (len)
        memcpy(copy, value, len);
    free(e->value);
    e->value = copy;
    e->len = len;
}

static int memory_commit(struct store *s, const struct store_batch *b, struct error *err)
{
    struct memory_store *m = self(s);
    if (m->fail_in && --m->fail_in == 0)
        return fail(err, m->fail_code, "the store was told to fail this commit");
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < b->n; i++) {
        const struct store_change *c = &b->v[i];
        if (!c->remove) {
            put(m, c->key, c->value, c->len);
            continue;
        }
        bool found;
        size_t at = position(m, c->key, &found);
        if (found)
            remove_at(m, at);
    }
    m->commits++;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static int memory_load_all(struct store *s, const char *prefix, store_visit *visit,
                           void *ctx, struct error *err)
{
    struct memory_store *m = self(s);
    size_t len = strlen(prefix);
    bool found;
    for (size_t i = position(m, prefix, &found); i < m->n; i++) {
        if (strncmp(m->v[i].key, prefix, len) != 0)
            break;
        int r = visit(ctx, m->v[i].key, m->v[i].value, m->v[i].len, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int memory_range(struct store *s, const struct store_range *range,
                        store_visit *visit, void *ctx, struct error *err)
{
    struct memory_store *m = self(s);
    bool found;
    int r = 0;
    pthread_mutex_lock(&m->lock);
    size_t from = position(m, range->from, &found), to = position(m, range->to, &found);
    size_t n = to > from ? to - from : 0;
    for (size_t i = 0; i < n && i < range->limit && r >= 0; i++) {
        const struct entry *e = &m->v[range->newest_first ? to - 1 - i : from + i];
        r = visit(ctx, e->key, e->value, e->len, err);
    }
    pthread_mutex_unlock(&m->lock);
    return r < 0 ? r : 0;
}

static int memory_rewrite(struct store *s, struct error *err)
{
    return 0;
}

static int memory_free_bytes(struct store *s, uint64_t *ret, struct error *err)
{
    *ret = self(s)->free_bytes;
    return 0;
}

static void memory_close(struct store *s)
{
    struct memory_store *m = self(s);
    for (size_t i = 0; i < m->n; i++)
        entry_fini(&m->v[i]);
    pthread_mutex_destroy(&m->lock);
    free(m->v);
    free(m);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .load_all = memory_load_all,
    .range = memory_range,
    .commit = memory_commit,
    .free_bytes = memory_free_bytes,
    .rewrite = memory_rewrite,
    .close = memory_close,
};

int store_memory_open(struct store **ret, struct error *err)
{
    struct memory_store *m = xcalloc(1, sizeof(*m));
    m->base.ops = &memory_ops;
    m->free_bytes = 1ULL << 40;
    pthread_mutex_init(&m->lock, NULL);
    *ret = &m->base;
    return 0;
}

void store_memory_fail(struct store *s, unsigned nth, enum error_code code)
{
    self(s)->fail_in = nth;
    self(s)->fail_code = code;
}

void store_memory_set_free(struct store *s, uint64_t bytes)
{
    self(s)->free_bytes = bytes;
}

uint64_t store_memory_commits(const struct store *s)
{
    return ((const struct memory_store *)(const void *)s)->commits;
}

struct store *store_memory_clone(const struct store *s)
{
    const struct memory_store *from = (const struct memory_store *)(const void *)s;
    struct store *copy;
    store_memory_open(&copy, NULL);
    for (size_t i = 0; i < from->n; i++)
        put(self(copy), from->v[i].key, from->v[i].value, from->v[i].len);
    return copy;
}
