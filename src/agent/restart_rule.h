/* restart_rule.h: is a container that ended started again in its place? Pure.
 *
 * API reference, ContainerRestartPolicy: when the policy is enabled, the exit code is known
 * and not ignored, and the container has run for restartAttemptPeriod (300 s by default)
 * since it was last started. Exit code 0 is a code like any other.
 *
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ecs_api.h"

#define RESTART_PERIOD_DEFAULT_S 300

bool restart_wanted(const struct ecs_container_restart_policy *policy, int exit_code,
                    int64_t started_ms, int64_t ended_ms);
