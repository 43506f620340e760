/* How many placements a second the index makes, by size of the cluster.
 *
 * place_bench [SECONDS]: for each row, tasks of many groups are placed until the cluster
 * holds eight a host on average, then one is released for each that is placed, for as long
 * as told (default 1 s). Time is that of choose + commit (+ release), on one core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "place.h"

struct task {
    struct place_instance *instance;
    uint32_t group;
};

struct row {
    const char *name;
    struct place_strategy strategies[2];
    size_t count;
    uint32_t groups, per_instance;
    int32_t cpu;
};

static uint64_t splitmix(void *ctx)
{
    uint64_t *s = ctx, z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct place_cluster *make_cluster(uint32_t instances)
{
    static const char *const zones[] = {"us-east-1a", "us-east-1b", "us-east-1c"};
    struct place_cluster *c = place_cluster_new();
    for (uint32_t k = 0; k < instances; k++) {
        char id[40];
        snprintf(id, sizeof(id), "%032x", k);
        struct place_attribute attributes[] = {
            {PLACE_ZONE_ATTRIBUTE, zones[k % 3]},
            {"ecs.os-type", "linux"},
            {"com.amazonaws.ecs.capability.docker-remote-api.1.18", NULL},
        };
        struct place_instance_info info = {
            .id = id,
            .active = true,
            .agent_connected = true,
            .total = {.cpu = 4096, .memory_mib = 16384},
            .attributes = attributes,
            .attribute_count = 3,
        };
        place_instance_put(c, &info);
    }
    return c;
}

static double run(const struct row *row, uint32_t instances, double seconds)
{
    struct place_cluster *c = make_cluster(instances);
    uint64_t seed = 1;
    struct place_random random = {splitmix, &seed};
    struct place_attribute wanted = {
        "com.amazonaws.ecs.capability.docker-remote-api.1.18", NULL};
    struct place_need need = {.resources = {.cpu = row->cpu, .memory_mib = 512},
                              .attributes = &wanted,
                              .attribute_count = 1};
    uint32_t cap = instances * row->per_instance, n = 0;
    struct task *tasks = xcalloc(cap, sizeof(*tasks));
    char group[32];
    uint64_t placed = 0;
    int64_t start = clock_mono_ns(), end = start + (int64_t)(seconds * 1e9), now = start;
    for (; (placed & 63) || (now = clock_mono_ns()) < end; placed++) {
        uint32_t at = n;
        if (n == cap) {
            at = (uint32_t)(splitmix(&seed) % cap);
            snprintf(group, sizeof(group), "service:web-%u", tasks[at].group);
            place_release(c, tasks[at].instance, &need, group);
        } else {
            n++;
        }
        tasks[at].group = (uint32_t)(splitmix(&seed) % row->groups);
        snprintf(group, sizeof(group), "service:web-%u", tasks[at].group);
        if (place_choose(c, &need, group, row->strategies, row->count, &random,
                         &tasks[at].instance) < 0) {
            fprintf(stderr, "no room: the bench is wrong\n");
            exit(1);
        }
        place_commit(c, tasks[at].instance, &need, group);
    }
    free(tasks);
    place_cluster_free(c);
    return (double)placed / ((double)(now - start) / 1e9);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    static const struct place_strategy none = {PLACE_RANDOM, PLACE_BY_NONE, NULL};
    const struct row rows[] = {
        {"default, one group", {none}, 0, 1, 8, 256},
        {"default, 100 groups", {none}, 0, 100, 8, 256},
        {"default, 100 groups, 97 % full", {none}, 0, 100, 31, 128},
        {"random, 100 groups", {none}, 1, 100, 8, 256},
        {"binpack memory, 100 groups",
         {{PLACE_BINPACK, PLACE_BY_MEMORY, NULL}},
         1,
         100,
         8,
         256},
    };
    printf("%-34s %14s %14s %8s\n", "placements a second", "1,000 hosts", "10,000 hosts",
           "ratio");
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        double small = run(&rows[r], 1000, seconds),
               large = run(&rows[r], 10000, seconds);
        printf("%-34s %14.0f %14.0f %8.2f\n", rows[r].name, small, large, small / large);
    }
    return 0;
}
