/* Groups on trees that are only folders: v1, v2 and hybrid. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "fd.h"

static char root[64];
static struct error err;

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/gantry-cg-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return dir_remove_all(root, &err);
}

static void put(const char *name, const char *text)
{
    char path[256], *slash;
    snprintf(path, sizeof(path), "%s/%s", root, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(dir_make_all(path, 0755, &err), 0);
    *slash = '/';
    assert_int_equal(file_replace(path, text, strlen(text), 0644, 0, &err), 0);
}

static const char *get(const char *name)
{
    static char text[512];
    AUTO_STR s = STR_INIT;
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    if (file_read(AT_FDCWD, path, 500, &s, &err) < 0)
        return "(missing)";
    snprintf(text, sizeof(text), "%s", str_text(&s));
    return text;
}

static void make_v1(void)
{
    put("cpu/cgroup.procs", "");
    put("cpuacct/cgroup.procs", "");
    put("memory/memory.memsw.limit_in_bytes", "");
    put("pids/cgroup.procs", "");
    put("freezer/cgroup.procs", "");
    put("systemd/cgroup.procs", "");
    put("cpuset/cgroup.procs", "");
}

static void test_numbers(void **state)
{
    assert_int_equal(cgroup_cpu_quota_us(1024), 100000);
    assert_int_equal(cgroup_cpu_quota_us(256), 25000);
    assert_int_equal(cgroup_cpu_quota_us(1), 1000); /* the kernel's least */
    assert_int_equal(cgroup_cpu_quota_us(0), 0);
    assert_int_equal(cgroup_cpu_shares(0), 2);
    assert_int_equal(cgroup_cpu_shares(512), 512);
    assert_int_equal(cgroup_cpu_shares(1 << 30), 262144);
    assert_int_equal(cgroup_cpu_weight(2), 1);
    assert_int_equal(cgroup_cpu_weight(1024), 39);
    assert_int_equal(cgroup_cpu_weight(262144), 10000);
}

static void test_kinds(void **state)
{
    struct cgroups cg;
    assert_int_equal(cgroups_open(root, "r", &cg, &err), -E_UNSUPPORTED);
    make_v1();
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
    assert_int_equal(cg.version, CGROUP_V1);
    assert_false(cg.hybrid);
    assert_true(cg.has_swap);
    put("unified/cgroup.controllers", "\n"); /* systemd's own hybrid: harmless */
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
    assert_false(cg.hybrid);
    put("unified/cgroup.controllers", "hugetlb\n");
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
    assert_true(cg.hybrid);
    assert_int_equal(cg.version, CGROUP_V1);
    put("cgroup.controllers", "cpuset cpu io memory pids\n");
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
    assert_int_equal(cg.version, CGROUP_V2);
    assert_int_equal(cg.controllers,
                     CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_CPUSET);
    assert_int_equal(cgroups_open(root, "no/slash", &cg, &err), -E_INVALID);
}

static const struct cgroup_limits limits = {.cpu_quota_us = 25000,
                                            .cpu_shares = 256,
                                            .memory_max_bytes = 1 << 20,
                                            .memory_low_bytes = 1 << 19,
                                            .swap_max_bytes = 4096,
                                            .swappiness = 60,
                                            .pids_max = 9};

static void test_v1(void **state)
{
    struct cgroups cg;
    make_v1();
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
    put("memory/gantry-r/ecs/t1/memory.soft_limit_in_bytes", "");
    assert_int_equal(cgroup_task_create(&cg, "t1", &limits, &err), 0);
    assert_string_equal(get("cpu/gantry-r/ecs/t1/cpu.cfs_quota_us"), "25000");
    assert_string_equal(get("cpu/gantry-r/ecs/t1/cpu.cfs_period_us"), "100000");
    assert_string_equal(get("cpu/gantry-r/ecs/t1/cpu.shares"), "256");
    assert_string_equal(get("memory/gantry-r/ecs/t1/memory.limit_in_bytes"), "1048576");
    assert_string_equal(get("memory/gantry-r/ecs/t1/memory.memsw.limit_in_bytes"),
                        "1052672");
    assert_string_equal(get("memory/gantry-r/ecs/t1/memory.soft_limit_in_bytes"),
                        "524288");
    assert_string_equal(get("pids/gantry-r/ecs/t1/pids.max"), "9");
    assert_string_equal(get("cpuset/gantry-r/ecs/t1/cpuset.cpus"), "(missing)");

    bool oom = true;
    put("memory/gantry-r/ecs/t1/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    assert_int_equal(cgroup_oom_killed(&cg, "t1", NULL, &oom, &err), 0);
    assert_false(oom);
    put("memory/gantry-r/ecs/t1/web/memory.oom_control", "under_oom 0\noom_kill 2\n");
    assert_int_equal(cgroup_oom_killed(&cg, "t1", NULL, &oom, &err), 0);
    assert_true(oom); /* v1 counts in the container's group alone */
    assert_int_equal(cgroup_oom_killed(&cg, "t1", "web", &oom, &err), 0);
    assert_true(oom);

    struct cgroup_usage u;
    put("memory/gantry-r/ecs/t1/memory.usage_in_bytes", "900\n");
    put("memory/gantry-r/ecs/t1/memory.stat", "cache 5\ntotal_inactive_file 100\n");
    put("memory/gantry-r/ecs/t1/memory.limit_in_bytes", "9223372036854771712\n");
    put("cpuacct/gantry-r/ecs/t1/cpuacct.usage", "123456\n");
    put("cpu/gantry-r/ecs/t1/cpu.stat",
        "nr_periods 1\nnr_throttled 1\nthrottled_time 77\n");
    assert_int_equal(cgroup_usage(&cg, "t1", NULL, &u, &err), 0);
    assert_int_equal(u.memory_bytes, 800);
    assert_int_equal(u.memory_max_bytes, 0);
    assert_int_equal(u.cpu_ns, 123456);
    assert_int_equal(u.throttled_ns, 77);
    assert_int_equal(cgroup_usage(&cg, "t2", NULL, &u, &err), -E_NOTFOUND);
}

static void test_v2(void **state)
{
    struct cgroups cg;
    AUTO_STR path = STR_INIT;
    put("cgroup.controllers", "cpu memory pids\n");
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
#define TASK "gantry-r/ecstasks.slice/ecstasks-t1.slice/"
    put(TASK "memory.swap.max", "max");
    assert_int_equal(cgroup_task_create(&cg, "t1", &limits, &err), 0);
    assert_string_equal(get("cgroup.subtree_control"), "+cpu +memory +pids");
    assert_string_equal(get("gantry-r/ecstasks.slice/cgroup.subtree_control"),
                        "+cpu +memory +pids");
    assert_string_equal(get(TASK "cgroup.subtree_control"), "(missing)");
    assert_string_equal(get(TASK "cpu.max"), "25000 100000");
    assert_string_equal(get(TASK "cpu.weight"), "10");
    assert_string_equal(get(TASK "memory.max"), "1048576");
    assert_string_equal(get(TASK "memory.low"), "524288");
    assert_string_equal(get(TASK "memory.swap.max"), "4096");
    assert_string_equal(get(TASK "pids.max"), "9");
    assert_int_equal(cgroup_container_create(&cg, "t1", "web", &limits, &err), 0);
    assert_string_equal(get(TASK "cgroup.subtree_control"), "+cpu +memory +pids");
    cgroup_path(&cg, "t1", "web", &path);
    assert_string_equal(path.data, "/" TASK "web.scope");

    bool oom = true;
    put(TASK "web.scope/memory.events",
        "low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n");
    assert_int_equal(cgroup_oom_killed(&cg, "t1", "web", &oom, &err), 0);
    assert_false(oom);
    put(TASK "web.scope/memory.events", "low 0\nmax 3\noom 1\noom_kill 1\n");
    assert_int_equal(cgroup_oom_killed(&cg, "t1", "web", &oom, &err), 0);
    assert_true(oom);

    struct cgroup_usage u;
    put(TASK "cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nthrottled_usec 1\n");
    put(TASK "memory.current", "1000\n");
    put(TASK "memory.stat", "anon 1\ninactive_file 400\n");
    put(TASK "memory.max", "max\n");
    put(TASK "pids.current", "3\n");
    assert_int_equal(cgroup_usage(&cg, "t1", NULL, &u, &err), 0);
    assert_int_equal(u.cpu_ns, 5000);
    assert_int_equal(u.memory_bytes, 600);
    assert_int_equal(u.memory_max_bytes, 0);
    assert_int_equal(u.pids, 3);
}

static void note(void *arg, const char *task)
{
    str_addf(arg, "%s ", task);
}

static void test_names_and_removal(void **state)
{
    struct cgroups cg;
    AUTO_STR names = STR_INIT;
    put("cgroup.controllers", "");
    assert_int_equal(cgroups_open(root, "r", &cg, &err), 0);
    struct cgroup_limits none = CGROUP_LIMITS_INIT;
    assert_int_equal(cgroup_task_create(&cg, "t9", &none, &err), 0);
    assert_int_equal(cgroup_container_create(&cg, "t9", "a", &none, &err), 0);
    assert_int_equal(cgroup_each_task(&cg, note, &names, &err), 0);
    assert_string_equal(names.data, "t9 ");
    assert_int_equal(cgroup_remove(&cg, "t9", NULL, &err), 0);
    assert_int_equal(cgroup_remove(&cg, "t9", NULL, &err), 0);
    str_clear(&names);
    assert_int_equal(cgroup_each_task(&cg, note, &names, &err), 0);
    assert_int_equal(names.len, 0);
    assert_int_equal(cgroup_purge(&cg, 100, &err), 0);
    assert_string_equal(get("gantry-r"), "(missing)");
    assert_int_equal(cgroup_kill(&cg, "t9", NULL, 100, &err), 0); /* nothing there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_v1, setup, teardown),
        cmocka_unit_test_setup_teardown(test_v2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_and_removal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
