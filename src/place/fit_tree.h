/* fit_tree.h: finds the next slot with enough room without looking at all of them.
 *
 * A tree of maxima over slots 0…n-1: every inner node holds the largest free CPU and the
 * largest free memory below it, so a search skips whole blocks that can't fit. The two
 * maxima may come from different slots, then the search goes down in vain and comes back.
 * Sixteen children a node: a level is two cache lines and three levels hold 4,096 slots.
 *
 * Owns: its arrays, until fit_tree_free(). Threads: one at a time. Fails: never. */
#pragma once

#include <stdint.h>

struct fit_key {
    int32_t cpu, memory_mib; /* both -1: never chosen */
};

#define FIT_TREE_LEVELS 8 /* 16^8 slots: all that an uint32_t counts */
#define FIT_TREE_NONE   UINT32_MAX

struct fit_tree {
    struct fit_key *level[FIT_TREE_LEVELS]; /* [0]: the slots */
    uint32_t size[FIT_TREE_LEVELS];
    uint32_t levels; /* in use; 0 when empty */
    uint32_t cap;    /* slots that the arrays have room for */
};

void fit_tree_free(struct fit_tree *t);
/* Slots that are new hold {-1, -1}. */
void fit_tree_resize(struct fit_tree *t, uint32_t slots);
void fit_tree_set(struct fit_tree *t, uint32_t slot, struct fit_key key);
/* The first slot >= from with at least that much; FIT_TREE_NONE when there is none. */
uint32_t fit_tree_next(const struct fit_tree *t, uint32_t from, struct fit_key least);
