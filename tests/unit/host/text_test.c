/* Log lines and their reader, port lists and claims, resolv.conf. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container_files.h"
#include "container_log.h"
#include "fd.h"
#include "host_ports.h"
#include "spawn.h"

static char dir[64];
static struct error err;

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/gantry-text-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return dir_remove_all(dir, &err);
}

static void test_lines(void **state)
{
    struct log_entry e;
    bool partial;
    const char *good = "2026-11-22T18:08:00.123456789+00:00 stderr F some text";
    assert_true(cri_line_parse(good, strlen(good), &e, &partial));
    assert_true(e.is_stderr && !partial);
    assert_int_equal(e.time_ns % 1000000000, 123456789);
    assert_int_equal(e.time_ns / 1000000000, 1795370880);
    assert_int_equal(e.len, 9);
    const char *zone = "2026-11-22T20:08:00.5+02:00 stdout P ";
    assert_true(cri_line_parse(zone, strlen(zone), &e, &partial));
    assert_true(partial && !e.is_stderr && e.len == 0);
    assert_int_equal(e.time_ns, 1795370880500000000);
    static const char *const bad[] = {"",
                                      " ",
                                      "text",
                                      "2026-11-22T18:08:00Z",
                                      "x stdout F y",
                                      "2026-11-22T18:08:00Z stdin F y",
                                      "2026-11-22T18:08:00Z stdout X y",
                                      "2026-11-22T18:08:00Z stdout Fy",
                                      "2026-11-22T18:08:00Z stdout"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(cri_line_parse(bad[i], strlen(bad[i]), &e, &partial));
}

static int note(void *arg, const struct log_entry *e)
{
    str_addf(arg, "%c:%.*s|", e->is_stderr ? 'e' : 'o', (int)e->len, e->text);
    return 0;
}

static void add(const char *path, const char *text)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_all(fd, text, strlen(text), &err), 0);
}

#define T(n) "2026-11-22T18:08:0" #n ".000000000+00:00 "

static void test_reader(void **state)
{
    char path[100], old[104];
    AUTO_STR seen = STR_INIT;
    struct log_reader *r;
    struct log_options all = {.tail = -1};
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(old, sizeof(old), "%s.1", path);
    assert_int_equal(log_reader_open(path, &all, &r, &err), -E_NOTFOUND);
    add(old, T(1) "stdout F old\n");
    add(path, T(2) "stdout P a\n" T(2) "stderr F between\n" T(3) "stdout F b\n" T(
                  4) "stdout F half");
    assert_int_equal(log_reader_open(path, &all, &r, &err), 0);
    assert_int_equal(log_reader_read(r, note, &seen, &err), 3);
    assert_string_equal(seen.data, "o:old|e:between|o:ab|");
    str_clear(&seen);
    add(path, " done\n");
    assert_int_equal(log_reader_wait(r, 5000, &err), 1);
    assert_int_equal(log_reader_read(r, note, &seen, &err), 1);
    assert_string_equal(seen.data, "o:half done|");
    assert_int_equal(log_reader_wait(r, 0, &err), 0);

    /* Rotation while following: nothing is missed. */
    str_clear(&seen);
    add(path, T(5) "stdout F last of old\n");
    assert_int_equal(rename(path, old), 0);
    add(path, T(6) "stdout F first of new\nnot a log line\n");
    assert_int_equal(log_reader_wait(r, 5000, &err), 1);
    assert_int_equal(log_reader_read(r, note, &seen, &err), 3);
    assert_string_equal(seen.data, "o:last of old|o:first of new|o:not a log line|");
    log_reader_free(r);

    str_clear(&seen);
    struct log_options tail = {.tail = 2};
    assert_int_equal(log_reader_open(path, &tail, &r, &err), 0);
    assert_int_equal(log_reader_read(r, note, &seen, &err) > 0, 1);
    assert_string_equal(seen.data, "o:first of new|o:not a log line|");
    log_reader_free(r);

    str_clear(&seen);
    struct log_options since = {.tail = -1, .since_ns = 1795370885000000000};
    assert_int_equal(log_reader_open(path, &since, &r, &err), 0);
    log_reader_read(r, note, &seen, &err);
    assert_string_equal(seen.data, "o:last of old|o:first of new|");
    log_reader_free(r);
}

static void test_port_lists(void **state)
{
    AUTO_STR s = STR_INIT;
    assert_int_equal(port_list_add("", 5, 7, &s, &err), 0);
    assert_string_equal(s.data, "5-7");
    assert_int_equal(port_list_add("8,80,100-200\n", 5, 7, &s, &err), 0);
    assert_string_equal(s.data, "5-8,80,100-200");
    assert_int_equal(port_list_remove("5-8,80,100-200", 6, 150, &s, &err), 0);
    assert_string_equal(s.data, "5,151-200");
    assert_int_equal(port_list_remove("5-8", 5, 8, &s, &err), 0);
    assert_string_equal(str_text(&s), "");
    assert_int_equal(port_list_add("65535", 0, 0, &s, &err), 0);
    assert_string_equal(s.data, "0,65535");
    static const char *const bad[] = {"a", "5-", "-5", "7-5", "65536", "1 2", "1-2-3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(port_list_add(bad[i], 1, 1, &s, &err), -E_INVALID);
    assert_true(port_list_covers("1,5-9", 6, 9));
    assert_false(port_list_covers("1,5-9", 4, 9));
}

static bool keep_b(void *arg, const char *owner)
{
    return streq(owner, "b");
}

static bool nobody_alive(const char *owner)
{
    return false;
}

static void test_port_claims(void **state)
{
    struct host_ports hp;
    uint16_t p, q;
    assert_int_equal(host_ports_init(&hp, dir, 61001, 61003, &err), 0);
    assert_int_equal(host_ports_take(&hp, "a", false, 61002, &p, &err), 0);
    assert_int_equal(host_ports_take(&hp, "a", false, 61002, &p, &err), 0); /* its own */
    assert_int_equal(host_ports_take(&hp, "b", false, 61002, &p, &err), -E_CONFLICT);
    assert_string_equal(err.text,
                        "Bind for 0.0.0.0:61002 failed: port is already allocated");
    assert_int_equal(host_ports_take(&hp, "b", false, 0, &p, &err), 0);
    assert_int_equal(host_ports_take(&hp, "b", false, 0, &q, &err), 0);
    assert_true(p == 61001 && q == 61003);
    assert_int_equal(host_ports_take(&hp, "b", false, 0, &q, &err), -E_FULL);
    assert_int_equal(host_ports_sweep(&hp, keep_b, NULL, &err), 0);
    assert_int_equal(host_ports_take(&hp, "c", false, 0, &q, &err), 0);
    assert_int_equal(q, 61002);
    hp.owner_alive = nobody_alive;
    assert_int_equal(host_ports_take(&hp, "d", false, 61002, &q, &err), 0);
    assert_int_equal(host_ports_give_back(&hp, false, 61002, &err), 0);
    assert_int_equal(host_ports_give_back(&hp, false, 61002, &err), 0);
}

static void test_resolv_conf(void **state)
{
    AUTO_STR s = STR_INIT;
    resolv_conf_filter("# hi\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch a b\n",
                       NULL, &s);
    assert_string_equal(s.data, "# hi\nnameserver 10.0.0.2\nsearch a b\n");
    resolv_conf_filter("nameserver 127.0.0.53\n", "nameserver 9.9.9.9\n", &s);
    assert_string_equal(s.data, "nameserver 9.9.9.9\n");
    resolv_conf_filter("nameserver ::1\nnameserver fe80::1%eth0\noptions x",
                       "nameserver 127.0.0.1\n", &s);
    assert_string_equal(s.data, "options x\n");
    struct spec_pair extra[] = {{"db", "10.1.1.1"}};
    struct container_files f = {.dir = dir,
                                .hostname = "c1",
                                .address = "10.88.0.2",
                                .extra_hosts = extra,
                                .extra_host_count = 1};
    assert_int_equal(container_files_write(&f, &err), 0);
    char path[100];
    snprintf(path, sizeof(path), "%s/hosts", dir);
    assert_int_equal(file_read(AT_FDCWD, path, 4096, &s, &err), 0);
    assert_non_null(strstr(s.data, "10.1.1.1\tdb\n"));
    assert_non_null(strstr(s.data, "10.88.0.2\tc1\n"));
}

/* Born in a group of cgroup v2, wherever one is mounted. */
static void test_spawn(void **state)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char group[64], made[128];
    int fds[2], code = -1;
    pid_t pid;
    snprintf(group, sizeof(group), "gantry-spawn-%d", getpid());
    AUTO_FD dir_fd = -1;
    for (int i = 0; i < 2 && dir_fd < 0 && geteuid() == 0; i++) {
        snprintf(made, sizeof(made), "%s/cgroup.subtree_control", places[i]);
        if (access(made, F_OK) < 0)
            continue;
        snprintf(made, sizeof(made), "%s/%s", places[i], group);
        if (mkdir(made, 0755) == 0)
            dir_fd = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    const char *argv[] = {"cat", "/proc/self/cgroup", NULL};
    struct spawn s = {
        .path = "/bin/cat", .argv = argv, .fds = {-1, fds[1], -1}, .cgroup_fd = dir_fd};
    assert_int_equal(spawn_start(&s, &pid, NULL, &err), 0);
    close(fds[1]);
    assert_int_equal(spawn_reap(pid, &code), 0);
    assert_int_equal(code, 0);
    char text[4096] = "";
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    close(fds[0]);
    if (dir_fd >= 0) {
        assert_non_null(strstr(text, group));
        assert_int_equal(rmdir(made), 0);
    }
    s.path = "/does/not/exist";
    s.cgroup_fd = -1;
    assert_int_equal(spawn_start(&s, &pid, NULL, &err), -E_EXEC);
    assert_non_null(strstr(err.text, "/does/not/exist"));

    AUTO_STR out = STR_INIT, errors = STR_INIT;
    int status;
    const char *sh[] = {"sh", "-c", "cat; echo oops >&2; exit 3", NULL};
    assert_int_equal(
        spawn_run("/bin/sh", sh, "input", &out, &errors, 10000, &status, &err), 0);
    assert_string_equal(str_text(&out), "input");
    assert_string_equal(str_text(&errors), "oops\n");
    assert_int_equal(WEXITSTATUS(status), 3);
    const char *slow[] = {"sleep", "100", NULL};
    assert_int_equal(spawn_run("/bin/sleep", slow, NULL, NULL, NULL, 20, &status, &err),
                     -E_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spawn),
        cmocka_unit_test(test_lines),
        cmocka_unit_test_setup_teardown(test_reader, setup, teardown),
        cmocka_unit_test(test_port_lists),
        cmocka_unit_test_setup_teardown(test_port_claims, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resolv_conf, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
