/* Names of secrets, what stores answer, and environment files. */
#include "unit.h"

#include <string.h>

#include "secret_ref.h"

#define ASM "arn:aws:secretsmanager:eu-west-9:1:secret:db-a1b2c3"
#define SSM "arn:aws:ssm:eu-west-9:1:parameter"

static const char *or_none(const char *s)
{
    return s ? s : "-";
}

static void names(void **state)
{
    static const struct {
        const char *value_from, *expected; /* NULL: refused */
    } rows[] = {
        {ASM, "0 " ASM " - - -"},
        {ASM ":k::", "0 " ASM " k - -"},
        {ASM ":k:stage:id", "0 " ASM " k stage id"},
        {ASM "::stage:", "0 " ASM " - stage -"},
        {ASM ":k", NULL},
        {ASM ":k:s", NULL},
        {ASM ":k:s:i:x", NULL},
        {"arn:aws:secretsmanager:r:1:other:x", NULL},
        {"name", "1 name - - -"},
        {"/a/b", "1 /a/b - - -"},
        {"with:colon", "1 with:colon - - -"},
        {SSM "/name", "1 name - - -"},
        {SSM "/a/b", "1 /a/b - - -"},
        {SSM, NULL},
        {SSM "/", NULL},
        {"arn:aws:sqs:r:1:queue", NULL},
        {"arn:aws:secretsmanager:::::::::::", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        struct secret_ref s;
        int r = secret_ref_parse(&a, rows[i].value_from, &s, &err);
        assert_int_equal(r, rows[i].expected ? 0 : -E_INVALID);
        if (rows[i].expected)
            assert_string_equal(
                arena_printf(&a, "%d %s %s %s %s", s.store, s.id, or_none(s.json_key),
                             or_none(s.version_stage), or_none(s.version_id)),
                rows[i].expected);
    }
}

static void files(void **state)
{
    static const struct {
        const char *arn, *path;
    } rows[] = {
        {"arn:aws:s3:::bucket/a.env", "/bucket/a.env"},
        {"arn:aws-cn:s3:::b/dir/x y+z.env", "/b/dir/x%20y%2Bz.env"},
        {"arn:aws:s3:::b/\xc3\xa4", "/b/%C3%A4"},
        {"arn:aws:s3:::bucket/", NULL},
        {"arn:aws:s3:::bucket", NULL},
        {"arn:aws:s3:::/x", NULL},
        {"s3://bucket/x", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        struct secret_ref s;
        int r = secret_ref_file(&a, rows[i].arn, &s, &err);
        assert_int_equal(r, rows[i].path ? 0 : -E_INVALID);
        if (rows[i].path)
            assert_string_equal(s.id, rows[i].path);
    }
}

static void answers(void **state)
{
    static const struct {
        const char *value_from, *body, *value; /* NULL: refused */
    } rows[] = {
        {ASM, "{\"SecretString\":\"x\"}", "x"},
        {ASM ":k::", "{\"SecretString\":\"{\\\"k\\\":\\\"v\\\"}\"}", "v"},
        {ASM ":k::", "{\"SecretString\":\"{\\\"k\\\":12}\"}", "12"},
        {ASM ":k::", "{\"SecretString\":\"{\\\"k\\\":{\\\"a\\\":[1]}}\"}", "{\"a\":[1]}"},
        {ASM ":k::", "{\"SecretString\":\"{}\"}", NULL},
        {ASM ":k::", "{\"SecretString\":\"[1]\"}", NULL},
        {ASM ":k::", "{\"SecretString\":\"text\"}", NULL},
        {ASM, "{\"SecretBinary\":\"eA==\"}", NULL},
        {ASM, "nonsense", NULL},
        {ASM, "[]", NULL},
        {"n", "{\"Parameters\":[{\"Name\":\"n\",\"Value\":\"v\"}]}", "v"},
        {"n", "{\"Parameters\":[],\"InvalidParameters\":[\"n\"]}", NULL},
        {"n", "{\"Parameters\":7}", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        struct secret_ref s;
        const char *value = NULL;
        assert_int_equal(secret_ref_parse(&a, rows[i].value_from, &s, &err), 0);
        int r = secret_take(&a, &s, rows[i].body, strlen(rows[i].body), &value, &err);
        assert_int_equal(r < 0, rows[i].value == NULL);
        if (rows[i].value)
            assert_string_equal(value, rows[i].value);
    }
}

static void complaints(void **state)
{
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"{\"__type\":\"a.b#X\",\"message\":\"m\"}", "X: m"},
        {"{\"__type\":\"X\",\"Message\":\"m\"}", "X: m"},
        {"<Error><Code>C</Code><Message>M</Message></Error>", "C: M"},
        {"<Error><Code>C", "C: "},
        {"", "HTTP status 403"},
        {"{\"__type\":7}", "HTTP status 403"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_STR s = STR_INIT;
        secret_complaint(403, rows[i].body, &s);
        assert_string_equal(s.data, rows[i].text);
    }
}

static void requests(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    struct secret_ref s, t;
    assert_int_equal(secret_ref_parse(&a, ASM ":k:stage:id", &s, &err), 0);
    assert_string_equal(secret_request(&a, &s),
                        "{\"SecretId\":\"" ASM "\",\"VersionStage\":"
                        "\"stage\",\"VersionId\":\"id\"}");
    assert_int_equal(secret_ref_parse(&a, ASM ":other:stage:id", &t, &err), 0);
    assert_true(secret_ref_same(&s, &t));
    assert_int_equal(secret_ref_parse(&a, ASM, &t, &err), 0);
    assert_false(secret_ref_same(&s, &t));
    assert_int_equal(secret_ref_parse(&a, "n\"", &s, &err), 0);
    assert_string_equal(secret_request(&a, &s),
                        "{\"Names\":[\"n\\\"\"],\"WithDecryption\":true}");
    const char *user, *password;
    assert_int_equal(registry_secret_take(&a, "{\"username\":\"u\",\"password\":\"p\"}",
                                          &user, &password, &err),
                     0);
    assert_string_equal(password, "p");
    assert_int_equal(
        registry_secret_take(&a, "{\"username\":\"u\"}", &user, &password, &err),
        -E_INVALID);
    assert_int_equal(registry_secret_take(&a, "u:p", &user, &password, &err), -E_INVALID);
}

static const char *shown(struct arena *a, const struct env_list *l)
{
    AUTO_STR s = STR_INIT;
    for (size_t i = 0; i < l->n; i++)
        str_addf(&s, "[%s|%s]", l->v[i].name, l->v[i].value);
    return arena_strdup(a, str_text(&s));
}

static void env_files(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", ""},
        {"A=1", "[A|1]"},
        {"A=1\nB=2\r\n\n", "[A|1][B|2]"},
        {"#A=1\n A=2\n", "[ A|2]"},
        {"A=\n=1\nA\n=\n", ""},
        {"A='q' \"x\" # no comment\n", "[A|'q' \"x\" # no comment]"},
        {"A=b=c\nA=later\n", "[A|b=c]"},
        {"export A=1", "[export A|1]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct error err = ERROR_INIT;
        struct env_list l = {0};
        assert_int_equal(env_file_parse(&a, rows[i].text, strlen(rows[i].text), &l, &err),
                         0);
        assert_string_equal(shown(&a, &l), rows[i].expected);
    }
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    struct env_list l = {0};
    assert_int_equal(env_file_parse(&a, "A=\0", 3, &l, &err), -E_INVALID);
    assert_int_equal(env_file_parse(&a, "A=\xff", 3, &l, &err), -E_INVALID);
    AUTO_STR many = STR_INIT;
    for (int i = 0; i <= ENV_FILE_LINES_MAX; i++)
        str_addc(&many, '\n');
    assert_int_equal(env_file_parse(&a, many.data, many.len, &l, &err), -E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),    cmocka_unit_test(files),
        cmocka_unit_test(answers),  cmocka_unit_test(complaints),
        cmocka_unit_test(requests), cmocka_unit_test(env_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
