/* help.h: what `gantry help`, `--help` and the manual pages say, made from the tables.
 * Owns: nothing. Threads: main. Fails: never; output that can't be written is lost. */
#pragma once

#include <stdio.h>

#include "command.h"

void help_overview(FILE *out);
void help_of(const struct command *command, FILE *out);
/* The manual page's head up to its options, in man(7)'s macros; the build adds the rest
 * from docs/man/NAME.roff. */
void help_roff(const struct command *command, FILE *out);
void help_roff_overview(FILE *out);
