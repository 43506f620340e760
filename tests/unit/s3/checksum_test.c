/* Checksums against the check values that are published for "123456789", in all ways of cutting
 * the input, and joined from parts. */
#include "unit.h"

#include <stdlib.h>

#include "checksum.h"
#include "str.h"

#define CHECK "123456789"

static const char *sum_of(enum s3_checksum_algorithm algorithm, const char *text,
                          size_t len, size_t piece, char ret[2 * CHECKSUM_MAX + 1])
{
    uint8_t raw[CHECKSUM_MAX];
    struct checksum *c = checksum_new(algorithm);
    for (size_t at = 0; at < len; at += piece)
        checksum_update(c, text + at, len - at < piece ? len - at : piece);
    hex_encode(raw, checksum_end(c, raw), ret);
    checksum_free(c);
    return ret;
}

static void check_values_are_the_published_ones(void **state)
{
    char hex[2 * CHECKSUM_MAX + 1];
    assert_string_equal(sum_of(S3_CHECKSUM_ALGORITHM_CRC32, CHECK, 9, 9, hex),
                        "cbf43926");
    assert_string_equal(sum_of(S3_CHECKSUM_ALGORITHM_CRC32C, CHECK, 9, 9, hex),
                        "e3069283");
    assert_string_equal(sum_of(S3_CHECKSUM_ALGORITHM_CRC64NVME, CHECK, 9, 9, hex),
                        "ae8b14860a799888");
    assert_string_equal(sum_of(S3_CHECKSUM_ALGORITHM_SHA1, CHECK, 9, 9, hex),
                        "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
}

static const enum s3_checksum_algorithm crcs[] = {S3_CHECKSUM_ALGORITHM_CRC32,
                                                  S3_CHECKSUM_ALGORITHM_CRC32C,
                                                  S3_CHECKSUM_ALGORITHM_CRC64NVME};

static void how_the_input_is_cut_does_not_matter(void **state)
{
    char text[999], whole[2 * CHECKSUM_MAX + 1], cut[2 * CHECKSUM_MAX + 1];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31 + i / 7);
    for (size_t k = 0; k < 3; k++) {
        sum_of(crcs[k], text, sizeof(text), sizeof(text), whole);
        for (size_t piece = 1; piece < 40; piece++)
            assert_string_equal(sum_of(crcs[k], text, sizeof(text), piece, cut), whole);
    }
}

static uint64_t number(const char *hex)
{
    return strtoull(hex, NULL, 16);
}

static void parts_join_to_the_whole(void **state)
{
    char text[500], a[2 * CHECKSUM_MAX + 1], b[2 * CHECKSUM_MAX + 1],
        whole[2 * CHECKSUM_MAX + 1];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 17 + 3);
    for (size_t k = 0; k < 3; k++) {
        uint64_t want = number(sum_of(crcs[k], text, sizeof(text), 100, whole));
        for (size_t at = 1; at < sizeof(text); at += 13) {
            uint64_t first = number(sum_of(crcs[k], text, at, at, a));
            uint64_t second =
                number(sum_of(crcs[k], text + at, sizeof(text) - at, sizeof(text), b));
            assert_true(checksum_crc_combine(crcs[k], first, second, sizeof(text) - at) ==
                        want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values_are_the_published_ones),
        cmocka_unit_test(how_the_input_is_cut_does_not_matter),
        cmocka_unit_test(parts_join_to_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
