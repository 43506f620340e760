/* sts.h: AWS Security Token Service: temporary credentials, and who is calling.
 *
 * Owns: nothing; sessions live in their tokens (service/iam/iam_session.h).
 * Threads: state thread. Fails: as the API says. */
#pragma once

#include "access.h"
#include "operation.h"
#include "sts_api.h"

extern const struct operation sts_operations[]; /* generated */
extern const struct access_service sts_access;
