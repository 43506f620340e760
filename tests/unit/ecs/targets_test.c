/* Tasks behind load balancers in a whole core under a virtual clock: the host and the edge
 * are played by the test, and the core starts again from the store after every step. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "service_history.h"

#define MACHINE "i-0123456789abcdef0"
#define DELAY   30 /* seconds of draining */

struct world {
    struct calls at;
    struct call c;
    char *instance, *group, *other, *rule, *balancer;
    char *old, *new; /* task definitions */
    int ports;
    /* What the host was told last of a task. */
    char told[64][40];
    char told_status[64][16];
    unsigned told_count;
};

static void on_task(void *ctx, struct core *core, const char *arn,
                    const struct gantry_host_task *t,
                    const struct gantry_host_credentials_list *credentials)
{
    struct world *w = ctx;
    unsigned k = 0;
    while (k < w->told_count && !streq(w->told[k], t->task_id))
        k++;
    assert_true(k < 64);
    w->told_count = k == w->told_count ? k + 1 : w->told_count;
    snprintf(w->told[k], sizeof(w->told[k]), "%s", t->task_id);
    snprintf(w->told_status[k], sizeof(w->told_status[k]), "%s", t->desired_status);
}

static void on_forgotten(void *ctx, struct core *core, const char *arn, const char *task)
{
}

static void on_images(void *ctx, struct core *core, const char *arn,
                      const struct gantry_host_image_list *images)
{
}

static void attach(struct calls *calls)
{
    static const struct ecs_host_ops ops = {
        .task_changed = on_task, .task_forgotten = on_forgotten, .images = on_images};
    ecs_set_host_ops(calls->core, &ops, list_entry(calls, struct world, at));
}

#define DO(name, ...)                                                                    \
    ({                                                                                   \
        void *out_ = CALL(&w->at, &w->c, name, __VA_ARGS__);                             \
        if (!out_)                                                                       \
            fail_msg("%s: %s", name, w->c.fault_text);                                   \
        out_;                                                                            \
    })
#define REFUSED(name, text, ...)                                                         \
    do {                                                                                 \
        assert_null(CALL(&w->at, &w->c, name, __VA_ARGS__));                             \
        if (!strstr(w->c.fault_text, text))                                              \
            fail_msg("%s", w->c.fault_text);                                             \
    } while (0)

/* ---- the world ---- */

struct machine {
    struct core_task task;
    struct world *w;
};

static void machine_run(struct core *core, struct core_task *task)
{
    struct world *w = list_entry(task, struct machine, task)->w;
    struct ec2_scope scope = {"000000000000", "us-east-1"};
    struct ec2_instance_info info;
    struct error err;
    assert_int_equal(ec2_machine_ensure(core, &scope, MACHINE, "gantry.local",
                                        "us-east-1a", &info, &err),
                     0);
    struct instance *i = instance_by_arn(core, w->instance);
    i->rec->instance->ec2_instance_id = MACHINE;
    object_save(core, &i->o);
}

static char *make_group(struct world *w, const char *name)
{
    char vpc[64];
    struct ec2_describe_vpcs_result *v = DO("ec2.DescribeVpcs", "{}");
    snprintf(vpc, sizeof(vpc), "%s", v->vpcs.v[0].vpc_id);
    struct elbv2_create_target_group_output *g =
        DO("elbv2.CreateTargetGroup",
           "{'Name':'%s','Protocol':'HTTP','Port':80,'VpcId':'%s'}", name, vpc);
    char *arn = xstrdup(g->target_groups.v[0].target_group_arn);
    DO("elbv2.ModifyTargetGroupAttributes",
       "{'TargetGroupArn':'%s','Attributes':[{'Key':"
       "'deregistration_delay.timeout_seconds','Value':'%d'}]}",
       arn, DELAY);
    return arn;
}

static void make_balancer(struct world *w)
{
    char subnets[2][64];
    struct ec2_describe_subnets_result *s = DO("ec2.DescribeSubnets", "{}");
    for (int i = 0; i < 2; i++)
        snprintf(subnets[i], sizeof(subnets[i]), "%s", s->subnets.v[i].subnet_id);
    struct elbv2_create_load_balancer_output *b =
        DO("elbv2.CreateLoadBalancer", "{'Name':'web','Subnets':['%s','%s']}", subnets[0],
           subnets[1]);
    char arn[256];
    snprintf(arn, sizeof(arn), "%s", b->load_balancers.v[0].load_balancer_arn);
    w->balancer = xstrdup(arn);
    struct elbv2_create_listener_output *l =
        DO("elbv2.CreateListener",
           "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':"
           "[{'Type':'forward','ForwardConfig':{'TargetGroups':[{'TargetGroupArn':'%s',"
           "'Weight':1},{'TargetGroupArn':'%s','Weight':0}]}}]}",
           arn, w->group, w->other);
    struct elbv2_describe_rules_output *r =
        DO("elbv2.DescribeRules", "{'ListenerArn':'%s'}", l->listeners.v[0].listener_arn);
    w->rule = xstrdup(r->rules.v[0].rule_arn);
}

static int world_new(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    w->ports = 49153;
    calls_attached = attach;
    calls_open(&w->at);
    struct ecs_register_container_instance_response *i =
        DO("RegisterContainerInstance",
           "{'totalResources':[{'name':'CPU','type':'INTEGER','integerValue':4096},"
           "{'name':'MEMORY','type':'INTEGER','integerValue':4096}]}");
    w->instance = xstrdup(i->container_instance->container_instance_arn);
    struct machine m = {.task = {.run = machine_run}, .w = w};
    core_execute(w->at.core, &m.task);
    calls_settle(&w->at);
    for (int n = 0; n < 2; n++) {
        struct ecs_register_task_definition_response *out =
            DO("RegisterTaskDefinition",
               "{'family':'f','containerDefinitions':[{'name':'a','image':'x',"
               "'memory':100,'cpu':%d,'portMappings':[{'containerPort':80}]}]}",
               10 + n);
        *(n ? &w->new : &w->old) = xstrdup(out->task_definition->task_definition_arn);
    }
    w->group = make_group(w, "one");
    w->other = make_group(w, "two");
    make_balancer(w);
    calls_connected(&w->at, w->instance, true);
    *state = w;
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    arena_free(&w->c.arena);
    calls_close(&w->at);
    free(w->instance);
    free(w->group);
    free(w->other);
    free(w->rule);
    free(w->balancer);
    free(w->old);
    free(w->new);
    free(w);
    return 0;
}

static void crash(struct world *w)
{
    calls_restart(&w->at);
    calls_connected(&w->at, w->instance, true);
}

/* ---- played: host and edge ---- */

static struct task *task_nth(struct world *w, const char *taskdef, unsigned n)
{
    struct cluster *cl =
        table_next(ecs_of(w->at.core)->clusters, "/ecs/cluster/", "/ecs/cluster/");
    list_for_each (it, &cl->tasks) {
        struct task *t = list_entry(it, struct task, link);
        if (streq(t->rec->task->task_definition_arn, taskdef) && n-- == 0)
            return t;
    }
    return NULL;
}

static unsigned count(struct world *w, const char *taskdef, enum task_status status)
{
    unsigned n = 0;
    struct task *t;
    for (unsigned i = 0; (t = task_nth(w, taskdef, i)); i++)
        n += t->status == status;
    return n;
}

static const char *told(struct world *w, const struct task *t)
{
    for (unsigned k = 0; k < w->told_count; k++)
        if (streq(w->told[k], ecs_last_segment(t->rec->task->task_arn)))
            return w->told_status[k];
    return "nothing";
}

/* Each task that waits to run runs, on a port of its own; each that was told to stop ends. */
static void obey(struct world *w, const char *taskdef)
{
    struct task *t;
    for (unsigned i = 0; (t = task_nth(w, taskdef, i)); i++) {
        if (t->status == TASK_PENDING)
            DO("SubmitTaskStateChange",
               "{'task':'%s','status':'RUNNING','containers':[{'containerName':'a',"
               "'status':'RUNNING','networkBindings':[{'bindIP':'0.0.0.0',"
               "'containerPort':80,'hostPort':%d,'protocol':'tcp'}]}]}",
               t->rec->task->task_arn, w->ports++);
        else if (t->status == TASK_STOPPING && streq(told(w, t), "STOPPED"))
            DO("SubmitTaskStateChange",
               "{'task':'%s','status':'STOPPED','containers':[{'containerName':'a',"
               "'status':'STOPPED','exitCode':0}]}",
               t->rec->task->task_arn);
    }
}

struct verdict {
    struct core_task task;
    struct gantry_edge_target_health h;
};

static void verdict_run(struct core *core, struct core_task *task)
{
    elbv2_edge_health(core, &list_entry(task, struct verdict, task)->h);
}

/* The edge has looked at all targets of a definition's tasks. */
static void judge(struct world *w, const char *taskdef, const char *state,
                  const char *reason)
{
    struct task *t;
    for (unsigned i = 0; (t = task_nth(w, taskdef, i)); i++)
        for (size_t k = 0; k < t->rec->targets.n; k++) {
            struct verdict v = {
                .task = {.run = verdict_run},
                .h = {.target_group_arn = t->rec->targets.v[k].target_group_arn,
                      .id = t->rec->targets.v[k].id,
                      .port = t->rec->targets.v[k].port,
                      .state = state,
                      .reason = reason}};
            core_execute(w->at.core, &v.task);
            calls_settle(&w->at);
        }
}

static size_t targets(struct world *w, const char *group, const char *state)
{
    struct elbv2_describe_target_health_output *out =
        DO("elbv2.DescribeTargetHealth", "{'TargetGroupArn':'%s'}", group);
    size_t n = 0;
    for (size_t i = 0; i < out->target_health_descriptions.n; i++)
        n += streq(wire_enum_name(
                       &elbv2_target_health_state_enum_shape,
                       (int)out->target_health_descriptions.v[i].target_health->state),
                   state);
    return n;
}

static const struct ecs_service *service(struct world *w)
{
    struct ecs_describe_services_response *out =
        DO("DescribeServices", "{'services':['s']}");
    return &out->services.v[0];
}

static bool has_event(struct world *w, const char *text)
{
    const struct ecs_service *s = service(w);
    for (size_t i = 0; i < s->events.n; i++)
        if (strstr(s->events.v[i].message, text))
            return true;
    return false;
}

#define CREATE                                                                           \
    "{'serviceName':'s','taskDefinition':'%s','desiredCount':2,'loadBalancers':["        \
    "{'targetGroupArn':'%s','containerName':'a','containerPort':80}]"

/* ---- tests ---- */

static void healthy_is_what_counts(void **state)
{
    struct world *w = *state;
    DO("CreateService", CREATE "}", w->old, w->group);
    obey(w, w->old);
    assert_int_equal(targets(w, w->group, "initial"), 2);
    assert_true(has_event(w, "(service s) registered 1 targets in (target-group "));
    calls_pass(&w->at, 60000);
    assert_false(has_event(w, "steady state"));
    judge(w, w->old, "healthy", NULL);
    assert_true(has_event(w, "(service s) has reached a steady state."));
    assert_int_equal(service(w)->deployments.v[0].rollout_state,
                     ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
}

/* New healthy → old draining → the delay → only then is its host told. */
static void order_of_a_replacement(void **state)
{
    struct world *w = *state;
    DO("CreateService", CREATE "}", w->old, w->group);
    obey(w, w->old);
    judge(w, w->old, "healthy", NULL);
    DO("UpdateService", "{'service':'s','taskDefinition':'%s'}", w->new);
    crash(w);
    judge(w, w->old, "healthy", NULL);
    obey(w, w->new);
    calls_pass(&w->at, 100000);
    assert_int_equal(count(w, w->old, TASK_RUNNING), 2);
    crash(w);
    judge(w, w->old, "healthy", NULL);
    judge(w, w->new, "healthy", NULL);
    assert_int_equal(count(w, w->old, TASK_DEACTIVATING), 2);
    assert_int_equal(targets(w, w->group, "draining"), 2);
    assert_true(has_event(w, "(service s) has begun draining connections on 1 tasks."));
    crash(w);
    judge(w, w->new, "healthy", NULL);
    calls_pass(&w->at, DELAY * 1000 - 1000);
    assert_int_equal(count(w, w->old, TASK_DEACTIVATING), 2);
    assert_string_equal(told(w, task_nth(w, w->old, 0)), "RUNNING");
    calls_pass(&w->at, 2000);
    assert_int_equal(count(w, w->old, TASK_STOPPING), 2);
    assert_string_equal(told(w, task_nth(w, w->old, 0)), "STOPPED");
    crash(w);
    obey(w, w->old);
    assert_int_equal(count(w, w->old, TASK_STOPPED), 2);
    assert_int_equal(targets(w, w->group, "draining"), 0);
    judge(w, w->new, "healthy", NULL);
    assert_int_equal(service(w)->running_count.v, 2);
}

/* The delay passes while the server is away. */
static void drained_while_away(void **state)
{
    struct world *w = *state;
    DO("CreateService", CREATE "}", w->old, w->group);
    obey(w, w->old);
    judge(w, w->old, "healthy", NULL);
    DO("UpdateService", "{'service':'s','desiredCount':0}");
    assert_int_equal(count(w, w->old, TASK_DEACTIVATING), 2);
    w->at.now_ms += DELAY * 1000 + 1;
    crash(w);
    calls_pass(&w->at, 1);
    assert_int_equal(count(w, w->old, TASK_STOPPING), 2);
}

static void unhealthy_is_replaced(void **state)
{
    struct world *w = *state;
    DO("CreateService", CREATE ",'healthCheckGracePeriodSeconds':120}", w->old, w->group);
    obey(w, w->old);
    judge(w, w->old, "unhealthy", "Target.FailedHealthChecks");
    calls_pass(&w->at, 100000);
    assert_true(has_event(w, "(port 49153) is unhealthy in (target-group "));
    assert_null(task_nth(w, w->old, 2)); /* within its grace */
    calls_pass(&w->at, 30000);
    assert_non_null(task_nth(w, w->old, 2));
    obey(w, w->old);
    calls_pass(&w->at, 1000);
    assert_int_equal(count(w, w->old, TASK_DEACTIVATING), 2);
    struct task *t = task_nth(w, w->old, 0);
    assert_true(strstr(t->rec->task->stopped_reason,
                       "Task failed ELB health checks in (target-group arn:") != NULL);
}

/* A task that ends by itself is no target any more, and nobody waits for it. */
static void dead_is_deregistered(void **state)
{
    struct world *w = *state;
    DO("CreateService", CREATE "}", w->old, w->group);
    obey(w, w->old);
    judge(w, w->old, "healthy", NULL);
    DO("SubmitTaskStateChange",
       "{'task':'%s','status':'STOPPED','containers':[{'containerName':'a','status':"
       "'STOPPED','exitCode':1}]}",
       task_nth(w, w->old, 0)->rec->task->task_arn);
    assert_int_equal(count(w, w->old, TASK_STOPPED), 1);
    assert_int_equal(targets(w, w->group, "draining"), 1);
    DO("StopTask", "{'task':'%s'}", task_nth(w, w->old, 1)->rec->task->task_arn);
    assert_int_equal(count(w, w->old, TASK_DEACTIVATING), 1);
    DO("DeleteService", "{'service':'s','force':true}");
    calls_pass(&w->at, DELAY * 1000 + 1);
    assert_int_equal(task_nth(w, w->old, 1)->status, TASK_STOPPING);
}

static int weight(struct world *w, const char *group)
{
    struct elbv2_describe_rules_output *r =
        DO("elbv2.DescribeRules", "{'RuleArns':['%s']}", w->rule);
    const struct elbv2_forward_action_config *f =
        r->rules.v[0].actions.v[0].forward_config;
    for (size_t i = 0; f && i < f->target_groups.n; i++)
        if (streq(f->target_groups.v[i].target_group_arn, group))
            return f->target_groups.v[i].weight.v;
    return -1;
}

/* The listener shows what its default rule does. */
static int listener_weight(struct world *w, const char *group)
{
    struct elbv2_describe_listeners_output *l =
        DO("elbv2.DescribeListeners", "{'LoadBalancerArn':'%s'}", w->balancer);
    const struct elbv2_forward_action_config *f =
        l->listeners.v[0].default_actions.v[0].forward_config;
    for (size_t i = 0; f && i < f->target_groups.n; i++)
        if (streq(f->target_groups.v[i].target_group_arn, group))
            return f->target_groups.v[i].weight.v;
    return -1;
}

static void blue_and_green_take_turns(void **state)
{
    struct world *w = *state;
    DO("CreateService",
       "{'serviceName':'s','taskDefinition':'%s','desiredCount':2,"
       "'deploymentConfiguration':{'strategy':'BLUE_GREEN','bakeTimeInMinutes':1},"
       "'loadBalancers':[{'targetGroupArn':'%s','containerName':'a','containerPort':80,"
       "'advancedConfiguration':{'alternateTargetGroupArn':'%s',"
       "'productionListenerRule':'%s','roleArn':'arn:aws:iam::000000000000:role/r'}}]}",
       w->old, w->group, w->other, w->rule);
    /* Whoever asks before the first one is complete is never sent to the empty group. */
    obey(w, w->old);
    assert_true(weight(w, w->group) > 0 && weight(w, w->other) == 0);
    judge(w, w->old, "healthy", NULL);
    for (int i = 0; i < 12; i++)
        calls_pass(&w->at, 10000);
    assert_int_equal(service(w)->deployments.v[0].rollout_state,
                     ECS_DEPLOYMENT_ROLLOUT_STATE_COMPLETED);
    assert_true(weight(w, w->group) > 0 && weight(w, w->other) == 0);
    DO("UpdateService", "{'service':'s','taskDefinition':'%s'}", w->new);
    obey(w, w->new);
    assert_int_equal(targets(w, w->other, "initial"), 2);
    calls_pass(&w->at, 60000);
    assert_true(weight(w, w->group) > 0 && weight(w, w->other) == 0);
    judge(w, w->new, "healthy", NULL);
    for (int i = 0; i < 12; i++) {
        calls_pass(&w->at, 10000);
        obey(w, w->old);
    }
    assert_true(weight(w, w->other) > 0 && weight(w, w->group) == 0);
    assert_int_equal(listener_weight(w, w->other), weight(w, w->other));
    for (int i = 0; i < 12; i++) {
        calls_pass(&w->at, 10000);
        obey(w, w->old);
    }
    assert_int_equal(count(w, w->old, TASK_STOPPED), 2);
}

static void what_is_refused(void **state)
{
    struct world *w = *state;
    REFUSED("CreateService", "The container b does not exist in the task definition",
            "{'serviceName':'s','taskDefinition':'%s','desiredCount':1,'loadBalancers':["
            "{'targetGroupArn':'%s','containerName':'b','containerPort':80}]}",
            w->old, w->group);
    REFUSED("CreateService", "The container a did not have a container port 81 defined",
            "{'serviceName':'s','taskDefinition':'%s','desiredCount':1,'loadBalancers':["
            "{'targetGroupArn':'%s','containerName':'a','containerPort':81}]}",
            w->old, w->group);
    REFUSED("CreateService", "loadBalancerName and targetGroupArn cannot both",
            "{'serviceName':'s','taskDefinition':'%s','desiredCount':1,'loadBalancers':["
            "{'targetGroupArn':'%s','loadBalancerName':'x','containerName':'a',"
            "'containerPort':80}]}",
            w->old, w->group);
    REFUSED("CreateService", "does not exist",
            "{'serviceName':'s','taskDefinition':'%s','desiredCount':1,'loadBalancers':["
            "{'targetGroupArn':'%sx','containerName':'a','containerPort':80}]}",
            w->old, w->group);
    char *unused = make_group(w, "three");
    REFUSED("CreateService", "does not have an associated load balancer",
            "{'serviceName':'s','taskDefinition':'%s','desiredCount':1,'loadBalancers':["
            "{'targetGroupArn':'%s','containerName':'a','containerPort':80}]}",
            w->old, unused);
    free(unused);
    REFUSED("CreateService", "advancedConfiguration field is required",
            CREATE ",'deploymentConfiguration':{'strategy':'BLUE_GREEN',"
                   "'bakeTimeInMinutes':1}}",
            w->old, w->group);
}

#define WORLD_TEST(t) cmocka_unit_test_setup_teardown(t, world_new, world_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(healthy_is_what_counts), WORLD_TEST(order_of_a_replacement),
        WORLD_TEST(drained_while_away),     WORLD_TEST(unhealthy_is_replaced),
        WORLD_TEST(dead_is_deregistered),   WORLD_TEST(blue_and_green_take_turns),
        WORLD_TEST(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
