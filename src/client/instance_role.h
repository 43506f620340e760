/* instance_role.h: the credentials that an EC2 instance has from its role, and how they stay
 * fresh.
 *
 * They are asked of the instance's metadata service, IMDSv2 (a token, the role's name, its
 * credentials), at once and again before they end: when ROLE_EARLY_MS are left, or half of
 * their time where they live shorter than twice that. What is not there is asked for again
 * with a back-off; old ones serve until they have really ended.
 *
 * Owns: credentials, in memory only, wiped when they go; never logged. Threads: the loop's.
 * Fails: instance_role_new() with a bad URL; later it logs and tries again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "error.h"
#include "sigv4.h"

#define ROLE_EARLY_MS      (15 * 60 * 1000)
#define ROLE_RETRY_MOST_MS 10000

struct instance_role;

/* `changed` comes from the loop: with true when there are credentials after there were none,
 * with false when the first try ended without any. */
int instance_role_new(uv_loop_t *loop, const char *url,
                      void (*changed)(void *ctx, bool have), void *ctx,
                      struct instance_role **ret, struct error *err);
/* NULL: none that are valid. */
const struct sigv4_credentials *instance_role_get(struct instance_role *r);
/* No try has ended yet. */
bool instance_role_is_new(const struct instance_role *r);
/* Why there are none, and what to do. */
const char *instance_role_complaint(const struct instance_role *r);
/* The server does not take them: they are asked for again, soon. */
void instance_role_renew(struct instance_role *r);
/* Run the loop, then free. NULL allowed. */
void instance_role_close(struct instance_role *r);
void instance_role_free(struct instance_role *r);

/* ---- pure, for tests ---- */

/* When to ask again, from now on, for credentials that end in left_ms. */
int64_t instance_role_refresh_ms(int64_t left_ms);

struct role_keys {
    char *access_key_id, *secret, *token;
    int64_t expires_ms;
};
void role_keys_free(struct role_keys *k); /* wipes */
/* The service's JSON. E_NOTFOUND: it says why there are none; E_PROTOCOL. */
int role_keys_parse(const char *json, size_t len, struct role_keys *ret, struct error *err);
