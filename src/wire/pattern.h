/* pattern.h: does a text match a model's pattern, as a whole?
 *
 * api/pattern.py compiles the pattern at build time; here is the machine that runs it: all
 * alternatives at once (Thompson, 1968), so the time is bounded by text times program and
 * no text can make it explode. Owns: nothing; 10 KiB of stack. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

enum pattern_word {
    PATTERN_SET,   /* n, then n ranges: low, high */
    PATTERN_SPLIT, /* two places to go on */
    PATTERN_JUMP,  /* one */
    PATTERN_MATCH,
};

#define PATTERN_MAX 1025 /* words of a program; api/pattern.py knows */

/* `text` is well-formed UTF-8. */
bool pattern_matches(const struct wire_pattern *pattern, const char *text);
