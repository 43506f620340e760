/* The metadata endpoint's pure parts: requests, routes, rates, numbers, documents. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "host_work.h"
#include "metadata.h"
#include "words.h"

/* ---- requests ---- */

static int parse(const char *text, size_t len, struct local_request *ret)
{
    static char buf[LOCAL_HEAD_MAX + LOCAL_BODY_MAX + 1];
    struct error err;
    memcpy(buf, text, len);
    return local_request_parse(buf, len, ret, &err);
}

static void requests_in_pieces(void **state)
{
    static const char text[] = "PUT /a%20b?x=%2F&y=2 HTTP/1.1\r\nHost: h\r\n"
                               "content-length:  4 \r\n\r\nbody";
    struct local_request q;
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_int_equal(parse(text, n, &q), -E_AGAIN);
    assert_int_equal(parse(text, sizeof(text) - 1, &q), 0);
    assert_string_equal(q.method, "PUT");
    assert_string_equal(q.path, "/a b");
    assert_string_equal(q.body, "body");
    char value[8];
    assert_int_equal(local_request_header(&q, "HOST", value, sizeof(value)), 1);
    assert_string_equal(value, "h");
    assert_int_equal(local_request_header(&q, "Hos", value, sizeof(value)), -1);
    assert_int_equal(local_request_header(&q, "Host", value, 1), 1);
    assert_string_equal(value, "");
    assert_true(local_query_value(q.query, "x", value, sizeof(value)));
    assert_string_equal(value, "/");
    assert_true(local_query_value(q.query, "y", value, sizeof(value)));
    assert_false(local_query_value(q.query, "z", value, sizeof(value)));
    assert_false(local_query_value("x=12345678", "x", value, sizeof(value)));
    assert_true(local_query_value("x=1234567", "x", value, sizeof(value)));
}

static void requests_that_are_none(void **state)
{
    static const struct {
        const char *text;
        int expected;
    } rows[] = {
        {"hello\r\n\r\n", -E_PROTOCOL},
        {"get / HTTP/1.1\r\n\r\n", -E_PROTOCOL},
        {"GET x HTTP/1.1\r\n\r\n", -E_PROTOCOL},
        {"GET / SMTP\r\n\r\n", -E_PROTOCOL},
        {"GET /%4 HTTP/1.1\r\n\r\n", -E_PROTOCOL},
        {"GET /%00 HTTP/1.1\r\n\r\n", -E_PROTOCOL},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
         -E_PROTOCOL},
        {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -E_PROTOCOL},
        {"PUT / HTTP/1.1\r\nContent-Length: 4097\r\n\r\n", -E_LIMIT},
        {"PUT / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", -E_LIMIT},
        {"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -E_UNSUPPORTED},
        {"GET / HTTP/1.0\n\n", 0},
    };
    struct local_request q;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(parse(rows[i].text, strlen(rows[i].text), &q), rows[i].expected);
    char long_head[LOCAL_HEAD_MAX];
    memset(long_head, 'a', sizeof(long_head));
    assert_int_equal(parse(long_head, sizeof(long_head) - 1, &q), -E_AGAIN);
    assert_int_equal(parse(long_head, sizeof(long_head), &q), -E_LIMIT);
}

/* ---- routes ---- */

static void routes(void **state)
{
    static const struct {
        const char *path;
        enum metadata_kind kind;
        int version;
        const char *id;
    } rows[] = {
        {"/v4/a", METADATA_CONTAINER, 4, "a"},
        {"/v3/a/", METADATA_CONTAINER, 3, "a"},
        {"/v4/a/task", METADATA_TASK, 4, "a"},
        {"/v4/a/taskWithTags", METADATA_TASK_TAGS, 4, "a"},
        {"/v4/a/stats", METADATA_STATS, 4, "a"},
        {"/v4/a/task/stats", METADATA_TASK_STATS, 4, "a"},
        {"/v4/a/associations/elastic-inference", METADATA_ASSOCIATIONS, 4, "a"},
        {"/v2/metadata", METADATA_TASK, 2, ""},
        {"/v2/metadata/x", METADATA_CONTAINER, 2, "x"},
        {"/v2/stats", METADATA_TASK_STATS, 2, ""},
        {"/v2/stats/x", METADATA_STATS, 2, "x"},
        {"/v2/credentials/x", METADATA_CREDENTIALS, 2, "x"},
        {"/api/a/task-protection/v1/state", METADATA_PROTECTION, 0, "a"},
        {"/api/a/fault/v1/network-latency", METADATA_FAULT, 0, "a"},
        {"/", METADATA_NOTHING, 0, ""},
        {"/v4", METADATA_NOTHING, 0, ""},
        {"/v5/a", METADATA_NOTHING, 0, ""},
        {"/v4/a/tasks", METADATA_NOTHING, 4, "a"},
        {"/v4/a/task/stats/more", METADATA_NOTHING, 4, "a"},
        {"/api/a/task-protection/v2/state", METADATA_NOTHING, 0, ""},
        {"/1/2/3/4/5/6/7/8/9", METADATA_NOTHING, 0, ""},
    };
    struct metadata_route r;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        metadata_route(rows[i].path, &r);
        assert_int_equal(r.kind, rows[i].kind);
        assert_int_equal(r.version, rows[i].version);
        assert_string_equal(r.id, rows[i].id);
    }
    char path[300] = "/v4/";
    memset(path + 4, 'x', 200);
    metadata_route(path, &r);
    assert_int_equal(r.kind, METADATA_NOTHING);
}

/* ---- rates ---- */

static void sixty_at_once_and_forty_a_second(void **state)
{
    int64_t due = 0, now = 5000000000;
    for (int i = 0; i < 60; i++)
        assert_true(metadata_rate_take(&due, now));
    assert_false(metadata_rate_take(&due, now));
    int taken = 0;
    for (int ms = 0; ms < 1000; ms++)
        taken += metadata_rate_take(&due, now + (ms + 1) * 1000000);
    assert_int_equal(taken, 40);
    now += 3600 * INT64_C(1000000000); /* what was not used is not saved up */
    taken = 0;
    while (metadata_rate_take(&due, now))
        taken++;
    assert_int_equal(taken, 60);
}

/* ---- protection ---- */

static void wishes_for_protection(void **state)
{
    static const struct {
        const char *body;
        int expected;
    } rows[] = {
        {"{\"ProtectionEnabled\":true}", 0},
        {"{\"protectionenabled\":false,\"ExpiresInMinutes\":null}", 0},
        {"{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":60}", 0},
        {"{}", -E_INVALID},
        {"", -E_INVALID},
        {"[true]", -E_INVALID},
        {"{\"ProtectionEnabled\":\"true\"}", -E_INVALID},
        {"{\"ProtectionEnabled\":null}", -E_INVALID},
        {"{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":1.5}", -E_INVALID},
        {"{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":9999999999}", -E_INVALID},
        {"{\"ProtectionEnabled\":true,\"Other\":1}", -E_INVALID},
        {"{\"ProtectionEnabled\":true} x", -E_INVALID},
    };
    struct protection_wish w;
    struct error err;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            metadata_read_protection(rows[i].body, strlen(rows[i].body), &w, &err),
            rows[i].expected);
    assert_int_equal(
        metadata_read_protection(rows[2].body, strlen(rows[2].body), &w, &err), 0);
    assert_true(w.enabled && w.has_minutes && w.minutes == 60);
}

/* ---- numbers ---- */

static void texts_of_the_kernel(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct stat_pair *pairs;
    struct stat_io *io;
    struct container_stats s = {0};
    assert_int_equal(stats_parse_pairs("cache 12\nbad\n x 1\nrss 3\n", &a, &pairs), 2);
    assert_string_equal(pairs[1].name, "rss");
    assert_int_equal(pairs[1].value, 3);
    assert_int_equal(stats_parse_io_v1("8:0 Read 10\n8:16 Write 20\nTotal 30\n", &a, &io),
                     2);
    assert_int_equal(io[1].minor, 16);
    assert_string_equal(io[1].op, "write");
    stats_parse_io_v2("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5\n253:1 rbytes=7\n",
                      &a, &s);
    assert_int_equal(s.io_bytes_count, 3);
    assert_int_equal(s.io_operations_count, 2);
    assert_int_equal(s.io_bytes[2].major, 253);
    assert_int_equal(s.io_bytes[2].value, 7);
    assert_int_equal(stats_parse_machine_cpu("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n", 100),
                     28 * INT64_C(10000000));
    assert_int_equal(stats_parse_machine_cpu("intr 5", 100), 0);
}

static void stats_have_dockers_form(void **state)
{
    struct container_stats before = {.at_ms = 1000,
                                     .at_ns = 1000000000,
                                     .cpu_ns = 5,
                                     .has_network = true,
                                     .network = {.rx_bytes = 100}};
    struct container_stats now = {.at_ms = 3000,
                                  .at_ns = 3000000000,
                                  .cpu_ns = 9,
                                  .memory_bytes = 7,
                                  .memory_max_bytes = 8,
                                  .pids = 2,
                                  .online_cpus = 4,
                                  .has_network = true,
                                  .network = {.rx_bytes = 300, .tx_bytes = 1}};
    AUTO_STR s = STR_INIT, first = STR_INIT;
    metadata_write_stats(&now, &before, "id", "name", &s);
    assert_non_null(strstr(s.data, "\"read\":\"1970-01-01T00:00:03.000Z\",\"preread\":"
                                   "\"1970-01-01T00:00:01.000Z\""));
    assert_non_null(strstr(s.data, "\"network_rate_stats\":{\"rx_bytes_per_sec\":100,"
                                   "\"tx_bytes_per_sec\":0.5}"));
    assert_non_null(strstr(s.data, "\"name\":\"/name\",\"id\":\"id\""));
    assert_non_null(
        strstr(s.data, "\"memory_stats\":{\"usage\":7,\"stats\":{},\"limit\":8}"));
    metadata_write_stats(&now, NULL, "id", "name", &first);
    assert_null(strstr(first.data, "network_rate_stats"));
    assert_non_null(strstr(first.data, "\"preread\":\"0001-01-01T00:00:00Z\""));
}

/* ---- documents ---- */

static void documents(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    static const struct agent_config config;
    struct host host = {.config = &config};
    struct engine e = {.host = &host, .config = &config};
    struct error err;
    struct task *t;
    list_init(&e.tasks);
    const struct gantry_host_task *words = task_of(
        &a,
        "{\"name\":\"one\",\"image\":\"i\",\"cpu\":10,\"memory\":128,\"essential\":true,"
        "\"dockerLabels\":{\"k\":\"v\"}},{\"name\":\"two\",\"image\":\"i\",\"memory\":"
        "64}",
        ",\"networkMode\":\"host\",\"cpu\":\"256\",\"memory\":\"512\"",
        ",\"serviceName\":\"web\",\"availabilityZone\":\"eu-west-9a\"");
    assert_int_equal(task_new(&e, words, "/nowhere", &t, &err), 0);
    assert_string_not_equal(t->containers[0].endpoint_id, t->containers[1].endpoint_id);
    t->containers[0].step = CSTEP_RUNNING;
    t->containers[0].started_at_ms = 1000;
    t->containers[0].health = (struct health){.status = ECS_HEALTH_STATUS_HEALTHY,
                                              .since_ms = 2000,
                                              .has_exit_code = true,
                                              .output = "fine"};
    const struct gantry_metadata_task *m = metadata_task(&a, t);
    assert_string_equal(m->known_status, "NONE"); /* the lowest of the two */
    assert_string_equal(m->revision, "7");
    assert_string_equal(m->service_name, "web");
    assert_true(m->limits->cpu.v == 0.25 && m->limits->memory.v == 512);
    const struct gantry_metadata_container *c = &m->containers.v[0];
    assert_string_equal(c->known_status, "RUNNING");
    assert_string_equal(c->started_at, "1970-01-01T00:00:01.000Z");
    assert_true(c->limits->cpu.v == 10 && c->limits->memory.v == 128);
    assert_string_equal(c->health->status, "HEALTHY");
    assert_string_equal(c->health->status_since, "1970-01-01T00:00:02.000Z");
    assert_null(m->containers.v[1].health);
    assert_string_equal(c->networks.v[0].network_mode, "host");
    assert_string_equal(c->labels.v[c->labels.n - 1].value, "v");
    t->containers[0].health = (struct health){0};
    t->containers[1].step = CSTEP_STOPPED; /* it ran and is done: it does not count */
    assert_string_equal(metadata_task(&a, t)->known_status, "RUNNING");
    AUTO_STR text = STR_INIT;
    wire_json_encode(&text, &gantry_metadata_task_shape, m);
    assert_null(strstr(text.data, t->containers[0].endpoint_id));
    task_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_in_pieces),
        cmocka_unit_test(requests_that_are_none),
        cmocka_unit_test(routes),
        cmocka_unit_test(sixty_at_once_and_forty_a_second),
        cmocka_unit_test(wishes_for_protection),
        cmocka_unit_test(texts_of_the_kernel),
        cmocka_unit_test(stats_have_dockers_form),
        cmocka_unit_test(documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
