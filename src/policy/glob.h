/* glob.h: patterns of policies: '*', '?' and variables.
 *
 * A pattern is stored as text in which a wildcard is one byte that no document may hold, and
 * a variable is its key between two others. So a substituted value is literal by nature, and
 * so is ${*}.
 *
 * Owns: nothing. Threads: any. Fails: glob_compile() with E_INVALID. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"
#include "policy.h"

#define GLOB_MANY '\1' /* '*' */
#define GLOB_ONE  '\2' /* '?' */
#define GLOB_VAR  '\3' /* key, GLOB_ELSE and a default if there is one, GLOB_END */
#define GLOB_ELSE '\4'
#define GLOB_END  '\5'

/* The longest text after variables were put in. */
#define GLOB_MAX 2048

struct glob {
    const char *text;
    bool plain;     /* no wildcard, no variable: compared as a whole */
    bool any;       /* "*" */
    bool variables;
};

enum glob_kind {
    GLOB_PATTERN = 1 << 0,   /* '*' and '?' are wildcards */
    GLOB_VARIABLES = 1 << 1, /* ${…} is one */
    GLOB_LOWER = 1 << 2,     /* compared in lower case */
};

int glob_compile(struct arena *a, const char *text, unsigned kind, struct glob *ret,
                 struct error *err);

/* The pattern with its variables put in; `buf` is used when there are any. NULL: one has no
 * value, so the pattern matches nothing. */
const char *glob_text(const struct glob *g, const struct policy_context *context,
                      char buf[static GLOB_MAX]);

/* Both may end at `end` instead of NUL when it is not NULL. */
bool glob_match(const char *pattern, const char *text);
bool glob_match_part(const char *pattern, const char *pattern_end, const char *text,
                     const char *text_end);
