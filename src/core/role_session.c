#include "role_session.h"

#include "core_private.h"

#define HOUR_MS INT64_C(3600000)

void core_set_role_ops(struct core *core, const struct role_ops *ops)
{
    core->role_ops = ops;
}

const struct role_ops *core_role_ops(const struct core *core)
{
    return core->role_ops;
}

int role_session_open(struct core *core, const char *role_arn, const char *service,
                      const char *session_name, struct arena *a, struct role_session *ret,
                      struct error *err)
{
    const struct role_ops *ops = core->role_ops;
    if (!ops)
        return fail(err, E_UNSUPPORTED, "nobody here knows roles");
    int64_t ms = ops->duration_ms > 0 ? ops->duration_ms : ROLE_SESSION_MS;
    return ops->open(core, role_arn, service, session_name, ms / 1000, a, ret, err);
}

int64_t role_session_refresh_at(struct core *core, int64_t expires_ms)
{
    int64_t now = core_now_ms(core), left = expires_ms - now;
    if (left <= 0)
        return now;
    int64_t at = left > 2 * HOUR_MS ? left - HOUR_MS : left / 2;
    return now + at - (int64_t)core_random_below(core, (uint64_t)(at / 10 + 1));
}
