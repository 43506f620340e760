/* Sealed texts: what opens them, what does not, and the file of keys. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "fd.h"
#include "seal.h"

#define BOUND "/secretsmanager/secret/000000000000/us-east-1/a"
#define VALUE "correct horse battery staple"

static const uint8_t two_keys[] = "the first key of thirty-two byte"
                                  "and a second key of equal length";
_Static_assert(sizeof(two_keys) == 2 * SEAL_KEY_SIZE + 1, "two keys");

static char *sealed_value(const struct seal_keys *keys)
{
    AUTO_ARENA a = ARENA_INIT;
    return xstrdup(seal(keys, &a, VALUE, strlen(VALUE), BOUND));
}

static int open_code(const struct seal_keys *keys, const char *text, const char *bound_to)
{
    AUTO_SECRET plain = STR_INIT;
    struct error err = ERROR_INIT;
    int r = seal_open(keys, text, bound_to, &plain, &err);
    if (r == 0)
        assert_string_equal(plain.data, VALUE);
    else
        assert_string_equal(str_text(&plain), ""); /* nothing of it comes out */
    return r;
}

static void a_value_comes_back(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1);
    char *text = sealed_value(keys), *again = sealed_value(keys);
    assert_true(seal_is(text));
    assert_true(str_starts(text, "sealed:1:"));
    assert_null(strstr(text, "horse"));
    assert_string_not_equal(text, again); /* each has a nonce of its own */
    assert_int_equal(open_code(keys, text, BOUND), 0);
    free(text);
    free(again);
    seal_keys_free(keys);
}

static void every_size_comes_back(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1);
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i; /* NUL and all the others */
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        AUTO_ARENA a = ARENA_INIT;
        AUTO_SECRET plain = STR_INIT;
        struct error err;
        const char *text = seal(keys, &a, bytes, size, BOUND);
        assert_int_equal(seal_open(keys, text, BOUND, &plain, &err), 0);
        assert_int_equal(plain.len, size);
        if (size)
            assert_memory_equal(plain.data, bytes, size);
    }
    seal_keys_free(keys);
}

static void a_swapped_value_stays_shut(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1);
    char *text = sealed_value(keys);
    assert_int_equal(open_code(keys, text, BOUND "b"), -E_CORRUPT);
    assert_int_equal(open_code(keys, text, ""), -E_CORRUPT);
    free(text);
    seal_keys_free(keys);
}

static void a_cut_value_stays_shut(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1);
    char *text = sealed_value(keys);
    for (size_t n = strlen(text); n-- > 0;) {
        text[n] = '\0';
        assert_int_equal(open_code(keys, text, BOUND), -E_CORRUPT);
    }
    free(text);
    seal_keys_free(keys);
}

static void a_flipped_bit_is_found(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1);
    char *text = sealed_value(keys);
    size_t header = strlen("sealed:1:01234567:");
    AUTO_ARENA a = ARENA_INIT;
    uint8_t *body;
    size_t size;
    assert_true(base64_decode(&a, text + header, strlen(text + header), &body, &size));
    for (size_t bit = 0; bit < size * 8; bit++) { /* of nonce, ciphertext and tag */
        AUTO_STR flipped = STR_INIT;
        body[bit / 8] ^= (uint8_t)(1 << bit % 8);
        str_addn(&flipped, text, header);
        base64_add(&flipped, body, size);
        body[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_code(keys, flipped.data, BOUND), -E_CORRUPT);
    }
    for (size_t i = 0; i < header; i++) {
        text[i] ^= 1;
        assert_int_equal(open_code(keys, text, BOUND), -E_CORRUPT);
        text[i] ^= 1;
    }
    assert_int_equal(open_code(keys, text, BOUND), 0);
    free(text);
    seal_keys_free(keys);
}

static void a_wrong_key_says_what_to_do(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1),
                     *others = seal_keys_new(two_keys + SEAL_KEY_SIZE, 1);
    char *text = sealed_value(keys);
    AUTO_SECRET plain = STR_INIT;
    struct error err;
    assert_int_equal(seal_open(others, text, BOUND, &plain, &err), -E_CORRUPT);
    assert_non_null(strstr(err.text, "put that file back from a backup"));
    /* The id alone does not make it the right one. */
    char *forged = sealed_value(others);
    memcpy(text, forged, strlen("sealed:1:01234567"));
    assert_int_equal(open_code(others, text, BOUND), -E_CORRUPT);
    free(text);
    free(forged);
    seal_keys_free(keys);
    seal_keys_free(others);
}

static void a_plain_text_is_no_sealed_one(void **state)
{
    struct seal_keys *keys = seal_keys_new(two_keys, 1);
    static const char *const bad[] = {"", "-----BEGIN PRIVATE KEY-----",
                                      "sealed:1:", "sealed:1:zzzzzzzz:AAAA",
                                      "sealed:2:01234567:AAAA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(open_code(keys, bad[i], BOUND), -E_CORRUPT);
    assert_int_equal(open_code(keys, NULL, BOUND), -E_CORRUPT);
    seal_keys_free(keys);
}

static void the_newest_key_seals_and_old_ones_open(void **state)
{
    struct seal_keys *one = seal_keys_new(two_keys, 1), *two = seal_keys_new(two_keys, 2);
    char *old = sealed_value(one);
    const char *text = old;
    AUTO_ARENA a = ARENA_INIT;
    struct error err;
    assert_int_equal(open_code(two, old, BOUND), 0);
    assert_true(seal_is_newest(one, old));
    assert_false(seal_is_newest(two, old));
    assert_int_equal(seal_renew(one, &a, BOUND, &text, &err), 0);
    assert_ptr_equal(text, old);
    assert_int_equal(seal_renew(two, &a, BOUND, &text, &err), 1);
    assert_true(seal_is_newest(two, text));
    assert_int_equal(open_code(two, text, BOUND), 0);
    assert_int_equal(open_code(one, text, BOUND), -E_CORRUPT);
    text = old;
    assert_int_equal(seal_renew(two, &a, "elsewhere", &text, &err), -E_CORRUPT);
    text = VALUE; /* from before there were seals */
    assert_int_equal(seal_renew(two, &a, BOUND, &text, &err), 1);
    assert_int_equal(open_code(two, text, BOUND), 0);
    free(old);
    seal_keys_free(one);
    seal_keys_free(two);
}

/* ---- the file ---- */

struct place {
    char dir[64], file[80];
};

static void place_open(struct place *p)
{
    snprintf(p->dir, sizeof(p->dir), "/tmp/seal-test.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof(p->file), "%s/seal.key", p->dir);
}

static void place_close(struct place *p)
{
    struct error err;
    assert_int_equal(dir_remove_all(p->dir, &err), 0);
}

static void the_first_start_makes_the_file(void **state)
{
    struct place p;
    struct seal_keys *made, *read;
    struct error err;
    struct stat st;
    place_open(&p);
    assert_int_equal(seal_key_load(p.dir, &made, &err), 0);
    assert_int_equal(stat(p.file, &st), 0);
    assert_int_equal(st.st_size, SEAL_KEY_SIZE);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(seal_key_load(p.dir, &read, &err), 0);
    char *text = sealed_value(made);
    assert_int_equal(open_code(read, text, BOUND), 0);
    free(text);
    seal_keys_free(made);
    seal_keys_free(read);
    place_close(&p);
}

static void a_key_is_added_at_the_end(void **state)
{
    struct place p;
    struct seal_keys *before, *after;
    struct error err;
    place_open(&p);
    assert_int_equal(seal_key_load(p.dir, &before, &err), 0);
    int fd = open(p.file, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(fd_write_all(fd, two_keys, SEAL_KEY_SIZE, &err), 0);
    fd_close(&fd);
    assert_int_equal(seal_key_load(p.dir, &after, &err), 0);
    char *old = sealed_value(before), *new = sealed_value(after);
    assert_int_equal(open_code(after, old, BOUND), 0);
    assert_int_equal(open_code(before, new, BOUND), -E_CORRUPT);
    free(old);
    free(new);
    seal_keys_free(before);
    seal_keys_free(after);
    place_close(&p);
}

static void a_bad_file_is_refused(void **state)
{
    struct place p;
    struct seal_keys *keys = NULL;
    struct error err;
    place_open(&p);
    assert_int_equal(file_replace(p.file, two_keys, SEAL_KEY_SIZE, 0640, 0, &err), 0);
    assert_int_equal(seal_key_load(p.dir, &keys, &err), -E_DENIED);
    assert_int_equal(file_replace(p.file, two_keys, SEAL_KEY_SIZE - 1, 0600, 0, &err), 0);
    assert_int_equal(seal_key_load(p.dir, &keys, &err), -E_CORRUPT);
    assert_int_equal(file_replace(p.file, "", 0, 0600, 0, &err), 0);
    assert_int_equal(seal_key_load(p.dir, &keys, &err), -E_CORRUPT);
    assert_null(keys);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_comes_back),
        cmocka_unit_test(every_size_comes_back),
        cmocka_unit_test(a_swapped_value_stays_shut),
        cmocka_unit_test(a_cut_value_stays_shut),
        cmocka_unit_test(a_flipped_bit_is_found),
        cmocka_unit_test(a_wrong_key_says_what_to_do),
        cmocka_unit_test(a_plain_text_is_no_sealed_one),
        cmocka_unit_test(the_newest_key_seals_and_old_ones_open),
        cmocka_unit_test(the_first_start_makes_the_file),
        cmocka_unit_test(a_key_is_added_at_the_end),
        cmocka_unit_test(a_bad_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
