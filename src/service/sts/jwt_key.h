/* jwt_key.h: what jwt.c and jwt_key.c share.
 *
 * Owns: nothing. Threads: any. Fails: E_INVALID. */
#pragma once

#include <stdbool.h>

#include "base64.h"
#include "jwt.h"

bool jwt_algorithm_known(const char *name);

/* RFC 4648 §5, without padding. */
int jwt_decode64(struct arena *a, const char *text, size_t len, uint8_t **ret,
                 size_t *ret_len);
