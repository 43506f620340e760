/* Manifests, indexes and configs: what is read, and what is refused. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "image_manifest.h"
#include "str.h"

#define D0      "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define D1      "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2      "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define DESC(d) "{\"mediaType\":\"x/y\",\"digest\":\"" d "\",\"size\":7}"

static int parse(struct arena *a, const char *type, const char *text, struct manifest *m,
                 struct error *err)
{
    return manifest_parse(a, type, text, strlen(text), m, err);
}

static void image_manifest_is_read(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    struct manifest m;
    struct error err = ERROR_INIT;
    if (parse(&a, MEDIA_OCI_MANIFEST "; charset=utf-8",
              "{\"schemaVersion\":2,\"config\":" DESC(D0) ",\"layers\":[" DESC(
                  D1) "," DESC(D2) "],\"future\":[1]}",
              &m, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(m.kind, MANIFEST_IMAGE);
    assert_int_equal(m.layer_count, 2);
    assert_string_equal(m.layers[1].digest, D2);
    assert_int_equal(m.config.size, 7);
}

static void bad_manifests_are_refused(void **state)
{
    static const struct {
        const char *type, *text;
        enum error_code code;
    } table[] = {
        {NULL, "", E_INVALID},
        {NULL, "[]", E_INVALID},
        {NULL, "{\"schemaVersion\":2}", E_INVALID},
        {NULL, "{\"schemaVersion\":1,\"fsLayers\":[]}", E_UNSUPPORTED},
        {NULL, "{\"schemaVersion\":2,\"schemaVersion\":2}", E_INVALID},
        {NULL, "{\"schemaVersion\":2,\"mediaType\":\"a/b\",\"layers\":[]}",
         E_UNSUPPORTED},
        {MEDIA_DOCKER_MANIFEST,
         "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"}", E_INVALID},
        {NULL, "{\"schemaVersion\":2,\"config\":" DESC(D0) ",\"layers\":{}}", E_INVALID},
        {NULL,
         "{\"schemaVersion\":2,\"config\":" DESC("sha256:../../etc") ",\"layers\":[]}",
         E_INVALID},
        {NULL,
         "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D0
         "\",\"size\":-1},\"layers\":[]}",
         E_INVALID},
        {NULL,
         "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D0 "\",\"size\":99999999},"
         "\"layers\":[]}",
         E_LIMIT},
        {NULL, "{\"schemaVersion\":2,\"config\":" DESC(D0) ",\"layers\":[1]}", E_INVALID},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct manifest m;
        struct error err = ERROR_INIT;
        if (parse(&a, table[i].type, table[i].text, &m, &err) != -(int)table[i].code)
            fail_msg("%s: %s %s", table[i].text, error_name(err.code), err.text);
    }
}

static void too_many_layers_are_refused(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    AUTO_STR t = STR_INIT;
    struct manifest m;
    str_add(&t, "{\"schemaVersion\":2,\"config\":" DESC(D0) ",\"layers\":[" DESC(D1));
    for (int i = 1; i < IMAGE_MAX_LAYERS; i++)
        str_add(&t, "," DESC(D1));
    size_t len = t.len;
    str_add(&t, "]}");
    assert_int_equal(parse(&a, NULL, t.data, &m, NULL), 0);
    t.len = len;
    str_add(&t, "," DESC(D1) "]}");
    struct error err;
    assert_int_equal(parse(&a, NULL, t.data, &m, &err), -E_LIMIT);
}

static struct content_descriptor entry(const char *digest, const char *os,
                                       const char *arch, const char *variant)
{
    return (struct content_descriptor){.digest = digest, .platform = {os, arch, variant}};
}

static void selection_prefers_what_fits_best(void **state)
{
    struct content_descriptor list[] = {
        entry("any", "", "", ""),
        entry("arm-v5", "linux", "arm", "v5"),
        entry("arm-v6", "linux", "arm", "v6"),
        entry("arm64", "linux", "arm64", ""),
        entry("amd64", "linux", "amd64", ""),
        entry("amd64-v3", "linux", "amd64", "v3"),
        entry("windows", "windows", "amd64", ""),
        entry("att", "unknown", "unknown", ""),
    };
    const struct manifest index = {
        .kind = MANIFEST_INDEX, .manifests = list, .manifest_count = 8};
    static const struct {
        struct platform want;
        const char *digest;
    } table[] = {
        {{"linux", "amd64", ""}, "amd64"},  {{"linux", "arm64", "v8"}, "arm64"},
        {{"linux", "arm", "v7"}, "arm-v6"}, {{"linux", "arm", "v6"}, "arm-v6"},
        {{"linux", "arm", "v5"}, "arm-v5"}, {{"linux", "s390x", ""}, "any"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct content_descriptor *d;
        assert_int_equal(manifest_select(&index, &table[i].want, &d, NULL), 0);
        assert_string_equal(d->digest, table[i].digest);
    }
}

static void no_platform_names_what_is_offered(void **state)
{
    struct content_descriptor list[] = {entry("a", "linux", "arm64", "v8"),
                                        entry("b", "windows", "amd64", "")};
    const struct manifest index = {
        .kind = MANIFEST_INDEX, .manifests = list, .manifest_count = 2};
    const struct platform want = {"linux", "amd64", ""};
    const struct content_descriptor *d;
    struct error err = ERROR_INIT;
    assert_int_equal(manifest_select(&index, &want, &d, &err), -E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "linux/amd64"));
    assert_non_null(strstr(err.text, "linux/arm64/v8, windows/amd64"));
}

static void config_is_read(void **state)
{
    static const char text[] =
        "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Entrypoint\":[\"/"
        "a\"],"
        "\"Cmd\":null,\"Env\":[\"A=b=c\",\"B=\",\"NOVALUE\",\"=x\"],\"WorkingDir\":\"/"
        "w\","
        "\"User\":\"u:g\",\"StopSignal\":\"SIGQUIT\",\"ExposedPorts\":{\"80/tcp\":{}},"
        "\"Volumes\":{\"/v\":{}},\"Labels\":{\"l\":\"m\"},\"Future\":1},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}}";
    AUTO_ARENA a = ARENA_INIT;
    struct image_config c;
    struct error err = ERROR_INIT;
    if (image_config_parse(&a, text, strlen(text), &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(c.entrypoint[0], "/a");
    assert_null(c.entrypoint[1]);
    assert_null(c.cmd[0]);
    assert_string_equal(c.env[0], "A=b=c");
    assert_string_equal(c.env[1], "B=");
    assert_null(
        c.env[2]); /* names without values, and values without names, are left out */
    assert_string_equal(c.working_dir, "/w");
    assert_string_equal(c.user, "u:g");
    assert_string_equal(c.stop_signal, "SIGQUIT");
    assert_string_equal(c.exposed_ports[0], "80/tcp");
    assert_string_equal(c.volumes[0], "/v");
    assert_string_equal(c.label_names[0], "l");
    assert_string_equal(c.label_values[0], "m");
    assert_int_equal(c.diff_id_count, 1);
    const struct platform here = {"linux", "amd64", ""}, other = {"linux", "arm64", "v8"};
    assert_int_equal(image_config_check_platform(&c, &here, NULL), 0);
    assert_int_equal(image_config_check_platform(&c, &other, &err), -E_UNSUPPORTED);
}

static void bad_configs_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum error_code code;
    } table[] = {
        {"{}", E_UNSUPPORTED},
        {"{\"rootfs\":{\"type\":\"tarball\",\"diff_ids\":[]}}", E_UNSUPPORTED},
        {"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"../..\"]}}", E_INVALID},
        {"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[1]}}", E_INVALID},
        {"{\"config\":[],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}", E_INVALID},
        {"{\"config\":{\"Env\":{}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
         E_INVALID},
        {"{\"config\":{\"User\":1},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
         E_INVALID},
        {"{\"config\":{\"Labels\":{\"a\":1}},\"rootfs\":{\"type\":\"layers\",\"diff_"
         "ids\":[]}}",
         E_INVALID},
        {"{\"config\":{\"User\":\"a\\u0000b\"}}", E_INVALID},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        AUTO_ARENA a = ARENA_INIT;
        struct image_config c;
        struct error err = ERROR_INIT;
        if (image_config_parse(&a, table[i].text, strlen(table[i].text), &c, &err) !=
            -(int)table[i].code)
            fail_msg("%s: %s %s", table[i].text, error_name(err.code), err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_manifest_is_read),
        cmocka_unit_test(bad_manifests_are_refused),
        cmocka_unit_test(too_many_layers_are_refused),
        cmocka_unit_test(selection_prefers_what_fits_best),
        cmocka_unit_test(no_platform_names_what_is_offered),
        cmocka_unit_test(config_is_read),
        cmocka_unit_test(bad_configs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
