/* event_line.h: an event as one line for people. Pure.
 * Owns: nothing. Threads: any. Fails: never; what an event lacks is left out. */
#pragma once

#include <jansson.h>

#include "str.h"

/* Without a newline. */
void event_line(const json_t *event, struct str *out);

/* The last part of an ARN; "" of NULL. */
const char *arn_tail(const char *arn);
/* A member's text; NULL when it has none. */
const char *text_of(const json_t *object, const char *member);
/* The same to be printed: "" when it has none. */
const char *words_of(const json_t *object, const char *member);
