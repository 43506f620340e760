/* Mounting layers, with overlayfs and with the copying fallback: both show the same tree. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "overlay.h"

static char base[64], dir[80];

/* A mount namespace of our own, so that nothing stays mounted whatever happens. */
static int private_mounts(void **state)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        *state = NULL;
    else
        *state = base;
    return 0;
}

static int setup(void **state)
{
    strcpy(base, "/tmp/gantry-overlay-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    snprintf(dir, sizeof(dir), "%s/mounts", base);
    return 0;
}

static int release_one(void *ctx, const char *id, bool mounted, struct error *err)
{
    return overlay_release(dir, id, err);
}

static int teardown(void **state)
{
    overlay_list(dir, release_one, NULL, NULL);
    return dir_remove_all(base, NULL);
}

static void needs_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: mounting needs root\n");
        skip();
    }
}

static const char *make_layer(int n)
{
    static char paths[300][100];
    snprintf(paths[n], sizeof(paths[n]), "%s/layer%d", base, n);
    mkdir(paths[n], 0755);
    return paths[n];
}

static void put(const char *in, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", in, name);
    assert_int_equal(file_replace(path, text, strlen(text), 0644, 0, NULL), 0);
}

static void put_dir(const char *in, const char *name, bool opaque)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", in, name);
    assert_int_equal(mkdir(path, 0755), 0);
    if (opaque)
        assert_int_equal(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
}

static void put_whiteout(const char *in, const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", in, name);
    assert_int_equal(mknod(path, S_IFCHR, makedev(0, 0)), 0);
}

static void assert_text(const char *in, const char *name, const char *want)
{
    char path[OVERLAY_PATH_SIZE + 100];
    AUTO_STR text = STR_INIT;
    snprintf(path, sizeof(path), "%s/%s", in, name);
    if (!want) {
        assert_int_not_equal(access(path, F_OK), 0);
        return;
    }
    if (file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
        fail_msg("%s is missing", path);
    assert_string_equal(str_text(&text), want);
}

static void layers_show_as_one(bool copy)
{
    const char *layers[] = {make_layer(0), make_layer(1), make_layer(0)};
    char merged[OVERLAY_PATH_SIZE], again[OVERLAY_PATH_SIZE], path[300];
    struct error err = ERROR_INIT;
    struct stat st;
    put(layers[0], "keep", "0");
    put(layers[0], "change", "0");
    put(layers[0], "gone", "0");
    put_dir(layers[0], "d", false);
    put(layers[0], "d/hidden", "0");
    put_dir(layers[0], "e", false);
    put(layers[0], "e/seen", "0");
    put(layers[1], "change", "1");
    put_whiteout(layers[1], "gone");
    put_dir(layers[1], "d", true);
    put(layers[1], "d/new", "1");
    put_dir(layers[1], "e", false);
    put(layers[1], "e/also", "1");
    snprintf(path, sizeof(path), "%s/hard", layers[1]);
    assert_int_equal(linkat(AT_FDCWD, layers[0], AT_FDCWD, path, 0), -1);
    assert_int_equal(chmod(layers[1], 0711), 0);
    struct overlay_config c = {
        .dir = dir, .id = "one", .layers = layers, .layer_count = 2, .force_copy = copy};
    if (overlay_mount(&c, merged, &err) < 0)
        fail_msg("%s", err.text);
    assert_text(merged, "keep", "0");
    assert_text(merged, "change", "1");
    assert_text(merged, "gone", NULL);
    assert_text(merged, "d/hidden", NULL);
    assert_text(merged, "d/new", "1");
    assert_text(merged, "e/seen", "0");
    assert_text(merged, "e/also", "1");
    put(merged, "change", "mine");
    assert_text(layers[1], "change", "1");
    assert_int_equal(stat(merged, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
    assert_int_equal(overlay_find(dir, "one", again, &err), 0);
    assert_string_equal(again, merged);
    assert_int_equal(overlay_mount(&c, merged, &err), -E_EXISTS);
    assert_text(merged, "change", "mine");
    assert_int_equal(overlay_release(dir, "one", &err), 0);
    assert_int_equal(overlay_release(dir, "one", &err), 0);
    assert_int_equal(overlay_find(dir, "one", again, &err), -E_NOTFOUND);
    assert_text(layers[0], "change", "0");
}

static void overlay_shows_layers_as_one(void **state)
{
    needs_root();
    layers_show_as_one(false);
}

static void copy_shows_layers_as_one(void **state)
{
    needs_root();
    layers_show_as_one(true);
}

static void a_layer_may_come_twice(void **state)
{
    needs_root();
    const char *layers[] = {make_layer(0), make_layer(1), make_layer(0)};
    char merged[OVERLAY_PATH_SIZE];
    struct error err = ERROR_INIT;
    put(layers[0], "f", "twice");
    put(layers[1], "f", "between");
    struct overlay_config c = {.dir = dir, .id = "x", .layers = layers, .layer_count = 3};
    if (overlay_mount(&c, merged, &err) < 0)
        fail_msg("%s", err.text);
    assert_text(merged, "f", "twice");
}

static void many_layers_mount_quickly(void **state)
{
    needs_root();
    const char *layers[200];
    char merged[OVERLAY_PATH_SIZE], name[16];
    struct error err = ERROR_INIT;
    for (int i = 0; i < 200; i++) {
        layers[i] = make_layer(i);
        snprintf(name, sizeof(name), "f%d", i);
        put(layers[i], name, "x");
    }
    for (size_t n = 1; n <= 200; n = n == 1 ? 128 : n + 72) {
        struct overlay_config c = {
            .dir = dir, .id = "many", .layers = layers, .layer_count = n};
        int64_t best = INT64_MAX;
        for (int round = 0; round < 5; round++) {
            int64_t t = clock_mono_ns();
            if (overlay_mount(&c, merged, &err) < 0)
                fail_msg("%zu layers: %s", n, err.text);
            t = clock_mono_ns() - t;
            best = t < best ? t : best;
            snprintf(name, sizeof(name), "f%zu", n - 1);
            assert_text(merged, name, "x");
            assert_text(merged, "f0", "x");
            assert_int_equal(overlay_release(dir, "many", &err), 0);
        }
        print_message("mount of %zu layers: %lld us\n", n, (long long)best / 1000);
    }
}

static void no_layer_gives_an_empty_root(void **state)
{
    needs_root();
    char merged[OVERLAY_PATH_SIZE];
    struct error err = ERROR_INIT;
    struct overlay_config c = {.dir = dir, .id = "empty"};
    if (overlay_mount(&c, merged, &err) < 0)
        fail_msg("%s", err.text);
    put(merged, "f", "x");
    assert_text(merged, "f", "x");
}

static void read_only_can_not_be_written(void **state)
{
    needs_root();
    const char *layers[] = {make_layer(0)};
    char merged[OVERLAY_PATH_SIZE];
    struct error err = ERROR_INIT;
    put(layers[0], "f", "x");
    struct overlay_config c = {
        .dir = dir, .id = "ro", .layers = layers, .layer_count = 1, .read_only = true};
    if (overlay_mount(&c, merged, &err) < 0)
        fail_msg("%s", err.text);
    assert_text(merged, "f", "x");
    assert_int_equal(file_replace("/dev/null/x", "", 0, 0, 0, &err) < 0, 1);
    char path[OVERLAY_PATH_SIZE + 8];
    snprintf(path, sizeof(path), "%s/new", merged);
    assert_int_equal(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), -1);
    assert_int_equal(errno, EROFS);
}

static void failure_leaves_nothing(void **state)
{
    needs_root();
    const char *layers[] = {"/nonexistent/layer"};
    char merged[OVERLAY_PATH_SIZE] = "untouched", path[200];
    struct error err = ERROR_INIT;
    struct overlay_config c = {
        .dir = dir, .id = "bad", .layers = layers, .layer_count = 1};
    assert_int_equal(overlay_mount(&c, merged, &err), -E_NOTFOUND);
    assert_string_equal(merged, "untouched");
    snprintf(path, sizeof(path), "%s/bad", dir);
    assert_int_not_equal(access(path, F_OK), 0);
    c.id = "../escape";
    assert_int_equal(overlay_mount(&c, merged, &err), -E_INVALID);
    assert_int_equal(overlay_release(dir, "..", &err), -E_INVALID);
}

/* What a crash between two steps leaves: directories without a mount. */
static void leftovers_are_listed_and_released(void **state)
{
    needs_root();
    char path[200], merged[OVERLAY_PATH_SIZE];
    struct error err = ERROR_INIT;
    snprintf(path, sizeof(path), "%s/half/work/work", dir);
    assert_int_equal(dir_make_all(path, 0700, NULL), 0);
    assert_int_equal(overlay_find(dir, "half", merged, &err), -E_NOTFOUND);
    assert_int_equal(overlay_list(dir, release_one, NULL, &err), 0);
    snprintf(path, sizeof(path), "%s/half", dir);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void on_an_overlay_it_falls_back_to_copying(void **state)
{
    needs_root();
    const char *layers[] = {make_layer(0)};
    char outer[OVERLAY_PATH_SIZE], inner[OVERLAY_PATH_SIZE],
        inside[OVERLAY_PATH_SIZE + 8];
    struct error err = ERROR_INIT;
    put(layers[0], "f", "x");
    struct overlay_config c = {
        .dir = dir, .id = "outer", .layers = layers, .layer_count = 1};
    if (overlay_mount(&c, outer, &err) < 0)
        fail_msg("%s", err.text);
    snprintf(inside, sizeof(inside), "%s/in", outer);
    struct overlay_config d = {
        .dir = inside, .id = "inner", .layers = layers, .layer_count = 1};
    if (overlay_mount(&d, inner, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(overlay_is_supported(inside, &err), -E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "overlay"));
    assert_text(inner, "f", "x");
    assert_int_equal(overlay_find(inside, "inner", inner, &err), 0);
    assert_int_equal(overlay_release(inside, "inner", &err), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(overlay_shows_layers_as_one),
        TEST(copy_shows_layers_as_one),
        TEST(a_layer_may_come_twice),
        TEST(many_layers_mount_quickly),
        TEST(no_layer_gives_an_empty_root),
        TEST(read_only_can_not_be_written),
        TEST(failure_leaves_nothing),
        TEST(leftovers_are_listed_and_released),
        TEST(on_an_overlay_it_falls_back_to_copying),
    };
    return cmocka_run_group_tests(tests, private_mounts, NULL);
}
