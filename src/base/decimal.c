#include "decimal.h"

#include <ctype.h>
#include <string.h>

#include "error.h"
#include "str.h"

/* Far beyond what anybody stores, and far from an overflow of the sum below. */
#define EXPONENT_MAX INT32_MAX

static bool exponent_read(const char *p, int64_t *ret)
{
    *ret = 0;
    if (!*p)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    if (*p == '+' && p[1] == '-')
        return false;
    return str_to_i64(*p == '+' ? p + 1 : p, -EXPONENT_MAX, EXPONENT_MAX, ret);
}

/* Zeros are kept back until a digit comes behind them, so that any number of them at the
 * end costs nothing. False: too many digits. */
static bool digit_add(struct decimal *d, size_t *zeros, char digit)
{
    if (digit == '0') {
        ++*zeros;
        return true;
    }
    if (d->n == 0)
        *zeros = 0;
    if (*zeros >= DECIMAL_DIGITS_MAX || d->n + *zeros >= DECIMAL_DIGITS_MAX)
        return false;
    memset(d->digits + d->n, '0', *zeros);
    d->n += *zeros;
    d->digits[d->n++] = digit;
    *zeros = 0;
    return true;
}

int decimal_parse(const char *text, struct decimal *ret)
{
    bool point = false, any = false, fits = true;
    int64_t exponent = 0;
    size_t zeros = 0;
    const char *p = text + (*text == '-' || *text == '+');
    *ret = (struct decimal){.exponent = -1};
    for (; isdigit((unsigned char)*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = true;
        fits = fits && digit_add(ret, &zeros, *p);
        if (ret->n > 0)
            ret->exponent += !point;
        else
            ret->exponent -= point;
    }
    if (!any || !exponent_read(p, &exponent))
        return -E_INVALID;
    if (!fits)
        return -E_LIMIT;
    ret->exponent = ret->n ? ret->exponent + exponent : 0;
    ret->negative = ret->n && *text == '-';
    return 0;
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

int decimal_order(const struct decimal *a, const struct decimal *b)
{
    int s = sign(a);
    if (s != sign(b))
        return s - sign(b);
    return s == 0 ? 0 : s * magnitude(a, b);
}

bool decimal_compare(const char *a, const char *b, int *ret)
{
    struct decimal x, y;
    if (decimal_parse(a, &x) < 0 || decimal_parse(b, &y) < 0)
        return false;
    *ret = decimal_order(&x, &y);
    return true;
}
