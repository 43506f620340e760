/* log_bound.h: keeps a log file that several processes append to below a bound.
 * Owns: nothing. Threads: one process at a time. Fails: silently; the log is then longer. */
#pragma once

#include <sys/types.h>

#define LOG_BOUND_BYTES (16 * 1024 * 1024)

/* Above the bound: what is in the file moves to PATH.1 (replacing it) and the file is
 * empty again. Its writers keep their descriptors, so they must have O_APPEND; lines that
 * come between copy and cut are lost. No file is fine. */
void log_bound(const char *path, off_t bound);
