#include "roles.h"

#include "iam.h"

static int open_session(struct core *core, const char *role_arn, const char *service,
                        const char *session_name, int64_t duration_s, struct arena *a,
                        struct role_session *ret, struct error *err)
{
    struct iam_credentials c;
    int r = iam_service_session(core, role_arn, service, session_name, duration_s, a, &c,
                                err);
    if (r == 0)
        *ret = (struct role_session){
            .access_key_id = c.access_key_id,
            .secret_access_key = c.secret_access_key,
            .session_token = c.session_token,
            .expires_ms = c.expires_ms,
        };
    return r;
}

void roles_attach(struct core *core, struct role_ops *ops, int64_t duration_ms)
{
    *ops = (struct role_ops){.open = open_session, .duration_ms = duration_ms};
    core_set_role_ops(core, ops);
}
