/* index.h: how a cluster is indexed for placing. Private to src/place.
 *
 * Instances that are alike (same attributes, same pool) lie in one cell. A cluster has few
 * of them, so everything that attributes decide is decided once a cell and remembered by
 * need: required attributes, zones, pool, memberOf queries that speak of attributes only,
 * and every spread over an attribute. Attributes with so many values that cells would be
 * tiny are left out of this (`unshared`) and asked of each instance.
 *
 * Placing a task of group G is then: order the cells by the leading spreads (tasks of G at
 * their value), and in the best of them find the best instance. Four structures answer that
 * without looking at all instances:
 *
 * - Every cell has its instances in slots and a fit_tree over their free CPU and memory.
 *   A random slot is tried first (most clusters have room nearly everywhere), then the
 *   tree is walked from a random slot on.
 *
 * - Every group has for every cell its members by level: level n holds the instances with
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
 * - For binpack a cell has its instances in buckets of equal free CPU and memory (pack.h),
 *   kept from the first time that somebody packs on.
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

/* Instances with the same pool and the same shared attributes. */
struct cell {
    char *key;
    uint32_t index;
    struct place_instance **slots;
    uint32_t n, cap;
    struct fit_tree tree;
    struct pack *pack;                  /* NULL: nobody packs */
    const char *pool;                   /* NULL: none */
    const char *zone;                   /* "" for instances without the attribute */
    struct place_attribute *attributes; /* the shared ones, sorted; texts in `texts` */
    size_t attribute_count;
    char *texts;
    UT_hash_handle hh;
};

struct place_instance {
    /* What most looks need, in one cache line. */
    bool usable;                   /* ACTIVE and connected */
    uint32_t serial, slot, tasks;  /* slot: of the cell */
    int64_t free_cpu, free_memory; /* total - used */
    struct cell *cell;
    struct bucket *bucket; /* of the cell's pack; NULL: in none */
    uint32_t bucket_pos;

    /* What taking a task writes, in the next two. */
    struct place_resources used;
    struct list members; /* of every group with a task here, and of whole groups */

    struct place_resources total;
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

/* One group in one cell. */
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
    struct presence *cells; /* by cell->index */
    uint32_t cell_count;
    struct member_slot *table; /* open addressing by instance */
    uint32_t table_size, table_used;
    struct list whole_link;
    UT_hash_handle hh;
};

struct unshared {
    char *name;
    UT_hash_handle hh;
};

/* The values of one attribute by cell, as small numbers. */
struct spread_field {
    char *name;
    uint64_t version; /* cells_version that it was made for */
    uint32_t *value_of;
    uint32_t values;
};
#define PLACE_MAX_FIELDS 8

/* The cells that a need allows. */
struct need_cells {
    uint64_t signature, version;
    bool *allowed; /* by cell->index */
};
#define PLACE_MAX_NEEDS 64

/* A cell with the counts that the leading spreads go by. */
struct ordered_cell {
    struct cell *cell;
    uint64_t tasks[PLACE_MAX_STRATEGIES];
};

struct place_cluster {
    struct place_instance *instances; /* uthash by id */
    uint32_t instance_count;
    struct cell *cells_by_key; /* uthash */
    struct cell **cells;       /* by index; NULL: free */
    uint32_t cell_count;       /* indexes given out so far */
    uint32_t cells_live;
    uint64_t cells_version;    /* another one whenever a cell comes or goes */
    struct unshared *unshared; /* uthash: attribute names */
    struct spread_field fields[PLACE_MAX_FIELDS];
    struct need_cells needs[PLACE_MAX_NEEDS];
    struct group *groups; /* uthash by name */
    struct list whole_groups;
    uint32_t *free_serials;
    uint32_t free_serial_count, free_serial_cap, next_serial;
    struct member *free_members;        /* chained through by_instance.next */
    struct ordered_cell *scratch_cells; /* as many as cells have indexes */
    struct cell **scratch_batch;
    uint64_t *scratch_counts;
    struct place_instance **scratch;
    struct bucket **scratch_ties;
    uint32_t scratch_cap, scratch_ties_cap;
};

/* ---- cluster.c ---- */

/* After anything that changes what is free on the instance. */
void instance_refit(struct place_instance *i);
/* Attributes sorted by name; NULL: not there, "": without a value. */
const char *attribute_value(const struct place_attribute *v, size_t n, const char *name);

/* ---- cell.c ---- */

/* Puts the instance into the cell that its info asks for; true when that is another one
 * than before. Members are the caller's business: see instance_move(). */
struct cell *cell_for(struct place_cluster *c, const struct place_instance *i);
void cell_add(struct cell *cell, struct place_instance *i);
void cell_remove(struct place_cluster *c, struct place_instance *i);
/* The attribute to be left out of cells when there are too many; NULL: leave it so. */
const char *cells_too_many(struct place_cluster *c);
void attribute_unshare(struct place_cluster *c, const char *name);
bool attribute_unshared(const struct place_cluster *c, const char *name);
void cells_free(struct place_cluster *c);
/* The attribute's values by cell. */
const struct spread_field *cells_by_value(struct place_cluster *c, const char *name);

/* ---- group.c ---- */

struct group *group_find(struct place_cluster *c, const char *name);
struct member *group_member(const struct group *g, const struct place_instance *i);
uint32_t group_count_on(const struct group *g, const struct place_instance *i);
/* Tasks of it in the cell; g may be NULL. */
uint32_t group_in_cell(const struct group *g, const struct cell *z);
struct presence *group_presence(const struct group *g, const struct cell *z);
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
