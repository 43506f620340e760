/* Session tokens of the metadata service, see imds.h. */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64.h"
#include "imds.h"

#define MAC_BYTES 32
#define RAW_BYTES (8 + MAC_BYTES)

static void mac(const struct imds_key *key, const char *instance_id,
                const uint8_t until[8], uint8_t ret[MAC_BYTES])
{
    AUTO_STR text = STR_INIT;
    unsigned len = MAC_BYTES;
    str_addn(&text, until, 8);
    str_add(&text, instance_id);
    HMAC(EVP_sha256(), key->v, sizeof(key->v), (const uint8_t *)text.data, text.len, ret,
         &len);
}

void imds_token_make(const struct imds_key *key, const char *instance_id, int64_t until_s,
                     char ret[IMDS_TOKEN_SIZE])
{
    AUTO_STR text = STR_INIT;
    uint8_t raw[RAW_BYTES];
    for (int i = 0; i < 8; i++)
        raw[i] = (uint8_t)((uint64_t)until_s >> (56 - 8 * i));
    mac(key, instance_id, raw, raw + 8);
    base64_add(&text, raw, sizeof(raw));
    memcpy(ret, text.data, text.len + 1);
}

bool imds_token_valid(const struct imds_key *key, const char *instance_id,
                      const char *token, int64_t now_s)
{
    AUTO_ARENA a = ARENA_INIT;
    uint8_t *raw, expected[MAC_BYTES];
    size_t size;
    uint64_t until = 0;
    if (!base64_decode(&a, token, strlen(token), &raw, &size) || size != RAW_BYTES)
        return false;
    mac(key, instance_id, raw, expected);
    for (int i = 0; i < 8; i++)
        until = until << 8 | raw[i];
    return CRYPTO_memcmp(expected, raw + 8, MAC_BYTES) == 0 && now_s < (int64_t)until;
}
