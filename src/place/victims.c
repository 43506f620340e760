/* Who goes first when a service scales in.
 *
 * ECS narrows, for each task to be stopped, the tasks by the strategies in order. The
 * whole order can be had at once: shuffle; then, from the last strategy to the first,
 * give each task a number and sort by it, stably. For spread, the kth task (in the order
 * so far) of a value that has n tasks gets n - k: that is what the value's count will be
 * when it is that task's turn. Values with equal counts stay mixed in the order of the
 * inner strategies, as if each task had been chosen alone. For binpack, freeing makes an
 * instance more free, so the one with most room after the first is emptied first. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "index.h"

struct entry {
    struct place_victim victim;
    int64_t key;    /* high goes first */
    uint32_t order; /* so far; makes the sort stable */
};

struct value {
    const char *name;
    int64_t left;
    UT_hash_handle hh;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort(struct entry *v, size_t n)
{
    for (size_t k = 0; k < n; k++)
        v[k].order = (uint32_t)k;
    qsort(v, n, sizeof(*v), by_key);
}

static void shuffle(const struct place_random *random, struct entry *v, size_t n)
{
    for (size_t k = n; k > 1; k--) {
        size_t j = random_below(random, (uint32_t)k);
        struct entry t = v[k - 1];
        v[k - 1] = v[j];
        v[j] = t;
    }
}

static const char *value_name(const struct place_strategy *s,
                              const struct place_instance *i)
{
    const char *name = i ? strategy_value(s, i) : NULL;
    return name ? name : "";
}

static struct value *value_need(struct arena *a, struct value **all, const char *name)
{
    struct value *v;
    HASH_FIND_STR(*all, name, v);
    if (!v) {
        v = arena_new(a, struct value);
        v->name = name;
        HASH_ADD_KEYPTR(hh, *all, v->name, strlen(v->name), v);
    }
    return v;
}

/* Counts all tasks of the group, also those that are no candidates (protected ones). */
static void spread_keys(const struct group *g, const struct place_strategy *s,
                        struct entry *v, size_t n)
{
    AUTO_ARENA a = ARENA_INIT;
    struct value *all = NULL;
    for (uint32_t k = 0; g && k < g->table_size; k++)
        if (g->table[k].key && g->table[k].member->count)
            value_need(&a, &all, value_name(s, g->table[k].member->instance))->left +=
                g->table[k].member->count;
    for (size_t k = 0; k < n; k++)
        v[k].key = value_need(&a, &all, value_name(s, v[k].victim.instance))->left--;
    HASH_CLEAR(hh, all);
}

static int64_t frees(const struct place_strategy *s, const struct place_victim *v)
{
    return s->field == PLACE_BY_CPU ? v->cpu : v->memory_mib;
}

/* An instance's tasks all get the room that its first one leaves. */
static void binpack_keys(const struct place_strategy *s, struct entry *v, size_t n)
{
    AUTO_ARENA a = ARENA_INIT;
    struct value *all = NULL;
    for (size_t k = 0; k < n; k++) {
        const struct place_instance *i = v[k].victim.instance;
        if (!i) {
            v[k].key = INT64_MAX;
            continue;
        }
        struct value *first = NULL;
        HASH_FIND_STR(all, i->id, first);
        if (!first) {
            first = value_need(&a, &all, i->id);
            int64_t room = s->field == PLACE_BY_CPU
                               ? i->total.cpu - i->used.cpu
                               : i->total.memory_mib - i->used.memory_mib;
            /* The serial parts instances with equal room, so that each stays together. */
            first->left = ((room + frees(s, &v[k].victim)) << 20) + (i->serial & 0xfffff);
        }
        v[k].key = first->left;
    }
    HASH_CLEAR(hh, all);
}

static void apply(const struct group *g, const struct place_strategy *s, struct entry *v,
                  size_t n)
{
    if (s->type == PLACE_SPREAD)
        spread_keys(g, s, v, n);
    else
        binpack_keys(s, v, n);
    sort(v, n);
}

void place_rank_victims(struct place_cluster *c, const char *group,
                        const struct place_strategy *strategies, size_t n,
                        const struct place_random *random, struct place_victim *victims,
                        size_t count)
{
    if (count == 0)
        return;
    if (n == 0) {
        strategies = place_default_strategies;
        n = sizeof(place_default_strategies) / sizeof(place_default_strategies[0]);
    }
    const struct group *g = group_find(c, group);
    for (size_t k = 0; k < n; k++)
        if (strategies[k].type == PLACE_RANDOM)
            n = k; /* after a random choice nothing is left to choose */
    struct entry *v = xcalloc(count, sizeof(*v));
    for (size_t k = 0; k < count; k++)
        v[k].victim = victims[k];
    shuffle(random, v, count);
    for (size_t k = n; k-- > 0;)
        apply(g, &strategies[k], v, count);
    for (size_t k = 0; k < count; k++) {
        const struct place_instance *i = v[k].victim.instance;
        v[k].key = !i ? 2 : i->info.draining ? 1 : 0;
    }
    sort(v, count);
    for (size_t k = 0; k < count; k++)
        victims[k] = v[k].victim;
    free(v);
}

ptrdiff_t place_choose_victim(struct place_cluster *c, const char *group,
                              const struct place_strategy *strategies, size_t n,
                              const struct place_random *random,
                              const struct place_victim *victims, size_t count)
{
    if (count == 0)
        return -1;
    struct place_victim *v = xcalloc(count, sizeof(*v));
    for (size_t k = 0; k < count; k++) {
        v[k] = victims[k];
        v[k].owner = (void *)(uintptr_t)k;
    }
    place_rank_victims(c, group, strategies, n, random, v, count);
    ptrdiff_t first = (ptrdiff_t)(uintptr_t)v[0].owner;
    free(v);
    return first;
}
