/* instance_type.h: instance types: a table of common x86 families, with AWS's numbers.
 *
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "ec2_state.h"

struct instance_type {
    const char *name;
    int32_t vcpus, memory_mib;
    int32_t interfaces, addresses; /* at most; addresses of each interface */
};

/* NULL: not in the table. */
const struct instance_type *instance_type_find(const char *name);
