/* jwt_fuzz.c: tokens and key sets from outside. Input: a token, a newline, a JWK Set. What
 * is parsed must have what is required; nothing that is not signed by the one key below may
 * ever verify with it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jwt.h"
#include "str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A public key of RFC 7515 (appendix A.2), and one of A.3: nobody signs by them here but in
 * the corpus. */
static const char keys[] = "{\"keys\":[{\"kty\":\"RSA\",\"n\":"
                           "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W2"
                           "6mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
                           "pCgNMsD1W_YpRPEwOWvG6b32690r2"
                           "jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
                           "KXBdQOS-UTo7WTBEMa2R2CapHg665"
                           "xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
                           "DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs"
                           "91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},{\"kty\":"
                           "\"EC\",\"crv\":\"P-256\",\"x\":"
                           "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
                           "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static void check(const struct jwt *t)
{
    assert(t->issuer && t->issuer[0] && t->subject && t->subject[0]);
    assert(t->audience.n && t->audience.n <= JWT_TEXTS_MAX && t->amr.n <= JWT_TEXTS_MAX);
    assert(t->expires_s >= 0 && t->issued_s >= 0 && t->not_before_s >= 0);
    assert(t->algorithm[1] == 'S' && strlen(t->algorithm) == 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a = ARENA_INIT;
    struct error err = ERROR_INIT;
    struct jwt t;
    char *token = arena_strndup(&a, (const char *)data, size);
    char *jwks = strchr(token, '\n');
    if (jwks)
        *jwks++ = '\0';
    if (jwt_parse(&a, token, &t, &err) < 0) {
        assert(err.text[0]);
        return 0;
    }
    check(&t);
    if (jwks)
        jwt_verify(&t, jwks, strlen(jwks), &err);
    if (jwt_verify(&t, keys, sizeof(keys) - 1, &err) == 0)
        abort();
    return 0;
}
