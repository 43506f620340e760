/* judge.h: who decides about calls; see access.h.
 * Owns: nothing. Threads: state thread. Fails: see access.h. */
#pragma once

#include "access.h"

extern const struct access_judge iam_judge;
