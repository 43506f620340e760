/* Keys of a JWK Set, and signatures by them: OpenSSL does all that is cryptography. */
#include "jwt_key.h"

#include <string.h>

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "str.h"

#define KEYS_MAX     100
#define TRIES_MAX    8 /* keys that a token without key id is tried with */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define EXPONENT_MAX 8 /* bytes */

struct algorithm {
    const char *name, *type; /* type: "kty" of its keys */
    const EVP_MD *(*digest)(void);
    const char *curve, *group; /* in JWKs, and as OpenSSL calls it; NULL: RSA */
    size_t size;               /* of a coordinate */
};

static const struct algorithm algorithms[] = {
    {"RS256", "RSA", EVP_sha256, NULL, NULL, 0},
    {"RS384", "RSA", EVP_sha384, NULL, NULL, 0},
    {"RS512", "RSA", EVP_sha512, NULL, NULL, 0},
    {"ES256", "EC", EVP_sha256, "P-256", "prime256v1", 32},
    {"ES384", "EC", EVP_sha384, "P-384", "secp384r1", 48},
};

static const struct algorithm *algorithm_find(const char *name)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        if (streq(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

bool jwt_algorithm_known(const char *name)
{
    return algorithm_find(name) != NULL;
}

/* ---- a key ---- */

static bool bytes_of(struct arena *a, const json_t *jwk, const char *name, uint8_t **ret,
                     size_t *ret_len)
{
    const char *text = json_string_value(json_object_get(jwk, name));
    return text && jwt_decode64(a, text, strlen(text), ret, ret_len) == 0 && *ret_len;
}

static EVP_PKEY *key_made(const char *type, OSSL_PARAM_BLD *params)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *list = OSSL_PARAM_BLD_to_param(params);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!list || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, list) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(list);
    return key;
}

static EVP_PKEY *rsa_key(struct arena *a, const json_t *jwk)
{
    uint8_t *n, *e;
    size_t n_len, e_len;
    if (!bytes_of(a, jwk, "n", &n, &n_len) || !bytes_of(a, jwk, "e", &e, &e_len) ||
        n_len > RSA_BITS_MAX / 8 + 1 || e_len > EXPONENT_MAX)
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL),
           *exponent = BN_bin2bn(e, (int)e_len, NULL);
    if (params && modulus && exponent && BN_num_bits(modulus) >= RSA_BITS_MIN &&
        BN_num_bits(modulus) <= RSA_BITS_MAX && BN_is_odd(modulus) &&
        BN_is_odd(exponent) && !BN_is_one(exponent) &&
        OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = key_made("RSA", params);
    BN_free(modulus);
    BN_free(exponent);
    OSSL_PARAM_BLD_free(params);
    return key;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *ec_key(struct arena *a, const json_t *jwk, const struct algorithm *alg)
{
    uint8_t *x, *y, point[1 + 2 * 48] = {4}; /* SEC 1 §2.3.3: not compressed */
    size_t x_len, y_len;
    if (!streq(json_string_value(json_object_get(jwk, "crv")), alg->curve) ||
        !bytes_of(a, jwk, "x", &x, &x_len) || !bytes_of(a, jwk, "y", &y, &y_len) ||
        x_len != alg->size || y_len != alg->size)
        return NULL;
    memcpy(point + 1, x, x_len);
    memcpy(point + 1 + x_len, y, y_len);
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
    if (params &&
        OSSL_PARAM_BLD_push_utf8_string(params, OSSL_PKEY_PARAM_GROUP_NAME, alg->group,
                                        0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(params, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + x_len + y_len) == 1)
        key = key_made("EC", params);
    OSSL_PARAM_BLD_free(params);
    return key;
}

/* ---- a signature ---- */

/* JWS has the two numbers side by side, OpenSSL wants them in DER. */
static bool ec_signature(const struct jwt *t, const struct algorithm *alg, uint8_t **ret,
                         int *ret_len)
{
    if (t->signature_len != 2 * alg->size)
        return false;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(t->signature, (int)alg->size, NULL),
           *s = BN_bin2bn(t->signature + alg->size, (int)alg->size, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return false;
    }
    *ret = NULL;
    *ret_len = i2d_ECDSA_SIG(sig, ret);
    ECDSA_SIG_free(sig);
    return *ret_len > 0;
}

static bool is_signed_by(const struct jwt *t, const struct algorithm *alg, EVP_PKEY *key)
{
    uint8_t *der = NULL;
    int der_len = 0;
    if (alg->curve && !ec_signature(t, alg, &der, &der_len))
        return false;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, alg->digest(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, der ? der : t->signature,
                                 der ? (size_t)der_len : t->signature_len,
                                 (const uint8_t *)t->signed_text, t->signed_len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}

/* ---- a key set ---- */

static bool is_candidate(const struct jwt *t, const struct algorithm *alg,
                         const json_t *jwk)
{
    const char *use = json_string_value(json_object_get(jwk, "use"));
    const char *name = json_string_value(json_object_get(jwk, "alg"));
    const char *id = json_string_value(json_object_get(jwk, "kid"));
    return streq(json_string_value(json_object_get(jwk, "kty")), alg->type) &&
           (!use || streq(use, "sig")) && (!name || streq(name, alg->name)) &&
           (!t->key_id || streq(t->key_id, id));
}

static int verify(struct arena *a, const struct jwt *t, const json_t *keys,
                  struct error *err)
{
    const struct algorithm *alg = algorithm_find(t->algorithm);
    size_t tried = 0, n = json_array_size(keys);
    if (!json_is_array(keys) || n > KEYS_MAX)
        return fail(err, E_INVALID, "the issuer's keys are no JWK Set");
    for (size_t i = 0; i < n && tried < TRIES_MAX; i++) {
        const json_t *jwk = json_array_get(keys, i);
        if (!is_candidate(t, alg, jwk))
            continue;
        EVP_PKEY *key = alg->curve ? ec_key(a, jwk, alg) : rsa_key(a, jwk);
        bool good = key && is_signed_by(t, alg, key);
        tried += key != NULL;
        EVP_PKEY_free(key);
        ERR_clear_error();
        if (good)
            return 0;
    }
    return tried ? fail(err, E_DENIED, "the signature is not the issuer's")
                 : fail(err, E_NOTFOUND, "the issuer has no key '%s' for %s",
                        t->key_id ? t->key_id : "", alg->name);
}

int jwt_verify(const struct jwt *token, const char *jwks, size_t len, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    json_t *root = len <= JWKS_MAX_BYTES
                       ? json_loadb(jwks, len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    int r = verify(&a, token, json_object_get(root, "keys"), err);
    json_decref(root);
    return r;
}
