/* base64.h: RFC 4648 section 4, with padding, and its URL-safe reading where asked.
 * Owns: results lie in the caller's arena or buffer. Threads: any. Fails: as told. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "str.h"

void base64_add(struct str *out, const void *data, size_t len);

/* Strict: only the alphabet, whole groups, padding where it belongs, no stray bits. */
bool base64_decode(struct arena *a, const char *text, size_t len, uint8_t **ret,
                   size_t *ret_size);
