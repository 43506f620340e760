/* The promises of place.h, row by row. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "place.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t splitmix(void *ctx)
{
    uint64_t *s = ctx, z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t seed;
static const struct place_random random_source = {splitmix, &seed};

static struct place_instance *put(struct place_cluster *c, const char *id,
                                  const char *zone, int64_t cpu, int64_t memory)
{
    struct place_attribute attributes[] = {
        {PLACE_ZONE_ATTRIBUTE, zone}, {"stack", zone ? zone + strlen(zone) - 1 : ""}};
    struct place_instance_info info = {
        .id = id,
        .active = true,
        .agent_connected = true,
        .total = {.cpu = cpu, .memory_mib = memory},
        .attributes = attributes,
        .attribute_count = zone ? 2 : 0,
    };
    return place_instance_put(c, &info);
}

static struct place_instance *choose(struct place_cluster *c,
                                     const struct place_need *need, const char *group,
                                     const struct place_strategy *s, size_t n)
{
    struct place_instance *i = NULL;
    int r = place_choose(c, need, group, s, n, &random_source, &i);
    assert_true(r == 0 ? i != NULL : r == -E_FULL && i == NULL);
    return i;
}

/* ---- resources ---- */

static void ports_are_kept_sorted_with_repeats(void **state)
{
    struct port_set s = {0}, other = {0};
    const uint16_t in[] = {443, 80, 65535, 80, 0, 8080};
    for (size_t k = 0; k < COUNT(in); k++)
        port_set_add(&s, in[k]);
    for (uint32_t k = 1; k < s.n; k++)
        assert_true(s.v[k - 1] <= s.v[k]);
    assert_true(port_set_remove(&s, 80));
    assert_true(port_set_has(&s, 80));
    assert_true(port_set_remove(&s, 80));
    assert_false(port_set_has(&s, 80));
    assert_false(port_set_remove(&s, 80));
    port_set_add(&other, 8080);
    assert_true(port_set_meets(&s, &other) && port_set_meets(&other, &s));
    port_set_remove(&other, 8080);
    assert_false(port_set_meets(&s, &other));
    port_set_free(&s);
    port_set_free(&other);
}

static void each_resource_has_its_reason(void **state)
{
    uint16_t port80 = 80, port53 = 53, port22 = 22;
    struct place_resources total = {
        .cpu = 1024, .memory_mib = 1000, .gpus = 1, .enis = 2, .tcp = {&port22, 1, 1}};
    struct place_resources used = {.cpu = 1000,
                                   .memory_mib = 900,
                                   .gpus = 0,
                                   .enis = 1,
                                   .tcp = {&port80, 1, 1},
                                   .udp = {&port53, 1, 1}};
    const struct {
        struct place_resources need;
        enum place_reason reason;
        const char *text;
    } rows[] = {
        {{.cpu = 24, .memory_mib = 100, .gpus = 1, .enis = 1}, PLACE_OK, ""},
        {{.cpu = 25, .memory_mib = 101, .gpus = 2}, PLACE_CPU, "RESOURCE:CPU"},
        {{.cpu = 24, .memory_mib = 101, .gpus = 2}, PLACE_MEMORY, "RESOURCE:MEMORY"},
        {{.tcp = {&port80, 1, 1}, .gpus = 2}, PLACE_PORTS, "RESOURCE:PORTS"},
        {{.tcp = {&port22, 1, 1}}, PLACE_PORTS, "RESOURCE:PORTS"},
        {{.tcp = {&port53, 1, 1}}, PLACE_OK, ""},
        {{.udp = {&port53, 1, 1}, .gpus = 2}, PLACE_PORTS_UDP, "RESOURCE:PORTS_UDP"},
        {{.udp = {&port80, 1, 1}}, PLACE_OK, ""},
        {{.enis = 2, .gpus = 2}, PLACE_ENI, "RESOURCE:ENI"},
        {{.gpus = 2}, PLACE_GPU, "RESOURCE:GPU"},
        {{0}, PLACE_OK, ""},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        enum place_reason r = place_resources_fit(&total, &used, &rows[k].need);
        assert_int_equal(r, rows[k].reason);
        assert_string_equal(place_reason_text(r), rows[k].text);
    }
    for (int r = 0; r < PLACE_REASON_COUNT; r++)
        assert_non_null(place_reason_text((enum place_reason)r));
}

static void a_need_of_nothing_fits_an_overcommitted_host(void **state)
{
    struct place_resources total = {.cpu = 10}, used = {.cpu = 20};
    struct place_resources none = {0}, one = {.cpu = 1};
    assert_int_equal(place_resources_fit(&total, &used, &none), PLACE_OK);
    assert_int_equal(place_resources_fit(&total, &used, &one), PLACE_CPU);
}

/* ---- the pipeline ---- */

static void the_first_reason_of_the_pipeline_is_told(void **state)
{
    struct error err;
    struct query *prod = NULL;
    assert_int_equal(query_compile("attribute:stack == prod", &prod, &err), 0);
    const char *zone_a = "a", *zone_b = "b";
    const struct query *constraint = prod;
    const struct place_attribute gpu = {"gpu", NULL}, linux_os = {"os", "linux"},
                                 windows = {"os", "windows"};
    const struct {
        bool active, connected;
        const char *stack;
        struct place_need need;
        enum place_reason reason;
    } rows[] = {
        {true, true, "prod", {.resources = {.cpu = 1}}, PLACE_OK},
        {false, false, "prod", {.resources = {.cpu = 99}}, PLACE_INACTIVE},
        {true, false, "prod", {.resources = {.cpu = 99}}, PLACE_AGENT},
        {true,
         true,
         "prod",
         {.resources = {.cpu = 99}, .attributes = &gpu, .attribute_count = 1},
         PLACE_CPU},
        {true,
         true,
         "prod",
         {.attributes = &gpu, .attribute_count = 1, .zones = &zone_b, .zone_count = 1},
         PLACE_ATTRIBUTE},
        {true, true, "prod", {.attributes = &linux_os, .attribute_count = 1}, PLACE_OK},
        {true,
         true,
         "prod",
         {.attributes = &windows, .attribute_count = 1},
         PLACE_ATTRIBUTE},
        {true,
         true,
         "test",
         {.zones = &zone_b,
          .zone_count = 1,
          .member_of = &constraint,
          .member_of_count = 1},
         PLACE_LOCATION},
        {true,
         true,
         "test",
         {.zones = &zone_a,
          .zone_count = 1,
          .member_of = &constraint,
          .member_of_count = 1,
          .distinct_instance = true},
         PLACE_MEMBER_OF},
        {true,
         true,
         "prod",
         {.member_of = &constraint, .member_of_count = 1, .distinct_instance = true},
         PLACE_DISTINCT_INSTANCE},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct place_cluster *c = place_cluster_new();
        struct place_attribute attributes[] = {
            {PLACE_ZONE_ATTRIBUTE, "a"}, {"os", "linux"}, {"stack", rows[k].stack}};
        struct place_instance_info info = {.id = "i",
                                           .active = rows[k].active,
                                           .agent_connected = rows[k].connected,
                                           .total = {.cpu = 10, .memory_mib = 10},
                                           .attributes = attributes,
                                           .attribute_count = 3};
        struct place_instance *i = place_instance_put(c, &info);
        struct place_need nothing = {0};
        place_commit(c, i, &nothing, "g");
        assert_int_equal(place_check(c, i, &rows[k].need, "g"), rows[k].reason);
        struct place_rejection why[2];
        bool listed = rows[k].reason != PLACE_OK && rows[k].reason != PLACE_INACTIVE;
        assert_int_equal(place_explain(c, &rows[k].need, "g", why, 2), listed);
        if (listed)
            assert_int_equal(why[0].reason, rows[k].reason);
        assert_int_equal(place_closest(c, &rows[k].need, "g", why),
                         rows[k].reason != PLACE_INACTIVE);
        assert_int_equal(choose(c, &rows[k].need, "g", NULL, 0) != NULL,
                         rows[k].reason == PLACE_OK);
        const struct place_strategy pack = {PLACE_BINPACK, PLACE_BY_CPU, NULL};
        assert_int_equal(choose(c, &rows[k].need, "g", &pack, 1) != NULL,
                         rows[k].reason == PLACE_OK);
        place_cluster_free(c);
    }
    query_free(prod);
}

static void failures_are_bounded(void **state)
{
    struct place_cluster *c = place_cluster_new();
    char id[16];
    for (int k = 0; k < 50; k++) {
        snprintf(id, sizeof(id), "i%d", k);
        put(c, id, "a", 10, 10);
    }
    struct place_need big = {.resources = {.cpu = 11}};
    struct place_rejection why[64];
    assert_int_equal(place_explain(c, &big, "g", why, 10), 10);
    assert_int_equal(place_explain(c, &big, "g", why, 64), 50);
    assert_int_equal(place_explain(c, &big, "g", why, 0), 0);
    place_cluster_free(c);
}

static void an_empty_cluster_is_full(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_need need = {0};
    struct place_rejection why;
    assert_null(choose(c, &need, "g", NULL, 0));
    assert_false(place_closest(c, &need, "g", &why));
    struct place_instance *i = put(c, "i", "a", 1, 1);
    assert_ptr_equal(choose(c, &need, "g", NULL, 0), i);
    place_instance_remove(c, i);
    assert_null(choose(c, &need, "g", NULL, 0));
    assert_int_equal(place_cluster_size(c), 0);
    place_cluster_free(c);
}

/* ---- strategies ---- */

static void strategies_are_read_as_the_api_has_them(void **state)
{
    const struct {
        const char *type, *field, *error;
        struct place_strategy want;
    } rows[] = {
        {"random", NULL, NULL, {PLACE_RANDOM, PLACE_BY_NONE, NULL}},
        {"random", "", NULL, {PLACE_RANDOM, PLACE_BY_NONE, NULL}},
        {"random", "cpu", "random field should not be specified", {0}},
        {"binpack", "cpu", NULL, {PLACE_BINPACK, PLACE_BY_CPU, NULL}},
        {"binpack", "MEMORY", NULL, {PLACE_BINPACK, PLACE_BY_MEMORY, NULL}},
        {"binpack", "disk", "binpack field 'disk' is invalid", {0}},
        {"binpack", NULL, "binpack field '' is invalid", {0}},
        {"spread", "instanceId", NULL, {PLACE_SPREAD, PLACE_BY_INSTANCE, NULL}},
        {"spread", "host", NULL, {PLACE_SPREAD, PLACE_BY_INSTANCE, NULL}},
        {"spread", "attribute:rack", NULL, {PLACE_SPREAD, PLACE_BY_ATTRIBUTE, "rack"}},
        {"spread", "attribute:", "spread field 'attribute:' is invalid", {0}},
        {"spread", "rack", "spread field 'rack' is invalid", {0}},
        {"near", "rack", "placement strategy type 'near' is invalid", {0}},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct error err = ERROR_INIT;
        struct place_strategy got = {0};
        int r = place_strategy_parse(rows[k].type, rows[k].field, &got, &err);
        assert_int_equal(r, rows[k].error ? -E_INVALID : 0);
        if (rows[k].error) {
            assert_string_equal(err.text, rows[k].error);
            continue;
        }
        assert_int_equal(got.type, rows[k].want.type);
        assert_int_equal(got.field, rows[k].want.field);
        assert_true(got.attribute ? !strcmp(got.attribute, rows[k].want.attribute)
                                  : !rows[k].want.attribute);
    }
}

/* Three zones of unequal size: zones stay level, then instances of a zone do. */
static void the_default_spreads_zones_then_instances(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_instance *all[9];
    static const char *const zones[] = {"a", "a", "a", "a", "a", "b", "b", "b", "c"};
    char id[4];
    for (int k = 0; k < 9; k++) {
        snprintf(id, sizeof(id), "i%d", k);
        all[k] = put(c, id, zones[k], 1000, 1000);
    }
    struct place_need need = {.resources = {.cpu = 1, .memory_mib = 1}};
    for (int t = 1; t <= 90; t++) {
        place_commit(c, choose(c, &need, "g", NULL, 0), &need, "g");
        uint32_t sum[3] = {0}, lo[3] = {~0u, ~0u, ~0u}, hi[3] = {0};
        for (int k = 0; k < 9; k++) {
            int z = zones[k][0] - 'a';
            uint32_t n = place_group_on(c, all[k], "g");
            sum[z] += n;
            lo[z] = n < lo[z] ? n : lo[z];
            hi[z] = n > hi[z] ? n : hi[z];
        }
        for (int z = 0; z < 3; z++) {
            assert_true(sum[z] >= (uint32_t)t / 3 && sum[z] <= ((uint32_t)t + 2) / 3);
            assert_true(hi[z] - lo[z] <= 1);
        }
    }
    assert_int_equal(place_group_size(c, "g"), 90);
    /* Another group starts from nothing. */
    assert_int_equal(place_group_size(c, "h"), 0);
    place_cluster_free(c);
}

static void a_full_zone_is_passed_over(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_instance *a = put(c, "a", "a", 1, 100), *b = put(c, "b", "b", 100, 100);
    struct place_need need = {.resources = {.cpu = 1}};
    for (int t = 0; t < 11; t++)
        place_commit(c, choose(c, &need, "g", NULL, 0), &need, "g");
    assert_int_equal(place_group_on(c, a, "g"), 1);
    assert_int_equal(place_group_on(c, b, "g"), 10);
    place_cluster_free(c);
}

static void an_instance_that_has_room_again_is_found_again(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_instance *a = put(c, "a", "a", 2, 100), *b = put(c, "b", "a", 2, 100);
    struct place_need need = {.resources = {.cpu = 1}};
    for (int t = 0; t < 4; t++)
        place_commit(c, choose(c, &need, "g", NULL, 0), &need, "g");
    assert_null(choose(c, &need, "g", NULL, 0)); /* closes both */
    place_release(c, a, &need, "g");
    assert_ptr_equal(choose(c, &need, "g", NULL, 0), a);
    place_commit(c, a, &need, "g");
    assert_null(choose(c, &need, "g", NULL, 0));
    struct place_need small = {.resources = {.memory_mib = 1}}; /* another need */
    assert_non_null(choose(c, &small, "g", NULL, 0));
    assert_null(choose(c, &need, "g", NULL, 0));
    put(c, "b", "a", 3, 100); /* it has grown */
    assert_ptr_equal(choose(c, &need, "g", NULL, 0), b);
    place_cluster_free(c);
}

static void chains_narrow_in_order(void **state)
{
    struct place_cluster *c = place_cluster_new();
    /* free cpu and memory; tasks of g that each holds */
    static const struct {
        const char *id, *zone;
        int64_t cpu, memory;
        int tasks;
    } hosts[] = {
        {"a1", "a", 100, 400, 2}, {"a2", "a", 200, 300, 0}, {"a3", "a", 300, 200, 0},
        {"b1", "b", 400, 100, 1}, {"b2", "b", 50, 500, 0},  {"-1", NULL, 350, 350, 3},
    };
    struct place_need nothing = {0}, some = {.resources = {.cpu = 60}};
    for (size_t k = 0; k < COUNT(hosts); k++) {
        struct place_instance *i =
            put(c, hosts[k].id, hosts[k].zone, hosts[k].cpu, hosts[k].memory);
        for (int t = 0; t < hosts[k].tasks; t++)
            place_commit(c, i, &nothing, "g");
    }
#define ZONE                                                                             \
    {                                                                                    \
        PLACE_SPREAD, PLACE_BY_ATTRIBUTE, PLACE_ZONE_ATTRIBUTE                           \
    }
#define STACK                                                                            \
    {                                                                                    \
        PLACE_SPREAD, PLACE_BY_ATTRIBUTE, "stack"                                        \
    }
#define HOST                                                                             \
    {                                                                                    \
        PLACE_SPREAD, PLACE_BY_INSTANCE, NULL                                            \
    }
#define CPU                                                                              \
    {                                                                                    \
        PLACE_BINPACK, PLACE_BY_CPU, NULL                                                \
    }
#define MEM                                                                              \
    {                                                                                    \
        PLACE_BINPACK, PLACE_BY_MEMORY, NULL                                             \
    }
#define ANY                                                                              \
    {                                                                                    \
        PLACE_RANDOM, PLACE_BY_NONE, NULL                                                \
    }
    const struct {
        struct place_strategy s[3];
        size_t n;
        const struct place_need *need;
        const char *any_of; /* ids, two letters each */
    } rows[] = {
        {{ZONE, HOST}, 2, &some, "b1"}, /* b2 does not fit */
        {{ZONE, HOST}, 2, &nothing, "b2"},
        {{STACK, HOST}, 2, &some, "b1"},
        {{STACK}, 1, &nothing, "b1b2"},
        {{ZONE}, 1, &nothing, "b1b2"},
        {{HOST}, 1, &some, "a2a3"},
        {{HOST, MEM}, 2, &some, "a3"},
        {{CPU}, 1, &some, "a1"},
        {{CPU}, 1, &nothing, "b2"},
        {{MEM}, 1, &some, "b1"},
        {{HOST, CPU}, 2, &some, "a2"},
        {{ZONE, MEM}, 2, &nothing, "b1"},
        {{ANY, MEM}, 2, &some, "a1a2a3b1-1"},
        {{ANY}, 1, &nothing, "a1a2a3b1b2-1"},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        unsigned seen = 0;
        for (int t = 0; t < 300; t++) {
            struct place_instance *i = choose(c, rows[k].need, "g", rows[k].s, rows[k].n);
            const char *at = strstr(rows[k].any_of, place_instance_id(i));
            assert_non_null(at);
            seen |= 1u << ((at - rows[k].any_of) / 2);
        }
        /* Each of them is chosen at times. */
        assert_int_equal(seen, (1u << strlen(rows[k].any_of) / 2) - 1);
    }
    place_cluster_free(c);
}

static void ties_are_broken_by_chance_evenly(void **state)
{
    struct place_cluster *c = place_cluster_new();
    char id[8];
    for (int k = 0; k < 10; k++) {
        snprintf(id, sizeof(id), "i%d", k);
        put(c, id, k < 5 ? "a" : "b", 10, 10);
    }
    struct place_need need = {.resources = {.cpu = 1}};
    int hits[10] = {0};
    for (int t = 0; t < 10000; t++)
        hits[place_instance_id(choose(c, &need, "g", NULL, 0))[1] - '0']++;
    for (int k = 0; k < 10; k++)
        assert_in_range(hits[k], 850, 1150);
    place_cluster_free(c);
}

static void distinct_instance_takes_each_once(void **state)
{
    const struct place_strategy chains[][1] = {{ZONE}, {HOST}, {ANY}, {CPU}, {STACK}};
    for (size_t k = 0; k < COUNT(chains) + 1; k++) {
        struct place_cluster *c = place_cluster_new();
        char id[8];
        for (int i = 0; i < 20; i++) {
            snprintf(id, sizeof(id), "i%d", i);
            put(c, id, i % 3 ? "a" : "b", 10, 10);
        }
        struct place_need need = {.resources = {.cpu = 1}, .distinct_instance = true};
        bool dflt = k == COUNT(chains);
        for (int t = 0; t < 20; t++) {
            struct place_instance *i =
                choose(c, &need, "g", dflt ? NULL : chains[k], dflt ? 0 : 1);
            assert_non_null(i);
            assert_int_equal(place_group_on(c, i, "g"), 0);
            place_commit(c, i, &need, "g");
        }
        assert_null(choose(c, &need, "g", dflt ? NULL : chains[k], dflt ? 0 : 1));
        assert_non_null(choose(c, &need, "h", NULL, 0));
        place_cluster_free(c);
    }
}

static void a_constraint_on_other_groups_is_seen_at_once(void **state)
{
    struct error err;
    struct query *alone = NULL;
    assert_int_equal(query_compile("not(task:group == db)", &alone, &err), 0);
    const struct query *constraint = alone;
    struct place_cluster *c = place_cluster_new();
    struct place_instance *a = put(c, "a", "a", 10, 10), *b = put(c, "b", "a", 10, 10);
    struct place_need need = {.member_of = &constraint, .member_of_count = 1}, db = {0};
    place_commit(c, a, &db, "db");
    for (int t = 0; t < 20; t++) {
        assert_ptr_equal(choose(c, &need, "g", NULL, 0), b);
        place_commit(c, b, &need, "g");
    }
    place_release(c, a, &db, "db");
    assert_ptr_equal(choose(c, &need, "g", NULL, 0), a);
    place_cluster_free(c);
    query_free(alone);
}

/* ---- the index under change ---- */

static void an_instance_keeps_its_tasks_when_it_moves_zone(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_instance *a = put(c, "a", "a", 10, 10);
    put(c, "b", "b", 10, 10);
    struct place_need need = {.resources = {.cpu = 2}};
    place_commit(c, a, &need, "g");
    place_commit(c, a, &need, "g");
    assert_ptr_equal(put(c, "a", "b", 12, 10), a);
    assert_int_equal(place_group_on(c, a, "g"), 2);
    assert_int_equal(place_instance_used(a)->cpu, 4);
    assert_int_equal(place_instance_total(a)->cpu, 12);
    assert_int_equal(place_instance_tasks(a), 2);
    /* With an empty zone beside it, the new zone's count is what decides. */
    struct place_instance *fresh = put(c, "c", "a", 10, 10);
    assert_ptr_equal(choose(c, &need, "g", NULL, 0), fresh);
    place_cluster_free(c);
}

static void removal_forgets_the_tasks(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_instance *a = put(c, "a", "a", 10, 10), *b = put(c, "b", "b", 10, 10);
    struct place_need need = {0};
    for (int t = 0; t < 4; t++)
        place_commit(c, t % 2 ? a : b, &need, "g");
    place_instance_remove(c, a);
    assert_null(place_instance_find(c, "a"));
    assert_int_equal(place_group_size(c, "g"), 2);
    place_release(c, b, &need, "g");
    place_release(c, b, &need, "g");
    assert_int_equal(place_group_size(c, "g"), 0);
    place_cluster_free(c);
}

static void attributes_are_found_by_name(void **state)
{
    struct place_cluster *c = place_cluster_new();
    struct place_attribute attributes[] = {{"z", "1"}, {"a", NULL}, {"m", "2"}};
    struct place_instance_info info = {
        .id = "i", .attributes = attributes, .attribute_count = 3, .owner = &info};
    struct place_instance *i = place_instance_put(c, &info);
    assert_string_equal(place_instance_attribute(i, "z"), "1");
    assert_string_equal(place_instance_attribute(i, "m"), "2");
    assert_string_equal(place_instance_attribute(i, "a"), "");
    assert_null(place_instance_attribute(i, "b"));
    assert_ptr_equal(place_instance_owner(i), &info);
    place_cluster_free(c);
}

/* ---- victims ---- */

struct fixture {
    struct place_cluster *c;
    struct place_victim v[16];
    size_t n;
};

/* "a1:3 b1:2d" : host a1 in zone a with three tasks, b1 draining with two. */
static void set_up(struct fixture *f, const char *text, const struct place_need *need)
{
    *f = (struct fixture){.c = place_cluster_new()};
    char id[8], flag;
    int tasks;
    for (; *text; text += strcspn(text, " "), text += *text == ' ') {
        flag = ' ';
        assert_true(sscanf(text, "%2[^:]:%d%c", id, &tasks, &flag) >= 2);
        char zone[2] = {id[0], 0};
        struct place_attribute attribute = {PLACE_ZONE_ATTRIBUTE, zone};
        struct place_instance_info info = {
            .id = id,
            .active = flag != 'd',
            .draining = flag == 'd',
            .agent_connected = true,
            .total = {.cpu = 100 + 10 * (id[1] - '0'), .memory_mib = 1000},
            .attributes = &attribute,
            .attribute_count = 1};
        struct place_instance *i = place_instance_put(f->c, &info);
        for (int t = 0; t < tasks; t++) {
            place_commit(f->c, i, need, "g");
            f->v[f->n++] = (struct place_victim){i, need->resources.cpu,
                                                 need->resources.memory_mib, NULL};
        }
    }
}

static void scale_in_reverses_the_strategies(void **state)
{
    const struct {
        const char *hosts;
        struct place_strategy s[2];
        size_t n;
        const char *order; /* of the first ones; then chance decides */
    } rows[] = {
        {"a1:3 a2:1 b1:2", {ZONE}, 0, "a1a1"}, /* a 4, b 2: two of the fullest */
        {"a1:3 a2:1 b1:2", {ZONE, HOST}, 2, "a1a1"},
        {"a1:1 b1:2d", {ZONE}, 0, "b1b1a1"},
        {"a1:1 a2:4 a3:2", {HOST}, 1, "a2a2"},
        {"a1:2 a2:2 a3:2", {CPU}, 1, "a3a3a2a2a1a1"},
        {"a1:2 b2:2 b3:2", {ZONE, CPU}, 2, "b3b3"},
    };
    struct place_need need = {.resources = {.cpu = 10, .memory_mib = 1}};
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct fixture f;
        set_up(&f, rows[k].hosts, &need);
        for (int round = 0; round < 50; round++) {
            place_rank_victims(f.c, "g", rows[k].s, rows[k].n, &random_source, f.v, f.n);
            for (size_t v = 0; v * 2 < strlen(rows[k].order); v++)
                assert_memory_equal(place_instance_id(f.v[v].instance),
                                    rows[k].order + v * 2, 2);
        }
        place_cluster_free(f.c);
    }
}

/* The order is the one of choosing again and again. */
static void ranking_equals_choosing_one_by_one(void **state)
{
    struct place_need need = {.resources = {.cpu = 1, .memory_mib = 1}};
    for (int round = 0; round < 200; round++) {
        struct fixture f;
        set_up(&f, "a1:3 a2:2 a3:1 b1:4 b2:1 c1:5", &need);
        place_rank_victims(f.c, "g", NULL, 0, &random_source, f.v, f.n);
        for (size_t k = 0; k < f.n; k++) {
            /* Nothing left in the group's fullest zone is fuller than the chosen one. */
            uint32_t zone_tasks[3] = {0}, most_zone = 0, most_host = 0;
            for (size_t j = k; j < f.n; j++)
                zone_tasks[place_instance_id(f.v[j].instance)[0] - 'a']++;
            for (int z = 0; z < 3; z++)
                most_zone = zone_tasks[z] > most_zone ? zone_tasks[z] : most_zone;
            for (size_t j = k; j < f.n; j++) {
                const char *id = place_instance_id(f.v[j].instance);
                uint32_t on = place_group_on(f.c, f.v[j].instance, "g");
                if (zone_tasks[id[0] - 'a'] == most_zone && on > most_host)
                    most_host = on;
            }
            const char *id = place_instance_id(f.v[k].instance);
            assert_int_equal(zone_tasks[id[0] - 'a'], most_zone);
            assert_int_equal(place_group_on(f.c, f.v[k].instance, "g"), most_host);
            place_release(f.c, f.v[k].instance, &need, "g");
        }
        place_cluster_free(f.c);
    }
}

static void one_victim_is_the_first_of_the_order(void **state)
{
    struct place_need need = {.resources = {.cpu = 1}};
    struct fixture f;
    set_up(&f, "a1:1 a2:3 b1:1", &need);
    for (int k = 0; k < 20; k++) {
        ptrdiff_t at = place_choose_victim(f.c, "g", NULL, 0, &random_source, f.v, f.n);
        assert_string_equal(place_instance_id(f.v[at].instance), "a2");
    }
    assert_int_equal(place_choose_victim(f.c, "g", NULL, 0, &random_source, f.v, 0), -1);
    f.v[2].instance = NULL; /* nowhere: first */
    assert_int_equal(place_choose_victim(f.c, "g", NULL, 0, &random_source, f.v, f.n), 2);
    place_cluster_free(f.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_kept_sorted_with_repeats),
        cmocka_unit_test(each_resource_has_its_reason),
        cmocka_unit_test(a_need_of_nothing_fits_an_overcommitted_host),
        cmocka_unit_test(the_first_reason_of_the_pipeline_is_told),
        cmocka_unit_test(failures_are_bounded),
        cmocka_unit_test(an_empty_cluster_is_full),
        cmocka_unit_test(strategies_are_read_as_the_api_has_them),
        cmocka_unit_test(the_default_spreads_zones_then_instances),
        cmocka_unit_test(a_full_zone_is_passed_over),
        cmocka_unit_test(an_instance_that_has_room_again_is_found_again),
        cmocka_unit_test(chains_narrow_in_order),
        cmocka_unit_test(ties_are_broken_by_chance_evenly),
        cmocka_unit_test(distinct_instance_takes_each_once),
        cmocka_unit_test(a_constraint_on_other_groups_is_seen_at_once),
        cmocka_unit_test(an_instance_keeps_its_tasks_when_it_moves_zone),
        cmocka_unit_test(removal_forgets_the_tasks),
        cmocka_unit_test(attributes_are_found_by_name),
        cmocka_unit_test(scale_in_reverses_the_strategies),
        cmocka_unit_test(ranking_equals_choosing_one_by_one),
        cmocka_unit_test(one_victim_is_the_first_of_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
