/* made.h: certificates and keys for tests, made by OpenSSL when they are needed.
 * Owns: texts, until made_free(). Threads: one. */
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "str.h"

struct made {
    X509 *x;
    EVP_PKEY *k;
    struct str pem, key;
};

static void made_text(BIO *b, struct str *to)
{
    char *text;
    long n = BIO_get_mem_data(b, &text);
    str_addn(to, text, (size_t)n);
    BIO_free(b);
}

static void made_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* `alt` and `usage` may be NULL; NULL `issuer`: it signs itself. Times in seconds. */
static void made_new(struct made *m, const char *cn, const char *alt, const char *usage,
                     const struct made *issuer, int64_t from, int64_t until)
{
    *m =
        (struct made){.x = X509_new(), .k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const unsigned char *)"US", -1,
                               -1, 0);
    if (cn)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn,
                                   -1, -1, 0);
    X509_set_version(m->x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(m->x), 0x1234);
    ASN1_TIME_set(X509_getm_notBefore(m->x), from);
    ASN1_TIME_set(X509_getm_notAfter(m->x), until);
    X509_set_subject_name(m->x, name);
    X509_set_issuer_name(m->x, issuer ? X509_get_subject_name(issuer->x) : name);
    X509_set_pubkey(m->x, m->k);
    if (alt)
        made_extension(m->x, NID_subject_alt_name, alt);
    if (usage)
        made_extension(m->x, NID_key_usage, usage);
    assert_true(X509_sign(m->x, issuer ? issuer->k : m->k, EVP_sha384()) > 0);
    X509_NAME_free(name);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, m->x);
    made_text(b, &m->pem);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, m->k, NULL, NULL, 0, NULL, NULL);
    made_text(b, &m->key);
}

static void made_free(struct made *m)
{
    X509_free(m->x);
    EVP_PKEY_free(m->k);
    str_free(&m->pem);
    str_free(&m->key);
}
