#include "iam_id.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "str.h"

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#define PREFIX      4
#define CODE        8 /* 40 bits */
#define OFFSET      (UINT64_C(1) << 39)
#define HALF        16
#define MAX_ACCOUNT INT64_C(999999999999)

void iam_id_make(struct core *core, const char *prefix, const char *account,
                 size_t length, char *ret)
{
    int64_t number = 0;
    str_to_i64(account, 0, MAX_ACCOUNT, &number);
    uint64_t code = (uint64_t)number / 2 + OFFSET;
    memcpy(ret, prefix, PREFIX);
    for (size_t i = 0; i < CODE; i++)
        ret[PREFIX + i] = base32[code >> (5 * (CODE - 1 - i)) & 31];
    uint64_t letter = core_random_below(core, HALF) + (number % 2 ? HALF : 0);
    ret[PREFIX + CODE] = base32[letter];
    for (size_t i = PREFIX + CODE + 1; i < length; i++)
        ret[i] = base32[core_random_below(core, 32)];
    ret[length] = '\0';
}

/* -1: not a letter of base 32. */
static int digit(char c)
{
    const char *p = c ? strchr(base32, c) : NULL;
    return p ? (int)(p - base32) : -1;
}

bool iam_id_account(const char *id, char ret[IAM_ACCOUNT_SIZE])
{
    uint64_t code = 0;
    if (strnlen(id, IAM_KEY_LENGTH) < IAM_KEY_LENGTH)
        return false;
    for (size_t i = 0; i < CODE; i++) {
        int d = digit(id[PREFIX + i]);
        if (d < 0)
            return false;
        code = code << 5 | (uint64_t)d;
    }
    int parity = digit(id[PREFIX + CODE]);
    if (parity < 0 || code < OFFSET)
        return false;
    uint64_t number = (code - OFFSET) * 2 + (parity >= HALF);
    if (number > (uint64_t)MAX_ACCOUNT)
        return false;
    snprintf(ret, IAM_ACCOUNT_SIZE, "%012" PRIu64, number);
    return true;
}

void iam_secret_make(struct core *core, char *ret)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+";
    for (size_t i = 0; i < IAM_SECRET_LENGTH; i++)
        ret[i] = letters[core_random_below(core, 64)];
    ret[IAM_SECRET_LENGTH] = '\0';
}
