/* ssh_key.h: keys of key pairs in OpenSSH's forms, with the fingerprints that EC2 shows.
 * Pure, except that a new key takes randomness from OpenSSL.
 *
 * Owns: nothing; texts lie in the caller's arena. The private key of a new pair is in the
 * given arena only: it is for the answer to who asked, and stored nowhere.
 * Threads: any, a worker for a new RSA key: half a second. Fails: as noted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"

struct ssh_key {
    bool ed25519;            /* else RSA */
    const char *public_text; /* "ssh-rsa AAAA… comment" */
    const char *fingerprint;
    const char *private_pem; /* of a new pair; NULL when imported */
};
/* RSA of 2048 bits, or ED25519. E_IO: OpenSSL could not. */
int ssh_key_new(struct arena *a, bool ed25519, const char *comment, struct ssh_key *ret,
                struct error *err);
/* "ssh-rsa …", "ssh-ed25519 …", or the base 64 of a DER SubjectPublicKeyInfo. E_INVALID. */
int ssh_key_read(struct arena *a, const char *text, size_t size, const char *comment,
                 struct ssh_key *ret, struct error *err);
