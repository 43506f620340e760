/* rollout_stage.h: the stages of a blue/green, linear or canary deployment.
 *
 * A new revision of a service (green) is started beside the one that serves (blue), traffic
 * is shifted, and blue goes when green has held for the bake time:
 *
 *   RECONCILE_SERVICE           only when more than one older revision runs: all but blue go
 *   PRE_SCALE_UP → SCALE_UP     green runs as many healthy tasks as are desired
 *   → POST_SCALE_UP
 *   → TEST_TRAFFIC_SHIFT        all test traffic goes to green
 *   → POST_TEST_TRAFFIC_SHIFT
 *   → PRE_PRODUCTION_TRAFFIC_SHIFT → PRODUCTION_TRAFFIC_SHIFT
 *                               once a step; a step that is not the last bakes
 *   → POST_PRODUCTION_TRAFFIC_SHIFT → BAKE_TIME → CLEAN_UP (blue goes)
 *
 * In every stage but SCALE_UP, BAKE_TIME and CLEAN_UP hooks may run; the stage lasts until
 * all of them have succeeded. A stage shifts its traffic first, so its hooks see the weights
 * that they are to judge. When a hook fails, or the caller gives a reason (alarm, circuit
 * breaker, somebody wants it), the deployment turns back: production and test traffic go to
 * blue, the hooks of the SHIFT stages are called once more with these weights (what they say
 * changes nothing any more, and nothing pauses), and CLEAN_UP takes green away.
 *
 * The first deployment of a service has no blue: all traffic is shifted in one step, and
 * nothing bakes, as there is nothing to go back to.
 *
 * rollout_advance() is a pure, level-triggered function like deployment_plan(): it moves
 * the state as far as it goes and says what is to be done. Traffic weights in the state are
 * what should be; telling them to a load balancer twice is harmless. All that it must
 * remember is in struct rollout, which is stored with what was ordered.
 *
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROLLOUT_HOOKS_MAX     20          /* of a service */
#define ROLLOUT_CALL_LEASE_MS (60 * 1000) /* a call without an answer is made again */
#define ROLLOUT_RECALL_MS     (30 * 1000) /* after IN_PROGRESS without a delay */
#define ROLLOUT_CALL_FAILURES 3           /* calls in a row that reached nobody */

enum rollout_strategy { ROLLOUT_BLUE_GREEN, ROLLOUT_LINEAR, ROLLOUT_CANARY };

enum rollout_stage {
    STAGE_RECONCILE_SERVICE,
    STAGE_PRE_SCALE_UP,
    STAGE_SCALE_UP,
    STAGE_POST_SCALE_UP,
    STAGE_TEST_TRAFFIC_SHIFT,
    STAGE_POST_TEST_TRAFFIC_SHIFT,
    STAGE_PRE_PRODUCTION_TRAFFIC_SHIFT,
    STAGE_PRODUCTION_TRAFFIC_SHIFT,
    STAGE_POST_PRODUCTION_TRAFFIC_SHIFT,
    STAGE_BAKE_TIME,
    STAGE_CLEAN_UP,
    STAGE_COUNT,
};
const char *rollout_stage_name(enum rollout_stage s);
bool rollout_stage_parse(const char *name, enum rollout_stage *ret);

/* ---- hooks ---- */

struct rollout_hook_config {
    bool pauses;            /* PAUSE: waits for a person */
    uint32_t stages;        /* bit 1 << stage */
    int64_t timeout_ms;     /* 0: a day */
    bool timeout_continues; /* else it rolls back */
};

enum rollout_hook_status {
    HOOK_AWAITING_ACTION, /* a PAUSE */
    HOOK_IN_PROGRESS,
    HOOK_SUCCEEDED,
    HOOK_FAILED,
    HOOK_TIMED_OUT, /* with what its configuration says about it */
};

/* A hook of the present stage. */
struct rollout_hook {
    uint32_t config; /* index */
    enum rollout_hook_status status;
    int64_t call_at_ms; /* IN_PROGRESS: when it is to be called (again) */
    int64_t expires_at_ms;
    uint32_t failures; /* calls in a row that reached nobody */
    bool calling;      /* the last call has no answer yet */
};

/* ---- one deployment ---- */

struct rollout_config {
    enum rollout_strategy strategy;
    double step_percent, canary_percent;
    int64_t step_bake_ms; /* LINEAR: after each step; CANARY: after the first */
    int64_t bake_ms;      /* BAKE_TIME */
    const struct rollout_hook_config *hooks;
    size_t hook_count; /* at most ROLLOUT_HOOKS_MAX */
};

enum rollout_outcome {
    OUTCOME_OPEN,
    OUTCOME_SUCCESSFUL,
    OUTCOME_ROLLED_BACK,
    OUTCOME_FAILED, /* it had to be rolled back, but there is no blue */
};

struct rollout {
    enum rollout_stage stage;
    uint32_t step; /* of production traffic, from 1; 0: not shifted yet */
    bool entered;  /* the stage's traffic was shifted and its hooks begun */
    bool rolling_back;
    enum rollout_outcome outcome;
    double production_weight, test_weight; /* green's, in percent; blue has the rest */
    int64_t until_ms;                      /* the stage bakes until; 0: it does not */
    struct rollout_hook hooks[ROLLOUT_HOOKS_MAX]; /* of the last stage that had any */
    size_t hook_count;
    enum rollout_stage hooks_stage;
    char reason[256]; /* of rolling back */
};

/* What is. */
struct rollout_observed {
    bool has_source;      /* there is a blue */
    size_t older;         /* other revisions with tasks, blue among them */
    bool green_ready;     /* as many healthy tasks as are desired, nothing else of it */
    bool traffic_settled; /* the weights are in force, and targets healthy */
    bool source_gone, green_gone; /* no task left */
    const char *failure;          /* why to roll back; NULL: no reason */
};

enum rollout_action {
    ROLLOUT_CHANGED = 1, /* the state moved: store and show it */
    ROLLOUT_SHIFT = 2,   /* weights changed: tell the load balancer */
    ROLLOUT_HOOKS = 4,   /* rollout.hooks are new ones: give them ids */
};

struct rollout_plan {
    unsigned actions;                  /* enum rollout_action, added up */
    uint32_t calls[ROLLOUT_HOOKS_MAX]; /* hooks (index in rollout.hooks) to call now */
    size_t call_count;
    int64_t wake_at_ms; /* 0: only when something changes */
};

/* A new deployment; `older` as observed. */
void rollout_init(struct rollout *r, size_t older);
void rollout_advance(const struct rollout_config *config,
                     const struct rollout_observed *seen, int64_t now_ms,
                     struct rollout *r, struct rollout_plan *ret);

/* The process that made the calls is no more: what has no answer is called again. */
void rollout_restarted(struct rollout *r);

/* Which revisions should run tasks now? */
bool rollout_wants_green(const struct rollout *r);
bool rollout_wants_source(const struct rollout *r);

/* ---- the arithmetic of steps ---- */

/* How many times production traffic is shifted, and green's share after the nth. */
uint32_t rollout_steps(const struct rollout_config *config);
double rollout_weight(const struct rollout_config *config, uint32_t step);

/* ---- what hooks say; each only matters while the hook is not done ---- */

enum rollout_answer {
    ANSWER_SUCCEEDED,
    ANSWER_FAILED, /* it says so, or what it says can't be understood */
    ANSWER_IN_PROGRESS,
    ANSWER_NONE, /* it could not be reached */
};
/* `delay_ms` of IN_PROGRESS: when it wants to be asked again; 0: it does not say. */
void rollout_hook_answered(struct rollout_hook *h, enum rollout_answer answer,
                           int64_t delay_ms, int64_t now_ms);
/* A person decides about a PAUSE. False when it does not wait (any more). */
bool rollout_hook_decided(struct rollout_hook *h, bool go_on);
bool rollout_hook_done(const struct rollout_hook *h);
