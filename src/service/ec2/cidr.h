/* cidr.h: IPv4 address ranges ("10.0.0.0/16"). Addresses are in host byte order.
 *
 * Owns: nothing. Threads: any. Fails: cidr_parse() returns false. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

struct cidr {
    uint32_t base; /* bits behind the prefix are 0 */
    unsigned prefix_len;
};

/* Strict: four decimal numbers and a prefix length. Bits behind the prefix: see `strict`. */
bool cidr_parse(const char *text, struct cidr *ret);
/* As above; false when bits behind the prefix are set. */
bool cidr_parse_strict(const char *text, struct cidr *ret);
bool address_parse(const char *text, uint32_t *ret);
const char *cidr_text(struct arena *a, struct cidr c);
const char *address_text(struct arena *a, uint32_t address);

uint32_t cidr_size(struct cidr c); /* 2^(32 - prefix), 0 for /0 */
bool cidr_contains(struct cidr outer, struct cidr inner);
bool cidr_has(struct cidr c, uint32_t address);
bool cidr_overlap(struct cidr a, struct cidr b);
/* RFC 1918 */
bool cidr_private(struct cidr c);
