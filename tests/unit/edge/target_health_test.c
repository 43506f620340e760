/* Tables of checks and what becomes of a target. */
#include "unit.h"

#include "target_health.h"

static struct target_health_rule rule_with(int healthy, int unhealthy)
{
    struct elbv2_target_group g = {.protocol = ELBV2_PROTOCOL_ENUM_HTTP,
                                   .healthy_threshold_count = SET_INT(healthy),
                                   .unhealthy_threshold_count = SET_INT(unhealthy),
                                   .health_check_interval_seconds = SET_INT(10)};
    struct target_health_rule rule;
    target_health_rule_of(&g, 0, &rule);
    return rule;
}

/* Each letter a check ten seconds after the last: '+' good, 'c' wrong code, 't' timeout, 'f'
 * failed; the state after each: i, h, u. */
static void run(int healthy, int unhealthy, const char *checks, const char *states)
{
    struct target_health_rule rule = rule_with(healthy, unhealthy);
    struct target_health h;
    target_health_begin(&h);
    int64_t now = 1000000;
    for (size_t i = 0; checks[i]; i++, now += 10000) {
        char c = checks[i];
        target_health_note(&rule, &h, now,
                           c == '+'   ? CHECK_OK
                           : c == 'c' ? CHECK_CODE
                           : c == 't' ? CHECK_TIMEOUT
                                      : CHECK_FAILED,
                           c == 'c' ? 503 : 0);
        assert_int_equal("ihu"[h.state], states[i]);
    }
}

static void a_new_target_needs_one_success(void **state)
{
    run(5, 2, "+", "h");
    run(5, 2, "f+", "ih");
    run(5, 3, "ff+", "iih");
}

static void thresholds_count_in_a_row(void **state)
{
    run(3, 2, "+f+f+ff", "hhhhhhu");
    run(3, 2, "ff++f+++", "iuuuuuuh");
    run(2, 5, "ffffft++", "iiiiuuuh");
}

static void early_failures_count_at_the_pace_of_the_interval(void **state)
{
    struct target_health_rule rule = rule_with(5, 2);
    struct target_health h;
    target_health_begin(&h);
    for (int i = 0; i < 50; i++)
        assert_false(target_health_note(&rule, &h, i * 100, CHECK_FAILED, 0));
    assert_int_equal(h.state, TARGET_INITIAL);
    assert_true(target_health_note(&rule, &h, 10000, CHECK_FAILED, 0));
    assert_int_equal(h.state, TARGET_UNHEALTHY);
}

static void first_checks_come_soon_and_then_at_the_interval(void **state)
{
    struct target_health_rule rule = rule_with(5, 2);
    struct target_health h;
    target_health_begin(&h);
    assert_int_equal(target_health_gap_ms(&rule, &h), 100);
    int64_t last = 0;
    for (int i = 0; i < 200; i++) {
        int64_t gap = target_health_gap_ms(&rule, &h);
        assert_true(gap >= last && gap <= 10000);
        last = gap;
        h.early++;
    }
    assert_int_equal(last, 10000);
    h = (struct target_health){.state = TARGET_HEALTHY};
    assert_int_equal(target_health_gap_ms(&rule, &h), 10000);
}

static void matchers(void **state)
{
    static const struct {
        const char *matcher;
        int code;
        bool matches;
    } rows[] = {{"200", 200, true},     {"200", 201, false},
                {"200,202", 202, true}, {"200,202", 201, false},
                {"200-299", 250, true}, {"200-299", 300, false},
                {"0-5,12", 12, true},   {"200-299,404", 404, true},
                {"x", 200, false},      {"", 200, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(target_health_matches(rows[i].matcher, rows[i].code),
                         rows[i].matches);
}

static void words_are_those_of_describe_target_health(void **state)
{
    struct target_health_rule rule = rule_with(2, 2);
    static const struct {
        struct target_health h;
        const char *state, *reason, *description;
    } rows[] = {{{.state = TARGET_INITIAL},
                 "initial",
                 "Elb.InitialHealthChecking",
                 "Initial health checks in progress"},
                {{.state = TARGET_HEALTHY}, "healthy", "", ""},
                {{.state = TARGET_UNHEALTHY, .outcome = CHECK_CODE, .code = 503},
                 "unhealthy",
                 "Target.ResponseCodeMismatch",
                 "Health checks failed with these codes: [503]"},
                {{.state = TARGET_UNHEALTHY, .outcome = CHECK_TIMEOUT},
                 "unhealthy",
                 "Target.Timeout",
                 "Request timed out"},
                {{.state = TARGET_UNHEALTHY, .outcome = CHECK_FAILED},
                 "unhealthy",
                 "Target.FailedHealthChecks",
                 "Health checks failed"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct target_health_words w;
        target_health_words(&rule, &rows[i].h, &w);
        assert_string_equal(w.state, rows[i].state);
        assert_string_equal(w.reason, rows[i].reason);
        assert_string_equal(w.description, rows[i].description);
    }
}

static void defaults_depend_on_the_protocol(void **state)
{
    struct target_health_rule r;
    struct elbv2_target_group tcp = {.protocol = ELBV2_PROTOCOL_ENUM_TCP};
    target_health_rule_of(&tcp, 0, &r);
    assert_int_equal(r.protocol, ELBV2_PROTOCOL_ENUM_TCP);
    assert_int_equal(r.timeout_ms, 10000);
    assert_string_equal(r.matcher, "200-399");
    struct elbv2_target_group grpc = {.protocol = ELBV2_PROTOCOL_ENUM_HTTP,
                                      .protocol_version = "GRPC",
                                      .health_check_port = "8081"};
    target_health_rule_of(&grpc, 0, &r);
    assert_string_equal(r.path, "/AWS.ALB/healthcheck");
    assert_string_equal(r.matcher, "12");
    assert_int_equal(r.port, 8081);
    assert_true(r.http2 && r.grpc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_target_needs_one_success),
        cmocka_unit_test(thresholds_count_in_a_row),
        cmocka_unit_test(early_failures_count_at_the_pace_of_the_interval),
        cmocka_unit_test(first_checks_come_soon_and_then_at_the_interval),
        cmocka_unit_test(matchers),
        cmocka_unit_test(words_are_those_of_describe_target_health),
        cmocka_unit_test(defaults_depend_on_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
