/* scalar.h: single values as text, the way queries, XML, headers and URIs carry them.
 *
 * Owns: strings and blobs that are read lie in the arena. Threads: any.
 * Fails: scalar_read() reports a value that is not of its type. */
#pragma once

#include "wire_report.h"

/* Reads `text` into an element-form slot of the shape (no list, map or structure). */
int scalar_read(struct wire_report *r, const struct wire_path *path, struct arena *a,
                const struct wire_shape *shape, enum wire_timestamp_format format,
                const char *text, void *slot);

/* Appends the value as text. */
void scalar_write(struct str *out, const struct wire_shape *shape,
                  enum wire_timestamp_format format, const void *value);

/* The format of a member: its own, its shape's, or the protocol's. */
enum wire_timestamp_format scalar_time_format(const struct wire_member *m,
                                              const struct wire_shape *shape,
                                              enum wire_timestamp_format otherwise);

/* The shortest decimal that reads back as the same double; "NaN", "Infinity". */
void scalar_add_double(struct str *out, double v);
/* Seconds since 1970 with a fraction only where there is one: 1700000000.123 */
void scalar_add_epoch(struct str *out, int64_t ms);
/* Seconds as JSON or a form has them (1.7e9, 1700000000.123) to ms. */
bool scalar_seconds_to_ms(double seconds, int64_t *ret);
