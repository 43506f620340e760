/* container_log.h: the log file of a container: what is in it and how to follow it.
 *
 * conmon writes one line an output line, the form of Kubernetes' CRI:
 *     2026-11-22T18:08:00.123456789+00:00 stdout F text
 * F is a full line, P a part of a longer one. Log driver json-file is this format here.
 * Rotation: conmon starts a file afresh when log_max_bytes is reached; for max-file > 1
 * gantry renames files (log → log.1 → …) and tells conmon to open anew,
 * container_log_rotate().
 *
 * Owns: a reader owns its descriptors and buffers. Threads: one a reader.
 * Fails: E_NOTFOUND no file, E_IO. Lines that do not parse are handed on as stdout text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "runtime.h"
#include "str.h"

#define LOG_LINE_MAX (1024 * 1024) /* a longer joined line is cut into several */

struct log_entry {
    int64_t time_ns; /* wall clock since 1970 */
    bool is_stderr;
    const char *text; /* without the newline; valid during the call */
    size_t len;
};

/* One CRI line (no newline). False when it is not one. ret_partial: a P line. */
bool cri_line_parse(const char *line, size_t len, struct log_entry *ret,
                    bool *ret_partial);

struct log_options {
    int64_t since_ns; /* entries at or after; 0: all */
    int64_t tail;     /* the last n entries; < 0: all */
};

struct log_reader;
/* Opens `path` (and, when older ones path.1, path.2 … exist, begins with the oldest). */
int log_reader_open(const char *path, const struct log_options *options,
                    struct log_reader **ret, struct error *err);
/* Gives every complete entry that is there now; returns their number, 0 when at the end.
 * `each` may return non-zero to stop; that value is returned, negated if positive. */
int log_reader_read(struct log_reader *r,
                    int (*each)(void *arg, const struct log_entry *e), void *arg,
                    struct error *err);
/* Blocks until more may be there (inotify), at most timeout_ms (< 0: for ever). Returns 1,
 * or 0 on timeout. fd: the same for an event loop: readable → log_reader_read(). */
int log_reader_wait(struct log_reader *r, int timeout_ms, struct error *err);
int log_reader_fd(const struct log_reader *r);
void log_reader_free(struct log_reader *r);

/* When the file is larger than max_bytes: log.(n-1) is dropped, log.i becomes log.(i+1),
 * log becomes log.1 and the supervisor opens a new file. Returns 1 when it rotated.
 * max_files counts the live file. */
int container_log_rotate(struct runtime *rt, const char *id, const char *path,
                         int64_t max_bytes, int max_files, struct error *err);
