#include "restart_rule.h"

bool restart_wanted(const struct ecs_container_restart_policy *policy, int exit_code,
                    int64_t started_ms, int64_t ended_ms)
{
    if (!policy || !policy->enabled.v)
        return false;
    for (size_t i = 0; i < policy->ignored_exit_codes.n; i++)
        if (policy->ignored_exit_codes.v[i] == exit_code)
            return false;
    int64_t period_s = policy->restart_attempt_period.set
                           ? policy->restart_attempt_period.v
                           : RESTART_PERIOD_DEFAULT_S;
    return ended_ms - started_ms >= period_s * 1000;
}
