/* What a log router is told, and how a line reaches it. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "firelens_config.h"
#include "fluent_record.h"
#include "words.h"

static const char *config_of(struct arena *a, const char *type, const char *options,
                             const char *log, const char *mode)
{
    AUTO_STR s = STR_INIT;
    struct error err = ERROR_INIT;
    struct gantry_host_task *t =
        task_of(a,
                arena_printf(a,
                             "{\"name\":\"r\",\"firelensConfiguration\":{\"type\":\"%s\","
                             "\"options\":{%s}}},{\"name\":\"app\",\"logConfiguration\":{"
                             "\"logDriver\":\"awsfirelens\",%s}},{\"name\":\"other\"}",
                             type, options, log),
                arena_printf(a, ",\"networkMode\":\"%s\"", mode), "");
    if (firelens_config_write(a, t, &s, &err) < 0)
        return arena_printf(a, "!%s", err.text);
    return arena_strdup(a, s.data);
}

#define QUIET "\"enable-ecs-log-metadata\":\"false\""

static void fluent_bit(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    assert_string_equal(
        config_of(&a, "fluentbit", "",
                  "\"options\":{\"Name\":\"es\",\"include-pattern\":\"^x\",\"log-driver-"
                  "buffer-limit\":\"1\"},\"secretOptions\":[{\"name\":\"pass-word\","
                  "\"valueFrom\":\"p\"}]",
                  "bridge"),
        "[INPUT]\n    Name forward\n    unix_path /var/run/fluent.sock\n\n"
        "[INPUT]\n    Name forward\n    Listen 0.0.0.0\n    Port 24224\n\n"
        "[FILTER]\n    Name record_modifier\n    Match *\n    Record ecs_cluster c\n"
        "    Record ecs_task_arn arn:aws:ecs:r:1:task/c/0123abcd\n"
        "    Record ecs_task_definition web:7\n\n"
        "[FILTER]\n    Name grep\n    Match app-firelens*\n    Regex log ^x\n\n"
        "[OUTPUT]\n    Name es\n    Match app-firelens*\n    pass-word "
        "${PASS_WORD_1}\n\n");
    /* without a Name there is no output of ours */
    const char *text = config_of(
        &a, "fluentbit",
        QUIET ",\"config-file-type\":\"file\",\"config-file-value\":\"/my.conf\"",
        "\"options\":{}", "awsvpc");
    assert_non_null(strstr(text, "Listen 127.0.0.1"));
    assert_non_null(strstr(text, "@INCLUDE /my.conf\n"));
    assert_null(strstr(text, "OUTPUT"));
    assert_null(strstr(text, "FILTER"));
}

static void fluentd(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    assert_string_equal(
        config_of(&a, "fluentd",
                  QUIET ",\"config-file-type\":\"s3\",\"config-file-value\":\"arn:x\"",
                  "\"options\":{\"@type\":\"http\",\"exclude-pattern\":\"y\"},"
                  "\"secretOptions\":[{\"name\":\"k\",\"valueFrom\":\"p\"}]",
                  "bridge"),
        "<source>\n    @type unix\n    path /var/run/fluent.sock\n</source>\n\n"
        "<source>\n    @type forward\n    bind 0.0.0.0\n    port 24224\n</source>\n\n"
        "@include /fluentd/etc/external.conf\n\n"
        "<filter app-firelens**>\n    @type grep\n    <exclude>\n        key log\n"
        "        pattern y\n    </exclude>\n</filter>\n\n"
        "<match app-firelens**>\n    @type http\n    k \"#{ENV['K_1']}\"\n</match>\n\n");
}

static void bad_options(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    static const char *const options[] = {
        "\"config-file-type\":\"ftp\",\"config-file-value\":\"x\"",
        "\"config-file-type\":\"file\"",
        "\"config-file-type\":\"file\",\"config-file-value\":\"a\\nb\""};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        assert_int_equal(
            config_of(&a, "fluentd", options[i], "\"options\":{}", "host")[0], '!');
    assert_int_equal(config_of(&a, "fluentbit", "",
                               "\"options\":{\"Name\":\"x\\n[OUTPUT]\"}", "bridge")[0],
                     '!');
}

static void records(void **state)
{
    static const struct fluent_source s = {
        .tag = "t", .container_id = "id", .container_name = "/name"};
    static const char expected[] =
        "\x93\xa1t\xd7\0\0\0\0\x02\0\0\0\x03\x84\xac"
        "container_id\xa2id\xae"
        "container_name\xa5/name\xa6source\xa6stderr\xa3log\xa2hi";
    struct log_entry e = {
        .time_ns = 2000000003, .is_stderr = true, .text = "hi", .len = 2};
    AUTO_STR m = STR_INIT;
    fluent_record_write(&s, &e, &m);
    assert_int_equal(m.len, sizeof(expected) - 1);
    assert_memory_equal(m.data, expected, m.len);
    /* the length's form follows the length */
    static const struct {
        size_t len;
        unsigned char head[5];
        size_t head_len;
    } rows[] = {{0, {0xa0}, 1},
                {31, {0xbf}, 1},
                {32, {0xd9, 32}, 2},
                {255, {0xd9, 255}, 2},
                {256, {0xda, 1, 0}, 3},
                {65535, {0xda, 255, 255}, 3},
                {65536, {0xdb, 0, 1, 0, 0}, 5}};
    size_t before = m.len - 3; /* up to where the text of "log" begins */
    char *text = xcalloc(1, 70000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        e.text = text;
        e.len = rows[i].len;
        str_clear(&m);
        fluent_record_write(&s, &e, &m);
        assert_int_equal(m.len, before + rows[i].head_len + rows[i].len);
        assert_memory_equal(m.data + before, rows[i].head, rows[i].head_len);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fluent_bit), cmocka_unit_test(fluentd),
        cmocka_unit_test(bad_options), cmocka_unit_test(records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
