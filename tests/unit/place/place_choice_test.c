/* Every strategy, alone and in chains, against a choice by brute force: of all instances
 * that take the task, those that each strategy in turn leaves; the index has to name one of
 * the last, and none only when there is none. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "place.h"
#include "str.h"

#define MAX_HOSTS 420
#define MAX_TASKS 1200
#define GROUPS    3
#define QUERIES   6

static uint64_t splitmix(void *ctx)
{
    uint64_t *s = ctx, z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct task {
    struct place_instance *instance;
    struct place_need need;
    uint16_t port;
    int group;
};

struct world {
    struct place_cluster *c;
    uint64_t seed;
    struct place_random random;
    struct place_instance *hosts[MAX_HOSTS]; /* NULL: not there */
    uint32_t host_count;
    struct task tasks[MAX_TASKS];
    struct query *queries[QUERIES];
};

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)(splitmix(&w->seed) % n);
}

static const char *group_name(int g)
{
    static const char *const names[GROUPS] = {"service:a", "service:b", "family:c"};
    return names[g];
}

static const char *const attributes_to_spread[] = {PLACE_ZONE_ATTRIBUTE, "rack", "name",
                                                   "nobody-has-it"};

static void put_host(struct world *w, uint32_t k)
{
    static const char *const zones[] = {"a", "b", "c"}, *const racks[] = {"1", "2", ""};
    char id[16], name[16];
    snprintf(id, sizeof(id), "%u", k);
    snprintf(name, sizeof(name), "host-%u", k);
    struct place_attribute v[4] = {{"name", name}, {"os", below(w, 9) ? "linux" : "w"}};
    size_t n = 2;
    if (below(w, 8))
        v[n++] = (struct place_attribute){PLACE_ZONE_ATTRIBUTE, zones[below(w, 3)]};
    if (below(w, 4))
        v[n++] = (struct place_attribute){"rack", racks[below(w, 3)]};
    uint32_t dice = below(w, 12);
    struct place_instance_info info = {
        .id = id,
        .active = dice != 0,
        .agent_connected = dice != 1,
        .total = {.cpu = 4 + below(w, 6) * 4, .memory_mib = 4 + below(w, 6) * 4},
        .attributes = v,
        .attribute_count = n,
        .pool = below(w, 3)   ? NULL
                : below(w, 2) ? "p"
                              : "q",
    };
    w->hosts[k] = place_instance_put(w->c, &info);
}

static void remove_host(struct world *w, uint32_t k)
{
    for (int t = 0; t < MAX_TASKS; t++)
        if (w->tasks[t].instance == w->hosts[k])
            w->tasks[t].instance = NULL;
    place_instance_remove(w->c, w->hosts[k]);
    w->hosts[k] = NULL;
}

static size_t random_chain(struct world *w, struct place_strategy *ret)
{
    size_t n = below(w, 4);
    for (size_t k = 0; k < n; k++) {
        uint32_t dice = below(w, 9);
        ret[k] = (struct place_strategy){PLACE_SPREAD, PLACE_BY_INSTANCE, NULL};
        if (dice < 4)
            ret[k] = (struct place_strategy){PLACE_SPREAD, PLACE_BY_ATTRIBUTE,
                                             attributes_to_spread[dice]};
        else if (dice < 6)
            ret[k] = (struct place_strategy){PLACE_BINPACK, PLACE_BY_CPU, NULL};
        else if (dice < 8)
            ret[k] = (struct place_strategy){PLACE_BINPACK, PLACE_BY_MEMORY, NULL};
        if (dice == 8 && below(w, 2))
            ret[k] = (struct place_strategy){PLACE_RANDOM, PLACE_BY_NONE, NULL};
    }
    return n;
}

static void random_need(struct world *w, struct task *t)
{
    static const struct place_attribute on_linux = {"os", "linux"};
    static const char *const zones[] = {"a", "b"};
    t->need =
        (struct place_need){.resources = {.cpu = below(w, 4), .memory_mib = below(w, 4)}};
    if (below(w, 4) == 0) {
        t->port = (uint16_t)(80 + below(w, 2));
        t->need.resources.tcp = (struct port_set){&t->port, 1, 1};
    }
    if (below(w, 3) == 0) {
        t->need.attributes = &on_linux;
        t->need.attribute_count = 1;
    }
    if (below(w, 6) == 0) {
        t->need.zones = zones;
        t->need.zone_count = 2;
    }
    if (below(w, 4) == 0)
        t->need.pool = below(w, 2) ? "p" : "q";
    t->need.distinct_instance = below(w, 8) == 0;
    if (below(w, 3) == 0) {
        t->need.member_of =
            (const struct query *const *)&w->queries[below(w, QUERIES - 1)];
        t->need.member_of_count = 1 + below(w, 2);
    }
}

/* ---- by brute force ---- */

static const char *value_of(const struct place_instance *i, const char *attribute)
{
    const char *v = place_instance_attribute(i, attribute);
    return v ? v : "";
}

static int64_t score(struct world *w, const struct place_strategy *s,
                     const struct place_instance *i, const char *group)
{
    const struct place_resources *total = place_instance_total(i);
    const struct place_resources *used = place_instance_used(i);
    if (s->type == PLACE_BINPACK)
        return s->field == PLACE_BY_CPU ? total->cpu - used->cpu
                                        : total->memory_mib - used->memory_mib;
    if (s->field == PLACE_BY_INSTANCE)
        return place_group_on(w->c, i, group);
    int64_t sum = 0;
    for (uint32_t k = 0; k < w->host_count; k++)
        if (w->hosts[k] &&
            streq(value_of(w->hosts[k], s->attribute), value_of(i, s->attribute)))
            sum += place_group_on(w->c, w->hosts[k], group);
    return sum;
}

/* Marks what is left; false when nothing takes it. */
static bool brute_force(struct world *w, const struct task *t,
                        const struct place_strategy *s, size_t n, bool *left)
{
    const char *group = group_name(t->group);
    bool any = false;
    for (uint32_t k = 0; k < w->host_count; k++) {
        left[k] =
            w->hosts[k] && place_check(w->c, w->hosts[k], &t->need, group) == PLACE_OK;
        any |= left[k];
    }
    if (n == 0) {
        s = place_default_strategies;
        n = 2;
    }
    for (size_t j = 0; j < n && any && s[j].type != PLACE_RANDOM; j++) {
        int64_t lowest = INT64_MAX, scores[MAX_HOSTS];
        for (uint32_t k = 0; k < w->host_count; k++)
            if (left[k] && (scores[k] = score(w, &s[j], w->hosts[k], group)) < lowest)
                lowest = scores[k];
        for (uint32_t k = 0; k < w->host_count; k++)
            left[k] = left[k] && scores[k] == lowest;
    }
    return any;
}

static void place_one(struct world *w, struct task *t)
{
    struct place_strategy chain[4];
    bool left[MAX_HOSTS];
    struct place_instance *got = NULL;
    t->group = (int)below(w, GROUPS);
    random_need(w, t);
    size_t n = random_chain(w, chain);
    bool possible = brute_force(w, t, chain, n, left);
    int r =
        place_choose(w->c, &t->need, group_name(t->group), chain, n, &w->random, &got);
    assert_int_equal(r, possible ? 0 : -E_FULL);
    if (!possible)
        return;
    uint32_t k = 0;
    while (w->hosts[k] != got)
        k++;
    assert_true(left[k]);
    t->instance = got;
    place_commit(w->c, got, &t->need, group_name(t->group));
}

static void run(uint64_t seed, uint32_t hosts, int steps)
{
    static const char *const texts[QUERIES] = {
        "attribute:rack == 1 or attribute:rack == 2",
        "not(task:group == service:a)",
        "attribute:os == linux and attribute:name != host-3",
        "runningTasksCount < 3",
        "attribute:ecs.availability-zone in [a, b]",
        "attribute:name =~ 'host-.*[0-5]'",
    };
    struct error err;
    struct world *w = xcalloc(1, sizeof(*w));
    w->c = place_cluster_new();
    w->seed = seed;
    w->random = (struct place_random){splitmix, &w->seed};
    w->host_count = hosts;
    for (int q = 0; q < QUERIES; q++)
        assert_int_equal(query_compile(texts[q], &w->queries[q], &err), 0);
    for (uint32_t k = 0; k < hosts; k++)
        put_host(w, k);
    for (int step = 0; step < steps; step++) {
        struct task *t = &w->tasks[below(w, MAX_TASKS)];
        uint32_t dice = below(w, 100), k = below(w, hosts);
        if (dice < 3) {
            put_host(w, k);
        } else if (dice < 4 && w->hosts[k]) {
            remove_host(w, k);
        } else if (!t->instance) {
            place_one(w, t);
        } else if (dice < 50) {
            place_release(w->c, t->instance, &t->need, group_name(t->group));
            t->instance = NULL;
        }
    }
    for (int q = 0; q < QUERIES; q++)
        query_free(w->queries[q]);
    place_cluster_free(w->c);
    free(w);
}

static void the_index_agrees_with_brute_force(void **state)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed * 991, 40, 4000);
}

/* More instances with a name of their own than there may be cells. */
static void many_values_leave_the_cells(void **state)
{
    for (uint64_t seed = 1; seed <= 2; seed++)
        run(seed * 17, MAX_HOSTS, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_agrees_with_brute_force),
        cmocka_unit_test(many_values_leave_the_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
