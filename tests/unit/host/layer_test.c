/* Unpacking: what an honest layer becomes, and what a hostile one can't do. Whiteouts and
 * owners need root; without it those tests are skipped. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "fd.h"
#include "layer.h"
#include "tar_builder.h"

struct source {
    const struct str *data;
    size_t pos, piece; /* at most so many bytes a read */
};

static int64_t read_source(void *ctx, void *buf, size_t cap, struct error *err)
{
    struct source *s = ctx;
    size_t n = s->data->len - s->pos;
    n = n < cap ? n : cap;
    n = n < s->piece ? n : s->piece;
    memcpy(buf, s->data->data + s->pos, n);
    s->pos += n;
    return (int64_t)n;
}

/* Two directories: outside/ must not change, outside/root gets the layer. */
static char outside[64], root[80];

static int setup(void **state)
{
    strcpy(outside, "/tmp/gantry-layer-XXXXXX");
    if (!mkdtemp(outside))
        return -1;
    snprintf(root, sizeof(root), "%s/root", outside);
    return mkdir(root, 0755);
}

static int teardown(void **state)
{
    return dir_remove_all(outside, NULL);
}

static int unpack(const struct str *data, const struct layer_options *o,
                  struct layer_result *ret, struct error *err)
{
    AUTO_FD fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct source s = {data, 0, 100003};
    struct layer_options mine = o ? *o : (struct layer_options){0};
    if (geteuid() != 0)
        mine.unprivileged = true;
    return layer_unpack(fd, read_source, &s, &mine, ret, err);
}

static int unpack_entries(const struct tar_entry *e, size_t n, struct error *err)
{
    AUTO_STR t = STR_INIT;
    for (size_t i = 0; i < n; i++)
        tar_add(&t, &e[i]);
    tar_end(&t);
    return unpack(&t, NULL, NULL, err);
}
#define UNPACK(err, ...)                                                                 \
    unpack_entries((const struct tar_entry[]){__VA_ARGS__},                              \
                   sizeof((const struct tar_entry[]){__VA_ARGS__}) /                     \
                       sizeof(struct tar_entry),                                         \
                   (err))

static struct stat stat_of(const char *name)
{
    char path[400];
    struct stat st = {0};
    snprintf(path, sizeof(path), "%s/%s", root, name);
    if (lstat(path, &st) < 0)
        st.st_mode = 0;
    return st;
}

static bool is_whiteout(const char *name)
{
    struct stat st = stat_of(name);
    return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static bool is_opaque(const char *name)
{
    char path[400], v[4];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return lgetxattr(path, "trusted.overlay.opaque", v, sizeof(v)) == 1 && v[0] == 'y';
}

static void assert_text(const char *name, const char *want)
{
    char path[400];
    AUTO_STR text = STR_INIT;
    struct error err = ERROR_INIT;
    snprintf(path, sizeof(path), "%s/%s", root, name);
    if (file_read(AT_FDCWD, path, 1 << 20, &text, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(str_text(&text), want);
}

/* outside/ holds root and nothing else. */
static void assert_nothing_escaped(void)
{
    char path[400];
    AUTO_STR text = STR_INIT;
    snprintf(path, sizeof(path), "%s/evil", outside);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access("/tmp/gantry-layer-evil", F_OK), 0);
}

static void needs_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: device nodes and owners need root\n");
        skip();
    }
}

/* ---- honest layers ---- */

static void kinds_and_attributes_are_kept(void **state)
{
    needs_root();
    struct error err = ERROR_INIT;
    int r = UNPACK(&err, {.name = "./", .type = '5', .mode = 0711, .mtime = 1000},
                   {.name = "d/", .type = '5', .mode = 01777, .mtime = 12345, .gid = 7},
                   {.name = "d/suid",
                    .type = '0',
                    .mode = 04755,
                    .uid = 12,
                    .gid = 34,
                    .data = "x",
                    .len = 1,
                    .mtime = 77},
                   TAR_LINK("d/link", "../../../etc/passwd"), TAR_HARD("hard", "d/suid"),
                   {.name = "fifo", .type = '6', .mode = 0600},
                   {.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3});
    if (r < 0)
        fail_msg("%s", err.text);
    struct stat st = stat_of("d/suid");
    assert_int_equal(st.st_mode, S_IFREG | 04755);
    assert_int_equal(st.st_uid, 12);
    assert_int_equal(st.st_gid, 34);
    assert_int_equal(st.st_mtime, 77);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(st.st_ino, stat_of("hard").st_ino);
    assert_int_equal(stat_of("d").st_mode, S_IFDIR | 01777);
    assert_int_equal(stat_of("d").st_mtime, 12345);
    assert_int_equal(stat_of("d").st_gid, 7);
    assert_int_equal(stat_of("").st_mode, S_IFDIR | 0711);
    assert_true(S_ISLNK(stat_of("d/link").st_mode));
    assert_true(S_ISFIFO(stat_of("fifo").st_mode));
    assert_int_equal(stat_of("null").st_rdev, makedev(1, 3));
    assert_false(layer_root_is_implicit(root));
}

static void whiteouts_become_overlay_ones(void **state)
{
    needs_root();
    struct error err = ERROR_INIT;
    int r = UNPACK(&err, TAR_FILE("a/.wh.gone", ""), TAR_FILE("b/.wh..wh..opq", ""),
                   TAR_FILE("b/new", "x"), TAR_FILE(".wh..wh.plnk", ""));
    if (r < 0)
        fail_msg("%s", err.text);
    assert_true(is_whiteout("a/gone"));
    assert_true(is_opaque("b"));
    assert_text("b/new", "x");
    assert_int_equal(stat_of(".wh..wh.plnk").st_mode, 0);
    assert_true(layer_root_is_implicit(root));
}

/* In whatever order they stand: a whiteout is about the layers below. */
static void whiteout_and_replacement_in_one_layer(void **state)
{
    needs_root();
    struct error err = ERROR_INIT;
    int r = UNPACK(&err, TAR_FILE("f", "new"), TAR_FILE(".wh.f", ""),
                   TAR_FILE(".wh.g", ""), TAR_FILE("g", "new"), TAR_FILE(".wh.d", ""),
                   TAR_DIR("d"), TAR_FILE(".wh.e", ""), TAR_FILE("e/x", "y"),
                   TAR_DIR("h"), TAR_FILE(".wh.h", ""));
    if (r < 0)
        fail_msg("%s", err.text);
    assert_text("f", "new");
    assert_text("g", "new");
    assert_true(is_opaque("d"));
    assert_true(is_opaque("e"));
    assert_true(is_opaque("h"));
    assert_text("e/x", "y");
}

static void links_inside_the_layer_are_followed_for_parents(void **state)
{
    struct error err = ERROR_INIT;
    int r = UNPACK(&err, TAR_DIR("usr/lib"), TAR_LINK("lib", "usr/lib"),
                   TAR_FILE("lib/a", "1"), TAR_LINK("abs", "/usr/lib"),
                   TAR_FILE("abs/b", "2"), TAR_LINK("sbin", "usr/sbin"),
                   TAR_FILE("sbin/deep/c", "3"));
    if (r < 0)
        fail_msg("%s", err.text);
    assert_text("usr/lib/a", "1");
    assert_text("usr/lib/b", "2");
    assert_text("usr/sbin/deep/c", "3");
    assert_true(S_ISLNK(stat_of("lib").st_mode));
}

static void later_entries_replace_earlier_ones(void **state)
{
    struct error err = ERROR_INIT;
    int r = UNPACK(&err, TAR_FILE("f", "1"), TAR_FILE("f", "2"), TAR_FILE("d/x", "1"),
                   TAR_FILE("d", "file"), TAR_FILE("e", "file"), TAR_DIR("e"),
                   TAR_FILE("e/y", "1"), TAR_LINK("l", "f"), TAR_FILE("l", "not f"),
                   TAR_DIR("k"), TAR_FILE("k/z", "1"), TAR_DIR("k"));
    if (r < 0)
        fail_msg("%s", err.text);
    assert_text("f", "2");
    assert_text("d", "file");
    assert_text("e/y", "1");
    assert_text("l", "not f");
    assert_text("k/z", "1");
}

static void pax_names_and_xattrs_are_bytes(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR pax = STR_INIT;
    char name[300], path[600], value[8];
    memset(name, 'n', 255);
    memcpy(name + 255, "/e\xcc\x81\xff", 6); /* decomposed, and no UTF-8 */
    tar_record(&pax, "path", name, strlen(name));
    tar_record(&pax, "SCHILY.xattr.user.gantry", "v\0w", 3);
    tar_pax(&t, &pax);
    struct tar_entry e = TAR_FILE("short", "data");
    tar_add(&t, &e);
    tar_end(&t);
    if (unpack(&t, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_text(name, "data");
    snprintf(path, sizeof(path), "%s/%s", root, name);
    ssize_t n = lgetxattr(path, "user.gantry", value, sizeof(value));
    if (n < 0 && errno == EOPNOTSUPP)
        return; /* /tmp has no user xattrs here */
    assert_int_equal(n, 3);
    assert_memory_equal(value, "v\0w", 3);
}

static void overlay_xattrs_of_an_image_are_not_obeyed(void **state)
{
    needs_root();
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR pax = STR_INIT;
    char path[400], value[64];
    tar_record(&pax, "SCHILY.xattr.trusted.overlay.redirect", "/secret", 7);
    tar_pax(&t, &pax);
    struct tar_entry e = TAR_DIR("d");
    tar_add(&t, &e);
    tar_end(&t);
    if (unpack(&t, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    snprintf(path, sizeof(path), "%s/d", root);
    assert_true(lgetxattr(path, "trusted.overlay.redirect", value, sizeof(value)) < 0);
}

/* ---- hostile layers ---- */

static void names_that_lead_out_are_refused(void **state)
{
    static const char *const table[] = {
        "/abs", "../evil", "a/../../evil", "..",   "a/..",   "a/../b", "/",
        "//x",  ".wh..",   ".wh...",       ".wh.", "a/.wh.", "a/.wh.."};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct error err = ERROR_INIT;
        int r = UNPACK(&err, TAR_FILE(table[i], "evil"));
        if (r != -E_INVALID)
            fail_msg("'%s' gave %d", table[i], r);
        assert_non_null(strstr(err.text, table[i]));
    }
    assert_nothing_escaped();
}

static void planted_links_do_not_lead_out(void **state)
{
    struct error err = ERROR_INIT;
    char up[200];
    /* Clamped to the layer's root, as in a container. */
    int r = UNPACK(&err, TAR_LINK("up", "../../../../../../.."), TAR_FILE("up/evil", "x"),
                   TAR_LINK("abs", outside), TAR_FILE("abs/evil", "x"),
                   TAR_LINK("t", "/tmp"), TAR_FILE("t/gantry-layer-evil", "x"));
    if (r < 0)
        fail_msg("%s", err.text);
    assert_text("evil", "x");
    snprintf(up, sizeof(up), "%s/evil", outside + 1);
    assert_text(up, "x");
    assert_nothing_escaped();
}

static void last_component_is_never_followed(void **state)
{
    struct error err = ERROR_INIT;
    char target[100];
    snprintf(target, sizeof(target), "%s/victim", outside);
    AUTO_FD victim = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(victim >= 0);
    int r =
        UNPACK(&err, TAR_LINK("l", target), TAR_FILE("l", "evil"), TAR_LINK("d", outside),
               TAR_DIR("d"), {.name = "m", .type = '2', .link = target, .mode = 0777});
    if (r < 0)
        fail_msg("%s", err.text);
    struct stat st;
    assert_int_equal(fstat(victim, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(S_ISDIR(stat_of("d").st_mode));
}

static void hard_links_out_of_the_layer_are_refused(void **state)
{
    static const char *const targets[] = {"/etc/passwd", "../victim", "missing",
                                          "d",           "",          "a/../../victim"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct error err = ERROR_INIT;
        int r = UNPACK(&err, TAR_DIR("d"), TAR_HARD("h", targets[i]));
        /* Without a target it is not a link at all for libarchive. */
        if (r != -E_INVALID && r != -E_CORRUPT)
            fail_msg("hard link to '%s' gave %d", targets[i], r);
    }
    struct error err = ERROR_INIT;
    /* Through a link: stays inside, where there is no such file. */
    assert_int_equal(UNPACK(&err, TAR_LINK("l", "/etc"), TAR_HARD("h", "l/passwd")),
                     -E_INVALID);
    /* To a link: the link itself gets a second name. */
    assert_int_equal(UNPACK(&err, TAR_LINK("l", "/etc/passwd"), TAR_HARD("h", "l")), 0);
    assert_true(S_ISLNK(stat_of("h").st_mode));
    /* To itself: nothing to do, and nothing lost. */
    assert_int_equal(UNPACK(&err, TAR_FILE("s", "x"), TAR_HARD("s", "s")), 0);
    assert_text("s", "x");
}

static void a_file_can_not_be_a_parent(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(UNPACK(&err, TAR_FILE("f", "x"), TAR_FILE("f/y", "z")), -E_INVALID);
    assert_int_equal(
        UNPACK(&err, TAR_LINK("a", "b"), TAR_LINK("b", "a"), TAR_FILE("a/x", "")),
        -E_INVALID);
}

static void depth_and_length_are_bounded(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR deep = STR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR pax = STR_INIT;
    for (int i = 0; i <= LAYER_MAX_DEPTH; i++)
        str_add(&deep, "d/");
    tar_record(&pax, "path", deep.data, deep.len);
    tar_pax(&t, &pax);
    struct tar_entry e = TAR_DIR("x");
    tar_add(&t, &e);
    tar_end(&t);
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_LIMIT);
    str_clear(&t);
    str_clear(&deep);
    for (int i = 0; i < 256; i++)
        str_addc(&deep, 'c');
    tar_record(&pax, "path", deep.data, deep.len);
    tar_pax(&t, &pax);
    tar_add(&t, &e);
    tar_end(&t);
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_LIMIT);
}

/* Each use of the link leads as deep again. */
static void depth_through_links_is_bounded(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR deep = STR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR pax = STR_INIT;
    for (int i = 0; i < LAYER_MAX_DEPTH - 10; i++)
        str_add(&deep, "d/");
    str_add(&deep, "d");
    struct tar_entry dir = TAR_DIR("x"), link = TAR_LINK("s", "x");
    tar_record(&pax, "path", deep.data, deep.len);
    tar_pax(&t, &pax);
    tar_add(&t, &dir);
    tar_record(&pax, "linkpath", deep.data, deep.len);
    tar_pax(&t, &pax);
    tar_add(&t, &link);
    str_clear(&deep);
    str_add(&deep, "s");
    for (int i = 0; i < 30; i++)
        str_add(&deep, "/e");
    struct tar_entry e = TAR_DIR(deep.data);
    tar_add(&t, &e);
    struct tar_entry last = TAR_FILE("s/e/e/e/e/e/e/e/e/e/e/e/e/e/e/e/e/e/e/e/e/x", "");
    tar_add(&t, &last);
    tar_end(&t);
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_LIMIT);
}

static void sizes_and_counts_are_bounded(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    struct tar_entry e = TAR_FILE("f", "12345678901234567890");
    tar_add(&t, &e);
    e.name = "g";
    tar_add(&t, &e);
    tar_end(&t);
    struct layer_options o = {.max_bytes = 39};
    assert_int_equal(unpack(&t, &o, NULL, &err), -E_LIMIT);
    o.max_bytes = 40;
    assert_int_equal(unpack(&t, &o, NULL, &err), 0);
    o.max_entries = 1;
    assert_int_equal(unpack(&t, &o, NULL, &err), -E_LIMIT);
}

static void gzip_to(struct str *out, const void *data, size_t len)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    str_reserve(out, deflateBound(&z, len) + 64);
    z.next_in = (void *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = (void *)(out->data + out->len);
    z.avail_out = (uInt)(out->cap - out->len - 1);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void a_bomb_ends_at_the_bound(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR zeros = STR_INIT;
    AUTO_STR bomb = STR_INIT;
    size_t member = 16u << 20;
    zeros.data = calloc(1, member + 1);
    zeros.cap = member + 1;
    for (int i = 0; i < 16; i++)
        gzip_to(&bomb, zeros.data, member); /* 256 MiB behind an empty tar */
    struct layer_options o = {.max_bytes = 1 << 20};
    assert_true(bomb.len < (1 << 20));
    assert_int_equal(unpack(&bomb, &o, NULL, &err), -E_LIMIT);
}

static void a_sparse_giant_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR pax = STR_INIT;
    tar_record(&pax, "GNU.sparse.realsize", "1152921504606846976", 19);
    tar_record(&pax, "GNU.sparse.major", "1", 1);
    tar_record(&pax, "GNU.sparse.minor", "0", 1);
    tar_record(&pax, "GNU.sparse.name", "giant", 5);
    tar_pax(&t, &pax);
    char map[512] = "0\n"; /* no data at all */
    struct tar_entry e = {.name = "x", .type = '0', .data = map, .len = sizeof(map)};
    tar_add(&t, &e);
    tar_end(&t);
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_LIMIT);
    struct stat st = stat_of("giant");
    assert_true(st.st_size < (1 << 30));
}

/* ---- streams ---- */

static void make_tar(struct str *t)
{
    static char big[300000];
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 2654435761u >> 13);
    struct tar_entry e = {
        .name = "big", .type = '0', .data = big, .len = sizeof(big), .mode = 0644};
    tar_add(t, &e);
    tar_end(t);
}

static void every_compression_has_the_same_diff_id(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR z = STR_INIT;
    struct layer_result r;
    struct blob_digest want, other;
    make_tar(&t);
    blob_digest_of(BLOB_SHA256, t.data, t.len, &want);
    struct layer_options o = {.diff_id = &want};
    assert_int_equal(unpack(&t, &o, &r, &err), 0);
    assert_int_equal(r.tar_bytes, t.len);
    gzip_to(&z, t.data, 1000); /* two members */
    gzip_to(&z, t.data + 1000, t.len - 1000);
    assert_int_equal(unpack(&z, &o, NULL, &err), 0);
    str_clear(&z);
    str_reserve(&z, ZSTD_compressBound(t.len) + 100);
    z.len = ZSTD_compress(z.data, z.cap, t.data, 70000, 3); /* two frames */
    z.len +=
        ZSTD_compress(z.data + z.len, z.cap - z.len, t.data + 70000, t.len - 70000, 3);
    assert_int_equal(unpack(&z, &o, NULL, &err), 0);
    other = want;
    other.bytes[5] ^= 1;
    o.diff_id = &other;
    assert_int_equal(unpack(&t, &o, NULL, &err), -E_CORRUPT);
    assert_non_null(strstr(err.text, "diff_id"));
}

static void broken_streams_are_noticed(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    AUTO_STR z = STR_INIT;
    make_tar(&t);
    gzip_to(&z, t.data, t.len);
    size_t whole = z.len;
    for (size_t cut = 1; cut < whole; cut = cut * 3 + 7) {
        z.len = whole - cut;
        assert_int_equal(unpack(&z, NULL, NULL, &err), -E_CORRUPT);
    }
    z.len = whole;
    str_add(&z, "garbage");
    assert_int_equal(unpack(&z, NULL, NULL, &err), -E_CORRUPT);
    z.len = whole;
    z.data[whole - 5] ^= 1; /* the checksum */
    assert_int_equal(unpack(&z, NULL, NULL, &err), -E_CORRUPT);
    t.len = 200000; /* in the middle of the file */
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_CORRUPT);
    str_clear(&t);
    str_add(&t, "this is no tar at all, but a text of some length");
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_CORRUPT);
    str_clear(&t);
    str_add(&t, "BZh91AY&SY");
    assert_int_equal(unpack(&t, NULL, NULL, &err), -E_UNSUPPORTED);
}

static void an_empty_layer_is_empty(void **state)
{
    struct error err = ERROR_INIT;
    AUTO_STR t = STR_INIT;
    struct layer_result r;
    tar_end(&t);
    assert_int_equal(unpack(&t, NULL, &r, &err), 0);
    assert_int_equal(r.entries, 0);
    str_clear(&t);
    str_add(&t, "");
    assert_int_equal(unpack(&t, NULL, &r, &err), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kinds_and_attributes_are_kept),
        TEST(whiteouts_become_overlay_ones),
        TEST(whiteout_and_replacement_in_one_layer),
        TEST(links_inside_the_layer_are_followed_for_parents),
        TEST(later_entries_replace_earlier_ones),
        TEST(pax_names_and_xattrs_are_bytes),
        TEST(overlay_xattrs_of_an_image_are_not_obeyed),
        TEST(names_that_lead_out_are_refused),
        TEST(planted_links_do_not_lead_out),
        TEST(last_component_is_never_followed),
        TEST(hard_links_out_of_the_layer_are_refused),
        TEST(a_file_can_not_be_a_parent),
        TEST(depth_and_length_are_bounded),
        TEST(depth_through_links_is_bounded),
        TEST(sizes_and_counts_are_bounded),
        TEST(a_bomb_ends_at_the_bound),
        TEST(a_sparse_giant_is_refused),
        TEST(every_compression_has_the_same_diff_id),
        TEST(broken_streams_are_noticed),
        TEST(an_empty_layer_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
