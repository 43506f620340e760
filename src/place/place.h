/* place.h: which container instance takes a task, and which task goes first.
 *
 * A `struct place_cluster` is an index of the instances of one cluster: what each offers,
 * what is taken, and how many tasks of each group (a service, or what RunTask's `group`
 * says) it holds. place_choose() runs the pipeline of ECS: the instance is ACTIVE and its
 * agent connected; resources; required attributes; zone of the subnets; constraints; then
 * the strategies, ties by chance. Strategies and constraints are answered from the index
 * and cost about the same with ten instances as with ten thousand (README: what does
 * not). How the index works: the essay in index.h.
 *
 * Choosing changes nothing: place_commit() takes, place_release() gives back, and both
 * are to be called with the same need.
 *
 * Owns: copies of everything given. Instances live until place_instance_remove().
 * Threads: one at a time. Fails: place_choose() with -E_FULL, see there. No clock, no
 * randomness but the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query.h"
#include "resources.h"

struct place_cluster;
struct place_instance;

#define PLACE_ZONE_ATTRIBUTE "ecs.availability-zone"

struct place_attribute {
    const char *name;
    const char *value; /* NULL: without a value; in a need: any value will do */
};

/* What is known of an instance. Copied; give it whole at every update. */
struct place_instance_info {
    const char *id; /* the 32 hexadecimal digits; fixed for its life */
    void *owner;    /* the caller's object behind it */
    bool active;    /* status ACTIVE */
    bool draining;  /* status DRAINING: its tasks are the first to go */
    bool agent_connected;
    const char *agent_version;
    const char *ec2_instance_id; /* spread field `host`, query ec2InstanceId */
    int64_t registered_at_ms;
    struct place_resources total; /* its ports: reserved by the host */
    const struct place_attribute *attributes;
    size_t attribute_count;
    const char *pool; /* where it comes from (a capacity provider); NULL: nowhere */
};

/* What a task needs. Nothing is copied; it only has to live during the call. */
struct place_need {
    struct place_resources resources;
    const struct place_attribute *attributes; /* requiresAttributes */
    size_t attribute_count;
    const char *const *zones; /* awsvpc: zones of the given subnets; NULL: anywhere */
    size_t zone_count;
    const struct query *const *member_of; /* compiled constraints, all must hold */
    size_t member_of_count;
    bool distinct_instance;
    const char *pool; /* only instances of it; NULL: any */
};

enum place_strategy_type { PLACE_RANDOM, PLACE_SPREAD, PLACE_BINPACK };
enum place_field {
    PLACE_BY_NONE,      /* random */
    PLACE_BY_INSTANCE,  /* instanceId, host */
    PLACE_BY_ATTRIBUTE, /* attribute:NAME */
    PLACE_BY_CPU,
    PLACE_BY_MEMORY,
};

struct place_strategy {
    enum place_strategy_type type;
    enum place_field field;
    const char *attribute; /* with PLACE_BY_ATTRIBUTE */
};

#define PLACE_MAX_STRATEGIES  5
#define PLACE_MAX_CONSTRAINTS 10

/* Reads a strategy as the API has it: type "random", "spread" or "binpack" and its field
 * ("instanceId", "host", "attribute:NAME", "cpu", "memory", NULL or "" for none). Fails
 * with E_INVALID and ECS's own text. ret->attribute points into `field`. */
int place_strategy_parse(const char *type, const char *field, struct place_strategy *ret,
                         struct error *err);

/* What services get that name no strategy: zones, then instances (API reference). */
extern const struct place_strategy place_default_strategies[2];

/* Any 64 random bits a call. */
struct place_random {
    uint64_t (*next)(void *ctx);
    void *ctx;
};

/* ---- the index ---- */

struct place_cluster *place_cluster_new(void);
void place_cluster_free(struct place_cluster *c);
size_t place_cluster_size(const struct place_cluster *c);

/* Adds an instance, or updates the one with this id; what its tasks take stays taken. */
struct place_instance *place_instance_put(struct place_cluster *c,
                                          const struct place_instance_info *info);
struct place_instance *place_instance_find(struct place_cluster *c, const char *id);
/* Its tasks are forgotten with it: do not release them afterwards. */
void place_instance_remove(struct place_cluster *c, struct place_instance *i);

const char *place_instance_id(const struct place_instance *i);
void *place_instance_owner(const struct place_instance *i);
const struct place_resources *place_instance_total(const struct place_instance *i);
const struct place_resources *place_instance_used(const struct place_instance *i);
uint32_t place_instance_tasks(const struct place_instance *i);
const char *place_instance_attribute(const struct place_instance *i, const char *name);
/* Fills what query_matches() wants to know of an instance. */
void place_instance_subject(const struct place_instance *i, struct query_subject *ret);

/* ---- placing ---- */

/* The instance for one more task of `group`. With no strategies (n 0) the default ones.
 * Returns 0, or -E_FULL when no instance takes it: ask place_explain() why. */
int place_choose(struct place_cluster *c, const struct place_need *need,
                 const char *group, const struct place_strategy *strategies, size_t n,
                 const struct place_random *random, struct place_instance **ret);

/* May this instance take it (StartTask)? The first reason against it. */
enum place_reason place_check(struct place_cluster *c, const struct place_instance *i,
                              const struct place_need *need, const char *group);

/* Takes the need's resources and counts the task; never refused, so that the tasks of a
 * restart are all counted, even on an instance that has shrunk since. */
void place_commit(struct place_cluster *c, struct place_instance *i,
                  const struct place_need *need, const char *group);
void place_release(struct place_cluster *c, struct place_instance *i,
                   const struct place_need *need, const char *group);

/* Tasks of the group on the instance, in the whole cluster. */
uint32_t place_group_on(struct place_cluster *c, const struct place_instance *i,
                        const char *group);
uint32_t place_group_size(struct place_cluster *c, const char *group);

struct place_rejection {
    struct place_instance *instance;
    enum place_reason reason;
};

/* Why not, one entry an ACTIVE instance, at most `max`: RunTask's failures[]. Returns how
 * many were written; instances that would take it are left out. */
size_t place_explain(struct place_cluster *c, const struct place_need *need,
                     const char *group, struct place_rejection *ret, size_t max);
/* The instance that came furthest in the pipeline, for a service's event. False when
 * there is no ACTIVE instance at all. */
bool place_closest(struct place_cluster *c, const struct place_need *need,
                   const char *group, struct place_rejection *ret);

/* ---- who goes first ---- */

struct place_victim {
    struct place_instance *instance; /* NULL: not on an instance; goes first */
    int64_t cpu, memory_mib;         /* what its end frees */
    void *owner;
};

/* Puts the tasks that may be stopped into the order in which a scale-in stops them: those
 * on DRAINING instances, then the strategies backwards (spread: the value with most tasks
 * of the group; binpack: where most is free afterwards), ties by chance. As if each was
 * stopped before the next is chosen. Leave protected tasks out. O(n log n). */
void place_rank_victims(struct place_cluster *c, const char *group,
                        const struct place_strategy *strategies, size_t n,
                        const struct place_random *random, struct place_victim *victims,
                        size_t count);
/* The index of the first in that order; -1 with count 0. */
ptrdiff_t place_choose_victim(struct place_cluster *c, const char *group,
                              const struct place_strategy *strategies, size_t n,
                              const struct place_random *random,
                              const struct place_victim *victims, size_t count);
