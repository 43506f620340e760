/* json_lex.h: JSON's grammar (RFC 8259), read strictly, in the wire library only.
 *
 * A pull reader over bytes that are known to be UTF-8: the caller looks at the next
 * character and asks for what belongs there. No tree is made.
 * Owns: strings that are read lie in the arena. Threads: one reader, one thread.
 * Fails: -E_INVALID with the report filled. */
#pragma once

#include "wire_report.h"

struct json_text {
    const char *start, *p, *end;
    struct arena *arena;
    struct wire_report *report;
};

/* Skips blanks and returns the next character, or 0 at the end. */
char json_peek(struct json_text *t);
/* Skips blanks and takes the character, or fails. */
int json_take(struct json_text *t, char c);
bool json_try(struct json_text *t, char c); /* takes it if it is next */

/* A string with its escapes resolved; refuses NUL and lone surrogates. */
int json_take_string(struct json_text *t, const char **ret, size_t *ret_len);
/* A member's name: points into the text when it has no escapes (not NUL-terminated). */
int json_name(struct json_text *t, const char **ret, size_t *ret_len);

/* The extent of a number. */
int json_number(struct json_text *t, const char **ret, size_t *ret_len);
int json_literal(struct json_text *t, const char *word); /* "true", "false", "null" */
/* Checks and skips any value; `depth` is how deep it lies already. */
int json_skip(struct json_text *t, int depth);

int json_bad(struct json_text *t, const char *what);
