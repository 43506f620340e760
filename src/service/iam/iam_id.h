/* iam_id.h: unique ids and access key ids: AIDA…, AROA…, AKIA…, ASIA….
 *
 * Behind the prefix of four letters come, in base 32, five bytes that hold half the account
 * (plus 2^39), and one letter of the alphabet's first half for an even account and of its
 * second half for an odd one; the rest is random. So a key tells its account.
 *
 * Owns: nothing. Threads: state thread (the random source is the core's). Fails: as noted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct core;

#define IAM_ID_LENGTH     21 /* AIDA, AGPA, AROA, AIPA, ANPA */
#define IAM_KEY_LENGTH    20 /* AKIA, ASIA */
#define IAM_SECRET_LENGTH 40
#define IAM_ACCOUNT_SIZE  13 /* 12 digits and NUL */

/* `length` characters and NUL into ret; the account has 12 digits. */
void iam_id_make(struct core *core, const char *prefix, const char *account,
                 size_t length, char *ret);
/* The account of a unique or access key id. False: it was not made so. */
bool iam_id_account(const char *id, char ret[IAM_ACCOUNT_SIZE]);
/* IAM_SECRET_LENGTH characters and NUL. */
void iam_secret_make(struct core *core, char *ret);
