/* command_words.h: the words of ExecuteCommand's command, as a shell splits them, without
 * being one: quotes and backslashes, no variables, no patterns. Pure.
 * Owns: words lie in the arena. Threads: any. Fails: E_INVALID a quote does not end, or
 * there is no word. */
#pragma once

#include "arena.h"
#include "error.h"

/* NULL-ended. */
int command_words(struct arena *a, const char *command, const char *const **ret,
                  struct error *err);
