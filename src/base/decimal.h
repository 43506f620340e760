/* decimal.h: decimal numbers as people write them, exact: -12.50, 1e3, .5
 *
 * Owns: nothing. Threads: any.
 * Fails: decimal_parse() with -E_INVALID for what is no number and -E_LIMIT for one with
 * more significant digits than are kept; it fills no error, as each caller has its words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_DIGITS_MAX 64

/* d.ddd… × 10^exponent; the first and the last digit are not 0. */
struct decimal {
    bool negative;
    int64_t exponent;
    size_t n;                        /* digits; 0: zero, which is not negative */
    char digits[DECIMAL_DIGITS_MAX]; /* '0' … '9' */
};

int decimal_parse(const char *text, struct decimal *ret);

/* < 0, 0, > 0 as a is less than, equal to, greater than b. */
int decimal_order(const struct decimal *a, const struct decimal *b);

/* The same of two texts; false when one of them can't be parsed. */
bool decimal_compare(const char *a, const char *b, int *ret);
