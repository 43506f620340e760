/* What large and many services cost: deployments of 5,000 tasks, a steady service, and a
 * thousand that flap. Hosts are played; reports come in batches, as they do under load. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "core.h"
#include "ecs.h"
#include "ecs_state.h"

#define INSTANCES 50
#define BATCH     64 /* reports that a busy state thread finds at once */

struct world {
    int64_t now_ms;
    uint64_t seed;
    struct store *store;
    struct core *core;
    char *taskdef[3];
    uint64_t reactions;
};

static int64_t virtual_now(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static void seeded_random(void *ctx, void *ret, size_t size)
{
    struct world *w = ctx;
    for (size_t i = 0; i < size; i++) {
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)ret)[i] = (unsigned char)(w->seed >> 33);
    }
}

static int enter(struct call *c)
{
    c->who = (struct identity){"000000000000", "arn:aws:iam::000000000000:root",
                               "000000000000", "AKIA"};
    return 0;
}

static void settle(struct world *w)
{
    struct error err;
    for (;;) {
        while (core_react(w->core, 0))
            ;
        w->reactions++;
        struct core_batch *b = core_take_batch(w->core);
        if (!b)
            return;
        assert_int_equal(store_commit(w->store, &b->writes, &err), 0);
        core_batch_deliver(b);
    }
}

static void done(struct outbound *out) {}

/* Without settling: the controllers run when the batch is full. */
static void *execute(struct world *w, struct call *c, const char *name, const char *json)
{
    *c = (struct call){.region = "us-east-1", .authenticate = enter};
    struct wire_error why;
    for (uint32_t i = 0; i < ecs_service_api.operation_count; i++)
        if (streq(ecs_service_api.operations[i].name, name))
            c->operation = &ecs_operations[i];
    assert_non_null(c->operation);
    void *in = NULL;
    assert_int_equal(wire_json_decode(&c->arena, c->operation->wire->input, json,
                                      strlen(json), false, &in, &why),
                     0);
    c->in = in;
    c->task.run = call_run;
    c->task.reply.deliver = done;
    core_execute(w->core, &c->task);
    assert_null(c->fault);
    return c->out;
}

static void invoke(struct world *w, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void invoke(struct world *w, const char *name, const char *fmt, ...)
{
    struct call c;
    char json[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(json, sizeof(json), fmt, args);
    va_end(args);
    execute(w, &c, name, json);
    settle(w);
    arena_free(&c.arena);
}

struct connect {
    struct core_task task;
    const char *arn;
};

static void connect_run(struct core *core, struct core_task *task)
{
    struct error err;
    assert_int_equal(
        ecs_host_connected(core, list_entry(task, struct connect, task)->arn, true, &err),
        0);
}

static void add_instance(struct world *w, int n)
{
    struct call c;
    char json[512];
    snprintf(json, sizeof(json),
             "{\"totalResources\":[{\"name\":\"CPU\",\"type\":\"INTEGER\","
             "\"integerValue\":1000000},{\"name\":\"MEMORY\",\"type\":\"INTEGER\","
             "\"integerValue\":1000000}],\"attributes\":[{\"name\":"
             "\"ecs.availability-zone\",\"value\":\"z%d\"}]}",
             n % 3);
    struct ecs_register_container_instance_response *out =
        execute(w, &c, "RegisterContainerInstance", json);
    struct connect k = {.task = {.run = connect_run},
                        .arn = out->container_instance->container_instance_arn};
    core_execute(w->core, &k.task);
    settle(w);
    arena_free(&c.arena);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct error err;
    struct outside out = {.ctx = w, .wall_ms = virtual_now, .random = seeded_random};
    struct core_config config = {.region = "us-east-1", .account_id = "000000000000"};
    struct ecs_settings settings = {.poll_endpoint = "http://test"};
    w->now_ms = 1700000000000;
    w->seed = 1;
    assert_int_equal(store_memory_open(&w->store, &err), 0);
    w->core = core_new(&config, &out);
    ecs_attach(w->core, &settings);
    assert_int_equal(core_load(w->core, w->store, &err), 0);
    for (int n = 0; n < INSTANCES; n++)
        add_instance(w, n);
    for (int n = 0; n < 3; n++)
        invoke(w, "RegisterTaskDefinition",
               "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"a\",\"image\":"
               "\"x\",\"memory\":10,\"cpu\":%d}]}",
               1 + n);
    *state = w;
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    core_free(w->core);
    store_close(w->store);
    free(w);
    return 0;
}

static struct cluster *the_cluster(struct world *w)
{
    return table_next(ecs_of(w->core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
}

static struct service *the_service(struct world *w)
{
    return table_next(ecs_of(w->core)->services, "/ecs/service/", "/ecs/service/");
}

/* ---- hosts ---- */

struct reports {
    struct core_task task;
    struct task **v;
    size_t n;
    const char *fails; /* none starts, for this reason */
};

static void reports_run(struct core *core, struct core_task *task)
{
    struct reports *r = list_entry(task, struct reports, task);
    for (size_t k = 0; k < r->n; k++) {
        struct task *t = r->v[k];
        if (t->stopping)
            task_report_stopped(core, t, NULL);
        else if (r->fails)
            task_report_stopped(core, t, r->fails);
        else
            task_report_running(core, t);
    }
}

/* Every task that is not as it should be, in batches; how many there were. */
static size_t obey(struct world *w, const char *fails)
{
    static struct task *todo[20000];
    size_t n = 0;
    list_for_each (it, &the_cluster(w)->tasks) {
        struct task *t = list_entry(it, struct task, link);
        bool rests = t->status == TASK_STOPPED || t->status == TASK_PROVISIONING ||
                     (t->status == TASK_RUNNING && !t->stopping);
        if (!rests)
            todo[n++] = t;
    }
    for (size_t k = 0; k < n; k += BATCH) {
        struct reports r = {.task = {.run = reports_run},
                            .v = &todo[k],
                            .n = n - k < BATCH ? n - k : BATCH,
                            .fails = fails};
        core_execute(w->core, &r.task);
        settle(w);
    }
    return n;
}

/* Plays until nothing moves and the newest deployment is COMPLETED. */
static double until_complete(struct world *w)
{
    int64_t began = clock_mono_ns();
    for (int idle = 0; idle < 1000;) {
        const struct ecs_deployment_list *l = &the_service(w)->rec->service->deployments;
        if (l->n == 1 && l->v[0].rollout_state == ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED)
            return (double)(clock_mono_ns() - began) / 1e9;
        if (obey(w, NULL) > 0)
            continue;
        w->now_ms += 5000;
        settle(w);
        idle++;
    }
    fail_msg("it never ended");
    return 0;
}

/* Nothing runs, and nothing is written, for hours. */
static void check_rests(struct world *w)
{
    w->now_ms += 60000; /* what is told late, such as an instance's last event */
    settle(w);
    for (int minute = 0; minute < 3 * 60; minute++) {
        w->now_ms += 60000;
        while (core_react(w->core, 0))
            ;
        assert_false(core_has_batch(w->core));
    }
    assert_true(core_next_wake_ms(w->core) > w->now_ms + 3600 * 1000);
}

static void forget_stopped_tasks(struct world *w)
{
    w->now_ms += 3600 * 1000 + 60000;
    settle(w);
}

static void one_large_service(void **state)
{
    struct world *w = *state;
    static const int maximum[] = {200, 110};
    invoke(w, "CreateService",
           "{\"serviceName\":\"s\",\"desiredCount\":5000,\"taskDefinition\":\"f:1\"}");
    until_complete(w);
    check_rests(w);
    for (int k = 0; k < 2; k++) {
        uint64_t before = w->reactions;
        invoke(w, "UpdateService",
               "{\"service\":\"s\",\"taskDefinition\":\"f:%d\","
               "\"deploymentConfiguration\":{\"minimumHealthyPercent\":90,"
               "\"maximumPercent\":%d}}",
               2 + k, maximum[k]);
        double s = until_complete(w);
        print_message("5,000 tasks, maximumPercent %d: %.2f s, %llu reactions\n",
                      maximum[k], s, (unsigned long long)(w->reactions - before));
        assert_true(w->reactions - before < 2000);
        forget_stopped_tasks(w);
        check_rests(w);
    }
}

/* ---- many services ---- */

static unsigned running(struct world *w)
{
    unsigned n = 0;
    list_for_each (it, &the_cluster(w)->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        n += t->status == TASK_RUNNING && !t->stopping;
    }
    return n;
}

/* A thousand services whose tasks never start are tried less and less often, and are well as
 * soon as their image is. */
static void a_thousand_flap(void **state)
{
    struct world *w = *state;
    size_t tries = 0;
    int64_t began = clock_mono_ns();
    for (int n = 0; n < 1000; n++)
        invoke(w, "CreateService",
               "{\"serviceName\":\"s%d\",\"desiredCount\":2,\"taskDefinition\":\"f:1\"}",
               n);
    for (int second = 0; second < 600; second++) {
        tries += obey(w, "CannotPullContainerError: no such image");
        w->now_ms += 1000;
        settle(w);
    }
    print_message("1,000 services flapping for 10 minutes: %zu tries, %.2f s\n", tries,
                  (double)(clock_mono_ns() - began) / 1e9);
    /* 1 s, 2 s, … 256 s: some ten rounds of two, and the first. */
    assert_true(tries >= 1000 * 2 * 9 && tries <= 1000 * 2 * 13);
    for (int minute = 0; minute < 20; minute++) {
        obey(w, NULL);
        w->now_ms += 60000;
        settle(w);
    }
    assert_int_equal(running(w), 2000);
    forget_stopped_tasks(w);
    check_rests(w);
}

#define W(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        W(one_large_service),
        W(a_thousand_flap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
