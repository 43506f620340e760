#include "pack.h"

#include <stdlib.h>

#include "arena.h"

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_field(const struct bucket *a, const struct bucket *b, enum pack_field f)
{
    int c = compare(a->free[f], b->free[f]);
    return c ? c : compare(a->free[!f], b->free[!f]);
}

static int by_cpu(struct bucket *a, struct bucket *b)
{
    return by_field(a, b, PACK_CPU);
}

static int by_memory(struct bucket *a, struct bucket *b)
{
    return by_field(a, b, PACK_MEMORY);
}

RB_HEAD(cpu_tree, bucket);
RB_HEAD(memory_tree, bucket);
TREE_GENERATE(cpu_tree, bucket, by[PACK_CPU], by_cpu)
TREE_GENERATE(memory_tree, bucket, by[PACK_MEMORY], by_memory)

struct pack {
    struct cpu_tree cpu;
    struct memory_tree memory;
};

void pack_begin(struct cell *cell)
{
    if (cell->pack)
        return;
    cell->pack = xcalloc(1, sizeof(*cell->pack));
    RB_INIT(&cell->pack->cpu);
    RB_INIT(&cell->pack->memory);
    for (uint32_t s = 0; s < cell->n; s++)
        pack_put(cell->slots[s]);
}

static void bucket_free(struct pack *p, struct bucket *b)
{
    RB_REMOVE(cpu_tree, &p->cpu, b);
    RB_REMOVE(memory_tree, &p->memory, b);
    free(b->v);
    free(b);
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    struct bucket *b;
    while ((b = RB_ROOT(&p->cpu))) {
        for (uint32_t k = 0; k < b->n; k++)
            b->v[k]->bucket = NULL;
        bucket_free(p, b);
    }
    free(p);
}

void pack_take_out(struct place_instance *i)
{
    struct bucket *b = i->bucket;
    if (!b)
        return;
    struct place_instance *last = b->v[--b->n];
    b->v[i->bucket_pos] = last;
    last->bucket_pos = i->bucket_pos;
    i->bucket = NULL;
    if (b->n == 0)
        bucket_free(i->cell->pack, b);
}

static struct bucket *bucket_need(struct pack *p, int64_t cpu, int64_t memory)
{
    struct bucket key = {.free = {cpu, memory}};
    struct bucket *b = RB_FIND(cpu_tree, &p->cpu, &key);
    if (b)
        return b;
    b = xcalloc(1, sizeof(*b));
    b->free[PACK_CPU] = cpu;
    b->free[PACK_MEMORY] = memory;
    RB_INSERT(cpu_tree, &p->cpu, b);
    RB_INSERT(memory_tree, &p->memory, b);
    return b;
}

void pack_put(struct place_instance *i)
{
    struct bucket *b = i->bucket;
    if (b && i->usable && b->free[PACK_CPU] == i->free_cpu &&
        b->free[PACK_MEMORY] == i->free_memory)
        return;
    pack_take_out(i);
    if (!i->usable)
        return;
    b = bucket_need(i->cell->pack, i->free_cpu, i->free_memory);
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4;
        b->v = xrealloc(b->v, b->cap * sizeof(struct place_instance *));
    }
    i->bucket = b;
    i->bucket_pos = b->n;
    b->v[b->n++] = i;
}

static struct bucket *at_least(const struct pack *p, enum pack_field f, int64_t first,
                               int64_t second)
{
    struct bucket key;
    key.free[f] = first;
    key.free[!f] = second;
    return f == PACK_CPU
               ? RB_NFIND(cpu_tree, (struct cpu_tree *)(uintptr_t)&p->cpu, &key)
               : RB_NFIND(memory_tree, (struct memory_tree *)(uintptr_t)&p->memory, &key);
}

struct bucket *pack_find(const struct pack *p, enum pack_field f, int64_t least,
                         int64_t other)
{
    struct bucket *b = at_least(p, f, least, other);
    while (b && b->free[!f] < other)
        b = at_least(p, f, b->free[f], other);
    return b;
}

struct bucket *pack_next_equal(const struct bucket *b, enum pack_field f)
{
    struct bucket *own = (struct bucket *)(uintptr_t)b;
    struct bucket *next =
        f == PACK_CPU ? RB_NEXT(cpu_tree, NULL, own) : RB_NEXT(memory_tree, NULL, own);
    return next && next->free[f] == b->free[f] ? next : NULL;
}
