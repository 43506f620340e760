/* Credentials of tasks' roles on their way to hosts: when they are made, told and renewed. */
#include "unit.h"

#include "calls.h"
#include "role_session.h"

#define HOUR_MS (3600 * 1000LL)
#define ROLE    "arn:aws:iam::000000000000:role/"

/* ---- roles that are there or not, and a host that notes what it hears ---- */

static struct {
    int opened, refuse; /* an error's code */
    const char *refused;
    char last[3][64]; /* role, service, session */
} roles;

static struct {
    int tasks, credentials;
    char role[64], key[32], use, id[64];
    int64_t expires_ms;
    bool execution;
    char status[16];
} host;

static int open_role(struct core *core, const char *role_arn, const char *service,
                     const char *session_name, int64_t duration_s, struct arena *a,
                     struct role_session *ret, struct error *err)
{
    if (roles.refuse && (!roles.refused || strstr(role_arn, roles.refused)))
        return fail(err, (enum error_code)roles.refuse, "no");
    snprintf(roles.last[0], 64, "%s", role_arn);
    snprintf(roles.last[1], 64, "%s", service);
    snprintf(roles.last[2], 64, "%s", session_name);
    *ret = (struct role_session){
        .access_key_id = arena_printf(a, "ASIA%d", ++roles.opened),
        .secret_access_key = arena_strdup(a, "very secret"),
        .session_token = arena_strdup(a, "token"),
        .expires_ms = core_now_ms(core) + duration_s * 1000,
    };
    return 0;
}

static const struct role_ops role_ops = {.open = open_role};

static void hear(const struct gantry_host_credentials_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        host.credentials++;
        snprintf(host.role, sizeof(host.role), "%s", l->v[i].role_arn);
        snprintf(host.key, sizeof(host.key), "%s", l->v[i].access_key_id);
        host.expires_ms = l->v[i].expiration.v;
    }
}

static void on_task(void *ctx, struct core *core, const char *arn,
                    const struct gantry_host_task *t,
                    const struct gantry_host_credentials_list *l)
{
    host.tasks++;
    host.execution = t->execution_credentials.v;
    snprintf(host.id, sizeof(host.id), "%s", t->credentials_id ? t->credentials_id : "");
    snprintf(host.status, sizeof(host.status), "%s", t->desired_status);
    hear(l);
}

static void on_credentials(void *ctx, struct core *core, const char *arn,
                           const struct gantry_host_credentials_list *l)
{
    hear(l);
}

static void on_forgotten(void *ctx, struct core *core, const char *arn, const char *task)
{
}

static void on_images(void *ctx, struct core *core, const char *arn,
                      const struct gantry_host_image_list *l)
{
}

static bool with_roles;

static void attached(struct calls *w)
{
    static const struct ecs_host_ops ops = {.task_changed = on_task,
                                            .credentials = on_credentials,
                                            .task_forgotten = on_forgotten,
                                            .images = on_images};
    ecs_set_host_ops(w->core, &ops, NULL);
    core_set_role_ops(w->core, with_roles ? &role_ops : NULL);
}

/* ---- the world ---- */

struct world {
    struct calls calls;
    struct call c;
    char *instance, *task;
};

static void open_world(struct world *w, bool has_roles)
{
    memset(&roles, 0, sizeof(roles));
    memset(&host, 0, sizeof(host));
    with_roles = has_roles;
    calls_attached = attached;
    *w = (struct world){0};
    calls_open(&w->calls);
    assert_non_null(CALL(&w->calls, &w->c, "CreateCluster", "{'clusterName':'c'}"));
    struct ecs_register_container_instance_response *out = CALL(
        &w->calls, &w->c, "RegisterContainerInstance",
        "{'cluster':'c','totalResources':[{'name':'CPU','type':'INTEGER',"
        "'integerValue':4096},{'name':'MEMORY','type':'INTEGER','integerValue':4096}],"
        "'attributes':[{'name':'com.amazonaws.ecs.capability.task-iam-role'},"
        "{'name':'ecs.capability.execution-role-ecr-pull'},"
        "{'name':'com.amazonaws.ecs.capability.docker-remote-api.1.17'},"
        "{'name':'com.amazonaws.ecs.capability.docker-remote-api.1.18'}]}");
    assert_non_null(out);
    w->instance = xstrdup(out->container_instance->container_instance_arn);
    calls_connected(&w->calls, w->instance, true);
}

static void close_world(struct world *w)
{
    free(w->instance);
    free(w->task);
    arena_free(&w->c.arena);
    calls_close(&w->calls);
}

/* The roles are parts of the definition's JSON. */
static void run(struct world *w, const char *the_roles)
{
    assert_non_null(CALL(&w->calls, &w->c, "RegisterTaskDefinition",
                         "{'family':'f','containerDefinitions':[{'name':'a','image':'x',"
                         "'memory':10}]%s}",
                         the_roles));
    struct ecs_run_task_response *out =
        CALL(&w->calls, &w->c, "RunTask", "{'cluster':'c','taskDefinition':'f'}");
    assert_non_null(out);
    assert_int_equal(out->tasks.n, 1);
    w->task = xstrdup(out->tasks.v[0].task_arn);
    calls_settle(&w->calls);
}

static const struct ecs_task *look(struct world *w)
{
    struct ecs_describe_tasks_response *out = CALL(
        &w->calls, &w->c, "DescribeTasks", "{'cluster':'c','tasks':['%s']}", w->task);
    return &out->tasks.v[0];
}

static void report(struct world *w, const char *status)
{
    assert_non_null(CALL(&w->calls, &w->c, "SubmitTaskStateChange",
                         "{'cluster':'c','task':'%s','status':'%s','containers':[]}",
                         w->task, status));
}

#define BOTH ",'taskRoleArn':'" ROLE "app','executionRoleArn':'" ROLE "exec'"

/* ---- ---- */

static void they_come_with_the_task_and_once(void **state)
{
    struct world w;
    open_world(&w, true);
    run(&w, BOTH);
    assert_int_equal(host.tasks, 1);
    assert_int_equal(host.credentials, 2);
    assert_int_equal(strlen(host.id), 36);
    assert_true(host.execution);
    assert_string_equal(roles.last[1], "ecs-tasks.amazonaws.com");
    assert_string_equal(roles.last[2], strrchr(w.task, '/') + 1);
    report(&w, "RUNNING");
    assert_int_equal(host.credentials, 2);
    close_world(&w);
}

static void a_task_without_roles_has_none(void **state)
{
    struct world w;
    open_world(&w, true);
    run(&w, "");
    assert_int_equal(host.tasks, 1);
    assert_int_equal(host.credentials + roles.opened, 0);
    assert_string_equal(host.id, "");
    assert_false(host.execution);
    close_world(&w);
}

static void renewed_an_hour_before_they_end(void **state)
{
    struct world w;
    open_world(&w, true);
    run(&w, ",'taskRoleArn':'" ROLE "app'");
    report(&w, "RUNNING");
    int64_t ends = host.expires_ms;
    assert_int_equal(ends - w.calls.now_ms, 6 * HOUR_MS);
    calls_pass(&w.calls, 4 * HOUR_MS);
    assert_int_equal(host.credentials, 1);
    calls_pass(&w.calls, HOUR_MS);
    assert_int_equal(host.credentials, 2);
    assert_string_equal(host.key, "ASIA2");
    assert_true(host.expires_ms > ends);
    report(&w, "STOPPED"); /* and then no more */
    calls_pass(&w.calls, 6 * HOUR_MS);
    assert_int_equal(roles.opened, 2);
    close_world(&w);
}

static void a_role_that_can_not_be_assumed_stops_the_task(void **state)
{
    static const int codes[] = {E_DENIED, E_NOTFOUND};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        open_world(&w, true);
        roles.refuse = codes[i];
        roles.refused = "exec";
        run(&w, BOTH);
        const struct ecs_task *t = look(&w);
        assert_string_equal(t->desired_status, "STOPPED");
        assert_int_equal(t->stop_code, ECS_TASK_STOP_CODE_TASK_FAILED_TO_START);
        assert_string_equal(
            t->stopped_reason,
            "ECS was unable to assume the role '" ROLE "exec' that was provided for this "
            "task. Please verify that the role being passed has the proper trust "
            "relationship and permissions and that your IAM user has permissions to pass "
            "this role.");
        /* its host never heard that it should run */
        assert_string_equal(host.status, "STOPPED");
        assert_int_equal(host.tasks, 1);
        assert_int_equal(host.credentials, 0);
        close_world(&w);
    }
}

static void a_running_task_outlives_its_role(void **state)
{
    struct world w;
    open_world(&w, true);
    run(&w, ",'taskRoleArn':'" ROLE "app'");
    report(&w, "RUNNING");
    roles.refuse = E_NOTFOUND;
    calls_pass(&w.calls, 5 * HOUR_MS);
    assert_string_equal(look(&w)->last_status, "RUNNING");
    roles.refuse = 0; /* it is there again: tried every minute */
    calls_pass(&w.calls, 60 * 1000);
    assert_int_equal(host.credentials, 2);
    close_world(&w);
}

static void a_host_that_connects_has_all(void **state)
{
    struct world w;
    AUTO_ARENA a = ARENA_INIT;
    struct gantry_host_task_list tasks = {0};
    struct gantry_host_credentials_list l = {0};
    open_world(&w, true);
    run(&w, BOTH);
    report(&w, "RUNNING");
    char id[64];
    snprintf(id, sizeof(id), "%s", host.id);
    ecs_host_tasks(w.calls.core, w.instance, &a, &tasks, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(roles.opened, 2); /* the same ones */
    calls_restart(&w.calls);
    tasks = (struct gantry_host_task_list){0};
    l = (struct gantry_host_credentials_list){0};
    ecs_host_tasks(w.calls.core, w.instance, &a, &tasks, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(roles.opened, 4);
    assert_string_equal(tasks.v[0].credentials_id, id); /* containers hold it */
    close_world(&w);
}

static int find_secret(void *ctx, const char *key, const void *value, size_t len,
                       struct error *err)
{
    assert_null(memmem(value, len, "very secret", 11));
    assert_null(memmem(value, len, "ASIA", 4));
    return 0;
}

static void nothing_of_them_is_stored(void **state)
{
    struct world w;
    struct error err;
    open_world(&w, true);
    run(&w, BOTH);
    assert_int_equal(store_load_all(w.calls.store, "/", find_secret, NULL, &err), 0);
    close_world(&w);
}

static void where_nobody_knows_roles_tasks_run(void **state)
{
    struct world w;
    open_world(&w, false);
    run(&w, BOTH);
    assert_string_equal(look(&w)->desired_status, "RUNNING");
    assert_string_equal(host.id, "");
    assert_false(host.execution);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_with_the_task_and_once),
        cmocka_unit_test(a_task_without_roles_has_none),
        cmocka_unit_test(renewed_an_hour_before_they_end),
        cmocka_unit_test(a_role_that_can_not_be_assumed_stops_the_task),
        cmocka_unit_test(a_running_task_outlives_its_role),
        cmocka_unit_test(a_host_that_connects_has_all),
        cmocka_unit_test(nothing_of_them_is_stored),
        cmocka_unit_test(where_nobody_knows_roles_tasks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
