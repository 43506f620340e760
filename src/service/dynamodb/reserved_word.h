/* reserved_word.h: words that an expression must not use as an attribute's name.
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>

bool reserved_word(const char *name); /* in either case */
