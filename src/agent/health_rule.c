#include "health_rule.h"

#include "str.h"

static int64_t seconds(struct opt_int given, int otherwise)
{
    return (given.set ? given.v : otherwise) * 1000LL;
}

void health_rule_of(const struct ecs_health_check *check, struct health_rule *ret)
{
    *ret = (struct health_rule){
        .interval_ms = seconds(check->interval, 30),
        .timeout_ms = seconds(check->timeout, 5),
        .start_period_ms = seconds(check->start_period, 0),
        .retries = check->retries.set ? check->retries.v : 3,
    };
    /* The server checks the ranges; without them a probe would follow the other at once. */
    if (ret->interval_ms < 1000)
        ret->interval_ms = 1000;
    if (ret->timeout_ms < 1000)
        ret->timeout_ms = 1000;
}

static bool set_status(struct health *h, enum ecs_health_status status, int64_t now_ms)
{
    if (h->status == status)
        return false;
    h->status = status;
    h->since_ms = now_ms;
    return true;
}

bool health_begin(struct health *h, int64_t now_ms)
{
    h->failures = 0;
    return set_status(h, ECS_HEALTH_STATUS_UNKNOWN, now_ms);
}

static bool is_starting(const struct health_rule *rule, const struct health *h,
                        int64_t started_ms, int64_t now_ms)
{
    return h->status == ECS_HEALTH_STATUS_UNKNOWN &&
           now_ms < started_ms + rule->start_period_ms;
}

bool health_note(const struct health_rule *rule, struct health *h, int64_t started_ms,
                 int64_t now_ms, int exit_code)
{
    h->has_exit_code = true;
    h->exit_code = exit_code;
    if (exit_code == 0) {
        h->failures = 0;
        return set_status(h, ECS_HEALTH_STATUS_HEALTHY, now_ms);
    }
    if (is_starting(rule, h, started_ms, now_ms))
        return false;
    if (h->failures < rule->retries)
        h->failures++;
    return h->failures >= rule->retries &&
           set_status(h, ECS_HEALTH_STATUS_UNHEALTHY, now_ms);
}

int64_t health_wait_ms(const struct health_rule *rule, const struct health *h,
                       int64_t started_ms, int64_t now_ms)
{
    bool soon = is_starting(rule, h, started_ms, now_ms) &&
                rule->interval_ms > HEALTH_START_INTERVAL_MS;
    return soon ? HEALTH_START_INTERVAL_MS : rule->interval_ms;
}

const char *const *health_command(struct arena *a, const struct ecs_health_check *check)
{
    const char *first = check && check->command.n ? check->command.v[0] : NULL;
    bool shell = streq(first, "CMD-SHELL");
    if ((!shell && !streq(first, "CMD")) || check->command.n < 2)
        return NULL;
    const char **args = arena_new_array(a, const char *, check->command.n + 2);
    size_t n = 0;
    if (shell) {
        args[n++] = "/bin/sh";
        args[n++] = "-c";
    }
    for (size_t i = 1; i < check->command.n; i++)
        args[n++] = check->command.v[i];
    return args;
}
