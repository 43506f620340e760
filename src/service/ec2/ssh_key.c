/* OpenSSH's public and private keys (RFC 4251 §5, RFC 4253 §6.6, RFC 8709, OpenSSH's
 * PROTOCOL.key), see ssh_key.h. */
#include "ssh_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base64.h"
#include "str.h"

static void key_free(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}
static void bignum_free(BIGNUM **n)
{
    BN_free(*n);
}
#define AUTO_KEY    __attribute__((cleanup(key_free))) EVP_PKEY
#define AUTO_BIGNUM __attribute__((cleanup(bignum_free))) BIGNUM

#define ED25519_SIZE 32

/* ---- SSH's wire form ---- */

static void put_u32(struct str *to, size_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                    (uint8_t)v};
    str_addn(to, b, sizeof(b));
}

static void put_string(struct str *to, const void *data, size_t size)
{
    put_u32(to, size);
    str_addn(to, data, size);
}

static void put_number(struct str *to, const BIGNUM *n)
{
    uint8_t bytes[1024] = {0};
    int size = BN_num_bytes(n);
    if (size <= 0 || (size_t)size >= sizeof(bytes))
        return;
    BN_bn2bin(n, bytes + 1);
    bool sign = bytes[1] & 0x80; /* a positive number begins with a 0 bit */
    put_string(to, sign ? bytes : bytes + 1, (size_t)size + sign);
}

struct reader {
    const uint8_t *at;
    size_t left;
};

static bool get_string(struct reader *r, const uint8_t **ret, size_t *ret_size)
{
    if (r->left < 4)
        return false;
    size_t n = (size_t)r->at[0] << 24 | (size_t)r->at[1] << 16 | (size_t)r->at[2] << 8 |
               r->at[3];
    if (n > r->left - 4)
        return false;
    *ret = r->at + 4;
    *ret_size = n;
    r->at += 4 + n;
    r->left -= 4 + n;
    return true;
}

static void public_blob(const EVP_PKEY *k, struct str *to)
{
    uint8_t raw[ED25519_SIZE];
    size_t n = sizeof(raw);
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_ED25519) {
        put_string(to, "ssh-ed25519", 11);
        if (EVP_PKEY_get_raw_public_key(k, raw, &n) == 1)
            put_string(to, raw, n);
        return;
    }
    AUTO_BIGNUM *modulus = NULL, *exponent = NULL;
    put_string(to, "ssh-rsa", 7);
    if (EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1 &&
        EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1) {
        put_number(to, exponent);
        put_number(to, modulus);
    }
}

/* ---- fingerprints ---- */

static const char *digest_hex(struct arena *a, const EVP_MD *md, const void *data,
                              size_t size)
{
    AUTO_STR text = STR_INIT;
    uint8_t d[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_Digest(data, size, d, &n, md, NULL);
    for (unsigned i = 0; i < n; i++)
        str_addf(&text, "%s%02x", i ? ":" : "", d[i]);
    return arena_strdup(a, str_text(&text));
}

static const char *digest_base64(struct arena *a, const struct str *blob)
{
    AUTO_STR text = STR_INIT;
    uint8_t d[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_Digest(blob->data, blob->len, d, &n, EVP_sha256(), NULL);
    base64_add(&text, d, n);
    return arena_strdup(a, str_text(&text));
}

/* EC2: an RSA key that it made has the SHA-1 of the private key's PKCS #8 form, one that was
 * imported the MD5 of the public key; ED25519 has the SHA-256 of SSH's form. */
static const char *rsa_fingerprint(struct arena *a, EVP_PKEY *k, bool own)
{
    uint8_t *der = NULL;
    PKCS8_PRIV_KEY_INFO *p8 = own ? EVP_PKEY2PKCS8(k) : NULL;
    int n = own ? i2d_PKCS8_PRIV_KEY_INFO(p8, &der) : i2d_PUBKEY(k, &der);
    const char *text =
        n > 0 ? digest_hex(a, own ? EVP_sha1() : EVP_md5(), der, (size_t)n) : NULL;
    OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
    PKCS8_PRIV_KEY_INFO_free(p8);
    return text;
}

static void fill(struct arena *a, EVP_PKEY *k, const char *comment, bool own,
                 struct ssh_key *ret)
{
    AUTO_STR blob = STR_INIT;
    AUTO_STR text = STR_INIT;
    ret->ed25519 = EVP_PKEY_get_base_id(k) == EVP_PKEY_ED25519;
    public_blob(k, &blob);
    str_add(&text, ret->ed25519 ? "ssh-ed25519 " : "ssh-rsa ");
    base64_add(&text, blob.data, blob.len);
    str_addf(&text, " %s", comment);
    ret->public_text = arena_strdup(a, text.data);
    ret->fingerprint =
        ret->ed25519 ? digest_base64(a, &blob) : rsa_fingerprint(a, k, own);
}

/* ---- new keys ---- */

static const char *rsa_pem(struct arena *a, EVP_PKEY *k)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    const char *ret = NULL;
    if (out && PEM_write_bio_PrivateKey_traditional(out, k, NULL, NULL, 0, NULL, NULL)) {
        long n = BIO_get_mem_data(out, &text);
        ret = arena_strndup(a, text, (size_t)n);
    }
    BIO_free(out);
    return ret;
}

/* What OpenSSH writes: ssh reads ED25519 keys in no other form. */
static void openssh_private(const EVP_PKEY *k, const char *comment, struct str *to)
{
    uint8_t both[2 * ED25519_SIZE], check[4];
    size_t n = ED25519_SIZE;
    AUTO_STR blob = STR_INIT;
    AUTO_STR inner = STR_INIT;
    EVP_PKEY_get_raw_private_key(k, both, &n);
    EVP_PKEY_get_raw_public_key(k, both + ED25519_SIZE, &n);
    RAND_bytes(check, sizeof(check));
    public_blob(k, &blob);
    str_addn(&inner, check, sizeof(check));
    str_addn(&inner, check, sizeof(check));
    put_string(&inner, "ssh-ed25519", 11);
    put_string(&inner, both + ED25519_SIZE, ED25519_SIZE);
    put_string(&inner, both, sizeof(both));
    put_string(&inner, comment, strlen(comment));
    for (char pad = 1; inner.len % 8; pad++)
        str_addc(&inner, pad);
    str_addn(to, "openssh-key-v1", 15); /* with its NUL */
    put_string(to, "none", 4);
    put_string(to, "none", 4);
    put_string(to, "", 0);
    put_u32(to, 1);
    put_string(to, blob.data, blob.len);
    put_string(to, inner.data, inner.len);
    OPENSSL_cleanse(both, sizeof(both));
    OPENSSL_cleanse(inner.data, inner.len);
}

static const char *openssh_pem(struct arena *a, const EVP_PKEY *k, const char *comment)
{
    AUTO_STR bytes = STR_INIT;
    AUTO_STR coded = STR_INIT;
    AUTO_STR text = STR_INIT;
    openssh_private(k, comment, &bytes);
    base64_add(&coded, bytes.data, bytes.len);
    str_add(&text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (size_t i = 0; i < coded.len; i += 70)
        str_addf(&text, "%.70s\n", coded.data + i);
    str_add(&text, "-----END OPENSSH PRIVATE KEY-----\n");
    const char *ret = arena_strdup(a, text.data);
    OPENSSL_cleanse(bytes.data, bytes.len);
    OPENSSL_cleanse(coded.data, coded.len);
    OPENSSL_cleanse(text.data, text.len);
    return ret;
}

int ssh_key_new(struct arena *a, bool ed25519, const char *comment, struct ssh_key *ret,
                struct error *err)
{
    AUTO_KEY *k = ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                          : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    if (!k)
        return fail(err, E_IO, "OpenSSL made no key");
    *ret = (struct ssh_key){0};
    fill(a, k, comment, true, ret);
    ret->private_pem = ed25519 ? openssh_pem(a, k, comment) : rsa_pem(a, k);
    return 0;
}

/* ---- keys that are imported ---- */

static EVP_PKEY *rsa_of(struct reader *r)
{
    const uint8_t *e, *n;
    size_t e_size, n_size;
    if (!get_string(r, &e, &e_size) || !get_string(r, &n, &n_size) || r->left ||
        e_size > 8 || n_size > 1024)
        return NULL;
    AUTO_BIGNUM *exponent = BN_bin2bn(e, (int)e_size, NULL),
                *modulus = BN_bin2bn(n, (int)n_size, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *k = NULL;
    OSSL_PARAM *p = NULL;
    if (b && x && exponent && modulus &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent) &&
        (p = OSSL_PARAM_BLD_to_param(b)) && EVP_PKEY_fromdata_init(x) == 1)
        EVP_PKEY_fromdata(x, &k, EVP_PKEY_PUBLIC_KEY, p);
    OSSL_PARAM_free(p);
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(x);
    return k;
}

static EVP_PKEY *ssh_blob(const uint8_t *data, size_t size)
{
    struct reader r = {data, size};
    const uint8_t *type, *raw;
    size_t type_size, raw_size;
    if (!get_string(&r, &type, &type_size))
        return NULL;
    if (type_size == 7 && memcmp(type, "ssh-rsa", 7) == 0)
        return rsa_of(&r);
    if (type_size == 11 && memcmp(type, "ssh-ed25519", 11) == 0 &&
        get_string(&r, &raw, &raw_size) && raw_size == ED25519_SIZE && !r.left)
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, raw_size);
    return NULL;
}

static bool offered(const EVP_PKEY *k)
{
    int bits = EVP_PKEY_get_bits(k);
    return EVP_PKEY_get_base_id(k) == EVP_PKEY_ED25519 ||
           (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA &&
            (bits == 1024 || bits == 2048 || bits == 3072 || bits == 4096));
}

int ssh_key_read(struct arena *a, const char *text, size_t size, const char *comment,
                 struct ssh_key *ret, struct error *err)
{
    uint8_t *data;
    size_t n;
    const char *copy = arena_strndup(a, text, size);
    bool ssh = str_starts(copy, "ssh-");
    const char *at = ssh ? copy + strcspn(copy, " \t") : copy;
    at += strspn(at, " \t\r\n");
    AUTO_STR coded = STR_INIT; /* DER may come in lines */
    for (; *at && (!ssh || !strchr(" \t\r\n", *at)); at++)
        if (!strchr(" \t\r\n", *at))
            str_addc(&coded, *at);
    if (!coded.len || !base64_decode(a, coded.data, coded.len, &data, &n))
        return fail(err, E_INVALID, "not base 64");
    const uint8_t *der = data;
    AUTO_KEY *k = ssh ? ssh_blob(data, n) : d2i_PUBKEY(NULL, &der, (long)n);
    if (!k || !offered(k))
        return fail(err, E_INVALID, "neither an RSA nor an ED25519 key");
    *ret = (struct ssh_key){0};
    fill(a, k, comment, false, ret);
    return 0;
}
