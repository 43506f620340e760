/* Stages of blue/green, linear and canary deployments: the way forward and the way back. */
#include "unit.h"

#include "rollout_stage.h"
#include "str.h"

#define MINUTE 60000LL
#define DAY    (24 * 60 * MINUTE)

#define BIT(stage) (1u << STAGE_##stage)
#define HOOKED                                                                           \
    (BIT(RECONCILE_SERVICE) | BIT(PRE_SCALE_UP) | BIT(POST_SCALE_UP) |                   \
     BIT(TEST_TRAFFIC_SHIFT) | BIT(POST_TEST_TRAFFIC_SHIFT) |                            \
     BIT(PRE_PRODUCTION_TRAFFIC_SHIFT) | BIT(PRODUCTION_TRAFFIC_SHIFT) |                 \
     BIT(POST_PRODUCTION_TRAFFIC_SHIFT))

struct bench {
    struct rollout_config config;
    struct rollout_hook_config hooks[2];
    struct rollout_observed seen;
    struct rollout r;
    struct rollout_plan plan;
    int64_t now;
    struct str trace;
};

/* Everything that is observed is as it should be. */
static void bench_init(struct bench *b, enum rollout_strategy strategy, size_t older)
{
    *b = (struct bench){
        .config = {.strategy = strategy,
                   .step_percent = 40,
                   .canary_percent = 10,
                   .bake_ms = 30 * MINUTE,
                   .step_bake_ms = 5 * MINUTE},
        .seen = {.has_source = older > 0,
                 .older = older > 1 ? 1 : older,
                 .green_ready = true,
                 .traffic_settled = true,
                 .source_gone = true,
                 .green_gone = true},
        .now = 1000000,
        .trace = STR_INIT,
    };
    b->config.hooks = b->hooks;
    rollout_init(&b->r, older);
}

static void advance(struct bench *b)
{
    rollout_advance(&b->config, &b->seen, b->now, &b->r, &b->plan);
    /* Once more, as after a crash: nothing moves and nothing is done twice. */
    struct rollout again = b->r;
    struct rollout_plan plan;
    rollout_advance(&b->config, &b->seen, b->now, &again, &plan);
    assert_memory_equal(&again, &b->r, sizeof(again));
    assert_int_equal(plan.actions, 0);
    assert_int_equal(plan.call_count, 0);
    assert_int_equal(plan.wake_at_ms != 0, b->plan.wake_at_ms != 0);
}

static void note(struct bench *b)
{
    str_addf(&b->trace, "%s:%g/%g ", rollout_stage_name(b->r.stage),
             b->r.production_weight, b->r.test_weight);
}

/* A PAUSE hook at every stage and bake times make every stop visible. */
static const char *whole_trace(struct bench *b)
{
    b->hooks[0] = (struct rollout_hook_config){.pauses = true, .stages = HOOKED};
    b->config.hook_count = 1;
    for (int n = 0; n < 100; n++) {
        advance(b);
        if (b->r.outcome != OUTCOME_OPEN)
            break;
        note(b);
        if (b->r.hooks_stage == b->r.stage && rollout_hook_decided(&b->r.hooks[0], true))
            continue;
        assert_true(b->plan.wake_at_ms > b->now);
        b->now = b->plan.wake_at_ms;
    }
    assert_int_not_equal(b->r.outcome, OUTCOME_OPEN);
    return str_text(&b->trace);
}

static void every_strategy_has_its_way(void **state)
{
    static const struct {
        enum rollout_strategy strategy;
        size_t older;
        const char *trace;
    } rows[] = {
        {ROLLOUT_BLUE_GREEN, 1,
         "PRE_SCALE_UP:0/0 POST_SCALE_UP:0/0 TEST_TRAFFIC_SHIFT:0/100 "
         "POST_TEST_TRAFFIC_SHIFT:0/100 PRE_PRODUCTION_TRAFFIC_SHIFT:0/100 "
         "PRODUCTION_TRAFFIC_SHIFT:100/100 POST_PRODUCTION_TRAFFIC_SHIFT:100/100 "
         "BAKE_TIME:100/100 "},
        {ROLLOUT_BLUE_GREEN, 2,
         "RECONCILE_SERVICE:0/0 PRE_SCALE_UP:0/0 POST_SCALE_UP:0/0 "
         "TEST_TRAFFIC_SHIFT:0/100 POST_TEST_TRAFFIC_SHIFT:0/100 "
         "PRE_PRODUCTION_TRAFFIC_SHIFT:0/100 PRODUCTION_TRAFFIC_SHIFT:100/100 "
         "POST_PRODUCTION_TRAFFIC_SHIFT:100/100 BAKE_TIME:100/100 "},
        {ROLLOUT_CANARY, 1,
         "PRE_SCALE_UP:0/0 POST_SCALE_UP:0/0 TEST_TRAFFIC_SHIFT:0/100 "
         "POST_TEST_TRAFFIC_SHIFT:0/100 PRE_PRODUCTION_TRAFFIC_SHIFT:0/100 "
         "PRODUCTION_TRAFFIC_SHIFT:10/100 PRODUCTION_TRAFFIC_SHIFT:10/100 "
         "PRE_PRODUCTION_TRAFFIC_SHIFT:10/100 PRODUCTION_TRAFFIC_SHIFT:100/100 "
         "POST_PRODUCTION_TRAFFIC_SHIFT:100/100 BAKE_TIME:100/100 "},
        {ROLLOUT_LINEAR, 1,
         "PRE_SCALE_UP:0/0 POST_SCALE_UP:0/0 TEST_TRAFFIC_SHIFT:0/100 "
         "POST_TEST_TRAFFIC_SHIFT:0/100 PRE_PRODUCTION_TRAFFIC_SHIFT:0/100 "
         "PRODUCTION_TRAFFIC_SHIFT:40/100 PRODUCTION_TRAFFIC_SHIFT:40/100 "
         "PRE_PRODUCTION_TRAFFIC_SHIFT:40/100 PRODUCTION_TRAFFIC_SHIFT:80/100 "
         "PRODUCTION_TRAFFIC_SHIFT:80/100 PRE_PRODUCTION_TRAFFIC_SHIFT:80/100 "
         "PRODUCTION_TRAFFIC_SHIFT:100/100 POST_PRODUCTION_TRAFFIC_SHIFT:100/100 "
         "BAKE_TIME:100/100 "},
        /* The first deployment: in one step, and nothing bakes. */
        {ROLLOUT_LINEAR, 0,
         "PRE_SCALE_UP:0/0 POST_SCALE_UP:0/0 TEST_TRAFFIC_SHIFT:0/100 "
         "POST_TEST_TRAFFIC_SHIFT:0/100 PRE_PRODUCTION_TRAFFIC_SHIFT:0/100 "
         "PRODUCTION_TRAFFIC_SHIFT:100/100 POST_PRODUCTION_TRAFFIC_SHIFT:100/100 "},
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        struct bench b;
        bench_init(&b, rows[k].strategy, rows[k].older);
        assert_string_equal(whole_trace(&b), rows[k].trace);
        assert_int_equal(b.r.outcome, OUTCOME_SUCCESSFUL);
        str_free(&b.trace);
    }
}

static void steps_add_up(void **state)
{
    static const struct {
        enum rollout_strategy strategy;
        double percent;
        uint32_t steps, at;
        double weight;
    } rows[] = {
        {ROLLOUT_BLUE_GREEN, 0, 1, 1, 100}, {ROLLOUT_BLUE_GREEN, 0, 1, 0, 0},
        {ROLLOUT_CANARY, 0.1, 2, 1, 0.1},   {ROLLOUT_CANARY, 5, 2, 2, 100},
        {ROLLOUT_CANARY, 100, 1, 1, 100},   {ROLLOUT_LINEAR, 3, 34, 33, 99},
        {ROLLOUT_LINEAR, 3, 34, 34, 100},   {ROLLOUT_LINEAR, 10, 10, 10, 100},
        {ROLLOUT_LINEAR, 12.5, 8, 8, 100},  {ROLLOUT_LINEAR, 33.3, 4, 3, 99.9},
        {ROLLOUT_LINEAR, 100, 1, 1, 100},   {ROLLOUT_LINEAR, 60, 2, 1, 60},
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        struct rollout_config c = {.strategy = rows[k].strategy,
                                   .step_percent = rows[k].percent,
                                   .canary_percent = rows[k].percent};
        assert_int_equal(rollout_steps(&c), rows[k].steps);
        assert_true(rollout_weight(&c, rows[k].at) > rows[k].weight - 1e-9);
        assert_true(rollout_weight(&c, rows[k].at) < rows[k].weight + 1e-9);
    }
}

/* ---- stages wait for what they are about ---- */

static void green_is_wanted_from_scale_up_on(void **state)
{
    struct bench b;
    bench_init(&b, ROLLOUT_BLUE_GREEN, 1);
    b.hooks[0] =
        (struct rollout_hook_config){.pauses = true, .stages = BIT(PRE_SCALE_UP)};
    b.config.hook_count = 1;
    b.seen.green_ready = false;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_PRE_SCALE_UP);
    assert_false(rollout_wants_green(&b.r));
    assert_true(rollout_hook_decided(&b.r.hooks[0], true));
    assert_false(rollout_hook_decided(&b.r.hooks[0], true));
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_SCALE_UP);
    assert_true(rollout_wants_green(&b.r) && rollout_wants_source(&b.r));
    assert_int_equal(b.plan.wake_at_ms, 0);
    b.seen.green_ready = true;
    b.seen.source_gone = false;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_BAKE_TIME);
    b.now += 30 * MINUTE - 1;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_BAKE_TIME);
    b.now++;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_CLEAN_UP);
    assert_true(rollout_wants_green(&b.r) && !rollout_wants_source(&b.r));
    b.seen.source_gone = true;
    advance(&b);
    assert_int_equal(b.r.outcome, OUTCOME_SUCCESSFUL);
}

static void others_than_blue_go_first(void **state)
{
    struct bench b;
    bench_init(&b, ROLLOUT_BLUE_GREEN, 3);
    b.seen.older = 3;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_RECONCILE_SERVICE);
    b.seen.older = 2;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_RECONCILE_SERVICE);
    b.seen.older = 1;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_BAKE_TIME);
}

static void traffic_must_be_in_force(void **state)
{
    struct bench b;
    bench_init(&b, ROLLOUT_CANARY, 1);
    b.seen.traffic_settled = false;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_TEST_TRAFFIC_SHIFT);
    assert_true(b.plan.actions & ROLLOUT_SHIFT);
    b.seen.traffic_settled = true;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_PRODUCTION_TRAFFIC_SHIFT);
    assert_true(b.plan.actions & ROLLOUT_SHIFT);
    assert_int_equal(b.plan.wake_at_ms, b.now + 5 * MINUTE);
}

/* ---- hooks ---- */

static void hooked(struct bench *b, uint32_t stages)
{
    bench_init(b, ROLLOUT_BLUE_GREEN, 1);
    b->hooks[0] = (struct rollout_hook_config){.stages = stages};
    b->hooks[1] =
        (struct rollout_hook_config){.stages = BIT(POST_PRODUCTION_TRAFFIC_SHIFT),
                                     .pauses = true,
                                     .timeout_continues = true,
                                     .timeout_ms = 2 * MINUTE};
    b->config.hook_count = 2;
    advance(b);
    assert_int_equal(b->plan.call_count, 1);
    assert_true(b->plan.actions & ROLLOUT_HOOKS);
}

static void a_hook_is_called_until_it_answers(void **state)
{
    struct bench b;
    hooked(&b, BIT(POST_SCALE_UP));
    /* No word, as after a crash: called again. */
    b.now += ROLLOUT_CALL_LEASE_MS;
    advance(&b);
    assert_int_equal(b.plan.call_count, 1);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_IN_PROGRESS, 0, b.now);
    advance(&b);
    assert_int_equal(b.plan.call_count, 0);
    assert_int_equal(b.plan.wake_at_ms, b.now + ROLLOUT_RECALL_MS);
    b.now += ROLLOUT_RECALL_MS;
    advance(&b);
    assert_int_equal(b.plan.call_count, 1);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_IN_PROGRESS, 7000, b.now);
    advance(&b);
    assert_int_equal(b.plan.wake_at_ms, b.now + 7000);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_SUCCEEDED, 0, b.now);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_FAILED, 0, b.now); /* late */
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_POST_PRODUCTION_TRAFFIC_SHIFT);
    /* A PAUSE that says CONTINUE when nobody comes. */
    b.now += 2 * MINUTE;
    advance(&b);
    assert_int_equal(b.r.hooks[0].status, HOOK_TIMED_OUT);
    assert_int_equal(b.r.stage, STAGE_BAKE_TIME);
}

static void a_hook_out_of_reach_fails_in_the_end(void **state)
{
    struct bench b;
    hooked(&b, BIT(POST_SCALE_UP));
    for (int n = 0; n < ROLLOUT_CALL_FAILURES; n++) {
        assert_false(b.r.rolling_back);
        rollout_hook_answered(&b.r.hooks[0], ANSWER_NONE, 0, b.now);
        b.now += ROLLOUT_RECALL_MS;
        advance(&b);
    }
    assert_int_equal(b.r.outcome, OUTCOME_ROLLED_BACK);
    assert_string_equal(b.r.reason, "A lifecycle hook at POST_SCALE_UP failed.");
}

static void a_hook_that_times_out_rolls_back(void **state)
{
    struct bench b;
    hooked(&b, BIT(TEST_TRAFFIC_SHIFT));
    b.seen.green_gone = false;
    b.now += DAY - 1;
    rollout_hook_answered(&b.r.hooks[0], ANSWER_IN_PROGRESS, 0, b.now);
    advance(&b);
    assert_int_equal(b.plan.wake_at_ms, b.now + 1);
    b.now++;
    advance(&b);
    assert_string_equal(b.r.reason, "A lifecycle hook at TEST_TRAFFIC_SHIFT timed out.");
    assert_true(b.r.rolling_back);
    assert_true(b.r.test_weight == 0);
}

/* ---- the way back ---- */

static void back_go_production_then_test(void **state)
{
    struct bench b;
    bench_init(&b, ROLLOUT_CANARY, 1);
    b.seen.green_gone = false;
    b.hooks[0] = (struct rollout_hook_config){.stages = BIT(PRODUCTION_TRAFFIC_SHIFT) |
                                                        BIT(TEST_TRAFFIC_SHIFT)};
    b.hooks[1] = (struct rollout_hook_config){.stages = HOOKED, .pauses = true};
    b.config.hook_count = 1;
    advance(&b);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_SUCCEEDED, 0, b.now);
    advance(&b);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_SUCCEEDED, 0, b.now);
    b.config.hook_count = 2;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_PRODUCTION_TRAFFIC_SHIFT);
    assert_true(b.r.production_weight == 10);
    b.seen.failure = "alarm";
    advance(&b);
    assert_string_equal(b.r.reason, "alarm");
    assert_int_equal(b.r.stage, STAGE_PRODUCTION_TRAFFIC_SHIFT);
    assert_true(b.plan.actions & ROLLOUT_SHIFT);
    assert_true(b.r.production_weight == 0 && b.r.test_weight == 100);
    assert_int_equal(b.plan.call_count, 1); /* with the weights turned round */
    assert_int_equal(b.r.hook_count, 1);    /* and no PAUSE */
    rollout_hook_answered(&b.r.hooks[0], ANSWER_FAILED, 0, b.now);
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_TEST_TRAFFIC_SHIFT);
    assert_true(b.r.test_weight == 0);
    rollout_hook_answered(&b.r.hooks[0], ANSWER_SUCCEEDED, 0, b.now);
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_CLEAN_UP);
    assert_true(rollout_wants_source(&b.r) && !rollout_wants_green(&b.r));
    b.seen.green_gone = true;
    advance(&b);
    assert_int_equal(b.r.outcome, OUTCOME_ROLLED_BACK);
}

static void too_late_to_turn_back(void **state)
{
    struct bench b;
    bench_init(&b, ROLLOUT_BLUE_GREEN, 1);
    b.seen.source_gone = false;
    advance(&b);
    b.now += 30 * MINUTE;
    advance(&b);
    assert_int_equal(b.r.stage, STAGE_CLEAN_UP);
    b.seen.failure = "alarm";
    advance(&b);
    assert_false(b.r.rolling_back);
}

static void without_blue_there_is_no_way_back(void **state)
{
    struct bench b;
    bench_init(&b, ROLLOUT_BLUE_GREEN, 0);
    b.seen.green_ready = false;
    b.seen.failure = "circuit breaker";
    advance(&b);
    assert_int_equal(b.r.outcome, OUTCOME_FAILED);
}

/* Whatever happens in whatever order: weights stay in range, blue is wanted while it has
 * traffic, green too, and in the end there is an outcome. */
static void any_sequence_ends(void **state)
{
    uint64_t seed = 7;
    for (int run = 0; run < 3000; run++) {
        struct bench b;
        bench_init(&b, (enum rollout_strategy)(run % 3), (size_t)(run % 4));
        b.hooks[0] = (struct rollout_hook_config){.stages = HOOKED & (uint32_t)(run * 7)};
        b.hooks[1] = (struct rollout_hook_config){.stages = HOOKED & (uint32_t)(run * 13),
                                                  .pauses = true,
                                                  .timeout_ms = 3 * MINUTE,
                                                  .timeout_continues = run & 1};
        b.config.hook_count = 2;
        for (int n = 0; n < 4000 && b.r.outcome == OUTCOME_OPEN; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint64_t x = seed >> 33;
            b.seen.green_ready = x & 1;
            b.seen.traffic_settled = x & 2;
            b.seen.source_gone = b.seen.green_gone = x & 4;
            b.seen.failure = x % 97 == 0 ? "bad luck" : NULL;
            b.now += (int64_t)(x % (2 * MINUTE));
            if (b.r.hook_count)
                rollout_hook_answered(&b.r.hooks[x % b.r.hook_count],
                                      (enum rollout_answer)(x % 4), 0, b.now);
            if (b.r.hook_count && x % 5 == 0)
                rollout_hook_decided(&b.r.hooks[x % b.r.hook_count], x & 8);
            advance(&b);
            assert_true(b.r.production_weight >= 0 && b.r.production_weight <= 100);
            assert_true(b.r.test_weight >= 0 && b.r.test_weight <= 100);
            if (b.r.production_weight > 0 && b.r.outcome != OUTCOME_FAILED)
                assert_true(rollout_wants_green(&b.r));
            if (b.r.production_weight < 100)
                assert_true(rollout_wants_source(&b.r));
        }
        assert_int_not_equal(b.r.outcome, OUTCOME_OPEN);
        assert_true(b.r.production_weight == 0 || b.r.production_weight == 100 ||
                    b.r.outcome == OUTCOME_FAILED);
    }
}

static void stages_have_names(void **state)
{
    enum rollout_stage s;
    for (int k = 0; k < STAGE_COUNT; k++) {
        assert_true(rollout_stage_parse(rollout_stage_name((enum rollout_stage)k), &s));
        assert_int_equal(s, k);
    }
    assert_false(rollout_stage_parse("SCALE", &s));
    assert_false(rollout_stage_parse(NULL, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_has_its_way),
        cmocka_unit_test(steps_add_up),
        cmocka_unit_test(green_is_wanted_from_scale_up_on),
        cmocka_unit_test(others_than_blue_go_first),
        cmocka_unit_test(traffic_must_be_in_force),
        cmocka_unit_test(a_hook_is_called_until_it_answers),
        cmocka_unit_test(a_hook_out_of_reach_fails_in_the_end),
        cmocka_unit_test(a_hook_that_times_out_rolls_back),
        cmocka_unit_test(back_go_production_then_test),
        cmocka_unit_test(too_late_to_turn_back),
        cmocka_unit_test(without_blue_there_is_no_way_back),
        cmocka_unit_test(any_sequence_ends),
        cmocka_unit_test(stages_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
