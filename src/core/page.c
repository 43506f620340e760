#include "page.h"

#include <stdint.h>
#include <string.h>

#include "str.h"

/* Hexadecimal text with a check byte: enough that a typing mistake is told from a token;
 * it is no secret, and a forged position only shows what the caller may list anyway. */
static uint8_t check_byte(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return (uint8_t)(h ^ h >> 8 ^ h >> 16 ^ h >> 24);
}

const char *page_token(struct arena *a, const char *position)
{
    size_t n = strlen(position);
    char *token = arena_alloc(a, 2 * (n + 1) + 1);
    uint8_t check = check_byte(position);
    hex_encode(&check, 1, token);
    hex_encode(position, n, token + 2);
    return token;
}

bool page_position(struct arena *a, const char *token, const char **ret_position)
{
    size_t n = strlen(token);
    if (n < 2 || n % 2 != 0 || n > 4096)
        return false;
    uint8_t check;
    char *text = arena_alloc(a, n / 2);
    char *head = arena_strndup(a, token, 2);
    if (!hex_decode(head, &check, 1) || !hex_decode(token + 2, text, n / 2 - 1))
        return false;
    text[n / 2 - 1] = '\0';
    if (check_byte(text) != check)
        return false;
    *ret_position = text;
    return true;
}
