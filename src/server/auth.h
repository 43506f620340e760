/* auth.h: who calls: root keys, and the check of a signature against them.
 *
 * The first start makes one access key for the account's root and keeps it in
 * <data_dir>/root-keys.json (mode 0600). With `dev` every signature is taken as good, and
 * an access key id of 12 digits is the account.
 *
 * Owns: the keys. Threads: loading at start; checks on the state thread.
 * Fails: root_keys_load() with E_IO, E_CORRUPT. */
#pragma once

#include <stdbool.h>

#include "call.h"
#include "error.h"
#include "sigv4.h"

struct root_keys {
    char access_key_id[32];
    char secret[64];
};

/* Reads the file, or makes it. */
int root_keys_load(const char *data_dir, struct root_keys *ret, struct error *err);

struct authenticator {
    struct root_keys root;
    const char *account_id; /* root's */
    bool dev;
};

/* The signature as parsed, and what parsing said of it. */
struct credentials {
    enum sigv4_failure failure; /* of sigv4_parse() */
    const char *failure_text;
    struct sigv4 sigv4;
};

/* 0 and *ret (texts in the arena), or -E_DENIED with why. */
int authenticate(const struct authenticator *auth, struct arena *a,
                 const struct credentials *given, int64_t now_ms, struct identity *ret,
                 enum wire_denial *ret_denial, const char **ret_text);
