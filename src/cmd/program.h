/* program.h: programs on this machine: where they are, and what version they say.
 * Owns: nothing. Threads: any. Fails: false or an empty text. */
#pragma once

#include <stdbool.h>

#include "str.h"

/* Like execvp(): a name with a slash is a path. ret (NULL: not wanted) gets the path. */
bool program_find(const char *name, struct str *ret);
/* What it prints on both streams, for at most 5 s and some kB. args: NULL-ended, args[0] is
 * the program. False when it can't run or ends with failure. */
bool program_say(const char *const *args, struct str *ret);
