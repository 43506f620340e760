/* health_rule.h: what a probe's outcome makes of a container's health. Pure.
 *
 * As Docker and Amazon ECS have it (API reference, HealthCheck): a container begins UNKNOWN;
 * a probe that ends with 0 makes it HEALTHY; `retries` failures in a row make it UNHEALTHY.
 * Failures within startPeriod count only after a first success. The next probe begins
 * `interval` after the end of the last one; until the first success within the start
 * period at the latest after HEALTH_START_INTERVAL_MS. What the image says (HEALTHCHECK)
 * does not count.
 *
 * Owns: nothing; `output` is the container's. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "ecs_api.h"

#define HEALTH_START_INTERVAL_MS 5000
#define HEALTH_OUTPUT_MAX        4096 /* bytes of a probe's output that are kept */

struct health_rule {
    int64_t interval_ms, timeout_ms, start_period_ms;
    int retries;
};

struct health {
    enum ecs_health_status status; /* 0: there is no check */
    int64_t since_ms;
    int failures; /* in a row that count */
    bool has_exit_code;
    int exit_code;
    char *output; /* of the last probe; NULL: none yet */
};

/* With the defaults of what is not set. */
void health_rule_of(const struct ecs_health_check *check, struct health_rule *ret);
/* A new life of the container. True when the status changed. */
bool health_begin(struct health *h, int64_t now_ms);
/* A probe ended. True when the status changed. */
bool health_note(const struct health_rule *rule, struct health *h, int64_t started_ms,
                 int64_t now_ms, int exit_code);
/* From the end of a probe, or the container's start, to the next probe. */
int64_t health_wait_ms(const struct health_rule *rule, const struct health *h,
                       int64_t started_ms, int64_t now_ms);
/* The command, NULL-ended, in the arena; NULL when there is none to run. */
const char *const *health_command(struct arena *a, const struct ecs_health_check *check);
