/* sigv4_keys.h: signing keys that were made before, as a client signs with the same one all day:
 * four of the five HMACs of a check are saved.
 *
 * A key is found by its scope and by the secret that it was made of, so one whose secret has
 * changed is made anew.
 *
 * Owns: a table of fixed size (300 KiB, touched as it fills); a slot is wiped when another key
 * takes it, all of them by sigv4_keys_free(). Threads: one, the state thread. Fails: never. */
#pragma once

#include "sigv4.h"

struct sigv4_keys;

struct sigv4_keys *sigv4_keys_new(void);
void sigv4_keys_free(struct sigv4_keys *keys); /* NULL allowed */

/* The key for the scope of this signature. `keys` may be NULL: it is made. */
void sigv4_keys_get(struct sigv4_keys *keys, const struct sigv4 *sig, const char *secret,
                    uint8_t ret[static 32]);
