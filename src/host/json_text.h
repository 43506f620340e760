/* json_text.h: JSON written straight into a str, without a tree.
 *
 * Separators are put where needed by looking at the last byte written, so the calls read
 * like the document. Owns: nothing. Threads: one a str.
 * Fails: E_INVALID for text that is not UTF-8. */
#pragma once

#include <stdint.h>

#include "error.h"
#include "str.h"

void jtext_open(struct str *s, const char *name,
                char bracket); /* name NULL in an array */
void jtext_close(struct str *s, char bracket);
void jtext_key(struct str *s, const char *name); /* `"name":`, with a comma if needed */
int jtext_string(struct str *s, const char *name, const char *value, struct error *err);
void jtext_i64(struct str *s, const char *name, int64_t value);
void jtext_bool(struct str *s, const char *name, bool value);
/* Text that is known to be plain: no escape needed. */
void jtext_plain(struct str *s, const char *name, const char *value);
