/* Numbers of deployments, and what their scheduler learns from what happens to tasks. */
#include "deployment.h"

/* ---- arithmetic ---- */

uint32_t deployment_lower(uint32_t desired, uint32_t minimum_healthy_percent)
{
    uint64_t n = ((uint64_t)desired * minimum_healthy_percent + 99) / 100;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

uint32_t deployment_upper(uint32_t desired, uint32_t maximum_percent)
{
    uint64_t n = (uint64_t)desired * maximum_percent / 100;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

uint32_t deployment_breaker_threshold(uint32_t desired)
{
    uint32_t half = desired / 2 + desired % 2;
    return half < 3 ? 3 : half > 200 ? 200 : half;
}

int64_t deployment_retry_gap_ms(uint32_t rounds)
{
    if (rounds == 0)
        return 0;
    int64_t gap = rounds > 20 ? DEPLOYMENT_RETRY_MAX_MS : (int64_t)1000 << (rounds - 1);
    return gap < DEPLOYMENT_RETRY_MAX_MS ? gap : DEPLOYMENT_RETRY_MAX_MS;
}

/* ---- what happened ---- */

/* Failures before the next try belong to the round that has been counted. */
static void note_start_failed(struct deployment_memory *m, int64_t now_ms)
{
    if (now_ms < m->retry_at_ms)
        return;
    if (m->start_rounds < UINT32_MAX)
        m->start_rounds++;
    m->retry_at_ms = now_ms + deployment_retry_gap_ms(m->start_rounds);
}

static void forget_failures(struct deployment_memory *m)
{
    m->start_rounds = 0;
    m->retry_at_ms = m->impaired_at_ms = 0;
}

static void note_on_deployment(struct deployment *d, enum deployment_news news)
{
    switch (news) {
    case NEWS_TASK_RUNNING:
        d->failed_tasks = 0;
        if (!d->reached_running)
            d->breaker_failures = 0; /* from now on health checks are what counts */
        d->reached_running = true;
        break;
    case NEWS_TASK_START_FAILED:
        d->failed_tasks++;
        d->breaker_failures += !d->reached_running;
        break;
    case NEWS_TASK_UNHEALTHY:
        d->failed_tasks++;
        d->breaker_failures += d->reached_running;
        break;
    default:
        break;
    }
}

void deployment_note(struct deployment_memory *memory, struct deployment *d,
                     enum deployment_news news, int64_t now_ms)
{
    if (d)
        note_on_deployment(d, news);
    switch (news) {
    case NEWS_TASK_RUNNING:
        forget_failures(memory);
        break;
    case NEWS_TASK_START_FAILED:
        note_start_failed(memory, now_ms);
        break;
    case NEWS_TASK_UNHEALTHY:
        break;
    case NEWS_PLACEMENT_FAILED:
        memory->place_at_ms = now_ms + DEPLOYMENT_PLACE_GAP_MS;
        break;
    case NEWS_CAPACITY:
        memory->place_at_ms = memory->unmoved_at_ms = 0;
        break;
    case NEWS_NOT_MOVED:
        memory->moving_at_ms = 0;
        memory->unmoved_at_ms = now_ms + DEPLOYMENT_MOVE_GAP_MS;
        break;
    case NEWS_UPDATED:
        forget_failures(memory);
        memory->place_at_ms = memory->stuck_at_ms = 0;
        break;
    }
}
