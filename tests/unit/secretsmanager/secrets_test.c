/* Secrets under a virtual clock: windows that end, restarts, keys that change. */
#include "unit.h"

#include "ec2/world.h"
#include "secretsmanager.h"
#include "ssm.h"

#define DAY_MS (24 * 60 * 60 * INT64_C(1000))

static void attach(struct world *w)
{
    secretsmanager_attach(w->core);
    ssm_attach(w->core);
}

static void open_world(struct world *w)
{
    world_more.prefix = "sm.";
    world_more.wire = &secretsmanager_service_api;
    world_more.rows = secretsmanager_operations;
    world_more.attach = attach;
    world_open(w, false);
}

static int count_one(void *ctx, const char *key, const void *value, size_t len,
                     struct error *err)
{
    ++*(size_t *)ctx;
    return 0;
}

static size_t stored(struct world *w)
{
    struct error err;
    size_t n = 0;
    assert_int_equal(store_load_all(w->store, "/secretsmanager/", count_one, &n, &err),
                     0);
    return n;
}

static void advance(struct world *w, int64_t ms)
{
    w->now_ms += ms;
    CALL(w, "sm.GetRandomPassword",
         "{}"); /* the core looks at the clock with each task */
}

static void a_secret_ends_with_its_window(void **state)
{
    struct world w;
    open_world(&w);
    CALL(&w, "sm.CreateSecret", "{'Name':'a','SecretString':'1'}");
    CALL(&w, "sm.PutSecretValue", "{'SecretId':'a','SecretString':'2'}");
    CALL(&w, "sm.CreateSecret", "{'Name':'b','SecretString':'1'}");
    CALL(&w, "sm.DeleteSecret", "{'SecretId':'a','RecoveryWindowInDays':7}");
    CALL(&w, "sm.DeleteSecret", "{'SecretId':'b'}");
    advance(&w, 7 * DAY_MS - 1);
    assert_non_null(CALL(&w, "sm.DescribeSecret", "{'SecretId':'a'}"));
    advance(&w, 1);
    REFUSED(&w, "ResourceNotFoundException", "sm.DescribeSecret", "{'SecretId':'a'}");
    assert_int_equal(stored(&w), 2); /* b and its version */
    assert_non_null(CALL(&w, "sm.CreateSecret", "{'Name':'a','SecretString':'1'}"));
    world_restart(&w); /* the window goes on */
    advance(&w, 23 * DAY_MS - 1);
    assert_non_null(CALL(&w, "sm.DescribeSecret", "{'SecretId':'b'}"));
    advance(&w, 1);
    REFUSED(&w, "ResourceNotFoundException", "sm.DescribeSecret", "{'SecretId':'b'}");
    assert_non_null(CALL(&w, "sm.GetSecretValue", "{'SecretId':'a'}"));
    world_close(&w);
}

static void a_restored_secret_stays(void **state)
{
    struct world w;
    open_world(&w);
    CALL(&w, "sm.CreateSecret", "{'Name':'a','SecretString':'1'}");
    CALL(&w, "sm.DeleteSecret", "{'SecretId':'a','RecoveryWindowInDays':7}");
    CALL(&w, "sm.RestoreSecret", "{'SecretId':'a'}");
    advance(&w, 100 * DAY_MS);
    struct secretsmanager_get_secret_value_response *out =
        CALL(&w, "sm.GetSecretValue", "{'SecretId':'a'}");
    assert_string_equal(out->secret_string, "1");
    world_close(&w);
}

static void a_window_that_ended_while_nobody_ran(void **state)
{
    struct world w;
    open_world(&w);
    CALL(&w, "sm.CreateSecret", "{'Name':'a','SecretString':'1'}");
    CALL(&w, "sm.DeleteSecret", "{'SecretId':'a','RecoveryWindowInDays':7}");
    w.now_ms += 30 * DAY_MS;
    world_restart(&w);
    REFUSED(&w, "ResourceNotFoundException", "sm.DescribeSecret", "{'SecretId':'a'}");
    assert_int_equal(stored(&w), 0);
    world_close(&w);
}

/* Values are sealed under the key that was newest; a day of access is stored once. */
static void values_outlive_a_restart(void **state)
{
    struct world w;
    open_world(&w);
    for (int i = 0; i < 5; i++)
        CALL(&w, "sm.PutSecretValue", "{'SecretId':'a','SecretString':'%d'}", i);
    CALL(&w, "sm.CreateSecret", "{'Name':'a','SecretBinary':'AAEC'}");
    for (int i = 0; i < 5; i++)
        CALL(&w, "sm.PutSecretValue", "{'SecretId':'a','SecretString':'%d'}", i);
    CALL(&w, "sm.GetSecretValue", "{'SecretId':'a'}");
    uint64_t commits = store_memory_commits(w.store);
    CALL(&w, "sm.GetSecretValue", "{'SecretId':'a'}");
    assert_int_equal(store_memory_commits(w.store), commits);
    world_restart(&w);
    struct secretsmanager_list_secret_version_ids_response *ids =
        CALL(&w, "sm.ListSecretVersionIds", "{'SecretId':'a','IncludeDeprecated':true}");
    assert_int_equal(ids->versions.n, 6);
    assert_string_equal(ids->versions.v[0].version_stages.v[0], "AWSCURRENT");
    assert_string_equal(ids->versions.v[1].version_stages.v[0], "AWSPREVIOUS");
    char *first = xstrdup(ids->versions.v[5].version_id);
    struct secretsmanager_get_secret_value_response *out =
        CALL(&w, "sm.GetSecretValue", "{'SecretId':'a','VersionId':'%s'}", first);
    assert_int_equal(out->secret_binary.size, 3);
    assert_memory_equal(out->secret_binary.data, "\0\1\2", 3);
    free(first);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_ends_with_its_window),
        cmocka_unit_test(a_restored_secret_stays),
        cmocka_unit_test(a_window_that_ended_while_nobody_ran),
        cmocka_unit_test(values_outlive_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
