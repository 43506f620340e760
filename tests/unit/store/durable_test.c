/* What only the disk can show: kill -9, a second opener, a full disk, foreign files; and
 * the faults that the twin in memory makes on order. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "store.h"

static char dir[64];

static int setup(void **state)
{
    strcpy(dir, "/tmp/gantry-durable-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    umount2(dir, MNT_DETACH); /* only the full-disk test mounts */
    return dir_remove_all(dir, NULL);
}

static int put(struct store *s, const char *key, const void *value, size_t len,
               struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    struct store_batch b;
    store_batch_init(&b, &a);
    store_batch_put(&b, key, value, len);
    return store_commit(s, &b, err);
}

/* ---- kill -9 ---- */

/* Commits pairs (/a/n, /b/n) and tells after each through the pipe. */
static _Noreturn void child(unsigned first, int tell)
{
    struct store *s;
    struct error err = ERROR_INIT;
    if (store_sqlite_open(dir, &s, &err) < 0)
        _exit(1);
    char value[3000];
    memset(value, 'v', sizeof(value));
    for (unsigned n = first;; n++) {
        AUTO_ARENA a = ARENA_INIT;
        struct store_batch b;
        store_batch_init(&b, &a);
        size_t len = n * 37 % sizeof(value);
        store_batch_put(&b, arena_printf(&a, "/a/%08u", n), value, len);
        store_batch_put(&b, arena_printf(&a, "/b/%08u", n), value, len);
        if (store_commit(s, &b, &err) < 0 || write(tell, &n, sizeof(n)) != sizeof(n))
            _exit(2);
    }
}

struct count {
    unsigned a, b;
};

static int count_entry(void *ctx, const char *key, const void *value, size_t len,
                       struct error *err)
{
    struct count *c = ctx;
    unsigned *n = key[1] == 'a' ? &c->a : &c->b;
    unsigned at;
    assert_int_equal(sscanf(key + 3, "%u", &at), 1);
    assert_int_equal(at, *n); /* no gap */
    assert_int_equal(len, at * 37 % 3000);
    (*n)++;
    return 0;
}

/* Kills after the child told of `rounds` commits and a random instant more. */
static unsigned run_and_kill(unsigned first, unsigned rounds)
{
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(first, p[1]);
    close(p[1]);
    unsigned n, told = first;
    for (unsigned i = 0; i < rounds && read(p[0], &n, sizeof(n)) == sizeof(n); i++)
        told = n + 1;
    for (volatile int spin = rand() % 200000; spin > 0; spin--)
        ;
    kill(pid, SIGKILL);
    while (read(p[0], &n, sizeof(n)) == sizeof(n)) /* told before it died */
        told = n + 1;
    close(p[0]);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    return told;
}

static void a_commit_that_returned_survives_kill(void **state)
{
    unsigned next = 0;
    srand(1);
    for (int round = 0; round < 40; round++) {
        unsigned told = run_and_kill(next, 1 + (unsigned)rand() % 12);
        struct store *s;
        struct error err = ERROR_INIT;
        struct count c = {0};
        assert_int_equal(store_sqlite_open(dir, &s, &err), 0); /* no stale lock either */
        assert_int_equal(store_load_all(s, "", count_entry, &c, &err), 0);
        assert_int_equal(c.a, c.b);   /* all or nothing */
        assert_true(c.a >= told);     /* nothing told is lost */
        assert_true(c.a <= told + 1); /* nothing was made up */
        assert_int_equal(store_sqlite_check(s, &err), 0);
        store_close(s);
        next = c.a;
    }
}

/* ---- opening ---- */

static void a_second_opener_is_refused(void **state)
{
    struct store *s, *t;
    struct error err = ERROR_INIT;
    assert_int_equal(store_sqlite_open(dir, &s, &err), 0);
    assert_int_equal(store_sqlite_open(dir, &t, &err), -E_CONFLICT);
    assert_non_null(strstr(err.text, "another gantry server"));
    store_close(s);
    assert_int_equal(store_sqlite_open(dir, &t, &err), 0);
    store_close(t);
}

static void the_file_is_private(void **state)
{
    struct store *s;
    struct stat st;
    char path[128];
    umask(0);
    assert_int_equal(store_sqlite_open(dir, &s, NULL), 0);
    assert_int_equal(put(s, "k", "v", 1, NULL), 0);
    for (const char *const *name =
             (const char *const[]){"state.db", "state.db-wal", NULL};
         *name; name++) {
        snprintf(path, sizeof(path), "%s/%s", dir, *name);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    store_close(s);
}

static void run_sql(const char *sql)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_newer_schema_is_refused(void **state)
{
    struct store *s;
    struct error err = ERROR_INIT;
    assert_int_equal(store_sqlite_open(dir, &s, &err), 0);
    store_close(s);
    run_sql("PRAGMA user_version = 99");
    assert_int_equal(store_sqlite_open(dir, &s, &err), -E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "newer"));
}

static void a_foreign_database_is_refused(void **state)
{
    struct store *s;
    struct error err = ERROR_INIT;
    run_sql("CREATE TABLE x(y)");
    assert_int_equal(store_sqlite_open(dir, &s, &err), -E_CORRUPT);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct store *s;
    struct error err = ERROR_INIT;
    char path[128], junk[8192];
    memset(junk, 'j', sizeof(junk));
    snprintf(path, sizeof(path), "%s/state.db", dir);
    assert_int_equal(file_replace(path, junk, sizeof(junk), 0600, 0, &err), 0);
    assert_int_equal(store_sqlite_open(dir, &s, &err), -E_CORRUPT);
}

static int ignore(void *ctx, const char *key, const void *value, size_t len,
                  struct error *err)
{
    return 0;
}

static void a_broken_page_is_found_when_it_is_read(void **state)
{
    struct store *s;
    struct error err = ERROR_INIT;
    char path[128], junk[2048], value[300] = {0};
    assert_int_equal(store_sqlite_open(dir, &s, &err), 0);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof(key), "/%05d", i);
        assert_int_equal(put(s, key, value, sizeof(value), &err), 0);
    }
    store_close(s); /* folds the log into the file */
    snprintf(path, sizeof(path), "%s/state.db", dir);
    memset(junk, 0xee, sizeof(junk));
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 5 * 4096), sizeof(junk));
    int r = store_sqlite_open(dir, &s, &err);
    if (r == 0) {
        r = store_load_all(s, "", ignore, NULL, &err);
        assert_int_equal(store_sqlite_check(s, &err), -E_CORRUPT);
        store_close(s);
    }
    assert_int_equal(r, -E_CORRUPT);
}

/* ---- a full disk ---- */

static void a_full_disk_refuses_and_recovers(void **state)
{
    if (mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0) {
        print_message("[ SKIP ] needs root for a tiny tmpfs\n");
        skip();
    }
    struct store *s;
    struct error err = ERROR_INIT;
    AUTO_ARENA a = ARENA_INIT;
    char *value = arena_alloc(&a, 1 << 20), path[128];
    assert_int_equal(store_sqlite_open(dir, &s, &err), 0);
    assert_int_equal(store_room(s, 0, &err), -E_FULL); /* less than the reserve */
    assert_int_equal(put(s, "small", "1", 1, &err), 0);
    snprintf(path, sizeof(path), "%s/filler", dir);
    AUTO_FD fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    while (write(fd, value, 4096) > 0)
        ;
    assert_int_equal(put(s, "big", value, 1 << 20, &err), -E_FULL);
    assert_int_equal(put(s, "big", value, 1 << 20, &err), -E_FULL);
    assert_int_equal(unlink(path), 0);
    fd_close(&fd);
    assert_int_equal(put(s, "after", "1", 1, &err), 0);
    struct store *again;
    store_close(s);
    assert_int_equal(store_sqlite_open(dir, &again, &err), 0);
    assert_int_equal(store_sqlite_check(again, &err), 0);
    store_close(again);
}

/* ---- the twin's faults ---- */

static void the_twin_fails_on_order(void **state)
{
    struct store *s;
    struct error err = ERROR_INIT;
    store_memory_open(&s, &err);
    store_memory_fail(s, 2, E_FULL);
    assert_int_equal(put(s, "a", "1", 1, &err), 0);
    assert_int_equal(put(s, "b", "1", 1, &err), -E_FULL);
    assert_int_equal(put(s, "c", "1", 1, &err), 0);
    assert_int_equal(store_memory_commits(s), 2);
    store_memory_set_free(s, STORE_RESERVE + 10);
    assert_int_equal(store_room(s, 10, &err), 0);
    assert_int_equal(store_room(s, 11, &err), -E_FULL);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commit_that_returned_survives_kill, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_second_opener_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_is_private, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_schema_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_foreign_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_broken_page_is_found_when_it_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_and_recovers, setup,
                                        teardown),
        cmocka_unit_test(the_twin_fails_on_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
