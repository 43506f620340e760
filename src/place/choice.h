/* choice.h: one placement in the making. Private to src/place.
 *
 * Owns: nothing; arrays are the cluster's scratch. Threads: one at a time. Fails: never. */
#pragma once

#include "index.h"

struct choice {
    struct place_cluster *c;
    const struct place_need *need;
    struct group *group; /* NULL: no task of it anywhere */
    const struct place_random *random;
    struct fit_key least;
    bool closable;       /* a rejection holds until something changes on the instance */
    bool own_attributes; /* the need asks for one that cells do not have */
    bool plain;          /* CPU and memory are all that it takes */
    const struct query *dynamic[PLACE_MAX_CONSTRAINTS]; /* to be asked of instances */
    size_t dynamic_count;
};

/* Two needs with the same number are taken to be the same. */
uint64_t need_signature(const struct place_need *need);

/* Finds out what of the need is decided by cells, and puts those that it allows, ordered
 * by the leading spreads over attributes, into the cluster's scratch_cells. Returns how
 * many; *ret_lead: how many strategies that used up. */
uint32_t order_cells(struct choice *ch, uint64_t signature,
                     const struct place_strategy *s, size_t n, size_t *ret_lead);
/* Those from `at` on that are equally good go to scratch_batch. Returns how many. */
uint32_t order_batch(const struct choice *ch, uint32_t at, uint32_t total, size_t lead);
