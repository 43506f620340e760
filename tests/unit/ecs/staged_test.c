/* Deployments by stages in a whole core under a virtual clock: hosts, hooks and the load
 * balancer are played by the test, and the core is started again from the store after every
 * step, as if it had crashed there. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "service_history.h"
#include "service_rollout.h"

#define MINUTE  60000LL
#define SERVICE "arn:aws:ecs:us-east-1:000000000000:service/default/s"
#define DETAILS "\"hookDetails\":{\"try\":1}"

struct world {
    struct calls at;
    char *instance, *old, *new; /* ARNs */
    bool restarts;
    /* Hooks and traffic as they came. */
    unsigned hook_calls, shifts;
    char hook_id[64];
    char body[4096];
    double production, test;
    bool unsettled;
};

/* ---- the world ---- */

static void on_call(void *ctx, struct core *core, const struct ecs_hook_call *call)
{
    struct world *w = ctx;
    w->hook_calls++;
    assert_string_equal(call->service_arn, SERVICE);
    assert_string_equal(call->url, "http://hook/");
    snprintf(w->hook_id, sizeof(w->hook_id), "%s", call->hook_id);
    snprintf(w->body, sizeof(w->body), "%s", call->body);
}

static void on_shift(void *ctx, struct core *core, const struct ecs_traffic *t)
{
    struct world *w = ctx;
    w->shifts++;
    w->production = t->production;
    w->test = t->test;
    assert_string_equal(t->service_arn, SERVICE);
    assert_non_null(t->green_revision_arn);
}

static bool is_settled(void *ctx, struct core *core, const struct ecs_traffic *t)
{
    return !((struct world *)ctx)->unsettled;
}

static void attach(struct calls *calls)
{
    static const struct ecs_hook_ops hooks = {.call = on_call};
    static const struct ecs_traffic_ops traffic = {.shift = on_shift,
                                                   .settled = is_settled};
    struct world *w = list_entry(calls, struct world, at);
    ecs_set_hook_ops(calls->core, &hooks, w);
    ecs_set_traffic_ops(calls->core, &traffic, w);
}

struct step {
    struct core_task task;
    const char *arn, *answer;
    int status;
};

static void answer_run(struct core *core, struct core_task *task)
{
    struct step *s = list_entry(task, struct step, task);
    ecs_hook_answered(core, SERVICE, s->arn, s->status, s->answer, strlen(s->answer));
}

/* kill -9 and a new start. */
static void crash(struct world *w)
{
    if (!w->restarts)
        return;
    calls_restart(&w->at);
    calls_connected(&w->at, w->instance, true);
}

static void answer(struct world *w, int status, const char *text)
{
    struct step s = {
        .task = {.run = answer_run}, .arn = w->hook_id, .answer = text, .status = status};
    core_execute(w->at.core, &s.task);
    calls_settle(&w->at);
    crash(w);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct call c = {0};
    w->restarts = true;
    calls_attached = attach;
    calls_open(&w->at);
    struct ecs_register_container_instance_response *i =
        CALL(&w->at, &c, "RegisterContainerInstance",
             "{\"totalResources\":[{\"name\":\"CPU\",\"type\":\"INTEGER\","
             "\"integerValue\":4096},{\"name\":\"MEMORY\",\"type\":\"INTEGER\","
             "\"integerValue\":4096}]}");
    w->instance = xstrdup(i->container_instance->container_instance_arn);
    for (int n = 0; n < 2; n++) {
        struct ecs_register_task_definition_response *out =
            CALL(&w->at, &c, "RegisterTaskDefinition",
                 "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"a\","
                 "\"image\":\"x\",\"memory\":100,\"cpu\":%d}]}",
                 10 + n);
        *(n ? &w->new : &w->old) = xstrdup(out->task_definition->task_definition_arn);
    }
    arena_free(&c.arena);
    calls_connected(&w->at, w->instance, true);
    *state = w;
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    calls_close(&w->at);
    free(w->instance);
    free(w->old);
    free(w->new);
    free(w);
    return 0;
}

static struct cluster *the_cluster(struct world *w)
{
    return table_next(ecs_of(w->at.core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
}

static struct service *the_service(struct world *w)
{
    return table_next(ecs_of(w->at.core)->services, "/ecs/service/", "/ecs/service/");
}

/* ---- hosts, played ---- */

static void report_stopped(struct world *w, const char *arn, int code)
{
    struct call c = {0};
    CALL(&w->at, &c, "SubmitTaskStateChange",
         "{\"task\":\"%s\",\"status\":\"STOPPED\",\"containers\":[{\"containerName\":"
         "\"a\",\"status\":\"STOPPED\",\"exitCode\":%d}]}",
         arn, code);
    assert_null(c.fault);
    arena_free(&c.arena);
}

/* Every task does as it is told. `broken`: new ones of this definition die at once. */
static void obey(struct world *w, const char *broken)
{
    const char *todo[64];
    bool stops[64], dies[64];
    size_t n = 0;
    struct arena a = {0};
    list_for_each (it, &the_cluster(w)->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (t->status == TASK_STOPPED || (t->status == TASK_RUNNING && !t->stopping))
            continue;
        dies[n] = streq(t->rec->task->task_definition_arn, broken);
        stops[n] = t->stopping;
        todo[n++] = arena_strdup(&a, t->rec->task->task_arn);
    }
    for (size_t k = 0; k < n; k++) {
        bool ends = stops[k] || dies[k];
        struct call c = {0};
        CALL(&w->at, &c, "SubmitTaskStateChange",
             "{\"task\":\"%s\",\"status\":\"%s\",\"containers\":[{\"containerName\":"
             "\"a\",\"status\":\"%s\"%s}]}",
             todo[k], ends ? "STOPPED" : "RUNNING", ends ? "STOPPED" : "RUNNING",
             dies[k]    ? ",\"reason\":\"CannotPullContainerError: x\""
             : stops[k] ? ",\"exitCode\":0"
                        : "");
        arena_free(&c.arena);
    }
    arena_free(&a);
}

/* ---- looking ---- */

static const char *stage(struct world *w)
{
    const struct service *s = the_service(w);
    return s->rec->rollout ? s->rec->rollout->stage : "none";
}

static unsigned running(struct world *w, const char *taskdef)
{
    unsigned n = 0;
    list_for_each (it, &the_cluster(w)->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        n += t->service && t->status == TASK_RUNNING && !t->stopping &&
             streq(t->rec->task->task_definition_arn, taskdef);
    }
    return n;
}

/* The newest service deployment, as DescribeServiceDeployments has it. */
static struct ecs_service_deployment *describe(struct world *w, struct call *c)
{
    struct ecs_list_service_deployments_response *l =
        CALL(&w->at, c, "ListServiceDeployments", "{\"service\":\"s\"}");
    assert_non_null(l);
    struct call d = {0};
    char arn[256];
    snprintf(arn, sizeof(arn), "%s", l->service_deployments.v[0].service_deployment_arn);
    struct ecs_describe_service_deployments_response *out =
        CALL(&w->at, &d, "DescribeServiceDeployments",
             "{\"serviceDeploymentArns\":[\"%s\"]}", arn);
    arena_free(&c->arena);
    *c = d;
    assert_int_equal(out->service_deployments.n, 1);
    return &out->service_deployments.v[0];
}

static void expect_status(struct world *w, enum ecs_service_deployment_status status)
{
    struct call c = {0};
    assert_int_equal(describe(w, &c)->status, status);
    arena_free(&c.arena);
}

/* Time goes by, a crash a step; blue is whole as long as it is needed. */
static void pass(struct world *w, int64_t ms, const char *broken)
{
    obey(w, broken);
    w->at.now_ms += ms;
    calls_settle(&w->at);
    crash(w);
    obey(w, broken);
    const struct gantry_rollout_record *r = the_service(w)->rec->rollout;
    if (r && r->source_deployment_id && !streq(r->stage, "CLEAN_UP"))
        assert_int_equal(running(w, w->old), 2);
}

static void pass_until(struct world *w, const char *wanted)
{
    for (int n = 0; n < 100 && !streq(stage(w), wanted); n++)
        pass(w, 10000, NULL);
    assert_string_equal(stage(w), wanted);
}

/* ---- services ---- */

#define BLUE_GREEN "\"strategy\":\"BLUE_GREEN\",\"bakeTimeInMinutes\":5"
#define HOOK(stages)                                                                     \
    ",\"lifecycleHooks\":[{\"targetType\":\"AWS_LAMBDA\",\"hookTargetArn\":"             \
    "\"http://hook/\",\"lifecycleStages\":[" stages "]," DETAILS "}]"
#define PAUSE(stages)                                                                    \
    ",\"lifecycleHooks\":[{\"targetType\":\"PAUSE\",\"lifecycleStages\":[" stages "]}]"

static void create(struct world *w)
{
    struct call c = {0};
    CALL(&w->at, &c, "CreateService",
         "{\"serviceName\":\"s\",\"desiredCount\":2,\"taskDefinition\":\"%s\","
         "\"deploymentConfiguration\":{" BLUE_GREEN "}}",
         w->old);
    assert_null(c.fault);
    assert_string_equal(stage(w), "SCALE_UP");
    for (int n = 0; n < 20 && the_service(w)->rec->rollout; n++)
        pass(w, 10000, NULL);
    assert_string_equal(stage(w), "none");
    expect_status(w, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
    assert_int_equal(running(w, w->old), 2);
    w->shifts = 0;
    arena_free(&c.arena);
}

static void update(struct world *w, const char *configuration)
{
    struct call c = {0};
    CALL(&w->at, &c, "UpdateService",
         "{\"service\":\"s\",\"taskDefinition\":\"%s\",\"deploymentConfiguration\":{%s}}",
         w->new, configuration);
    assert_null(c.fault);
    arena_free(&c.arena);
}

/* Green or blue serves, alone. */
static void expect_end(struct world *w, const char *taskdef,
                       enum ecs_service_deployment_status status)
{
    for (int n = 0; n < 40 && the_service(w)->rec->rollout; n++)
        pass(w, 10000, NULL);
    pass(w, 60000, NULL);
    const struct ecs_service *rec = the_service(w)->rec->service;
    assert_string_equal(stage(w), "none");
    assert_int_equal(rec->deployments.n, 1);
    assert_string_equal(rec->deployments.v[0].status, "PRIMARY");
    assert_int_equal(rec->deployments.v[0].rollout_state,
                     ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
    assert_string_equal(rec->task_definition, taskdef);
    assert_int_equal(running(w, taskdef), 2);
    assert_int_equal(running(w, streq(taskdef, w->old) ? w->new : w->old), 0);
    expect_status(w, status);
}

/* ---- tests ---- */

static void blue_gives_way_to_green(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    create(w);
    update(w, BLUE_GREEN);
    assert_string_equal(stage(w), "SCALE_UP");
    struct ecs_service_deployment *d = describe(w, &c);
    assert_int_equal(d->lifecycle_stage, ECS_SERVICE_DEPLOYMENT_LIFECYCLE_STAGE_SCALE_UP);
    assert_true(d->target_service_revision->requested_production_traffic_weight.v == 0);
    assert_true(d->source_service_revisions.v[0].requested_production_traffic_weight.v ==
                100);
    pass_until(w, "BAKE_TIME");
    assert_true(w->production == 100 && w->test == 100);
    assert_int_equal(running(w, w->new), 2);
    pass(w, 4 * MINUTE, NULL);
    assert_string_equal(stage(w), "BAKE_TIME");
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
    arena_free(&c.arena);
}

static void weights_go_up_by_steps(void **state)
{
    struct world *w = *state;
    create(w);
    update(w, "\"strategy\":\"LINEAR\",\"linearConfiguration\":{\"stepPercent\":50,"
              "\"stepBakeTimeInMinutes\":3},\"bakeTimeInMinutes\":1");
    pass_until(w, "PRODUCTION_TRAFFIC_SHIFT");
    assert_true(w->production == 50);
    pass(w, 2 * MINUTE, NULL);
    assert_true(w->production == 50);
    pass_until(w, "BAKE_TIME");
    assert_true(w->production == 100);
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

static void traffic_is_waited_for(void **state)
{
    struct world *w = *state;
    create(w);
    w->unsettled = true;
    update(w, BLUE_GREEN);
    pass_until(w, "TEST_TRAFFIC_SHIFT");
    pass(w, 10 * MINUTE, NULL);
    assert_string_equal(stage(w), "TEST_TRAFFIC_SHIFT");
    w->unsettled = false;
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

static void a_hook_decides(void **state)
{
    static const struct {
        int status;
        const char *answer;
        bool good;
    } rows[] = {
        {200, "{\"hookStatus\":\"SUCCEEDED\"}", true},
        {204, "", false},
        {200, "{\"hookStatus\":\"FAILED\"}", false},
        {200, "{\"hookStatus\":\"MAYBE\"}", false},
        {200, "{\"hookStatus\":5}", false},
        {200, "[", false},
        {200, "{}", false},
        {404, "{\"hookStatus\":\"SUCCEEDED\"}", false},
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        void *fresh;
        assert_int_equal(world_new(&fresh), 0);
        struct world *w = fresh;
        create(w);
        update(w, BLUE_GREEN HOOK("\"POST_SCALE_UP\""));
        for (int n = 0; n < 20 && w->hook_calls == 0; n++)
            pass(w, 10000, NULL);
        assert_string_equal(stage(w), "POST_SCALE_UP");
        assert_true(w->hook_calls >= 1);
        assert_non_null(strstr(w->body, "\"lifecycleStage\":\"POST_SCALE_UP\""));
        assert_non_null(strstr(w->body, "\"hookDetails\":{\"try\":1}"));
        assert_non_null(strstr(w->body, w->hook_id));
        answer(w, rows[k].status, rows[k].answer);
        expect_end(w, rows[k].good ? w->new : w->old,
                   rows[k].good ? ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL
                                : ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
        world_free(&fresh);
    }
}

static void a_hook_takes_its_time(void **state)
{
    struct world *w = *state;
    char first[64];
    w->restarts = false;
    create(w);
    update(w, BLUE_GREEN HOOK("\"PRE_SCALE_UP\""));
    assert_int_equal(w->hook_calls, 1);
    snprintf(first, sizeof(first), "%s", w->hook_id);
    answer(w, 200,
           "{\"hookStatus\":\"IN_PROGRESS\",\"callBackDelay\":120,\"hookDetails\":{\"x\":"
           "[2]}}");
    pass(w, 119000, NULL);
    assert_int_equal(w->hook_calls, 1);
    pass(w, 1000, NULL);
    assert_int_equal(w->hook_calls, 2);
    assert_non_null(strstr(w->body, "\"hookDetails\":{\"x\":[2]}"));
    assert_string_equal(w->hook_id, first);
    /* No word from it: the same call once more, and troubles on its side twice. */
    pass(w, 61000, NULL);
    assert_int_equal(w->hook_calls, 3);
    answer(w, 0, "");
    pass(w, 31000, NULL);
    answer(w, 503, "no");
    pass(w, 31000, NULL);
    assert_int_equal(w->hook_calls, 5);
    assert_string_equal(stage(w), "PRE_SCALE_UP");
    answer(w, 200, "{\"hookStatus\":\"SUCCEEDED\"}");
    assert_string_equal(stage(w), "SCALE_UP");
    answer(w, 200, "{\"hookStatus\":\"FAILED\"}"); /* late, and repeated */
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

static void a_crash_repeats_calls_without_an_answer(void **state)
{
    struct world *w = *state;
    char first[64];
    create(w);
    update(w, BLUE_GREEN HOOK("\"PRE_SCALE_UP\""));
    snprintf(first, sizeof(first), "%s", w->hook_id);
    assert_int_equal(w->hook_calls, 1);
    crash(w);
    assert_int_equal(w->hook_calls, 2);
    assert_string_equal(w->hook_id, first);
    answer(w, 200, "{\"hookStatus\":\"IN_PROGRESS\"}"); /* and a crash */
    assert_int_equal(w->hook_calls, 2);
    pass(w, 31000, NULL);
    assert_true(w->hook_calls > 2);
    answer(w, 200, "{\"hookStatus\":\"SUCCEEDED\"}");
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

static void a_person_continues_or_turns_back(void **state)
{
    for (int back = 0; back < 2; back++) {
        void *fresh;
        assert_int_equal(world_new(&fresh), 0);
        struct world *w = fresh;
        struct call c = {0}, x = {0};
        create(w);
        update(w, BLUE_GREEN PAUSE("\"POST_TEST_TRAFFIC_SHIFT\""));
        pass_until(w, "POST_TEST_TRAFFIC_SHIFT");
        pass(w, 60 * MINUTE, NULL);
        struct ecs_service_deployment *d = describe(w, &c);
        assert_int_equal(d->lifecycle_hook_details.n, 1);
        const struct ecs_deployment_lifecycle_hook_detail *h =
            &d->lifecycle_hook_details.v[0];
        assert_int_equal(h->status, ECS_DEPLOYMENT_LIFECYCLE_HOOK_STATUS_AWAITING_ACTION);
        assert_int_equal(h->target_type, ECS_DEPLOYMENT_LIFECYCLE_HOOK_TARGET_TYPE_PAUSE);
        assert_null(CALL(&w->at, &x, "ContinueServiceDeployment",
                         "{\"serviceDeploymentArn\":\"%s\",\"hookId\":\"no\"}",
                         d->service_deployment_arn));
        const char *say = back ? "ROLLBACK" : "CONTINUE";
        assert_non_null(CALL(&w->at, &x, "ContinueServiceDeployment",
                             "{\"serviceDeploymentArn\":\"%s\",\"hookId\":\"%s\","
                             "\"action\":\"%s\"}",
                             d->service_deployment_arn, h->hook_id, say));
        assert_null(CALL(&w->at, &x, "ContinueServiceDeployment",
                         "{\"serviceDeploymentArn\":\"%s\",\"hookId\":\"%s\"}",
                         d->service_deployment_arn, h->hook_id));
        crash(w);
        expect_end(w, back ? w->old : w->new,
                   back ? ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL
                        : ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
        assert_true(w->production == (back ? 0 : 100));
        assert_true(w->test == (back ? 0 : 100));
        arena_free(&c.arena);
        arena_free(&x.arena);
        world_free(&fresh);
    }
}

/* The task that a hook is; NULL when there is none. */
static const char *hook_task(struct world *w, struct arena *a)
{
    list_for_each (it, &the_cluster(w)->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        if (!t->service && t->status != TASK_STOPPED &&
            streq(t->rec->task->group, "lifecycle-hook:s"))
            return arena_strdup(a, t->rec->task->task_arn);
    }
    return NULL;
}

static void a_task_is_a_hook(void **state)
{
    for (int code = 0; code < 2; code++) {
        void *fresh;
        assert_int_equal(world_new(&fresh), 0);
        struct world *w = fresh;
        struct arena a = {0};
        struct call c = {0};
        create(w);
        update(w, arena_printf(&a,
                               BLUE_GREEN ",\"lifecycleHooks\":[{\"hookTargetArn\":\"%s\""
                                          ",\"lifecycleStages\":[\"PRE_SCALE_UP\"]}]",
                               w->old));
        const char *arn = hook_task(w, &a);
        assert_non_null(arn);
        crash(w);
        struct ecs_describe_tasks_response *out =
            CALL(&w->at, &c, "DescribeTasks", "{\"tasks\":[\"%s\"]}", arn);
        assert_string_equal(
            out->tasks.v[0].overrides->container_overrides.v[0].environment.v[0].name,
            "ECS_LIFECYCLE_HOOK");
        pass(w, 10000, NULL);
        assert_string_equal(hook_task(w, &a), arn); /* not a second one */
        assert_string_equal(stage(w), "PRE_SCALE_UP");
        report_stopped(w, arn, code);
        expect_end(w, code ? w->old : w->new,
                   code ? ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL
                        : ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
        arena_free(&c.arena);
        arena_free(&a);
        world_free(&fresh);
    }
}

static void stop(struct world *w, const char *type, bool works)
{
    struct call c = {0}, x = {0};
    const char *arn = describe(w, &c)->service_deployment_arn;
    CALL(&w->at, &x, "StopServiceDeployment",
         "{\"serviceDeploymentArn\":\"%s\",\"stopType\":\"%s\"}", arn, type);
    assert_int_equal(!x.fault, works);
    arena_free(&c.arena);
    arena_free(&x.arena);
    crash(w);
}

static void it_turns_back_when_told(void **state)
{
    struct world *w = *state;
    create(w);
    update(w, BLUE_GREEN);
    pass_until(w, "BAKE_TIME");
    stop(w, "ROLLBACK", true);
    assert_true(w->production == 0 && w->test == 0);
    stop(w, "ROLLBACK", false);
    expect_end(w, w->old, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
}

static void it_stays_when_told(void **state)
{
    struct world *w = *state;
    create(w);
    update(w, BLUE_GREEN);
    pass_until(w, "BAKE_TIME");
    stop(w, "ABORT", true);
    pass(w, 60 * MINUTE, NULL);
    expect_status(w, ECS_SERVICE_DEPLOYMENT_STATUS_STOPPED);
    assert_int_equal(running(w, w->old), 2);
    assert_int_equal(running(w, w->new), 2);
    /* The next one puts things in order. */
    update(w, BLUE_GREEN ",\"maximumPercent\":300");
    struct call c = {0};
    CALL(&w->at, &c, "UpdateService", "{\"service\":\"s\",\"forceNewDeployment\":true}");
    assert_null(c.fault);
    arena_free(&c.arena);
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

static void a_newer_one_takes_over(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    create(w);
    update(w,
           BLUE_GREEN PAUSE("\"RECONCILE_SERVICE\",\"POST_PRODUCTION_TRAFFIC_SHIFT\""));
    pass_until(w, "POST_PRODUCTION_TRAFFIC_SHIFT");
    assert_true(w->production == 100);
    CALL(&w->at, &c, "UpdateService", "{\"service\":\"s\",\"forceNewDeployment\":true}");
    assert_null(c.fault);
    crash(w);
    assert_string_equal(stage(w), "RECONCILE_SERVICE");
    assert_true(w->production == 0); /* blue is what was completed last */
    pass(w, 60000, NULL);
    assert_int_equal(running(w, w->new), 0);
    CALL(&w->at, &c, "UpdateService",
         "{\"service\":\"s\",\"forceNewDeployment\":true,\"deploymentConfiguration\":{"
         "\"lifecycleHooks\":[]}}");
    assert_null(c.fault);
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
    arena_free(&c.arena);
}

static void the_circuit_breaker_turns_back(void **state)
{
    struct world *w = *state;
    create(w);
    update(w, BLUE_GREEN
           ",\"deploymentCircuitBreaker\":{\"enable\":true,\"rollback\":true}");
    for (int n = 0; n < 200 && the_service(w)->rec->rollout; n++)
        pass(w, 5000, w->new);
    expect_end(w, w->old, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
}

/* ---- alarms ---- */

static bool alarm_rings;

static bool in_alarm(void *ctx, struct core *core, const char *account,
                     const char *region, const char *name)
{
    assert_string_equal(name, "errors");
    return alarm_rings;
}

static int64_t alarm_bake(void *ctx, struct core *core, const char *account,
                          const char *region, const char *name)
{
    return 20 * MINUTE;
}

static const struct ecs_alarm_ops alarm_ops = {.in_alarm = in_alarm,
                                               .bake_ms = alarm_bake};

#define ALARMS                                                                           \
    ",\"alarms\":{\"alarmNames\":[\"errors\"],\"enable\":true,\"rollback\":true}"

static void an_alarm_turns_it_back(void **state)
{
    struct world *w = *state;
    w->restarts = false;
    alarm_rings = false;
    create(w);
    ecs_set_alarm_ops(w->at.core, &alarm_ops, w);
    update(w, BLUE_GREEN ALARMS);
    pass_until(w, "BAKE_TIME");
    pass(w, 10 * MINUTE, NULL); /* the alarm's own time, which is longer */
    assert_string_equal(stage(w), "BAKE_TIME");
    alarm_rings = true;
    pass(w, 30000, NULL);
    assert_true(w->production == 0);
    expect_end(w, w->old, ECS_SERVICE_DEPLOYMENT_STATUS_ROLLBACK_SUCCESSFUL);
    /* One that rings already says nothing about the next. */
    update(w, BLUE_GREEN ALARMS);
    for (int n = 0; n < 40 && the_service(w)->rec->rollout; n++)
        pass(w, MINUTE, NULL);
    expect_end(w, w->new, ECS_SERVICE_DEPLOYMENT_STATUS_SUCCESSFUL);
}

/* ---- whatever happens ---- */

static uint64_t chance(struct world *w, uint64_t below)
{
    uint32_t x;
    calls_random(&w->at, &x, sizeof(x));
    return x % below;
}

/* The n-th task of the service that runs; NULL when there are fewer. */
static const char *some_task(struct world *w, struct arena *a, uint64_t n)
{
    list_for_each (it, &the_service(w)->tasks) {
        const struct task *t = list_entry(it, struct task, service_link);
        if (n-- == 0)
            return arena_strdup(a, t->rec->task->task_arn);
    }
    return NULL;
}

static void random_update(struct world *w, struct call *c)
{
    static const char *const conf[] = {
        BLUE_GREEN,
        BLUE_GREEN HOOK("\"PRE_SCALE_UP\",\"PRODUCTION_TRAFFIC_SHIFT\""),
        "\"strategy\":\"CANARY\"" PAUSE("\"POST_SCALE_UP\",\"RECONCILE_SERVICE\""),
        "\"strategy\":\"LINEAR\",\"linearConfiguration\":{\"stepPercent\":40}",
        "\"strategy\":\"ROLLING\"",
    };
    w->at.now_ms++; /* service deployments are in the order of their milliseconds */
    CALL(&w->at, c, "UpdateService",
         "{\"service\":\"s\",\"taskDefinition\":\"%s\",\"desiredCount\":%d,"
         "\"deploymentConfiguration\":{%s}}",
         chance(w, 2) ? w->old : w->new, (int)chance(w, 4), conf[chance(w, 5)]);
    assert_null(c->fault);
}

static void random_decision(struct world *w, struct call *c)
{
    struct call x = {0};
    const struct ecs_service_deployment *d = describe(w, c);
    for (size_t k = 0; k < d->lifecycle_hook_details.n; k++)
        CALL(&w->at, &x, "ContinueServiceDeployment",
             "{\"serviceDeploymentArn\":\"%s\",\"hookId\":\"%s\",\"action\":\"%s\"}",
             d->service_deployment_arn, d->lifecycle_hook_details.v[k].hook_id,
             chance(w, 3) ? "CONTINUE" : "ROLLBACK");
    arena_free(&x.arena);
}

static void random_stop(struct world *w, struct call *c)
{
    struct call x = {0};
    CALL(&w->at, &x, "StopServiceDeployment",
         "{\"serviceDeploymentArn\":\"%s\",\"stopType\":\"%s\"}",
         describe(w, c)->service_deployment_arn, chance(w, 2) ? "ROLLBACK" : "ABORT");
    arena_free(&x.arena);
}

static void random_event(struct world *w, struct arena *a)
{
    struct call c = {0};
    const char *task;
    switch (chance(w, 12)) {
    case 0:
        random_update(w, &c);
        break;
    case 1:
        random_decision(w, &c);
        break;
    case 2:
        if (chance(w, 4) == 0)
            random_stop(w, &c);
        break;
    case 3:
        if ((task = some_task(w, a, chance(w, 6))))
            report_stopped(w, task, 1);
        break;
    case 4:
        crash(w);
        break;
    case 5:
        if (w->hook_id[0])
            answer(w, chance(w, 4) ? 200 : 503,
                   chance(w, 4) ? "{\"hookStatus\":\"SUCCEEDED\"}" : "{}");
        break;
    case 6:
    case 7:
        w->at.now_ms += (int64_t)chance(w, 5 * MINUTE);
        calls_settle(&w->at);
        break;
    default:
        obey(w, NULL);
    }
    arena_free(&c.arena);
}

/* No revision has more tasks that are to stay than the service's maximum, and weights are
 * what they are said to be. */
static void check_world(struct world *w)
{
    const struct service *s = the_service(w);
    uint32_t wanted = 0;
    list_for_each (it, &s->tasks) {
        wanted += !list_entry(it, struct task, service_link)->stopping;
    }
    assert_true(wanted <= s->rec->service->deployments.n * 2 * 3);
    const struct gantry_rollout_record *r = s->rec->rollout;
    if (!r)
        return;
    assert_true(r->production_weight.v == w->production && r->test_weight.v == w->test);
    assert_true(rollout_index(s, r->deployment_id) == 0);
}

/* In the end somebody answers and decides, and every deployment is over. */
static void random_sequences(void **state)
{
    struct world *w = *state;
    struct arena a = {0};
    for (int run = 0; run < 40; run++) {
        struct call c = {0};
        w->at.seed = (uint64_t)run + 1;
        if (run == 0)
            create(w);
        for (int n = 0; n < 150; n++) {
            random_event(w, &a);
            check_world(w);
        }
        CALL(&w->at, &c, "UpdateService", "{\"service\":\"s\",\"desiredCount\":2}");
        for (int n = 0; n < 400 && the_service(w)->rec->rollout; n++) {
            random_decision(w, &c);
            if (w->hook_id[0])
                answer(w, 200, "{\"hookStatus\":\"SUCCEEDED\"}");
            obey(w, NULL);
            w->at.now_ms += 2 * MINUTE;
            calls_settle(&w->at);
        }
        assert_string_equal(stage(w), "none");
        for (int n = 0; n < 20; n++) {
            obey(w, NULL);
            w->at.now_ms += MINUTE;
            calls_settle(&w->at);
        }
        const struct ecs_deployment_list *l = &the_service(w)->rec->service->deployments;
        if (l->v[0].rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED) {
            assert_int_equal(l->n, 1);
            assert_int_equal(running(w, w->old) + running(w, w->new), 2);
        }
        arena_free(&c.arena);
        arena_free(&a);
    }
}

static void deletion_ends_it(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    create(w);
    update(w, BLUE_GREEN PAUSE("\"POST_SCALE_UP\""));
    pass_until(w, "POST_SCALE_UP");
    CALL(&w->at, &c, "DeleteService", "{\"service\":\"s\",\"force\":true}");
    assert_null(c.fault);
    for (int n = 0; n < 5; n++) {
        obey(w, NULL);
        crash(w);
    }
    assert_string_equal(the_service(w)->rec->service->status, "INACTIVE");
    assert_int_equal(running(w, w->old) + running(w, w->new), 0);
    arena_free(&c.arena);
}

static void bad_configurations_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {
        "\"strategy\":\"BLUE_GREEN\"",
        BLUE_GREEN ",\"linearConfiguration\":{}",
        "\"strategy\":\"ROLLING\",\"canaryConfiguration\":{}",
        "\"strategy\":\"ROLLING\"" PAUSE("\"POST_SCALE_UP\""),
        "\"strategy\":\"LINEAR\",\"linearConfiguration\":{\"stepPercent\":2.9}",
        "\"strategy\":\"LINEAR\",\"linearConfiguration\":{\"stepBakeTimeInMinutes\":"
        "1441}",
        "\"strategy\":\"CANARY\",\"canaryConfiguration\":{\"canaryPercent\":100.5}",
        "\"strategy\":\"CANARY\",\"canaryConfiguration\":{\"canaryPercent\":0}",
        "\"strategy\":\"CANARY\",\"bakeTimeInMinutes\":-1",
        BLUE_GREEN ",\"lifecycleHooks\":[{\"lifecycleStages\":[\"POST_SCALE_UP\"]}]",
        BLUE_GREEN ",\"lifecycleHooks\":[{\"hookTargetArn\":\"http://x\"}]",
        BLUE_GREEN ",\"lifecycleHooks\":[{\"hookTargetArn\":\"arn:aws:lambda:x:1:f\","
                   "\"lifecycleStages\":[\"POST_SCALE_UP\"]}]",
        BLUE_GREEN ",\"lifecycleHooks\":[{\"hookTargetArn\":\"arn:aws:ecs:us-east-1:"
                   "000000000000:task-definition/none:1\",\"lifecycleStages\":"
                   "[\"POST_SCALE_UP\"]}]",
        BLUE_GREEN ",\"lifecycleHooks\":[{\"targetType\":\"PAUSE\",\"hookTargetArn\":"
                   "\"http://x\",\"lifecycleStages\":[\"POST_SCALE_UP\"]}]",
        BLUE_GREEN ",\"lifecycleHooks\":[{\"hookTargetArn\":\"http://x\","
                   "\"lifecycleStages\":[\"POST_SCALE_UP\"],\"timeoutConfiguration\":{"
                   "\"timeoutInMinutes\":1441}}]",
    };
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        struct call c = {0};
        CALL(&w->at, &c, "CreateService",
             "{\"serviceName\":\"s\",\"desiredCount\":2,\"taskDefinition\":\"%s\","
             "\"deploymentConfiguration\":{%s}}",
             w->old, bad[k]);
        assert_non_null(c.fault);
        arena_free(&c.arena);
    }
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(blue_gives_way_to_green),
        WORLD_TEST(weights_go_up_by_steps),
        WORLD_TEST(traffic_is_waited_for),
        cmocka_unit_test(a_hook_decides),
        WORLD_TEST(a_hook_takes_its_time),
        WORLD_TEST(a_crash_repeats_calls_without_an_answer),
        cmocka_unit_test(a_person_continues_or_turns_back),
        cmocka_unit_test(a_task_is_a_hook),
        WORLD_TEST(it_turns_back_when_told),
        WORLD_TEST(it_stays_when_told),
        WORLD_TEST(a_newer_one_takes_over),
        WORLD_TEST(the_circuit_breaker_turns_back),
        WORLD_TEST(an_alarm_turns_it_back),
        WORLD_TEST(random_sequences),
        WORLD_TEST(deletion_ends_it),
        WORLD_TEST(bad_configurations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
