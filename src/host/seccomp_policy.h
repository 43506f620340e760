/* seccomp_policy.h: which system calls a container may make: the policy as data.
 *
 * Facts follow Docker's published default policy: what is not listed fails with EPERM.
 * Names that only one architecture has are passed over by the others.
 * Owns: nothing; static text. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Space-separated names, always allowed. */
extern const char *const seccomp_always[];

/* Allowed beside that when the container holds the capability. */
struct seccomp_extra {
    const char *capability; /* "CAP_…" */
    const char *calls;
};
extern const struct seccomp_extra seccomp_extras[];
extern const size_t seccomp_extra_count;
