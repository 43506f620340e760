/* Health checks and restart policies of containers: the rules, as tables. */
#include "unit.h"

#include <string.h>

#include "health_rule.h"
#include "restart_rule.h"
#include "words.h"

#define STARTED 1000000LL

static struct health_rule rule(int interval, int start_period, int retries)
{
    struct ecs_health_check check = {.interval = SET_INT(interval),
                                     .start_period = SET_INT(start_period),
                                     .retries = SET_INT(retries)};
    struct health_rule ret;
    health_rule_of(&check, &ret);
    return ret;
}

static void defaults(void **state)
{
    struct ecs_health_check check = {0};
    struct health_rule r;
    health_rule_of(&check, &r);
    assert_int_equal(r.interval_ms, 30000);
    assert_int_equal(r.timeout_ms, 5000);
    assert_int_equal(r.start_period_ms, 0);
    assert_int_equal(r.retries, 3);
}

/* A letter a probe: '0' succeeds, 'x' fails; one each second from the start on. The status
 * after each: u(nknown), h(ealthy), s(ick). */
static void probes_make_health(void **state)
{
    static const struct {
        int start_period, retries;
        const char *probes, *status;
    } rows[] =
        {
            {0, 3, "000", "hhh"},
            {0, 3, "xxx", "uus"},
            {0, 1, "x", "s"},
            {0, 3, "0xx0xxx", "hhhhhhs"},
            {0, 3, "xx0", "uuh"},
            {0, 3, "xxxx0", "uussh"},
            {5, 2, "xxxxxx", "uuuuus"}, /* at 1..4 s nothing counts; 5 and 6 s do */
            {5, 2, "xxxxx0", "uuuuuh"},
            {60, 2, "x0xx", "uhhs"}, /* after a success failures count at once */
            {60, 2, "xxxx", "uuuu"},
        };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct health_rule r = rule(30, rows[i].start_period, rows[i].retries);
        struct health h = {0};
        assert_true(health_begin(&h, STARTED));
        for (size_t k = 0; rows[i].probes[k]; k++) {
            int64_t now = STARTED + (int64_t)(k + 1) * 1000;
            enum ecs_health_status before = h.status;
            bool changed =
                health_note(&r, &h, STARTED, now, rows[i].probes[k] == '0' ? 0 : 1);
            enum ecs_health_status want =
                rows[i].status[k] == 'h'   ? ECS_HEALTH_STATUS_HEALTHY
                : rows[i].status[k] == 's' ? ECS_HEALTH_STATUS_UNHEALTHY
                                           : ECS_HEALTH_STATUS_UNKNOWN;
            if (h.status != want)
                fail_msg("row %zu, probe %zu: status %d", i, k, (int)h.status);
            assert_int_equal(changed, before != want);
            if (changed)
                assert_int_equal(h.since_ms, now);
        }
        assert_int_equal(health_begin(&h, 0),
                         h.status != ECS_HEALTH_STATUS_UNKNOWN ||
                             rows[i].status[strlen(rows[i].status) - 1] != 'u');
        assert_int_equal(h.failures, 0);
    }
}

static void waits_between_probes(void **state)
{
    struct health_rule slow = rule(30, 60, 3), quick = rule(2, 60, 3),
                       plain = rule(30, 0, 3);
    struct health h = {.status = ECS_HEALTH_STATUS_UNKNOWN};
    assert_int_equal(health_wait_ms(&slow, &h, STARTED, STARTED), 5000);
    assert_int_equal(health_wait_ms(&quick, &h, STARTED, STARTED), 2000);
    assert_int_equal(health_wait_ms(&plain, &h, STARTED, STARTED), 30000);
    assert_int_equal(health_wait_ms(&slow, &h, STARTED, STARTED + 60000), 30000);
    h.status = ECS_HEALTH_STATUS_HEALTHY;
    assert_int_equal(health_wait_ms(&slow, &h, STARTED, STARTED), 30000);
}

static void commands_of_probes(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *shell[] = {"CMD-SHELL", "test -e /x || exit 1"};
    const char *plain[] = {"CMD", "/bin/check", "-v"};
    const char *none[] = {"NONE", "x"};
    struct ecs_health_check check = {0};
    check.command.v = shell;
    check.command.n = 2;
    const char *const *args = health_command(&a, &check);
    assert_string_equal(args[0], "/bin/sh");
    assert_string_equal(args[1], "-c");
    assert_string_equal(args[2], shell[1]);
    assert_null(args[3]);
    check.command.v = plain;
    check.command.n = 3;
    args = health_command(&a, &check);
    assert_string_equal(args[0], "/bin/check");
    assert_string_equal(args[1], "-v");
    assert_null(args[2]);
    check.command.n = 1;
    assert_null(health_command(&a, &check));
    check.command.v = none;
    check.command.n = 2;
    assert_null(health_command(&a, &check));
    assert_null(health_command(&a, NULL));
}

static void restarts(void **state)
{
    int32_t ignored[] = {3, 0};
    static const struct {
        bool enabled;
        int period, ignored, code;
        int64_t ran_ms;
        bool again;
    } rows[] = {
        {true, 60, 0, 1, 60000, true},    {true, 60, 0, 0, 60000, true},
        {true, 60, 0, 1, 59999, false},   {true, 60, 1, 3, 90000, false},
        {true, 60, 1, 0, 90000, true},    {true, 60, 2, 0, 90000, false},
        {false, 60, 0, 1, 90000, false},  {true, -1, 0, 1, 299999, false},
        {true, -1, 0, 137, 300000, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ecs_container_restart_policy p = {.enabled = SET_BOOL(rows[i].enabled)};
        if (rows[i].period >= 0)
            p.restart_attempt_period = SET_INT(rows[i].period);
        p.ignored_exit_codes.v = ignored;
        p.ignored_exit_codes.n = (size_t)rows[i].ignored;
        if (restart_wanted(&p, rows[i].code, STARTED, STARTED + rows[i].ran_ms) !=
            rows[i].again)
            fail_msg("row %zu", i);
    }
    assert_false(restart_wanted(NULL, 1, 0, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(probes_make_health),
        cmocka_unit_test(waits_between_probes),
        cmocka_unit_test(commands_of_probes),
        cmocka_unit_test(restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
