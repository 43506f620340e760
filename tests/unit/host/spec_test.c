/* What config.json says, users, capabilities: no container is run. */
#include "unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "oci_spec.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/gantry-spec-XXXXXX");
    assert_non_null(mkdtemp(root));
    char etc[80];
    snprintf(etc, sizeof(etc), "%s/etc", root);
    return mkdir(etc, 0755);
}

static int teardown(void **state)
{
    (void)state;
    struct error err;
    return dir_remove_all(root, &err);
}

static void put(const char *name, const char *text)
{
    char path[128];
    struct error err;
    snprintf(path, sizeof(path), "%s/%s", root, name);
    unlink(path);
    assert_int_equal(file_replace(path, text, strlen(text), 0644, 0, &err), 0);
}

static uint64_t bit(const char *name)
{
    for (unsigned i = 0; capability_name(i); i++)
        if (streq(capability_name(i), name))
            return UINT64_C(1) << i;
    assert_true(0);
    return 0;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_capabilities(void **state)
{
    uint64_t set, all = 0;
    struct error err;
    for (unsigned i = 0; capability_name(i); i++)
        all |= UINT64_C(1) << i;
    assert_true(capability_defaults() == 0xa80425fb); /* as `docker run` shows CapBnd */
    assert_int_equal(capability_set(NULL, NULL, &set, &err), 0);
    assert_true(set == capability_defaults());
    assert_int_equal(capability_set(LIST("net_admin"), LIST("CAP_CHOWN"), &set, &err), 0);
    assert_true(set ==
                ((capability_defaults() | bit("CAP_NET_ADMIN")) & ~bit("CAP_CHOWN")));
    assert_int_equal(capability_set(LIST("KILL"), LIST("ALL"), &set, &err), 0);
    assert_true(set == bit("CAP_KILL"));
    assert_int_equal(capability_set(LIST("ALL"), LIST("KILL"), &set, &err), 0);
    assert_true(set == (all & ~bit("CAP_KILL")));
    assert_int_equal(capability_set(LIST("CHOWN"), LIST("CHOWN"), &set, &err), 0);
    assert_true(set & bit("CAP_CHOWN")); /* drop first, then add */
    assert_int_equal(capability_set(LIST("FLY"), NULL, &set, &err), -E_INVALID);
    assert_non_null(strstr(err.text, "FLY"));
}

static void test_users(void **state)
{
    struct user_ids u;
    struct error err;
    put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                      "#web:x:1:1::/:\n"
                      "broken line\n"
                      "web:x:33:34:w,,,:/srv/web:/bin/false\n"
                      "web2:x:33:99::relative:/\n"
                      "minus:x:-1:-1::/:\n"
                      "huge:x:4294967295:4294967296::/:\n"
                      "nonl:x:55:56::/home/nonl:/bin/sh");
    put("etc/group",
        "root:x:0:\nwww:x:34:\nextra:x:70:a,web,b\nalso:x:71:web\nbad:x:zz:web\n");
    assert_int_equal(user_lookup(root, NULL, &u, &err), 0);
    assert_int_equal(u.uid, 0);
    assert_string_equal(u.home, "/root");
    assert_int_equal(user_lookup(root, "web", &u, &err), 0);
    assert_int_equal(u.uid, 33);
    assert_int_equal(u.gid, 34);
    assert_string_equal(u.home, "/srv/web");
    assert_int_equal(u.extra_count, 2);
    assert_int_equal(u.extra[0], 70);
    assert_int_equal(u.extra[1], 71);
    assert_int_equal(user_lookup(root, "33", &u, &err),
                     0); /* the first with that number */
    assert_int_equal(u.gid, 34);
    assert_int_equal(user_lookup(root, "web:extra", &u, &err), 0);
    assert_int_equal(u.gid, 70);
    assert_int_equal(u.extra_count, 0);
    assert_int_equal(user_lookup(root, "1234:5678", &u, &err), 0);
    assert_int_equal(u.uid, 1234);
    assert_int_equal(u.gid, 5678);
    assert_string_equal(u.home, "/");
    assert_int_equal(user_lookup(root, "nonl", &u, &err), 0);
    assert_int_equal(u.gid, 56);
    assert_int_equal(user_lookup(root, "nobody-here", &u, &err), -E_INVALID);
    assert_non_null(strstr(err.text, "unable to find user nobody-here"));
    assert_int_equal(user_lookup(root, "web:nogroup", &u, &err), -E_INVALID);
    assert_int_equal(user_lookup(root, "minus", &u, &err), -E_INVALID);
    assert_int_equal(user_lookup(root, "huge", &u, &err), -E_INVALID);
    assert_int_equal(user_lookup(root, "4294967295", &u, &err), -E_INVALID);
    assert_int_equal(user_lookup(root, "-1", &u, &err), -E_INVALID);
}

static void test_hostile_passwd(void **state)
{
    struct user_ids u;
    struct error err;
    char path[128];
    snprintf(path, sizeof(path), "%s/etc/passwd", root);
    /* A link out of the root stays inside: there is no /etc/hostname in this root. */
    unlink(path);
    assert_int_equal(symlink("../../../../../../etc/hostname", path), 0);
    assert_int_equal(user_lookup(root, "0", &u, &err), 0);
    unlink(path);
    assert_int_equal(symlink("/etc/passwd", path), 0); /* itself: a loop */
    assert_true(user_lookup(root, "0", &u, &err) < 0);
    unlink(path);
    assert_int_equal(mkfifo(path, 0644), 0); /* must not block */
    assert_int_equal(user_lookup(root, "0", &u, &err), -E_CORRUPT);
    unlink(path);
    AUTO_STR big = STR_INIT;
    while (big.len < 5 * 1024 * 1024)
        str_add(&big, "a:x:1:1::/:/bin/sh\n");
    put("etc/passwd", big.data);
    assert_int_equal(user_lookup(root, "0", &u, &err), -E_CORRUPT);
    put("etc/passwd", ":::::\n::::::::::::\n\n\n:x:0:0::/:");
    assert_int_equal(user_lookup(root, "7", &u, &err), 0);
    unlink(path);
}

static json_t *write_spec(const struct container_spec *c)
{
    AUTO_STR text = STR_INIT;
    struct error err;
    int r = oci_spec_write(c, &text, &err);
    if (r < 0)
        print_error("%s\n", err.text);
    assert_int_equal(r, 0);
    /* jansson's integers end at 2^63 - 1. */
    for (char *p; (p = strstr(text.data, "18446744073709551615"));)
        memcpy(p, " 9223372036854775807", 20);
    json_error_t e;
    json_t *o = json_loads(text.data, JSON_REJECT_DUPLICATES, &e);
    if (!o)
        print_error("%s at %d: %.80s\n", e.text, e.position,
                    text.data + (e.position > 40 ? e.position - 40 : 0));
    assert_non_null(o);
    return o;
}

static json_t *at(json_t *o, const char *path)
{
    char copy[128], *save = NULL;
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *p = strtok_r(copy, ".", &save); p; p = strtok_r(NULL, ".", &save))
        o = *p >= '0' && *p <= '9' ? json_array_get(o, (size_t)atoi(p))
                                   : json_object_get(o, p);
    return o;
}

static json_t *find(json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        if (streq(json_string_value(json_object_get(item, key)), value))
            return item;
    return NULL;
}

static bool has(json_t *list, const char *value)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        if (streq(json_string_value(item), value))
            return true;
    return false;
}

static struct container_spec basic(void)
{
    static const char *const args[] = {"/bin/web", "-p", "a \"quoted\" \\ line\n\x01",
                                       NULL};
    struct container_spec c = CONTAINER_SPEC_INIT;
    c.rootfs = root;
    c.args = args;
    c.cgroups_path = "/gantry-x/ecs/t/c";
    c.cgroup_version = CGROUP_V2;
    return c;
}

static void test_defaults(void **state)
{
    struct container_spec c = basic();
    c.hostname = "web-1";
    json_t *o = write_spec(&c);
    assert_string_equal(json_string_value(at(o, "process.args.2")),
                        "a \"quoted\" \\ line\n\x01");
    assert_string_equal(json_string_value(at(o, "process.cwd")), "/");
    assert_true(has(at(o, "process.env"), "HOSTNAME=web-1"));
    assert_true(has(at(o, "process.env"), "HOME=/"));
    assert_int_equal(json_array_size(at(o, "process.capabilities.bounding")), 14);
    assert_null(at(o, "process.capabilities.ambient"));
    assert_true(has(at(o, "linux.maskedPaths"), "/proc/kcore"));
    assert_true(has(at(o, "linux.readonlyPaths"), "/proc/sys"));
    assert_string_equal(json_string_value(at(o, "linux.seccomp.defaultAction")),
                        "SCMP_ACT_ERRNO");
    assert_true(json_is_false(at(o, "linux.resources.devices.0.allow")));
    assert_int_equal(json_array_size(at(o, "linux.namespaces")), 6);
    assert_true(has(at(find(at(o, "mounts"), "destination", "/dev/shm"), "options"),
                    "size=67108864"));
    assert_string_equal(json_string_value(at(o, "linux.cgroupsPath")),
                        "/gantry-x/ecs/t/c");
    json_decref(o);
}

static void test_settings(void **state)
{
    struct container_spec c = basic();
    static const char *const env[] = {"PATH=/x", "HOME=/h", "A=1=2", NULL};
    struct spec_mount mounts[] = {
        {.source = "/srv", .destination = "/data", .read_only = true},
        {.destination = "/scratch",
         .tmpfs = true,
         .size_bytes = 1 << 20,
         .options = "mode=700"}};
    struct spec_ulimit ulimits[] = {{"nofile", 1024, 4096}, {"core", -1, -1}};
    struct spec_pair sysctls[] = {{"net.core.somaxconn", "512"}};
    struct spec_device devices[] = {
        {.host_path = "/dev/null", .container_path = "/dev/x", .read = true}};
    c.env = env;
    c.mounts = mounts, c.mount_count = 2;
    c.ulimits = ulimits, c.ulimit_count = 2;
    c.sysctls = sysctls, c.sysctl_count = 1;
    c.devices = devices, c.device_count = 1;
    c.rootfs_readonly = true;
    c.net = SPEC_NS_PATH, c.net_path = "/run/x/ns/1";
    c.pid = SPEC_NS_HOST;
    c.shm_bytes = 1 << 21;
    c.limits.memory_max_bytes = 64 << 20;
    c.limits.swap_max_bytes = 32 << 20;
    c.limits.cpu_shares = 256;
    c.limits.pids_max = 100;
    json_t *o = write_spec(&c);
    assert_int_equal(json_array_size(at(o, "process.env")),
                     3); /* no default beside its own */
    assert_true(json_is_true(at(o, "root.readonly")));
    json_t *data = find(at(o, "mounts"), "destination", "/data");
    assert_true(has(at(data, "options"), "ro") && has(at(data, "options"), "rprivate"));
    json_t *scratch = find(at(o, "mounts"), "destination", "/scratch");
    assert_true(has(at(scratch, "options"), "size=1048576") &&
                has(at(scratch, "options"), "mode=700"));
    assert_int_equal(json_integer_value(at(o, "process.rlimits.0.hard")), 4096);
    assert_string_equal(json_string_value(at(o, "process.rlimits.0.type")),
                        "RLIMIT_NOFILE");
    assert_true(json_integer_value(at(o, "process.rlimits.1.soft")) == INT64_MAX);
    assert_string_equal(
        json_string_value(json_object_get(at(o, "linux.sysctl"), "net.core.somaxconn")),
        "512");
    assert_string_equal(
        json_string_value(at(find(at(o, "linux.namespaces"), "type", "network"), "path")),
        "/run/x/ns/1");
    assert_null(find(at(o, "linux.namespaces"), "type", "pid"));
    assert_int_equal(json_integer_value(at(o, "linux.devices.0.major")), 1);
    size_t rules = json_array_size(at(o, "linux.resources.devices"));
    json_t *rule = json_array_get(at(o, "linux.resources.devices"), rules - 1);
    assert_string_equal(json_string_value(at(rule, "access")), "r");
    assert_int_equal(json_integer_value(at(o, "linux.resources.memory.swap")), 96 << 20);
    assert_int_equal(json_integer_value(at(o, "linux.resources.cpu.shares")), 256);
    assert_int_equal(json_integer_value(at(o, "linux.resources.pids.limit")), 100);
    json_decref(o);
}

static void test_privileged(void **state)
{
    struct container_spec c = basic();
    c.privileged = true;
    c.no_new_privileges = true;
    json_t *o = write_spec(&c);
    assert_null(at(o, "linux.seccomp"));
    assert_null(at(o, "linux.maskedPaths"));
    assert_true(json_is_true(at(o, "linux.resources.devices.0.allow")));
    assert_true(json_is_false(at(o, "process.noNewPrivileges")));
    assert_true(has(at(o, "process.capabilities.bounding"), "CAP_SYS_ADMIN"));
    assert_false(has(at(find(at(o, "mounts"), "destination", "/sys"), "options"), "ro"));
    json_decref(o);
}

static void refused(struct container_spec c, const char *words)
{
    AUTO_STR text = STR_INIT;
    struct error err;
    assert_true(oci_spec_write(&c, &text, &err) < 0);
    if (!strstr(err.text, words))
        print_error("'%s' does not say '%s'\n", err.text, words);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(text.len, 0);
}

static void test_refusals(void **state)
{
    struct container_spec c = basic();
    static const char *const empty[] = {NULL}, *const bad[] = {"a\xff", NULL};
    static const char *const noname[] = {"novalue", NULL};
    c.args = empty;
    refused(c, "no command");
    c = basic(), c.args = bad;
    refused(c, "UTF-8");
    c = basic(), c.env = noname;
    refused(c, "novalue");
    c = basic(), c.cwd = "here";
    refused(c, "not absolute");
    struct spec_pair host[] = {{"net.ipv4.ip_forward", "1"}},
                     path[] = {{"net/../kernel", "1"}},
                     other[] = {{"kernel.core_pattern", "x"}};
    c = basic(), c.sysctls = host, c.sysctl_count = 1, c.net = SPEC_NS_HOST;
    refused(c, "host's namespace");
    c = basic(), c.sysctls = path, c.sysctl_count = 1;
    refused(c, "not a name");
    c = basic(), c.sysctls = other, c.sysctl_count = 1;
    refused(c, "not separately settable");
    struct spec_device none[] = {{.host_path = "/dev/does-not-exist"}};
    c = basic(), c.devices = none, c.device_count = 1;
    refused(c, "/dev/does-not-exist");
    struct spec_ulimit limit[] = {{"flux", 1, 1}};
    c = basic(), c.ulimits = limit, c.ulimit_count = 1;
    refused(c, "flux");
}

static void test_seccomp(void **state)
{
    AUTO_STR a = STR_INIT, b = STR_INIT, code = STR_INIT;
    assert_true(seccomp_filter_write(capability_defaults(), &code));
    print_message("filter: %zu instructions\n", code.len * 3 / 4 / 8);
    assert_true(code.len * 3 / 4 / 8 < 4096); /* the kernel's bound */
    seccomp_profile_write(capability_defaults(), &a);
    seccomp_profile_write(~UINT64_C(0), &b);
    json_t *plain = json_loads(a.data, 0, NULL), *admin = json_loads(b.data, 0, NULL);
    json_t *names = at(plain, "syscalls.0.names");
    assert_true(has(names, "openat") && has(names, "execve") && has(names, "chroot"));
    assert_false(has(names, "mount") || has(names, "bpf") || has(names, "clone3") ||
                 has(names, "clone") || has(names, "io_uring_setup") ||
                 has(names, "keyctl"));
    assert_true(has(at(admin, "syscalls.0.names"), "mount"));
    size_t n = json_array_size(at(plain, "syscalls"));
    json_t *last = json_array_get(at(plain, "syscalls"), n - 1);
    assert_true(has(at(last, "names"), "clone3"));
    assert_int_equal(json_integer_value(at(last, "errnoRet")), 38);
    json_decref(plain);
    json_decref(admin);
}

static void test_speed(void **state)
{
    struct container_spec c = basic();
    AUTO_STR text = STR_INIT;
    struct error err;
    oci_spec_write(&c, &text, &err); /* makes the seccomp text */
    int64_t best = INT64_MAX;
    for (int i = 0; i < 50; i++) {
        str_clear(&text);
        int64_t t = clock_mono_ns();
        oci_spec_write(&c, &text, &err);
        t = clock_mono_ns() - t;
        best = t < best ? t : best;
    }
    print_message("config.json: %zu bytes in %lld us\n", text.len,
                  (long long)best / 1000);
    assert_true(best < 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capabilities),   cmocka_unit_test(test_users),
        cmocka_unit_test(test_hostile_passwd), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_settings),       cmocka_unit_test(test_privileged),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_seccomp),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
