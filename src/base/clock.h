/* clock.h: time, as numbers.
 *
 * Two kinds, never mixed: wall time for people and stamps (milliseconds since 1970-01-01
 * UTC, `*_ms` or `*_at`) and monotonic time for waiting (nanoseconds, `*_ns`). Code below
 * src/core, src/service and src/place never calls these: it is given the time.
 * Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ns(void);

/* "2026-11-22T18:08:00.123Z" (24 characters + NUL); milliseconds omitted when `seconds`. */
#define CLOCK_ISO_SIZE 32
void clock_format_iso(int64_t wall_ms, bool seconds, char ret[static CLOCK_ISO_SIZE]);

/* RFC 3339 with 'Z' or an offset, fraction optional. False when the text is not one. */
bool clock_parse_iso(const char *text, int64_t *ret_wall_ms);
