#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "blob.h"
#include "str.h"

struct blob_hash {
    enum blob_algorithm algorithm;
    EVP_MD_CTX *ctx;
};

static const struct {
    const char *prefix;
    size_t bytes;
    const EVP_MD *(*md)(void);
} kinds[] = {
    [BLOB_SHA256] = {"sha256:", 32, EVP_sha256},
    [BLOB_SHA512] = {"sha512:", 64, EVP_sha512},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool lower_hex(const char *s)
{
    for (; *s; s++) {
        if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f')))
            return false;
    }
    return true;
}

/* The grammar's general form: an algorithm, a colon, something after it. */
static bool other_algorithm(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+._-");
    return n > 0 && text[n] == ':' && text[n + 1] && !str_starts(text, "sha256:") &&
           !str_starts(text, "sha512:");
}

int blob_digest_parse(const char *text, struct blob_digest *ret, struct error *err)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t prefix = strlen(kinds[i].prefix);
        if (!str_starts(text, kinds[i].prefix))
            continue;
        struct blob_digest d = {.algorithm = (enum blob_algorithm)i};
        if (strlen(text) != prefix + 2 * kinds[i].bytes || !lower_hex(text + prefix) ||
            !hex_decode(text + prefix, d.bytes, kinds[i].bytes))
            break;
        *ret = d;
        return 0;
    }
    if (other_algorithm(text))
        return fail(err, E_UNSUPPORTED, "the digest '%.80s' is neither sha256 nor sha512",
                    text);
    return fail(err, E_INVALID, "'%.160s' is no digest", text);
}

void blob_digest_format(const struct blob_digest *d, char ret[static BLOB_DIGEST_SIZE])
{
    size_t prefix = strlen(kinds[d->algorithm].prefix);
    memcpy(ret, kinds[d->algorithm].prefix, prefix);
    hex_encode(d->bytes, kinds[d->algorithm].bytes, ret + prefix);
}

bool blob_digest_equal(const struct blob_digest *a, const struct blob_digest *b)
{
    return a->algorithm == b->algorithm &&
           memcmp(a->bytes, b->bytes, kinds[a->algorithm].bytes) == 0;
}

void blob_digest_of(enum blob_algorithm algorithm, const void *data, size_t len,
                    struct blob_digest *ret)
{
    *ret = (struct blob_digest){.algorithm = algorithm};
    EVP_Digest(data, len, ret->bytes, NULL, kinds[algorithm].md(), NULL);
}

struct blob_hash *blob_hash_new(enum blob_algorithm algorithm)
{
    struct blob_hash *h = xcalloc(1, sizeof(*h));
    h->algorithm = algorithm;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || !EVP_DigestInit_ex(h->ctx, kinds[algorithm].md(), NULL))
        abort(); /* SHA-2 is always there; only memory can be missing */
    return h;
}

void blob_hash_update(struct blob_hash *h, const void *data, size_t len)
{
    EVP_DigestUpdate(h->ctx, data, len);
}

void blob_hash_peek(const struct blob_hash *h, struct blob_digest *ret)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    *ret = (struct blob_digest){.algorithm = h->algorithm};
    if (!copy || !EVP_MD_CTX_copy_ex(copy, h->ctx))
        abort();
    EVP_DigestFinal_ex(copy, ret->bytes, NULL);
    EVP_MD_CTX_free(copy);
}

void blob_hash_free(struct blob_hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}
