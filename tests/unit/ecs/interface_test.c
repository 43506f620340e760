/* The network interfaces of tasks: their life, what goes wrong, and that none is left. */
#include "unit.h"

#include "calls.h"
#include "task_interface.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MINUTE_MS (60 * 1000LL)

/* ---- the world ---- */

/* As a type of AWS; the table of types is EC2's business. */
uint32_t __wrap_ec2_task_interface_limit(const char *instance_type, bool trunking);
uint32_t __wrap_ec2_task_interface_limit(const char *instance_type, bool trunking)
{
    return !streq(instance_type, "c5.large") ? 0 : trunking ? 10 : 2;
}

static char *add_host(struct calls *w, struct call *c, const char *cluster,
                      const char *attributes)
{
    struct ecs_register_container_instance_response *out =
        CALL(w, c, "RegisterContainerInstance",
             "{'cluster':'%s',"
             "'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':40960},"
             "{'name':'MEMORY','type':'INTEGER','integerValue':40960}],"
             "'attributes':[{'name':'ecs.availability-zone','value':'us-east-1a'},"
             "{'name':'ecs.capability.task-eni'},"
             "{'name':'com.amazonaws.ecs.capability.docker-remote-api.1.18'}%s]}",
             cluster, attributes);
    assert_non_null(out);
    char *arn = xstrdup(out->container_instance->container_instance_arn);
    calls_connected(w, arn, true);
    return arn;
}

static char *open_world(struct calls *w, struct call *c, const char *attributes)
{
    calls_open(w);
    assert_non_null(CALL(w, c, "CreateCluster", "{'clusterName':'c'}"));
    assert_non_null(CALL(w, c, "RegisterTaskDefinition",
                         "{'family':'f','networkMode':'awsvpc','containerDefinitions':"
                         "[{'name':'a','image':'x','memory':10,'cpu':10}]}"));
    return add_host(w, c, "c", attributes);
}

static void close_world(struct calls *w, struct call *c, char *instance)
{
    free(instance);
    arena_free(&c->arena);
    calls_close(w);
}

static struct ecs_run_task_response *run(struct calls *w, struct call *c, int count)
{
    return CALL(w, c, "RunTask",
                "{'cluster':'c','taskDefinition':'f','count':%d,'networkConfiguration':"
                "{'awsvpcConfiguration':{'subnets':['%s']}}}",
                count, calls_subnet(w, 0));
}

static const struct ecs_task *look(struct calls *w, struct call *c, const char *arn)
{
    struct ecs_describe_tasks_response *out =
        CALL(w, c, "DescribeTasks", "{'cluster':'c','tasks':['%s']}", arn);
    assert_non_null(out);
    return out->tasks.n ? &out->tasks.v[0] : NULL;
}

static void report(struct calls *w, struct call *c, const char *arn, const char *status)
{
    assert_non_null(CALL(w, c, "SubmitTaskStateChange",
                         "{'cluster':'c','task':'%s','status':'%s','containers':[]}", arn,
                         status));
}

static void say(struct calls *w, struct call *c, const char *arn, const char *status)
{
    const struct ecs_task *t = look(w, c, arn);
    char id[40];
    snprintf(id, sizeof(id), "%s", t->attachments.v[0].id);
    assert_non_null(CALL(w, c, "SubmitAttachmentStateChanges",
                         "{'cluster':'c','attachments':[{'attachmentArn':'arn:aws:ecs:"
                         "us-east-1:000000000000:attachment/%s','status':'%s'}]}",
                         id, status));
}

static size_t interfaces_of(struct calls *w)
{
    AUTO_ARENA a = ARENA_INIT;
    struct gantry_edge_vpc_list vpcs = {0};
    struct gantry_edge_interface_list interfaces = {0};
    struct gantry_edge_instance_list instances = {0};
    ec2_edge_desired(w->core, &a, &vpcs, &interfaces, &instances);
    for (size_t i = 0; i < interfaces.n; i++)
        assert_int_equal(interfaces.v[i].use, GANTRY_EDGE_INTERFACE_USE_TASK);
    return interfaces.n;
}

#define ASSERT_IS(w, c, arn, status_, attachment_)                                       \
    do {                                                                                 \
        const struct ecs_task *t_ = look(w, c, arn);                                     \
        assert_string_equal(t_->last_status, status_);                                   \
        assert_string_equal(t_->attachments.v[0].status, attachment_);                   \
    } while (0)

/* ---- ---- */

static void a_host_that_never_attaches_is_not_waited_for(void **state)
{
    struct calls w;
    struct call c = {0};
    char *instance = open_world(&w, &c, "");
    char *arn = xstrdup(run(&w, &c, 1)->tasks.v[0].task_arn);
    ASSERT_IS(&w, &c, arn, "PROVISIONING", "ATTACHING");
    calls_pass(&w, 2 * MINUTE_MS);
    calls_restart(&w); /* the time goes on */
    ASSERT_IS(&w, &c, arn, "PROVISIONING", "ATTACHING");
    calls_pass(&w, MINUTE_MS);
    ASSERT_IS(&w, &c, arn, "DEPROVISIONING", "ATTACHING");
    const struct ecs_task *t = look(&w, &c, arn);
    assert_string_equal(
        t->stopped_reason,
        "Timeout waiting for network interface provisioning to complete.");
    assert_int_equal(t->stop_code, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START);
    assert_int_equal(interfaces_of(&w), 1); /* its host may have it still */
    report(&w, &c, arn, "STOPPED");
    ASSERT_IS(&w, &c, arn, "STOPPED", "DELETED");
    assert_int_equal(interfaces_of(&w), 0);
    free(arn);
    close_world(&w, &c, instance);
}

static void an_attached_one_has_all_the_time(void **state)
{
    struct calls w;
    struct call c = {0};
    char *instance = open_world(&w, &c, "");
    char *arn = xstrdup(run(&w, &c, 1)->tasks.v[0].task_arn);
    say(&w, &c, arn, "ATTACHED");
    ASSERT_IS(&w, &c, arn, "PENDING", "ATTACHED");
    calls_pass(&w, 60 * MINUTE_MS);
    ASSERT_IS(&w, &c, arn, "PENDING", "ATTACHED"); /* an image may be large */
    say(&w, &c, arn, "DETACHING");
    ASSERT_IS(&w, &c, arn, "DEPROVISIONING", "DETACHING");
    assert_string_equal(look(&w, &c, arn)->desired_status, "STOPPED");
    say(&w, &c, arn, "ATTACHED"); /* was late */
    ASSERT_IS(&w, &c, arn, "DEPROVISIONING", "DETACHING");
    free(arn);
    close_world(&w, &c, instance);
}

static void a_lost_instance_takes_its_interfaces_along(void **state)
{
    struct calls w;
    struct call c = {0};
    char *instance = open_world(&w, &c, "");
    assert_int_equal(run(&w, &c, 3)->tasks.n, 3);
    assert_int_equal(interfaces_of(&w), 3);
    assert_non_null(CALL(&w, &c, "DeregisterContainerInstance",
                         "{'cluster':'c','containerInstance':'%s','force':true}",
                         instance));
    assert_int_equal(interfaces_of(&w), 0);
    close_world(&w, &c, instance);
}

static void lose_run(struct core *core, struct core_task *task)
{
    static const char *const owners[] = {
        "arn:aws:ecs:us-east-1:000000000000:task/c/0123456789abcdef0123456789abcdef",
        "?"};
    struct ec2_scope s = {"000000000000", "us-east-1"};
    AUTO_ARENA a = ARENA_INIT;
    struct string_list subnets = {0};
    ec2_default_subnets(core, &s, &a, &subnets);
    for (size_t i = 0; i < COUNT(owners); i++) {
        struct ec2_interface_want want = {.scope = s,
                                          .subnet_id = subnets.v[0],
                                          .use = GANTRY_EDGE_INTERFACE_USE_TASK,
                                          .owner = owners[i]};
        struct ec2_interface_info info;
        struct error err;
        assert_int_equal(ec2_interface_create(core, &want, &info, &err), 0);
    }
}

static void one_whose_task_is_gone_is_swept(void **state)
{
    struct calls w;
    struct call c = {0};
    struct core_task lose = {.run = lose_run};
    char *instance = open_world(&w, &c, "");
    char *arn = xstrdup(run(&w, &c, 1)->tasks.v[0].task_arn);
    core_execute(w.core, &lose);
    calls_settle(&w);
    assert_int_equal(interfaces_of(&w), 3);
    calls_restart(&w);
    assert_int_equal(interfaces_of(&w), 1);
    ASSERT_IS(&w, &c, arn, "PROVISIONING", "ATTACHING");
    free(arn);
    close_world(&w, &c, instance);
}

/* ---- addresses run out ---- */

struct filling {
    struct core_task task;
    const char *subnet;
};

static void fill_run(struct core *core, struct core_task *task)
{
    struct filling *f = list_entry(task, struct filling, task);
    struct ec2_interface_want want = {.scope = {"000000000000", "us-east-1"},
                                      .subnet_id = f->subnet,
                                      .use = GANTRY_EDGE_INTERFACE_USE_TASK};
    struct ec2_interface_info info;
    struct error err;
    int r;
    while ((r = ec2_interface_create(core, &want, &info, &err)) == 0)
        ;
    assert_int_equal(r, -E_FULL);
}

static void no_address_no_task(void **state)
{
    struct calls w;
    struct call c = {0};
    char *instance = open_world(&w, &c, "");
    struct filling f = {.task = {.run = fill_run}, .subnet = calls_subnet(&w, 0)};
    core_execute(w.core, &f.task);
    calls_settle(&w);
    char *arn = xstrdup(run(&w, &c, 1)->tasks.v[0].task_arn);
    const struct ecs_task *t = look(&w, &c, arn);
    assert_string_equal(t->last_status, "STOPPED");
    assert_int_equal(t->stop_code, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START);
    assert_non_null(strstr(t->stopped_reason, "InsufficientFreeAddressesInSubnet"));
    assert_non_null(strstr(t->stopped_reason, calls_subnet(&w, 0)));
    assert_non_null(CALL(&w, &c, "CreateService",
                         "{'cluster':'c','serviceName':'s','taskDefinition':'f',"
                         "'desiredCount':1,'networkConfiguration':{'awsvpcConfiguration':"
                         "{'subnets':['%s']}}}",
                         calls_subnet(&w, 0)));
    calls_pass(&w, MINUTE_MS);
    struct ecs_list_tasks_response *out =
        CALL(&w, &c, "ListTasks",
             "{'cluster':'c','serviceName':'s','desiredStatus':'STOPPED'}");
    assert_true(out->task_arns.n >= 1 && out->task_arns.n < 20); /* with growing pauses */
    free(arn);
    close_world(&w, &c, instance);
}

/* ---- limits of types ---- */

static void a_type_has_so_many_interfaces(void **state)
{
    static const struct {
        const char *attributes, *trunking;
        size_t fit;
    } rows[] = {
        {",{'name':'ecs.instance-type','value':'c5.large'}", "disabled", 2},
        {",{'name':'ecs.instance-type','value':'c5.large'}", "enabled", 10},
        {",{'name':'ecs.instance-type','value':'gantry.local'}", "disabled", 20},
        {"", "disabled", 20},
    };
    for (size_t r = 0; r < COUNT(rows); r++) {
        struct calls w;
        struct call c = {0};
        char *instance = open_world(&w, &c, "");
        free(instance);
        assert_non_null(CALL(&w, &c, "PutAccountSettingDefault",
                             "{'name':'awsvpcTrunking','value':'%s'}", rows[r].trunking));
        assert_non_null(CALL(&w, &c, "CreateCluster", "{'clusterName':'d'}"));
        instance = add_host(&w, &c, "d", rows[r].attributes);
        size_t fit = 0;
        const char *why = NULL;
        for (int i = 0; i < 20 && !why; i++) {
            struct ecs_run_task_response *out =
                CALL(&w, &c, "RunTask",
                     "{'cluster':'d','taskDefinition':'f','networkConfiguration':"
                     "{'awsvpcConfiguration':{'subnets':['%s']}}}",
                     calls_subnet(&w, 0));
            fit += out->tasks.n;
            why = out->failures.n ? out->failures.v[0].reason : NULL;
        }
        assert_int_equal(fit, rows[r].fit);
        if (fit < 20)
            assert_string_equal(why, "RESOURCE:ENI");
        close_world(&w, &c, instance);
    }
}

/* ---- crashes ---- */

static int batches_until_crash;

static bool crash_in_time(struct calls *w)
{
    return batches_until_crash > 0 && --batches_until_crash == 0;
}

static bool has_task(struct calls *w, struct call *c, const char *arn)
{
    return arn && look(w, c, arn);
}

/* The host says everything again and again, as a real one does. */
static void host_says(struct calls *w, struct call *c, const char *arn,
                      const char *attachment, const char *status)
{
    for (int again = 0; again < 2; again++) {
        if (attachment)
            say(w, c, arn, attachment);
        if (status)
            report(w, c, arn, status);
    }
}

static void live_once(struct calls *w, struct call *c)
{
    struct ecs_run_task_response *out = run(w, c, 1);
    char *arn = xstrdup(out->tasks.v[0].task_arn);
    if (!has_task(w, c, arn)) /* the crash took it back: the caller never had an answer */
        goto out;
    host_says(w, c, arn, "ATTACHED", NULL);
    host_says(w, c, arn, NULL, "RUNNING");
    for (int again = 0; again < 2; again++)
        assert_non_null(CALL(w, c, "StopTask", "{'cluster':'c','task':'%s'}", arn));
    host_says(w, c, arn, "DETACHING", NULL);
    host_says(w, c, arn, NULL, "STOPPED");
    ASSERT_IS(w, c, arn, "STOPPED", "DELETED");
out:
    assert_int_equal(interfaces_of(w), 0);
    free(arn);
}

static void no_crash_leaves_an_interface(void **state)
{
    for (int at = 1; at < 16; at++) {
        struct calls w;
        struct call c = {0};
        char *instance = open_world(&w, &c, "");
        calls_subnet(&w, 0);
        calls_crash = crash_in_time;
        batches_until_crash = at;
        w.pace = 1;
        live_once(&w, &c);
        assert_true(at > 10 || batches_until_crash == 0);
        batches_until_crash = 0;
        calls_crash = NULL;
        live_once(&w, &c);
        close_world(&w, &c, instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_never_attaches_is_not_waited_for),
        cmocka_unit_test(an_attached_one_has_all_the_time),
        cmocka_unit_test(a_lost_instance_takes_its_interfaces_along),
        cmocka_unit_test(one_whose_task_is_gone_is_swept),
        cmocka_unit_test(no_address_no_task),
        cmocka_unit_test(a_type_has_so_many_interfaces),
        cmocka_unit_test(no_crash_leaves_an_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
