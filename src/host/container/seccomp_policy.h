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

/* Allowed when the first argument fits. */
enum seccomp_compare { SECCOMP_EQUAL, SECCOMP_NOT_EQUAL, SECCOMP_MASKED_ZERO };
struct seccomp_arg_rule {
    const char *call;
    enum seccomp_compare compare;
    uint32_t value;         /* the mask for SECCOMP_MASKED_ZERO */
    const char *not_beside; /* a capability that allows the whole call, or NULL */
};
extern const struct seccomp_arg_rule seccomp_arg_rules[];
extern const size_t seccomp_arg_rule_count;

/* Fails with ENOSYS when the capability is missing: its flags are in memory, where no filter
 * sees them, and so libc falls back to clone. */
#define SECCOMP_ENOSYS_CALL       "clone3"
#define SECCOMP_ENOSYS_CAPABILITY "CAP_SYS_ADMIN"

/* Allowed beside that when the container holds the capability. */
struct seccomp_extra {
    const char *capability; /* "CAP_…" */
    const char *calls;
};
extern const struct seccomp_extra seccomp_extras[];
extern const size_t seccomp_extra_count;
