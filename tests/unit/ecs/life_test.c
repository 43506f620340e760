/* ECS as a whole under a virtual clock: operations through the core, hosts played by the
 * test, random events from a seed, restarts from the store in between. After every step
 * what is counted must be what is there, and no service may have more tasks than its
 * maximum; left alone, every service must come to rest with the count it wants. */
#include "unit.h"

#include <stdlib.h>

#include "calls.h"
#include "deployment.h"
#include "event.h"

struct world {
    struct calls calls;
    char *instance[4]; /* ARNs */
    char *taskdef[2];
    unsigned steps;
};

static uint64_t next_random(struct world *w)
{
    uint64_t n;
    calls_random(&w->calls, &n, sizeof(n));
    return n >> 1;
}

static void connect_all(struct world *w)
{
    for (int i = 0; i < 4; i++)
        calls_connected(&w->calls, w->instance[i], true);
}

static void restart(struct world *w)
{
    calls_restart(&w->calls);
    connect_all(w);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct call c = {0};
    calls_open(&w->calls);
    for (int i = 0; i < 4; i++) {
        struct ecs_register_container_instance_response *out = CALL(
            &w->calls, &c, "RegisterContainerInstance",
            "{\"totalResources\":[{\"name\":\"CPU\",\"type\":\"INTEGER\","
            "\"integerValue\":"
            "4096},{\"name\":\"MEMORY\",\"type\":\"INTEGER\",\"integerValue\":4096}],"
            "\"attributes\":[{\"name\":\"ecs.availability-zone\",\"value\":\"z%d\"}]}",
            i % 2);
        assert_non_null(out);
        w->instance[i] = xstrdup(out->container_instance->container_instance_arn);
    }
    for (int i = 0; i < 2; i++) {
        struct ecs_register_task_definition_response *out =
            CALL(&w->calls, &c, "RegisterTaskDefinition",
                 "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"a\","
                 "\"image\":\"x:%d\","
                 "\"memory\":100,\"cpu\":100}]}",
                 i);
        assert_non_null(out);
        w->taskdef[i] = xstrdup(out->task_definition->task_definition_arn);
    }
    connect_all(w);
    arena_free(&c.arena);
    *state = w;
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    calls_close(&w->calls);
    for (int i = 0; i < 4; i++)
        free(w->instance[i]);
    for (int i = 0; i < 2; i++)
        free(w->taskdef[i]);
    free(w);
    return 0;
}

static struct cluster *the_cluster(struct world *w)
{
    return table_next(ecs_of(w->calls.core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
}

/* ---- what must hold at any moment ---- */

static void check_counts(struct world *w)
{
    struct cluster *cl = the_cluster(w);
    int32_t running = 0, pending = 0, cpu = 0;
    list_for_each (it, &cl->tasks) {
        struct task *t = list_entry(it, struct task, link);
        bool over = t->status == TASK_STOPPED;
        assert_true(over == (t->instance == NULL));
        assert_true(over == (t->taskdef == NULL));
        running += t->status == TASK_RUNNING || t->status == TASK_STOPPING;
        pending += t->status == TASK_PENDING;
        cpu += over ? 0 : 100;
    }
    assert_int_equal(cl->running, running);
    assert_int_equal(cl->pending, pending);
    int64_t used = 0;
    list_for_each (it, &cl->instances) {
        used += place_instance_used(list_entry(it, struct instance, link)->place)->cpu;
    }
    assert_int_equal(used, cpu);
}

static int take_json(void *ctx, const char *cursor, const char *json, size_t len,
                     struct error *err)
{
    str_addn(ctx, json, len);
    return 0;
}

/* What was told of a task last is what it is. */
static void check_history(struct world *w)
{
    list_for_each (it, &the_cluster(w)->tasks) {
        const struct ecs_task *t = list_entry(it, struct task, link)->rec->task;
        AUTO_STR text = STR_INIT, version = STR_INIT, status = STR_INIT;
        char cursor[EVENT_CURSOR_SIZE];
        struct error err;
        struct event_query q = {.resource = t->task_arn,
                                .newest_first = true,
                                .limit = 1,
                                .limit_reads = SIZE_MAX};
        assert_int_equal(
            event_history_read(w->calls.store, &q, take_json, &text, cursor, &err), 0);
        str_addf(&version, "\"version\":%lld,", (long long)t->version.v);
        str_addf(&status, "\"lastStatus\":\"%s\",\"launchType\"", t->last_status);
        assert_non_null(strstr(str_text(&text), version.data));
        assert_non_null(strstr(str_text(&text), status.data));
    }
}

static void check_bounds(struct world *w)
{
    list_for_each (it, &the_cluster(w)->services) {
        struct service *s = list_entry(it, struct service, link);
        const struct ecs_deployment_configuration *conf =
            s->rec->service->deployment_configuration;
        uint32_t wanted = 0;
        list_for_each (jt, &s->tasks) {
            wanted += !list_entry(jt, struct task, service_link)->stopping;
        }
        /* Scaling in takes a moment; from the largest count that was ever wanted. */
        assert_true(wanted <= deployment_upper(8, (uint32_t)conf->maximum_percent.v));
    }
}

/* ---- hosts, played ---- */

static void report(struct world *w, const struct task *t, const char *status,
                   const char *more)
{
    struct call c = {0};
    const char *arn = t->rec->task->task_arn;
    CALL(&w->calls, &c, "SubmitTaskStateChange",
         "{\"task\":\"%s\",\"status\":\"%s\",\"containers\":[{\"containerName\":\"a\","
         "\"status\":\"%s\"%s}]}",
         arn, status, status, more);
    assert_null(c.fault);
    arena_free(&c.arena);
}

/* The n-th task that is not STOPPED. */
static struct task *pick(struct world *w)
{
    struct cluster *cl = the_cluster(w);
    uint64_t live = (uint64_t)cl->running + (uint64_t)cl->pending, n = 0;
    if (live == 0)
        return NULL;
    uint64_t wanted = next_random(w) % live;
    list_for_each (it, &cl->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (t->status != TASK_STOPPED && n++ == wanted)
            return t;
    }
    return NULL;
}

/* What a good host says about a task as it is now. */
static void obey(struct world *w, struct task *t)
{
    if (t->stopping)
        report(w, t, "STOPPED", ",\"exitCode\":143");
    else if (t->status == TASK_PENDING)
        report(w, t, "RUNNING", "");
}

static void one_event(struct world *w)
{
    struct call c = {0};
    struct task *t = pick(w);
    switch (next_random(w) % 12) {
    case 0:
        CALL(&w->calls, &c, "UpdateService", "{\"service\":\"s\",\"desiredCount\":%d}",
             (int)(next_random(w) % 9));
        break;
    case 1:
        CALL(&w->calls, &c, "UpdateService",
             "{\"service\":\"s\",\"taskDefinition\":\"%s\"}",
             w->taskdef[next_random(w) % 2]);
        break;
    case 2:
        CALL(&w->calls, &c, "UpdateContainerInstancesState",
             "{\"containerInstances\":[\"%s\"],\"status\":\"%s\"}",
             w->instance[next_random(w) % 4], next_random(w) % 2 ? "ACTIVE" : "DRAINING");
        break;
    case 3:
        restart(w);
        break;
    case 4:
        w->calls.now_ms += (int64_t)(next_random(w) % 60000);
        calls_settle(&w->calls);
        break;
    case 5:
        if (t)
            report(w, t, "STOPPED", ",\"exitCode\":1"); /* it died */
        break;
    case 6:
        if (t && t->status == TASK_PENDING)
            report(w, t, "STOPPED", ",\"reason\":\"CannotPullContainerError: x\"");
        break;
    case 7:
        if (t)
            CALL(&w->calls, &c, "StopTask", "{\"task\":\"%s\"}", t->rec->task->task_arn);
        break;
    case 8:
        CALL(&w->calls, &c, "RunTask", "{\"taskDefinition\":\"f\",\"count\":%d}",
             (int)(1 + next_random(w) % 3));
        break;
    default:
        if (t)
            obey(w, t);
    }
    arena_free(&c.arena);
    check_counts(w);
    check_bounds(w);
}

/* Good hosts and time: everything must come to rest. */
static void quiesce(struct world *w)
{
    struct call c = {0};
    for (int i = 0; i < 4; i++)
        CALL(&w->calls, &c, "UpdateContainerInstancesState",
             "{\"containerInstances\":[\"%s\"],\"status\":\"ACTIVE\"}", w->instance[i]);
    for (int round = 0; round < 400; round++) {
        struct task *todo[256];
        size_t n = 0;
        list_for_each (it, &the_cluster(w)->tasks) {
            struct task *t = list_entry(it, struct task, link);
            if (n < 256 && (t->status == TASK_PENDING || t->stopping) &&
                t->status != TASK_STOPPED)
                todo[n++] = t;
        }
        for (size_t i = 0; i < n; i++)
            obey(w, todo[i]);
        w->calls.now_ms += 20000;
        calls_settle(&w->calls);
    }
    arena_free(&c.arena);
}

static void check_rest(struct world *w)
{
    struct call c = {0};
    struct ecs_describe_services_response *out =
        CALL(&w->calls, &c, "DescribeServices", "{\"services\":[\"s\"]}");
    assert_non_null(out);
    const struct ecs_service *s = &out->services.v[0];
    assert_int_equal(s->running_count.v, s->desired_count.v);
    assert_int_equal(s->pending_count.v, 0);
    assert_int_equal(s->deployments.n, 1);
    assert_int_equal(s->deployments.v[0].rollout_state,
                     ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
    arena_free(&c.arena);
}

static void any_sequence_of_events_comes_to_rest(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    assert_non_null(CALL(&w->calls, &c, "CreateService",
                         "{\"serviceName\":\"s\",\"taskDefinition\":\"f\","
                         "\"desiredCount\":4}"));
    arena_free(&c.arena);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 150; i++)
            one_event(w);
        quiesce(w);
        check_counts(w);
        check_history(w);
        check_rest(w);
    }
}

/* A restart in itself changes nothing that anybody can see. */
static void a_restart_shows_the_same(void **state)
{
    struct world *w = *state;
    struct call before = {0}, after = {0}, c = {0};
    CALL(&w->calls, &c, "CreateService",
         "{\"serviceName\":\"s\",\"taskDefinition\":\"f\",\"desiredCount\":5}");
    quiesce(w);
    struct ecs_list_tasks_response *tasks = CALL(&w->calls, &c, "ListTasks", "{}");
    assert_int_equal(tasks->task_arns.n, 5);
    AUTO_STR ask = STR_INIT;
    for (size_t i = 0; i < 5; i++)
        str_addf(&ask, "%s\"%s\"", i ? "," : "", tasks->task_arns.v[i]);
    void *one = CALL(&w->calls, &before, "DescribeTasks", "{\"tasks\":[%s]}", ask.data);
    restart(w);
    void *two = CALL(&w->calls, &after, "DescribeTasks", "{\"tasks\":[%s]}", ask.data);
    assert_true(wire_equal(&ecs_describe_tasks_response_shape, one, two));
    one = CALL(&w->calls, &before, "DescribeServices", "{\"services\":[\"s\"]}");
    restart(w);
    two = CALL(&w->calls, &after, "DescribeServices", "{\"services\":[\"s\"]}");
    assert_true(wire_equal(&ecs_describe_services_response_shape, one, two));
    arena_free(&before.arena);
    arena_free(&after.arena);
    arena_free(&c.arena);
}

static void stopped_tasks_are_forgotten_after_an_hour(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    struct ecs_run_task_response *run =
        CALL(&w->calls, &c, "RunTask", "{\"taskDefinition\":\"f\"}");
    assert_int_equal(run->tasks.n, 1);
    quiesce(w);
    struct task *t = pick(w);
    report(w, t, "STOPPED", ",\"exitCode\":0");
    assert_int_equal(table_count(ecs_of(w->calls.core)->tasks), 1);
    restart(w);
    w->calls.now_ms += 3599 * 1000;
    calls_settle(&w->calls);
    assert_int_equal(table_count(ecs_of(w->calls.core)->tasks), 1);
    w->calls.now_ms += 2000;
    calls_settle(&w->calls);
    assert_int_equal(table_count(ecs_of(w->calls.core)->tasks), 0);
    restart(w);
    assert_int_equal(table_count(ecs_of(w->calls.core)->tasks), 0);
    arena_free(&c.arena);
}

/* Work for one service that rests costs nothing: no timer but its hourly telling. */
static void a_steady_service_sets_no_timer(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    CALL(&w->calls, &c, "CreateService",
         "{\"serviceName\":\"s\",\"taskDefinition\":\"f\",\"desiredCount\":5}");
    quiesce(w);
    assert_true(core_next_wake_ms(w->calls.core) > w->calls.now_ms + 60 * 60 * 1000);
    arena_free(&c.arena);
}

static void a_revision_in_use_is_deleted_with_its_last_user(void **state)
{
    struct world *w = *state;
    struct call c = {0};
    CALL(&w->calls, &c, "RunTask", "{\"taskDefinition\":\"f:1\"}");
    CALL(&w->calls, &c, "DeregisterTaskDefinition", "{\"taskDefinition\":\"f:1\"}");
    struct ecs_delete_task_definitions_response *gone =
        CALL(&w->calls, &c, "DeleteTaskDefinitions", "{\"taskDefinitions\":[\"f:1\"]}");
    assert_int_equal(gone->task_definitions.v[0].status,
                     ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS);
    assert_int_equal(table_count(ecs_of(w->calls.core)->taskdefs), 2);
    report(w, pick(w), "STOPPED", ",\"exitCode\":0");
    assert_int_equal(table_count(ecs_of(w->calls.core)->taskdefs), 1);
    struct ecs_register_task_definition_response *again = CALL(
        &w->calls, &c, "RegisterTaskDefinition",
        "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"a\",\"image\":\"x\","
        "\"memory\":1}]}");
    if (again) /* memory below the minimum is refused elsewhere */
        assert_int_equal(again->task_definition->revision.v, 3);
    arena_free(&c.arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_sequence_of_events_comes_to_rest),
        TEST(a_restart_shows_the_same),
        TEST(stopped_tasks_are_forgotten_after_an_hour),
        TEST(a_steady_service_sets_no_timer),
        TEST(a_revision_in_use_is_deleted_with_its_last_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
