#include "decimal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

#define DIGITS_MAX 64

/* 0.d1d2d3… × 10^exponent */
struct decimal {
    bool negative;
    int64_t exponent;
    size_t n; /* 0: zero */
    char digits[DIGITS_MAX];
};

static bool exponent_read(const char *p, int64_t *ret)
{
    *ret = 0;
    if (!*p)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    return str_to_i64(*p == '+' ? p + 1 : p, -100000, 100000, ret);
}

static bool decimal_read(const char *p, struct decimal *ret)
{
    bool point = false, any = false;
    int64_t exponent;
    *ret = (struct decimal){.negative = *p == '-'};
    p += *p == '-' || *p == '+';
    for (; isdigit((unsigned char)*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = true;
        if (ret->n == 0 && *p == '0') {
            ret->exponent -= point;
            continue;
        }
        if (ret->n == DIGITS_MAX)
            return false;
        ret->digits[ret->n++] = *p;
        ret->exponent += !point;
    }
    if (!any || !exponent_read(p, &exponent))
        return false;
    ret->exponent += exponent;
    while (ret->n && ret->digits[ret->n - 1] == '0')
        ret->n--;
    return true;
}

static int sign(const struct decimal *d)
{
    return d->n == 0 ? 0 : d->negative ? -1 : 1;
}

static int magnitude(const struct decimal *a, const struct decimal *b)
{
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    size_t n = a->n < b->n ? a->n : b->n;
    int order = memcmp(a->digits, b->digits, n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

bool decimal_compare(const char *a, const char *b, int *ret)
{
    struct decimal x, y;
    if (!decimal_read(a, &x) || !decimal_read(b, &y))
        return false;
    int s = sign(&x);
    if (s != sign(&y))
        *ret = s - sign(&y);
    else
        *ret = s == 0 ? 0 : s * magnitude(&x, &y);
    return true;
}
