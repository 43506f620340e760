/* number.h: DynamoDB's numbers: exact decimals of at most 38 significant digits.
 *
 * On the wire and in store a number is text; here it is taken apart for arithmetic, for
 * comparison and for keys. Nothing is ever rounded: a result that needs more digits or a
 * larger exponent than the service allows is refused (Developer Guide, Supported data types
 * and naming rules, Number: magnitudes 1E-130 to 9.99…E+125).
 *
 * Owns: nothing; texts that it makes lie in the caller's arena. Threads: any.
 * Fails: E_INVALID with the text that the service gives its ValidationException. */
#pragma once

#include "arena.h"
#include "decimal.h"
#include "error.h"
#include "str.h"

#define NUMBER_DIGITS_MAX   38
#define NUMBER_EXPONENT_MAX 125  /* of the first digit */
#define NUMBER_EXPONENT_MIN -130

/* A number as the service takes it: "12", "-0.5", "1e3"; no blanks. */
int number_parse(const char *text, struct decimal *ret, struct error *err);

/* The one text of a number: no exponent, no zeros that say nothing, no "-0". */
const char *number_text(struct arena *a, const struct decimal *n);

int number_add(const struct decimal *a, const struct decimal *b, struct decimal *ret,
               struct error *err);
int number_subtract(const struct decimal *a, const struct decimal *b, struct decimal *ret,
                    struct error *err);

/* Appends bytes whose order by memcmp() is the numbers' order; equal numbers, equal bytes.
 * No number's bytes are the beginning of another's. At most 24 bytes. */
void number_key(const struct decimal *n, struct str *out);
