/* log.h: one structured line an event, on standard error.
 *
 * Only the edges log (dispatcher, reconciler, agent's engine, main); libraries return
 * errors. A line is logfmt: `time=… level=info part=server msg="…" key=value …`, made
 * in one buffer and written with one write(2), so lines of several threads never mix.
 * Threads: any. Fails: never; a line that can't be written is lost. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* `part` (static text) names the process in every line: "server", "agent", "up". */
void log_init(const char *part, enum log_level least);
bool log_enabled(enum log_level level);

/* Pairs of name and value (const char *, NULL value prints nothing), ended by NULL:
 *     log_line(LOG_WARN, "image could not be pulled", "task", arn, "error", err.text, NULL); */
void log_line(enum log_level level, const char *msg, ...) __attribute__((sentinel));
