/* seal.h: secrets at rest: what a record must not say in clear is stored as a sealed text.
 *
 * AES-256-GCM under the newest key of <data-dir>/seal.key. The text tells how to open it:
 *
 *   sealed:1:<key id>:<base64 of nonce, 12 bytes; ciphertext; tag, 16 bytes>
 *
 * The key id is the beginning of the key's SHA-256. A value is bound to a text, the key of
 * the object that it belongs to: a sealed text that somebody moves to another record does
 * not open there. Nonces are random and never injected, so that no replay of a test's
 * numbers can repeat one; 2^32 values a key keep the chance of two equal ones below 2^-32.
 *
 * The file is 32 random bytes a key, mode 0600, the newest key last. To rotate: append 32
 * random bytes (`head -c 32 /dev/urandom >> seal.key`) and start the server again. It seals
 * everything anew under the newest key while it loads, and takes what was there before out
 * of the store's files: when it is ready, older keys may be taken out of the file, unless a
 * backup of the data still needs them.
 * Who has the data directory but not this file reads no secret, so back it up apart.
 *
 * Owns: the keys, in memory until seal_keys_free(), which wipes them. Threads: any, they do
 * not change. Fails: as noted; sealing never does (see seal()). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "str.h"

#define SEAL_KEY_SIZE 32
#define SEAL_KEYS_MAX 64

struct seal_keys;

/* Reads the file, and makes it with one key when there is none. E_CORRUPT its size is not
 * that of keys; E_DENIED others than its owner can read it. */
int seal_key_load(const char *data_dir, struct seal_keys **ret, struct error *err);
/* `count` keys (1 to SEAL_KEYS_MAX) one behind the other, the newest last. */
struct seal_keys *seal_keys_new(const uint8_t *bytes, size_t count);
void seal_keys_free(struct seal_keys *keys); /* NULL allowed */

/* The sealed text, in the arena. Without randomness or memory the process ends with a
 * message: the other ways would be to store a secret in clear, or to lose it. */
const char *seal(const struct seal_keys *keys, struct arena *a, const void *plain,
                 size_t size, const char *bound_to);

/* Appends what was sealed to *ret, which should be AUTO_SECRET. E_CORRUPT with what to do:
 * it is no sealed text, its key is not in the file, or it was changed or moved. */
int seal_open(const struct seal_keys *keys, const char *text, const char *bound_to,
              struct str *ret, struct error *err);

/* Does it begin as a sealed text does? Not NULL, here and in the next. */
bool seal_is(const char *text);
/* Is it sealed under the newest key? */
bool seal_is_newest(const struct seal_keys *keys, const char *text);
/* For records that were written before there were seals, or under an older key: *text
 * becomes a text under the newest key, in the arena. 1 it is another one now and the record
 * is to be saved, 0 it is as it was, E_CORRUPT it can't be opened. */
int seal_renew(const struct seal_keys *keys, struct arena *a, const char *bound_to,
               const char **text, struct error *err);

/* Overwrites and frees. Growing a string leaves copies behind: reserve what it needs. */
void secret_free(struct str *s);
#define AUTO_SECRET __attribute__((cleanup(secret_free))) struct str
