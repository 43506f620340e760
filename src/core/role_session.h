/* role_session.h: credentials that services get for roles of their users: a task's, an
 * instance's.
 *
 * Who makes them is set once (service/iam knows roles, trust and sessions); without that no role
 * can be had. Services keep what they get in memory, hand it on to hosts, and ask again before it
 * ends, each by a timer of its own.
 *
 * Owns: nothing; texts lie in the caller's arena. Threads: state thread. Fails: as noted. */
#pragma once

#include <stdint.h>

#include "arena.h"
#include "core.h"
#include "error.h"

struct role_session {
    const char *access_key_id, *secret_access_key, *session_token;
    int64_t expires_ms;
};

struct role_ops {
    /* E_NOTFOUND: no such role. E_DENIED: its trust policy does not name the service
     * ("ecs-tasks.amazonaws.com"). */
    int (*open)(struct core *core, const char *role_arn, const char *service,
                const char *session_name, int64_t duration_s, struct arena *a,
                struct role_session *ret, struct error *err);
    int64_t duration_ms; /* 0: ROLE_SESSION_MS */
};
#define ROLE_SESSION_MS (6 * 3600 * INT64_C(1000))

/* NULL: nobody makes any, which is how it begins. */
void core_set_role_ops(struct core *core, const struct role_ops *ops);
const struct role_ops *core_role_ops(const struct core *core);

/* E_UNSUPPORTED: nobody makes any. */
int role_session_open(struct core *core, const char *role_arn, const char *service,
                      const char *session_name, struct arena *a, struct role_session *ret,
                      struct error *err);
/* When to ask again (wall ms) for what ends then: an hour before, or at half of its time where
 * that is less than two hours; a little earlier by chance, so that what began together does not
 * go on together. */
int64_t role_session_refresh_at(struct core *core, int64_t expires_ms);
