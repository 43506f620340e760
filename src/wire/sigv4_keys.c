#include "sigv4_keys.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS      1024 /* a power of two */
#define SCOPE_MAX  160
#define SECRET_MAX 80

struct slot {
    char scope[SCOPE_MAX]; /* "<access key id>/<date>/<region>/<service>"; "": empty */
    char secret[SECRET_MAX];
    uint8_t key[32];
};

struct sigv4_keys {
    struct slot slots[SLOTS];
};

struct sigv4_keys *sigv4_keys_new(void)
{
    return xcalloc(1, sizeof(struct sigv4_keys));
}

void sigv4_keys_free(struct sigv4_keys *keys)
{
    if (keys)
        OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

static void make(const struct sigv4 *sig, const char *secret, uint8_t ret[static 32])
{
    sigv4_key(secret, sig->date, sig->region, sig->service, ret);
}

/* Fills `scope`; NULL: this key is not kept. */
static struct slot *slot_of(struct sigv4_keys *keys, const struct sigv4 *sig,
                            const char *secret, char scope[static SCOPE_MAX])
{
    const char *parts[] = {sig->access_key_id, sig->date, sig->region, sig->service};
    uint32_t hash = 2166136261u; /* FNV-1a */
    size_t len = 0;
    if (!keys || strlen(secret) >= SECRET_MAX)
        return NULL;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t n = strlen(parts[i]);
        if (len + n + 2 > SCOPE_MAX)
            return NULL;
        memcpy(scope + len, parts[i], n);
        len += n;
        scope[len++] = '/';
    }
    scope[len] = '\0';
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)scope[i]) * 16777619u;
    return &keys->slots[(hash ^ hash >> 16) & (SLOTS - 1)];
}

static bool holds(const struct slot *s, const char *scope, const char *secret)
{
    size_t n = strlen(secret);
    return strcmp(s->scope, scope) == 0 && strlen(s->secret) == n &&
           CRYPTO_memcmp(s->secret, secret, n) == 0;
}

void sigv4_keys_get(struct sigv4_keys *keys, const struct sigv4 *sig, const char *secret,
                    uint8_t ret[static 32])
{
    char scope[SCOPE_MAX];
    struct slot *s = slot_of(keys, sig, secret, scope);
    if (!s) {
        make(sig, secret, ret);
        return;
    }
    if (!holds(s, scope, secret)) {
        OPENSSL_cleanse(s, sizeof(*s));
        memcpy(s->scope, scope, strlen(scope));
        memcpy(s->secret, secret, strlen(secret));
        make(sig, secret, s->key);
    }
    memcpy(ret, s->key, sizeof(s->key));
}
