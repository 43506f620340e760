/* str.h: strings: a growing buffer, and the few questions asked of C strings.
 *
 * Owns: a `struct str` owns its bytes until str_free(); AUTO_STR releases it at the end
 * of the scope. It is always NUL-terminated after the first append.
 * Threads: one at a time. Fails: never (see arena.h on memory). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    char *data; /* NULL while nothing was appended; use str_text() for printing */
    size_t len, cap;
};

#define STR_INIT                                                                         \
    {                                                                                    \
        0                                                                                \
    }
#define AUTO_STR __attribute__((cleanup(str_free))) struct str

void str_free(struct str *s);
void str_clear(struct str *s); /* keeps the memory */
void str_reserve(struct str *s, size_t extra);
void str_add(struct str *s, const char *text); /* NULL appends nothing */
void str_addn(struct str *s, const void *data, size_t len);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *fmt, va_list ap);
const char *str_text(const struct str *s); /* never NULL */
/* Takes the text away (caller frees with free()); the buffer is empty afterwards. */
char *str_take(struct str *s);

static inline bool streq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool str_empty(const char *s)
{
    return !s || !*s;
}

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Strict decimal: the whole text, no sign but '-', no blanks, min <= value <= max. */
bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

/* Lower-case hexadecimal; out has room for 2 * len + 1. */
void hex_encode(const void *data, size_t len, char *out);
/* Exactly 2 * len hexadecimal digits of either case. */
bool hex_decode(const char *hex, void *ret, size_t len);

/* Is it well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool utf8_valid(const char *s, size_t len);
/* Number of characters of well-formed UTF-8: AWS measures string lengths so. */
size_t utf8_length(const char *s);
