/* health_check.h: asks targets how they are, from the namespaces of their load balancers.
 *
 * All checks share one thread and libcurl's multi interface; a socket is made in the
 * balancer's namespace, so it has the balancer's address and meets the same security groups.
 * Each check is one connection. At most HEALTH_CHECKS_AT_ONCE run; healthy targets are spread
 * over the interval by a hash of their key, so a thousand do not come in one moment.
 *
 * Owns: its thread and sockets. Threads: any; `changed` comes on its own thread and must not
 * call back. Fails: checker_new(): no libcurl, no thread. */
#pragma once

#include "error.h"
#include "target_health.h"

struct checker;

#define HEALTH_CHECKS_AT_ONCE 256

/* The state of a target, or what it is unhealthy of, has changed. */
typedef void checker_changed(void *ctx, const char *key, const struct target_health *h);

int checker_new(checker_changed *changed, void *ctx, struct checker **ret,
                struct error *err);
struct checker_target {
    const char *key;
    const char *netns; /* path */
    const char *address;
    int port;
    bool known_healthy; /* of a new one: it is healthy until checks say otherwise */
    struct target_health_rule rule;
};
/* A new target, or another rule for one. */
void checker_target(struct checker *c, const struct checker_target *t);
void checker_target_gone(struct checker *c, const char *key);
void checker_free(struct checker *c); /* NULL allowed */
