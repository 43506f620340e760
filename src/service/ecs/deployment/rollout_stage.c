/* The stages as a table, and a loop that takes one step of the table after another. */
#include "rollout_stage.h"

#include <stdio.h>
#include <string.h>

#define HOOK_TIMEOUT_MS (24 * 60 * 60 * 1000LL)
#define ALL             100.0

static const char *const stage_names[] = {
    [STAGE_RECONCILE_SERVICE] = "RECONCILE_SERVICE",
    [STAGE_PRE_SCALE_UP] = "PRE_SCALE_UP",
    [STAGE_SCALE_UP] = "SCALE_UP",
    [STAGE_POST_SCALE_UP] = "POST_SCALE_UP",
    [STAGE_TEST_TRAFFIC_SHIFT] = "TEST_TRAFFIC_SHIFT",
    [STAGE_POST_TEST_TRAFFIC_SHIFT] = "POST_TEST_TRAFFIC_SHIFT",
    [STAGE_PRE_PRODUCTION_TRAFFIC_SHIFT] = "PRE_PRODUCTION_TRAFFIC_SHIFT",
    [STAGE_PRODUCTION_TRAFFIC_SHIFT] = "PRODUCTION_TRAFFIC_SHIFT",
    [STAGE_POST_PRODUCTION_TRAFFIC_SHIFT] = "POST_PRODUCTION_TRAFFIC_SHIFT",
    [STAGE_BAKE_TIME] = "BAKE_TIME",
    [STAGE_CLEAN_UP] = "CLEAN_UP",
};
_Static_assert(sizeof(stage_names) / sizeof(stage_names[0]) == STAGE_COUNT,
               "every stage has a name");

const char *rollout_stage_name(enum rollout_stage s)
{
    return stage_names[s];
}

bool rollout_stage_parse(const char *name, enum rollout_stage *ret)
{
    for (int s = 0; name && s < STAGE_COUNT; s++) {
        if (strcmp(stage_names[s], name) != 0)
            continue;
        *ret = (enum rollout_stage)s;
        return true;
    }
    return false;
}

/* ---- steps ---- */

static double step_weight(const struct rollout_config *c, uint32_t step)
{
    if (c->strategy == ROLLOUT_LINEAR)
        return c->step_percent * step;
    if (c->strategy == ROLLOUT_CANARY && step == 1)
        return c->canary_percent;
    return ALL;
}

double rollout_weight(const struct rollout_config *c, uint32_t step)
{
    if (step == 0)
        return 0;
    double weight = step_weight(c, step);
    return weight > ALL - 1e-6 ? ALL : weight;
}

uint32_t rollout_steps(const struct rollout_config *c)
{
    uint32_t n = 1;
    while (n < 1000 && rollout_weight(c, n) < ALL)
        n++;
    return n;
}

/* ---- what a pass works with ---- */

struct pass {
    const struct rollout_config *config;
    const struct rollout_observed *seen;
    int64_t now;
    struct rollout *r;
    struct rollout_plan *plan;
};

static void wake_at(struct pass *p, int64_t at_ms)
{
    if (p->plan->wake_at_ms == 0 || at_ms < p->plan->wake_at_ms)
        p->plan->wake_at_ms = at_ms;
}

static void weights(struct pass *p, double production, double test)
{
    struct rollout *r = p->r;
    if (r->production_weight == production && r->test_weight == test)
        return;
    r->production_weight = production;
    r->test_weight = test;
    p->plan->actions |= ROLLOUT_SHIFT;
}

static void go(struct pass *p, enum rollout_stage stage)
{
    p->r->stage = stage;
    p->r->entered = false;
    p->r->until_ms = 0;
    p->plan->actions |= ROLLOUT_CHANGED;
}

static bool last_step(const struct pass *p)
{
    return !p->seen->has_source || p->r->step >= rollout_steps(p->config);
}

/* ---- hooks ---- */

bool rollout_hook_done(const struct rollout_hook *h)
{
    return h->status != HOOK_AWAITING_ACTION && h->status != HOOK_IN_PROGRESS;
}

void rollout_hook_answered(struct rollout_hook *h, enum rollout_answer answer,
                           int64_t delay_ms, int64_t now_ms)
{
    if (h->status != HOOK_IN_PROGRESS)
        return;
    h->calling = false;
    h->failures = answer == ANSWER_NONE ? h->failures + 1 : 0;
    h->call_at_ms = now_ms + (delay_ms > 0 ? delay_ms : ROLLOUT_RECALL_MS);
    if (answer == ANSWER_SUCCEEDED)
        h->status = HOOK_SUCCEEDED;
    else if (answer == ANSWER_FAILED || h->failures >= ROLLOUT_CALL_FAILURES)
        h->status = HOOK_FAILED;
}

bool rollout_hook_decided(struct rollout_hook *h, bool go_on)
{
    if (h->status != HOOK_AWAITING_ACTION)
        return false;
    h->status = go_on ? HOOK_SUCCEEDED : HOOK_FAILED;
    return true;
}

/* The hooks of this stage. Nobody is asked for patience while traffic goes back. */
static void hooks_begin(struct pass *p)
{
    struct rollout *r = p->r;
    size_t n = 0;
    for (uint32_t k = 0; k < p->config->hook_count && n < ROLLOUT_HOOKS_MAX; k++) {
        const struct rollout_hook_config *hc = &p->config->hooks[k];
        if (!(hc->stages & 1u << r->stage) || (r->rolling_back && hc->pauses))
            continue;
        r->hooks[n++] = (struct rollout_hook){
            .config = k,
            .status = hc->pauses ? HOOK_AWAITING_ACTION : HOOK_IN_PROGRESS,
            .call_at_ms = p->now,
            .expires_at_ms = p->now + (hc->timeout_ms ? hc->timeout_ms : HOOK_TIMEOUT_MS),
        };
    }
    if (n == 0)
        return;
    r->hook_count = n;
    r->hooks_stage = r->stage;
    p->plan->actions |= ROLLOUT_HOOKS;
}

/* Times out, calls, or waits. */
static void hook_look(struct pass *p, uint32_t k)
{
    struct rollout_hook *h = &p->r->hooks[k];
    if (rollout_hook_done(h))
        return;
    if (p->now >= h->expires_at_ms) {
        h->status = HOOK_TIMED_OUT;
        p->plan->actions |= ROLLOUT_CHANGED;
        return;
    }
    wake_at(p, h->expires_at_ms);
    if (h->status != HOOK_IN_PROGRESS)
        return;
    if (p->now >= h->call_at_ms) {
        h->call_at_ms = p->now + ROLLOUT_CALL_LEASE_MS;
        h->calling = true;
        p->plan->calls[p->plan->call_count++] = k;
        p->plan->actions |= ROLLOUT_CHANGED;
    }
    wake_at(p, h->call_at_ms);
}

static bool hook_failed(const struct pass *p, const struct rollout_hook *h)
{
    return h->status == HOOK_FAILED || (h->status == HOOK_TIMED_OUT &&
                                        !p->config->hooks[h->config].timeout_continues);
}

/* True when none is left to wait for. */
static bool hooks_done(struct pass *p)
{
    if (p->r->hooks_stage != p->r->stage)
        return true;
    bool done = true;
    for (uint32_t k = 0; k < p->r->hook_count; k++) {
        hook_look(p, k);
        done &= rollout_hook_done(&p->r->hooks[k]);
    }
    return done;
}

static const struct rollout_hook *failed_hook(const struct pass *p)
{
    if (p->r->hooks_stage != p->r->stage)
        return NULL;
    for (size_t k = 0; k < p->r->hook_count; k++)
        if (hook_failed(p, &p->r->hooks[k]))
            return &p->r->hooks[k];
    return NULL;
}

/* ---- turning back ---- */

/* Hooks that nobody will answer any more. */
static void hooks_end(struct rollout *r)
{
    for (size_t k = 0; k < r->hook_count; k++)
        if (!rollout_hook_done(&r->hooks[k]))
            r->hooks[k].status = HOOK_FAILED;
}

static void turn_back(struct pass *p, const char *reason)
{
    struct rollout *r = p->r;
    snprintf(r->reason, sizeof(r->reason), "%s", reason);
    hooks_end(r);
    r->hooks_stage = STAGE_COUNT; /* a SHIFT stage may begin once more */
    r->rolling_back = true;
    if (!p->seen->has_source) {
        r->outcome = OUTCOME_FAILED;
        p->plan->actions |= ROLLOUT_CHANGED;
        return;
    }
    go(p, r->production_weight > 0 ? STAGE_PRODUCTION_TRAFFIC_SHIFT
          : r->test_weight > 0     ? STAGE_TEST_TRAFFIC_SHIFT
                                   : STAGE_CLEAN_UP);
}

/* After CLEAN_UP has begun blue may be gone: too late to turn back. */
static bool look_for_failure(struct pass *p)
{
    struct rollout *r = p->r;
    if (r->rolling_back || r->stage == STAGE_CLEAN_UP)
        return false;
    const struct rollout_hook *h = failed_hook(p);
    if (h) {
        char text[sizeof(r->reason)];
        snprintf(text, sizeof(text), "A lifecycle hook at %s %s.",
                 rollout_stage_name(r->stage),
                 h->status == HOOK_TIMED_OUT ? "timed out" : "failed");
        turn_back(p, text);
        return true;
    }
    if (!p->seen->failure)
        return false;
    turn_back(p, p->seen->failure);
    return true;
}

/* ---- the way forward ---- */

static void enter(struct pass *p)
{
    struct rollout *r = p->r;
    switch (r->stage) {
    case STAGE_TEST_TRAFFIC_SHIFT:
        weights(p, r->production_weight, r->rolling_back ? 0 : ALL);
        break;
    case STAGE_PRODUCTION_TRAFFIC_SHIFT:
        if (r->rolling_back) {
            weights(p, 0, r->test_weight);
            break;
        }
        r->step++;
        weights(p, p->seen->has_source ? rollout_weight(p->config, r->step) : ALL,
                r->test_weight);
        break;
    case STAGE_BAKE_TIME:
        r->until_ms = p->seen->has_source ? p->now + p->config->bake_ms : 0;
        break;
    default:
        break;
    }
    hooks_begin(p);
    r->entered = true;
    p->plan->actions |= ROLLOUT_CHANGED;
}

static bool baked(struct pass *p)
{
    if (p->r->until_ms == 0 || p->now >= p->r->until_ms)
        return true;
    wake_at(p, p->r->until_ms);
    return false;
}

/* A step bakes from the moment its traffic is shifted and its hooks are content. */
static bool step_baked(struct pass *p)
{
    if (p->r->until_ms == 0 && p->config->step_bake_ms > 0) {
        p->r->until_ms = p->now + p->config->step_bake_ms;
        p->plan->actions |= ROLLOUT_CHANGED;
    }
    return baked(p);
}

static bool stage_done(struct pass *p)
{
    switch (p->r->stage) {
    case STAGE_RECONCILE_SERVICE:
        return p->seen->older <= 1;
    case STAGE_SCALE_UP:
        return p->seen->green_ready;
    case STAGE_TEST_TRAFFIC_SHIFT:
        return p->seen->traffic_settled;
    case STAGE_PRODUCTION_TRAFFIC_SHIFT:
        return p->seen->traffic_settled &&
               (p->r->rolling_back || last_step(p) || step_baked(p));
    case STAGE_BAKE_TIME:
        return baked(p);
    case STAGE_CLEAN_UP:
        return p->r->rolling_back ? p->seen->green_gone : p->seen->source_gone;
    default:
        return true;
    }
}

static void finish(struct pass *p)
{
    p->r->outcome = p->r->rolling_back ? OUTCOME_ROLLED_BACK : OUTCOME_SUCCESSFUL;
    p->plan->actions |= ROLLOUT_CHANGED;
}

static void next_back(struct pass *p)
{
    if (p->r->stage == STAGE_CLEAN_UP)
        finish(p);
    else if (p->r->stage == STAGE_PRODUCTION_TRAFFIC_SHIFT && p->r->test_weight > 0)
        go(p, STAGE_TEST_TRAFFIC_SHIFT);
    else
        go(p, STAGE_CLEAN_UP);
}

static void next(struct pass *p)
{
    if (p->r->rolling_back)
        next_back(p);
    else if (p->r->stage == STAGE_CLEAN_UP)
        finish(p);
    else if (p->r->stage == STAGE_PRODUCTION_TRAFFIC_SHIFT && !last_step(p))
        go(p, STAGE_PRE_PRODUCTION_TRAFFIC_SHIFT);
    else
        go(p, p->r->stage + 1);
}

/* One move; false when there is none now. */
static bool move(struct pass *p)
{
    if (p->r->outcome != OUTCOME_OPEN)
        return false;
    if (look_for_failure(p))
        return true;
    if (!p->r->entered) {
        enter(p);
        return true;
    }
    bool content = hooks_done(p);
    if (!p->r->rolling_back && failed_hook(p))
        return true; /* by time: the next move turns back */
    if (!content || !stage_done(p))
        return false;
    next(p);
    return true;
}

void rollout_init(struct rollout *r, size_t older)
{
    *r = (struct rollout){
        .stage = older > 1 ? STAGE_RECONCILE_SERVICE : STAGE_PRE_SCALE_UP,
        .hooks_stage = STAGE_COUNT,
    };
}

void rollout_advance(const struct rollout_config *config,
                     const struct rollout_observed *seen, int64_t now_ms,
                     struct rollout *r, struct rollout_plan *ret)
{
    *ret = (struct rollout_plan){0};
    struct pass p = {config, seen, now_ms, r, ret};
    while (move(&p))
        ret->wake_at_ms = 0; /* what the stage before waited for */
}

void rollout_restarted(struct rollout *r)
{
    for (size_t k = 0; k < r->hook_count; k++)
        if (r->hooks[k].calling)
            r->hooks[k].call_at_ms = 0;
}

bool rollout_wants_green(const struct rollout *r)
{
    if (r->outcome != OUTCOME_OPEN)
        return r->outcome == OUTCOME_SUCCESSFUL;
    return r->stage >= STAGE_SCALE_UP && !(r->rolling_back && r->stage == STAGE_CLEAN_UP);
}

bool rollout_wants_source(const struct rollout *r)
{
    if (r->outcome != OUTCOME_OPEN)
        return r->outcome != OUTCOME_SUCCESSFUL;
    return r->rolling_back || r->stage != STAGE_CLEAN_UP;
}
