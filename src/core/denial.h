/* denial.h: why a call was denied, as a text that only sts:DecodeAuthorizationMessage opens:
 * EC2 does not tell the details to who may not know them.
 *
 * Owns: texts lie in the call's arena. Threads: state thread. Fails: decoding, with NULL. */
#pragma once

#include "access.h"

const char *denial_encode(struct call *call, const struct access *question,
                          const struct policy_decision *decision);
/* The JSON that was encoded; NULL: it is none of ours. */
const char *denial_decode(struct call *call, const char *encoded);
