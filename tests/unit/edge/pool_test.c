/* Which public addresses a run has. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "pool.h"

#define A(a, b, c, d)                                                                    \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static void test_ranges(void **state)
{
    static const char *const bad[] = {"",
                                      "198.18.16.0",
                                      "198.18.16.0/24",
                                      "198.18.16.0/15",
                                      "198.18.17.0/20",
                                      "198.18.16.0/20 ",
                                      "198.18.16/20",
                                      "x/20",
                                      "198.18.16.0/+20",
                                      "1111.1111.1111.1111/20"};
    struct pool p;
    struct error err;
    assert_int_equal(pool_parse("198.18.16.0/20", &p, &err), 0);
    assert_int_equal(p.base, A(198, 18, 16, 0));
    assert_string_equal(pool_text(&p).cidr, "198.18.16.0/20");
    assert_string_equal(pool_text(&p).resolver, "198.18.16.2");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(pool_parse(bad[i], &p, &err), -E_INVALID);
}

static void test_the_choice_avoids_every_route(void **state)
{
    struct error err;
    struct pool p;
    const struct pool_route some[] = {{0, 0},
                                      {A(198, 18, 0, 0), 20},
                                      {A(198, 18, 16, 0), 16},
                                      {A(198, 19, 3, 4), 32},
                                      {A(10, 0, 0, 0), 8}};
    for (uint32_t seed = 0; seed < 64; seed++) {
        assert_int_equal(pool_choose(some, 5, seed, &p, &err), 0);
        assert_int_equal(p.prefix_len, 20);
        for (size_t i = 1; i < 5; i++)
            assert_false(pool_overlaps(&p, some[i].base, some[i].prefix_len));
        assert_in_range(p.base, A(198, 19, 16, 0), A(198, 19, 240, 0));
    }
    const struct pool_route all = {A(198, 16, 0, 0), 12};
    assert_int_equal(pool_choose(&all, 1, 7, &p, &err), -E_FULL);
    assert_int_equal(pool_choose(NULL, 0, 33, &p, &err), 0);
    assert_int_equal(p.base, A(198, 18, 16, 0));
}

/* ---- runs beside each other ---- */

struct run {
    char kept[128], id[16];
    struct pool_place place;
};

static struct run run_new(const char *dir, const char *claims, const char *id)
{
    struct run r = {.place = {.claims = claims}};
    snprintf(r.kept, sizeof(r.kept), "%s/%s", dir, id);
    snprintf(r.id, sizeof(r.id), "%s", id);
    return r;
}

static int settle(struct run *r, const char *wanted, struct pool *ret, struct error *err)
{
    r->place.kept = r->kept;
    r->place.run = r->id;
    return pool_settle(&r->place, wanted, ret, err);
}

static void test_runs_do_not_collide(void **state)
{
    char dir[] = "/tmp/pool-test-XXXXXX", claims[64];
    struct error err = ERROR_INIT;
    struct run runs[8];
    struct pool pools[8], again;
    assert_non_null(mkdtemp(dir));
    snprintf(claims, sizeof(claims), "%s/claims", dir);
    for (int i = 0; i < 8; i++) {
        char id[16];
        snprintf(id, sizeof(id), "run%d", i);
        runs[i] = run_new(dir, claims, id);
        assert_int_equal(settle(&runs[i], NULL, &pools[i], &err), 0);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(pools[i].base, pools[k].base);
    }
    /* It stays the run's own. */
    assert_int_equal(settle(&runs[3], NULL, &again, &err), 0);
    assert_int_equal(again.base, pools[3].base);
    /* Nobody gets another's by name, unless its data are gone or it was purged. */
    AUTO_STR text = STR_INIT;
    str_add(&text, pool_text(&pools[3]).cidr);
    assert_int_equal(settle(&runs[4], text.data, &again, &err), -E_CONFLICT);
    assert_int_equal(settle(&runs[3], text.data, &again, &err), 0);
    assert_int_equal(unlink(runs[3].kept), 0);
    assert_int_equal(settle(&runs[4], text.data, &again, &err), 0);
    str_clear(&text);
    str_add(&text, pool_text(&pools[5]).cidr);
    assert_int_equal(pool_release(&runs[5].place, &err), 0);
    assert_int_equal(pool_release(&runs[5].place, &err), 0);
    assert_int_equal(settle(&runs[6], text.data, &again, &err), 0);
    assert_int_equal(settle(&runs[6], NULL, &again, &err), 0);
    assert_string_equal(pool_text(&again).cidr, text.data);
    assert_int_equal(settle(&runs[7], "10.0.0.0/8", &again, &err), -E_INVALID);
    assert_int_equal(dir_remove_all(dir, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_the_choice_avoids_every_route),
        cmocka_unit_test(test_runs_do_not_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
