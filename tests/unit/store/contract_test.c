/* The promise of struct store_ops, checked on every backend. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fd.h"
#include "store.h"

struct backend {
    const char *name;
    int (*open)(struct backend *b, struct error *err);
    int (*reopen)(struct backend *b, struct error *err); /* as after a restart */
    char dir[64];
    struct store *s;
};

static int sqlite_backend_open(struct backend *b, struct error *err)
{
    strcpy(b->dir, "/tmp/gantry-store-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    return store_sqlite_open(b->dir, &b->s, err);
}

static int sqlite_backend_reopen(struct backend *b, struct error *err)
{
    store_close(b->s);
    return store_sqlite_open(b->dir, &b->s, err);
}

static int memory_backend_open(struct backend *b, struct error *err)
{
    return store_memory_open(&b->s, err);
}

static int memory_backend_reopen(struct backend *b, struct error *err)
{
    struct store *copy = store_memory_clone(b->s);
    store_close(b->s);
    b->s = copy;
    return 0;
}

static struct backend backends[] = {
    {.name = "sqlite", .open = sqlite_backend_open, .reopen = sqlite_backend_reopen},
    {.name = "memory", .open = memory_backend_open, .reopen = memory_backend_reopen},
};

static int setup(void **state)
{
    struct backend *b = *state;
    struct error err = ERROR_INIT;
    b->dir[0] = '\0';
    return b->open(b, &err);
}

static int teardown(void **state)
{
    struct backend *b = *state;
    store_close(b->s);
    b->s = NULL;
    return b->dir[0] ? dir_remove_all(b->dir, NULL) : 0;
}

/* ---- helpers ---- */

struct seen {
    struct str text; /* "key=value;" for each entry */
    size_t bytes, stop_after;
};

static int note(void *ctx, const char *key, const void *value, size_t len,
                struct error *err)
{
    struct seen *seen = ctx;
    seen->bytes += len;
    if (len < 100)
        str_addf(&seen->text, "%s=%.*s;", key, (int)len, (const char *)value);
    if (seen->stop_after && --seen->stop_after == 0)
        return fail(err, E_CANCELLED, "enough");
    return 0;
}

static void expect(struct store *s, const char *prefix, const char *text)
{
    struct seen seen = {0};
    struct error err = ERROR_INIT;
    assert_int_equal(store_load_all(s, prefix, note, &seen, &err), 0);
    assert_string_equal(str_text(&seen.text), text);
    str_free(&seen.text);
}

static int put1(struct store *s, const char *key, const char *value)
{
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch b;
    struct error err = ERROR_INIT;
    store_batch_init(&b, &a);
    store_batch_put(&b, key, value, strlen(value));
    return store_commit(s, &b, &err);
}

/* ---- the contract ---- */

static void a_new_store_is_empty(void **state)
{
    expect(((struct backend *)*state)->s, "", "");
}

static void what_is_put_is_loaded_in_byte_order(void **state)
{
    struct backend *b = *state;
    static const char *const keys[] = {"/b",         "/a/2", "/a/10", "/A",
                                       "/a\xc3\xa4", "/a",   "/a0"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(put1(b->s, keys[i], "x"), 0);
    expect(b->s, "", "/A=x;/a=x;/a/10=x;/a/2=x;/a0=x;/a\xc3\xa4=x;/b=x;");
    expect(b->s, "/a/", "/a/10=x;/a/2=x;");
    expect(b->s, "/a/2", "/a/2=x;");
    expect(b->s, "/c", "");
    expect(b->s, "/%", "");
    expect(b->s, "/a_", "");
}

static void expect_range(struct store *s, const struct store_range *range,
                         const char *text)
{
    struct seen seen = {0};
    struct error err = ERROR_INIT;
    assert_int_equal(store_range(s, range, note, &seen, &err), 0);
    assert_string_equal(str_text(&seen.text), text);
    str_free(&seen.text);
}

static void a_range_is_read_from_both_ends(void **state)
{
    struct backend *b = *state;
    static const char *const keys[] = {"/e/1", "/e/2", "/e/3", "/e/4", "/f/1", "/d/9"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(put1(b->s, keys[i], "x"), 0);
    expect_range(b->s, &(struct store_range){"/e/", "/e/~", false, 2}, "/e/1=x;/e/2=x;");
    expect_range(b->s, &(struct store_range){"/e/", "/e/~", true, 2}, "/e/4=x;/e/3=x;");
    expect_range(b->s, &(struct store_range){"/e/2", "/e/4", false, 9}, "/e/2=x;/e/3=x;");
    expect_range(b->s, &(struct store_range){"/e/2", "/e/4", true, 9}, "/e/3=x;/e/2=x;");
    expect_range(b->s, &(struct store_range){"/e/4", "/e/2", true, 9}, "");
    expect_range(b->s, &(struct store_range){"/g", "/h", false, 9}, "");
    expect_range(b->s, &(struct store_range){"/a", "/z", false, 0}, "");
}

static void a_visitor_ends_a_range(void **state)
{
    struct backend *b = *state;
    struct seen seen = {.stop_after = 1};
    struct error err = ERROR_INIT;
    assert_int_equal(put1(b->s, "/e/1", "x"), 0);
    assert_int_equal(put1(b->s, "/e/2", "x"), 0);
    assert_int_equal(store_range(b->s, &(struct store_range){"/e/", "/e/~", false, 9},
                                 note, &seen, &err),
                     -E_CANCELLED);
    assert_string_equal(str_text(&seen.text), "/e/1=x;");
    str_free(&seen.text);
    /* and the store goes on */
    assert_int_equal(put1(b->s, "/e/3", "x"), 0);
}

static void a_batch_applies_in_order(void **state)
{
    struct backend *b = *state;
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch batch;
    struct error err = ERROR_INIT;
    assert_int_equal(put1(b->s, "old", "1"), 0);
    store_batch_init(&batch, &a);
    store_batch_put(&batch, "k", "1", 1);
    store_batch_put(&batch, "k", "2", 1);
    store_batch_put(&batch, "gone", "1", 1);
    store_batch_remove(&batch, "gone");
    store_batch_remove(&batch, "back");
    store_batch_put(&batch, "back", "1", 1);
    store_batch_remove(&batch, "old");
    store_batch_remove(&batch, "never-there");
    assert_int_equal(store_commit(b->s, &batch, &err), 0);
    expect(b->s, "", "back=1;k=2;");
}

static void an_empty_batch_is_success(void **state)
{
    struct backend *b = *state;
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch batch;
    store_batch_init(&batch, &a);
    assert_int_equal(store_commit(b->s, &batch, NULL), 0);
}

static void a_restart_keeps_everything(void **state)
{
    struct backend *b = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(put1(b->s, "a", "1"), 0);
    assert_int_equal(put1(b->s, "b", ""), 0);
    assert_int_equal(b->reopen(b, &err), 0);
    expect(b->s, "", "a=1;b=;");
    assert_int_equal(put1(b->s, "a", "2"), 0);
    assert_int_equal(b->reopen(b, &err), 0);
    expect(b->s, "", "a=2;b=;");
}

static int compare(void *ctx, const char *key, const void *value, size_t len,
                   struct error *err)
{
    const struct store_change *c = ctx;
    assert_string_equal(key, c->key);
    assert_int_equal(len, c->len);
    assert_memory_equal(value, c->value, len);
    return 0;
}

static void values_are_bytes_up_to_the_limit(void **state)
{
    struct backend *b = *state;
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch batch;
    struct error err = ERROR_INIT;
    unsigned char *big = arena_alloc(&a, STORE_MAX_VALUE + 1);
    for (size_t i = 0; i < STORE_MAX_VALUE; i++)
        big[i] = (unsigned char)(i * 31 >> 3);
    store_batch_init(&batch, &a);
    store_batch_put_ref(&batch, "big", big, STORE_MAX_VALUE);
    assert_int_equal(batch.size_bytes, STORE_MAX_VALUE + 3);
    assert_int_equal(store_commit(b->s, &batch, &err), 0);
    assert_int_equal(b->reopen(b, &err), 0);
    assert_int_equal(store_load_all(b->s, "", compare, &batch.v[0], &err), 0);
}

static void keys_and_values_beyond_the_limit_change_nothing(void **state)
{
    struct backend *b = *state;
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    char *key = arena_alloc(&a, STORE_MAX_KEY + 2);
    memset(key, 'k', STORE_MAX_KEY);
    assert_int_equal(put1(b->s, key, "1"), 0);
    key[STORE_MAX_KEY] = 'k';
    const struct store_change bad[] = {
        {.key = key, .value = "", .len = 0},
        {.key = "", .value = "", .len = 0},
        {.key = key, .remove = true},
        {.key = "big",
         .value = arena_alloc(&a, STORE_MAX_VALUE + 1),
         .len = STORE_MAX_VALUE + 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct store_change v[] = {{.key = "first", .value = "x", .len = 1}, bad[i]};
        struct store_batch batch = {.v = v, .n = 2};
        assert_int_equal(store_commit(b->s, &batch, &err), -E_LIMIT);
    }
    expect(b->s, "first", "");
}

static void a_visitor_can_end_the_loading(void **state)
{
    struct backend *b = *state;
    struct seen seen = {.stop_after = 2};
    struct error err = ERROR_INIT;
    put1(b->s, "a", "1");
    put1(b->s, "b", "1");
    put1(b->s, "c", "1");
    assert_int_equal(store_load_all(b->s, "", note, &seen, &err), -E_CANCELLED);
    assert_string_equal(str_text(&seen.text), "a=1;b=1;");
    str_free(&seen.text);
    expect(b->s, "", "a=1;b=1;c=1;"); /* and the next one starts at the beginning */
}

static void large_batches_are_one_step(void **state)
{
    struct backend *b = *state;
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch batch;
    struct error err = ERROR_INIT;
    struct seen seen = {0};
    store_batch_init(&batch, &a);
    char *value = arena_alloc(&a, 1000);
    for (int i = 0; i < 10000; i++)
        store_batch_put_ref(&batch, arena_printf(&a, "/k/%06d", i), value, 1000);
    assert_int_equal(store_commit(b->s, &batch, &err), 0);
    assert_int_equal(b->reopen(b, &err), 0);
    assert_int_equal(store_load_all(b->s, "/k/", note, &seen, &err), 0);
    assert_int_equal(seen.bytes, 10000 * 1000);
    str_free(&seen.text);
}

static void room_is_asked_for(void **state)
{
    struct backend *b = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(store_room(b->s, 1000, &err), 0);
    assert_int_equal(store_room(b->s, UINT64_MAX, &err), -E_FULL);
    assert_int_equal(store_room(b->s, 1ULL << 60, &err), -E_FULL);
}

static bool files_tell(const struct backend *b, const char *text)
{
    static const char *const names[] = {"state.db", "state.db-wal"};
    struct error err;
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        AUTO_STR path = STR_INIT;
        AUTO_STR content = STR_INIT;
        str_addf(&path, "%s/%s", b->dir, names[i]);
        if (file_read(AT_FDCWD, path.data, 1 << 26, &content, &err) == 0)
            found |= memmem(content.data, content.len, text, strlen(text)) != NULL;
    }
    return found;
}

static void a_rewrite_leaves_nothing_behind(void **state)
{
    struct backend *b = *state;
    struct error err = ERROR_INIT;
    AUTO_STR large = STR_INIT; /* over several pages */
    for (unsigned i = 0; i < 2000; i++)
        str_addf(&large, "secret %u,", i);
    assert_int_equal(put1(b->s, "a", large.data), 0);
    assert_int_equal(put1(b->s, "b", "other"), 0);
    if (b->dir[0])
        assert_true(files_tell(b, "secret 1234,"));
    assert_int_equal(put1(b->s, "a", "sealed"), 0);
    assert_int_equal(store_rewrite(b->s, &err), 0);
    assert_false(files_tell(b, "secret"));
    expect(b->s, "", "a=sealed;b=other;");
    assert_int_equal(put1(b->s, "c", "d"), 0);
    assert_int_equal(b->reopen(b, &err), 0);
    expect(b->s, "", "a=sealed;b=other;c=d;");
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup_teardown(a_new_store_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_put_is_loaded_in_byte_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_range_is_read_from_both_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_visitor_ends_a_range, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_applies_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_batch_is_success, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_keeps_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_bytes_up_to_the_limit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keys_and_values_beyond_the_limit_change_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_visitor_can_end_the_loading, setup, teardown),
        cmocka_unit_test_setup_teardown(large_batches_are_one_step, setup, teardown),
        cmocka_unit_test_setup_teardown(room_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewrite_leaves_nothing_behind, setup, teardown),
    };
    enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
    int failed = 0;
    for (size_t b = 0; b < sizeof(backends) / sizeof(backends[0]); b++) {
        struct CMUnitTest tests[COUNT];
        memcpy(tests, cases, sizeof(cases));
        for (size_t i = 0; i < COUNT; i++)
            tests[i].initial_state = &backends[b];
        failed += cmocka_run_group_tests_name(backends[b].name, tests, NULL, NULL);
    }
    return failed;
}
