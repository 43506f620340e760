/* certificate_users.h: who uses a certificate: ARNs of load balancers. A set: to add one
 * again, or to remove one that is not there, changes nothing.
 *
 * Owns: copies of the ARNs, until certificate_users_free(). Threads: one. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

struct certificate_users {
    char **v;
    size_t n;
};

void certificate_users_set(struct certificate_users *u, const char *user, bool used);
void certificate_users_free(struct certificate_users *u);
/* Pushes all to the list, which must not outlive the next change. */
void certificate_users_list(const struct certificate_users *u, struct arena *a,
                            struct string_list *ret);
