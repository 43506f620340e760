/* hosts_file.h: our lines in a hosts file that others write too.
 *
 *   # gantry <run>: begin
 *   198.18.17.5 web-1234567890.us-east-1.elb.amazonaws.com
 *   # gantry <run>: end
 * Only what stands between the two marks of this run changes. The file is written in place,
 * as it may be a bind mount, under a lock that other runs take too; it is not written when
 * nothing changes.
 *
 * Owns: the lines between the marks. Threads: any. Fails: E_NOTFOUND no such file, E_IO. */
#pragma once

#include "error.h"
#include "str.h"

/* Pure: appends `text` with the block of the run replaced, or added at the end; `lines` (each
 * ending with a newline) empty: without the block. A begin without its end is dropped, and
 * what follows it is left alone. */
void hosts_text(const char *text, const char *run, const char *lines, struct str *ret);

int hosts_file_set(const char *path, const char *run, const char *lines,
                   struct error *err);
