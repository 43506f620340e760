/* Our lines in a hosts file that others write too. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "hosts_file.h"

#define OURS "# gantry a1: begin\n1.1.1.1 web\n# gantry a1: end\n"

static void check(const char *text, const char *lines, const char *expected)
{
    AUTO_STR got = STR_INIT;
    hosts_text(text, "a1", lines, &got);
    assert_string_equal(str_text(&got), expected);
}

static void test_a_block_is_added_replaced_and_taken_away(void **state)
{
    check("127.0.0.1 localhost\n", "1.1.1.1 web\n", "127.0.0.1 localhost\n" OURS);
    check("127.0.0.1 localhost", "1.1.1.1 web\n", "127.0.0.1 localhost\n" OURS);
    check("", "1.1.1.1 web\n", OURS);
    check("a\n# gantry a1: begin\n2.2.2.2 old\n# gantry a1: end\nb\n", "1.1.1.1 web\n",
          "a\n" OURS "b\n");
    check("a\n" OURS "b\n", "", "a\nb\n");
    check("a\nb\n", "", "a\nb\n");
    check("", "", "");
}

static void test_the_lines_of_others_stay(void **state)
{
    check("a\n# gantry b2: begin\n3.3.3.3 x\n# gantry b2: end\n", "1.1.1.1 web\n",
          "a\n# gantry b2: begin\n3.3.3.3 x\n# gantry b2: end\n" OURS);
    check(OURS "# gantry b2: begin\n3.3.3.3 x\n# gantry b2: end\n", "",
          "# gantry b2: begin\n3.3.3.3 x\n# gantry b2: end\n");
    check("# gantry a12: begin\nx\n# gantry a12: end\n", "",
          "# gantry a12: begin\nx\n# gantry a12: end\n");
    check("no newline at the end", "", "no newline at the end");
}

static void test_broken_marks_eat_nothing(void **state)
{
    check("a\n# gantry a1: begin\nmine or not\n", "", "a\nmine or not\n");
    check("a\n# gantry a1: end\nb\n", "", "a\n# gantry a1: end\nb\n");
    check("# gantry a1: begin\nx\n" OURS, "", "x\n");
    check(OURS "y\n" OURS, "1.1.1.1 web\n", OURS "y\n");
    check("# gantry a1: begin\r\nx\r\n# gantry a1: end\r\n", "", "");
}

static void read_all(const char *path, struct str *ret)
{
    assert_int_equal(file_read(AT_FDCWD, path, 4096, ret, NULL), 0);
}

static void test_the_file_is_written_in_place(void **state)
{
    char path[] = "/tmp/hosts-test-XXXXXX";
    struct error err = ERROR_INIT;
    struct stat before, after;
    AUTO_STR text = STR_INIT;
    AUTO_FD fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "127.0.0.1 localhost\n", 20), 20);
    fchmod(fd, 0640);
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(hosts_file_set(path, "a1", "1.1.1.1 web\n", &err), 0);
    assert_int_equal(hosts_file_set(path, "b2", "2.2.2.2 api\n", &err), 0);
    read_all(path, &text);
    assert_string_equal(text.data, "127.0.0.1 localhost\n" OURS
                                   "# gantry b2: begin\n2.2.2.2 api\n# gantry b2: end\n");
    assert_int_equal(hosts_file_set(path, "a1", "", &err), 0);
    assert_int_equal(hosts_file_set(path, "b2", "", &err), 0);
    read_all(path, &text);
    assert_string_equal(text.data, "127.0.0.1 localhost\n");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    unlink(path);
    assert_int_equal(hosts_file_set(path, "a1", "", &err), -E_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_is_added_replaced_and_taken_away),
        cmocka_unit_test(test_the_lines_of_others_stay),
        cmocka_unit_test(test_broken_marks_eat_nothing),
        cmocka_unit_test(test_the_file_is_written_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
