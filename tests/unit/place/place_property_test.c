/* Whatever happens in whatever order: nothing is overcommitted, the index agrees with a
 * plain scan, and giving everything back leaves nothing taken. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "place.h"

#define HOSTS  60
#define TASKS  400
#define GROUPS 4
#define STEPS  20000

static uint64_t splitmix(void *ctx)
{
    uint64_t *s = ctx, z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct task {
    struct place_instance *instance; /* NULL: free */
    int need, group;
};

struct world {
    struct place_cluster *c;
    uint64_t seed;
    struct place_random random;
    struct place_instance *hosts[HOSTS]; /* NULL: not there */
    bool usable[HOSTS];
    int zone[HOSTS];
    struct task tasks[TASKS];
    struct place_need needs[4];
    uint16_t ports[2];
};

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)(splitmix(&w->seed) % n);
}

static const char *group_name(int g)
{
    static const char *const names[GROUPS] = {"service:a", "service:b", "family:c", "d"};
    return names[g];
}

static void put_host(struct world *w, uint32_t k)
{
    static const char *const zones[] = {"a", "b", "c"};
    char id[8];
    snprintf(id, sizeof(id), "%u", k);
    w->zone[k] = (int)below(w, 4);
    struct place_attribute attributes[] = {{"os", below(w, 8) ? "linux" : "windows"},
                                           {PLACE_ZONE_ATTRIBUTE, zones[w->zone[k] % 3]}};
    uint32_t dice = below(w, 10);
    w->usable[k] = dice > 1;
    struct place_instance_info info = {
        .id = id,
        .active = dice > 0,
        .agent_connected = dice != 1,
        .total = {.cpu = 10 + below(w, 30), .memory_mib = 10 + below(w, 30), .gpus = 1},
        .attributes = attributes,
        .attribute_count = w->zone[k] == 3 ? 1 : 2};
    w->hosts[k] = place_instance_put(w->c, &info);
    w->zone[k] = w->zone[k] == 3 ? 3 : w->zone[k] % 3;
}

static void remove_host(struct world *w, uint32_t k)
{
    for (int t = 0; t < TASKS; t++)
        if (w->tasks[t].instance == w->hosts[k])
            w->tasks[t].instance = NULL;
    place_instance_remove(w->c, w->hosts[k]);
    w->hosts[k] = NULL;
}

/* What the default strategies must give, by looking at everything. */
static void check_choice(struct world *w, const struct place_need *need,
                         const char *group, const struct place_instance *got,
                         bool zones_first)
{
    uint32_t zone_tasks[4] = {0}, fewest_zone = UINT32_MAX, fewest = UINT32_MAX;
    for (int k = 0; k < HOSTS; k++)
        if (w->hosts[k])
            zone_tasks[w->zone[k]] += place_group_on(w->c, w->hosts[k], group);
    if (!zones_first)
        memset(zone_tasks, 0, sizeof(zone_tasks));
    bool possible = false;
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < HOSTS; k++) {
            if (!w->hosts[k] || place_check(w->c, w->hosts[k], need, group) != PLACE_OK)
                continue;
            possible = true;
            uint32_t on = place_group_on(w->c, w->hosts[k], group);
            if (pass == 0 && zone_tasks[w->zone[k]] < fewest_zone)
                fewest_zone = zone_tasks[w->zone[k]];
            if (pass == 1 && zone_tasks[w->zone[k]] == fewest_zone && on < fewest)
                fewest = on;
        }
    }
    assert_int_equal(possible, got != NULL);
    for (int k = 0; k < HOSTS && got; k++) {
        if (w->hosts[k] != got)
            continue;
        assert_int_equal(place_check(w->c, got, need, group), PLACE_OK);
        assert_int_equal(zone_tasks[w->zone[k]], fewest_zone);
        assert_int_equal(place_group_on(w->c, got, group), fewest);
    }
}

static void place_one(struct world *w, struct task *t)
{
    static const struct place_strategy by_host = {PLACE_SPREAD, PLACE_BY_INSTANCE, NULL};
    t->need = (int)below(w, 4);
    t->group = (int)below(w, GROUPS);
    if (below(w, 4)) /* mostly the same need in a group, so that members stay closed */
        t->need = t->group;
    struct place_need *need = &w->needs[t->need];
    need->distinct_instance = below(w, 10) == 0;
    bool zones = below(w, 3) > 0;
    struct place_instance *i = NULL;
    place_choose(w->c, need, group_name(t->group), zones ? NULL : &by_host, !zones,
                 &w->random, &i);
    check_choice(w, need, group_name(t->group), i, zones);
    t->instance = i;
    if (i)
        place_commit(w->c, i, need, group_name(t->group));
}

static void give_back(struct world *w, struct task *t)
{
    place_release(w->c, t->instance, &w->needs[t->need], group_name(t->group));
    t->instance = NULL;
}

static void check_sums(struct world *w, bool may_shrink)
{
    for (int k = 0; k < HOSTS; k++) {
        if (!w->hosts[k])
            continue;
        const struct place_resources *total = place_instance_total(w->hosts[k]);
        const struct place_resources *used = place_instance_used(w->hosts[k]);
        int64_t cpu = 0, memory = 0;
        uint32_t ports = 0, tasks = 0, by_group[GROUPS] = {0};
        for (int t = 0; t < TASKS; t++) {
            if (w->tasks[t].instance != w->hosts[k])
                continue;
            const struct place_resources *r = &w->needs[w->tasks[t].need].resources;
            cpu += r->cpu;
            memory += r->memory_mib;
            ports += r->tcp.n;
            tasks++;
            by_group[w->tasks[t].group]++;
        }
        assert_int_equal(used->cpu, cpu);
        assert_int_equal(used->memory_mib, memory);
        assert_int_equal(used->tcp.n, ports);
        assert_int_equal(place_instance_tasks(w->hosts[k]), tasks);
        for (int g = 0; g < GROUPS; g++)
            assert_int_equal(place_group_on(w->c, w->hosts[k], group_name(g)),
                             by_group[g]);
        if (may_shrink)
            continue;
        assert_true(cpu <= total->cpu && memory <= total->memory_mib);
        for (uint32_t p = 1; p < used->tcp.n; p++)
            assert_true(used->tcp.v[p - 1] < used->tcp.v[p]);
    }
}

static void run(uint64_t seed, bool changing)
{
    struct world *w = xcalloc(1, sizeof(*w));
    static const struct place_attribute on_linux = {"os", "linux"};
    static const char *const zones[] = {"a", "b"};
    w->c = place_cluster_new();
    w->seed = seed;
    w->random = (struct place_random){splitmix, &w->seed};
    w->ports[0] = 80;
    w->ports[1] = 443;
    w->needs[0] = (struct place_need){.resources = {.cpu = 3, .memory_mib = 2}};
    w->needs[1] = (struct place_need){.resources = {.cpu = 1, .tcp = {w->ports, 2, 2}}};
    w->needs[2] = (struct place_need){
        .resources = {.memory_mib = 5}, .attributes = &on_linux, .attribute_count = 1};
    w->needs[3] = (struct place_need){.resources = {.cpu = 2, .memory_mib = 2, .gpus = 1},
                                      .zones = zones,
                                      .zone_count = 2};
    for (uint32_t k = 0; k < HOSTS; k++)
        if (below(w, 3))
            put_host(w, k);
    for (int step = 0; step < STEPS; step++) {
        struct task *t = &w->tasks[below(w, TASKS)];
        uint32_t dice = below(w, 100), k = below(w, HOSTS);
        if (changing && dice < 2)
            put_host(w, k);
        else if (changing && dice < 3 && w->hosts[k])
            remove_host(w, k);
        else if (!t->instance)
            place_one(w, t);
        else if (dice < 60)
            give_back(w, t);
        if (step % 500 == 0)
            check_sums(w, changing);
    }
    for (int t = 0; t < TASKS; t++)
        if (w->tasks[t].instance)
            give_back(w, &w->tasks[t]);
    check_sums(w, false);
    for (int g = 0; g < GROUPS; g++)
        assert_int_equal(place_group_size(w->c, group_name(g)), 0);
    place_cluster_free(w->c);
    free(w);
}

static void placements_never_overcommit(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed * 1000, false);
}

static void changing_clusters_keep_the_index_right(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed * 77, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placements_never_overcommit),
        cmocka_unit_test(changing_clusters_keep_the_index_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
