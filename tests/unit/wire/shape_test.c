/* Generic operations on described values, and how the generator lays them out. */
#include "unit.h"

#include "ecs_api.h"
#include "gantry_api.h"
#include "probe_api.h"

/* Everything set, through JSON, so that other tests can start from it. */
static struct probe_thing *full(struct arena *a)
{
    static const char text[] =
        "{\"name\":\"abcd\",\"flag\":true,\"maybe\":false,\"count\":3,\"size\":-5,"
        "\"big\":9223372036854775807,\"ratio\":0.1,\"color\":\"t2.micro\","
        "\"when\":1700000000.123,\"isoWhen\":\"2026-01-02T03:04:05Z\",\"data\":\"AAEC\","
        "\"free\":{\"x\":[1,null]},\"part\":{\"id\":\"p1\",\"count\":1},"
        "\"parts\":[{\"id\":\"p2\",\"parts\":[{\"id\":\"p3\"}]},{\"id\":\"p4\"}],"
        "\"partMap\":{\"k1\":{\"id\":\"p5\"}},\"names\":[\"x\",\"\"],\"flat\":[],"
        "\"numbers\":[1,2,3],\"longs\":[-9223372036854775808],\"doubles\":[1.5,\"NaN\"],"
        "\"bools\":[true,false],\"blobs\":[\"\",\"eA==\"],\"times\":[1,2.5],"
        "\"colors\":[\"RED\",\"a b\"],\"colorMap\":{\"green\":7},\"matrix\":[[1],[2,3]],"
        "\"tags\":{\"a\":\"b\",\"c\":\"\"},\"flatMap\":{\"f\":\"g\"},"
        "\"attribute\":{\"M\":{\"x\":{\"L\":[{\"S\":\"y\"},{\"BOOL\":true}]}}},"
        "\"default\":\"d\",\"publicIPv4Address\":\"1.2.3.4\",\"enableECSManagedTags\":"
        "true}";
    struct wire_error e = {0};
    void *out = NULL;
    int r =
        wire_json_decode(a, &probe_thing_shape, text, sizeof(text) - 1, false, &out, &e);
    if (r < 0)
        print_error("%s\n", e.text);
    assert_int_equal(r, 0);
    return out;
}

static void every_kind_of_member_lands_in_its_field(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct probe_thing *t = full(&a);
    assert_string_equal(t->name, "abcd");
    assert_true(t->flag.set && t->flag.v);
    assert_true(t->maybe.set && !t->maybe.v);
    assert_int_equal(t->size.v, -5);
    assert_true(t->big.v == INT64_MAX);
    assert_true(t->ratio.v == 0.1);
    assert_int_equal(t->color, PROBE_COLOR_T2_MICRO);
    assert_true(t->when.v == 1700000000123);
    assert_true(t->iso_when.v == 1767323045000);
    assert_memory_equal(t->data.data, "\0\1\2", 3);
    assert_string_equal(t->free, "{\"x\":[1,null]}");
    assert_string_equal(t->part->id, "p1");
    assert_int_equal(t->parts.n, 2);
    assert_string_equal(t->parts.v[0].parts.v[0].id, "p3");
    assert_string_equal(t->part_map.v[0].key, "k1");
    assert_string_equal(t->part_map.v[0].value.id, "p5");
    assert_true(t->flat.set && t->flat.n == 0);
    assert_true(t->longs.v[0] == INT64_MIN);
    assert_true(t->doubles.v[1] != t->doubles.v[1]);
    assert_true(t->bools.v[0] && !t->bools.v[1]);
    assert_true(t->blobs.v[0].data && t->blobs.v[0].size == 0);
    assert_true(t->times.v[1] == 2500);
    assert_int_equal(t->colors.v[1], PROBE_COLOR_A_B);
    assert_string_equal(t->color_map.v[0].key, "green");
    assert_int_equal(t->color_map.v[0].value, 7);
    assert_int_equal(t->matrix.v[1].v[1], 3);
    assert_string_equal(t->tags.v[1].value, "");
    assert_string_equal(t->attribute->m.v[0].value.l.v[0].s, "y");
    assert_string_equal(t->default_, "d");
    assert_string_equal(t->public_ipv4_address, "1.2.3.4");
    assert_true(t->enable_ecs_managed_tags.v);
}

static void a_copy_is_equal_and_independent(void **state)
{
    struct arena first = ARENA_INIT;
    AUTO_ARENA second = ARENA_INIT;
    AUTO_STR before = STR_INIT;
    AUTO_STR after = STR_INIT;
    struct probe_thing *t = full(&first);
    t->doubles.v[1] = 2; /* NaN is not equal to itself only as a number; keep it simple */
    wire_json_encode(&before, &probe_thing_shape, t);
    struct probe_thing *copy = wire_copy(&second, &probe_thing_shape, t);
    assert_true(wire_equal(&probe_thing_shape, t, copy));
    arena_free(&first); /* a pointer into the source would now be seen by ASan */
    wire_json_encode(&after, &probe_thing_shape, copy);
    assert_string_equal(str_text(&before), str_text(&after));
    assert_null(wire_copy(&second, &probe_thing_shape, NULL));
}

static void any_difference_is_seen(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct probe_thing *t = full(&a);
    for (int i = 0; i < 9; i++) {
        struct probe_thing *c = wire_copy(&a, &probe_thing_shape, t);
        switch (i) {
        case 0:
            c->count.set = false;
            break;
        case 1:
            c->count.v = 4;
            break;
        case 2:
            c->parts.v[0].parts.v[0].id = "p9";
            break;
        case 3:
            c->tags.v[0].key = "z";
            break;
        case 4:
            c->flat.set = false;
            break;
        case 5:
            c->data.size = 2;
            break;
        case 6:
            c->attribute->m.v[0].value.l.n = 1;
            break;
        case 7:
            c->color = PROBE_COLOR_UNSET;
            break;
        case 8:
            c->part = NULL;
            break;
        }
        assert_false(wire_equal(&probe_thing_shape, t, c));
        assert_false(wire_equal(&probe_thing_shape, c, t));
    }
    assert_false(wire_equal(&probe_thing_shape, t, NULL));
    assert_true(wire_equal(&probe_thing_shape, NULL, NULL));
}

static void a_list_grows_from_every_length(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    for (size_t start = 0; start < 20; start++) {
        struct int_list list = {0};
        for (size_t i = 0; i < start; i++)
            *LIST_PUSH(&a, &list) = (int32_t)i;
        struct probe_thing t = {.numbers = list};
        t.numbers.set = true;
        struct probe_thing *c = wire_copy(&a, &probe_thing_shape, &t);
        for (size_t i = start; i < 40; i++)
            *LIST_PUSH(&a, &c->numbers) = (int32_t)i;
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(c->numbers.v[i], i);
    }
    struct string_map map = {0};
    LIST_PUSH(&a, &map)->key = "k";
    assert_true(map.set && map.n == 1 && map.v[0].value == NULL);
}

static void enums_have_names(void **state)
{
    assert_null(wire_enum_name(&probe_color_shape, PROBE_COLOR_UNSET));
    assert_null(wire_enum_name(&probe_color_shape, 5));
    assert_null(wire_enum_name(&probe_color_shape, -1));
    assert_string_equal(wire_enum_name(&ecs_launch_type_shape, ECS_LAUNCH_TYPE_FARGATE),
                        "FARGATE");
    assert_int_equal(wire_enum_value(&ecs_launch_type_shape, "EC2"), ECS_LAUNCH_TYPE_EC2);
    assert_int_equal(wire_enum_value(&ecs_launch_type_shape, "ec2"), 0);
    assert_int_equal(wire_enum_value(&ecs_launch_type_shape, NULL), 0);
}

static void operations_and_faults_are_found_by_name(void **state)
{
    assert_string_equal(ecs_operation_run_task.name, "RunTask");
    assert_ptr_equal(ecs_operation_run_task.service, &ecs_service_api);
    assert_int_equal(ecs_operation_run_task.index, ECS_OP_RUN_TASK);
    assert_ptr_equal(ecs_operation_run_task.input, &ecs_run_task_request_shape);
    assert_int_equal(ecs_service_api.operation_count, ECS_OP_COUNT);
    assert_string_equal(ecs_cluster_not_found_exception.code, "ClusterNotFoundException");
    assert_int_equal(ecs_server_exception.status, 500);
    assert_false(ecs_server_exception.sender);
    assert_ptr_equal(ecs_service_api.validation, &ecs_invalid_parameter_exception);
    assert_string_equal(probe_conflict_exception.code, "Conflict");
    assert_int_equal(probe_conflict_exception.status, 409);
}

static void our_records_hold_other_services_shapes(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR text = STR_INIT;
    struct ecs_cluster cluster = {.cluster_name = "blue",
                                  .running_tasks_count = SET_INT(0)};
    struct gantry_cluster_record record = {.cluster = &cluster};
    wire_json_encode(&text, &gantry_cluster_record_shape, &record);
    assert_string_equal(
        text.data, "{\"cluster\":{\"clusterName\":\"blue\",\"runningTasksCount\":0}}");
    struct gantry_cluster_record *back = NULL;
    assert_int_equal(wire_json_decode(&a, &gantry_cluster_record_shape, text.data,
                                      text.len, true, (void **)&back, NULL),
                     0);
    assert_true(wire_equal(&gantry_cluster_record_shape, &record, back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_member_lands_in_its_field),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(any_difference_is_seen),
        cmocka_unit_test(a_list_grows_from_every_length),
        cmocka_unit_test(enums_have_names),
        cmocka_unit_test(operations_and_faults_are_found_by_name),
        cmocka_unit_test(our_records_hold_other_services_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
