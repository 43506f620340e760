#include "number.h"

#include <string.h>

#define OVERFLOW                                                                         \
    "Number overflow. Attempting to store a number with magnitude larger than supported" \
    " range"
#define UNDERFLOW                                                                        \
    "Number underflow. Attempting to store a number with magnitude smaller than "        \
    "supported"                                                                          \
    " range"
#define TOO_PRECISE "Attempting to store more than 38 significant digits in a Number"
#define NOT_NUMERIC "The parameter cannot be converted to a numeric value"

static int number_check(const struct decimal *n, struct error *err)
{
    if (n->n > 0 && n->exponent > NUMBER_EXPONENT_MAX)
        return fail(err, E_INVALID, OVERFLOW);
    if (n->n > 0 && n->exponent < NUMBER_EXPONENT_MIN)
        return fail(err, E_INVALID, UNDERFLOW);
    if (n->n > NUMBER_DIGITS_MAX)
        return fail(err, E_INVALID, TOO_PRECISE);
    return 0;
}

int number_parse(const char *text, struct decimal *ret, struct error *err)
{
    struct decimal n;
    if (!*text)
        return fail(err, E_INVALID, NOT_NUMERIC);
    int r = decimal_parse(text, &n);
    if (r == -E_LIMIT)
        return fail(err, E_INVALID, TOO_PRECISE);
    if (r < 0)
        return fail(err, E_INVALID, NOT_NUMERIC ": %s", text);
    r = number_check(&n, err);
    if (r == 0)
        *ret = n;
    return r;
}

const char *number_text(struct arena *a, const struct decimal *n)
{
    AUTO_STR out = STR_INIT;
    if (n->n == 0)
        return "0";
    if (n->negative)
        str_addc(&out, '-');
    if (n->exponent < 0)
        str_add(&out, "0.");
    for (int64_t e = -1; e > n->exponent; e--)
        str_addc(&out, '0');
    for (size_t i = 0; i < n->n; i++) {
        str_addc(&out, n->digits[i]);
        if ((int64_t)i == n->exponent && i + 1 < n->n)
            str_addc(&out, '.');
    }
    for (int64_t i = (int64_t)n->n; i <= n->exponent; i++)
        str_addc(&out, '0');
    return arena_strndup(a, out.data, out.len);
}

/* ---- arithmetic ----
 *
 * Both numbers are laid out digit below digit, as on paper. Every number that the service
 * takes fits in: exponents from its largest, and one for a carry, to the last digit of the
 * smallest. */
#define TOP    (NUMBER_EXPONENT_MAX + 1)
#define PLACES (TOP - (NUMBER_EXPONENT_MIN - NUMBER_DIGITS_MAX) + 1)

struct column {
    int8_t place[PLACES]; /* [0] is worth 10^TOP */
};

static void column_fill(struct column *c, const struct decimal *n)
{
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < n->n; i++)
        c->place[TOP - n->exponent + (int64_t)i] = (int8_t)(n->digits[i] - '0');
}

/* a += sign * b, where |a| >= |b| if sign is -1. */
static void column_add(struct column *a, const struct column *b, int sign)
{
    int carry = 0;
    for (size_t i = PLACES; i-- > 0;) {
        int sum = a->place[i] + sign * b->place[i] + carry;
        carry = sum > 9 ? 1 : sum < 0 ? -1 : 0;
        a->place[i] = (int8_t)(sum - 10 * carry);
    }
}

static int column_read(const struct column *c, bool negative, struct decimal *ret,
                       struct error *err)
{
    size_t first = 0, last = PLACES;
    while (first < PLACES && c->place[first] == 0)
        first++;
    while (last > first && c->place[last - 1] == 0)
        last--;
    struct decimal sum = {.n = last - first};
    if (sum.n > 0) {
        sum.negative = negative;
        sum.exponent = TOP - (int64_t)first;
    }
    int r = number_check(&sum, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sum.n; i++)
        sum.digits[i] = (char)('0' + c->place[first + i]);
    *ret = sum;
    return 0;
}

int number_add(const struct decimal *a, const struct decimal *b, struct decimal *ret,
               struct error *err)
{
    struct decimal x = *a, y = *b;
    struct column large, small;
    x.negative = y.negative = false;
    bool swap = decimal_order(&x, &y) < 0;
    column_fill(&large, swap ? b : a);
    column_fill(&small, swap ? a : b);
    column_add(&large, &small, a->negative == b->negative ? 1 : -1);
    return column_read(&large, swap ? b->negative : a->negative, ret, err);
}

int number_subtract(const struct decimal *a, const struct decimal *b, struct decimal *ret,
                    struct error *err)
{
    struct decimal minus = *b;
    minus.negative = minus.n > 0 && !b->negative;
    return number_add(a, &minus, ret, err);
}

/* ---- keys ----
 *
 * One byte for the sign, one for the exponent, then the digits by twos (1 … 100) and a 0 at
 * the end, so that a number comes before those that have more digits behind it. Of a
 * negative number everything but the sign is turned over. */
enum {
    KEY_NEGATIVE = 0x40,
    KEY_ZERO = 0x80,
    KEY_POSITIVE = 0xc0,
};

void number_key(const struct decimal *n, struct str *out)
{
    unsigned char flip = n->negative ? 0xff : 0;
    if (n->n == 0) {
        str_addc(out, (char)KEY_ZERO);
        return;
    }
    str_addc(out, (char)(n->negative ? KEY_NEGATIVE : KEY_POSITIVE));
    str_addc(out, (char)((unsigned char)(n->exponent - NUMBER_EXPONENT_MIN) ^ flip));
    for (size_t i = 0; i < n->n; i += 2) {
        int two = (n->digits[i] - '0') * 10 + (i + 1 < n->n ? n->digits[i + 1] - '0' : 0);
        str_addc(out, (char)((unsigned char)(two + 1) ^ flip));
    }
    str_addc(out, (char)flip);
}
