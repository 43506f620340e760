/* x509.h: certificates, chains and private keys as PEM texts: are they what they say they
 * are, do they belong together, and what does a certificate tell. Pure.
 *
 * Texts come from outside: sizes are the caller's to bound, the number of a chain's
 * certificates is bounded here. A private key is compared and never shown: no message
 * quotes a key, and no decoder here ever asks a terminal for a pass phrase.
 *
 * Owns: nothing; texts that come back lie in the caller's arena. Threads: any.
 * Fails: as noted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "str.h"
#include "wire.h"

#define X509_CHAIN_MAX 20

/* RFC 5280 §4.2.1.3, KeyUsage: bit n of the BIT STRING. */
enum x509_key_usage {
    X509_DIGITAL_SIGNATURE = 1 << 0,
    X509_NON_REPUDIATION = 1 << 1,
    X509_KEY_ENCIPHERMENT = 1 << 2,
    X509_DATA_ENCIPHERMENT = 1 << 3,
    X509_KEY_AGREEMENT = 1 << 4,
    X509_CERTIFICATE_SIGNING = 1 << 5,
    X509_CRL_SIGNING = 1 << 6,
    X509_ENCIPHER_ONLY = 1 << 7,
    X509_DECIPHER_ONLY = 1 << 8,
};

struct x509_info {
    const char
        *domain_name; /* the common name; without one the first of `names`; or NULL */
    struct string_list names; /* DNS names; the domain name is the first of them */
    const char *serial;       /* "0a:1b:…" */
    const char *subject;      /* "C=US, O=Example, CN=example.com" */
    const char *issuer;       /* its organisation, else its common name, else all of it */
    int64_t not_before_ms, not_after_ms;
    const char *key_algorithm;       /* "RSA_2048", "EC_prime256v1", …; NULL: another */
    const char *signature_algorithm; /* "SHA256WITHRSA" */
    unsigned key_usage;              /* enum x509_key_usage */
    struct string_list extended_key_usage; /* OIDs: "1.3.6.1.5.5.7.3.1" */
};

/* Exactly one certificate. E_INVALID it is none, E_LIMIT it is more than one. */
int x509_certificate_read(const char *pem, size_t size, struct arena *a,
                          struct x509_info *ret, struct error *err);
/* Exactly one private key, in clear. E_INVALID it is none, E_DENIED it is encrypted,
 * E_UNSUPPORTED it is of no kind that load balancers take, E_CONFLICT it is another
 * certificate's. */
int x509_key_check(const char *certificate, size_t certificate_size, const char *key,
                   size_t key_size, struct error *err);
/* Certificates, each of which signed the one before it, the first one `certificate`.
 * E_INVALID not certificates, E_LIMIT too many, E_CONFLICT not a chain. */
int x509_chain_check(const char *certificate, size_t certificate_size, const char *chain,
                     size_t chain_size, struct error *err);
/* Appends the blocks of a PEM text, one after another with nothing between them. */
void x509_blocks_add(struct str *out, const char *pem);
