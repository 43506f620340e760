/* One pass counts, then each rule looks at the counts and adds its actions. The order of
 * the rules is the order of deployment_plan() at the end. */
#include "deployment.h"

#include <stdlib.h>
#include <string.h>

/* What becomes of a task that nobody has told to stop. */
enum fate {
    FATE_NONE,   /* it is stopping or gone */
    FATE_STAYS,  /* a good task of the primary deployment */
    FATE_SICK,   /* one that fails its checks */
    FATE_LEAVES, /* of an older deployment, or on a draining instance */
};

struct planner {
    const struct deployment_service *s;
    int64_t now;
    struct deployment_memory *memory;
    struct arena *a;
    struct deployment_plan *plan;
    size_t action_cap;

    uint32_t primary; /* index */
    uint32_t desired, lower, upper;
    uint8_t *fate; /* by task */
    /* Counted once, then kept up by the rules as they stop tasks. */
    uint32_t live;         /* starting or running, also those told to stop */
    uint32_t ending;       /* told to stop, not yet gone */
    uint32_t healthy;      /* for stopping others */
    uint32_t good;         /* FATE_STAYS */
    uint32_t good_running; /* … and RUNNING */
    uint32_t sick, leaving;
    uint32_t leaving_free;  /* … and not protected */
    uint32_t unready;       /* alive, but not yet fit for a steady state */
    uint32_t unhealthy_yet; /* RUNNING, but not (yet) healthy for stopping others */
    int64_t matures_at_ms;  /* when the next of them is, by time alone; 0: none */
    uint32_t *live_by_deployment;
    const char **stop_texts; /* by deployment */

    uint32_t wanted, started, stopped;
    bool ranked;  /* the tasks' ranks are there */
    bool failed;  /* nothing is started or replaced for the primary any more */
    bool waiting; /* a start waits for its time */
    const char **stopped_ids;
    uint32_t stopped_running;
};

/* ---- what a task is ---- */

static bool is_alive(const struct deployment_task *t)
{
    return !t->stop_wanted && (t->phase == PHASE_STARTING || t->phase == PHASE_RUNNING);
}

/* Checks and targets say that it is well; a task without a check is. */
static bool is_ready(const struct deployment_service *s, const struct deployment_task *t)
{
    if (!is_alive(t) || t->phase != PHASE_RUNNING)
        return false;
    if (s->load_balanced && t->target != CHECK_HEALTHY)
        return false;
    return t->health == CHECK_NONE || t->health == CHECK_HEALTHY;
}

bool deployment_task_healthy(const struct deployment_service *s,
                             const struct deployment_task *t, int64_t now_ms)
{
    if (!is_ready(s, t))
        return false;
    if (s->load_balanced || t->health == CHECK_HEALTHY)
        return true;
    return now_ms - t->started_at_ms >= DEPLOYMENT_GRACE_MS;
}

static bool fails_checks(const struct deployment_service *s,
                         const struct deployment_task *t)
{
    return t->phase == PHASE_RUNNING &&
           (t->health == CHECK_UNHEALTHY ||
            (s->load_balanced && t->target == CHECK_UNHEALTHY));
}

static void wake_at(struct planner *p, int64_t at_ms)
{
    if (p->plan->wake_at_ms == 0 || at_ms < p->plan->wake_at_ms)
        p->plan->wake_at_ms = at_ms;
}

static enum fate fate_of(struct planner *p, const struct deployment_task *t)
{
    if (!is_alive(t))
        return FATE_NONE;
    if (t->deployment != p->primary || t->draining || t->misplaced)
        return FATE_LEAVES;
    if (!fails_checks(p->s, t))
        return FATE_STAYS;
    int64_t grace_ends_ms = t->started_at_ms + p->s->health_grace_ms;
    if (p->now >= grace_ends_ms)
        return FATE_SICK;
    wake_at(p, grace_ends_ms);
    return FATE_STAYS;
}

/* ---- counting ---- */

static void count_alive(struct planner *p, const struct deployment_task *t,
                        enum fate fate)
{
    bool running = t->phase == PHASE_RUNNING;
    p->good += fate == FATE_STAYS;
    p->good_running += fate == FATE_STAYS && running;
    p->sick += fate == FATE_SICK;
    p->leaving += fate == FATE_LEAVES;
    p->leaving_free += fate == FATE_LEAVES && !t->is_protected;
    p->unready += !is_ready(p->s, t);
    if (deployment_task_healthy(p->s, t, p->now)) {
        p->healthy++;
        return;
    }
    p->unhealthy_yet += running;
    if (!is_ready(p->s, t))
        return;
    int64_t at = t->started_at_ms + DEPLOYMENT_GRACE_MS;
    if (p->matures_at_ms == 0 || at < p->matures_at_ms)
        p->matures_at_ms = at;
}

static void count(struct planner *p)
{
    for (size_t k = 0; k < p->s->task_count; k++) {
        const struct deployment_task *t = &p->s->tasks[k];
        bool starting = t->phase == PHASE_STARTING, running = t->phase == PHASE_RUNNING;
        p->plan->pending += starting;
        p->plan->running += running;
        p->live_by_deployment[t->deployment] += starting || running;
        p->ending += t->phase != PHASE_GONE && !is_alive(t);
        p->fate[k] = (uint8_t)fate_of(p, t);
        if (p->fate[k] != FATE_NONE)
            count_alive(p, t, p->fate[k]);
    }
    p->live = p->plan->pending + p->plan->running;
    p->plan->healthy = p->healthy;
}

/* ---- actions ---- */

static struct deployment_action *act(struct planner *p, enum deployment_action_kind kind,
                                     uint32_t deployment)
{
    if (p->plan->count == p->action_cap) {
        size_t cap = p->action_cap ? p->action_cap * 2 : 16;
        struct deployment_action *v =
            arena_new_array(p->a, struct deployment_action, cap);
        if (p->plan->count)
            memcpy(v, p->plan->actions, p->plan->count * sizeof(*v));
        p->plan->actions = v;
        p->action_cap = cap;
    }
    struct deployment_action *x = &p->plan->actions[p->plan->count++];
    *x = (struct deployment_action){.kind = kind, .deployment = deployment};
    return x;
}

static void tell(struct planner *p, enum service_event event, const char *text)
{
    struct deployment_action *x = act(p, DEPLOYMENT_EVENT, p->primary);
    x->event = event;
    x->text = text;
}

/* Tells it now and not again for hours, as long as the cause lasts. */
static void tell_once(struct planner *p, int64_t *told_at_ms, enum service_event event,
                      const char *text)
{
    if (*told_at_ms == 0 || p->now - *told_at_ms >= DEPLOYMENT_REPEAT_MS) {
        tell(p, event, text);
        *told_at_ms = p->now;
    }
    wake_at(p, *told_at_ms + DEPLOYMENT_REPEAT_MS);
}

static const char *stop_text(struct planner *p, const struct deployment_task *t)
{
    if (fails_checks(p->s, t))
        return t->health == CHECK_UNHEALTHY
                   ? "Task failed container health checks"
                   : arena_printf(p->a,
                                  "Task failed ELB health checks in (target-group %s)",
                                  t->target_group ? t->target_group : "");
    if (!p->stop_texts[t->deployment]) {
        struct str s = STR_INIT;
        stopped_by_scaling(&s, p->s->deployments[t->deployment].id);
        p->stop_texts[t->deployment] = arena_strdup(p->a, str_text(&s));
        str_free(&s);
    }
    return p->stop_texts[t->deployment];
}

/* Orders a stop and takes the task out of all counts. */
static void stop(struct planner *p, uint32_t k)
{
    const struct deployment_task *t = &p->s->tasks[k];
    struct deployment_action *x = act(p, DEPLOYMENT_STOP, t->deployment);
    x->task = k;
    x->text = stop_text(p, t);
    bool running = t->phase == PHASE_RUNNING,
         healthy = deployment_task_healthy(p->s, t, p->now);
    if (running) {
        if (!p->stopped_ids)
            p->stopped_ids = arena_new_array(p->a, const char *, p->s->task_count);
        p->stopped_ids[p->stopped_running++] = t->id;
    }
    p->healthy -= healthy;
    p->unhealthy_yet -= running && !healthy;
    p->good -= p->fate[k] == FATE_STAYS;
    p->good_running -= p->fate[k] == FATE_STAYS && running;
    p->sick -= p->fate[k] == FATE_SICK;
    p->leaving -= p->fate[k] == FATE_LEAVES;
    p->leaving_free -= p->fate[k] == FATE_LEAVES && !t->is_protected;
    p->fate[k] = FATE_NONE;
    p->ending++;
    p->stopped++;
    if (running && fails_checks(p->s, t) && t->health == CHECK_UNHEALTHY) {
        struct str text = STR_INIT;
        service_event_unhealthy(&text, p->s->name, t->id);
        tell(p, SERVICE_EVENT_TEXT_ONLY, arena_strdup(p->a, str_text(&text)));
        str_free(&text);
    }
}

/* ---- rules ---- */

/* Circuit breaker: too many failures end the rollout. */
static void rule_breaker(struct planner *p)
{
    const struct deployment *d = &p->s->deployments[p->primary];
    if (!p->s->breaker || p->s->draining || d->rollout != ROLLOUT_IN_PROGRESS ||
        d->breaker_failures < deployment_breaker_threshold(p->desired))
        return;
    p->failed = true;
    act(p, DEPLOYMENT_FAIL, p->primary)->text =
        "ECS deployment circuit breaker: tasks failed to start.";
    tell(p, SERVICE_EVENT_DEPLOYMENT_FAILED,
         arena_printf(
             p->a,
             "(service %s) (deployment %s) deployment failed: tasks failed to start.",
             p->s->name, d->id));
    if (p->s->breaker_rollback)
        act(p, DEPLOYMENT_ROLLBACK, p->primary)->text =
            "ECS deployment circuit breaker: tasks failed to start.";
}

/* An alarm says that the new revision does harm, whatever its tasks say. */
static void rule_alarm(struct planner *p)
{
    const struct deployment *d = &p->s->deployments[p->primary];
    if (!p->s->alarmed || p->failed || p->s->draining ||
        d->rollout != ROLLOUT_IN_PROGRESS)
        return;
    p->failed = true;
    act(p, DEPLOYMENT_FAIL, p->primary)->text = "ECS deployment alarms: alarm detected.";
    tell(p, SERVICE_EVENT_DEPLOYMENT_FAILED,
         arena_printf(p->a,
                      "(service %s) (deployment %s) deployment failed: alarm detected.",
                      p->s->name, d->id));
    if (p->s->alarm_rollback)
        act(p, DEPLOYMENT_ROLLBACK, p->primary)->text =
            "ECS deployment alarms: alarm detected.";
}

/* Tasks that have not started yet and would have to go anyway serve nobody. */
static void rule_stop_starting(struct planner *p)
{
    for (uint32_t k = 0; p->leaving && k < p->s->task_count; k++)
        if (p->fate[k] == FATE_LEAVES && p->s->tasks[k].phase == PHASE_STARTING)
            stop(p, k);
}

static bool must_wait(struct planner *p, int64_t until_ms)
{
    if (until_ms <= p->now)
        return false;
    wake_at(p, until_ms);
    return true;
}

static void rule_start(struct planner *p)
{
    uint32_t missing = p->desired > p->good ? p->desired - p->good : 0;
    p->wanted = p->s->daemon ? p->s->vacant : missing;
    if (p->failed || p->s->draining || p->wanted == 0) {
        p->wanted = 0;
        return;
    }
    bool throttled = must_wait(p, p->memory->retry_at_ms);
    p->waiting = must_wait(p, p->memory->place_at_ms) || throttled;
    uint32_t room = p->upper > p->live ? p->upper - p->live : 0;
    if (p->s->daemon)
        room = p->wanted;
    if (p->waiting || room == 0)
        return;
    p->started = p->wanted < room ? p->wanted : room;
    act(p, DEPLOYMENT_START, p->primary)->count = p->started;
}

/* May a running task that has to go, go now? */
static bool may_leave(const struct planner *p, const struct deployment_task *t)
{
    if (deployment_task_healthy(p->s, t, p->now))
        return p->healthy > p->lower;
    return p->healthy >= p->lower;
}

struct candidate {
    uint32_t task;
    uint32_t class, rank; /* low goes first */
};

static int by_class_and_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

/* Running tasks of a fate in the order in which they go: sick, not yet healthy, on a
 * draining instance, then by rank. With `by_rank` rank alone decides. */
static size_t candidates(struct planner *p, enum fate fate, bool by_rank,
                         struct candidate **ret)
{
    struct candidate *v = arena_new_array(p->a, struct candidate, p->s->task_count);
    size_t n = 0;
    if (p->s->rank && !p->ranked)
        p->s->rank(p->s->rank_ctx);
    p->ranked = true;
    for (uint32_t k = 0; k < p->s->task_count; k++) {
        const struct deployment_task *t = &p->s->tasks[k];
        if (p->fate[k] != fate ||
            (t->is_protected && fate != FATE_SICK && !p->s->draining))
            continue;
        uint32_t class = fails_checks(p->s, t)                       ? 0
                         : !deployment_task_healthy(p->s, t, p->now) ? 1
                         : t->draining                               ? 2
                                                                     : 3;
        v[n++] = (struct candidate){k, by_rank ? 0 : class, t->rank};
    }
    qsort(v, n, sizeof(*v), by_class_and_rank);
    *ret = v;
    return n;
}

static bool any_may_leave(const struct planner *p)
{
    for (size_t k = 0; k < p->s->task_count; k++)
        if (p->fate[k] == FATE_LEAVES && !p->s->tasks[k].is_protected &&
            may_leave(p, &p->s->tasks[k]))
            return true;
    return false;
}

/* Older deployments and draining instances hand over. */
static void rule_leave(struct planner *p)
{
    if (p->leaving_free == 0)
        return;
    struct candidate *v;
    size_t n = any_may_leave(p) ? candidates(p, FATE_LEAVES, false, &v) : 0;
    for (size_t k = 0; k < n; k++)
        if (may_leave(p, &p->s->tasks[v[k].task]))
            stop(p, v[k].task);
    if (p->leaving && p->matures_at_ms)
        wake_at(p, p->matures_at_ms);
}

/* Sick tasks go as their replacements run. */
static void rule_sick(struct planner *p)
{
    uint32_t running = p->good_running + p->sick;
    uint32_t may = running > p->desired ? running - p->desired : 0;
    if (p->s->daemon)
        may = p->sick;
    if (p->sick == 0 || may == 0)
        return;
    struct candidate *v;
    size_t n = candidates(p, FATE_SICK, false, &v);
    for (size_t k = 0; k < n && k < may; k++)
        stop(p, v[k].task);
}

/* No room to start first: one that is of no use makes room, and only when nothing is on
 * its way. That takes no healthy task away. */
static void rule_make_room(struct planner *p)
{
    if (p->s->daemon || p->failed || p->waiting || p->wanted == 0 || p->started ||
        p->stopped || p->ending || p->plan->pending)
        return;
    struct candidate *v;
    size_t n = p->sick ? candidates(p, FATE_SICK, false, &v)
                       : candidates(p, FATE_LEAVES, false, &v);
    if (n > 0 && fails_checks(p->s, &p->s->tasks[v[0].task]))
        stop(p, v[0].task);
}

/* The moved task has to be healthy before another one goes. */
static bool is_moving(struct planner *p)
{
    bool moving = p->memory->moving_at_ms && p->good == p->desired + 1 &&
                  (p->plan->pending > 0 || p->unhealthy_yet > 0);
    if (moving && p->matures_at_ms)
        wake_at(p, p->matures_at_ms);
    return moving;
}

static void rule_scale_in(struct planner *p)
{
    if (p->good <= p->desired || (p->s->daemon && !p->s->draining)) {
        p->memory->blocked_at_ms = 0;
        return;
    }
    if (is_moving(p))
        return;
    struct candidate *v;
    size_t n = candidates(p, FATE_STAYS, true, &v);
    for (size_t k = 0; k < n && p->good > p->desired; k++) {
        const struct deployment_task *t = &p->s->tasks[v[k].task];
        if (!deployment_task_healthy(p->s, t, p->now) || p->healthy > p->lower)
            stop(p, v[k].task);
    }
    if (p->good <= p->desired) {
        p->memory->blocked_at_ms = 0;
        return;
    }
    tell_once(p, &p->memory->blocked_at_ms, SERVICE_EVENT_TEXT_ONLY,
              arena_printf(p->a,
                           "(service %s) was unable to scale in. Reason: The number of "
                           "protected tasks are more than the desired count of tasks.",
                           p->s->name));
}

static void rule_remove_deployments(struct planner *p)
{
    for (uint32_t d = 0; d < p->s->deployment_count; d++)
        if (d != p->primary && p->live_by_deployment[d] == 0)
            act(p, DEPLOYMENT_REMOVE, d);
}

static void tell_stopped(struct planner *p)
{
    if (p->stopped_running == 0)
        return;
    struct str text = STR_INIT;
    service_event_stopped(&text, p->s->name, p->stopped_ids, p->stopped_running);
    tell(p, SERVICE_EVENT_TASKS_STOPPED, arena_strdup(p->a, str_text(&text)));
    str_free(&text);
}

/* Starts and stops have both come to rest short of the goal, and not for want of health. */
static void rule_stuck(struct planner *p)
{
    bool stuck = !p->failed && !p->waiting && p->leaving_free > 0 && p->wanted > 0 &&
                 p->started == 0 && p->stopped == 0 && p->ending == 0 &&
                 p->plan->pending == 0 && p->unhealthy_yet == 0;
    if (!stuck) {
        p->memory->stuck_at_ms = 0;
        return;
    }
    tell_once(p, &p->memory->stuck_at_ms, SERVICE_EVENT_TEXT_ONLY,
              arena_printf(p->a,
                           "(service %s) was unable to stop or start tasks during a "
                           "deployment because of the service deployment configuration. "
                           "Update the minimumHealthyPercent or maximumPercent value and "
                           "try again.",
                           p->s->name));
}

static void rule_impaired(struct planner *p)
{
    if (p->memory->start_rounds < DEPLOYMENT_IMPAIRED_AT || p->wanted == 0)
        return;
    tell_once(p, &p->memory->impaired_at_ms, SERVICE_EVENT_START_IMPAIRED,
              arena_printf(p->a,
                           "(service %s) is unable to consistently start tasks "
                           "successfully.",
                           p->s->name));
}

/* ---- zones ---- */

static const char *zone_counts(struct planner *p, const uint32_t *count)
{
    struct str text = STR_INIT;
    for (size_t z = 0; z < p->s->zone_count; z++)
        str_addf(&text, "%s%u tasks in %s", z ? ", " : "", count[z], p->s->zones[z]);
    const char *ret = arena_strdup(p->a, str_text(&text));
    str_free(&text);
    return ret;
}

static void tell_balance(struct planner *p, const uint32_t *count, bool balanced)
{
    const char *zones = zone_counts(p, count);
    if (!balanced) {
        tell_once(
            p, &p->memory->unbalanced_at_ms, SERVICE_EVENT_TEXT_ONLY,
            arena_printf(p->a,
                         "(service %s) is not AZ balanced with %s. AZ Rebalancing in "
                         "progress.",
                         p->s->name, zones));
    } else if (p->memory->unbalanced_at_ms) {
        p->memory->unbalanced_at_ms = 0;
        tell(p, SERVICE_EVENT_TEXT_ONLY,
             arena_printf(p->a, "(service %s) is AZ balanced with %s.", p->s->name,
                          zones));
    }
}

/* Only for a service at rest. Moves one task at a time. */
static void rule_balance(struct planner *p)
{
    size_t n = p->s->zone_count;
    p->memory->moving_at_ms = 0;
    if (n < 2)
        return;
    uint32_t *count = arena_new_array(p->a, uint32_t, n);
    for (size_t k = 0; k < p->s->task_count; k++)
        count[p->s->tasks[k].zone] += p->fate[k] == FATE_STAYS;
    size_t least = 0, most = 0;
    for (size_t z = 1; z < n; z++) {
        least = count[z] < count[least] ? z : least;
        most = count[z] > count[most] ? z : most;
    }
    bool balanced = count[most] - count[least] < 2;
    if (!balanced && p->upper <= p->live)
        return; /* the one more on the way has no place within the maximum */
    tell_balance(p, count, balanced);
    if (balanced || must_wait(p, p->memory->unmoved_at_ms))
        return;
    struct deployment_action *x = act(p, DEPLOYMENT_START, p->primary);
    x->count = 1;
    x->text = p->s->zones[least];
    p->memory->moving_at_ms = p->now;
}

static bool is_steady(const struct planner *p)
{
    uint32_t others = 0;
    for (uint32_t d = 0; d < p->s->deployment_count; d++)
        others += d != p->primary && p->live_by_deployment[d] > 0;
    return !p->failed && !p->s->draining && others == 0 && p->plan->pending == 0 &&
           p->plan->running == p->desired && p->good_running == p->desired &&
           p->leaving == 0 && p->unready == 0 && p->stopped == 0 && p->started == 0;
}

static bool baked(struct planner *p, const struct deployment *d)
{
    if (p->s->bake_ms == 0)
        return true;
    if (d->bakes_until_ms == 0)
        act(p, DEPLOYMENT_BAKE, p->primary);
    else if (d->bakes_until_ms <= p->now)
        return true;
    else
        wake_at(p, d->bakes_until_ms);
    return false;
}

static void rule_steady(struct planner *p)
{
    if (!is_steady(p)) {
        p->memory->steady_at_ms = 0;
        return;
    }
    const struct deployment *d = &p->s->deployments[p->primary];
    if (d->rollout == ROLLOUT_IN_PROGRESS && baked(p, d)) {
        act(p, DEPLOYMENT_COMPLETE, p->primary)->text =
            arena_printf(p->a, "ECS deployment %s completed.", d->id);
        tell(p, SERVICE_EVENT_DEPLOYMENT_DONE,
             arena_printf(p->a, "(service %s) (deployment %s) deployment completed.",
                          p->s->name, d->id));
    }
    tell_once(p, &p->memory->steady_at_ms, SERVICE_EVENT_STEADY_STATE,
              arena_printf(p->a, "(service %s) has reached a steady state.", p->s->name));
    rule_balance(p);
}

void deployment_plan(const struct deployment_service *s, int64_t now_ms,
                     struct deployment_memory *memory, struct arena *a,
                     struct deployment_plan *ret)
{
    *ret = (struct deployment_plan){0};
    struct planner p = {.s = s, .now = now_ms, .memory = memory, .a = a, .plan = ret};
    while (p.primary < s->deployment_count && !s->deployments[p.primary].primary)
        p.primary++;
    if (p.primary == s->deployment_count)
        return; /* a service without a deployment is none of ours (EXTERNAL) */
    p.desired = s->draining ? 0 : s->desired;
    p.lower = deployment_lower(p.desired, s->minimum_healthy_percent);
    p.upper = deployment_upper(p.desired, s->maximum_percent);
    p.fate = arena_alloc(a, s->task_count);
    p.live_by_deployment = arena_new_array(a, uint32_t, s->deployment_count);
    p.stop_texts = arena_new_array(a, const char *, s->deployment_count);
    p.failed = !s->draining && s->deployments[p.primary].rollout == ROLLOUT_FAILED;
    count(&p);
    rule_breaker(&p);
    rule_alarm(&p);
    rule_start(&p);
    if (!p.failed) {
        rule_stop_starting(&p);
        rule_leave(&p);
        rule_sick(&p);
        rule_make_room(&p);
        rule_scale_in(&p);
        rule_remove_deployments(&p);
    }
    tell_stopped(&p);
    rule_stuck(&p);
    rule_impaired(&p);
    rule_steady(&p);
}
