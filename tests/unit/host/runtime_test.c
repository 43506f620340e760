/* Real containers under crun and conmon. */
#include "inmates.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "container_log.h"

#define ARGS(...) ((const char *const[]){"/inmate", __VA_ARGS__, NULL})

static void test_exit_code_and_output(void **state)
{
    NEED_ROOT();
    struct inmate m;
    inmate_init(&m, "out", ARGS("say", "one", "two"));
    inmate_run(&m);
    struct container_state st = inmate_wait("out");
    assert_int_equal(st.exit.code, 0);
    assert_false(st.exit.oom_killed);
    assert_false(st.exit.abandoned);
    assert_true(st.exit.finished_ms > 0 && st.started_ms > 0 && st.created_ms > 0);
    inmate_says(&m, "stdout F one");
    inmate_says(&m, "stdout F two");
    inmate_says(&m, "stderr F to-stderr");
    inmate_remove(&m);

    inmate_init(&m, "code", ARGS("exit", "42"));
    inmate_run(&m);
    assert_int_equal(inmate_wait("code").exit.code, 42);
    inmate_remove(&m);
}

static void test_signals(void **state)
{
    NEED_ROOT();
    /* A first process without a handler ignores SIGTERM (pid_namespaces(7)). */
    struct inmate m;
    inmate_init(&m, "graceful", ARGS("graceful"));
    inmate_run(&m);
    inmate_says(&m, "ready");
    CHECK(runtime_signal(world.runtime, "graceful", SIGTERM, &check));
    assert_int_equal(inmate_wait("graceful").exit.code, 7);
    struct error err;
    assert_int_equal(runtime_signal(world.runtime, "graceful", SIGTERM, &err),
                     -E_CONFLICT);
    inmate_remove(&m);

    inmate_init(&m, "killed", ARGS("wait"));
    inmate_run(&m);
    inmate_says(&m, "ready");
    CHECK(runtime_kill(world.runtime, "killed", 10000, &check));
    assert_int_equal(inmate_wait("killed").exit.code, 137);
    inmate_remove(&m);
}

static void test_states_and_repeats(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct container_state st;
    struct error err;
    inmate_init(&m, "states", ARGS("wait"));
    CHECK(runtime_state(world.runtime, "states", &st, &check));
    assert_int_equal(st.status, CONTAINER_NONE);
    CHECK(inmate_create(&m, &check));
    CHECK(runtime_state(world.runtime, "states", &st, &check));
    assert_int_equal(st.status, CONTAINER_CREATED);
    assert_true(st.pid > 0 && st.supervisor_pid > 0);
    pid_t first = st.pid;
    CHECK(inmate_create(&m, &check)); /* again: the same one */
    CHECK(runtime_state(world.runtime, "states", &st, &check));
    assert_int_equal(st.pid, first);
    CHECK(runtime_start(world.runtime, "states", &check));
    CHECK(runtime_start(world.runtime, "states", &check));
    CHECK(runtime_state(world.runtime, "states", &st, &check));
    assert_int_equal(st.status, CONTAINER_RUNNING);
    assert_int_equal(inmate_create(&m, &err), -E_EXISTS);
    CHECK(runtime_remove(world.runtime, "states", &check));
    CHECK(runtime_remove(world.runtime, "states", &check));
    CHECK(runtime_state(world.runtime, "states", &st, &check));
    assert_int_equal(st.status, CONTAINER_NONE);
    assert_int_equal(runtime_start(world.runtime, "states", &err), -E_NOTFOUND);
    inmate_remove(&m);
}

static void test_start_failures_say_why(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct error err;
    struct container_state st;
    const char *missing[] = {"/missing", NULL};
    inmate_init(&m, "missing", missing);
    int r = inmate_create(&m, &err);
    assert_int_equal(r, -E_EXEC);
    assert_non_null(strstr(err.text, "/missing"));
    assert_null(strstr(err.text, "\"msg\""));
    CHECK(runtime_state(world.runtime, "missing", &st, &check));
    assert_int_equal(st.status, CONTAINER_NONE);
    inmate_fini(&m);

    char path[200];
    snprintf(path, sizeof(path), "%s/plain", world.rootfs);
    CHECK(file_replace(path, "x", 1, 0644, 0, &check));
    const char *plain[] = {"/plain", NULL};
    inmate_init(&m, "plain", plain);
    r = inmate_create(&m, &err);
    assert_int_equal(r, -E_EXEC);
    assert_non_null(strstr(err.text, "ermission denied"));
    inmate_fini(&m);
}

static void test_memory_limit_is_detected(void **state)
{
    NEED_ROOT();
    struct inmate m;
    inmate_init(&m, "oom", ARGS("eat", "64"));
    m.spec.limits.memory_max_bytes = 16 << 20;
    if (world.cgroups.has_swap)
        m.spec.limits.swap_max_bytes = 0;
    inmate_run(&m);
    struct container_state st = inmate_wait("oom");
    assert_int_equal(st.exit.code, 137);
    assert_true(st.exit.oom_killed);
    inmate_remove(&m);

    inmate_init(&m, "fits", ARGS("eat", "4"));
    m.spec.limits.memory_max_bytes = 64 << 20;
    inmate_run(&m);
    inmate_says(&m, "fed");
    struct cgroup_usage u;
    CHECK(cgroup_usage(&world.cgroups, "fits", "main", &u, &check));
    assert_int_equal(u.memory_max_bytes, 64 << 20);
    assert_true(u.memory_bytes >= 4 << 20 && u.memory_bytes < 64 << 20);
    assert_true(u.pids >= 1);
    CHECK(runtime_kill(world.runtime, "fits", 10000, &check));
    assert_false(inmate_wait("fits").exit.oom_killed);
    inmate_remove(&m);
}

static void test_task_limits_hold_for_containers(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct cgroup_limits l = CGROUP_LIMITS_INIT;
    l.memory_max_bytes = 16 << 20;
    if (world.cgroups.has_swap)
        l.swap_max_bytes = 0;
    CHECK(cgroup_task_create(&world.cgroups, "taskoom", &l, &check));
    inmate_init(&m, "taskoom", ARGS("eat", "64"));
    inmate_run(&m);
    assert_int_equal(inmate_wait("taskoom").exit.code, 137);
    bool oom = false;
    CHECK(cgroup_oom_killed(&world.cgroups, "taskoom", NULL, &oom, &check));
    assert_true(oom);
    inmate_remove(&m);

    l = (struct cgroup_limits)CGROUP_LIMITS_INIT;
    l.cpu_quota_us = cgroup_cpu_quota_us(102); /* a tenth of a core */
    CHECK(cgroup_task_create(&world.cgroups, "slow", &l, &check));
    inmate_init(&m, "slow", ARGS("spin", "1000"));
    inmate_run(&m);
    inmate_wait("slow");
    struct cgroup_usage u;
    CHECK(cgroup_usage(&world.cgroups, "slow", NULL, &u, &check));
    assert_true(u.throttled_ns > 0);
    assert_true(u.cpu_ns < 400000000); /* of 1000 ms; alone it would be nearly all */
    inmate_remove(&m);
}

static void test_supervisor_killed(void **state)
{
    NEED_ROOT();
    struct inmate m;
    struct container_state st;
    int fd;
    inmate_init(&m, "orphan", ARGS("wait"));
    inmate_run(&m);
    inmate_says(&m, "ready");
    CHECK(runtime_adopt(world.runtime, "orphan", &st, &fd, &check));
    assert_int_equal(st.status, CONTAINER_RUNNING);
    assert_true(fd >= 0);
    assert_int_equal(kill(st.supervisor_pid, SIGKILL), 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(fd);
    CHECK(runtime_adopt(world.runtime, "orphan", &st, &fd, &check));
    assert_int_equal(fd, -1);
    assert_int_equal(st.status, CONTAINER_STOPPED);
    assert_int_equal(st.exit.code, 137);
    assert_true(st.exit.abandoned);
    pid_t left[4];
    assert_int_equal(cgroup_pids(&world.cgroups, "orphan", "main", left, 4, &check), 0);
    inmate_remove(&m);
}

static void leave_group(pid_t pid)
{
    static const char *const v1[] = {"cpu",     "memory",  "pids",
                                     "freezer", "cpuacct", "systemd"};
    AUTO_STR path = STR_INIT, text = STR_INIT;
    struct error ignored;
    str_addf(&text, "%d", (int)pid);
    for (size_t i = 0; i < sizeof(v1) / sizeof(v1[0]); i++) {
        str_clear(&path);
        str_addf(&path, CGROUP_ROOT "%s%s/cgroup.procs",
                 world.cgroups.version == CGROUP_V1 ? "/" : "",
                 world.cgroups.version == CGROUP_V1 ? v1[i] : "");
        AUTO_FD fd = open(path.data, O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            fd_write_all(fd, text.data, text.len, &ignored);
    }
}

/* An agent that is killed in the middle: the container goes on and is found again. */
static void test_agent_killed(void **state)
{
    NEED_ROOT();
    struct inmate m;
    inmate_init(&m, "adopted", ARGS("graceful"));
    pid_t agent = fork();
    if (agent == 0) {
        inmate_run(&m);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(agent, &status, 0), agent);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    inmate_says(&m, "ready");
    struct container_state st;
    int fd;
    /* As if it had died before it put the supervisor into its group. */
    CHECK(runtime_state(world.runtime, "adopted", &st, &check));
    assert_true(cgroup_supervisor_has(&world.cgroups, st.supervisor_pid));
    leave_group(st.supervisor_pid);
    assert_false(cgroup_supervisor_has(&world.cgroups, st.supervisor_pid));
    CHECK(runtime_adopt(world.runtime, "adopted", &st, &fd, &check));
    assert_int_equal(st.status, CONTAINER_RUNNING);
    assert_true(cgroup_supervisor_has(&world.cgroups, st.supervisor_pid));
    CHECK(runtime_signal(world.runtime, "adopted", SIGTERM, &check));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(fd);
    assert_int_equal(inmate_wait("adopted").exit.code, 7);
    inmate_remove(&m);
}

/* Killed at a random moment of create and start: whatever is there can be settled, and
 * the container can be made and run afterwards. */
static void test_agent_killed_any_time(void **state)
{
    NEED_ROOT();
    for (int i = 0; i < 12; i++) {
        struct inmate m;
        inmate_init(&m, "anytime", ARGS("exit", "5"));
        pid_t agent = fork();
        if (agent == 0) {
            inmate_run(&m);
            pause();
        }
        poll(NULL, 0, 2 * i + 1);
        kill(agent, SIGKILL);
        waitpid(agent, NULL, 0);
        struct container_state st;
        int fd;
        CHECK(runtime_adopt(world.runtime, "anytime", &st, &fd, &check));
        if (fd >= 0)
            close(fd);
        if (st.status == CONTAINER_NONE)
            CHECK(inmate_create(&m, &check));
        if (st.status != CONTAINER_STOPPED)
            CHECK(runtime_start(world.runtime, "anytime", &check));
        assert_int_equal(inmate_wait("anytime").exit.code, 5);
        inmate_remove(&m);
    }
}

static int exec_output(const char *id, const char *const args[], const char *const env[],
                       int timeout_ms, int *ret_code, struct str *out)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    struct exec_request req = {.args = args, .env = env, .fds = {-1, fds[1], fds[1]}};
    struct exec_process p;
    struct error err = ERROR_INIT;
    CHECK(runtime_exec(world.runtime, id, &req, &p, &check));
    close(fds[1]);
    int r = exec_wait(&p, timeout_ms, ret_code, &err);
    char buf[4096];
    for (ssize_t n; (n = read(fds[0], buf, sizeof(buf))) > 0;)
        str_addn(out, buf, (size_t)n);
    close(fds[0]);
    return r;
}

static void test_exec(void **state)
{
    NEED_ROOT();
    struct inmate m;
    const char *env[] = {"COLOUR=red", NULL}, *more[] = {"COLOUR=blue", NULL};
    inmate_init(&m, "exec", ARGS("wait"));
    static const struct spec_ulimit unlimited = {"core", -1, -1};
    m.spec.env = env;
    m.spec.ulimits = &unlimited;
    m.spec.ulimit_count = geteuid() == 0;
    inmate_run(&m);
    inmate_says(&m, "ready");
    AUTO_STR out = STR_INIT;
    int code = -1;
    assert_int_equal(exec_output("exec", ARGS("env", "COLOUR"), NULL, -1, &code, &out),
                     0);
    assert_int_equal(code, 0);
    assert_string_equal(str_text(&out), "red\n");
    str_clear(&out);
    assert_int_equal(exec_output("exec", ARGS("env", "COLOUR"), more, -1, &code, &out),
                     0);
    assert_string_equal(str_text(&out), "blue\n");
    assert_int_equal(exec_output("exec", ARGS("exit", "9"), NULL, -1, &code, &out), 0);
    assert_int_equal(code, 9);
    assert_int_equal(exec_output("exec", ARGS("wait"), NULL, 500, &code, &out),
                     -E_TIMEOUT);
    pid_t pids[8];
    int64_t end = clock_mono_ns() + 5000000000LL;
    while (cgroup_pids(&world.cgroups, "exec", "main", pids, 8, &check) > 1 &&
           clock_mono_ns() < end)
        poll(NULL, 0, 2);
    assert_int_equal(cgroup_pids(&world.cgroups, "exec", "main", pids, 8, &check), 1);
    inmate_remove(&m);
}

static void test_log_rotation(void **state)
{
    NEED_ROOT();
    struct inmate m;
    char old[300];
    inmate_init(&m, "rotate", ARGS("repeat"));
    inmate_run(&m);
    inmate_says(&m, "tick");
    assert_int_equal(
        container_log_rotate(world.runtime, "rotate", m.log.data, 1 << 30, 3, &check), 0);
    CHECK(container_log_rotate(world.runtime, "rotate", m.log.data, 1, 3, &check));
    inmate_says(&m, "tick");
    CHECK(container_log_rotate(world.runtime, "rotate", m.log.data, 1, 3, &check));
    CHECK(container_log_rotate(world.runtime, "rotate", m.log.data, -1, 3, &check));
    inmate_says(&m, "tick");
    snprintf(old, sizeof(old), "%s.2", m.log.data);
    assert_int_equal(access(old, F_OK), 0);
    snprintf(old, sizeof(old), "%s.3", m.log.data);
    assert_int_not_equal(access(old, F_OK), 0);
    inmate_remove(&m);

    inmate_init(&m, "nolog", ARGS("say", "x"));
    m.create.log = LOG_NONE;
    inmate_run(&m);
    assert_int_equal(inmate_wait("nolog").exit.code, 0);
    assert_int_not_equal(access(m.log.data, F_OK), 0);
    inmate_remove(&m);
}

static void test_confinement(void **state)
{
    NEED_ROOT();
    struct inmate m;
    inmate_init(&m, "denied", ARGS("denied"));
    inmate_run(&m);
    assert_int_equal(inmate_wait("denied").exit.code, 0);
    inmate_remove(&m);

    inmate_init(&m, "fds", ARGS("fds"));
    inmate_run(&m);
    assert_int_equal(inmate_wait("fds").exit.code, 0);
    inmate_remove(&m);

    inmate_init(&m, "readonly", ARGS("write", "/file"));
    m.spec.rootfs_readonly = true;
    inmate_run(&m);
    assert_int_equal(inmate_wait("readonly").exit.code, EROFS);
    inmate_remove(&m);

    inmate_init(&m, "caps", ARGS("show", "/proc/self/status"));
    m.spec.user = "1234:99";
    inmate_run(&m);
    inmate_wait("caps");
    inmate_says(&m, "CapEff:\t0000000000000000");
    inmate_says(&m, "CapBnd:\t00000000a80425fb"); /* Docker's default set */
    inmate_says(&m, "Uid:\t1234");
    inmate_says(&m, "Seccomp:\t2");
    inmate_remove(&m);

    inmate_init(&m, "priv", ARGS("write", "/proc/sys/kernel/hostname"));
    m.spec.privileged = true;
    inmate_run(&m);
    assert_int_equal(inmate_wait("priv").exit.code, 0);
    inmate_remove(&m);
}

int main(int argc, char **argv)
{
    inmate_program = argc > 1 ? argv[1] : "./inmate";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_code_and_output),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_states_and_repeats),
        cmocka_unit_test(test_start_failures_say_why),
        cmocka_unit_test(test_memory_limit_is_detected),
        cmocka_unit_test(test_task_limits_hold_for_containers),
        cmocka_unit_test(test_supervisor_killed),
        cmocka_unit_test(test_agent_killed),
        cmocka_unit_test(test_agent_killed_any_time),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_log_rotation),
        cmocka_unit_test(test_confinement),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
