#include "iam_index.h"

#include <stdlib.h>

#include "arena.h"
#include "str.h"

/* FNV-1a: keys are ours and random, nobody outside can choose many that collide. */
static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037u;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h ^ h >> 32;
}

static struct iam_index_entry **bucket(const struct iam_index *x, uint64_t hash)
{
    return &x->buckets[hash & (x->size - 1)];
}

static void grow(struct iam_index *x)
{
    struct iam_index bigger = {.size = x->size ? x->size * 2 : 64};
    bigger.buckets = xcalloc(bigger.size, sizeof(struct iam_index_entry *));
    for (size_t i = 0; i < x->size; i++)
        for (struct iam_index_entry *e = x->buckets[i], *next; e; e = next) {
            struct iam_index_entry **b = bucket(&bigger, e->hash);
            next = e->next;
            e->next = *b;
            *b = e;
        }
    free(x->buckets);
    bigger.count = x->count;
    *x = bigger;
}

void iam_index_add(struct iam_index *x, struct iam_index_entry *e, const char *key)
{
    if (x->count >= x->size)
        grow(x);
    e->key = key;
    e->hash = hash_of(key);
    struct iam_index_entry **b = bucket(x, e->hash);
    e->next = *b;
    *b = e;
    x->count++;
}

void iam_index_remove(struct iam_index *x, struct iam_index_entry *e)
{
    if (!e->key)
        return;
    struct iam_index_entry **p = bucket(x, e->hash);
    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
    e->key = NULL;
    x->count--;
}

struct iam_index_entry *iam_index_find(const struct iam_index *x, const char *key)
{
    if (!x->size)
        return NULL;
    uint64_t hash = hash_of(key);
    struct iam_index_entry *e = *bucket(x, hash);
    while (e && (e->hash != hash || !streq(e->key, key)))
        e = e->next;
    return e;
}

void iam_index_free(struct iam_index *x)
{
    free(x->buckets);
    *x = (struct iam_index){0};
}
