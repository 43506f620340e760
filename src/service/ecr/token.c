/* Authorisation tokens: who asked, for which registry, until when, and our signature.
 * Nothing is stored: a token is good on every server with the same secret, also after a
 * restart, until it expires. */
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "ecr.h"
#include "str.h"

#define MAC_HEX   64
#define TOKEN_MAX (16 * 1024)

static void mac(const char *secret, const char *text, size_t len, char ret[MAC_HEX + 1])
{
    unsigned char out[32];
    unsigned int n = sizeof(out);
    AUTO_STR key = STR_INIT; /* apart from what else the secret signs */
    str_addf(&key, "ecr-token:%s", secret);
    HMAC(EVP_sha256(), key.data, (int)key.len, (const unsigned char *)text, len, out, &n);
    hex_encode(out, sizeof(out), ret);
}

const char *ecr_token_make(struct arena *a, const char *secret, const struct ecr_token *t)
{
    char signature[MAC_HEX + 1];
    const char *text = arena_printf(a, "%s|%s|%s|%lld|%s", t->access_key, t->account,
                                    t->region, (long long)t->expires_at_ms,
                                    t->session_token ? t->session_token : "");
    mac(secret, text, strlen(text), signature);
    char *hex = arena_alloc(a, strlen(text) * 2 + 1);
    hex_encode(text, strlen(text), hex);
    return arena_printf(a, "%s%s", signature, hex);
}

/* Cuts the next field off at '|'. */
static const char *field(char **p)
{
    char *start = *p, *bar = start ? strchr(start, '|') : NULL;
    if (bar)
        *bar = '\0';
    *p = bar ? bar + 1 : NULL;
    return start;
}

bool ecr_token_check(struct arena *a, const char *secret, const char *password,
                     struct ecr_token *ret)
{
    char signature[MAC_HEX + 1];
    size_t n = strlen(password);
    if (n <= MAC_HEX || n > TOKEN_MAX || (n - MAC_HEX) % 2 != 0)
        return false;
    size_t len = (n - MAC_HEX) / 2;
    char *text = arena_alloc(a, len + 1);
    if (!hex_decode(password + MAC_HEX, text, len) || strlen(text) != len)
        return false;
    mac(secret, text, len, signature);
    if (CRYPTO_memcmp(signature, password, MAC_HEX) != 0)
        return false;
    ret->access_key = field(&text);
    ret->account = field(&text);
    ret->region = field(&text);
    const char *expires = field(&text);
    ret->session_token = str_empty(text) ? NULL : text;
    return ret->account && ret->region && expires &&
           str_to_i64(expires, 0, INT64_MAX, &ret->expires_at_ms);
}
