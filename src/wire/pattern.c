#include "pattern.h"

#include <string.h>

/* A set of places in the program, in order of arrival. */
struct places {
    uint16_t at[PATTERN_MAX];
    size_t n;
    uint8_t seen[PATTERN_MAX / 8 + 1];
};

static bool enter(struct places *set, uint32_t place)
{
    uint8_t bit = (uint8_t)(1 << place % 8);
    if (set->seen[place / 8] & bit)
        return false;
    set->seen[place / 8] |= bit;
    return true;
}

/* Follows jumps and splits, so that only sets and the match are kept. Each place is entered
 * once, so the stack can't overflow. */
static void add(struct places *set, const uint32_t *code, uint32_t place)
{
    uint16_t stack[PATTERN_MAX];
    size_t depth = 0;
    stack[depth++] = (uint16_t)place;
    while (depth) {
        place = stack[--depth];
        if (!enter(set, place))
            continue;
        if (code[place] == PATTERN_JUMP || code[place] == PATTERN_SPLIT)
            stack[depth++] = (uint16_t)code[place + 1];
        else
            set->at[set->n++] = (uint16_t)place;
        if (code[place] == PATTERN_SPLIT)
            stack[depth++] = (uint16_t)code[place + 2];
    }
}

static uint32_t next_character(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    size_t more = s[0] < 0x80 ? 0 : s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : 3;
    uint32_t c = more ? s[0] & (0x3fu >> more) : s[0];
    for (size_t i = 1; i <= more; i++)
        c = c << 6 | (s[i] & 0x3f);
    *p += more + 1;
    return c;
}

static bool in_set(const uint32_t *set, uint32_t c)
{
    for (uint32_t i = 0; i < set[1]; i++)
        if (c >= set[2 + 2 * i] && c <= set[3 + 2 * i])
            return true;
    return false;
}

static void places_clear(struct places *set)
{
    set->n = 0;
    memset(set->seen, 0, sizeof(set->seen));
}

bool pattern_matches(const struct wire_pattern *pattern, const char *text)
{
    struct places sets[2], *now = &sets[0], *next = &sets[1];
    const uint32_t *code = pattern->code;
    places_clear(now);
    add(now, code, 0);
    while (*text && now->n) {
        uint32_t c = next_character(&text);
        places_clear(next);
        for (size_t i = 0; i < now->n; i++) {
            const uint32_t *at = code + now->at[i];
            if (*at == PATTERN_SET && in_set(at, c))
                add(next, code, now->at[i] + 2 + 2 * at[1]);
        }
        struct places *other = now;
        now = next;
        next = other;
    }
    for (size_t i = 0; !*text && i < now->n; i++)
        if (code[now->at[i]] == PATTERN_MATCH)
            return true;
    return false;
}
