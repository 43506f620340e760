/* page.h: nextToken: opaque to clients, a position in key order for us.
 *
 * Owns: nothing. Threads: any. Fails: page_position() returns false for a token that we
 * did not make (each service words that error itself). */
#pragma once

#include <stdbool.h>

#include "arena.h"

const char *page_token(struct arena *a, const char *position);
bool page_position(struct arena *a, const char *token, const char **ret_position);
