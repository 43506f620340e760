/* json.h: JSON as the protocols read and write it (wire.h has the plain form).
 * Owns: nothing. Threads: any. Fails: decoding, -E_INVALID with the report filled. */
#pragma once

#include "wire_report.h"

/* Reads a body by wire names into `root`, which may hold members from elsewhere already.
 * Values are not checked: the caller does that once all parts are read (check_value). */
int json_decode_request(struct arena *a, const struct wire_shape *shape, const char *text,
                        size_t len, void *root, struct wire_report *report);

/* A reply: un-boxed scalars that are unset are written as 0 or false, and members that a
 * REST protocol carries elsewhere are left out. */
void json_encode_reply(struct str *out, const struct wire_shape *shape,
                       const void *value);
