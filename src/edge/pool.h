/* pool.h: the public addresses of a run, a /20 of 198.18.0.0/15 (RFC 2544's, which nobody
 * routes), unless the owner names another range.
 *
 * Chosen free of every route of this machine and of every other run's, and kept in the data
 * directory, so that addresses stay. Who has which is written down machine-wide, a file a
 * run, under a lock: two runs that begin together do not take the same.
 * The first /24 is the edge's own; its second address is the resolver's.
 *
 * Owns: these files. Threads: any. Fails: E_INVALID a range, E_CONFLICT it overlaps a route
 * or another run's, E_FULL nothing is free. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct pool {
    uint32_t base; /* host byte order */
    int prefix_len;
};

struct pool_text {
    char cidr[20];
    char resolver[16];
};

/* "198.18.16.0/20": /16 to /23, no bits behind the prefix. */
int pool_parse(const char *text, struct pool *ret, struct error *err);
struct pool_text pool_text(const struct pool *p);
bool pool_overlaps(const struct pool *p, uint32_t base, int prefix_len);

struct pool_route {
    uint32_t base; /* host byte order */
    int prefix_len;
};
/* Pure: the first free one in an order that begins at `seed`; default routes do not count.
 * E_FULL. */
int pool_choose(const struct pool_route *routes, size_t count, uint32_t seed,
                struct pool *ret, struct error *err);

#define POOL_CLAIMS "/run/gantry.pools"

struct pool_place {
    const char *kept;   /* file: the run's pool */
    const char *claims; /* folder; POOL_CLAIMS but in tests */
    const char *run;
};

/* The run's pool: `wanted` (NULL: none in particular), else the one that is kept, else one
 * that is chosen, free. Claimed and kept when this returns. */
int pool_settle(const struct pool_place *p, const char *wanted, struct pool *ret,
                struct error *err);
/* What is kept. E_NOTFOUND. */
int pool_read(const char *path, struct pool *ret, struct error *err);
/* Others may have it. */
int pool_release(const struct pool_place *p, struct error *err);
