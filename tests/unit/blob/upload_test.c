/* Uploads: offsets, holders, crashes, full disks. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "fixture.h"

static void start(struct world *w, char id[static BLOB_UPLOAD_ID_SIZE])
{
    assert_int_equal(blob_upload_create(w->s, BLOB_SHA256, 1000, id, NULL), 0);
}

static struct blob_upload *acquire(struct world *w, const char *id)
{
    struct blob_upload *u = NULL;
    assert_int_equal(blob_upload_acquire(w->s, id, &u, NULL), 0);
    return u;
}

static void append(struct world *w, const char *id, uint64_t at, const char *text)
{
    struct blob_upload *u = acquire(w, id);
    assert_int_equal(blob_upload_append(u, at, text, strlen(text), NULL), 0);
    blob_upload_release(u, 2000);
}

static void pieces_become_a_blob(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("hello world");
    char id[BLOB_UPLOAD_ID_SIZE];
    uint64_t size;
    start(w, id);
    append(w, id, 0, "hello");
    assert_int_equal(blob_upload_query(w->s, id, &size, &err), 0);
    assert_int_equal(size, 5);
    append(w, id, 5, " world");
    assert_int_equal(blob_open(w->s, &d, NULL, NULL, &err), -E_NOTFOUND); /* not yet */
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, &err), 0);
    assert_int_equal(blob_verify(w->s, &d, &err), 0);
    assert_int_equal(blob_upload_query(w->s, id, &size, &err), -E_NOTFOUND);
    assert_int_equal(files_in_uploads(w), 0);
}

static void an_empty_upload_is_a_blob_too(void **state)
{
    struct world *w = *state;
    struct blob_digest d = digest("");
    char id[BLOB_UPLOAD_ID_SIZE];
    start(w, id);
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, NULL), 0);
    assert_int_equal(sum(w), 1000000);
}

static void another_algorithm_is_hashed_at_the_end(void **state)
{
    struct world *w = *state;
    struct blob_digest d;
    char id[BLOB_UPLOAD_ID_SIZE];
    blob_digest_of(BLOB_SHA512, "abc", 3, &d);
    start(w, id);
    append(w, id, 0, "abc");
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, NULL), 0);
    assert_int_equal(blob_verify(w->s, &d, NULL), 0);
    assert_int_equal(blob_upload_create(w->s, BLOB_SHA512, 0, id, NULL), 0);
    append(w, id, 0, "abc");
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, NULL), 0);
    assert_int_equal(sum(w), 1000003);
}

static void a_wrong_digest_deletes_all(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("other");
    char id[BLOB_UPLOAD_ID_SIZE];
    start(w, id);
    append(w, id, 0, "hello");
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, &err), -E_CORRUPT);
    assert_int_equal(sum(w), 0);
    assert_int_equal(files_in_uploads(w), 0);
    struct blob_upload *u;
    assert_int_equal(blob_upload_acquire(w->s, id, &u, &err), -E_NOTFOUND);
}

static void wrong_offsets_change_nothing(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("hello!");
    char id[BLOB_UPLOAD_ID_SIZE];
    start(w, id);
    append(w, id, 0, "hello");
    struct blob_upload *u = acquire(w, id);
    assert_int_equal(blob_upload_append(u, 4, "x", 1, &err), -E_CONFLICT);
    assert_int_equal(blob_upload_append(u, 6, "x", 1, &err), -E_CONFLICT);
    assert_int_equal(blob_upload_append(u, 5, "!", 1, &err), 0);
    assert_int_equal(blob_upload_finish(u, &d, &err), 0);
}

static void one_holder_at_a_time(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_upload *u, *v;
    char id[BLOB_UPLOAD_ID_SIZE];
    uint64_t size;
    start(w, id);
    u = acquire(w, id);
    assert_int_equal(blob_upload_acquire(w->s, id, &v, &err), -E_AGAIN);
    assert_int_equal(blob_upload_query(w->s, id, &size, &err), 0); /* asking is allowed */
    blob_upload_release(u, 5);
    v = acquire(w, id);
    blob_upload_cancel(v);
    assert_int_equal(blob_upload_acquire(w->s, id, &v, &err), -E_NOTFOUND);
    assert_int_equal(files_in_uploads(w), 0);
    assert_int_equal(blob_upload_acquire(w->s, "../../etc/passwd", &v, &err),
                     -E_NOTFOUND);
}

static void idle_uploads_expire(void **state)
{
    struct world *w = *state;
    char a[BLOB_UPLOAD_ID_SIZE], b[BLOB_UPLOAD_ID_SIZE], c[BLOB_UPLOAD_ID_SIZE];
    uint64_t size;
    blob_upload_create(w->s, BLOB_SHA256, 100, a, NULL);
    blob_upload_create(w->s, BLOB_SHA256, 200, b, NULL);
    blob_upload_create(w->s, BLOB_SHA256, 100, c, NULL);
    struct blob_upload *u = acquire(w, c); /* old, but in use */
    assert_int_equal(blob_upload_expire(w->s, 150), 1);
    assert_int_equal(blob_upload_query(w->s, a, &size, NULL), -E_NOTFOUND);
    assert_int_equal(blob_upload_query(w->s, b, &size, NULL), 0);
    blob_upload_release(u, 300);
    assert_int_equal(blob_upload_expire(w->s, 250), 1);
    assert_int_equal(blob_upload_expire(w->s, 301), 1);
    assert_int_equal(files_in_uploads(w), 0);
}

/* ---- crashes ---- */

static void uploads_survive_a_restart(void **state)
{
    struct world *w = *state;
    struct blob_digest d = digest("hello world");
    char id[BLOB_UPLOAD_ID_SIZE];
    uint64_t size;
    start(w, id);
    append(w, id, 0, "hello");
    restart(w);
    assert_int_equal(blob_upload_query(w->s, id, &size, NULL), 0);
    assert_int_equal(size, 5);
    append(w, id, 5, " world");
    restart(w);
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, NULL), 0);
    assert_int_equal(blob_verify(w->s, &d, NULL), 0);
}

static char crash_id[BLOB_UPLOAD_ID_SIZE];

static ssize_t dying_pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (fails_now())
        _exit(9);
    return pwrite(fd, data, len, at);
}

static int dying_fsync(int fd)
{
    if (fails_now())
        _exit(9);
    return fsync(fd);
}

static int dying_rename(const char *from, const char *to)
{
    if (fails_now())
        _exit(9);
    return rename(from, to);
}

static const struct blob_io dying_disk = {dying_pwrite, dying_fsync, dying_rename};

/* The process ends before each step in turn: the client can always go on or begin again,
 * and what has a blob's name is whole. */
static void a_crash_between_steps_leaves_no_half_blob(void **state)
{
    struct world *w = *state;
    struct blob_digest d = digest("hello world");
    int status = 9 << 8;
    for (int step = 1; WEXITSTATUS(status) == 9; step++) {
        start(w, crash_id);
        append(w, crash_id, 0, "hello");
        pid_t pid = fork();
        if (pid == 0) {
            struct blob_upload *u;
            w->s->io = &dying_disk;
            fail_in = step;
            int r = blob_upload_acquire(w->s, crash_id, &u, NULL);
            if (r == 0)
                r = blob_upload_append(u, 5, " world", 6, NULL);
            if (r == 0)
                r = blob_upload_finish(u, &d, NULL);
            _exit(r == 0 ? 0 : 1);
        }
        waitpid(pid, &status, 0);
        restart(w);
        uint64_t size;
        if (blob_open(w->s, &d, NULL, NULL, NULL) == 0)
            assert_int_equal(blob_verify(w->s, &d, NULL), 0);
        else
            assert_int_equal(blob_upload_query(w->s, crash_id, &size, NULL), 0);
        blob_delete(w->s, &d, NULL);
        blob_upload_expire(w->s, INT64_MAX);
        char folder[128];
        snprintf(folder, sizeof(folder), "%s/blobs/sha256/b9", w->dir);
        rmdir(folder);
        assert_true(step < 20);
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(files_in_uploads(w), 0);
}

/* ---- disks ---- */

static void a_failed_write_can_be_tried_again(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("hello world");
    char id[BLOB_UPLOAD_ID_SIZE];
    start(w, id);
    append(w, id, 0, "hello");
    w->s->io = &bad_disk;
    half_writes = 1;
    for (int step = 1; step <= 2; step++) { /* at once, and in the middle */
        struct blob_upload *u = acquire(w, id);
        fail_in = step;
        fail_with = ENOSPC;
        assert_int_equal(blob_upload_append(u, 5, " world", 6, &err), -E_FULL);
        assert_int_equal(blob_upload_size(u), 5);
        blob_upload_release(u, 1);
    }
    fail_in = 0;
    struct blob_digest first = digest("hello");
    uint64_t size;
    char other
        [BLOB_UPLOAD_ID_SIZE]; /* what was half written does not stay behind the end */
    start(w, other);
    append(w, other, 0, "hello");
    struct blob_upload *u = acquire(w, other);
    fail_in = 2;
    assert_int_equal(blob_upload_append(u, 5, " world", 6, &err), -E_FULL);
    fail_in = 0;
    assert_int_equal(blob_upload_finish(u, &first, &err), 0);
    assert_int_equal(blob_open(w->s, &first, NULL, &size, &err), 0);
    assert_int_equal(size, 5);
    append(w, id, 5, " world");
    half_writes = 0;
    assert_int_equal(blob_upload_finish(acquire(w, id), &d, &err), 0);
    assert_int_equal(blob_verify(w->s, &d, &err), 0);
}

static void a_failed_finish_leaves_nothing_half(void **state)
{
    struct world *w = *state;
    struct blob_digest d = digest("hello");
    bool failed = true;
    w->s->io = &bad_disk;
    for (int step = 1; failed; step++) {
        struct error err = ERROR_INIT;
        char id[BLOB_UPLOAD_ID_SIZE];
        start(w, id);
        append(w, id, 0, "hello");
        fail_in = step;
        fail_with = EIO;
        int r = blob_upload_finish(acquire(w, id), &d, &err);
        failed = fail_in == 0;
        fail_in = 0;
        assert_int_equal(r, failed ? -E_IO : 0);
        assert_int_equal(files_in_uploads(w), 0);
        if (blob_open(w->s, &d, NULL, NULL, NULL) == 0)
            assert_int_equal(blob_verify(w->s, &d, NULL), 0);
        else
            assert_true(failed);
    }
}

static void a_full_disk_says_so(void **state)
{
    struct world *w = *state;
    if (mount("tmpfs", w->dir, "tmpfs", 0, "size=1m") < 0) {
        print_message("[ SKIP ] needs root for a tiny tmpfs\n");
        skip();
    }
    struct error err = ERROR_INIT;
    restart(w);
    AUTO_ARENA a = ARENA_INIT;
    char *data = arena_alloc(&a, 700000), id[BLOB_UPLOAD_ID_SIZE];
    start(w, id);
    struct blob_upload *u = acquire(w, id);
    int first = blob_upload_append(u, 0, data, 700000, &err);
    int second = blob_upload_append(u, 700000, data, 700000, &err);
    uint64_t size = blob_upload_size(u), left;
    blob_upload_cancel(u);
    int put = blob_put(w->s, data, 700000, NULL, &err);
    blob_free_bytes(w->s, &left, &err);
    blob_store_close(w->s);
    umount(w->dir);
    assert_int_equal(blob_store_open(w->dir, &w->s, NULL), 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, -E_FULL);
    assert_int_equal(size, 700000);
    assert_int_equal(put, 0); /* cancelling gave the room back */
    assert_true(left < 400000);
}

/* ---- many ---- */

struct racer {
    struct world *w;
    const char *id;
    atomic_int *written, *refused;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0; i < 200; i++) {
        struct blob_upload *u;
        if (blob_upload_acquire(r->w->s, r->id, &u, NULL) < 0) {
            atomic_fetch_add(r->refused, 1);
            continue;
        }
        assert_int_equal(blob_upload_append(u, blob_upload_size(u), "x", 1, NULL), 0);
        blob_upload_release(u, 1);
        atomic_fetch_add(r->written, 1);
    }
    return NULL;
}

static void concurrent_appends_are_serialised_or_refused(void **state)
{
    struct world *w = *state;
    char id[BLOB_UPLOAD_ID_SIZE];
    atomic_int written = 0, refused = 0;
    start(w, id);
    struct racer r = {w, id, &written, &refused};
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, race, &r);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    struct blob_upload *u = acquire(w, id);
    assert_int_equal(blob_upload_size(u), written);
    assert_int_equal(written + refused, 800);
    AUTO_STR all = STR_INIT;
    for (int i = 0; i < written; i++)
        str_addc(&all, 'x');
    struct blob_digest d = digest(str_text(&all));
    assert_int_equal(blob_upload_finish(u, &d, NULL), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pieces_become_a_blob),
        CASE(an_empty_upload_is_a_blob_too),
        CASE(another_algorithm_is_hashed_at_the_end),
        CASE(a_wrong_digest_deletes_all),
        CASE(wrong_offsets_change_nothing),
        CASE(one_holder_at_a_time),
        CASE(idle_uploads_expire),
        CASE(uploads_survive_a_restart),
        CASE(a_crash_between_steps_leaves_no_half_blob),
        CASE(a_failed_write_can_be_tried_again),
        CASE(a_failed_finish_leaves_nothing_half),
        CASE(a_full_disk_says_so),
        CASE(concurrent_appends_are_serialised_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
