#include "fit_tree.h"

#include <stdbool.h>
#include <stdlib.h>

#include "arena.h"

#define FANOUT 16u

static bool covers(struct fit_key have, struct fit_key least)
{
    return have.cpu >= least.cpu && have.memory_mib >= least.memory_mib;
}

void fit_tree_free(struct fit_tree *t)
{
    for (uint32_t l = 0; l < FIT_TREE_LEVELS; l++)
        free(t->level[l]);
    *t = (struct fit_tree){0};
}

static struct fit_key max_below(const struct fit_tree *t, uint32_t level, uint32_t node)
{
    struct fit_key max = {-1, -1};
    uint32_t first = node * FANOUT, end = first + FANOUT;
    if (end > t->size[level - 1])
        end = t->size[level - 1];
    for (uint32_t i = first; i < end; i++) {
        struct fit_key k = t->level[level - 1][i];
        if (k.cpu > max.cpu)
            max.cpu = k.cpu;
        if (k.memory_mib > max.memory_mib)
            max.memory_mib = k.memory_mib;
    }
    return max;
}

static void grow(struct fit_tree *t, uint32_t slots)
{
    uint32_t cap = t->cap ? t->cap : FANOUT;
    while (cap < slots)
        cap *= 2;
    uint32_t width = cap;
    for (uint32_t l = 0; l < FIT_TREE_LEVELS; l++) {
        t->level[l] = xrealloc(t->level[l], width * sizeof(struct fit_key));
        width = (width + FANOUT - 1) / FANOUT;
    }
    t->cap = cap;
}

void fit_tree_resize(struct fit_tree *t, uint32_t slots)
{
    if (slots > t->cap)
        grow(t, slots);
    for (uint32_t i = t->size[0]; i < slots; i++)
        t->level[0][i] = (struct fit_key){-1, -1};
    uint32_t old = t->size[0], width = slots;
    t->levels = 0;
    for (uint32_t l = 0; l < FIT_TREE_LEVELS; l++) {
        uint32_t had = t->size[l];
        t->size[l] = width;
        if (l > 0) {
            /* Only the last nodes that were there, and the new ones, have changed. */
            uint32_t from = had ? had - 1 : 0;
            if (slots < old)
                from = width ? width - 1 : 0;
            for (uint32_t i = from; i < width; i++)
                t->level[l][i] = max_below(t, l, i);
        }
        if (width <= 1 && t->levels == 0)
            t->levels = l + 1;
        width = (width + FANOUT - 1) / FANOUT;
    }
}

void fit_tree_set(struct fit_tree *t, uint32_t slot, struct fit_key key)
{
    t->level[0][slot] = key;
    for (uint32_t l = 1; l < t->levels; l++) {
        slot /= FANOUT;
        struct fit_key max = max_below(t, l, slot), *node = &t->level[l][slot];
        if (node->cpu == max.cpu && node->memory_mib == max.memory_mib)
            return;
        *node = max;
    }
}

/* Searches below one node of `level`; slots before `from` are left out. */
static uint32_t search(const struct fit_tree *t, uint32_t level, uint32_t node,
                       uint32_t from, struct fit_key least)
{
    if (level == 0)
        return node;
    uint32_t first = node * FANOUT, end = first + FANOUT;
    if (end > t->size[level - 1])
        end = t->size[level - 1];
    uint64_t span = 1; /* slots below one child */
    for (uint32_t l = 1; l < level; l++)
        span *= FANOUT;
    uint32_t skip = (uint32_t)(from / span);
    for (uint32_t i = first > skip ? first : skip; i < end; i++) {
        if (!covers(t->level[level - 1][i], least))
            continue;
        uint32_t found = search(t, level - 1, i, from, least);
        if (found != FIT_TREE_NONE)
            return found;
    }
    return FIT_TREE_NONE;
}

uint32_t fit_tree_next(const struct fit_tree *t, uint32_t from, struct fit_key least)
{
    if (t->levels == 0 || from >= t->size[0] ||
        !covers(t->level[t->levels - 1][0], least))
        return FIT_TREE_NONE;
    return search(t, t->levels - 1, 0, from, least);
}
