/* Numbers: what is taken, how it is written, sums against a slow reference, key bytes. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>

#include "number.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t splitmix(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct decimal number(const char *text)
{
    struct decimal n;
    struct error err = ERROR_INIT;
    if (number_parse(text, &n, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return n;
}

#define NINES "99999999999999999999999999999999999999" /* 38 of them */
#define ZEROS "0000000000000000000000000000000000000000"

static void numbers_have_one_text(void **state)
{
    static const char *const rows[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"0.000", "0"},
        {"0e500", "0"},
        {"+7", "7"},
        {"007", "7"},
        {"1.0", "1"},
        {"10", "10"},
        {"1e1", "10"},
        {"100E-1", "10"},
        {".5", "0.5"},
        {"5.", "5"},
        {"-0.50", "-0.5"},
        {"12.340", "12.34"},
        {"1.23e-3", "0.00123"},
        {"1.23e+3", "1230"},
        {"12345678901234567890.123456789012345678",
         "12345678901234567890.123456789012345678"},
        {NINES, NINES},
        {NINES ZEROS, NINES ZEROS},
        {"0." ZEROS "1", "0." ZEROS "1"},
        {"1" ZEROS ZEROS, "1" ZEROS ZEROS},
        {ZEROS ZEROS "1", "1"},
        {"1." ZEROS ZEROS, "1"},
    };
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decimal n = number(rows[i][0]);
        assert_string_equal(number_text(&a, &n), rows[i][1]);
    }
}

static void others_are_refused_in_the_service_s_words(void **state)
{
    static const char
        over[] = "Number overflow. Attempting to store a number with magnitude"
                 " larger than supported range",
        under[] = "Number underflow. Attempting to store a number with "
                  "magnitude smaller than supported range",
        precise[] = "Attempting to store more than 38 significant digits in a Number",
        no[] = "The parameter cannot be converted to a numeric value";
    static const char *const rows[][2] = {
        {"1e126", over},
        {"-1e126", over},
        {"9.99e200000", over},
        {"1e-131", under},
        {"-1e-131", under},
        {"1" NINES, precise},
        {"0.1" NINES, precise},
        {NINES NINES NINES, precise},
        {"", no},
        {"a", no},
        {" 1", no},
        {"1 ", no},
        {"1e", no},
        {"--1", no},
        {"+-1", no},
        {"1e+-1", no},
        {"1.2.3", no},
        {".", no},
        {"-", no},
        {"0x10", no},
        {"NaN", no},
        {"Infinity", no},
        {"1,000", no},
        {"1e1.5", no},
        {"1_000", no},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decimal n;
        struct error err = ERROR_INIT;
        AUTO_STR want = STR_INIT;
        str_add(&want, rows[i][1]);
        if (rows[i][1] == no && *rows[i][0])
            str_addf(&want, ": %s", rows[i][0]);
        assert_int_equal(number_parse(rows[i][0], &n, &err), -E_INVALID);
        assert_string_equal(err.text, want.data);
    }
}

static void the_ends_of_the_range_are_taken(void **state)
{
    static const char *const rows[] = {"1e-130",
                                       "-1e-130",
                                       "9.99e125",
                                       "-9.99e125",
                                       "9.9999999999999999999999999999999999999E+125",
                                       "1.2345678901234567890123456789012345678e-130"};
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decimal n = number(rows[i]);
        struct decimal again = number(number_text(&a, &n));
        assert_int_equal(decimal_order(&n, &again), 0);
    }
}

static void sums_are_exact_or_refused(void **state)
{
    static const struct {
        const char *a, *b, *sum; /* NULL: more digits than there may be */
    } rows[] = {
        {"1", "2", "3"},
        {"0.1", "0.2", "0.3"},
        {"-1", "1", "0"},
        {"5", "-7", "-2"},
        {"999", "1", "1000"},
        {"1000", "-1", "999"},
        {"-0.001", "-0.009", "-0.01"},
        {"0", "0", "0"},
        {NINES, "1", "100000000000000000000000000000000000000"},
        {NINES, "0.1", NULL},
        {"1e37", "1", "10000000000000000000000000000000000001"},
        {"1e38", "1", NULL},
        {"1e125", "1", NULL},
        {"9e125", "1e125", NULL},
        {"-9e125", "-1e125", NULL},
        {"1e-130", "-1e-130", "0"},
        {"1.1e-130", "-1e-130", NULL},
    };
    AUTO_ARENA a = ARENA_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decimal x = number(rows[i].a), y = number(rows[i].b), sum, minus = y;
        struct error err = ERROR_INIT;
        int want = rows[i].sum ? 0 : -E_INVALID;
        minus.negative = y.n > 0 && !y.negative;
        assert_int_equal(number_add(&x, &y, &sum, &err), want);
        assert_int_equal(number_subtract(&x, &minus, &sum, &err), want);
        if (want == 0)
            assert_string_equal(number_text(&a, &sum), rows[i].sum);
    }
}

/* ---- the slow reference: whole numbers of 1e-170 ---- */

#define SCALE 170

static BIGNUM *scaled(const struct decimal *n)
{
    AUTO_STR text = STR_INIT;
    BIGNUM *ret = NULL;
    str_add(&text, n->negative ? "-0" : "0");
    str_addn(&text, n->digits, n->n);
    for (int64_t i = n->n ? SCALE + n->exponent + 1 - (int64_t)n->n : 0; i > 0; i--)
        str_addc(&text, '0');
    assert_int_not_equal(BN_dec2bn(&ret, text.data), 0);
    return ret;
}

/* May there be a number of that many 1e-170? */
static bool is_a_number(const BIGNUM *b)
{
    char *text = BN_bn2dec(b), *digits = text + (*text == '-');
    size_t all = strlen(digits), n = all;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    int64_t exponent = (int64_t)all - 1 - SCALE;
    bool ret =
        BN_is_zero(b) || (n <= NUMBER_DIGITS_MAX && exponent <= NUMBER_EXPONENT_MAX &&
                          exponent >= NUMBER_EXPONENT_MIN);
    OPENSSL_free(text);
    return ret;
}

/* Mostly numbers that meet: near each other's size, with runs of 9 and 0. */
static struct decimal any_number(uint64_t *seed)
{
    char text[80];
    size_t n = 0, digits = 1 + splitmix(seed) % NUMBER_DIGITS_MAX;
    uint64_t dice = splitmix(seed);
    text[n++] = dice & 1 ? '-' : '+';
    for (size_t i = 0; i < digits; i++)
        text[n++] = (char)('0' + (dice & 6   ? splitmix(seed) % 10
                                  : dice & 8 ? 9
                                             : i == 0));
    int exponent = dice & 16 ? (int)(splitmix(seed) % 40) - 30
                             : (int)(splitmix(seed) % 256) - 130 - (int)digits + 1;
    snprintf(text + n, sizeof(text) - n, "e%d", exponent);
    struct decimal ret;
    return number_parse(text, &ret, NULL) == 0 ? ret : any_number(seed);
}

static void check_sum(const struct decimal *x, const struct decimal *y, bool minus)
{
    BIGNUM *a = scaled(x), *b = scaled(y), *want = BN_new();
    struct decimal got;
    struct error err = ERROR_INIT;
    if (minus)
        BN_sub(want, a, b);
    else
        BN_add(want, a, b);
    int r = minus ? number_subtract(x, y, &got, &err) : number_add(x, y, &got, &err);
    assert_int_equal(r == 0, is_a_number(want));
    if (r == 0) {
        BIGNUM *have = scaled(&got);
        assert_int_equal(BN_cmp(have, want), 0);
        assert_false(got.negative && got.n == 0);
        BN_free(have);
    }
    BN_free(a);
    BN_free(b);
    BN_free(want);
}

static void sums_agree_with_whole_numbers(void **state)
{
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        struct decimal x = any_number(&seed), y = any_number(&seed);
        check_sum(&x, &y, false);
        check_sum(&x, &y, true);
    }
}

static void texts_lead_back_to_their_number(void **state)
{
    uint64_t seed = 11;
    AUTO_ARENA a = ARENA_INIT;
    for (int i = 0; i < 20000; i++) {
        struct decimal x = any_number(&seed);
        const char *text = number_text(&a, &x);
        struct decimal y = number(text);
        assert_int_equal(decimal_order(&x, &y), 0);
        assert_string_equal(number_text(&a, &y), text);
        assert_null(strpbrk(text, "eE+"));
    }
}

static int sign_of(int n)
{
    return (n > 0) - (n < 0);
}

static int key_order(const struct decimal *x, const struct decimal *y)
{
    AUTO_STR a = STR_INIT;
    AUTO_STR b = STR_INIT;
    number_key(x, &a);
    number_key(y, &b);
    assert_true(a.len <= 24);
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    if (order == 0) /* and no key begins another */
        assert_int_equal(a.len, b.len);
    return sign_of(order);
}

static void keys_are_in_the_order_of_numbers(void **state)
{
    uint64_t seed = 13;
    for (int i = 0; i < 50000; i++) {
        struct decimal x = any_number(&seed), y = any_number(&seed);
        if (i % 3 == 0 && x.n > 0) { /* the same but for the last digits */
            y = x;
            y.n = 1 + splitmix(&seed) % x.n;
            while (y.n > 1 && y.digits[y.n - 1] == '0')
                y.n--;
        }
        BIGNUM *a = scaled(&x), *b = scaled(&y);
        int want = BN_cmp(a, b);
        BN_free(a);
        BN_free(b);
        assert_int_equal(sign_of(decimal_order(&x, &y)), want);
        assert_int_equal(key_order(&x, &y), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_one_text),
        cmocka_unit_test(others_are_refused_in_the_service_s_words),
        cmocka_unit_test(the_ends_of_the_range_are_taken),
        cmocka_unit_test(sums_are_exact_or_refused),
        cmocka_unit_test(sums_agree_with_whole_numbers),
        cmocka_unit_test(texts_lead_back_to_their_number),
        cmocka_unit_test(keys_are_in_the_order_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
