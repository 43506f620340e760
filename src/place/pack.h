/* pack.h: the instances of a cell in order of what is free on them, for binpack.
 *
 * Instances with the same free CPU and memory are one bucket; there are few buckets, as
 * tasks come in few sizes. Buckets are in two orders: by CPU then memory, by memory then
 * CPU. "The least that is enough" is a search in one of them.
 *
 * Owns: the buckets, until pack_free(). Threads: one at a time. Fails: never. Private to
 * src/place. */
#pragma once

#include "index.h"
#include "tree.h"

struct bucket {
    int64_t free[2]; /* CPU, memory */
    struct place_instance **v;
    uint32_t n, cap;
    RB_ENTRY(bucket) by[2];
};

enum pack_field { PACK_CPU, PACK_MEMORY };

/* From now on the cell keeps its order. */
void pack_begin(struct cell *cell);
void pack_free(struct pack *p);
/* Puts the instance where what is free on it says; unusable ones are nowhere. */
void pack_put(struct place_instance *i);
void pack_take_out(struct place_instance *i);

/* The bucket with the least of `field`, at least `least`, among those that have at least
 * `other` of the other amount; NULL: none. Of several the one with the least other. */
struct bucket *pack_find(const struct pack *p, enum pack_field field, int64_t least,
                         int64_t other);
/* The next in that order with the same amount of `field`; NULL: there is none. */
struct bucket *pack_next_equal(const struct bucket *b, enum pack_field field);
