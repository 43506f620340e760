/* PEM texts by OpenSSL, see x509.h. */
#include "x509.h"

#include <ctype.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define NAMES_MAX 100

static void x509_free(X509 **x)
{
    X509_free(*x);
}
static void key_free(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}
static void bio_free(BIO **b)
{
    BIO_free(*b);
    ERR_clear_error(); /* what OpenSSL complained of meanwhile is nobody's */
}
#define AUTO_X509 __attribute__((cleanup(x509_free))) X509
#define AUTO_KEY  __attribute__((cleanup(key_free))) EVP_PKEY
#define AUTO_BIO  __attribute__((cleanup(bio_free))) BIO

/* ---- blocks of a PEM text (RFC 7468) ---- */

struct block {
    char *name, *header;
    unsigned char *data;
    long size;
};

static void block_free(struct block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->data, b->size > 0 ? (size_t)b->size : 0);
    *b = (struct block){0};
}
#define AUTO_BLOCK __attribute__((cleanup(block_free))) struct block

/* This one does not decrypt, and so never asks for a pass phrase. */
static bool block_next(BIO *in, struct block *ret)
{
    block_free(ret);
    return PEM_read_bio(in, &ret->name, &ret->header, &ret->data, &ret->size) == 1;
}

static BIO *reader(const char *pem, size_t size)
{
    BIO *b = BIO_new_mem_buf(pem, size > INT32_MAX ? INT32_MAX : (int)size);
    if (!b)
        abort();
    return b;
}

static X509 *certificate_of(const struct block *b)
{
    const unsigned char *at = b->data;
    if (!streq(b->name, PEM_STRING_X509) && !streq(b->name, PEM_STRING_X509_OLD))
        return NULL;
    X509 *x = d2i_X509(NULL, &at, b->size);
    if (x && at == b->data + b->size)
        return x;
    X509_free(x);
    return NULL;
}

static int one_certificate(const char *pem, size_t size, X509 **ret, struct error *err)
{
    AUTO_BIO *in = reader(pem, size);
    AUTO_BLOCK b = {0}, more = {0};
    AUTO_X509 *x = block_next(in, &b) ? certificate_of(&b) : NULL;
    if (!x)
        return fail(err, E_INVALID, "it is not a certificate in PEM format");
    if (block_next(in, &more))
        return fail(err, E_LIMIT, "there is more than one certificate in it");
    *ret = x;
    x = NULL;
    return 0;
}

/* ---- what a certificate tells ---- */

static int64_t time_ms(const ASN1_TIME *t)
{
    struct tm tm = {0};
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* Of a kind that fits a host name: no NUL within, printable ASCII. */
static bool plain(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isgraph(s[i]))
            return false;
    return n > 0 && n <= 253;
}

static const char *name_part(struct arena *a, X509_NAME *name, int nid)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0)
        return NULL;
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8,
                                X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    const char *ret = NULL;
    if (n > 0 && utf8_valid((char *)utf8, (size_t)n) && !memchr(utf8, 0, (size_t)n))
        ret = arena_strndup(a, (char *)utf8, (size_t)n);
    OPENSSL_free(utf8);
    return ret;
}

/* Beyond ASCII it is escaped (RFC 2253), so it is UTF-8 whatever the name holds. */
static const char *name_text(struct arena *a, X509_NAME *name)
{
    AUTO_BIO *out = BIO_new(BIO_s_mem());
    char *text;
    if (!out || X509_NAME_print_ex(out, name, 0,
                                   ASN1_STRFLGS_RFC2253 | XN_FLAG_SEP_CPLUS_SPC |
                                       XN_FLAG_FN_SN) < 0)
        return NULL;
    long n = BIO_get_mem_data(out, &text);
    return arena_strndup(a, text, n > 0 ? (size_t)n : 0);
}

static void name_add(struct arena *a, struct string_list *to, const unsigned char *s,
                     size_t n)
{
    if (!plain(s, n) || to->n >= NAMES_MAX)
        return;
    const char *text = arena_strndup(a, (const char *)s, n);
    for (size_t i = 0; i < to->n; i++)
        if (streq(to->v[i], text))
            return;
    *LIST_PUSH(a, to) = text;
}

static void read_names(const X509 *x, struct arena *a, struct x509_info *ret)
{
    const char *cn = name_part(a, X509_get_subject_name(x), NID_commonName);
    if (cn)
        name_add(a, &ret->names, (const unsigned char *)cn, strlen(cn));
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        if (g->type == GEN_DNS)
            name_add(a, &ret->names, ASN1_STRING_get0_data(g->d.dNSName),
                     (size_t)ASN1_STRING_length(g->d.dNSName));
    }
    GENERAL_NAMES_free(all);
    ret->domain_name = cn ? cn : ret->names.n ? ret->names.v[0] : NULL;
}

static void read_subject(X509 *x, struct arena *a, struct x509_info *ret)
{
    X509_NAME *issuer = X509_get_issuer_name(x);
    ret->subject = name_text(a, X509_get_subject_name(x));
    ret->issuer = name_part(a, issuer, NID_organizationName);
    if (!ret->issuer)
        ret->issuer = name_part(a, issuer, NID_commonName);
    if (!ret->issuer)
        ret->issuer = name_text(a, issuer);
}

static const char *serial_text(const X509 *x, struct arena *a)
{
    AUTO_STR text = STR_INIT;
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    unsigned char bytes[64];
    int size = n && BN_num_bytes(n) <= (int)sizeof(bytes) ? BN_bn2bin(n, bytes) : 0;
    for (int i = 0; i < size; i++)
        str_addf(&text, "%s%02x", i ? ":" : "", bytes[i]);
    BN_free(n);
    return arena_strdup(a, size ? text.data : "00");
}

static const char *signature_text(const X509 *x, struct arena *a)
{
    int digest = NID_undef, key = NID_undef;
    int nid = X509_get_signature_nid(x);
    if (!OBJ_find_sigid_algs(nid, &digest, &key) || digest == NID_undef)
        return nid == NID_undef ? NULL : arena_strdup(a, OBJ_nid2sn(nid));
    const char *with = key == NID_rsaEncryption          ? "RSA"
                       : key == NID_X9_62_id_ecPublicKey ? "ECDSA"
                                                         : OBJ_nid2sn(key);
    return arena_printf(a, "%sWITH%s", OBJ_nid2sn(digest), with);
}

static const char *key_algorithm(const EVP_PKEY *k)
{
    static const struct {
        int bits;
        const char *name;
    } rsa[] = {
        {1024, "RSA_1024"}, {2048, "RSA_2048"}, {3072, "RSA_3072"}, {4096, "RSA_4096"}};
    static const struct {
        const char *group, *name;
    } ec[] = {{SN_X9_62_prime256v1, "EC_prime256v1"},
              {SN_secp384r1, "EC_secp384r1"},
              {SN_secp521r1, "EC_secp521r1"}};
    char group[64];
    size_t n;
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA)
        for (size_t i = 0; i < sizeof(rsa) / sizeof(rsa[0]); i++)
            if (EVP_PKEY_get_bits(k) == rsa[i].bits)
                return rsa[i].name;
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_EC &&
        EVP_PKEY_get_group_name(k, group, sizeof(group), &n) == 1)
        for (size_t i = 0; i < sizeof(ec) / sizeof(ec[0]); i++)
            if (streq(group, ec[i].group))
                return ec[i].name;
    return NULL;
}

static void read_usages(X509 *x, struct arena *a, struct x509_info *ret)
{
    ASN1_BIT_STRING *bits = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    for (int i = 0; bits && i < 9; i++)
        if (ASN1_BIT_STRING_get_bit(bits, i))
            ret->key_usage |= 1U << i;
    ASN1_BIT_STRING_free(bits);
    EXTENDED_KEY_USAGE *all = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    for (int i = 0; i < sk_ASN1_OBJECT_num(all) && i < NAMES_MAX; i++) {
        char oid[128];
        if (OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(all, i), 1) > 0)
            *LIST_PUSH(a, &ret->extended_key_usage) = arena_strdup(a, oid);
    }
    sk_ASN1_OBJECT_pop_free(all, ASN1_OBJECT_free);
}

int x509_certificate_read(const char *pem, size_t size, struct arena *a,
                          struct x509_info *ret, struct error *err)
{
    AUTO_X509 *x = NULL;
    int r = one_certificate(pem, size, &x, err);
    if (r < 0)
        return r;
    const EVP_PKEY *key = X509_get0_pubkey(x);
    *ret = (struct x509_info){0};
    if (!key)
        return fail(err, E_INVALID, "its public key can't be read");
    read_names(x, a, ret);
    read_subject(x, a, ret);
    read_usages(x, a, ret);
    ret->serial = serial_text(x, a);
    ret->not_before_ms = time_ms(X509_get0_notBefore(x));
    ret->not_after_ms = time_ms(X509_get0_notAfter(x));
    ret->key_algorithm = key_algorithm(key);
    ret->signature_algorithm = signature_text(x, a);
    return 0;
}

/* ---- keys ---- */

static bool encrypted(const struct block *b)
{
    return streq(b->name, PEM_STRING_PKCS8) ||
           (b->header && strstr(b->header, "ENCRYPTED"));
}

static EVP_PKEY *key_of(const struct block *b)
{
    const unsigned char *at = b->data;
    if (streq(b->name, PEM_STRING_RSA))
        return d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, b->size);
    if (streq(b->name, PEM_STRING_ECPRIVATEKEY))
        return d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, b->size);
    if (!streq(b->name, PEM_STRING_PKCS8INF))
        return NULL;
    return d2i_AutoPrivateKey(NULL, &at, b->size);
}

static int one_key(const char *pem, size_t size, EVP_PKEY **ret, struct error *err)
{
    AUTO_BIO *in = reader(pem, size);
    AUTO_BLOCK b = {0}, more = {0};
    bool found = block_next(in, &b);
    if (found &&
        streq(b.name, PEM_STRING_ECPARAMETERS)) /* as openssl ecparam writes it */
        found = block_next(in, &b);
    if (found && encrypted(&b))
        return fail(err, E_DENIED, "it is encrypted");
    AUTO_KEY *k = found ? key_of(&b) : NULL;
    if (!k || block_next(in, &more))
        return fail(err, E_INVALID, "it is not one private key in PEM format");
    *ret = k;
    k = NULL;
    return 0;
}

int x509_key_check(const char *certificate, size_t certificate_size, const char *key,
                   size_t key_size, struct error *err)
{
    AUTO_X509 *x = NULL;
    AUTO_KEY *k = NULL;
    int r = one_certificate(certificate, certificate_size, &x, err);
    if (r == 0)
        r = one_key(key, key_size, &k, err);
    if (r < 0)
        return r;
    const EVP_PKEY *public = X509_get0_pubkey(x);
    if (!key_algorithm(k))
        return fail(err, E_UNSUPPORTED,
                    "it is neither RSA of 1024, 2048, 3072 or 4096 bits nor on the curve "
                    "P-256, P-384 or P-521");
    if (!public || EVP_PKEY_eq(public, k) != 1)
        return fail(err, E_CONFLICT, "it is not the key of the certificate");
    return 0;
}

/* ---- chains ---- */

/* Did `issuer` sign it, by name and by signature? */
static bool signed_by(X509 *x, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return key &&
           X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) == 0 &&
           X509_verify(x, key) == 1;
}

int x509_chain_check(const char *certificate, size_t certificate_size, const char *chain,
                     size_t chain_size, struct error *err)
{
    AUTO_X509 *x = NULL;
    AUTO_BIO *in = reader(chain, chain_size);
    AUTO_BLOCK b = {0};
    int n = 0, r = one_certificate(certificate, certificate_size, &x, err);
    if (r < 0)
        return r;
    while (block_next(in, &b)) {
        X509 *issuer = certificate_of(&b);
        if (!issuer)
            return fail(err, E_INVALID, "it is not certificates in PEM format");
        bool fits = signed_by(x, issuer);
        X509_free(x);
        x = issuer;
        if (!fits)
            return fail(err, E_CONFLICT,
                        "certificate %d of the chain did not sign the one before it",
                        n + 1);
        if (++n > X509_CHAIN_MAX)
            return fail(err, E_LIMIT, "a chain has at most %d certificates",
                        X509_CHAIN_MAX);
    }
    return n ? 0 : fail(err, E_INVALID, "it is not certificates in PEM format");
}

void x509_blocks_add(struct str *out, const char *pem)
{
    AUTO_BIO *in = reader(pem, strlen(pem)), *to = BIO_new(BIO_s_mem());
    AUTO_BLOCK b = {0};
    char *text;
    while (to && block_next(in, &b))
        PEM_write_bio(to, b.name, b.header, b.data, b.size);
    long n = to ? BIO_get_mem_data(to, &text) : 0;
    if (n > 0)
        str_addn(out, text, (size_t)n);
}
