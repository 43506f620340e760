/* Capacity: shares of a strategy, tasks that wait for it and give up, and what scaling is
 * told about them. */
#include "unit.h"

#include "calls.h"
#include "launch.h"
#include "provider_share.h"
#include "provisioning.h"

#define COUNT(a)        (sizeof(a) / sizeof((a)[0]))
#define HALF_AN_HOUR_MS (30 * 60 * 1000)

/* ---- shares ---- */

static void shares_follow_base_and_weight(void **state)
{
    static const struct {
        struct provider_share share[3];
        size_t n;
        int tasks, want[3];
    } rows[] = {
        {{{"a", 1, 0, 0, 0}}, 1, 7, {7}},
        {{{"a", 0, 0, 0, 0}}, 1, 3, {3}},
        {{{"a", 1, 0, 0, 0}, {"b", 1, 0, 0, 0}}, 2, 7, {4, 3}},
        {{{"a", 1, 0, 0, 0}, {"b", 3, 0, 0, 0}}, 2, 8, {2, 6}},
        {{{"a", 1, 2, 0, 0}, {"b", 3, 0, 0, 0}}, 2, 10, {4, 6}},
        {{{"a", 0, 2, 0, 0}, {"b", 1, 0, 0, 0}}, 2, 10, {2, 8}},
        {{{"a", 0, 0, 0, 0}, {"b", 1, 0, 0, 0}}, 2, 4, {0, 4}},
        {{{"a", 1, 5, 0, 0}, {"b", 1, 0, 0, 0}}, 2, 4, {4, 0}},
        {{{"a", 2, 0, 0, 0}, {"b", 1, 0, 0, 0}, {"c", 1, 0, 0, 0}}, 3, 8, {4, 2, 2}},
        /* what is placed already counts */
        {{{"a", 1, 0, 5, 0}, {"b", 1, 0, 0, 0}}, 2, 6, {5 + 1, 5}},
        {{{"a", 1, 3, 0, 0}, {"b", 1, 0, 9, 0}}, 2, 3, {3, 9}},
        {{{"a", 1000, 0, 0, 0}, {"b", 1, 0, 0, 0}}, 2, 1001, {1000, 1}},
    };
    for (size_t r = 0; r < COUNT(rows); r++) {
        struct provider_share share[3];
        memcpy(share, rows[r].share, sizeof(share));
        for (int t = 0; t < rows[r].tasks; t++)
            provider_share_next(share, rows[r].n)->placed++;
        for (size_t k = 0; k < rows[r].n; k++)
            if (share[k].placed != rows[r].want[k])
                fail_msg("row %zu: %s has %d", r, share[k].name, share[k].placed);
    }
    struct provider_share none[] = {{"a", 0, 1, 1, 0}, {"b", 0, 0, 0, 0}};
    assert_null(provider_share_next(none, 2));
}

/* ---- waiting ---- */

static void open_world(struct calls *w, struct call *c)
{
    calls_open(w);
    for (int i = 0; i < 2; i++)
        assert_non_null(CALL(
            w, c, "CreateCapacityProvider",
            "{'name':'p%d','autoScalingGroupProvider':{'autoScalingGroupArn':'arn:aws:"
            "autoscaling:us-east-1:000000000000:autoScalingGroup:u:autoScalingGroupName/"
            "g%d'}}",
            i, i));
    assert_non_null(CALL(w, c, "CreateCluster",
                         "{'capacityProviders':['p0','p1','FARGATE'],"
                         "'defaultCapacityProviderStrategy':[{'capacityProvider':'p0',"
                         "'weight':1}]}"));
    assert_non_null(CALL(w, c, "RegisterTaskDefinition",
                         "{'family':'f','containerDefinitions':[{'name':'a','image':'x',"
                         "'memory':100,'cpu':100}]}"));
    assert_non_null(CALL(w, c, "RegisterTaskDefinition",
                         "{'family':'fg','requiresCompatibilities':['FARGATE'],"
                         "'networkMode':'awsvpc','cpu':'256','memory':'512',"
                         "'containerDefinitions':[{'name':'a','image':'x'}]}"));
}

static char *add_instance(struct calls *w, struct call *c, const char *provider,
                          int memory)
{
    struct ecs_register_container_instance_response *out =
        CALL(w, c, "RegisterContainerInstance",
             "{'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':4096},"
             "{'name':'MEMORY','type':'INTEGER','integerValue':%d}],"
             "'attributes':[{'name':'gantry.capacity-provider','value':'%s'}]}",
             memory, provider);
    assert_non_null(out);
    return xstrdup(out->container_instance->container_instance_arn);
}

/* "SUBNET" stands for the default one of the first zone. */
static void with_subnet(struct calls *w, const char *text, char *ret, size_t size)
{
    const char *at = strstr(text, "SUBNET");
    if (at)
        snprintf(ret, size, "%.*s%s%s", (int)(at - text), text, calls_subnet(w, 0),
                 at + strlen("SUBNET"));
    else
        snprintf(ret, size, "%s", text);
}

static char *run(struct calls *w, struct call *c, const char *family, const char *more)
{
    char text[1024];
    with_subnet(w, more, text, sizeof(text));
    struct ecs_run_task_response *out =
        CALL(w, c, "RunTask", "{'taskDefinition':'%s'%s}", family, text);
    assert_non_null(out);
    assert_int_equal(out->tasks.n, 1);
    assert_int_equal(out->failures.n, 0);
    return xstrdup(out->tasks.v[0].task_arn);
}

static const struct ecs_task *look(struct calls *w, struct call *c, const char *arn)
{
    struct ecs_describe_tasks_response *out =
        CALL(w, c, "DescribeTasks", "{'tasks':['%s']}", arn);
    assert_non_null(out);
    assert_int_equal(out->tasks.n, 1);
    return &out->tasks.v[0];
}

enum setup { NO_INSTANCE, OTHER_PROVIDER, TOO_SMALL, DISCONNECTED };

static void why_it_never_started(void **state)
{
    static const struct {
        enum setup setup;
        const char *family, *more, *want;
    } rows[] = {
        {NO_INSTANCE, "f", "", "TaskFailedToStart: NO ACTIVE INSTANCES"},
        {OTHER_PROVIDER, "f", "", "TaskFailedToStart: EMPTY CAPACITY PROVIDER"},
        {TOO_SMALL, "f", "", "TaskFailedToStart: RESOURCE:MEMORY"},
        {DISCONNECTED, "f", "", "TaskFailedToStart: AGENT"},
        {TOO_SMALL, "f",
         ",'placementConstraints':[{'type':'memberOf','expression':'attribute:x "
         "exists'}],"
         "'overrides':{'containerOverrides':[{'name':'a','memory':10}]}",
         "TaskFailedToStart: MemberOf placement constraint unsatisfied"},
        {NO_INSTANCE, "fg",
         ",'launchType':'FARGATE','networkConfiguration':{'awsvpcConfiguration':"
         "{'subnets':['SUBNET']}}",
         "TaskFailedToStart: RESOURCE:FARGATE"},
    };
    for (size_t r = 0; r < COUNT(rows); r++) {
        struct calls w;
        struct call c = {0};
        char *instance = NULL;
        open_world(&w, &c);
        if (rows[r].setup != NO_INSTANCE) {
            instance = add_instance(&w, &c, rows[r].setup == OTHER_PROVIDER ? "p1" : "p0",
                                    rows[r].setup == TOO_SMALL ? 50 : 4096);
            if (rows[r].setup != DISCONNECTED)
                calls_connected(&w, instance, true);
        }
        char *arn = run(&w, &c, rows[r].family, rows[r].more);
        assert_string_equal(look(&w, &c, arn)->last_status, "PROVISIONING");
        calls_pass(&w, HALF_AN_HOUR_MS - 1);
        assert_string_equal(look(&w, &c, arn)->last_status, "PROVISIONING");
        calls_pass(&w, 1);
        const struct ecs_task *t = look(&w, &c, arn);
        assert_string_equal(t->last_status, "STOPPED");
        assert_string_equal(t->stopped_reason, rows[r].want);
        assert_int_equal(t->stop_code, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START);
        free(arn);
        free(instance);
        arena_free(&c.arena);
        calls_close(&w);
    }
}

static void a_restart_forgets_neither_the_wish_nor_the_time(void **state)
{
    struct calls w;
    struct call c = {0};
    open_world(&w, &c);
    char *first = run(&w, &c, "f", "");
    calls_pass(&w, HALF_AN_HOUR_MS / 2);
    char *second = run(&w, &c, "f", "");
    calls_restart(&w);
    calls_pass(&w, HALF_AN_HOUR_MS / 2);
    assert_string_equal(look(&w, &c, first)->last_status, "STOPPED");
    assert_string_equal(look(&w, &c, second)->last_status, "PROVISIONING");
    char *instance = add_instance(&w, &c, "p0", 4096);
    calls_connected(&w, instance, true);
    const struct ecs_task *t = look(&w, &c, second);
    assert_string_equal(t->last_status, "PENDING");
    assert_string_equal(t->container_instance_arn, instance);
    assert_string_equal(t->capacity_provider_name, "p0");
    /* Nothing is left that could time out. */
    calls_pass(&w, HALF_AN_HOUR_MS);
    assert_string_equal(look(&w, &c, second)->last_status, "PENDING");
    free(first);
    free(second);
    free(instance);
    arena_free(&c.arena);
    calls_close(&w);
}

static void a_service_says_once_that_its_tasks_gave_up(void **state)
{
    struct calls w;
    struct call c = {0};
    open_world(&w, &c);
    assert_non_null(CALL(&w, &c, "CreateService",
                         "{'serviceName':'s','taskDefinition':'f','desiredCount':3}"));
    calls_pass(&w, HALF_AN_HOUR_MS);
    struct ecs_describe_services_response *out =
        CALL(&w, &c, "DescribeServices", "{'services':['s']}");
    int told = 0;
    for (size_t i = 0; i < out->services.v[0].events.n; i++)
        told += streq(out->services.v[0].events.v[i].message,
                      "(service s) was unable to place a task. Reason: NO ACTIVE "
                      "INSTANCES.");
    assert_int_equal(told, 1);
    /* Others wait in their place. */
    assert_int_equal(out->services.v[0].pending_count.v, 3);
    arena_free(&c.arena);
    calls_close(&w);
}

static void scaling_is_told_what_waits(void **state)
{
    struct calls w;
    struct call c = {0};
    struct provisioning_group groups[4];
    open_world(&w, &c);
    for (int i = 0; i < 3; i++)
        free(run(&w, &c, "f", ""));
    free(run(&w, &c, "f",
             ",'overrides':{'containerOverrides':[{'name':'a','memory':200}]}"));
    free(run(&w, &c, "f", ",'placementConstraints':[{'type':'distinctInstance'}]"));
    free(run(&w, &c, "f",
             ",'capacityProviderStrategy':[{'capacityProvider':'p1','weight':1}]"));
    const struct cluster *cl =
        table_next(ecs_of(w.core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
    assert_int_equal(provisioning_groups(w.core, cl, "p0", groups, 4), 3);
    assert_int_equal(groups[0].count, 3);
    assert_int_equal(groups[0].each.memory_mib, 100);
    assert_int_equal(groups[1].count, 1);
    assert_int_equal(groups[1].each.memory_mib, 200);
    assert_true(groups[2].distinct_instance);
    assert_int_equal(provisioning_groups(w.core, cl, "p1", groups, 4), 1);
    arena_free(&c.arena);
    calls_close(&w);
}

/* ---- anything in any order ---- */

#define HOSTS 6

struct hosts {
    char *arn[HOSTS]; /* NULL: not registered */
};

static uint32_t below(struct calls *w, uint32_t n)
{
    uint32_t r;
    calls_random(w, &r, sizeof(r));
    return r % n;
}

/* Two of each provider, two of the pool. */
static void add_host(struct calls *w, struct call *c, struct hosts *h, int k)
{
    static const char *const attribute[] = {
        "'name':'gantry.capacity-provider','value':'p0'",
        "'name':'gantry.capacity-provider','value':'p1'",
        "'name':'gantry.launch-type','value':'FARGATE'",
    };
    struct ecs_register_container_instance_response *out =
        CALL(w, c, "RegisterContainerInstance",
             "{'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':1024},"
             "{'name':'MEMORY','type':'INTEGER','integerValue':2048}],"
             "'attributes':[{%s}]}",
             attribute[k % 3]);
    assert_non_null(out);
    h->arn[k] = xstrdup(out->container_instance->container_instance_arn);
    calls_connected(w, h->arn[k], true);
}

static void drop_host(struct calls *w, struct call *c, struct hosts *h, int k)
{
    assert_non_null(CALL(w, c, "DeregisterContainerInstance",
                         "{'cluster':'%s','containerInstance':'%s','force':true}",
                         k % 3 == 2 ? ".fargate" : "default", h->arn[k]));
    free(h->arn[k]);
    h->arn[k] = NULL;
}

static void run_any(struct calls *w, struct call *c)
{
    static const char *const how[] = {
        "'taskDefinition':'f'",
        "'taskDefinition':'f','capacityProviderStrategy':[{'capacityProvider':'p0',"
        "'weight':1,'base':1},{'capacityProvider':'p1','weight':2}],'count':3",
        "'taskDefinition':'f','launchType':'EC2'",
        "'taskDefinition':'fg','launchType':'FARGATE','networkConfiguration':"
        "{'awsvpcConfiguration':{'subnets':['SUBNET']}}",
        "'taskDefinition':'fg','capacityProviderStrategy':[{'capacityProvider':"
        "'FARGATE_SPOT','weight':1}],'count':2,'networkConfiguration':"
        "{'awsvpcConfiguration':{'subnets':['SUBNET']}}",
    };
    char text[1024];
    with_subnet(w, how[below(w, COUNT(how))], text, sizeof(text));
    CALL(w, c, "RunTask", "{%s}", text);
}

static struct cluster *cluster_named(struct calls *w, const char *name)
{
    AUTO_STR key = STR_INIT;
    str_addf(&key, "/ecs/cluster/000000000000/us-east-1/%s", name);
    return table_find(ecs_of(w->core)->clusters, str_text(&key));
}

static struct task *any_task(struct calls *w)
{
    const struct cluster *cl = cluster_named(w, "default");
    struct task *found = NULL;
    uint32_t seen = 0;
    list_for_each (it, &cl->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (t->status != TASK_STOPPED && below(w, ++seen) == 0)
            found = t;
    }
    return found;
}

static void report(struct calls *w, struct call *c, const struct task *t)
{
    static const char *const words[] = {"ATTACHED", "DETACHING", "DETACHED", "NONSENSE"};
    if (!t->instance)
        return;
    if (t->attachment_id[0] && below(w, 2) == 0) {
        assert_non_null(
            CALL(w, c, "SubmitAttachmentStateChanges",
                 "{'cluster':'%s','attachments':[{'attachmentArn':"
                 "'arn:aws:ecs:us-east-1:000000000000:attachment/%s','status':"
                 "'%s'}]}",
                 t->instance->cluster->name, t->attachment_id, words[below(w, 4)]));
        return;
    }
    const char *status = t->stopping || below(w, 4) == 0 ? "STOPPED" : "RUNNING";
    assert_non_null(CALL(w, c, "SubmitTaskStateChange",
                         "{'cluster':'%s','task':'%s','status':'%s','containers':[]}",
                         t->instance->cluster->name, t->rec->task->task_arn, status));
}

static void check_instances(const struct cluster *cl)
{
    list_for_each (it, &cl->instances) {
        const struct instance *i = list_entry(it, struct instance, link);
        int64_t cpu = 0, number;
        list_for_each (jt, &i->tasks) {
            const struct task *t = list_entry(jt, struct task, instance_link);
            assert_true(str_to_i64(t->rec->task->cpu, 0, INT64_MAX, &number));
            cpu += number;
        }
        assert_int_equal(place_instance_used(i->place)->cpu, cpu);
        assert_true(cpu <= place_instance_total(i->place)->cpu);
    }
}

static size_t interfaces_of(struct calls *w)
{
    AUTO_ARENA a = ARENA_INIT;
    struct gantry_edge_vpc_list vpcs = {0};
    struct gantry_edge_interface_list interfaces = {0};
    struct gantry_edge_instance_list instances = {0};
    ec2_edge_desired(w->core, &a, &vpcs, &interfaces, &instances);
    return interfaces.n;
}

static void check_world(struct calls *w)
{
    const struct cluster *cl = cluster_named(w, "default");
    const struct cluster *pool = cluster_named(w, ".fargate");
    int32_t waiting = 0, fargate = 0, pending = 0;
    size_t interfaces = 0;
    list_for_each (it, &cl->tasks) {
        const struct task *t = list_entry(it, struct task, link);
        if (t->status == TASK_STOPPED)
            continue;
        bool waits = !t->instance;
        assert_true(waits == !list_empty(&t->provisioning_link));
        bool on_pool = t->instance && t->instance->cluster == pool;
        bool is_fargate = t->rec->task->launch_type == ECS_LAUNCH_TYPE_FARGATE;
        assert_true(waits || on_pool == is_fargate);
        waiting += waits;
        pending += t->status <= TASK_ACTIVATING;
        fargate += is_fargate && t->status != TASK_DEPROVISIONING;
        interfaces += t->instance && t->attachment_id[0];
    }
    assert_int_equal(interfaces_of(w), interfaces);
    assert_int_equal(cl->provisioning_count, waiting);
    assert_int_equal(cl->pending, pending);
    assert_int_equal(cl->running_fargate + cl->pending_fargate, fargate);
    check_instances(cl);
    if (pool)
        check_instances(pool);
}

/* Nobody waits for what is there. */
static void check_nobody_waits_in_vain(struct calls *w, struct cluster *home)
{
    bool promised = false; /* room that spot tasks leave is not for spot tasks */
    list_for_each (it, &home->provisioning) {
        const struct task *t = list_entry(it, struct task, provisioning_link);
        promised |= !streq(t->rec->task->capacity_provider_name, "FARGATE_SPOT");
    }
    list_for_each (it, &home->provisioning) {
        struct launch l;
        const struct task *t = list_entry(it, struct task, provisioning_link);
        bool spot = streq(t->rec->task->capacity_provider_name, "FARGATE_SPOT");
        assert_int_equal(launch_of_task(w->core, t, &l), 0);
        if (!spot || !promised)
            assert_null(launch_find(w->core, &l));
        launch_fini(&l);
    }
}

static void anything_in_any_order(void **state)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct calls w;
        struct call c = {0};
        struct hosts h = {{NULL}};
        open_world(&w, &c);
        w.seed = seed * 7919;
        for (int step = 0; step < 600; step++) {
            uint32_t dice = below(&w, 100);
            int k = (int)below(&w, HOSTS);
            struct task *t = any_task(&w);
            if (dice < 4 && h.arn[k])
                drop_host(&w, &c, &h, k);
            else if (dice < 20 && !h.arn[k])
                add_host(&w, &c, &h, k);
            else if (dice < 22)
                calls_restart(&w);
            else if (dice < 30 && h.arn[k])
                calls_connected(&w, h.arn[k], below(&w, 3) > 0);
            else if (dice < 34)
                calls_pass(&w, below(&w, 10 * 60 * 1000));
            else if (dice < 55)
                run_any(&w, &c);
            else if (dice < 60 && t)
                CALL(&w, &c, "StopTask", "{'task':'%s'}", t->rec->task->task_arn);
            else if (t)
                report(&w, &c, t);
            check_world(&w);
            check_nobody_waits_in_vain(&w, cluster_named(&w, "default"));
            if (cluster_named(&w, ".fargate"))
                check_nobody_waits_in_vain(&w, cluster_named(&w, ".fargate"));
        }
        for (int k = 0; k < HOSTS; k++)
            free(h.arn[k]);
        arena_free(&c.arena);
        calls_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_follow_base_and_weight),
        cmocka_unit_test(why_it_never_started),
        cmocka_unit_test(a_restart_forgets_neither_the_wish_nor_the_time),
        cmocka_unit_test(a_service_says_once_that_its_tasks_gave_up),
        cmocka_unit_test(scaling_is_told_what_waits),
        cmocka_unit_test(anything_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
