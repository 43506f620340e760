/* sts.h: AWS Security Token Service: who is calling.
 *
 * Owns: nothing; it has no state of its own yet. Threads: state thread. Fails: never. */
#pragma once

#include "operation.h"
#include "sts_api.h"

extern const struct operation sts_operations[]; /* generated */
