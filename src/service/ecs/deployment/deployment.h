/* deployment.h: what a service does next: (desired, observed, now) to actions.
 *
 * The rolling deployment of Amazon ECS as a pure function. deployment_plan() looks at one
 * service with its deployments and tasks and says which tasks to start and stop, which
 * rollout is over, what to tell people and when to look again. It is level-triggered: the
 * caller carries out the actions, notes what happened with deployment_note() and asks
 * again when something of the service changed or the wake-up time has come. Asking twice
 * without a change between gives the same answer, so a crash between any two actions is
 * harmless.
 *
 * The arithmetic (API reference, DeploymentConfiguration): with desired d,
 *   lower = ceil(d * minimumHealthyPercent / 100)
 *   upper = floor(d * maximumPercent / 100)
 * Tasks are started while running + pending < upper. A healthy task that is to go is
 * stopped while healthy - 1 >= lower, another one while healthy >= lower.
 * "To go" are tasks of older deployments and those on DRAINING instances; pending ones of
 * them go at once. Unhealthy tasks get their replacement first when upper allows;
 * otherwise one goes at a time, which takes no healthy task away.
 *
 * A DAEMON service is the same with one task an instance: a task starts where one lacks,
 * which is never before the old one is gone, so unhealthy ones go without a replacement.
 *
 * Zones. A service at rest whose fullest availability zone has two tasks more than its
 * emptiest moves one: a task starts in the emptiest, and when it is healthy scale-in takes
 * one of the fullest. So there is one task more than desired on the way, never one less.
 *
 * Two notions of health. For stopping others, a task without any check is healthy 40 s
 * after it was RUNNING: that is the time it has to crash before its elders are gone. For
 * the steady state and COMPLETED, RUNNING is enough for it, because there nothing is
 * taken away: a fresh service is stable as soon as its tasks run.
 *
 * Owns: the plan lies in the caller's arena. Threads: any. Fails: never. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "str.h"

#define DEPLOYMENT_GRACE_MS      (40 * 1000)      /* healthy without a check */
#define DEPLOYMENT_RETRY_MAX_MS  (15 * 60 * 1000) /* longest gap between start tries */
#define DEPLOYMENT_PLACE_GAP_MS  (15 * 1000)      /* after a failed placement */
#define DEPLOYMENT_MOVE_GAP_MS   (5 * 60 * 1000)  /* after a move found no room */
#define DEPLOYMENT_REPEAT_MS     (6 * 60 * 60 * 1000) /* an event is told again */
#define DEPLOYMENT_IMPAIRED_AT   3                    /* rounds of failed starts */
#define DEPLOYMENT_IDS_PER_EVENT 100

enum task_phase {
    PHASE_STARTING, /* PROVISIONING, PENDING, ACTIVATING */
    PHASE_RUNNING,
    PHASE_ENDING, /* DEACTIVATING, STOPPING, DEPROVISIONING */
    PHASE_GONE,   /* STOPPED */
};

enum check_health {
    CHECK_NONE,    /* nothing checks it */
    CHECK_UNKNOWN, /* a check exists, no verdict yet */
    CHECK_HEALTHY,
    CHECK_UNHEALTHY,
};

/* One task as the plan needs it. */
struct deployment_task {
    const char *id;           /* 32 hexadecimal digits, for events */
    void *owner;              /* the caller's object */
    uint32_t deployment;      /* index in deployment_service.deployments */
    uint32_t rank;            /* place_rank_victims(): the lowest goes first */
    uint8_t phase;            /* enum task_phase, from lastStatus */
    uint8_t health;           /* enum check_health of its essential containers' checks */
    uint8_t target;           /* enum check_health of its load balancer targets */
    const char *target_group; /* in which it is unhealthy; NULL: none */
    bool stop_wanted;         /* desiredStatus STOPPED */
    bool is_protected;
    bool draining;         /* its instance is DRAINING */
    uint32_t zone;         /* index in deployment_service.zones */
    bool misplaced;        /* a daemon's, on an instance where it has no business */
    int64_t started_at_ms; /* when it was RUNNING first; 0 before */
};

enum rollout_state { ROLLOUT_IN_PROGRESS, ROLLOUT_COMPLETED, ROLLOUT_FAILED };

/* One deployment. The one with `primary` is the newest; there is exactly one. */
struct deployment {
    const char *id;              /* "ecs-svc/1234567890123456789" */
    const char *task_definition; /* not looked at; for the caller's eyes */
    void *owner;
    int64_t created_at_ms;
    bool primary;
    enum rollout_state rollout;
    uint32_t failed_tasks;     /* failedTasks: consecutive; deployment_note() counts */
    uint32_t breaker_failures; /* circuit breaker's own count */
    bool reached_running;      /* a task of it has been RUNNING */
    int64_t bakes_until_ms;    /* 0: was never steady */
};

/* What the scheduler remembers of a service between two plans; store it with the service.
 * All zero for a new service. */
struct deployment_memory {
    uint32_t start_rounds;    /* consecutive rounds of starts of which one failed */
    int64_t retry_at_ms;      /* no start before */
    int64_t place_at_ms;      /* no start before: nothing could be placed */
    int64_t steady_at_ms;     /* told last; 0: not steady now */
    int64_t stuck_at_ms;      /* told last; 0: not stuck now */
    int64_t impaired_at_ms;   /* told last; 0: starts succeed */
    int64_t blocked_at_ms;    /* scale-in blocked by protection, told last */
    int64_t moving_at_ms;     /* a task more than desired: one moves to an emptier zone */
    int64_t unmoved_at_ms;    /* no move before: the last one found no room */
    int64_t unbalanced_at_ms; /* told last; 0: balanced */
};

struct deployment_service {
    const char *name;
    uint32_t desired;
    uint32_t minimum_healthy_percent, maximum_percent;
    bool daemon;              /* one task an eligible instance, `desired` of them */
    uint32_t vacant;          /* of a daemon: eligible instances without a task */
    const char *const *zones; /* where tasks may be and are; NULL: no rebalancing */
    size_t zone_count;
    bool load_balanced;      /* healthy means: its targets are healthy */
    int64_t health_grace_ms; /* healthCheckGracePeriodSeconds */
    bool breaker, breaker_rollback;
    bool draining;   /* the service was deleted: desired counts as 0 */
    int64_t bake_ms; /* steady for so long before it is COMPLETED */
    bool alarmed;    /* a deployment alarm is in ALARM */
    bool alarm_rollback;
    const struct deployment *deployments;
    size_t deployment_count;
    const struct deployment_task *tasks;
    size_t task_count;
    /* Fills the tasks' ranks, once, when somebody may have to go; NULL: they are there. */
    void (*rank)(void *ctx);
    void *rank_ctx;
};

enum deployment_action_kind {
    DEPLOYMENT_START,    /* `count` tasks of `deployment`; `text`: in this zone, if set */
    DEPLOYMENT_STOP,     /* task `task`; `text` is its stoppedReason */
    DEPLOYMENT_BAKE,     /* `deployment` is steady: bake_ms begins */
    DEPLOYMENT_COMPLETE, /* rollout of `deployment` COMPLETED; `text` is the reason */
    DEPLOYMENT_FAIL,     /* … FAILED */
    DEPLOYMENT_ROLLBACK, /* from `deployment`: make a new one of the last completed;
                            `text` is why */
    DEPLOYMENT_REMOVE,   /* `deployment` has no task any more */
    DEPLOYMENT_EVENT,    /* `text` for the service's events; `event` for EventBridge */
};

enum service_event {
    SERVICE_EVENT_TEXT_ONLY,
    SERVICE_EVENT_TASKS_STOPPED,     /* TASKS_STOPPED */
    SERVICE_EVENT_UNPLACED,          /* SERVICE_TASK_PLACEMENT_FAILURE */
    SERVICE_EVENT_STEADY_STATE,      /* SERVICE_STEADY_STATE */
    SERVICE_EVENT_START_IMPAIRED,    /* SERVICE_TASK_START_IMPAIRED */
    SERVICE_EVENT_DESIRED_UPDATED,   /* SERVICE_DESIRED_COUNT_UPDATED */
    SERVICE_EVENT_DAEMON_MISPLACED,  /* SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED */
    SERVICE_EVENT_DEPLOYMENT_DONE,   /* SERVICE_DEPLOYMENT_COMPLETED */
    SERVICE_EVENT_DEPLOYMENT_FAILED, /* SERVICE_DEPLOYMENT_FAILED */
};

struct deployment_action {
    enum deployment_action_kind kind;
    enum service_event event;
    uint32_t deployment; /* index */
    uint32_t task;       /* index */
    uint32_t count;
    const char *text;
};

struct deployment_plan {
    struct deployment_action *actions;
    size_t count;
    int64_t wake_at_ms; /* 0: only when something changes */
    /* as DescribeServices counts them */
    uint32_t running, pending, healthy;
};

/* ceil and floor of the table above; percents are at most 2^31. */
uint32_t deployment_lower(uint32_t desired, uint32_t minimum_healthy_percent);
uint32_t deployment_upper(uint32_t desired, uint32_t maximum_percent);
/* min(200, max(3, ceil(desired / 2))). */
uint32_t deployment_breaker_threshold(uint32_t desired);
/* The gap after the nth round of failed starts: 1 s, doubled, at most 15 min. */
int64_t deployment_retry_gap_ms(uint32_t rounds);

/* Does it count as healthy for stopping others (see above)? */
bool deployment_task_healthy(const struct deployment_service *s,
                             const struct deployment_task *t, int64_t now_ms);

/* The plan at `now`. *memory is read and changed (what was told, when). */
void deployment_plan(const struct deployment_service *s, int64_t now_ms,
                     struct deployment_memory *memory, struct arena *a,
                     struct deployment_plan *ret);

enum deployment_news {
    NEWS_NOT_MOVED,         /* a start for an emptier zone found no room there */
    NEWS_TASK_RUNNING,      /* a task is RUNNING for the first time */
    NEWS_TASK_START_FAILED, /* it stopped without ever being RUNNING */
    NEWS_TASK_UNHEALTHY,    /* it was stopped for failing a health check */
    NEWS_PLACEMENT_FAILED,  /* DEPLOYMENT_START could not be carried out in full */
    NEWS_CAPACITY,          /* an instance came, or has more room: place again */
    NEWS_UPDATED,           /* the service was updated: forget failures */
};

/* Counts what happened. `d` is the deployment concerned; NULL where none is. */
void deployment_note(struct deployment_memory *memory, struct deployment *d,
                     enum deployment_news news, int64_t now_ms);

/* ---- texts for people, to the letter as ECS has them ---- */

void service_event_started(struct str *out, const char *service, const char *const *ids,
                           size_t n);
void service_event_stopped(struct str *out, const char *service, const char *const *ids,
                           size_t n);
void service_event_rolling_back(struct str *out, const char *service,
                                const char *deployment_id);
void service_event_unhealthy(struct str *out, const char *service, const char *task_id);
/* `closest_id` NULL: no instance at all; `reason` as place_reason_text() gives it. */
void service_event_unplaced(struct str *out, const char *service, const char *closest_id,
                            const char *reason);
/* rolloutStateReason. */
void rollout_reason_in_progress(struct str *out, const char *deployment_id);
void rollout_reason_rolling_back(struct str *out, const char *to_deployment_id);
/* stoppedReason of tasks that the scheduler stops. */
void stopped_by_scaling(struct str *out, const char *deployment_id);
