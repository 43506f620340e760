/* jwt.h: ID tokens of OpenID Connect: what they say, and who signed them. Pure.
 *
 * Rules: RFC 7515 (JWS, compact form), RFC 7517 and 7518 (keys, algorithms), RFC 7519
 * (claims), OpenID Connect Core §2. Signatures are OpenSSL's; the algorithms are RS256,
 * RS384, RS512, ES256 and ES384. Others are refused, and so are keys of another kind than
 * the algorithm's: "none" and secrets that are shared never count.
 *
 * Owns: nothing; what comes back lies in the arena. Threads: any. Fails: as noted; texts of
 * errors are for logs and tests. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

#define JWT_MAX_BYTES  20000
#define JWKS_MAX_BYTES (256 * 1024)
#define JWT_TEXTS_MAX  50 /* of a claim that is a list */

struct jwt_texts {
    const char **v;
    size_t n;
};

struct jwt {
    const char *algorithm, *key_id; /* key_id NULL: none */
    const char *issuer, *subject;
    const char *authorized_party; /* NULL: none */
    struct jwt_texts audience, amr;
    int64_t expires_s, issued_s, not_before_s; /* not_before_s 0: none, as some say */
    const char *signed_text;                   /* header and claims, as they came */
    size_t signed_len;
    const uint8_t *signature;
    size_t signature_len;
};

/* Nothing in it is to be believed before jwt_verify(). E_INVALID: it is no such token, or
 * lacks iss, sub, aud, exp or iat. */
int jwt_parse(struct arena *a, const char *token, struct jwt *ret, struct error *err);

/* With the issuer's keys, a JWK Set. E_NOTFOUND: none of them is the token's; E_DENIED: the
 * signature is wrong; E_INVALID: that is no key set. */
int jwt_verify(const struct jwt *token, const char *jwks, size_t len, struct error *err);
