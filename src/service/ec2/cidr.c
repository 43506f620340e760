#include "cidr.h"

#include <stdlib.h>

#include "str.h"

/* A number of at most three digits, without leading zeros. */
static bool take_number(const char **p, unsigned max, unsigned *ret)
{
    unsigned n = 0, digits = 0;
    while (**p >= '0' && **p <= '9' && digits < 4) {
        n = n * 10 + (unsigned)(*(*p)++ - '0');
        digits++;
    }
    *ret = n;
    return digits > 0 && n <= max && (digits == 1 || (*p)[-(int)digits] != '0');
}

static bool take_address(const char **p, uint32_t *ret)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        unsigned n;
        if (i > 0 && *(*p)++ != '.')
            return false;
        if (!take_number(p, 255, &n))
            return false;
        address = address << 8 | n;
    }
    *ret = address;
    return true;
}

static uint32_t mask(unsigned prefix_len)
{
    return prefix_len ? UINT32_MAX << (32 - prefix_len) : 0;
}

bool address_parse(const char *text, uint32_t *ret)
{
    uint32_t address;
    if (!text || !take_address(&text, &address) || *text)
        return false;
    *ret = address;
    return true;
}

static bool parse(const char *text, bool strict, struct cidr *ret)
{
    uint32_t address;
    unsigned prefix_len;
    if (!text || !take_address(&text, &address) || *text++ != '/' ||
        !take_number(&text, 32, &prefix_len) || *text)
        return false;
    if (strict && (address & ~mask(prefix_len)))
        return false;
    *ret = (struct cidr){address & mask(prefix_len), prefix_len};
    return true;
}

bool cidr_parse(const char *text, struct cidr *ret)
{
    return parse(text, false, ret);
}

bool cidr_parse_strict(const char *text, struct cidr *ret)
{
    return parse(text, true, ret);
}

const char *address_text(struct arena *a, uint32_t x)
{
    return arena_printf(a, "%u.%u.%u.%u", x >> 24, x >> 16 & 255, x >> 8 & 255, x & 255);
}

const char *cidr_text(struct arena *a, struct cidr c)
{
    return arena_printf(a, "%s/%u", address_text(a, c.base), c.prefix_len);
}

uint32_t cidr_size(struct cidr c)
{
    return c.prefix_len ? UINT32_C(1) << (32 - c.prefix_len) : 0;
}

bool cidr_has(struct cidr c, uint32_t address)
{
    return (address & mask(c.prefix_len)) == c.base;
}

bool cidr_contains(struct cidr outer, struct cidr inner)
{
    return outer.prefix_len <= inner.prefix_len && cidr_has(outer, inner.base);
}

bool cidr_overlap(struct cidr a, struct cidr b)
{
    return cidr_contains(a, b) || cidr_contains(b, a);
}

bool cidr_private(struct cidr c)
{
    static const struct cidr ranges[] = {
        {0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}};
    for (unsigned i = 0; i < 3; i++)
        if (cidr_contains(ranges[i], c))
            return true;
    return false;
}
