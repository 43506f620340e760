/* EC2 instances: every state by every event, what the edge is told, restarts in the midst, and
 * that a terminated one is forgotten after an hour. */
#include "unit.h"

#include "ec2_instance.h"
#include "world.h"

static char id[32];

static void launch(struct world *w)
{
    AUTO_ARENA a = ARENA_INIT;
    const char *image = ec2_optimized_image(&a, world_scope.region, true);
    struct ec2_reservation *r =
        CALL(w, "RunInstances",
             "{'ImageId':'%s','InstanceType':'t3.nano','MinCount':1,'MaxCount':1,"
             "'ClientToken':'one'}",
             image);
    assert_non_null(r);
    snprintf(id, sizeof(id), "%s", r->instances.v[0].instance_id);
}

struct news {
    struct core_task task;
    struct gantry_edge_instance_state state;
};

static void hear(struct core *core, struct core_task *task)
{
    ec2_edge_instance_state(core, &((struct news *)task)->state);
}

static void said(struct world *w, const char *state, int generation)
{
    struct news n = {
        .task.run = hear,
        .state = {.instance_id = id, .state = state, .generation = SET_INT(generation)}};
    core_execute(w->core, &n.task);
    world_settle(w);
}

static struct ec2_instance_object *instance(struct world *w)
{
    return ec2_instance_lookup(w->core, &world_scope, id);
}

static void is(struct world *w, const char *state)
{
    assert_string_equal(instance(w)->rec->state, state);
}

/* ---- tests ---- */

static void every_state_by_every_event(void **state)
{
    /* Columns: started stopped gone failed start stop reboot terminate; '-': refused. */
    static const struct {
        const char *from;
        const char *to[8];
    } rows[] = {
        {"pending",
         {"running", "-", "-", "shutting-down", "pending", "-", "-", "shutting-down"}},
        {"running",
         {"running", "-", "-", "-", "running", "stopping", "running", "shutting-down"}},
        {"stopping", {"-", "stopped", "-", "-", "-", "stopping", "-", "shutting-down"}},
        {"stopped", {"-", "-", "-", "-", "pending", "stopped", "-", "shutting-down"}},
        {"shutting-down", {"-", "-", "terminated", "-", "-", "-", "-", "shutting-down"}},
        {"terminated", {"-", "-", "-", "-", "-", "-", "-", "terminated"}},
    };
    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
        for (int e = 0; e < 8; e++) {
            struct world w;
            world_open(&w, true);
            launch(&w);
            struct ec2_instance_object *i = instance(&w);
            i->rec->state = rows[n].from;
            bool may = instance_may(i, (enum instance_event)e);
            assert_int_equal(may, !streq(rows[n].to[e], "-"));
            assert_int_equal(instance_move(w.core, i, (enum instance_event)e, NULL), may);
            is(&w, may ? rows[n].to[e] : rows[n].from);
            world_settle(&w);
            world_close(&w);
        }
}

static void the_edge_hears_each_boot_and_the_end(void **state)
{
    struct world w;
    world_open(&w, true);
    launch(&w);
    assert_non_null(strstr(str_text(&w.told), "interface 172.31.0.")); /* before it */
    assert_true(str_ends(str_text(&w.told), "instance running 1\n"));
    str_clear(&w.told);
    said(&w, "running", 1);
    is(&w, "running");
    str_clear(&w.told);
    assert_int_equal(instance(&w)->rec->generation.v, 1);
    instance_move(w.core, instance(&w), INSTANCE_REBOOT, NULL);
    world_settle(&w);
    world_told(&w, "instance running 2\n");
    said(&w, "stopped", 1); /* of the boot before */
    is(&w, "running");
    instance_move(w.core, instance(&w), INSTANCE_TERMINATE, NULL);
    world_settle(&w);
    assert_non_null(strstr(str_text(&w.told), "instance terminated 2\n"));
    str_clear(&w.told);
    said(&w, "terminated", 2);
    is(&w, "terminated");
    assert_non_null(strstr(str_text(&w.told), "interface gone\n"));
    assert_non_null(strstr(str_text(&w.told), "instance gone\n"));
    world_close(&w);
}

static void restarts_change_nothing(void **state)
{
    struct world w;
    world_open(&w, true);
    launch(&w);
    world_restart(&w);
    is(&w, "pending");
    said(&w, "running", 1);
    world_restart(&w);
    is(&w, "running");
    AUTO_ARENA a = ARENA_INIT;
    struct gantry_edge_vpc_list vpcs = {0};
    struct gantry_edge_interface_list nics = {0};
    struct gantry_edge_instance_list all = {0};
    ec2_edge_desired(w.core, &a, &vpcs, &nics, &all);
    assert_int_equal(all.n, 1);
    assert_string_equal(all.v[0].state, "running");
    assert_int_equal(all.v[0].memory_mib.v, 512);
    assert_non_null(all.v[0].mac_address);
    launch(&w); /* the token is known: the same one */
    assert_int_equal(table_count(ec2_of(w.core)->instances), 1);
    world_close(&w);
}

static void a_terminated_one_is_shown_for_an_hour(void **state)
{
    struct world w;
    world_open(&w, true);
    launch(&w);
    instance_move(w.core, instance(&w), INSTANCE_TERMINATE, NULL);
    said(&w, "terminated", 1);
    world_settle(&w);
    world_restart(&w);
    w.now_ms += INSTANCE_SHOWN_MS - 1000;
    world_settle(&w);
    is(&w, "terminated");
    struct ec2_instance_info info;
    struct error err;
    assert_int_equal(ec2_instance_find(w.core, &world_scope, id, &info, &err),
                     -E_NOTFOUND);
    w.now_ms += 2000;
    world_settle(&w);
    assert_null(instance(&w));
    assert_int_equal(table_count(ec2_of(w.core)->run_tokens), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_by_every_event),
        cmocka_unit_test(the_edge_hears_each_boot_and_the_end),
        cmocka_unit_test(restarts_change_nothing),
        cmocka_unit_test(a_terminated_one_is_shown_for_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
