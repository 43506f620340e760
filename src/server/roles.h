/* roles.h: what IAM knows of roles and sessions, as the core's role operations
 * (core/role_session.h).
 *
 * Owns: nothing. Threads: the state thread. Fails: never. */
#pragma once

#include "role_session.h"

/* After iam_attach(). `ops` lives as long as the core; duration_ms 0: ROLE_SESSION_MS. */
void roles_attach(struct core *core, struct role_ops *ops, int64_t duration_ms);
