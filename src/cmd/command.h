/* command.h: the commands of `gantry`, one row each, and what every command is told.
 *
 * A command is a function that gets its parsed options and returns an exit status (0..255)
 * or a negative code, whose text main() prints as "gantry: …" before it exits with 1.
 * Help, manual pages and the parser all read this table and that of options.h.
 *
 * Owns: nothing; tables are constant. Threads: main, before any other exists.
 * Fails: each command as its own file says. */
#pragma once

#include "error.h"
#include "options.h"

struct command {
    enum command_bit bit;
    const char *name;
    const char *arguments; /* after the options in the usage line; "" when none */
    const char *summary;   /* one line */
    const char *details;   /* paragraphs, broken by empty lines; not wrapped by hand */
    int min_args, max_args;
    int (*run)(struct options *o, struct error *err);
};

extern const struct command commands[];               /* ended by name NULL */
const struct command *command_find(const char *name); /* NULL when there is none */

int up_command(struct options *o, struct error *err);
int down_command(struct options *o, struct error *err);
int server_command(struct options *o, struct error *err);
int agent_command(struct options *o, struct error *err);
int edge_command(struct options *o, struct error *err);
int env_command(struct options *o, struct error *err);
int status_command(struct options *o, struct error *err);
int logs_command(struct options *o, struct error *err);
int events_command(struct options *o, struct error *err);
int audit_command(struct options *o, struct error *err);
int policy_command(struct options *o, struct error *err);
int why_command(struct options *o, struct error *err);
int exec_command(struct options *o, struct error *err);
int doctor_command(struct options *o, struct error *err);
int version_command(struct options *o, struct error *err);
int help_command(struct options *o, struct error *err);
