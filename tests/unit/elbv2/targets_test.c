/* Targets under a virtual clock: draining, health, instances that stop, what the edge is told
 * and how often, restarts. */
#include "unit.h"

#include "ec2/world.h"
#include "ec2_instance.h"
#include "elbv2.h"

#define TARGET "172.31.0.10"

static char group[160], balancer[160], listener[200];
static struct str seen; /* what the watch was told */

static void told_balancer(void *ctx, struct core *core,
                          const struct gantry_edge_balancer *b)
{
    str_addf(&((struct world *)ctx)->told, "balancer listeners=%zu interfaces=%zu\n",
             b->listeners.n, b->interfaces.n);
}

static void told_balancer_gone(void *ctx, struct core *core, const char *arn)
{
    str_add(&((struct world *)ctx)->told, "balancer gone\n");
}

static void told_targets(void *ctx, struct core *core,
                         const struct gantry_edge_target_group *g)
{
    size_t draining = 0;
    for (size_t i = 0; i < g->targets.n; i++)
        draining += g->targets.v[i].draining.v;
    str_addf(&((struct world *)ctx)->told, "targets=%zu draining=%zu\n", g->targets.n,
             draining);
}

static void told_targets_gone(void *ctx, struct core *core, const char *arn)
{
    str_add(&((struct world *)ctx)->told, "targets gone\n");
}

static const struct elbv2_edge_ops edge = {
    .balancer = told_balancer,
    .balancer_gone = told_balancer_gone,
    .targets = told_targets,
    .targets_gone = told_targets_gone,
};

static void changed(void *ctx, struct core *core, const struct elbv2_target *t,
                    enum elbv2_target_status status)
{
    str_addf(&seen, "%s:%d=%d ", t->id, t->port, (int)status);
}

static void attach(struct world *w)
{
    elbv2_attach(w->core);
    elbv2_set_edge_ops(w->core, &edge, w);
    elbv2_set_watch(w->core, &(struct elbv2_watch){.target_changed = changed});
}

static void saw(const char *expected)
{
    assert_string_equal(str_text(&seen), expected);
    str_clear(&seen);
}

static void make_group(struct world *w, const char *type)
{
    AUTO_ARENA a = ARENA_INIT;
    struct string_list subnets = {0};
    ec2_default_subnets(w->core, &world_scope, &a, &subnets);
    struct ec2_subnet_info subnet;
    struct error err;
    assert_int_equal(ec2_subnet_find(w->core, &world_scope, subnets.v[0], &subnet, &err),
                     0);
    struct elbv2_create_target_group_output *out =
        CALL(w, "elbv2.CreateTargetGroup",
             "{'Name':'g','Protocol':'HTTP','Port':80,'VpcId':'%s','TargetType':'%s'}",
             subnet.vpc_id, type);
    assert_non_null(out);
    snprintf(group, sizeof(group), "%s", out->target_groups.v[0].target_group_arn);
}

static void make_listener(struct world *w)
{
    char first[32];
    snprintf(first, sizeof(first), "%s", world_subnet(w, 0));
    struct elbv2_create_load_balancer_output *out =
        CALL(w, "elbv2.CreateLoadBalancer", "{'Name':'b','Subnets':['%s','%s']}", first,
             world_subnet(w, 1));
    assert_non_null(out);
    snprintf(balancer, sizeof(balancer), "%s",
             out->load_balancers.v[0].load_balancer_arn);
    struct elbv2_create_listener_output *made =
        CALL(w, "elbv2.CreateListener",
             "{'LoadBalancerArn':'%s','Protocol':'HTTP','Port':80,'DefaultActions':["
             "{'Type':'forward','TargetGroupArn':'%s'}]}",
             balancer, group);
    assert_non_null(made);
    snprintf(listener, sizeof(listener), "%s", made->listeners.v[0].listener_arn);
}

static void open(struct world *w, const char *type)
{
    world_more.prefix = "elbv2.";
    world_more.wire = &elbv2_service_api;
    world_more.rows = elbv2_operations;
    world_more.attach = attach;
    world_open(w, true);
    make_group(w, type);
    make_listener(w);
    str_clear(&w->told);
    str_clear(&seen);
}

static void close_world(struct world *w)
{
    world_close(w);
    str_free(&seen);
}

static void target(struct world *w, const char *operation, const char *id)
{
    AUTO_STR name = STR_INIT;
    str_addf(&name, "elbv2.%s", operation);
    assert_non_null(CALL(w, str_text(&name),
                         "{'TargetGroupArn':'%s','Targets':[{'Id':'%s'}]}", group, id));
}

static const struct elbv2_target_health *health(struct world *w, const char *id)
{
    struct elbv2_describe_target_health_output *out =
        CALL(w, "elbv2.DescribeTargetHealth",
             "{'TargetGroupArn':'%s','Targets':[{'Id':'%s'}]}", group, id);
    assert_int_equal(out->target_health_descriptions.n, 1);
    return out->target_health_descriptions.v[0].target_health;
}

static void is(struct world *w, const char *id, enum elbv2_target_health_state_enum state,
               const char *description)
{
    const struct elbv2_target_health *h = health(w, id);
    assert_int_equal(h->state, state);
    if (description)
        assert_string_equal(h->description, description);
    else
        assert_null(h->description);
}

struct news {
    struct core_task task;
    struct gantry_edge_target_health health;
};

static void hear(struct core *core, struct core_task *task)
{
    elbv2_edge_health(core, &((struct news *)task)->health);
}

static void found(struct world *w, const char *state, const char *reason,
                  const char *description)
{
    struct news n = {.task.run = hear,
                     .health = {.target_group_arn = group,
                                .id = TARGET,
                                .port = SET_INT(80),
                                .state = state,
                                .reason = reason,
                                .description = description}};
    core_execute(w->core, &n.task);
    world_settle(w);
}

/* ---- tests ---- */

static void draining_lasts_the_whole_delay(void **state)
{
    struct world w;
    open(&w, "ip");
    target(&w, "RegisterTargets", TARGET);
    found(&w, "healthy", NULL, NULL);
    str_clear(&w.told);
    str_clear(&seen);
    target(&w, "DeregisterTargets", TARGET);
    world_told(&w, "targets=1 draining=1\n");
    w.now_ms += 299 * 1000;
    world_settle(&w);
    found(&w, "healthy", NULL, NULL); /* late: it drains none the less */
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_DRAINING,
       "Target deregistration is in progress");
    target(&w, "DeregisterTargets", TARGET); /* does not begin anew */
    world_restart(&w);
    str_clear(&w.told);
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_DRAINING,
       "Target deregistration is in progress");
    w.now_ms += 1000;
    world_settle(&w);
    world_told(&w, "targets=0 draining=0\n");
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_UNUSED,
       "Target is not registered to the target group");
    saw(TARGET ":80=4 " TARGET ":80=0 ");
    close_world(&w);
}

static void registering_again_ends_draining(void **state)
{
    struct world w;
    open(&w, "ip");
    target(&w, "RegisterTargets", TARGET);
    found(&w, "healthy", NULL, NULL);
    target(&w, "DeregisterTargets", TARGET);
    w.now_ms += 100 * 1000;
    str_clear(&w.told);
    target(&w, "RegisterTargets", TARGET);
    world_told(&w, "targets=1 draining=0\n");
    w.now_ms += 900 * 1000;
    world_settle(&w);
    world_told(&w, "");
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_INITIAL,
       "Target registration is in progress");
    close_world(&w);
}

static void health_is_what_the_edge_found(void **state)
{
    struct world w;
    open(&w, "ip");
    found(&w, "healthy", NULL, NULL); /* nobody knows it */
    target(&w, "RegisterTargets", TARGET);
    found(&w, "initial", "Elb.InitialHealthChecking", NULL);
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_INITIAL,
       "Initial health checks in progress");
    found(&w, "unhealthy", "Target.Timeout", NULL);
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_UNHEALTHY, "Request timed out");
    found(&w, "nonsense", NULL, NULL);
    found(&w, "unhealthy", "Target.ResponseCodeMismatch",
          "Health checks failed with these codes: [503]");
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_UNHEALTHY,
       "Health checks failed with these codes: [503]");
    found(&w, "healthy", NULL, NULL);
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_HEALTHY, NULL);
    saw(TARGET ":80=1 " TARGET ":80=3 " TARGET ":80=2 ");
    world_restart(&w); /* the edge will say it again */
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_INITIAL,
       "Target registration is in progress");
    close_world(&w);
}

static void many_targets_are_one_message(void **state)
{
    struct world w;
    AUTO_STR list = STR_INIT;
    open(&w, "ip");
    for (int i = 0; i < 1000; i++)
        str_addf(&list, "%s{'Id':'172.31.%d.%d'}", i ? "," : "", i / 250, i % 250 + 1);
    assert_non_null(CALL(&w, "elbv2.RegisterTargets",
                         "{'TargetGroupArn':'%s','Targets':[%s]}", group,
                         str_text(&list)));
    world_told(&w, "targets=1000 draining=0\n");
    close_world(&w);
}

static void a_group_in_no_listener_is_not_told(void **state)
{
    struct world w;
    open(&w, "ip");
    target(&w, "RegisterTargets", TARGET);
    str_clear(&w.told);
    assert_non_null(CALL(&w, "elbv2.DeleteListener", "{'ListenerArn':'%s'}", listener));
    assert_non_null(strstr(str_text(&w.told), "targets gone\n"));
    assert_non_null(strstr(str_text(&w.told), "balancer listeners=0 interfaces=2\n"));
    str_clear(&w.told);
    is(&w, TARGET, ELBV2_TARGET_HEALTH_STATE_ENUM_UNUSED,
       "Target group is not configured to receive traffic from the load balancer");
    target(&w, "RegisterTargets", "172.31.0.11");
    world_told(&w, "");
    assert_non_null(
        CALL(&w, "elbv2.DeleteLoadBalancer", "{'LoadBalancerArn':'%s'}", balancer));
    assert_non_null(strstr(str_text(&w.told), "balancer gone\n"));
    assert_non_null(
        CALL(&w, "elbv2.DeleteTargetGroup", "{'TargetGroupArn':'%s'}", group));
    close_world(&w);
}

/* ---- instances ---- */

static char instance[32];

static void launch(struct world *w)
{
    AUTO_ARENA a = ARENA_INIT;
    struct ec2_reservation *r =
        CALL(w, "RunInstances",
             "{'ImageId':'%s','InstanceType':'t3.nano','MinCount':1,'MaxCount':1}",
             ec2_optimized_image(&a, world_scope.region, true));
    assert_non_null(r);
    snprintf(instance, sizeof(instance), "%s", r->instances.v[0].instance_id);
}

static void move(struct world *w, enum instance_event e)
{
    struct ec2_instance_object *i = ec2_instance_lookup(w->core, &world_scope, instance);
    assert_true(instance_move(w->core, i, e, NULL));
    world_settle(w);
}

static void a_stopped_instance_gets_nothing(void **state)
{
    struct world w;
    open(&w, "instance");
    launch(&w);
    REFUSED(&w, "InvalidTarget", "elbv2.RegisterTargets",
            "{'TargetGroupArn':'%s','Targets':[{'Id':'%s'}]}", group, instance);
    move(&w, INSTANCE_STARTED);
    target(&w, "RegisterTargets", instance);
    str_clear(&w.told);
    move(&w, INSTANCE_STOP);
    assert_non_null(strstr(str_text(&w.told), "targets=0 draining=0\n"));
    is(&w, instance, ELBV2_TARGET_HEALTH_STATE_ENUM_UNUSED,
       "Target is in the stopped state");
    world_restart(&w);
    is(&w, instance, ELBV2_TARGET_HEALTH_STATE_ENUM_UNUSED,
       "Target is in the stopped state");
    move(&w, INSTANCE_STOPPED);
    move(&w, INSTANCE_START);
    str_clear(&w.told);
    move(&w, INSTANCE_STARTED);
    assert_non_null(strstr(str_text(&w.told), "targets=1 draining=0\n"));
    is(&w, instance, ELBV2_TARGET_HEALTH_STATE_ENUM_INITIAL,
       "Target registration is in progress");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_lasts_the_whole_delay),
        cmocka_unit_test(registering_again_ends_draining),
        cmocka_unit_test(health_is_what_the_edge_found),
        cmocka_unit_test(many_targets_are_one_message),
        cmocka_unit_test(a_group_in_no_listener_is_not_told),
        cmocka_unit_test(a_stopped_instance_gets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
