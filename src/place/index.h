/* index.h: how a cluster is indexed for placing. Private to src/place.
 *
 * Placing one task of group G by the usual strategies asks: in the zone that has the
 * fewest tasks of G (and an instance that fits), which fitting instance has the fewest,
 * and if many do, one by chance. Three structures answer without looking at all instances:
 *
 * - Every zone has its instances in slots and a fit_tree over their free CPU and memory.
 *   A random slot is tried first (most clusters have room nearly everywhere), then the
 *   tree is walked from a random slot on.
 *
 * - Every group has for every zone its members by level: level n holds the instances with
 *   n tasks of G. Level 0 is not stored as long as it is the majority: a random slot is
 *   then in it with a good chance. When more than half of the instances hold a task of G,
 *   level 0 is stored too (the group is `whole`), which costs one member for each
 *   instance, less than two for each task.
 *
 * - A level is an open and a closed array. An instance that turned out not to fit G's
 *   need is moved to the closed one and is not looked at again until something is freed
 *   on it, it is updated, or G's need changes. Each look in vain is so paid for by a
 *   commit or release; a full cluster costs no more than an empty one.
 *
 * Ties are broken by chance, though not evenly in one case: the tree's walk prefers slots
 * that follow a gap. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "fit_tree.h"
#include "list.h"
#include "place.h"

struct zone {
    char *name; /* "" for instances without the attribute */
    uint32_t index;
    struct place_instance **slots;
    uint32_t n, cap;
    struct fit_tree tree;
    UT_hash_handle hh;
};

struct place_instance {
    bool usable; /* ACTIVE and connected */
    uint32_t serial, slot, tasks;
    struct zone *zone;
    struct place_resources total, used;
    struct list members; /* of every group with a task here, and of whole groups */
    struct place_instance_info info; /* strings and attributes point into `strings` */
    char *strings;
    char *id;
    UT_hash_handle hh;
};

/* One group on one instance. */
struct member {
    struct place_instance *instance;
    struct group *group;
    struct list by_instance;
    uint32_t count; /* tasks */
    uint32_t pos;   /* in the level's array */
    bool closed;
};

struct level {
    struct member **v[2]; /* [0] open, [1] closed */
    uint32_t n[2], cap[2];
};

/* One group in one zone. */
struct presence {
    uint32_t tasks, hosting; /* hosting: instances with at least one */
    struct level *levels;
    uint32_t level_count;
};

struct member_slot {
    uint32_t key; /* serial + 1; 0 free */
    struct member *member;
};

struct group {
    char *name;
    uint32_t tasks, hosting;
    bool whole;
    uint64_t need_signature; /* the need that `closed` speaks of; 0 none */
    uint32_t closed_count;
    struct presence *zones; /* by zone->index */
    uint32_t zone_count;
    struct member_slot *table; /* open addressing by instance */
    uint32_t table_size, table_used;
    struct list whole_link;
    UT_hash_handle hh;
};

struct place_cluster {
    struct place_instance *instances; /* uthash by id */
    uint32_t instance_count;
    struct zone *zones_by_name; /* uthash */
    struct zone **zones;        /* by index; NULL: free */
    uint32_t zone_count;        /* indexes given out so far */
    struct group *groups;       /* uthash by name */
    struct list whole_groups;
    uint32_t *free_serials;
    uint32_t free_serial_count, free_serial_cap, next_serial;
    struct member *free_members; /* chained through by_instance.next */
    struct zone **scratch_zones;
    struct place_instance **scratch;
    uint32_t scratch_zone_cap, scratch_cap;
};

/* ---- cluster.c ---- */

/* After anything that changes what is free on the instance. */
void instance_refit(struct place_instance *i);

/* ---- group.c ---- */

struct group *group_find(struct place_cluster *c, const char *name);
struct member *group_member(const struct group *g, const struct place_instance *i);
uint32_t group_count_on(const struct group *g, const struct place_instance *i);
/* Tasks of it in the zone; g may be NULL. */
uint32_t group_in_zone(const struct group *g, const struct zone *z);
struct presence *group_presence(const struct group *g, const struct zone *z);
void group_add_task(struct place_cluster *c, const char *name, struct place_instance *i);
void group_remove_task(struct place_cluster *c, const char *name,
                       struct place_instance *i);
void group_free(struct place_cluster *c, struct group *g);

void member_close(struct member *m);
/* The levels' random order: swaps two open members. */
void level_swap_open(struct level *l, uint32_t a, uint32_t b);
/* Makes all members open again if the need is another one than last time. */
void group_use_need(struct group *g, uint64_t signature);

/* An instance joins whole groups, leaves all groups, may have room again. */
void groups_join(struct place_cluster *c, struct place_instance *i);
void groups_leave(struct place_cluster *c, struct place_instance *i);
void groups_reopen(struct place_instance *i);

/* ---- strategy.c ---- */

/* The value of a strategy's field; NULL when the instance lacks the attribute. */
const char *strategy_value(const struct place_strategy *s,
                           const struct place_instance *i);

/* ---- choose.c ---- */

/* [0, n) */
static inline uint32_t random_below(const struct place_random *r, uint32_t n)
{
    return (uint32_t)(((r->next(r->ctx) >> 32) * n) >> 32);
}
