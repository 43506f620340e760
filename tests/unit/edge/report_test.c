/* What the parts found out, on its way to the server. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "report.h"
#include "str.h"

#define GROUP "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/1"
#define OTHER "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/api/2"
#define WEB   "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/1"

struct world {
    struct report_queue *q;
    struct arena arena;
    struct gantry_edge_report report;
    int wakes;
};

static void count_wake(void *ctx)
{
    ((struct world *)ctx)->wakes++;
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    w->q = report_queue_new("edge-1", count_wake, w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    report_queue_free(w->q);
    arena_free(&w->arena);
    free(w);
    return 0;
}

static bool take(struct world *w)
{
    arena_free(&w->arena);
    w->arena = (struct arena)ARENA_INIT;
    return report_take(w->q, &w->arena, &w->report);
}

static void health(struct world *w, const char *group, const char *id, const char *is)
{
    struct gantry_edge_target_health h = {
        .target_group_arn = group, .id = id, .port = {.set = true, .v = 80}, .state = is};
    report_health(w->q, &h);
}

static void requests(struct world *w, const char *group, int64_t n)
{
    struct gantry_edge_traffic_bucket bucket = {{true, 10}, {true, n}};
    struct gantry_edge_traffic t = {.load_balancer_arn = WEB,
                                    .target_group_arn = group,
                                    .requests = {true, n},
                                    .active_connections = {true, n},
                                    .response_milliseconds = {&bucket, 1, true}};
    report_traffic(w->q, &t);
}

static void test_the_newest_state_of_each_object(void **state)
{
    struct world *w = *state;
    assert_false(take(w));
    health(w, GROUP, "10.0.0.1", "initial");
    health(w, GROUP, "10.0.0.2", "initial");
    health(w, GROUP, "10.0.0.1", "healthy");
    assert_int_equal(w->wakes, 3);
    assert_true(take(w));
    assert_int_equal(w->report.target_health.n, 2);
    assert_string_equal(w->report.edge_id, "edge-1");
    assert_string_equal(w->report.target_health.v[0].id, "10.0.0.2");
    assert_string_equal(w->report.target_health.v[1].state, "healthy");
    assert_false(w->report.sequence.set);
    report_taken(w->q, true);
    assert_false(take(w));
}

static void test_the_same_state_is_no_news(void **state)
{
    struct world *w = *state;
    health(w, GROUP, "10.0.0.1", "healthy");
    assert_true(take(w));
    report_taken(w->q, true);
    health(w, GROUP, "10.0.0.1", "healthy");
    assert_false(take(w));
    assert_int_equal(w->wakes, 1);
}

static void test_what_was_not_acknowledged_comes_again(void **state)
{
    struct world *w = *state;
    health(w, GROUP, "10.0.0.1", "healthy");
    assert_true(take(w));
    report_taken(w->q, false);
    assert_true(take(w));
    assert_int_equal(w->report.target_health.n, 1);
    report_taken(w->q, true);
    assert_false(take(w));
}

static void test_a_change_while_the_report_is_away(void **state)
{
    struct world *w = *state;
    health(w, GROUP, "10.0.0.1", "healthy");
    assert_true(take(w));
    health(w, GROUP, "10.0.0.1", "unhealthy");
    report_taken(w->q, true);
    assert_true(take(w));
    assert_string_equal(w->report.target_health.v[0].state, "unhealthy");
    report_taken(w->q, true);
    assert_false(take(w));
}

static void test_all_are_sent_again_after_a_new_connection(void **state)
{
    struct world *w = *state;
    struct gantry_edge_balancer_state b = {.load_balancer_arn = WEB, .state = "active"};
    struct gantry_edge_instance_state i = {.instance_id = "i-1", .state = "running"};
    health(w, GROUP, "10.0.0.1", "healthy");
    report_balancer(w->q, &b);
    report_instance(w->q, &i);
    assert_true(take(w));
    report_taken(w->q, true);
    report_resend(w->q);
    assert_true(take(w));
    assert_int_equal(w->report.target_health.n, 1);
    assert_int_equal(w->report.balancers.n, 1);
    assert_int_equal(w->report.instances.n, 1);
}

static void test_what_is_gone_is_forgotten(void **state)
{
    struct world *w = *state;
    struct gantry_edge_balancer_state b = {.load_balancer_arn = WEB, .state = "active"};
    struct gantry_edge_target kept = {.id = "10.0.0.2", .port = {true, 80}};
    struct elbv2_target_group tg = {.target_group_arn = GROUP};
    struct gantry_edge_target_group group = {.target_group = &tg,
                                             .targets = {&kept, 1, true}};
    health(w, GROUP, "10.0.0.1", "healthy");
    health(w, GROUP, "10.0.0.2", "healthy");
    health(w, OTHER, "10.0.0.3", "healthy");
    report_balancer(w->q, &b);
    report_name_targets(w->q, &group);
    report_targets_gone(w->q, OTHER);
    report_balancer_gone(w->q, WEB);
    report_targets_gone(w->q, "arn:aws:never:seen");
    assert_true(take(w));
    assert_int_equal(w->report.balancers.n, 0);
    assert_int_equal(w->report.target_health.n, 1);
    assert_string_equal(w->report.target_health.v[0].id, "10.0.0.2");
}

static void test_what_the_server_does_not_name_is_forgotten(void **state)
{
    struct world *w = *state;
    struct gantry_edge_target named = {.id = "10.0.0.1", .port = {true, 80}};
    struct elbv2_target_group tg = {.target_group_arn = GROUP};
    struct gantry_edge_target_group group = {.target_group = &tg,
                                             .targets = {&named, 1, true}};
    struct gantry_edge_balancer_state b = {.load_balancer_arn = WEB, .state = "active"};
    struct gantry_edge_instance_state i = {.instance_id = "i-1", .state = "running"};
    health(w, GROUP, "10.0.0.1", "healthy");
    health(w, OTHER, "10.0.0.3", "healthy");
    report_balancer(w->q, &b);
    report_instance(w->q, &i);
    report_begin(w->q);
    report_name_targets(w->q, &group);
    report_name_balancer(w->q, WEB);
    report_settled(w->q);
    assert_true(take(w));
    assert_int_equal(w->report.target_health.n, 1);
    assert_int_equal(w->report.balancers.n, 1);
    assert_int_equal(w->report.instances.n, 0);
}

static void test_a_report_is_bounded(void **state)
{
    struct world *w = *state;
    char id[32];
    size_t seen = 0;
    for (int i = 0; i < 2 * REPORT_BATCH_MAX + 1; i++) {
        snprintf(id, sizeof(id), "10.0.%d.%d", i / 256, i % 256);
        health(w, GROUP, id, "healthy");
    }
    while (take(w)) {
        assert_in_range(w->report.target_health.n, 1, REPORT_BATCH_MAX);
        seen += w->report.target_health.n;
        report_taken(w->q, true);
    }
    assert_int_equal(seen, 2 * REPORT_BATCH_MAX + 1);
}

static void test_traffic_adds_up(void **state)
{
    struct world *w = *state;
    requests(w, GROUP, 3);
    requests(w, GROUP, 4);
    requests(w, OTHER, 1);
    assert_true(take(w));
    assert_int_equal(w->report.traffic.n, 2);
    const struct gantry_edge_traffic *t = &w->report.traffic.v[0];
    assert_int_equal(t->requests.v, 7);
    assert_int_equal(t->active_connections.v, 4);
    assert_int_equal(t->response_milliseconds.n, 1);
    assert_int_equal(t->response_milliseconds.v[0].count.v, 7);
    assert_int_equal(w->report.sequence.v, 1);
}

/* The server may have counted it, although no answer came: so it must be the same again. */
static void test_traffic_that_was_sent_does_not_change(void **state)
{
    struct world *w = *state;
    requests(w, GROUP, 3);
    assert_true(take(w));
    requests(w, GROUP, 4);
    report_taken(w->q, false);
    assert_true(take(w));
    assert_int_equal(w->report.sequence.v, 1);
    assert_int_equal(w->report.traffic.n, 1);
    assert_int_equal(w->report.traffic.v[0].requests.v, 3);
    report_taken(w->q, true);
    assert_true(take(w));
    assert_int_equal(w->report.sequence.v, 2);
    assert_int_equal(w->report.traffic.v[0].requests.v, 4);
    report_taken(w->q, true);
    assert_false(take(w));
}

static void test_states_without_a_name(void **state)
{
    struct world *w = *state;
    report_health(w->q, &(struct gantry_edge_target_health){.state = "healthy"});
    report_balancer(w->q, &(struct gantry_edge_balancer_state){.state = "active"});
    report_instance(w->q, &(struct gantry_edge_instance_state){.state = "running"});
    assert_false(take(w));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_newest_state_of_each_object),
        TEST(test_the_same_state_is_no_news),
        TEST(test_what_was_not_acknowledged_comes_again),
        TEST(test_a_change_while_the_report_is_away),
        TEST(test_all_are_sent_again_after_a_new_connection),
        TEST(test_what_is_gone_is_forgotten),
        TEST(test_what_the_server_does_not_name_is_forgotten),
        TEST(test_a_report_is_bounded),
        TEST(test_traffic_adds_up),
        TEST(test_traffic_that_was_sent_does_not_change),
        TEST(test_states_without_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
