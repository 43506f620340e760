/* What a service does next: rows of (desired, observed) and the actions wanted, and a
 * simulation that no order of events may bring out of its bounds. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployment.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW      (1000000000LL)
#define MAX      64

/* A task as two or more letters: deployment (a oldest), then what it is:
 *   s starting, r running for 10 s, R running for long, e ending, g gone
 * then flags: h healthy, u unhealthy, k check without verdict, t target healthy,
 * T target not yet, p protected, d on a draining instance, w told to stop. */
struct scene {
    uint32_t desired, min, max;
    const char *tasks;
    uint32_t deployments; /* the last one is the primary */
    bool balanced, breaker, rollback, deleted;
    enum rollout_state rollout;
    uint32_t breaker_failures;
    int64_t grace_ms;
};

struct fixture {
    struct arena arena;
    struct deployment_service s;
    struct deployment deployments[4];
    struct deployment_task tasks[MAX];
    char ids[MAX][8];
    struct deployment_memory memory;
    struct deployment_plan plan;
};

static void set_task(struct deployment_task *t, const char *at, size_t len)
{
    t->deployment = (uint32_t)(at[0] - 'a');
    t->phase = at[1] == 's'                   ? PHASE_STARTING
               : at[1] == 'r' || at[1] == 'R' ? PHASE_RUNNING
               : at[1] == 'e'                 ? PHASE_ENDING
                                              : PHASE_GONE;
    t->stop_wanted = at[1] == 'e' || at[1] == 'g';
    if (t->phase == PHASE_RUNNING)
        t->started_at_ms = at[1] == 'r' ? NOW - 10000 : NOW - 1000000;
    for (size_t k = 2; k < len; k++) {
        switch (at[k]) {
        case 'h':
            t->health = CHECK_HEALTHY;
            break;
        case 'u':
            t->health = CHECK_UNHEALTHY;
            break;
        case 'k':
            t->health = CHECK_UNKNOWN;
            break;
        case 't':
            t->target = CHECK_HEALTHY;
            break;
        case 'T':
            t->target = CHECK_UNKNOWN;
            break;
        case 'p':
            t->is_protected = true;
            break;
        case 'd':
            t->draining = true;
            break;
        case 'w':
            t->stop_wanted = true;
            break;
        default:
            assert_true(false);
        }
    }
}

static void set_up(struct fixture *f, const struct scene *x)
{
    static const char *const names[] = {"ecs-svc/1", "ecs-svc/2", "ecs-svc/3",
                                        "ecs-svc/4"};
    memset(f, 0, sizeof(*f));
    uint32_t n = x->deployments ? x->deployments : 1;
    for (uint32_t d = 0; d < n; d++)
        f->deployments[d] = (struct deployment){.id = names[d], .primary = d == n - 1};
    f->deployments[n - 1].rollout = x->rollout;
    f->deployments[n - 1].breaker_failures = x->breaker_failures;
    size_t count = 0;
    for (const char *at = x->tasks; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        struct deployment_task *t = &f->tasks[count];
        set_task(t, at, len);
        snprintf(f->ids[count], sizeof(f->ids[0]), "t%zu", count);
        t->id = f->ids[count];
        t->rank = (uint32_t)(100 - count); /* the last goes first */
        count++;
        at += len;
    }
    f->s = (struct deployment_service){
        .name = "S",
        .desired = x->desired,
        .minimum_healthy_percent = x->max ? x->min : 100,
        .maximum_percent = x->max ? x->max : 200,
        .load_balanced = x->balanced,
        .breaker = x->breaker,
        .breaker_rollback = x->rollback,
        .draining = x->deleted,
        .health_grace_ms = x->grace_ms,
        .deployments = f->deployments,
        .deployment_count = n,
        .tasks = f->tasks,
        .task_count = count,
    };
}

/* "+2 -t0 -t1 !t" …: started, stopped, completed C, bakes K, failed F,
 * rollback B, removed ~index. */
static void describe(const struct fixture *f, struct str *out)
{
    for (size_t k = 0; k < f->plan.count; k++) {
        const struct deployment_action *a = &f->plan.actions[k];
        const char *blank = out->len ? " " : "";
        switch (a->kind) {
        case DEPLOYMENT_START:
            str_addf(out, "%s+%u", blank, a->count);
            break;
        case DEPLOYMENT_STOP:
            str_addf(out, "%s-%s", blank, f->tasks[a->task].id);
            break;
        case DEPLOYMENT_BAKE:
            str_addf(out, "%sK", blank);
            break;
        case DEPLOYMENT_COMPLETE:
            str_addf(out, "%sC", blank);
            break;
        case DEPLOYMENT_FAIL:
            str_addf(out, "%sF", blank);
            break;
        case DEPLOYMENT_ROLLBACK:
            str_addf(out, "%sB", blank);
            break;
        case DEPLOYMENT_REMOVE:
            str_addf(out, "%s~%u", blank, a->deployment);
            break;
        case DEPLOYMENT_EVENT:
            break;
        }
    }
}

static void plan(struct fixture *f, int64_t now)
{
    arena_free(&f->arena);
    deployment_plan(&f->s, now, &f->memory, &f->arena, &f->plan);
}

static bool told(const struct fixture *f, const char *text)
{
    for (size_t k = 0; k < f->plan.count; k++)
        if (f->plan.actions[k].kind == DEPLOYMENT_EVENT &&
            streq(f->plan.actions[k].text, text))
            return true;
    return false;
}

#define STUCK                                                                            \
    "(service S) was unable to stop or start tasks during a deployment because of the "  \
    "service deployment configuration. Update the minimumHealthyPercent or "             \
    "maximumPercent value and try again."
#define STEADY "(service S) has reached a steady state."

static const struct {
    const char *name;
    struct scene x;
    const char *actions;
    const char *event; /* must be told; NULL: any */
} rows[] = {
    {"a new service starts all", {3, 0, 0, ""}, "+3", NULL},
    {"nothing to do for nothing", {0, 0, 0, ""}, "C", STEADY},
    {"pending tasks are not started twice", {3, 0, 0, "as as as"}, "", NULL},
    {"fresh tasks make it steady",
     {2, 0, 0, "ar ar"},
     "C",
     "(service S) (deployment ecs-svc/1) deployment completed."},
    {"a check has to pass for it", {2, 0, 0, "arh ark"}, "", NULL},
    {"… and does", {2, 0, 0, "arh arh"}, "C", STEADY},
    {"targets have to be healthy for it", {1, 0, 0, "arT", .balanced = true}, "", NULL},
    {"… and are", {1, 0, 0, "art", .balanced = true}, "C", STEADY},
    {"a completed one is only steady",
     {1, 0, 0, "ar", .rollout = ROLLOUT_COMPLETED},
     "",
     STEADY},
    {"one that died is replaced", {3, 0, 0, "aR aR ag"}, "+1", NULL},
    {"one that was stopped is replaced at once", {3, 0, 0, "aR aR ae"}, "+1", NULL},
    {"… but one that still runs takes room", {1, 0, 100, "aRw"}, "", NULL},
    {"scale-out", {4, 0, 0, "aR aR"}, "+2", NULL},
    {"scale-in by rank",
     {1, 0, 0, "aR aR aR"},
     "-t2 -t1",
     "(service S) has stopped 2 running tasks: (task t2) (task t1)."},
    {"scale-in takes starting ones too", {1, 0, 0, "aR as"}, "-t1", NULL},
    {"scale-in keeps lower healthy", {2, 0, 0, "ar ar aR aR"}, "-t1 -t0", NULL},
    {"scale-in passes over protected ones", {1, 0, 0, "aR aR aRp"}, "-t1 -t0", NULL},
    {"more protected than desired",
     {1, 0, 0, "aRp aRp aR"},
     "-t2",
     "(service S) was unable to scale in. Reason: The number of protected tasks are more "
     "than the desired count of tasks."},
    {"an update starts as many as upper allows", {2, 100, 200, "aR aR", 2}, "+2", NULL},
    {"… and 150 % floors", {3, 100, 150, "aR aR aR", 2}, "+1", NULL},
    {"the old stay while the new are young", {2, 100, 200, "aR aR br br", 2}, "", NULL},
    {"the old go when the new are healthy",
     {2, 100, 200, "aR aR bR bR", 2},
     "-t1 -t0",
     NULL},
    {"lower rounds up: of 3 at 50 % one goes", {3, 50, 100, "aR aR aR", 2}, "-t2", NULL},
    {"0/100 stops all first", {2, 0, 100, "aR aR", 2}, "-t1 -t0", NULL},
    {"50/100 stops half first", {4, 50, 100, "aR aR aR aR", 2}, "-t3 -t2", NULL},
    {"50/100 then fills", {4, 50, 100, "aR aR ae ae", 2}, "+2", NULL},
    {"50/200 does both at once", {2, 50, 200, "aR aR", 2}, "+2 -t1", NULL},
    {"old ones that have not started go", {2, 100, 200, "aR as bs bs", 2}, "-t1", NULL},
    {"an empty older deployment leaves", {1, 0, 0, "ae bR", 2}, "~0 C", STEADY},
    {"only tasks that run or start hold it", {1, 0, 0, "aRw bR", 2}, "", NULL},
    {"several older ones drain", {1, 100, 200, "aR bR cR", 3}, "-t1 -t0", NULL},
    {"fresh old tasks are not thrown away", {2, 100, 200, "ar ar", 2}, "+2", NULL},
    {"protected old tasks stay", {1, 100, 200, "aRp bR", 2}, "", NULL},
    {"desired 1 with 51/100 is stuck", {1, 51, 100, "aR", 2}, "", STUCK},
    {"2 with 75/100 is stuck", {2, 75, 100, "aR aR", 2}, "", STUCK},
    {"3 with 100/133 is stuck", {3, 100, 133, "aR aR aR", 2}, "", STUCK},
    {"3 with 100/134 is not", {3, 100, 134, "aR aR aR", 2}, "+1", NULL},
    {"a sick task gets its replacement first", {2, 100, 200, "aRh aRu"}, "+1", NULL},
    {"… and goes when that runs",
     {2, 100, 200, "aRh aRu arh"},
     "-t1",
     "(service S) (task t1) failed container health checks."},
    {"without room a sick one goes first, alone", {2, 50, 100, "aRu aRu"}, "-t1", NULL},
    {"… and no second before the first is replaced", {2, 50, 100, "aRu ae as"}, "", NULL},
    {"grace: not sick yet", {1, 0, 0, "aru", .grace_ms = 60000}, "", NULL},
    {"grace is over", {1, 0, 0, "aru", .grace_ms = 10000}, "+1", NULL},
    {"a pending task on a draining instance goes at once",
     {1, 100, 200, "asd"},
     "+1 -t0",
     NULL},
    {"a running one gets its replacement first", {1, 100, 200, "aRd"}, "+1", NULL},
    {"… and goes when that is healthy", {1, 100, 200, "aRd aR"}, "-t0", NULL},
    {"… or first, where lower allows", {2, 50, 100, "aRd aR"}, "-t0", NULL},
    {"a deleted service stops all",
     {3, 100, 200, "aR arp bs bR", 2, .deleted = true},
     "-t1 -t0 -t3 -t2",
     NULL},
    {"circuit breaker below its threshold",
     {2, 0, 0, "", .breaker = true, .breaker_failures = 2},
     "+2",
     NULL},
    {"circuit breaker",
     {2, 0, 0, "", .breaker = true, .breaker_failures = 3},
     "F",
     "(service S) (deployment ecs-svc/1) deployment failed: tasks failed to start."},
    {"circuit breaker with rollback",
     {2, 0, 0, "aR aR", 2, .breaker = true, .rollback = true, .breaker_failures = 3},
     "F B",
     NULL},
    {"without a circuit breaker it goes on",
     {2, 0, 0, "", .breaker_failures = 9},
     "+2",
     NULL},
    {"a failed deployment starts nothing and takes nothing",
     {2, 0, 0, "aR aR", 2, .rollout = ROLLOUT_FAILED},
     "",
     NULL},
};

static void each_situation_has_its_actions(void **state)
{
    bool failed = false;
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct fixture f;
        AUTO_STR got = STR_INIT;
        set_up(&f, &rows[k].x);
        plan(&f, NOW);
        describe(&f, &got);
        if (strcmp(str_text(&got), rows[k].actions) != 0 ||
            (rows[k].event && !told(&f, rows[k].event))) {
            print_error("%s: want '%s' (%s), got '%s'\n", rows[k].name, rows[k].actions,
                        rows[k].event ? rows[k].event : "", str_text(&got));
            failed = true;
        }
        arena_free(&f.arena);
    }
    assert_false(failed);
}

static void percentages_round_as_ecs_says(void **state)
{
    static const struct {
        uint32_t desired, min, max, lower, upper;
    } table[] = {
        {0, 100, 200, 0, 0},  {1, 50, 150, 1, 1},
        {3, 50, 150, 2, 4},   {4, 50, 125, 2, 5},
        {10, 33, 133, 4, 13}, {5000, 100, 200, 5000, 10000},
        {7, 0, 100, 0, 7},    {UINT32_MAX, 100, 2147483647, UINT32_MAX, UINT32_MAX},
    };
    for (size_t k = 0; k < COUNT(table); k++) {
        assert_int_equal(deployment_lower(table[k].desired, table[k].min),
                         table[k].lower);
        assert_int_equal(deployment_upper(table[k].desired, table[k].max),
                         table[k].upper);
    }
    static const uint32_t thresholds[][2] = {{0, 3},   {1, 3},     {6, 3},     {7, 4},
                                             {25, 13}, {400, 200}, {5000, 200}};
    for (size_t k = 0; k < COUNT(thresholds); k++)
        assert_int_equal(deployment_breaker_threshold(thresholds[k][0]),
                         thresholds[k][1]);
    static const int64_t gaps[][2] = {{0, 0},       {1, 1000},    {2, 2000},
                                      {10, 512000}, {11, 900000}, {4000000000, 900000}};
    for (size_t k = 0; k < COUNT(gaps); k++)
        assert_int_equal(deployment_retry_gap_ms((uint32_t)gaps[k][0]), gaps[k][1]);
}

static void a_task_without_checks_is_healthy_after_forty_seconds(void **state)
{
    struct fixture f;
    set_up(&f, &(struct scene){2, 100, 200, "aR aR br br", 2});
    plan(&f, NOW);
    assert_int_equal(f.plan.wake_at_ms, NOW + 30000);
    plan(&f, NOW + 29999);
    assert_int_equal(f.plan.count, 0);
    plan(&f, NOW + 30000);
    assert_int_equal(f.plan.count, 3); /* two stops and their event */
    assert_string_equal(f.plan.actions[0].text,
                        "Scaling activity initiated by (deployment ecs-svc/1)");
    arena_free(&f.arena);
}

static void steady_state_is_told_again_after_six_hours_or_trouble(void **state)
{
    struct fixture f;
    set_up(&f, &(struct scene){1, 0, 0, "aR", .rollout = ROLLOUT_COMPLETED});
    plan(&f, NOW);
    assert_true(told(&f, STEADY));
    assert_int_equal(f.plan.wake_at_ms, NOW + DEPLOYMENT_REPEAT_MS);
    plan(&f, NOW + 1);
    assert_int_equal(f.plan.count, 0);
    plan(&f, NOW + DEPLOYMENT_REPEAT_MS);
    assert_true(told(&f, STEADY));
    f.s.desired = 2;
    plan(&f, NOW + DEPLOYMENT_REPEAT_MS + 1);
    assert_int_equal(f.memory.steady_at_ms, 0);
    f.s.desired = 1;
    plan(&f, NOW + DEPLOYMENT_REPEAT_MS + 2);
    assert_true(told(&f, STEADY));
    arena_free(&f.arena);
}

static void stuck_is_told_once(void **state)
{
    struct fixture f;
    set_up(&f, &(struct scene){2, 75, 100, "aR aR", 2});
    plan(&f, NOW);
    assert_true(told(&f, STUCK));
    plan(&f, NOW + 1);
    assert_false(told(&f, STUCK));
    f.s.minimum_healthy_percent = 50;
    plan(&f, NOW + 2);
    assert_int_equal(f.memory.stuck_at_ms, 0);
    arena_free(&f.arena);
}

static void failed_starts_wait_longer_each_round(void **state)
{
    struct fixture f;
    set_up(&f, &(struct scene){3, 0, 0, ""});
    int64_t now = NOW;
    static const char *const impaired =
        "(service S) is unable to consistently start tasks successfully.";
    for (uint32_t round = 1; round <= 14; round++) {
        plan(&f, now);
        assert_int_equal(f.plan.actions[0].kind, DEPLOYMENT_START);
        for (int k = 0; k < 3; k++) /* all three of a round fail: one step */
            deployment_note(&f.memory, &f.deployments[0], NEWS_TASK_START_FAILED,
                            now + k);
        assert_int_equal(f.memory.start_rounds, round);
        int64_t gap = round > 10 ? DEPLOYMENT_RETRY_MAX_MS : 1000LL << (round - 1);
        assert_int_equal(f.memory.retry_at_ms, now + gap);
        plan(&f, now + gap - 1);
        for (size_t k = 0; k < f.plan.count; k++)
            assert_int_not_equal(f.plan.actions[k].kind, DEPLOYMENT_START);
        assert_int_equal(f.plan.wake_at_ms, now + gap);
        assert_int_equal(told(&f, impaired), round == DEPLOYMENT_IMPAIRED_AT);
        now += gap;
    }
    assert_int_equal(f.deployments[0].failed_tasks, 42);
    deployment_note(&f.memory, &f.deployments[0], NEWS_TASK_RUNNING, now);
    assert_int_equal(f.deployments[0].failed_tasks, 0);
    assert_int_equal(f.memory.retry_at_ms, 0);
    arena_free(&f.arena);
}

static void an_update_and_capacity_end_the_wait(void **state)
{
    struct deployment_memory m = {0};
    deployment_note(&m, NULL, NEWS_TASK_START_FAILED, NOW);
    deployment_note(&m, NULL, NEWS_PLACEMENT_FAILED, NOW);
    assert_int_equal(m.place_at_ms, NOW + DEPLOYMENT_PLACE_GAP_MS);
    deployment_note(&m, NULL, NEWS_CAPACITY, NOW);
    assert_int_equal(m.place_at_ms, 0);
    assert_int_not_equal(m.retry_at_ms, 0);
    deployment_note(&m, NULL, NEWS_UPDATED, NOW);
    assert_int_equal(m.retry_at_ms, 0);
    assert_int_equal(m.start_rounds, 0);
}

/* While no start may be tried, making room for one would only take a task away. */
static void a_sick_task_stays_while_no_start_is_due(void **state)
{
    struct fixture f;
    set_up(&f, &(struct scene){2, 50, 100, "aRu aRu"});
    f.memory.place_at_ms = NOW + 1;
    plan(&f, NOW);
    assert_int_equal(f.plan.count, 0);
    assert_int_equal(f.plan.wake_at_ms, NOW + 1);
    plan(&f, NOW + 1);
    assert_int_equal(f.plan.actions[0].kind, DEPLOYMENT_STOP);
    arena_free(&f.arena);
}

static void the_breaker_counts_in_two_stages(void **state)
{
    struct deployment_memory m = {0};
    struct deployment d = {0};
    deployment_note(&m, &d, NEWS_TASK_START_FAILED, NOW);
    deployment_note(&m, &d, NEWS_TASK_UNHEALTHY, NOW); /* not in stage 1 */
    assert_int_equal(d.breaker_failures, 1);
    deployment_note(&m, &d, NEWS_TASK_RUNNING, NOW);
    assert_int_equal(d.breaker_failures, 0);
    deployment_note(&m, &d, NEWS_TASK_START_FAILED, NOW); /* not in stage 2 */
    deployment_note(&m, &d, NEWS_TASK_UNHEALTHY, NOW);
    deployment_note(&m, &d, NEWS_TASK_UNHEALTHY, NOW);
    deployment_note(&m, &d, NEWS_TASK_RUNNING, NOW);
    assert_int_equal(d.breaker_failures, 2);
}

static void texts_are_those_of_ecs(void **state)
{
    AUTO_STR s = STR_INIT;
    const char *const ids[] = {"1", "2"};
    service_event_started(&s, "S", ids, 2);
    assert_string_equal(s.data, "(service S) has started 2 tasks: (task 1) (task 2).");
    str_clear(&s);
    service_event_rolling_back(&s, "S", "ecs-svc/1");
    assert_string_equal(s.data, "(service S) rolling back to deployment ecs-svc/1.");
    str_clear(&s);
    rollout_reason_in_progress(&s, "ecs-svc/1");
    assert_string_equal(s.data, "ECS deployment ecs-svc/1 in progress.");
    str_clear(&s);
    rollout_reason_rolling_back(&s, "ecs-svc/1");
    assert_string_equal(
        s.data,
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.");
    static const char *const reasons[][2] = {
        {"RESOURCE:CPU", "has insufficient CPU units available."},
        {"RESOURCE:MEMORY", "has insufficient memory available."},
        {"RESOURCE:PORTS", "is already using a port required by your task."},
        {"AGENT", "encountered error \"AGENT\"."},
    };
    for (size_t k = 0; k < COUNT(reasons); k++) {
        AUTO_STR want = STR_INIT;
        str_addf(
            &want,
            "(service S) was unable to place a task because no container instance met "
            "all of its requirements. The closest matching (container-instance I) %s "
            "For more information, see the Troubleshooting section of the Amazon ECS "
            "Developer Guide.",
            reasons[k][1]);
        str_clear(&s);
        service_event_unplaced(&s, "S", "I", reasons[k][0]);
        assert_string_equal(s.data, want.data);
    }
}

/* ---- the simulation ---- */

#define SIM_TASKS 400

struct sim {
    uint64_t seed;
    int64_t now;
    struct deployment_service s;
    struct deployment deployments[4];
    struct deployment_task tasks[SIM_TASKS];
    struct deployment_memory memory;
    struct arena arena;
    bool checks;
};

static uint32_t below(struct sim *x, uint32_t n)
{
    uint64_t z = (x->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static uint32_t healthy_now(const struct sim *x)
{
    uint32_t n = 0;
    for (size_t k = 0; k < x->s.task_count; k++)
        n += deployment_task_healthy(&x->s, &x->tasks[k], x->now);
    return n;
}

static uint32_t live_now(const struct sim *x)
{
    uint32_t n = 0;
    for (size_t k = 0; k < x->s.task_count; k++)
        n += x->tasks[k].phase == PHASE_STARTING || x->tasks[k].phase == PHASE_RUNNING;
    return n;
}

static void forget_gone(struct sim *x)
{
    size_t n = 0;
    for (size_t k = 0; k < x->s.task_count; k++)
        if (x->tasks[k].phase != PHASE_GONE)
            x->tasks[n++] = x->tasks[k];
    x->s.task_count = n;
}

static void sim_remove(struct sim *x, uint32_t d)
{
    for (size_t k = 0; k < x->s.task_count; k++) {
        if (x->tasks[k].deployment == d)
            x->tasks[k].phase = PHASE_GONE;
        else if (x->tasks[k].deployment > d)
            x->tasks[k].deployment--;
    }
    forget_gone(x);
    memmove(&x->deployments[d], &x->deployments[d + 1],
            (x->s.deployment_count - d - 1) * sizeof(x->deployments[0]));
    x->s.deployment_count--;
}

/* Carries out a plan and checks the bounds around it. */
static void sim_plan(struct sim *x)
{
    struct deployment_plan p;
    arena_reset(&x->arena);
    deployment_plan(&x->s, x->now, &x->memory, &x->arena, &p);
    uint32_t before = healthy_now(x), stopped_healthy = 0;
    uint32_t lower = deployment_lower(x->s.desired, x->s.minimum_healthy_percent);
    uint32_t upper = deployment_upper(x->s.desired, x->s.maximum_percent);
    int64_t removed = -1;
    for (size_t k = 0; k < p.count; k++) {
        const struct deployment_action *a = &p.actions[k];
        if (a->kind == DEPLOYMENT_START) {
            assert_true(live_now(x) + a->count <= upper);
            for (uint32_t n = 0; n < a->count && x->s.task_count < SIM_TASKS; n++)
                x->tasks[x->s.task_count++] = (struct deployment_task){
                    .id = "t", .deployment = a->deployment, .rank = below(x, 1000)};
        } else if (a->kind == DEPLOYMENT_STOP) {
            struct deployment_task *t = &x->tasks[a->task];
            assert_false(t->stop_wanted);
            assert_true(!t->is_protected || t->health == CHECK_UNHEALTHY);
            stopped_healthy += deployment_task_healthy(&x->s, t, x->now);
            t->stop_wanted = true;
            if (below(x, 2))
                t->phase = PHASE_ENDING;
        } else if (a->kind == DEPLOYMENT_COMPLETE) {
            x->deployments[a->deployment].rollout = ROLLOUT_COMPLETED;
        } else if (a->kind == DEPLOYMENT_REMOVE) {
            removed = a->deployment; /* one a turn: the others keep their indexes */
        }
    }
    if (stopped_healthy)
        assert_true(before - stopped_healthy >= lower);
    if (removed >= 0)
        sim_remove(x, (uint32_t)removed);
}

static void sim_update(struct sim *x)
{
    if (x->s.deployment_count == COUNT(x->deployments))
        return;
    x->deployments[x->s.deployment_count - 1].primary = false;
    x->deployments[x->s.deployment_count++] =
        (struct deployment){.id = "ecs-svc/n", .primary = true};
    deployment_note(&x->memory, NULL, NEWS_UPDATED, x->now);
}

static void sim_task_event(struct sim *x, struct deployment_task *t, bool trouble)
{
    struct deployment *d = &x->deployments[t->deployment];
    if (t->phase == PHASE_STARTING && trouble && below(x, 8) == 0) {
        t->phase = PHASE_GONE;
        t->stop_wanted = true;
        deployment_note(&x->memory, d, NEWS_TASK_START_FAILED, x->now);
    } else if (t->stop_wanted) {
        t->phase = t->phase == PHASE_ENDING ? PHASE_GONE : PHASE_ENDING;
    } else if (t->phase == PHASE_STARTING) {
        t->phase = PHASE_RUNNING;
        t->started_at_ms = x->now;
        t->health = x->checks ? CHECK_UNKNOWN : CHECK_NONE;
        deployment_note(&x->memory, d, NEWS_TASK_RUNNING, x->now);
    } else if (x->checks && t->health != CHECK_HEALTHY) {
        t->health = trouble && below(x, 6) == 0 ? CHECK_UNHEALTHY : CHECK_HEALTHY;
    } else if (trouble && below(x, 10) == 0) {
        t->phase = PHASE_GONE;
        t->stop_wanted = true;
    } else if (trouble && below(x, 30) == 0) {
        t->draining = true;
    } else if (trouble && below(x, 30) == 0) {
        t->is_protected = !t->is_protected;
    }
}

static void sim_world(struct sim *x, bool trouble)
{
    uint32_t dice = below(x, 100);
    x->now += below(x, 5000);
    if (trouble && dice < 2)
        sim_update(x);
    else if (trouble && dice < 4)
        x->s.desired = below(x, 12);
    else if (trouble && dice < 5)
        x->s.maximum_percent = 101 + below(x, 200);
    else if (x->s.task_count)
        sim_task_event(x, &x->tasks[below(x, (uint32_t)x->s.task_count)], trouble);
    forget_gone(x);
}

static bool sim_settled(const struct sim *x)
{
    return x->s.deployment_count == 1 && x->s.task_count == x->s.desired &&
           x->memory.steady_at_ms != 0 && x->deployments[0].rollout == ROLLOUT_COMPLETED;
}

static void no_order_of_events_breaks_the_bounds(void **state)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sim *x = calloc(1, sizeof(*x));
        x->seed = seed * 7919;
        x->now = NOW;
        x->checks = seed % 2;
        x->deployments[0] = (struct deployment){.id = "ecs-svc/1", .primary = true};
        x->s = (struct deployment_service){.name = "S",
                                           .desired = 1 + below(x, 10),
                                           .minimum_healthy_percent = below(x, 101),
                                           .maximum_percent = 200,
                                           .deployments = x->deployments,
                                           .deployment_count = 1,
                                           .tasks = x->tasks};
        for (int step = 0; step < 3000; step++) {
            sim_world(x, true);
            sim_plan(x);
        }
        /* Left in peace, with room, it always reaches the steady state. */
        x->s.maximum_percent = 200;
        x->s.desired = x->s.desired ? x->s.desired : 1;
        for (size_t k = 0; k < x->s.task_count; k++)
            x->tasks[k].is_protected = false;
        int step = 0;
        for (; step < 20000 && !sim_settled(x); step++) {
            sim_world(x, false);
            sim_plan(x);
        }
        if (!sim_settled(x))
            print_error("seed %d does not settle\n", (int)seed);
        assert_true(sim_settled(x));
        arena_free(&x->arena);
        free(x);
    }
}

static void five_thousand_tasks_are_one_pass(void **state)
{
    enum { N = 5000 };
    struct arena a = ARENA_INIT;
    struct deployment d[2] = {{.id = "ecs-svc/1"}, {.id = "ecs-svc/2", .primary = true}};
    struct deployment_task *tasks = calloc(2 * N, sizeof(*tasks));
    for (uint32_t k = 0; k < 2 * N; k++)
        tasks[k] = (struct deployment_task){.id = "0123456789abcdef0123456789abcdef",
                                            .deployment = k >= N,
                                            .rank = (k * 7919) % N,
                                            .phase = PHASE_RUNNING,
                                            .started_at_ms = 1};
    struct deployment_service s = {.name = "S",
                                   .desired = N,
                                   .minimum_healthy_percent = 100,
                                   .maximum_percent = 200,
                                   .deployments = d,
                                   .deployment_count = 2,
                                   .tasks = tasks,
                                   .task_count = 2 * N};
    struct deployment_memory m = {0};
    struct deployment_plan p;
    deployment_plan(&s, NOW, &m, &a, &p);
    assert_int_equal(p.count, N + 1);
    assert_true(strlen(p.actions[N].text) < 10000); /* ids of an event are bounded */
    assert_true(a.used_bytes < 2000000);
    arena_free(&a);
    free(tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_situation_has_its_actions),
        cmocka_unit_test(percentages_round_as_ecs_says),
        cmocka_unit_test(a_task_without_checks_is_healthy_after_forty_seconds),
        cmocka_unit_test(steady_state_is_told_again_after_six_hours_or_trouble),
        cmocka_unit_test(stuck_is_told_once),
        cmocka_unit_test(failed_starts_wait_longer_each_round),
        cmocka_unit_test(an_update_and_capacity_end_the_wait),
        cmocka_unit_test(a_sick_task_stays_while_no_start_is_due),
        cmocka_unit_test(the_breaker_counts_in_two_stages),
        cmocka_unit_test(texts_are_those_of_ecs),
        cmocka_unit_test(no_order_of_events_breaks_the_bounds),
        cmocka_unit_test(five_thousand_tasks_are_one_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
