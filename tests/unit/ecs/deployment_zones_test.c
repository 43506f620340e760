/* Moves between zones, and daemons: what the tables of deployment_test.c have no column for. */
#include "unit.h"

#include "deployment.h"

#define TASKS 8

static const char *const two_zones[] = {"us-east-1a", "us-east-1b"};

struct world {
    struct arena arena;
    struct deployment deployment;
    struct deployment_task tasks[TASKS];
    struct deployment_service service;
    struct deployment_memory memory;
    struct deployment_plan plan;
};

/* zones: one digit a task, its zone; upper case 'P' before it: not RUNNING yet. */
static void world_init(struct world *w, const char *zones, uint32_t desired)
{
    arena_free(&w->arena);
    *w = (struct world){.arena = ARENA_INIT};
    w->deployment = (struct deployment){
        .id = "ecs-svc/1", .primary = true, .rollout = ROLLOUT_COMPLETED};
    w->service = (struct deployment_service){
        .name = "s",
        .desired = desired,
        .minimum_healthy_percent = 100,
        .maximum_percent = 200,
        .deployments = &w->deployment,
        .deployment_count = 1,
        .tasks = w->tasks,
        .zones = two_zones,
        .zone_count = 2,
    };
    bool pending = false;
    for (const char *z = zones; *z; z++) {
        if (*z == 'P') {
            pending = true;
            continue;
        }
        static const char *const ids[TASKS] = {"t0", "t1", "t2", "t3",
                                               "t4", "t5", "t6", "t7"};
        size_t k = w->service.task_count++;
        w->tasks[k] = (struct deployment_task){
            .id = ids[k],
            .zone = (uint32_t)(*z - '0'),
            .rank = (uint32_t)k,
            .phase = pending ? PHASE_STARTING : PHASE_RUNNING,
            .started_at_ms = pending ? 0 : 1000,
        };
        pending = false;
    }
}

static void plan(struct world *w, int64_t now_ms)
{
    arena_free(&w->arena);
    deployment_plan(&w->service, now_ms, &w->memory, &w->arena, &w->plan);
}

static const struct deployment_action *first(const struct world *w,
                                             enum deployment_action_kind kind)
{
    for (size_t i = 0; i < w->plan.count; i++)
        if (w->plan.actions[i].kind == kind)
            return &w->plan.actions[i];
    return NULL;
}

static bool told(const struct world *w, const char *text)
{
    for (size_t i = 0; i < w->plan.count; i++)
        if (w->plan.actions[i].kind == DEPLOYMENT_EVENT &&
            streq(w->plan.actions[i].text, text))
            return true;
    return false;
}

static void test_a_move_takes_one_from_the_fullest(void **state)
{
    struct world w = {.arena = ARENA_INIT};
    int64_t now = 1000000;
    world_init(&w, "0000", 4);
    plan(&w, now);
    const struct deployment_action *start = first(&w, DEPLOYMENT_START);
    assert_non_null(start);
    assert_int_equal(start->count, 1);
    assert_string_equal(start->text, "us-east-1b");
    assert_true(told(&w,
                     "(service s) is not AZ balanced with 4 tasks in us-east-1a, 0 tasks "
                     "in us-east-1b. AZ Rebalancing in progress."));
    struct deployment_memory memory = w.memory;

    world_init(&w, "0000P1", 4);
    w.memory = memory;
    w.service.minimum_healthy_percent = 0; /* even then the new one comes first */
    plan(&w, now + 1000);
    assert_null(first(&w, DEPLOYMENT_STOP));
    assert_null(first(&w, DEPLOYMENT_START));

    w.tasks[4].phase = PHASE_RUNNING;
    w.tasks[4].started_at_ms = now + 2000;
    plan(&w, now + 3000);
    assert_null(first(&w, DEPLOYMENT_STOP));
    assert_int_equal(w.plan.wake_at_ms, now + 2000 + DEPLOYMENT_GRACE_MS);
    plan(&w, now + 2000 + DEPLOYMENT_GRACE_MS);
    assert_non_null(first(&w, DEPLOYMENT_STOP));
    assert_int_equal(first(&w, DEPLOYMENT_STOP)->task, 0);
    memory = w.memory;

    world_init(&w, "0001", 4);
    w.memory = memory;
    plan(&w, now + 100000);
    assert_non_null(first(&w, DEPLOYMENT_START)); /* 3 and 1: one more */
    memory = w.memory;
    world_init(&w, "0011", 4);
    w.memory = memory;
    plan(&w, now + 200000);
    assert_null(first(&w, DEPLOYMENT_START));
    assert_true(told(&w,
                     "(service s) is AZ balanced with 2 tasks in us-east-1a, 2 tasks in "
                     "us-east-1b."));
    arena_free(&w.arena);
}

static void test_a_difference_of_one_is_balance(void **state)
{
    struct world w = {.arena = ARENA_INIT};
    world_init(&w, "001", 3);
    plan(&w, 1000000);
    assert_null(first(&w, DEPLOYMENT_START));
    assert_false(told(&w,
                      "(service s) is AZ balanced with 2 tasks in us-east-1a, 1 tasks in "
                      "us-east-1b."));
    arena_free(&w.arena);
}

static void test_a_move_without_room_waits(void **state)
{
    struct world w = {.arena = ARENA_INIT};
    world_init(&w, "000", 3);
    plan(&w, 1000000);
    assert_non_null(first(&w, DEPLOYMENT_START));
    deployment_note(&w.memory, NULL, NEWS_NOT_MOVED, 1000000);
    plan(&w, 1000001);
    assert_null(first(&w, DEPLOYMENT_START));
    assert_int_equal(w.plan.wake_at_ms, 1000000 + DEPLOYMENT_MOVE_GAP_MS);
    deployment_note(&w.memory, NULL, NEWS_CAPACITY, 1000002);
    plan(&w, 1000003);
    assert_non_null(first(&w, DEPLOYMENT_START));
    arena_free(&w.arena);
}

/* 110 % of three are three. */
static void test_a_move_stays_within_the_maximum(void **state)
{
    struct world w = {.arena = ARENA_INIT};
    world_init(&w, "000", 3);
    w.service.maximum_percent = 110;
    plan(&w, 1000000);
    assert_null(first(&w, DEPLOYMENT_START));
    w.service.maximum_percent = 134;
    plan(&w, 1000001);
    assert_non_null(first(&w, DEPLOYMENT_START));
    arena_free(&w.arena);
}

static void test_a_daemon_fills_what_is_vacant(void **state)
{
    struct world w = {.arena = ARENA_INIT};
    world_init(&w, "00", 3);
    w.service.zones = NULL;
    w.service.zone_count = 0;
    w.service.daemon = true;
    w.service.minimum_healthy_percent = 0;
    w.service.maximum_percent = 100;
    w.service.vacant = 1;
    plan(&w, 1000000);
    assert_int_equal(first(&w, DEPLOYMENT_START)->count, 1);
    assert_null(first(&w, DEPLOYMENT_STOP));

    /* Where it has no business it goes; sick ones go without a replacement. */
    w.service.vacant = 0;
    w.service.desired = 1;
    w.tasks[0].misplaced = true;
    plan(&w, 1000000);
    assert_int_equal(first(&w, DEPLOYMENT_STOP)->task, 0);
    w.tasks[0].misplaced = false;
    w.service.desired = 2;
    w.tasks[1].health = CHECK_UNHEALTHY;
    plan(&w, 1000000);
    assert_int_equal(first(&w, DEPLOYMENT_STOP)->task, 1);
    assert_string_equal(first(&w, DEPLOYMENT_STOP)->text,
                        "Task failed container health checks");
    arena_free(&w.arena);
}

static void test_an_old_daemon_hands_over_within_the_minimum(void **state)
{
    struct world w = {.arena = ARENA_INIT};
    world_init(&w, "0000", 4);
    struct deployment two[2] = {w.deployment, w.deployment};
    two[0].rollout = ROLLOUT_IN_PROGRESS;
    two[1].primary = false;
    w.service.deployments = two;
    w.service.deployment_count = 2;
    w.service.zones = NULL;
    w.service.zone_count = 0;
    w.service.daemon = true;
    w.service.minimum_healthy_percent = 50;
    w.service.maximum_percent = 100;
    for (int i = 0; i < 4; i++)
        w.tasks[i].deployment = 1;
    plan(&w, 1000000);
    size_t stopped = 0;
    for (size_t i = 0; i < w.plan.count; i++)
        stopped += w.plan.actions[i].kind == DEPLOYMENT_STOP;
    assert_int_equal(stopped, 2);
    assert_null(first(&w, DEPLOYMENT_START));
    arena_free(&w.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_move_takes_one_from_the_fullest),
        cmocka_unit_test(test_a_difference_of_one_is_balance),
        cmocka_unit_test(test_a_move_without_room_waits),
        cmocka_unit_test(test_a_move_stays_within_the_maximum),
        cmocka_unit_test(test_a_daemon_fills_what_is_vacant),
        cmocka_unit_test(test_an_old_daemon_hands_over_within_the_minimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
