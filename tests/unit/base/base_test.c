/* The promises of src/base: errors, arenas, strings, files, time. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "error.h"
#include "fd.h"
#include "list.h"
#include "str.h"

static void error_keeps_code_through_wrapping(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(fail(&err, E_NOTFOUND, "no '%s'", "x"), -E_NOTFOUND);
    assert_int_equal(wrap(&err, "looking up"), -E_NOTFOUND);
    assert_string_equal(err.text, "looking up: no 'x'");
}

static void errno_maps_to_named_codes(void **state)
{
    struct error err;
    assert_int_equal(fail_errno(&err, ENOSPC, "write"), -E_FULL);
    assert_int_equal(fail_errno(&err, ENOENT, "open"), -E_NOTFOUND);
    assert_int_equal(fail_errno(&err, EBADF, "read"), -E_IO);
    assert_int_equal(err.sys_errno, EBADF);
}

static void long_error_is_cut_at_a_character(void **state)
{
    struct error err;
    char text[ERROR_TEXT_SIZE + 10];
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof(text) - 2] = '\0';
    fail(&err, E_INVALID, "x%s", text);
    assert_true(utf8_valid(err.text, strlen(err.text)));
    assert_true(strlen(err.text) > ERROR_TEXT_SIZE - 4);
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
    AUTO_ARENA a = ARENA_INIT;
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 3000; size += 7) {
            unsigned char *p = arena_alloc(&a, size);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(p[i], 0);
                p[i] = 0xff;
            }
        }
        arena_reset(&a);
    }
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
}

static void str_grows_and_gives_itself_away(void **state)
{
    AUTO_STR s = STR_INIT;
    assert_string_equal(str_text(&s), "");
    for (int i = 0; i < 1000; i++)
        str_addf(&s, "%d,", i);
    assert_int_equal(s.len, strlen(s.data));
    assert_true(str_starts(s.data, "0,1,") && str_ends(s.data, ",999,"));
    char *taken = str_take(&s);
    assert_int_equal(s.len, 0);
    free(taken);
}

static void numbers_are_read_strictly(void **state)
{
    int64_t v = 5;
    assert_true(str_to_i64("-12", -20, 20, &v) && v == -12);
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "0x1", "1e3", "-", "21", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(str_to_i64(bad[i], -20, 20, &v));
    assert_int_equal(v, -12);
}

static void utf8_follows_rfc3629(void **state)
{
    assert_true(utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    static const char *const bad[] = {
        "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",    "\x80",
        "\xc3",     "\xe2\x82",     "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
    assert_int_equal(utf8_length("a\xc3\xa9\xe2\x82\xac"), 3);
}

static void hex_round_trip(void **state)
{
    unsigned char in[] = {0, 1, 0xab, 0xff}, out[4];
    char text[9];
    hex_encode(in, 4, text);
    assert_string_equal(text, "0001abff");
    assert_true(hex_decode("0001ABff", out, 4));
    assert_memory_equal(in, out, 4);
    assert_false(hex_decode("0001ab", out, 4));
    assert_false(hex_decode("0001abfg", out, 4));
}

static void iso_time_round_trip(void **state)
{
    char text[CLOCK_ISO_SIZE];
    int64_t ms;
    clock_format_iso(1440938160123, false, text);
    assert_string_equal(text, "2015-08-30T12:36:00.123Z");
    assert_true(clock_parse_iso(text, &ms) && ms == 1440938160123);
    assert_true(clock_parse_iso("0226-01-02T03:04:05Z", &ms));
    clock_format_iso(ms, true, text);
    assert_string_equal(text, "0226-01-02T03:04:05Z");
    assert_true(clock_parse_iso("2015-08-30T14:36:00+02:00", &ms) && ms == 1440938160000);
    assert_false(clock_parse_iso("2015-13-30T14:36:00Z", &ms));
    assert_false(clock_parse_iso("2015-08-30T14:36:00", &ms));
    assert_false(clock_parse_iso("2015-08-30", &ms));
}

static void files_are_replaced_whole_and_trees_removed(void **state)
{
    struct error err;
    char dir[] = "/tmp/gantry-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    AUTO_ARENA a = ARENA_INIT;
    char *deep = arena_printf(&a, "%s/a/b/c", dir);
    char *path = arena_printf(&a, "%s/a/b/c/file", dir);
    assert_int_equal(dir_make_all(deep, 0755, &err), 0);
    assert_int_equal(dir_make_all(deep, 0755, &err), 0);
    assert_int_equal(file_replace(path, "one", 3, 0600, 1, &err), 0);
    assert_int_equal(file_replace(path, "second", 6, 0600, 0, &err), 0);
    AUTO_STR text = STR_INIT;
    assert_int_equal(file_read(AT_FDCWD, path, 6, &text, &err), 0);
    assert_string_equal(text.data, "second");
    assert_int_equal(file_read(AT_FDCWD, path, 5, &text, &err), -E_LIMIT);
    /* A link out of the tree is removed, what it points at stays. */
    char *outside = arena_printf(&a, "%s-outside", dir);
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(symlink(outside, arena_printf(&a, "%s/a/link", dir)), 0);
    assert_int_equal(dir_remove_all(dir, &err), 0);
    assert_int_equal(access(dir, F_OK), -1);
    assert_int_equal(access(outside, F_OK), 0);
    assert_int_equal(dir_remove_all(outside, &err), 0);
    assert_int_equal(dir_remove_all(outside, &err), 0);
}

static void list_entries_leave_once(void **state)
{
    struct item {
        int n;
        struct list link;
    } items[3];
    struct list head;
    list_init(&head);
    for (int i = 0; i < 3; i++) {
        items[i].n = i;
        list_append(&head, &items[i].link);
    }
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    int sum = 0, count = 0;
    list_for_each_safe (it, &head) {
        sum += list_entry(it, struct item, link)->n;
        list_remove(it);
        count++;
    }
    assert_int_equal(sum, 2);
    assert_int_equal(count, 2);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_keeps_code_through_wrapping),
        cmocka_unit_test(errno_maps_to_named_codes),
        cmocka_unit_test(long_error_is_cut_at_a_character),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(str_grows_and_gives_itself_away),
        cmocka_unit_test(numbers_are_read_strictly),
        cmocka_unit_test(utf8_follows_rfc3629),
        cmocka_unit_test(hex_round_trip),
        cmocka_unit_test(iso_time_round_trip),
        cmocka_unit_test(files_are_replaced_whole_and_trees_removed),
        cmocka_unit_test(list_entries_leave_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
