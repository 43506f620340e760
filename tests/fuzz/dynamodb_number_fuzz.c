/* dynamodb_number_fuzz.c: two numbers from outside, by a line's end apart. What is taken
 * comes back from its text, sums can be taken apart again, and keys are in order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void check_text(struct arena *a, const struct decimal *n)
{
    struct decimal again;
    const char *text = number_text(a, n);
    assert(number_parse(text, &again, NULL) == 0);
    assert(decimal_order(n, &again) == 0);
    assert(strcmp(number_text(a, &again), text) == 0);
}

static void check_sum(const struct decimal *x, const struct decimal *y)
{
    struct decimal sum, back;
    struct error err = ERROR_INIT;
    if (number_add(x, y, &sum, &err) < 0) {
        assert(err.code == E_INVALID && err.text[0]);
        return;
    }
    assert(sign(decimal_order(&sum, x)) == (y->n == 0 ? 0 : y->negative ? -1 : 1));
    assert(number_subtract(&sum, y, &back, &err) == 0);
    assert(decimal_order(&back, x) == 0);
}

static void check_keys(const struct decimal *x, const struct decimal *y)
{
    AUTO_STR a = STR_INIT;
    AUTO_STR b = STR_INIT;
    number_key(x, &a);
    number_key(y, &b);
    assert(a.len <= 24 && b.len <= 24);
    size_t n = a.len < b.len ? a.len : b.len;
    assert(sign(memcmp(a.data, b.data, n)) == sign(decimal_order(x, y)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    struct decimal x, y;
    struct error err = ERROR_INIT;
    char *text = arena_strndup(&a, (const char *)data, size), *end = strchr(text, '\n');
    if (end)
        *end = '\0';
    if (number_parse(text, &x, &err) < 0) {
        assert(err.code == E_INVALID && err.text[0]);
        return 0;
    }
    check_text(&a, &x);
    if (number_parse(end ? end + 1 : text, &y, &err) < 0)
        return 0;
    check_sum(&x, &y);
    check_keys(&x, &y);
    return 0;
}
