/* How many placements a second the index makes, by size of the cluster and strategy.
 *
 * place_bench [SECONDS]: two tables, each for 1,000 and 10,000 instances.
 * - 10,000 tasks of a hundred services into an empty cluster, again and again;
 * - a cluster that is kept as full as told: one task goes for each that comes.
 * Time is that of choose + commit (+ release) on one core; `cost` is how much more a task
 * costs at 10,000 instances than at 1,000. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "place.h"

#define FILL_TASKS 10000
#define GROUPS     100

struct task {
    struct place_instance *instance;
    uint32_t group;
};

struct row {
    const char *name;
    struct place_strategy strategies[3];
    size_t count;
    bool distinct;
    const char *member_of;
    const char *pool;
};

/* The time of this process alone: others may be busy beside it. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint64_t splitmix(void *ctx)
{
    uint64_t *s = ctx, z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Three zones, two types, four racks, half of the instances of a provider; one attribute
 * that no two instances share. */
static struct place_cluster *make_cluster(uint32_t instances)
{
    static const char *const zones[] = {"us-east-1a", "us-east-1b", "us-east-1c"};
    static const char *const racks[] = {"r0", "r1", "r2", "r3"};
    struct place_cluster *c = place_cluster_new();
    for (uint32_t k = 0; k < instances; k++) {
        char id[40], host[16];
        snprintf(id, sizeof(id), "%032x", k);
        snprintf(host, sizeof(host), "host-%u", k);
        struct place_attribute attributes[] = {
            {PLACE_ZONE_ATTRIBUTE, zones[k % 3]},
            {"ecs.os-type", "linux"},
            {"ecs.instance-type", k % 2 ? "m5.large" : "c5.large"},
            {"rack", racks[k / 3 % 4]},
            {"hostname", host},
            {"com.amazonaws.ecs.capability.docker-remote-api.1.18", NULL},
        };
        struct place_instance_info info = {
            .id = id,
            .active = true,
            .agent_connected = true,
            .total = {.cpu = 4096, .memory_mib = 16384},
            .attributes = attributes,
            .attribute_count = sizeof(attributes) / sizeof(attributes[0]),
            .pool = k % 2 ? "provider" : NULL,
        };
        place_instance_put(c, &info);
    }
    return c;
}

static const char *group_name(uint32_t k)
{
    static char names[GROUPS][32];
    if (!names[k][0])
        snprintf(names[k], sizeof(names[k]), "service:web-%u", k);
    return names[k];
}

struct bench {
    const struct row *row;
    struct place_cluster *c;
    struct place_need need;
    struct place_attribute wanted;
    const struct query *query;
    uint64_t seed;
    struct place_random random;
    struct task *tasks;
    uint32_t cap, n;
};

static void open_bench(struct bench *b, const struct row *row, uint32_t instances,
                       uint32_t cap, int32_t cpu)
{
    struct error err;
    *b = (struct bench){.row = row, .seed = 1, .cap = cap};
    b->c = make_cluster(instances);
    b->random = (struct place_random){splitmix, &b->seed};
    b->wanted = (struct place_attribute){
        "com.amazonaws.ecs.capability.docker-remote-api.1.18", NULL};
    b->need = (struct place_need){.resources = {.cpu = cpu, .memory_mib = 512},
                                  .attributes = &b->wanted,
                                  .attribute_count = 1,
                                  .distinct_instance = row->distinct,
                                  .pool = row->pool};
    if (row->member_of) {
        struct query *q;
        if (query_compile(row->member_of, &q, &err) < 0)
            exit(1);
        b->query = q;
        b->need.member_of = &b->query;
        b->need.member_of_count = 1;
    }
    b->tasks = xcalloc(cap, sizeof(*b->tasks));
}

static void close_bench(struct bench *b)
{
    query_free((struct query *)(uintptr_t)b->query);
    free(b->tasks);
    place_cluster_free(b->c);
}

static void place_one(struct bench *b, uint32_t at)
{
    b->tasks[at].group = (uint32_t)(splitmix(&b->seed) % GROUPS);
    const char *group = group_name(b->tasks[at].group);
    if (place_choose(b->c, &b->need, group, b->row->strategies, b->row->count, &b->random,
                     &b->tasks[at].instance) < 0) {
        fprintf(stderr, "%s: no room: the bench is wrong\n", b->row->name);
        exit(1);
    }
    place_commit(b->c, b->tasks[at].instance, &b->need, group);
}

static void release_one(struct bench *b, uint32_t at)
{
    place_release(b->c, b->tasks[at].instance, &b->need, group_name(b->tasks[at].group));
}

/* Fill and empty, without the emptying in the time. */
static double fill(const struct row *row, uint32_t instances, double seconds)
{
    struct bench b;
    int64_t spent = 0, limit = (int64_t)(seconds * 1e9);
    uint64_t placed = 0;
    open_bench(&b, row, instances, FILL_TASKS, 128);
    while (spent < limit) {
        int64_t start = cpu_ns();
        for (uint32_t k = 0; k < FILL_TASKS; k++)
            place_one(&b, k);
        spent += cpu_ns() - start;
        placed += FILL_TASKS;
        for (uint32_t k = 0; k < FILL_TASKS; k++)
            release_one(&b, k);
    }
    close_bench(&b);
    return (double)placed / ((double)spent / 1e9);
}

static double churn(const struct row *row, uint32_t instances, double seconds)
{
    struct bench b;
    uint64_t placed = 0;
    open_bench(&b, row, instances, instances * 8, 256);
    for (uint32_t k = 0; k < b.cap; k++)
        place_one(&b, k);
    int64_t start = cpu_ns(), end = start + (int64_t)(seconds * 1e9), now = start;
    for (; (placed & 63) || (now = cpu_ns()) < end; placed++) {
        uint32_t at = (uint32_t)(splitmix(&b.seed) % b.cap);
        release_one(&b, at);
        place_one(&b, at);
    }
    close_bench(&b);
    return (double)placed / ((double)(now - start) / 1e9);
}

#define SPREAD(name)                                                                     \
    {                                                                                    \
        PLACE_SPREAD, PLACE_BY_ATTRIBUTE, name                                           \
    }
#define ZONES SPREAD(PLACE_ZONE_ATTRIBUTE)
#define RACKS SPREAD("rack")
#define HOSTS                                                                            \
    {                                                                                    \
        PLACE_SPREAD, PLACE_BY_INSTANCE, NULL                                            \
    }
#define CPU                                                                              \
    {                                                                                    \
        PLACE_BINPACK, PLACE_BY_CPU, NULL                                                \
    }
#define MEMORY                                                                           \
    {                                                                                    \
        PLACE_BINPACK, PLACE_BY_MEMORY, NULL                                             \
    }
#define RANDOM                                                                           \
    {                                                                                    \
        PLACE_RANDOM, PLACE_BY_NONE, NULL                                                \
    }
#define LARGE "attribute:ecs.instance-type =~ m5.*"

static const struct row rows[] = {
    {"default (zones, instances)", {{0}}, 0, false, NULL, NULL},
    {"random", {RANDOM}, 1, false, NULL, NULL},
    {"spread instances", {HOSTS}, 1, false, NULL, NULL},
    {"spread racks", {RACKS}, 1, false, NULL, NULL},
    {"spread zones, racks, instances", {ZONES, RACKS, HOSTS}, 3, false, NULL, NULL},
    {"binpack cpu", {CPU}, 1, false, NULL, NULL},
    {"binpack memory", {MEMORY}, 1, false, NULL, NULL},
    {"spread zones, binpack memory", {ZONES, MEMORY}, 2, false, NULL, NULL},
    {"binpack cpu, binpack memory", {CPU, MEMORY}, 2, false, NULL, NULL},
    {"memberOf an attribute", {{0}}, 0, false, LARGE, NULL},
    {"memberOf, binpack memory", {MEMORY}, 1, false, LARGE, NULL},
    {"a capacity provider", {{0}}, 0, false, NULL, "provider"},
};

static void table(const char *title, double (*run)(const struct row *, uint32_t, double),
                  double seconds)
{
    printf("%-34s %14s %14s %8s\n", title, "1,000 hosts", "10,000 hosts", "cost");
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        double small = run(&rows[r], 1000, seconds),
               large = run(&rows[r], 10000, seconds);
        printf("%-34s %14.0f %14.0f %8.2f\n", rows[r].name, small, large, small / large);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    table("10,000 tasks, placed a second", fill, seconds);
    table("8 a host, one goes, one comes", churn, seconds);
    return 0;
}
