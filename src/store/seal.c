#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base64.h"
#include "fd.h"

#define KEY_FILE    "seal.key"
#define MARK        "sealed:1:"
#define ID_SIZE     4
#define ID_TEXT     (2 * ID_SIZE)
#define HEADER_SIZE (sizeof(MARK) - 1 + ID_TEXT + 1)
#define NONCE_SIZE  12
#define TAG_SIZE    16

struct key {
    uint8_t bytes[SEAL_KEY_SIZE];
    char id[ID_TEXT + 1];
};

struct seal_keys {
    size_t count;
    struct key v[SEAL_KEYS_MAX]; /* the newest last */
};

void secret_free(struct str *s)
{
    if (s->data)
        OPENSSL_cleanse(s->data, s->cap);
    str_free(s);
}

static _Noreturn void cannot_seal(const char *what)
{
    fprintf(stderr, "gantry: a secret can't be sealed: %s\n", what);
    abort();
}

/* ---- keys ---- */

struct seal_keys *seal_keys_new(const uint8_t *bytes, size_t count)
{
    struct seal_keys *keys = xcalloc(1, sizeof(*keys));
    for (keys->count = 0; keys->count < count; keys->count++) {
        struct key *k = &keys->v[keys->count];
        uint8_t hash[EVP_MAX_MD_SIZE];
        memcpy(k->bytes, bytes + keys->count * SEAL_KEY_SIZE, SEAL_KEY_SIZE);
        if (!EVP_Digest(k->bytes, SEAL_KEY_SIZE, hash, NULL, EVP_sha256(), NULL))
            cannot_seal("no SHA-256");
        hex_encode(hash, ID_SIZE, k->id);
    }
    return keys;
}

void seal_keys_free(struct seal_keys *keys)
{
    if (keys)
        OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

static int key_make(const char *path, struct seal_keys **ret, struct error *err)
{
    uint8_t bytes[SEAL_KEY_SIZE];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return fail(err, E_IO, "no random bytes for '%s'", path);
    int r = file_replace(path, bytes, sizeof(bytes), 0600, 1, err);
    if (r == 0)
        *ret = seal_keys_new(bytes, 1);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return r;
}

static int key_file_check(const char *path, const struct str *content, struct error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return fail_errno(err, errno, "stat '%s'", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return fail(err, E_DENIED,
                    "'%s' can be read by others than its owner: say chmod 600, and add a "
                    "new key if they may have read it",
                    path);
    if (content->len == 0 || content->len % SEAL_KEY_SIZE)
        return fail(err, E_CORRUPT,
                    "'%s' holds %zu bytes, and not %d for each key: put it back from a "
                    "backup",
                    path, content->len, SEAL_KEY_SIZE);
    return 0;
}

int seal_key_load(const char *data_dir, struct seal_keys **ret, struct error *err)
{
    AUTO_STR path = STR_INIT;
    AUTO_SECRET content = STR_INIT;
    str_addf(&path, "%s/" KEY_FILE, data_dir);
    int r = file_read(AT_FDCWD, path.data, SEAL_KEYS_MAX * SEAL_KEY_SIZE, &content, err);
    if (r == -E_NOTFOUND)
        return key_make(path.data, ret, err);
    if (r == 0)
        r = key_file_check(path.data, &content, err);
    if (r == 0)
        *ret = seal_keys_new((const uint8_t *)content.data, content.len / SEAL_KEY_SIZE);
    return r;
}

static const struct key *key_newest(const struct seal_keys *keys)
{
    return &keys->v[keys->count - 1];
}

/* ---- the header ---- */

bool seal_is(const char *text)
{
    return str_starts(text, MARK);
}

bool seal_is_newest(const struct seal_keys *keys, const char *text)
{
    return seal_is(text) &&
           strncmp(text + strlen(MARK), key_newest(keys)->id, ID_TEXT) == 0;
}

static int key_find(const struct seal_keys *keys, const char *text,
                    const struct key **ret, struct error *err)
{
    if (!text || !seal_is(text) || strlen(text) < HEADER_SIZE ||
        text[HEADER_SIZE - 1] != ':')
        return fail(err, E_CORRUPT,
                    "a secret is not stored as a sealed text: store it anew");
    const char *id = text + strlen(MARK);
    for (size_t i = keys->count; i-- > 0;) {
        if (strncmp(keys->v[i].id, id, ID_TEXT) != 0)
            continue;
        *ret = &keys->v[i];
        return 0;
    }
    return fail(err, E_CORRUPT,
                "a secret is sealed under the key %.*s, which " KEY_FILE " of the data "
                "directory does not hold: put that file back from a backup",
                ID_TEXT, id);
}

/* What GCM authenticates beside the value: how it is sealed, and where it belongs. */
static void add_bound(EVP_CIPHER_CTX *ctx, const char *header, const char *bound_to,
                      int (*update)(EVP_CIPHER_CTX *, unsigned char *, int *,
                                    const unsigned char *, int))
{
    int n;
    if (!update(ctx, NULL, &n, (const uint8_t *)header, (int)HEADER_SIZE) ||
        !update(ctx, NULL, &n, (const uint8_t *)bound_to, (int)strlen(bound_to)))
        cannot_seal("no AES-256-GCM");
}

static void cipher_free(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx); /* wipes the key's schedule */
}
#define AUTO_CIPHER __attribute__((cleanup(cipher_free))) EVP_CIPHER_CTX

/* ---- sealing and opening ---- */

/* body: nonce, ciphertext, tag. */
static void encrypt(const struct key *key, const char *header, const char *bound_to,
                    const void *plain, size_t size, uint8_t *body)
{
    AUTO_CIPHER *ctx = EVP_CIPHER_CTX_new();
    uint8_t *out = body + NONCE_SIZE;
    int n;
    if (!ctx || RAND_bytes(body, NONCE_SIZE) != 1 ||
        !EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, body))
        cannot_seal("no random bytes or no AES-256-GCM");
    add_bound(ctx, header, bound_to, EVP_EncryptUpdate);
    if ((size && !EVP_EncryptUpdate(ctx, out, &n, plain, (int)size)) ||
        !EVP_EncryptFinal_ex(ctx, out + size, &n) ||
        !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + size))
        cannot_seal("no AES-256-GCM");
}

const char *seal(const struct seal_keys *keys, struct arena *a, const void *plain,
                 size_t size, const char *bound_to)
{
    const struct key *key = key_newest(keys);
    size_t body_size = NONCE_SIZE + size + TAG_SIZE;
    uint8_t *body = xmalloc(body_size);
    AUTO_STR text = STR_INIT;
    str_addf(&text, MARK "%s:", key->id);
    encrypt(key, text.data, bound_to, plain, size, body);
    base64_add(&text, body, body_size);
    free(body);
    return arena_strndup(a, text.data, text.len);
}

static bool decrypt(const struct key *key, const char *text, const char *bound_to,
                    uint8_t *body, size_t size, uint8_t *out)
{
    AUTO_CIPHER *ctx = EVP_CIPHER_CTX_new();
    int n;
    if (!ctx || !EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, body))
        cannot_seal("no AES-256-GCM");
    add_bound(ctx, text, bound_to, EVP_DecryptUpdate);
    return (size == 0 || EVP_DecryptUpdate(ctx, out, &n, body + NONCE_SIZE, (int)size)) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE,
                               body + NONCE_SIZE + size) &&
           EVP_DecryptFinal_ex(ctx, out + size, &n) == 1;
}

static int changed(struct error *err)
{
    return fail(err, E_CORRUPT,
                "a sealed secret was changed or moved, so that it does not open: put the "
                "data back from a backup, or store the secret anew");
}

int seal_open(const struct seal_keys *keys, const char *text, const char *bound_to,
              struct str *ret, struct error *err)
{
    AUTO_ARENA a = ARENA_INIT;
    const struct key *key = NULL;
    uint8_t *body;
    size_t size;
    int r = key_find(keys, text, &key, err);
    if (r < 0)
        return r;
    const char *rest = text + HEADER_SIZE;
    if (!base64_decode(&a, rest, strlen(rest), &body, &size) ||
        size < NONCE_SIZE + TAG_SIZE)
        return changed(err);
    size -= NONCE_SIZE + TAG_SIZE;
    str_reserve(ret, size + 1);
    uint8_t *out = (uint8_t *)ret->data + ret->len;
    if (!decrypt(key, text, bound_to, body, size, out)) {
        OPENSSL_cleanse(out, size);
        *out = '\0';
        return changed(err);
    }
    ret->len += size;
    ret->data[ret->len] = '\0';
    return 0;
}

int seal_renew(const struct seal_keys *keys, struct arena *a, const char *bound_to,
               const char **text, struct error *err)
{
    AUTO_SECRET plain = STR_INIT;
    if (seal_is_newest(keys, *text))
        return 0;
    if (!seal_is(*text)) {
        *text = seal(keys, a, *text, strlen(*text), bound_to);
        return 1;
    }
    int r = seal_open(keys, *text, bound_to, &plain, err);
    if (r < 0)
        return r;
    *text = seal(keys, a, plain.data, plain.len, bound_to);
    return 1;
}
