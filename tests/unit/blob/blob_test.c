/* Digests and finished blobs. */
#include "unit.h"

#include "fixture.h"

static void digests_are_parsed_strictly(void **state)
{
    struct blob_digest d;
    struct error err = ERROR_INIT;
    char text[BLOB_DIGEST_SIZE];
    /* FIPS 180-2, appendix B.1 and C.1: "abc" */
    static const char *const good[] = {
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"};
    for (int i = 0; i < 2; i++) {
        struct blob_digest of;
        assert_int_equal(blob_digest_parse(good[i], &d, &err), 0);
        blob_digest_format(&d, text);
        assert_string_equal(text, good[i]);
        blob_digest_of((enum blob_algorithm)i, "abc", 3, &of);
        assert_true(blob_digest_equal(&d, &of));
    }
    static const char *const bad[] = {
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:abc",
        "sha256:baddigeststring",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a/",
        "../../etc/passwd",
        "sha256:../../../../../../../../etc/passwd"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(blob_digest_parse(bad[i], &d, &err), -E_INVALID);
    assert_int_equal(blob_digest_parse("md5:d41d8cd98f00b204e9800998ecf8427e", &d, &err),
                     -E_UNSUPPORTED);
}

static void hashing_in_pieces_can_be_looked_at(void **state)
{
    struct blob_hash *h = blob_hash_new(BLOB_SHA256);
    struct blob_digest d, want;
    blob_hash_update(h, "ab", 2);
    blob_hash_peek(h, &d);
    blob_digest_of(BLOB_SHA256, "ab", 2, &want);
    assert_true(blob_digest_equal(&d, &want));
    blob_hash_update(h, "c", 1);
    blob_hash_peek(h, &d);
    blob_digest_of(BLOB_SHA256, "abc", 3, &want);
    assert_true(blob_digest_equal(&d, &want));
    blob_hash_free(h);
}

static void what_is_put_can_be_opened(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("abc"), none = digest("none");
    AUTO_FD fd = -1;
    uint64_t size;
    char buf[8] = "";
    assert_int_equal(blob_put(w->s, "abc", 3, &d, &err), 0);
    assert_int_equal(blob_put(w->s, "abc", 3, NULL, &err), 0); /* again: no matter */
    assert_int_equal(blob_open(w->s, &d, &fd, &size, &err), 0);
    assert_int_equal(size, 3);
    assert_int_equal(read(fd, buf, sizeof(buf)), 3);
    assert_string_equal(buf, "abc");
    assert_int_equal(blob_open(w->s, &none, NULL, &size, &err), -E_NOTFOUND);
    fd_close(&fd);
    assert_int_equal(blob_open(w->s, &none, &fd, &size, &err), -E_NOTFOUND);
    assert_int_equal(blob_put(w->s, "abc", 3, &none, &err), -E_CORRUPT);
    assert_int_equal(blob_put(w->s, "", 0, NULL, &err), 0);
    restart(w);
    assert_int_equal(sum(w), 2000003);
    assert_int_equal(files_in_uploads(w), 0);
}

static void blobs_are_private_and_named_by_hash(void **state)
{
    struct world *w = *state;
    struct blob_digest d = digest("abc");
    struct stat st;
    blob_put(w->s, "abc", 3, &d, NULL);
    char *path = blob_path(w->s, &d);
    assert_true(str_ends(path,
                         "/blobs/sha256/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a"
                         "9cb410ff61f20015ad"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
}

static void what_changed_on_the_disk_is_found(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("abc");
    blob_put(w->s, "abc", 3, &d, NULL);
    assert_int_equal(blob_verify(w->s, &d, &err), 0);
    char *path = blob_path(w->s, &d);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "X", 1, 1), 1);
    assert_int_equal(blob_verify(w->s, &d, &err), -E_CORRUPT);
    free(path);
}

static void deleted_is_gone(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_digest d = digest("abc");
    blob_put(w->s, "abc", 3, &d, NULL);
    assert_int_equal(blob_delete(w->s, &d, &err), 0);
    assert_int_equal(blob_delete(w->s, &d, &err), -E_NOTFOUND);
    assert_int_equal(blob_open(w->s, &d, NULL, NULL, &err), -E_NOTFOUND);
    assert_int_equal(sum(w), 0);
}

static int stop(void *ctx, const struct blob_digest *d, uint64_t size, int64_t mtime_ms,
                struct error *err)
{
    return fail(err, E_CANCELLED, "stop");
}

static void iteration_can_be_ended_and_skips_strangers(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    char path[160];
    blob_put(w->s, "a", 1, NULL, NULL);
    blob_put(w->s, "b", 1, NULL, NULL);
    struct blob_digest d;
    blob_digest_of(BLOB_SHA512, "c", 1, &d);
    blob_put(w->s, "c", 1, &d, NULL);
    snprintf(path, sizeof(path), "%s/blobs/sha256/README", w->dir);
    assert_int_equal(file_replace(path, "x", 1, 0600, 0, &err), 0);
    assert_int_equal(sum(w), 3000003);
    assert_int_equal(blob_iterate(w->s, stop, NULL, &err), -E_CANCELLED);
}

/* Every step of the disk fails once; what is there afterwards is whole. */
static void a_put_that_fails_leaves_nothing_half(void **state)
{
    struct world *w = *state;
    struct blob_digest d = digest("abc");
    static const int errors[] = {ENOSPC, EIO};
    w->s->io = &bad_disk;
    for (int step = 1;; step++) {
        struct error err = ERROR_INIT;
        fail_in = step;
        fail_with = errors[step % 2];
        int r = blob_put(w->s, "abc", 3, &d, &err);
        bool failed = fail_in == 0;
        fail_in = 0;
        if (!failed) {
            assert_int_equal(r, 0);
            assert_true(step > 4); /* write, sync, sync of folder, rename, sync */
            break;
        }
        assert_int_equal(r, step % 2 ? -E_IO : -E_FULL);
        assert_int_equal(files_in_uploads(w), 0);
        restart(w); /* as after a crash there */
        w->s->io = &bad_disk;
        assert_int_equal(files_in_uploads(w), 0);
        if (blob_open(w->s, &d, NULL, NULL, NULL) == 0) {
            assert_int_equal(blob_verify(w->s, &d, NULL), 0);
            blob_delete(w->s, &d, NULL);
        }
        char folder[128]; /* so that it is made again */
        snprintf(folder, sizeof(folder), "%s/blobs/sha256/ba", w->dir);
        rmdir(folder);
    }
    assert_int_equal(blob_verify(w->s, &d, NULL), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_parsed_strictly),
        cmocka_unit_test(hashing_in_pieces_can_be_looked_at),
        CASE(what_is_put_can_be_opened),
        CASE(blobs_are_private_and_named_by_hash),
        CASE(what_changed_on_the_disk_is_found),
        CASE(deleted_is_gone),
        CASE(iteration_can_be_ended_and_skips_strangers),
        CASE(a_put_that_fails_leaves_nothing_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
