#include "store.h"

#include <string.h>

void store_batch_init(struct store_batch *b, struct arena *a)
{
    *b = (struct store_batch){.arena = a};
}

static struct store_change *push(struct store_batch *b)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 16;
        struct store_change *v = arena_new_array(b->arena, struct store_change, cap);
        if (b->n)
            memcpy(v, b->v, b->n * sizeof(*v));
        b->v = v;
        b->cap = cap;
    }
    return &b->v[b->n++];
}

void store_batch_put_ref(struct store_batch *b, const char *key, const void *value,
                         size_t len)
{
    *push(b) = (struct store_change){.key = key, .value = value, .len = len};
    b->size_bytes += strlen(key) + len;
}

void store_batch_put(struct store_batch *b, const char *key, const void *value,
                     size_t len)
{
    store_batch_put_ref(b, arena_strdup(b->arena, key), arena_copy(b->arena, value, len),
                        len);
}

void store_batch_remove(struct store_batch *b, const char *key)
{
    *push(b) = (struct store_change){.key = arena_strdup(b->arena, key), .remove = true};
    b->size_bytes += strlen(key);
}

static int check_change(const struct store_change *c, struct error *err)
{
    size_t key_len = strnlen(c->key, STORE_MAX_KEY + 1);
    if (key_len == 0 || key_len > STORE_MAX_KEY)
        return fail(err, E_LIMIT, "a key of %zu bytes; 1 to %d are allowed", key_len,
                    STORE_MAX_KEY);
    if (c->len > STORE_MAX_VALUE)
        return fail(err, E_LIMIT,
                    "the value of '%s' has %zu bytes; at most %d are allowed", c->key,
                    c->len, STORE_MAX_VALUE);
    return 0;
}

int store_load_all(struct store *s, const char *prefix, store_visit *visit, void *ctx,
                   struct error *err)
{
    return s->ops->load_all(s, prefix, visit, ctx, err);
}

int store_range(struct store *s, const struct store_range *range, store_visit *visit,
                void *ctx, struct error *err)
{
    return range->limit ? s->ops->range(s, range, visit, ctx, err) : 0;
}

/* Checked here, so that no backend can forget it and none gets a batch half way in. */
int store_commit(struct store *s, const struct store_batch *b, struct error *err)
{
    for (size_t i = 0; i < b->n; i++) {
        int r = check_change(&b->v[i], err);
        if (r < 0)
            return r;
    }
    return b->n ? s->ops->commit(s, b, err) : 0;
}

int store_room(struct store *s, uint64_t need_bytes, struct error *err)
{
    uint64_t free_bytes;
    int r = s->ops->free_bytes(s, &free_bytes, err);
    if (r < 0)
        return r;
    if (free_bytes < STORE_RESERVE || free_bytes - STORE_RESERVE < need_bytes)
        return fail(
            err, E_FULL,
            "%llu MiB are free where the state is kept, which is less than %llu MiB",
            (unsigned long long)(free_bytes >> 20),
            (unsigned long long)((need_bytes + STORE_RESERVE + 0xfffff) >> 20));
    return 0;
}

int store_rewrite(struct store *s, struct error *err)
{
    return s->ops->rewrite(s, err);
}

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}
