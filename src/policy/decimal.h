/* decimal.h: numbers of conditions as written, compared exactly.
 * Owns: nothing. Threads: any. Fails: false for a text that is no number. */
#pragma once

#include <stdbool.h>

/* *ret < 0, 0, > 0 as a is less than, equal to, greater than b. */
bool decimal_compare(const char *a, const char *b, int *ret);
