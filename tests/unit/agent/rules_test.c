/* The agent's pure rules: steps, order, room, waits, reasons, names, replies of HTTP. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backoff.h"
#include "host_room.h"
#include "reason.h"
#include "registry_token.h"
#include "reply.h"
#include "server_calls.h"
#include "session.h"
#include "task_order.h"
#include "task_spec.h"
#include "task_steps.h"
#include "words.h"

/* ---- steps ---- */

static void steps_are_a_closed_table(void **state)
{
    static const char *const expected[] = {
        "ACCEPTED ROOM STARTING", "ACCEPTED END CLEANING", "STARTING STEADY RUNNING",
        "STARTING END STOPPING",  "RUNNING END STOPPING",  "STOPPING DOWN CLEANING",
        "CLEANING CLEAN STOPPED", "STOPPED EXPIRED GONE"};
    size_t found = 0;
    for (int s = 0; s < STEP_COUNT; s++) {
        for (int e = 0; e < TASK_EVENT_COUNT; e++) {
            enum task_step to;
            char text[64];
            if (!task_step_after((enum task_step)s, (enum task_event)e, &to))
                continue;
            snprintf(text, sizeof(text), "%s %s %s", task_step_name((enum task_step)s),
                     task_event_name((enum task_event)e), task_step_name(to));
            assert_string_equal(text, expected[found]);
            found++;
        }
    }
    assert_int_equal(found, sizeof(expected) / sizeof(expected[0]));
}

static void steps_have_names_and_statuses(void **state)
{
    for (int s = 0; s < STEP_COUNT; s++) {
        enum task_step back;
        assert_true(task_step_parse(task_step_name((enum task_step)s), &back));
        assert_int_equal(back, s);
    }
    enum task_step none;
    assert_false(task_step_parse("RUN", &none));
    assert_false(task_step_parse(NULL, &none));
    assert_string_equal(task_step_status(STEP_STARTING), "PENDING");
    assert_string_equal(task_step_status(STEP_CLEANING), "RUNNING");
    assert_true(task_step_holds(STEP_CLEANING)); /* free only when nothing is left */
    assert_false(task_step_holds(STEP_STOPPED));
    assert_false(task_step_holds(STEP_ACCEPTED));
}

/* ---- order ---- */

#define UP                                                                               \
    {                                                                                    \
        .up = true                                                                       \
    }
#define ENDED(c)                                                                         \
    {                                                                                    \
        .up = true, .done = true, .has_exit_code = true, .exit_code = (c)                \
    }
#define WELL                                                                             \
    {                                                                                    \
        .up = true, .healthy = true                                                      \
    }
#define LATE(h)                                                                          \
    {                                                                                    \
        .up = true, .late = true, .healthy = (h)                                         \
    }
#define FAILED                                                                           \
    {                                                                                    \
        .done = true, .failed_to_start = true                                            \
    }

static void conditions_of_dependencies(void **state)
{
    static const struct {
        const char *condition;
        struct order_view on;
        enum order_answer answer;
    } rows[] = {
        {"START", {0}, ORDER_WAIT},           {"START", UP, ORDER_GO},
        {"START", ENDED(1), ORDER_GO},        {"START", FAILED, ORDER_NEVER},
        {"COMPLETE", UP, ORDER_WAIT},         {"COMPLETE", ENDED(3), ORDER_GO},
        {"COMPLETE", FAILED, ORDER_NEVER},    {"SUCCESS", UP, ORDER_WAIT},
        {"SUCCESS", ENDED(0), ORDER_GO},      {"SUCCESS", ENDED(1), ORDER_NEVER},
        {"HEALTHY", UP, ORDER_WAIT},          {"HEALTHY", ENDED(0), ORDER_NEVER},
        {"HEALTHY", WELL, ORDER_GO},          {"HEALTHY", FAILED, ORDER_NEVER},
        {"START", LATE(false), ORDER_GO},     {"COMPLETE", LATE(false), ORDER_LATE},
        {"SUCCESS", LATE(false), ORDER_LATE}, {"HEALTHY", LATE(false), ORDER_LATE},
        {"HEALTHY", LATE(true), ORDER_GO},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        struct task_order o;
        size_t on = 9;
        const char *json = arena_printf(&a,
                                        "{\"name\":\"w\",\"dependsOn\":[{"
                                        "\"containerName\":\"d\",\"condition\":\"%s\"}]},"
                                        "{\"name\":\"d\"}",
                                        rows[i].condition);
        assert_int_equal(
            task_order_build(&a, task_of(&a, json, "", "")->task_definition, &o, &err),
            0);
        struct order_view views[2] = {{0}, rows[i].on};
        assert_int_equal(task_order_may_start(&o, 0, views, &on), rows[i].answer);
        assert_int_equal(task_order_may_start(&o, 1, views, &on), ORDER_GO);
        if (rows[i].answer == ORDER_NEVER || rows[i].answer == ORDER_LATE)
            assert_int_equal(on, 1);
        assert_true(task_order_may_stop(&o, 0, views));
        assert_false(task_order_may_stop(&o, 1, views)); /* w depends on it */
        views[0].done = true;
        assert_true(task_order_may_stop(&o, 1, views));
    }
}

static int order_of(const char *containers)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    struct task_order o;
    return task_order_build(&a, task_of(&a, containers, "", "")->task_definition, &o,
                            &err);
}

static void impossible_orders(void **state)
{
    assert_int_equal(order_of("{\"name\":\"a\",\"dependsOn\":[{\"containerName\":\"x\","
                              "\"condition\":\"START\"}]}"),
                     -E_INVALID);
    assert_int_equal(
        order_of("{\"name\":\"a\",\"dependsOn\":[{\"containerName\":\"b\","
                 "\"condition\":\"START\"}]},{\"name\":\"b\",\"volumesFrom\":"
                 "[{\"sourceContainer\":\"a\"}]}"),
        -E_INVALID);
    assert_int_equal(order_of("{\"name\":\"a\",\"dependsOn\":[{\"containerName\":\"a\","
                              "\"condition\":\"START\"}]}"),
                     -E_INVALID);
}

/* ---- room ---- */

static void need_of_a_task(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct task_need n;
    const char *two =
        "{\"name\":\"a\",\"cpu\":100,\"memory\":50,\"memoryReservation\":30,"
        "\"portMappings\":[{\"containerPort\":1,\"hostPort\":80},"
        "{\"containerPort\":2,\"hostPort\":0},{\"containerPort\":3,"
        "\"hostPort\":53,\"protocol\":\"udp\"}]},"
        "{\"name\":\"b\",\"cpu\":5,\"memory\":7}";
    struct gantry_host_task *t = task_of(&a, two, "", "");
    task_need_of(&a, t->task_definition, NULL, &n);
    assert_int_equal(n.cpu_units, 105);
    assert_int_equal(n.memory_mib, 37);
    assert_int_equal(n.tcp_count, 1);
    assert_int_equal(n.tcp[0], 80);
    assert_int_equal(n.udp_count, 1);
    assert_int_equal(n.udp[0], 53);
    t = task_of(
        &a, two, ",\"cpu\":\"256\",\"memory\":\"512\"",
        ",\"overrides\":{\"memory\":\"600\",\"containerOverrides\":[{\"name\":\"b\","
        "\"cpu\":50}]}");
    task_need_of(&a, t->task_definition, t->overrides, &n);
    assert_int_equal(n.cpu_units, 256);
    assert_int_equal(n.memory_mib, 600);
    t = task_of(&a, two, "",
                ",\"overrides\":{\"containerOverrides\":[{\"name\":\"b\","
                "\"cpu\":50,\"memoryReservation\":1}]}");
    task_need_of(&a, t->task_definition, t->overrides, &n);
    assert_int_equal(n.cpu_units, 150);
    assert_int_equal(n.memory_mib, 31);
}

static void room_is_given_once(void **state)
{
    static struct host_room room = {.cpu_units = 1000, .memory_mib = 100};
    const uint16_t port = 80, other = 81;
    struct task_need n = {
        .cpu_units = 600, .memory_mib = 10, .tcp = &port, .tcp_count = 1};
    struct task_need same_port = {.tcp = &port, .tcp_count = 1};
    struct task_need same_udp = {.udp = &port, .udp_count = 1};
    struct task_need small = {
        .cpu_units = 400, .memory_mib = 90, .tcp = &other, .tcp_count = 1};
    assert_true(host_room_fits(&room, &n));
    host_room_take(&room, &n);
    assert_false(host_room_fits(&room, &n));
    assert_false(host_room_fits(&room, &same_port));
    assert_true(host_room_fits(&room, &same_udp));
    assert_true(host_room_fits(&room, &small));
    small.memory_mib++;
    assert_false(host_room_fits(&room, &small));
    host_room_give_back(&room, &n);
    assert_true(host_room_fits(&room, &small));
    assert_true(host_room_fits(&room, &same_port));
    assert_int_equal(room.cpu_used, 0);
}

/* ---- waits ---- */

static void waits_grow_to_their_bound(void **state)
{
    struct backoff b = BACKOFF_REGISTER;
    int64_t middle = 50;
    for (int i = 0; i < 30; i++) {
        uint32_t random = (uint32_t)i * 2654435761u;
        int64_t ms = backoff_next_ms(&b, random);
        assert_in_range(ms, middle - middle / 5, middle + middle / 5);
        middle = middle * 2 > 192000 ? 192000 : middle * 2;
    }
    assert_int_equal(b.current_ms, 192000);
    backoff_reset(&b);
    assert_in_range(backoff_next_ms(&b, 0), 40, 60);
    struct backoff plain = {.first_ms = 10, .last_ms = 25, .factor_percent = 150};
    assert_int_equal(backoff_next_ms(&plain, 7), 10);
    assert_int_equal(backoff_next_ms(&plain, 7), 15);
    assert_int_equal(backoff_next_ms(&plain, 7), 22);
    assert_int_equal(backoff_next_ms(&plain, 7), 25);
}

/* ---- reasons ---- */

static void reasons_have_ecs_names(void **state)
{
    static const struct {
        enum reason_step step;
        enum error_code code;
        const char *text, *expected;
    } rows[] = {
        {REASON_PULL, E_NOTFOUND, "no such tag", "CannotPullContainerError: no such tag"},
        {REASON_NETWORK, E_CONFLICT, "port 0.0.0.0:80/tcp is already allocated",
         "CannotStartContainerError: driver failed programming external connectivity: "
         "port 0.0.0.0:80/tcp is already allocated"},
        {REASON_NETWORK, E_FULL, "no address", "ContainerNetworkingError: no address"},
        {REASON_VOLUME, E_IO, "x", "CannotCreateVolumeError: x"},
        {REASON_CREATE, E_INVALID, "x", "CannotCreateContainerError: x"},
        {REASON_START, E_EXEC, "x", "CannotStartContainerError: x"},
        {REASON_CONFIG, E_UNSUPPORTED, "x", "HostConfigError: x"},
        {REASON_CREATE, E_TIMEOUT, "x",
         "DockerTimeoutError: Could not transition to created; timed out after waiting "
         "4m0s"},
        {REASON_START, E_TIMEOUT, "x",
         "DockerTimeoutError: Could not transition to started; timed out after waiting "
         "3m0s"},
        {REASON_PULL, E_TIMEOUT, "nothing came",
         "CannotPullContainerError: nothing came"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_STR s = STR_INIT;
        struct error e = ERROR_INIT;
        fail(&e, rows[i].code, "%s", rows[i].text);
        reason_write(rows[i].step, &e, &s);
        assert_string_equal(s.data, rows[i].expected);
    }
}

static void long_reasons_are_cut_between_characters(void **state)
{
    AUTO_STR s = STR_INIT;
    struct error e = {.code = E_IO};
    for (size_t i = 0; i + 2 < sizeof(e.text); i += 2)
        memcpy(e.text + i, "ö", 2);
    str_add(&s, "before ");
    reason_write(REASON_START, &e, &s);
    assert_in_range(s.len - 7, REASON_MAX - 2, REASON_MAX);
    assert_true(utf8_valid(s.data, s.len));
    str_clear(&s);
    reason_timeout("started", 180000, &s);
    assert_string_equal(s.data,
                        "DockerTimeoutError: Could not transition to started; timed "
                        "out after waiting 3m0s");
    str_clear(&s);
    reason_timeout("pulled", 2 * 3600 * 1000, &s);
    assert_string_equal(s.data,
                        "DockerTimeoutError: Could not transition to pulled; timed "
                        "out after waiting 2h0m0s");
}

/* ---- names ---- */

static void arn_of_the_cluster(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    assert_string_equal(cluster_arn_of(&a, "arn:aws:ecs:r:1:container-instance/web/0a"),
                        "arn:aws:ecs:r:1:cluster/web");
    assert_null(cluster_arn_of(&a, "arn:aws:ecs:r:1:container-instance/0a"));
    assert_null(cluster_arn_of(&a, "nonsense"));
    assert_null(cluster_arn_of(&a, NULL));
    AUTO_STR s = STR_INIT;
    query_escape(&s, "arn:aws/x y~ü");
    assert_string_equal(s.data, "arn%3Aaws%2Fx%20y~%C3%BC");
}

static void urls_of_the_server(void **state)
{
    struct error err = ERROR_INIT;
    struct server_url u;
    assert_int_equal(server_url_parse("http://127.0.0.1:4566/a/b?c=d", &u, &err), 0);
    assert_string_equal(u.host, "127.0.0.1");
    assert_string_equal(u.port, "4566");
    assert_string_equal(u.path, "/a/b");
    assert_string_equal(u.query, "c=d");
    assert_string_equal(u.authority, "127.0.0.1:4566");
    assert_int_equal(server_url_parse("http://[::1]:80", &u, &err), 0);
    assert_string_equal(u.host, "::1");
    assert_string_equal(u.path, "/");
    assert_int_equal(server_url_parse("http://name", &u, &err), 0);
    assert_string_equal(u.port, "80");
    assert_null(u.query);
    assert_int_equal(server_url_parse("https://x", &u, &err), -E_UNSUPPORTED);
    static const char *const bad[] = {
        "", "x", "http://", "http://x:0", "http://x:99999", "http://[::1", "ftp://x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(server_url_parse(bad[i], &u, &err), -E_INVALID);
}

static void own_registry(void **state)
{
    static const struct {
        const char *image, *url;
        bool own;
    } rows[] = {
        {"123456789012.dkr.ecr.us-east-1.amazonaws.com/a:b", "http://10.0.0.1:4566",
         true},
        {"localhost:4566/a", "http://127.0.0.1:4566", true},
        {"127.0.0.1:4566/a", "http://127.0.0.1:4566/", true},
        {"localhost:5000/a", "http://127.0.0.1:4566", false},
        {"localhost:4566/a", "http://10.0.0.1:4566", false},
        {"10.0.0.1:4566/a", "http://10.0.0.1:4566", true},
        {"nginx", "http://127.0.0.1:4566", false},
        {"!", "http://127.0.0.1:4566", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(registry_is_own(rows[i].image, rows[i].url), rows[i].own);
}

/* ---- replies ---- */

static int collect(void *ctx, const char *data, size_t len, struct error *err)
{
    str_addn(ctx, data, len);
    return 0;
}

/* However the bytes are cut, the same comes out. */
static void check_reply(const char *text, int status, const char *body, bool keep)
{
    size_t len = strlen(text);
    for (size_t step = 1; step <= len; step += step < 4 ? 1 : 7) {
        AUTO_STR got = STR_INIT;
        static struct reply r;
        struct error err = ERROR_INIT;
        reply_init(&r, collect, &got);
        int done = 0;
        for (size_t at = 0; at < len && !done; at += step) {
            size_t used, n = len - at < step ? len - at : step;
            done = reply_feed(&r, text + at, n, &used, &err);
            assert_true(done >= 0);
        }
        if (!done)
            done = reply_end(&r, &err);
        assert_int_equal(done, 1);
        assert_int_equal(r.status, status);
        assert_string_equal(str_text(&got), body);
        assert_int_equal(r.keep_alive, keep);
    }
}

static void replies_in_pieces(void **state)
{
    check_reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    check_reply("HTTP/1.1 200 OK\r\ncontent-length:0\r\nConnection: x, close\r\n\r\n",
                200, "", false);
    check_reply("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
                400, "abc0123456789", true);
    check_reply("HTTP/1.0 503 Oops\r\n\r\nuntil the end", 503, "until the end", false);
    check_reply("HTTP/1.1 204 No\r\n\r\n", 204, "", true);
}

static void replies_that_are_none(void **state)
{
    static const char *const bad[] = {
        "SSH-2.0-x\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.1 20x OK\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO_STR got = STR_INIT;
        static struct reply r;
        struct error err = ERROR_INIT;
        size_t used;
        reply_init(&r, collect, &got);
        assert_int_equal(reply_feed(&r, bad[i], strlen(bad[i]), &used, &err),
                         -E_PROTOCOL);
    }
    static char endless[100000];
    static struct reply r;
    struct error err = ERROR_INIT;
    size_t used;
    memset(endless, 'a', sizeof(endless));
    reply_init(&r, collect, NULL);
    assert_int_equal(reply_feed(&r, endless, sizeof(endless), &used, &err), -E_LIMIT);
    reply_init(&r, collect, NULL);
    assert_int_equal(reply_end(&r, &err), -E_NETWORK);
}

static void answers_that_are_final(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool final;
    } rows[] = {
        {400, "{\"__type\":\"InvalidParameterException\"}", true},
        {400, "{\"__type\":\"ThrottlingException\"}", false},
        {400, "{\"__type\":\"ExpiredTokenException\"}", false},
        {500, "{\"__type\":\"ServerException\"}", false},
        {403, "{}", false},
        {0, "", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server_answer a = {.status = rows[i].status, .body = rows[i].body};
        assert_int_equal(server_answer_is_final(&a), rows[i].final);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_a_closed_table),
        cmocka_unit_test(steps_have_names_and_statuses),
        cmocka_unit_test(conditions_of_dependencies),
        cmocka_unit_test(impossible_orders),
        cmocka_unit_test(need_of_a_task),
        cmocka_unit_test(room_is_given_once),
        cmocka_unit_test(waits_grow_to_their_bound),
        cmocka_unit_test(reasons_have_ecs_names),
        cmocka_unit_test(long_reasons_are_cut_between_characters),
        cmocka_unit_test(arn_of_the_cluster),
        cmocka_unit_test(urls_of_the_server),
        cmocka_unit_test(own_registry),
        cmocka_unit_test(replies_in_pieces),
        cmocka_unit_test(replies_that_are_none),
        cmocka_unit_test(answers_that_are_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
