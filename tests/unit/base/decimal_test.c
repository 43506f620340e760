/* Decimals: what is read, in which order they are. */
#include "unit.h"

#include <string.h>

#include "decimal.h"
#include "error.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEN      "1234567891"
#define SIXTY    TEN TEN TEN TEN TEN TEN

static void numbers_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text, *digits;
        int64_t exponent;
        bool negative;
    } rows[] = {
        {"0", "", 0, false},
        {"-0.00e7", "", 0, false},
        {"1", "1", 0, false},
        {"-1", "1", 0, true},
        {"+10", "1", 1, false},
        {"12.50", "125", 1, false},
        {"0.0125", "125", -2, false},
        {".5", "5", -1, false},
        {"5.", "5", 0, false},
        {"1e3", "1", 3, false},
        {"100e-2", "1", 0, false},
        {"1E+3", "1", 3, false},
        {"1001", "1001", 3, false},
        {"007.070", "707", 0, false},
        {SIXTY "1234", SIXTY "1234", 63, false},
        {"1" SIXTY "e-100", "1" SIXTY, -40, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decimal d;
        assert_int_equal(decimal_parse(rows[i].text, &d), 0);
        assert_int_equal(d.n, strlen(rows[i].digits));
        assert_memory_equal(d.digits, rows[i].digits, d.n);
        assert_int_equal(d.exponent, rows[i].exponent);
        assert_int_equal(d.negative, rows[i].negative);
    }
}

static void zeros_at_an_end_are_no_digits(void **state)
{
    char text[2000];
    struct decimal d;
    memset(text, '0', sizeof(text));
    text[0] = '3';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(decimal_parse(text, &d), 0);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.exponent, sizeof(text) - 2);
    text[sizeof(text) - 2] = '3';
    assert_int_equal(decimal_parse(text, &d), -E_LIMIT);
    text[0] = '0';
    assert_int_equal(decimal_parse(text, &d), 0);
    assert_int_equal(d.exponent, 0);
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const rows[] = {
        "",     "a", " 1", "1 ",  "1e",    "e1",  "--1", "+-1",          "1.2.",
        "1e1e", ".", "-",  "0x1", "1e+-1", "NaN", "1,0", "1e99999999999"};
    struct decimal d;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(decimal_parse(rows[i], &d), -E_INVALID);
    assert_int_equal(decimal_parse(SIXTY "12345", &d), -E_LIMIT);
}

static void numbers_have_an_order(void **state)
{
    static const char *const ascending[] = {"-1e9", "-10",  "-9.99", "-1",  "-1e-5",
                                            "0",    "1e-5", "0.09",  "0.1", "1",
                                            "1.01", "1.1",  "9",     "10",  "1e9"};
    for (size_t i = 0; i < COUNT(ascending); i++)
        for (size_t k = 0; k < COUNT(ascending); k++) {
            int order = 7;
            assert_true(decimal_compare(ascending[i], ascending[k], &order));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    int order = 7;
    assert_true(decimal_compare("1.0", "100e-2", &order));
    assert_int_equal(order, 0);
    assert_false(decimal_compare("1", "x", &order));
    assert_false(decimal_compare("x", "1", &order));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_as_they_are_written),
        cmocka_unit_test(zeros_at_an_end_are_no_digits),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(numbers_have_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
