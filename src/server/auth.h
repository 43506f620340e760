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
#include "sigv4_keys.h"

struct root_keys {
    char access_key_id[32];
    char secret[64];
};

/* A file of the same form: {"accessKeyId": "…", "secretAccessKey": "…"}. */
int root_keys_read(const char *path, struct root_keys *ret, struct error *err);
/* Reads the file, or makes it. */
int root_keys_load(const char *data_dir, struct root_keys *ret, struct error *err);

struct authenticator {
    struct root_keys root;
    const char *account_id; /* root's */
    struct sigv4_keys *keys; /* NULL: none are kept */
    bool dev;
};

/* The key that chunks of a body are signed with (aws_chunked.h). */
struct signing_key {
    bool known; /* only where signatures are checked */
    uint8_t bytes[32];
};

/* The signature as parsed, what parsing said of it, and where it came from. Texts lie in the
 * arena of the call. */
struct credentials {
    enum sigv4_failure failure; /* of sigv4_parse() */
    const char *failure_text;
    struct sigv4 sigv4;
    const char *source_ip, *user_agent; /* NULL: unknown */
    bool tls;
    struct signing_key *key; /* filled when the signature is right; NULL: not wanted */
};

/* Whose key it is (root's, a user's, a session's) and whether the signature is right. 0 and
 * *ret (texts in the arena), or -E_DENIED with why. */
int authenticate(const struct authenticator *auth, struct core *core, struct arena *a,
                 const struct credentials *given, struct identity *ret,
                 enum wire_denial *ret_denial, const char **ret_text);

/* For requests that are no API calls: authenticates, and asks whether the caller may do
 * `action` to `resource`. *ret_text (in the arena, or static) says why not. */
bool auth_permits(const struct authenticator *auth, struct core *core, struct arena *a,
                  const struct credentials *given, const char *action,
                  const char *resource, struct identity *ret, const char **ret_text);

/* Who has a key that was checked before, when a token was made for it. False: it is good no
 * longer. */
bool auth_identify(const struct authenticator *auth, struct core *core, struct arena *a,
                   const char *access_key_id, const char *session_token,
                   const char *account, struct identity *ret);
