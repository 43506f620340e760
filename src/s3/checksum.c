#include "checksum.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "str.h"

#define CRC32_POLY     0xedb88320u
#define CRC32C_POLY    0x82f63b78u
#define CRC64NVME_POLY 0x9a6c9329ac4bc9b5ull
#define SLICES         16

/* Tables are made once, at first use: 48 KiB. */
static uint32_t crc32_table[SLICES][256], crc32c_table[SLICES][256];
static uint64_t crc64_table[SLICES][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make32(uint32_t table[SLICES][256], uint32_t poly)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ poly : crc >> 1;
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int s = 1; s < SLICES; s++)
            table[s][i] = table[s - 1][i] >> 8 ^ table[0][table[s - 1][i] & 0xff];
}

static void make_tables(void)
{
    make32(crc32_table, CRC32_POLY);
    make32(crc32c_table, CRC32C_POLY);
    for (uint32_t i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ CRC64NVME_POLY : crc >> 1;
        crc64_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int s = 1; s < SLICES; s++)
            crc64_table[s][i] =
                crc64_table[s - 1][i] >> 8 ^ crc64_table[0][crc64_table[s - 1][i] & 0xff];
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* Sixteen bytes at a time: each of them is looked up in the table of its distance to the end
 * of the sixteen, and the lookups do not wait for each other. */
static uint32_t update32(const uint32_t t[SLICES][256], uint32_t crc, const uint8_t *p,
                         size_t len)
{
    for (; len >= 16; p += 16, len -= 16) {
        uint64_t a = load64(p) ^ crc, b = load64(p + 8);
        crc = 0;
        for (unsigned i = 0; i < 8; i++) {
            crc ^= t[15 - i][a >> 8 * i & 0xff];
            crc ^= t[7 - i][b >> 8 * i & 0xff];
        }
    }
    while (len--)
        crc = crc >> 8 ^ t[0][(crc ^ *p++) & 0xff];
    return crc;
}

uint32_t crc32_update(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&made, make_tables);
    return update32(crc32_table, crc, data, len);
}

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&made, make_tables);
    return update32(crc32c_table, crc, data, len);
}

uint64_t crc64nvme_update(uint64_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    pthread_once(&made, make_tables);
    for (; len >= 16; p += 16, len -= 16) {
        uint64_t a = load64(p) ^ crc, b = load64(p + 8);
        crc = 0;
        for (unsigned i = 0; i < 8; i++) {
            crc ^= crc64_table[15 - i][a >> 8 * i & 0xff];
            crc ^= crc64_table[7 - i][b >> 8 * i & 0xff];
        }
    }
    while (len--)
        crc = crc >> 8 ^ crc64_table[0][(crc ^ *p++) & 0xff];
    return crc;
}

/* ---- one face for all ---- */

struct kind {
    enum s3_checksum_algorithm algorithm;
    const char *name;
    size_t size;
    bool full, composite;
    const EVP_MD *(*digest)(void);
};

static const struct kind kinds[] = {
    {S3_CHECKSUM_ALGORITHM_CRC32, "crc32", 4, true, true, NULL},
    {S3_CHECKSUM_ALGORITHM_CRC32C, "crc32c", 4, true, true, NULL},
    {S3_CHECKSUM_ALGORITHM_CRC64NVME, "crc64nvme", 8, true, false, NULL},
    {S3_CHECKSUM_ALGORITHM_SHA1, "sha1", 20, false, true, EVP_sha1},
    {S3_CHECKSUM_ALGORITHM_SHA256, "sha256", 32, false, true, EVP_sha256},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct checksum {
    const struct kind *kind;
    uint64_t crc;
    EVP_MD_CTX *hash;
};

static const struct kind *kind_of(enum s3_checksum_algorithm algorithm)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].algorithm == algorithm)
            return &kinds[i];
    return NULL;
}

struct checksum *checksum_new(enum s3_checksum_algorithm algorithm)
{
    const struct kind *kind = kind_of(algorithm);
    if (!kind)
        return NULL;
    struct checksum *c = xcalloc(1, sizeof(*c));
    c->kind = kind;
    c->crc = UINT64_MAX;
    if (kind->digest) {
        c->hash = EVP_MD_CTX_new();
        EVP_DigestInit_ex(c->hash, kind->digest(), NULL);
    }
    return c;
}

void checksum_free(struct checksum *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->hash);
    free(c);
}

void checksum_update(struct checksum *c, const void *data, size_t len)
{
    if (c->hash)
        EVP_DigestUpdate(c->hash, data, len);
    else if (c->kind->size == 8)
        c->crc = crc64nvme_update(c->crc, data, len);
    else if (c->kind->algorithm == S3_CHECKSUM_ALGORITHM_CRC32)
        c->crc = crc32_update((uint32_t)c->crc, data, len);
    else
        c->crc = crc32c_update((uint32_t)c->crc, data, len);
}

size_t checksum_end(struct checksum *c, uint8_t ret[static CHECKSUM_MAX])
{
    uint64_t crc = ~c->crc;
    size_t n = c->kind->size;
    if (c->hash)
        EVP_DigestFinal_ex(c->hash, ret, NULL);
    else
        for (size_t i = 0; i < n; i++)
            ret[i] = (uint8_t)(crc >> 8 * (n - 1 - i));
    return n;
}

size_t checksum_size(enum s3_checksum_algorithm algorithm)
{
    const struct kind *k = kind_of(algorithm);
    return k ? k->size : 0;
}

bool checksum_full_object(enum s3_checksum_algorithm algorithm)
{
    const struct kind *k = kind_of(algorithm);
    return k && k->full;
}

bool checksum_composite(enum s3_checksum_algorithm algorithm)
{
    const struct kind *k = kind_of(algorithm);
    return k && k->composite;
}

const char *checksum_name(enum s3_checksum_algorithm algorithm)
{
    const struct kind *k = kind_of(algorithm);
    return k ? k->name : NULL;
}

enum s3_checksum_algorithm checksum_by_name(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcasecmp(kinds[i].name, name) == 0)
            return kinds[i].algorithm;
    return S3_CHECKSUM_ALGORITHM_UNSET;
}

/* ---- combining ----
 *
 * Appending n zero bytes to a message multiplies its CRC by x^(8n) modulo the polynomial; the
 * CRC of a joined message is that of the first, so moved, added to that of the second. Powers
 * come by squaring, so the cost is some dozens of multiplications whatever n is. Reflected: the
 * highest bit is x^0. */

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t poly, unsigned width)
{
    uint64_t top = 1ull << (width - 1), sum = 0;
    for (uint64_t bit = top; bit; bit >>= 1) {
        if (a & bit)
            sum ^= b;
        b = b & 1 ? b >> 1 ^ poly : b >> 1;
    }
    return sum;
}

uint64_t checksum_crc_combine(enum s3_checksum_algorithm algorithm, uint64_t first,
                              uint64_t second, uint64_t second_len)
{
    bool wide = algorithm == S3_CHECKSUM_ALGORITHM_CRC64NVME;
    unsigned width = wide ? 64 : 32;
    uint64_t poly = wide                                        ? CRC64NVME_POLY
                    : algorithm == S3_CHECKSUM_ALGORITHM_CRC32C ? CRC32C_POLY
                                                                : CRC32_POLY;
    uint64_t power = 1ull << (width - 1); /* x^0 */
    uint64_t base = 1ull << (width - 9);  /* x^8 */
    for (uint64_t n = second_len; n; n >>= 1) {
        if (n & 1)
            power = multiply(power, base, poly, width);
        base = multiply(base, base, poly, width);
    }
    return multiply(first, power, poly, width) ^ second;
}
