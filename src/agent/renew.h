/* renew.h: the agent's own program, when another one has taken its place on the disk.
 *
 * A program that runs is replaced by rename: then its name leads to the new one, and
 * /proc/self/exe says that the old one is deleted. The agent ends as for a stop, its
 * containers go on, and it executes the new program with its own arguments: the process
 * stays the same one for whoever watches it.
 *
 * Owns: nothing. Threads: renew_exec() when no other thread runs.
 * Fails: E_NOTFOUND there is no other program; E_EXEC. */
#pragma once

#include "error.h"
#include "str.h"

int renew_find(struct str *ret_path, struct error *err);
/* Returns only with a failure. */
int renew_exec(struct error *err);
