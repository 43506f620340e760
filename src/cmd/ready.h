/* ready.h: what a part tells the supervisor that started it, over a pipe: one line,
 * "ready URL" once it works, or "failed TEXT" when it can't begin. A part that was started
 * by hand says "gantry ready: URL" on standard output instead.
 *
 * Owns: the descriptor that --ready-fd names, closed after the line.
 * Threads: main. Fails: never; a supervisor that is gone is no matter. */
#pragma once

#include <stdint.h>

#include "error.h"

#define READY_LINE_MAX (ERROR_TEXT_SIZE + 16)

void ready_say(int64_t fd, const char *url);
/* With a descriptor the text goes there, for the supervisor to print, and 1 is returned;
 * else r, for main() to print it. */
int ready_failed(int64_t fd, int r, const struct error *err);
