/* Many services and large ones under a virtual clock: 1,000 services whose tasks all die
 * at once come to rest, a steady service of 5,000 tasks has neither a wake-up nor a plan,
 * and a rollout of it takes few plans. deployment_plan() is wrapped by the linker: calls
 * are counted. */
#include "unit.h"

#include <time.h>

#include "calls.h"
#include "deployment.h"

#define SERVICES 1000
#define LARGE    5000
#define HOSTS    50

void __real_deployment_plan(const struct deployment_service *s, int64_t now_ms,
                            struct deployment_memory *memory, struct arena *a,
                            struct deployment_plan *ret);
void __wrap_deployment_plan(const struct deployment_service *s, int64_t now_ms,
                            struct deployment_memory *memory, struct arena *a,
                            struct deployment_plan *ret);

static uint64_t plans;

void __wrap_deployment_plan(const struct deployment_service *s, int64_t now_ms,
                            struct deployment_memory *memory, struct arena *a,
                            struct deployment_plan *ret)
{
    plans++;
    __real_deployment_plan(s, now_ms, memory, a, ret);
}

static void world_open(struct calls *w)
{
    struct call c = {0};
    calls_open(w);
    for (int i = 0; i < HOSTS; i++) {
        struct ecs_register_container_instance_response *out = CALL(
            w, &c, "RegisterContainerInstance",
            "{'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':1000000},"
            "{'name':'MEMORY','type':'INTEGER','integerValue':1000000}]}");
        assert_non_null(out);
        AUTO_STR arn = STR_INIT;
        str_add(&arn, out->container_instance->container_instance_arn);
        calls_connected(w, str_text(&arn), true);
    }
    for (int i = 0; i < 2; i++)
        assert_non_null(CALL(w, &c, "RegisterTaskDefinition",
                             "{'family':'f','containerDefinitions':[{'name':'a',"
                             "'image':'x:%d','memory':10,'cpu':1}]}",
                             i));
    arena_free(&c.arena);
}

/* Submits without a reaction in between, as reports of many agents come in one batch. */
static void submit(struct calls *w, struct call *c, const struct task *t,
                   const char *status)
{
    struct wire_error why;
    AUTO_STR json = STR_INIT;
    *c = (struct call){.region = "us-east-1", .authenticate = calls_enter};
    for (uint32_t i = 0; i < ecs_service_api.operation_count; i++)
        if (streq(ecs_service_api.operations[i].name, "SubmitTaskStateChange"))
            c->operation = &ecs_operations[i];
    str_addf(&json,
             "{\"task\":\"%s\",\"status\":\"%s\",\"containers\":[{\"containerName\":"
             "\"a\",\"status\":\"%s\",\"exitCode\":1}]}",
             t->rec->task->task_arn, status, status);
    void *in = NULL;
    assert_int_equal(wire_json_decode(&c->arena, c->operation->wire->input, json.data,
                                      json.len, false, &in, &why),
                     0);
    c->in = in;
    c->task.run = call_run;
    c->task.reply.deliver = calls_done;
    core_execute(w->core, &c->task);
    assert_null(c->fault);
}

/* Every task that waits for its host gets its answer, `batch` of them at a time. */
static size_t hosts_act(struct calls *w, bool tasks_live, size_t batch)
{
    struct cluster *cl =
        table_next(ecs_of(w->core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
    size_t n = 0, done = 0;
    struct task **v =
        xcalloc((size_t)(cl->running + cl->pending) + 1, sizeof(struct task *));
    struct call *c = xcalloc(batch, sizeof(*c));
    list_for_each (it, &cl->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (t->status == TASK_PENDING || (t->stopping && t->status != TASK_STOPPED))
            v[n++] = t;
    }
    while (done < n) {
        size_t k = 0;
        for (; k < batch && done < n; k++, done++)
            if (v[done]->stopping || v[done]->status == TASK_PENDING)
                submit(w, &c[k], v[done],
                       v[done]->stopping || !tasks_live ? "STOPPED" : "RUNNING");
        calls_settle(w);
        for (size_t i = 0; i < k; i++)
            arena_free(&c[i].arena);
    }
    free(v);
    free(c);
    return n;
}

static void come_to_rest(struct calls *w, size_t batch)
{
    for (int round = 0; round < 2000; round++) {
        if (hosts_act(w, true, batch) > 0)
            continue;
        int64_t next = core_next_wake_ms(w->core);
        if (next > w->now_ms + 30 * 60 * 1000)
            return;
        w->now_ms = next > w->now_ms ? next : w->now_ms + 1;
        calls_settle(w);
    }
    fail_msg("no rest");
}

static double cpu_s(clock_t from)
{
    return (double)(clock() - from) / CLOCKS_PER_SEC;
}

static void a_thousand_services_that_flap_come_to_rest(void **state)
{
    struct calls w;
    struct call c = {0};
    clock_t from = clock();
    world_open(&w);
    for (int i = 0; i < SERVICES; i++)
        assert_non_null(CALL(&w, &c, "CreateService",
                             "{'serviceName':'s%d','taskDefinition':'f:1',"
                             "'desiredCount':1}",
                             i));
    for (int round = 0; round < 8; round++) {
        hosts_act(&w, false, 100);
        calls_pass(&w, 20000 << round % 4);
    }
    come_to_rest(&w, 100);
    struct cluster *cl =
        table_next(ecs_of(w.core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
    assert_int_equal(cl->running, SERVICES);
    assert_int_equal(cl->pending, 0);
    print_message("1,000 flapping services: %.1f s of CPU, %ju plans\n", cpu_s(from),
                  (uintmax_t)plans);
    arena_free(&c.arena);
    calls_close(&w);
}

static void a_large_service_rests_and_rolls(void **state)
{
    struct calls w;
    struct call c = {0};
    world_open(&w);
    assert_non_null(CALL(&w, &c, "CreateService",
                         "{'serviceName':'s','taskDefinition':'f:1','desiredCount':%d}",
                         LARGE));
    clock_t from = clock();
    come_to_rest(&w, 100);
    print_message("5,000 tasks started: %.1f s of CPU\n", cpu_s(from));
    plans = 0;
    assert_true(core_next_wake_ms(w.core) > w.now_ms + 60 * 60 * 1000);
    calls_pass(&w, 60 * 60 * 1000);
    CALL(&w, &c, "RunTask", "{'taskDefinition':'f:1','count':10}");
    hosts_act(&w, true, 10);
    assert_int_equal(plans, 0);
    from = clock();
    assert_non_null(
        CALL(&w, &c, "UpdateService", "{'service':'s','taskDefinition':'f:2'}"));
    come_to_rest(&w, 100);
    struct ecs_describe_services_response *out =
        CALL(&w, &c, "DescribeServices", "{'services':['s']}");
    assert_int_equal(out->services.v[0].deployments.n, 1);
    assert_int_equal(out->services.v[0].running_count.v, LARGE);
    print_message("5,000 tasks replaced: %.1f s of CPU, %ju plans\n", cpu_s(from),
                  (uintmax_t)plans);
    assert_true(plans < 1000);
    assert_true(cpu_s(from) < 60); /* far above: it is the shape that counts */
    arena_free(&c.arena);
    calls_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_services_that_flap_come_to_rest),
        cmocka_unit_test(a_large_service_rests_and_rolls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
